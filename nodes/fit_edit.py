"""The node that fits an edit, of whatever model or pack, to the picture that it was made of."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..api import RefusedError
from . import inputs

if TYPE_CHECKING:
    from torch import Tensor

    from ..utils.edits.fit import Fit

BLEND, PASTE = MODES = ("blend", "paste")


class FitEdit:
    """Puts an edited picture back into its original: in place, in colour and without a seam. Nothing is sent."""

    CATEGORY = "image/OpenAI"
    FUNCTION = "fit_edit"
    RETURN_TYPES = ("IMAGE", "MASK", "STRING")
    RETURN_NAMES = ("image", "mask", "report")
    OUTPUT_TOOLTIPS = (
        "The original with the edit inside the mask; beyond the mask's border every pixel is the original's.",
        "The mask that was used: the connected one, or what the edit was found to change.",
        "What was found and done, as JSON text: shift, scale, colours, and what was left as it is.",
    )
    DESCRIPTION = (
        "Fits an edited picture of any model to its original: image models return the whole frame a little smaller,"
        " shifted or in other colours. The edit is aligned, matched in colour and blended in; all else stays as it was."
        " Works on this computer, is free, and needs no connection."
    )
    SEARCH_ALIASES = ("fit edit", "align edit", "inpaint stitch", "match colors", "composite edit", "paste back")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the two pictures, the mask, and how they are put together."""
        mask = (
            "White (1) is where the edit is shown. Without one, what the edit changed is found, and given out as mask."
        )
        mode = (
            "blend: the edit is aligned, matched in colour and blended in at the mask's border, each only where that"
            " helps. paste: it is put into the mask as it is, only scaled to the original's size."
        )
        return {
            "required": {
                "original": inputs.socket_input(
                    "IMAGE", "The picture before the edit. Its size is that of the result."
                ),
                "edited": inputs.socket_input("IMAGE", "The edited picture, of any size; or a batch of edits."),
            },
            "optional": {
                "mask": inputs.socket_input("MASK", mask),
                "mode": inputs.combo_input(MODES, BLEND, mode),
            },
            "hidden": {"unique_id": "UNIQUE_ID"},
        }

    async def fit_edit(
        self,
        original: Tensor,
        edited: Tensor,
        mask: Tensor | None = None,
        mode: str = BLEND,
        unique_id: str | None = None,
    ) -> tuple[Tensor, Tensor, str]:
        """Return image float32 [n,H,W,3|4], one for each edit, mask float32 [n,H,W] and the report as JSON text.

        Of several originals and masks each edit takes its own; the last one serves those that are left.

        Raises: RefusedError for another mode, ImageInputError for what is no picture or does not fit, ComfyUI's
        interruption.
        """
        from .run.progress import FITTING, prompt_monitor, work_out

        if not isinstance(mode, str) or mode not in MODES:  # a link may give it
            raise RefusedError(f"mode {reprlib.repr(mode)} is not known. Choose one of {', '.join(MODES)}.")
        monitor = prompt_monitor()
        monitor.begin(unique_id)
        fitted = await work_out(partial(_fitted, original, edited, mask, mode), unique_id, FITTING)
        monitor.end(unique_id, f"fitted, {fitted.words}")
        return fitted.image, fitted.mask, fitted.report


class _Fitted(NamedTuple):
    """The outputs, and a few words on them."""

    image: Tensor
    mask: Tensor
    report: str
    words: str


def _fitted(original: Any, edited: Any, mask: Any, mode: str, should_stop: Callable[[], bool]) -> _Fitted:
    import torch

    from ..utils.edits.fit import channels_of
    from ..utils.input_tensors import pictures_of
    from ..utils.strangers_json import json_text
    from .run.answers import fit_report, mismatches, summary, visible

    originals = [visible(each) for each in pictures_of(original, "original")[0]]
    edits = [visible(each) for batch in pictures_of(edited, "edited") for each in batch]
    masks = _masks(mask, originals[0])
    height, width = originals[0].shape[:2]
    channels = max(channels_of(each, edit) for each in originals for edit in edits)
    image, used = torch.empty(len(edits), height, width, channels), torch.empty(len(edits), height, width)
    fits: list[Fit | None] = []
    notes: dict[str, None] = {}  # in order, each once
    for index, edit in enumerate(edits):
        own = originals[min(index, len(originals) - 1)]
        if masks:
            used[index] = masks[min(index, len(masks) - 1)]
        else:
            notes.update(dict.fromkeys(_find(own, edit, used[index], should_stop)))
        fits.append(_put(own, edit, used[index], image[index], mode=mode, should_stop=should_stop))
    found = [fit for fit in fits if fit is not None]
    reports = [fit and fit_report(fit) for fit in fits]
    told = {"mode": mode, "size": f"{width}x{height}", "fits": reports, "notes": [*notes, *mismatches(found)]}
    words = summary(found) or "pasted as it is"
    return _Fitted(image, used, json_text(told, indent=2), words)


def _masks(mask: Any, original: Tensor) -> list[Tensor]:
    """Return the masks [H,W] that open something; none where what changed is to be found.

    Raises: ImageInputError for one of another size.
    """
    from ..utils.edits.regions import masked_area
    from ..utils.encode import NO_MASK_SIZE
    from ..utils.input_tensors import check_mask_size, mask_of

    masks = [] if mask is None else list(mask_of(mask, "mask").detach().cpu())
    if all(masked_area(each) is None for each in masks):
        is_stand_in = not masks or masks[0].shape in (NO_MASK_SIZE, original.shape[:2])
        if is_stand_in:
            return []
    for each in masks:
        check_mask_size(each, original)
    return masks


def _find(original: Tensor, edit: Tensor, used: Tensor, should_stop: Callable[[], bool]) -> list[str]:
    """Write what an edit [h,w,C] changed to a mask [H,W], and return notes on it."""
    from ..utils.edits.changes import find_changes
    from ..utils.edits.gates import NOT_MATCHED

    changes = find_changes(original, edit, should_stop)
    used.copy_(changes.mask)
    if changes.relit or changes.verdict in NOT_MATCHED:
        return ["The edit changed the whole picture, so all of it is shown. Connect a mask to show a part of it."]
    if not changes.mask.any():
        return ["Nothing was found that the edit changed: the original comes back as it was."]
    return []


def _put(
    original: Tensor, edit: Tensor, mask: Tensor, out: Tensor, *, mode: str, should_stop: Callable[[], bool]
) -> Fit | None:
    """Write the original [H,W,C] with the edit in its mask to `out`, and return how it was fitted."""
    from ..utils.edits.fit import fit
    from ..utils.edits.paste import paste
    from ..utils.mask_composite import with_channels

    if mode == BLEND:
        return fit(original, edit, mask, out=out, should_stop=should_stop)
    out.copy_(with_channels(paste(original, edit, mask), out.shape[2]))
    return None
