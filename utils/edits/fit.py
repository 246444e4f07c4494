"""The whole chain: an answer fitted to the picture that was sent, inside a mask (docs/exact-edits.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..input_tensors import check_mask_size
from ..mask_composite import with_channels
from . import seam
from .cancel import ShouldStop, raise_if_stopped
from .composite import Composite
from .crop import part
from .filters import BLOCK_ROWS
from .gates import NOT_MATCHED, TOO_PLAIN, Decision, Figures, Refusal, Verdict, decide
from .geometry import parts
from .pair import make_pair
from .regions import Box
from .threads import one_core

LEAST_PERCENT = 0.2  # a smaller change of scale is not spoken of
LOST_FEATHER = 32 / 3.1  # sigma where the answer does not match: 32 px from the border to its end


@dataclass(frozen=True)
class Fit:
    """What was made of an answer.

    image: [H,W,C], the original with the fitted answer inside the mask. verdict: how well the untouched area matches.
    relit: its light or style is another, whatever the verdict. dx, dy: by how many pixels of the original the middle
    of what was shown lay too far right and down in the answer. scale_x, scale_y: the size of the content in the
    answer, 0.95 is 5 % smaller. rotation: in degrees, clockwise. gain, offset: what each channel's values of 0..1 were
    multiplied by, then moved by. applied: of "alignment", "flow", "colour match", "tone curve", "seam".
    """

    image: Tensor
    verdict: Verdict
    relit: bool
    dx: float
    dy: float
    scale_x: float
    scale_y: float
    rotation: float
    gain: tuple[float, ...]
    offset: tuple[float, ...]
    applied: tuple[str, ...]
    refused: tuple[Refusal, ...]
    figures: Figures

    @property
    def summary(self) -> str:
        """A few words for the node's last line: "aligned: was 4.8 % smaller, its colours were matched"."""
        if self.relit:
            return "relit: the light or the style changed"
        if self.verdict == "misplaced":
            return "misplaced: what came back shows your picture elsewhere or in another size"
        if self.verdict == "redrawn":
            return "redrawn: what came back does not match your picture"
        if self.verdict == "not compared":
            return "not compared: too little lies outside the mask"
        said = [self._place()]
        if self.verdict == "roughly aligned":
            is_plain = any(refusal.reason == TOO_PLAIN for refusal in self.refused)
            said.append(TOO_PLAIN if is_plain else "it matches only roughly")
        if self.figures.places > 1:
            said.append("it fits elsewhere as well")
        if "colour match" in self.applied:
            said.append("its colours were matched")
        return ", ".join(said)

    def _place(self) -> str:
        percent = 100 * (math.sqrt(self.scale_x * self.scale_y) - 1)
        if "alignment" not in self.applied:
            return "aligned: in place"
        if percent <= -LEAST_PERCENT:
            return f"aligned: was {-percent:.1f} % smaller"
        if percent >= LEAST_PERCENT:
            return f"aligned: was {percent:.1f} % larger"
        return f"aligned: was {math.hypot(self.dx, self.dy):.0f} px off"


@one_core()
def fit(
    original: Tensor,
    answer: Tensor,
    mask: Tensor,
    *,
    box: Box | None = None,
    feather: float = seam.FEATHER,
    out: Tensor | None = None,
    should_stop: ShouldStop | None = None,
) -> Fit:
    """Return the original with the answer inside the mask: in place, in colour, without a seam, as far as that helps.

    original: [H,W,C], C 1, 3 or 4, floats 0..1. answer: [h,w,C] of any size; it shows `box` of the original, by
    default all of it. mask: [H,W], 1 = show the answer. feather: sigma of the border in pixels at a long side of 1024
    of what was shown; 0 keeps the mask's own edge. Further than 20 such pixels from the mask the result has the
    original's values bit for bit. It has 3 channels, or 4 if the original has or the answer is transparent somewhere;
    `out` is a float32 [H,W,3|4] to write it to, which then tells the channels. The inputs are not written to.

    Raises:
        ImageInputError: the mask is not of the original's size.
        ValueError: a tensor has other axes or channels.
        FitStoppedError: `should_stop`, asked at least every 0.2 s, said so.
    """
    _check(original, answer, mask)
    box = box or Box(0, 0, original.shape[1], original.shape[0])
    result = torch.empty(*original.shape[:2], channels_of(original, answer)) if out is None else out
    _copy(original, result, should_stop)
    selected = part(mask[..., None], box)[..., 0]
    shown = box.inside(original.shape[1], original.shape[0])
    pair = make_pair(part(original, box), answer, selected, should_stop)
    pair.forget_outside(box, shown)
    decision = decide(pair, should_stop)
    if bool(pair.mask.any()):
        lost = decision.relit or decision.verdict in NOT_MATCHED
        sigma = max(feather, LOST_FEATHER) if lost and feather else feather
        raise_if_stopped(should_stop)
        border = seam.border(pair.mask, pair.unit, sigma)
        if feather and not lost:
            border = seam.around_removed(
                border,
                pair.picture,
                decision.colour.apply(decision.view.answer),
                mask=pair.mask,
                trusted=pair.comparable * decision.view.inside,
                unit=pair.unit,
                # what came back in place and in colour is pasted as any other mode would
                sure=decision.verdict == "aligned" and bool(decision.applied),
            )
        raise_if_stopped(should_stop)
        Composite(pair, decision, border, answer, box).write(result, mask, should_stop)
    return _fit(result, decision, box)


def _check(original: Tensor, answer: Tensor, mask: Tensor) -> None:
    for picture in (original, answer):
        if picture.ndim != 3 or picture.shape[2] not in (1, 3, 4) or picture.numel() == 0:
            raise ValueError(f"A picture must be [height, width, 1, 3 or 4], not {list(picture.shape)}.")
    if mask.ndim != 2:
        raise ValueError(f"A mask must be [height, width], not {list(mask.shape)}.")
    check_mask_size(mask, original)


def channels_of(original: Tensor, answer: Tensor) -> int:
    """Return how many channels the original [...,C] has with an answer [...,C] in it: 3, or 4 with transparency."""
    transparent = answer.shape[-1] == 4 and bool(answer[..., 3].min() < 1)
    return 4 if original.shape[-1] == 4 or transparent else 3


def _copy(picture: Tensor, result: Tensor, should_stop: ShouldStop | None) -> None:
    """Write [H,W,C] to [H,W,3|4], in blocks: a large picture takes a second."""
    for top in range(0, len(picture), BLOCK_ROWS):
        raise_if_stopped(should_stop)
        rows = slice(top, top + BLOCK_ROWS)
        result[rows] = with_channels(picture[rows], result.shape[2])


def _fit(image: Tensor, decision: Decision, box: Box) -> Fit:
    affine, colour = decision.view.mapping.affine, decision.colour
    scale_x, scale_y, rotation, _ = parts(affine)
    half = max(box.width, box.height) / 2
    return Fit(
        image=image,
        verdict=decision.verdict,
        relit=decision.relit,
        dx=float(affine[0, 2]) * half,
        dy=float(affine[1, 2]) * half,
        scale_x=scale_x,
        scale_y=scale_y,
        rotation=rotation,
        gain=tuple(colour.gain.tolist()),
        offset=tuple(colour.offset.tolist()),
        applied=decision.applied,
        refused=decision.refused,
        figures=decision.figures,
    )
