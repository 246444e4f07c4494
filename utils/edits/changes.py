"""Finding what an edit changed, when no mask tells (docs/exact-edits.md, "What changed").

Lengths are in pixels at a long side of 1024.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .cancel import ShouldStop, raise_if_stopped
from .filters import BLOCK_ROWS, blur, grow, luminance, masked_blur, shrink
from .gates import NOT_MATCHED, SAME, Decision, Verdict, decide
from .geometry import Frame, enlarged
from .pair import make_pair
from .threads import one_core

CLEARLY, SOMEWHAT = 20 / 255, 8 / 255  # differences of colour that start, and that continue, a changed part
CLEAR_SPREADS, SPREADS, WIDE_SPREADS = 8.0, 4.0, 2.5  # and how many times the usual difference they must be
TINT = 4 / 255  # as SOMEWHAT, of colours without their brightness: redrawn edges differ little in these
AREA = 6.0  # sigma over which differences of redrawn edges cancel out, and those of a dark coat do not
LIGHT = 96.0  # sigma over which light changes
STRUCTURE_WINDOW, OTHER_STRUCTURE = 8.0, 0.3  # a local correlation below that also continues it
CORE = 2.0  # a changed part starts where it is at least that thick on each side
REACH = 4.0  # how far it goes on from one place to the next
CLOSED, FILLED = 10.0, 24.0  # gaps, and holes all around it, that are filled
MARGIN = 16.0  # added around, so that the blend at the border shows the change whole
ROUNDS = 256


@dataclass(frozen=True)
class Changes:
    """What an answer changed: mask [H,W], 1 where; all of it if it does not match, which the rest tells."""

    mask: Tensor
    verdict: Verdict
    relit: bool


@one_core()
def find_changes(original: Tensor, answer: Tensor, should_stop: ShouldStop | None = None) -> Changes:
    """Return where an answer [h,w,C] shows another thing than the original [H,W,C].

    That is what no accepted alignment and colour match explains, with a margin for the blend.

    Raises:
        FitStoppedError: `should_stop`, asked at least every 0.2 s, said so.
    """
    height, width = original.shape[:2]
    decision = decide(make_pair(original, answer, None, should_stop), should_stop)
    mask = _mask(decision, height, width, should_stop)
    if decision.verdict == "roughly aligned":  # what changed was aligned as well: look again without it
        again = decide(make_pair(original, answer, mask, should_stop), should_stop)
        if again.verdict == "aligned":
            decision, mask = again, _mask(again, height, width, should_stop)
        elif again.verdict in NOT_MATCHED:
            decision, mask = again, torch.ones(height, width)
    return Changes(mask, decision.verdict, decision.relit)


def _mask(decision: Decision, height: int, width: int, should_stop: ShouldStop | None) -> Tensor:
    """Return [H,W]: 1 where the answer that was moved as decided shows another thing; everywhere if none matches."""
    if decision.relit or (decision.verdict in NOT_MATCHED and decision.figures.rest > SAME):
        return torch.ones(height, width)
    found = _completed(_changed(decision, should_stop), decision.view.pair.unit, should_stop)
    mask = torch.empty(height, width)
    for top in range(0, height, BLOCK_ROWS):
        raise_if_stopped(should_stop)
        rows = slice(top, min(top + BLOCK_ROWS, height))
        places = (torch.arange(rows.start, rows.stop) + 0.5, torch.arange(width) + 0.5)
        mask[rows] = enlarged(found, Frame(width, height), *places)[0, 0].round_()
    return mask


def _changed(decision: Decision, should_stop: ShouldStop | None) -> Tensor:
    """Return [1,1,h,w], 1 where something differs clearly, and around it as far as it differs at all."""
    shown, pair = decision.view, decision.view.pair
    signed = decision.colour.apply(shown.smooth) - pair.smooth
    comparable = pair.comparable * shown.inside
    difference, usual = _difference(signed, comparable, decision)
    without, usual_without = _difference(signed - _light(signed, comparable, pair.unit), comparable, decision)
    clear = (difference > CLEAR_SPREADS * usual) | (without > max(CLEARLY, CLEAR_SPREADS * usual_without))
    clearly = ((difference > CLEARLY) & clear).float() * comparable
    other = (_local_match(decision) < OTHER_STRUCTURE) | (difference > max(SOMEWHAT, SPREADS * usual))
    if decision.verdict == "aligned":  # or what is still out of place would be a changed part
        area = masked_blur(signed, comparable, AREA * pair.unit)
        for part, least in ((area, SOMEWHAT), (area - luminance(area), TINT)):
            wide, usual = _difference(part, comparable, decision)
            other |= wide > max(least, WIDE_SPREADS * usual)
    core = round(CORE * pair.unit)
    return _spread(grow(shrink(clearly, core), core), other.float() * comparable, pair.unit, should_stop)


def _difference(signed: Tensor, comparable: Tensor, decision: Decision) -> tuple[Tensor, float]:
    """Return how much colours differ [1,1,h,w], and how much they usually do where they can be compared [1,1,h,w]."""
    difference = signed.abs().amax(dim=1, keepdim=True)
    same = difference[comparable > 0]
    if "alignment" not in decision.applied:  # of a frame in place, what changed is clear: half of it is not usual
        same = same[same < CLEARLY]
    return difference, float(same.median()) if len(same) else 0.0


def _light(signed: Tensor, comparable: Tensor, unit: float) -> Tensor:
    """Return the soft light [1,3,h,w] that lies on all of it: no difference of a part tells whether that is usual."""
    same = (signed.abs().amax(dim=1, keepdim=True) < CLEARLY).float() * comparable
    return masked_blur(signed, same, LIGHT * unit)


def _local_match(decision: Decision) -> Tensor:
    """Return the correlation of the features around each place [1,1,h,w]; 1 where there are none."""
    level = decision.view.level
    sigma = STRUCTURE_WINDOW * decision.view.pair.unit
    products = (level.picture * level.answer, level.picture.square(), level.answer.square())
    both, own, other = (blur(product, sigma) for product in products)
    return (both + 0.1) / ((own + 0.1) * (other + 0.1)).sqrt()


def _spread(start: Tensor, where: Tensor, unit: float, should_stop: ShouldStop | None) -> Tensor:
    """Return what can be reached from the start [1,1,h,w] in small steps without leaving the places given."""
    reached = start
    for _ in range(ROUNDS):
        raise_if_stopped(should_stop)
        wider = torch.minimum(grow(reached, max(1, round(REACH * unit))), where).maximum(reached)
        if torch.equal(wider, reached):
            break
        reached = wider
    return reached


def _completed(part: Tensor, unit: float, should_stop: ShouldStop | None) -> Tensor:
    """Return [1,1,h,w] with gaps closed, a margin added and smaller holes filled: there the blend would show both."""
    wide = grow(_closed(part, round(CLOSED * unit)), round(MARGIN * unit))
    outside = torch.zeros_like(wide)
    outside[..., [0, -1], :] = outside[..., :, [0, -1]] = 1
    outside = _spread(outside * (1 - wide), 1 - wide, unit, should_stop)
    holes = (1 - outside) * _closed(wide, round(FILLED * unit))
    return wide.maximum(holes)


def _closed(part: Tensor, radius: int) -> Tensor:
    return shrink(grow(part, radius), radius)
