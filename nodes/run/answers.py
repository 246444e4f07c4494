"""From an answer to the picture that a node gives out: as it came, or put back into the picture that was sent."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...api import StoredAnswer
from ...api.jobs.report import opaque_notes
from ...utils.decode import MOST_PICTURES, alpha_of, is_opaque, pngs_to_image
from ...utils.input_tensors import first_mask, size_of, size_text
from ...utils.mask_composite import lock_outside_mask
from .execution import Outputs
from .framing import Framing
from .input_images import EncodedInputs

if TYPE_CHECKING:  # and where it is used: the commands do without torch, which takes seconds and 200 MB
    from torch import Tensor

    from ...utils.edits.fit import Fit

LOG = logging.getLogger(__name__)
NAMES_TOLD = 16  # of files, in a note
NEARLY_ALL_SHOWN = 0.9  # of the mask: what is missing at its edge is made up or not seen
ShouldStop = Callable[[], bool]


def pictures_of(answer: StoredAnswer, encoded: EncodedInputs, should_stop: ShouldStop) -> Outputs:
    """Return image [n,H,W,3|4] and alpha [n,H,W] of an answer, as its framing says."""
    asked = answer.record.fields.get("n") or MOST_PICTURES  # where a batch's plan was lost nobody knows how many
    decoded = pngs_to_image(answer.pictures, at_most=int(asked))
    if answer.folder and decoded.broken:
        names = [answer.record.pictures[index] for index in decoded.broken]
        listed = ", ".join([*names[:NAMES_TOLD], *(["..."] if len(names) > NAMES_TOLD else [])])
        decoded.notes.append(f"The bytes of what could not be read are kept in {answer.folder}: {listed}.")
    decoded.notes.extend(opaque_notes(answer, is_opaque=is_opaque(decoded.alpha)))
    image, notes = decoded.image, decoded.notes
    framing, first, mask = encoded.framing, encoded.first, encoded.mask
    told = _edit(encoded)
    if first is not None and mask is not None and framing.is_fitted:
        image, more, fits = _fitted(image, framing, first, mask, should_stop)
        notes += [*more, *_advice(fits, answer, is_region=framing.is_cut)]
        told["edit"]["fits"] = [fit and fit_report(fit) for fit in fits]
        return Outputs((image, alpha_of(image)), notes, told, summary([fit for fit in fits if fit]))
    if first is not None and mask is not None and framing.mode == "lock":
        image = _locked(image, framing, first, mask)
        notes.append("Every pixel outside the mask is from your picture.")
    elif framing.region is not None and first is not None:
        from ...utils.edits.crop import cut_back

        image = cut_back(image, framing.region.box, size_of(first))
    return Outputs((image, alpha_of(image)), notes, told)


def summary(fits: Sequence[Fit]) -> str:
    """Return a few words on how answers were fitted: of one what was done, of several how many are what."""
    summaries = [fit.summary for fit in fits]
    if len(set(summaries)) <= 1:
        return "".join(summaries[:1])
    return ", ".join(f"{count} {word}" for word, count in Counter(one.split(":")[0] for one in summaries).items())


def fit_report(fit: Fit) -> dict[str, Any]:
    """Return what was found and done, for a report: lengths in pixels of the original, gain and offset per channel."""
    names = ("dx", "dy", "scale_x", "scale_y", "rotation")
    figures = {name: round(float(value), 4) for name, value in vars(fit.figures).items()}
    return {
        "verdict": fit.verdict,
        "relit": fit.relit,
        "summary": fit.summary,
        **{name: round(float(getattr(fit, name)), 4) for name in names},
        "gain": [round(value, 4) for value in fit.gain],
        "offset": [round(value, 4) for value in fit.offset],
        "applied": list(fit.applied),
        "refused": [{"step": one.step, "reason": one.reason} for one in fit.refused],
        "figures": figures,
    }


def mismatches(fits: Sequence[Fit]) -> list[str]:
    """Return what to say of edits that do not match their pictures, or not all of the mask."""
    told = []
    if any(fit.verdict == "redrawn" and not fit.relit for fit in fits):
        told.append("What came back was redrawn and does not match your picture, so its border may show.")
    if any(fit.verdict == "misplaced" and not fit.relit for fit in fits):
        told.append("What came back shows your picture in another place or size, so its border may show.")
    if any(fit.figures.places > 1 for fit in fits):
        told.append(
            "Your picture repeats a pattern that fits in several places: the nearest was taken. Look at the edit."
        )
    if any(fit.relit for fit in fits):
        told.append("The light or the style of what came back differs, so its border may show.")
    if any(fit.figures.shown < NEARLY_ALL_SHOWN for fit in fits):
        told.append("What came back does not show all that lies in the mask: where it is missing, your picture stays.")
    return told


def _edit(encoded: EncodedInputs) -> dict[str, Any]:
    """Return what the report says of the part that was sent; nothing where the picture went out as it is."""
    framing, first = encoded.framing, encoded.first
    if first is None or encoded.sent_size is None or (framing.region is None and not framing.is_fitted):
        return {}
    box = framing.region.box if framing.region is not None else (0, 0, *size_of(first))
    left, top, width, height = box
    return {
        "edit": {
            "mode": framing.mode,
            "box": {"left": left, "top": top, "width": width, "height": height},
            "sent_size": size_text(*encoded.sent_size),
            "asked_size": size_text(*framing.asked) if framing.asked else None,
            "scale": round(encoded.sent_size[0] / width, 6),
        }
    }


def _locked(image: Tensor, framing: Framing, first: Tensor, mask: Tensor) -> Tensor:
    region = framing.region
    if region is None or not framing.is_cut:
        return lock_outside_mask(image, first, mask)
    import torch

    from ...utils.edits.paste import paste

    return torch.stack([paste(visible(first), picture, first_mask(mask), box=region.box) for picture in image])


def visible(picture: Tensor) -> Tensor:
    """Return [H,W,C] on the CPU, without an alpha that hides nothing."""
    shown = picture.detach().cpu()
    return shown[..., :3] if shown.shape[2] == 4 and bool(shown[..., 3].min() >= 1) else shown


def _fitted(
    image: Tensor, framing: Framing, first: Tensor, mask: Tensor, should_stop: ShouldStop
) -> tuple[Tensor, list[str], list[Fit | None]]:
    """Return the original [n,H,W,C] with each answer [n,h,w,C] in its mask, notes, and how each was fitted.

    A picture was paid for: one that cannot be fitted is pasted, and that is told.
    """
    import torch

    from ...utils.edits.cancel import FitStoppedError
    from ...utils.edits.fit import channels_of, fit
    from ...utils.edits.paste import paste

    original, mask = visible(first), first_mask(mask).detach().cpu()
    box = framing.region.box if framing.region is not None else None
    result = torch.empty(len(image), *original.shape[:2], channels_of(original, image))
    notes: list[str] = []
    fits: list[Fit | None] = []
    for answer, out in zip(image, result, strict=True):
        try:
            fits.append(fit(original, answer, mask, box=box, out=out, should_stop=should_stop))
        except FitStoppedError:
            raise
        except Exception as exc:
            LOG.exception("An answer could not be fitted.")
            notes.append(f"The answer could not be fitted ({exc}): it was pasted into the mask as it came.")
            out.copy_(paste(original, answer, mask, box=box))
            fits.append(None)
    return result, notes, fits


def _advice(fits: Sequence[Fit | None], answer: StoredAnswer, *, is_region: bool) -> list[str]:
    """Return what to do about answers that do not match, once for all."""
    found = [fit for fit in fits if fit is not None]
    told = mismatches(found)
    if not told:
        return []
    told.append(
        "To come closer: a lower quality with gpt-image-2, a 2.5 or 2.6 model, a prompt that says what stays, or more"
        " region_context in mask_mode region."
    )
    if not is_region:
        told.append("To take the answer as it is, set mask_mode to guide: that costs nothing.")
    elif answer.folder is not None:
        told.append(f"The answer as it came is kept in {answer.folder}.")
    return told
