"""The search for the map under which an answer belongs to its picture (docs/exact-edits.md, "Registration").

Lengths are in pixels at a long side of 1024, correlations of the features (NCC).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor

from .cancel import ShouldStop, raise_if_stopped
from .certainty import leverage, uncertainty
from .geometry import Mapping, compose, corner_shift, identity, parts
from .matched import lack, matched
from .pair import View, view
from .places import LOOKED_AT, places
from .registration import along_stripes, register, remaining

ROUNDS, HOPELESS, REFINED = 12, 2, 0.005
NOWHERE, RISING = 0.25, 0.02  # what matches that little, and after a round no better than that, is not looked into
FIRST_RATIO, SLOWEST = 0.5, 0.9  # of a round's step to the one before
WANDERING = 0.6  # steps that shrink faster come to rest
TAIL = SLOWEST / (1 - SLOWEST)  # of a step: what all that follow it may add
ALIKE = 0.8  # cosine of two steps in a row that a third would follow,
EXTRAPOLATED = 4.0  # and how far that is gone at once
WORTH = 0.05  # of what noise moves a corner: finer steps only follow the noise
CLEARLY, CLEAR_MATCH = 0.08, 0.5  # the correlation rises by that, or its distance from 1 falls to that
SCALES, ROTATION, SHEAR = (0.80, 1.25), 0.0524, 0.03  # of a drift; 3 degrees
LEAST_MATCH = 0.005  # between two places: less is noise
SURE = 0.9  # no other place is refined as well
IN_PLACE = 0.6
ROUGHLY = 0.5
LOOSE = 15.0  # leverage: an edge is hardly found to better than 0.05 px, the corners then not to 0.75 px
VAGUE, UNSURE = 0.25, 0.15  # own pixels that noise of a level moves a corner: scales are tried first, or all is rough
SOFT = 6.0  # what is finer is noise there, whose slopes would make each step too short


@dataclass(frozen=True)
class Alignment:
    """Where the answer belongs, as far as that can be told.

    shown: the view there. unsettled: by how many pixels of the frame the last step moved a corner. places: where it
    matches alike. is_held: only soft shadows tell, whose tone and place stand in for their size: the upper left corner
    is where it was. is_loose: there is too little to tell where the corners belong.
    """

    shown: View
    unsettled: float = 0.0
    places: int = 1
    is_held: bool = False
    is_loose: bool = False


def align(before: View, should_stop: ShouldStop | None = None) -> Alignment:
    """Return where the answer belongs that a view shows in place."""
    return _Search(before, should_stop).found()


def is_drift(affine: Tensor, reach: float = 0.0) -> bool:
    """Tell whether a map, or one that moves what lies at a distance of 1 by `reach` more, is one that models make."""
    scale_x, scale_y, rotation, shear = parts(affine)
    scaled = all(SCALES[0] - reach <= scale <= SCALES[1] + reach for scale in (scale_x, scale_y))
    return scaled and abs(math.radians(rotation)) <= ROTATION + reach and abs(shear) <= SHEAR + reach


def is_clear(old: float, new: float) -> bool:
    """Tell whether a step's rise of the match is clear enough to move anything."""
    return new >= old + CLEARLY or 1 - new <= CLEAR_MATCH * (1 - old)


class _Search:
    def __init__(self, before: View, should_stop: ShouldStop | None) -> None:
        self._before = before
        self._pair = before.pair
        self._should_stop = should_stop
        self._pyramid = before.pair.levels(should_stop)
        # At the coarsest level: of blurred motion only finer ones look like it.
        self._is_striped = along_stripes(self._pyramid[0]) is not None
        self._unsure = uncertainty(before.pair)

    def found(self) -> Alignment:
        is_vague = self._unsure > VAGUE and not self._is_striped
        best = self._scaled() if is_vague else self._placed(self._view(register(self._pyramid, self._should_stop)))
        level = self._pyramid[min(LOOKED_AT, len(self._pyramid) - 1)]
        return replace(best, is_loose=self._unsure > UNSURE or leverage(level) > LOOSE)

    def _view(self, affine: Tensor) -> View:
        raise_if_stopped(self._should_stop)
        return view(self._pair, Mapping(affine))

    def _scaled(self) -> Alignment:
        """Return the alignment with the upper left corner in place, or that of any place that clearly matches better.

        With six numbers a soft shadow's tone and place stand in for its size; nothing stands in for a shift.
        """
        fine = SOFT * self._pair.unit
        held = self._refined(self._view(register(self._pyramid, self._should_stop, anchored=True)), is_held=True)
        affine = register(self._pyramid, self._should_stop)
        apart = identity() + affine - held.shown.mapping.affine
        if corner_shift(apart, self._pair.frame) <= IN_PLACE * self._pair.unit:
            return held
        shown, least = self._view(affine), lack(held.shown, fine)
        if lack(shown, fine) < min(least, 1 - NOWHERE):
            free = self._placed(shown)
            if lack(free.shown, fine) <= CLEAR_MATCH * least:
                return free
        return held

    def _placed(self, own: View) -> Alignment:
        """Return the alignment at the nearest of the places that match alike: a pattern that repeats has many.

        They are compared as they were found: the last steps take longer than all else.
        """
        elsewhere = [self._view(it) for it in places(self._pyramid, own.mapping.affine, self._should_stop)]
        best, *others = *elsewhere, own
        for other in others:
            if is_better(other, best):
                best = other
        alike = [other for other in (*elsewhere, own) if other is not best and not is_better(best, other)]
        found = self._refined(best)
        if best is not own and found.shown.match < SURE:
            there = self._refined(own)
            found = there if is_better(there.shown, found.shown) else found
        return replace(found, places=1 + len(alike) + self._is_striped)

    def _refined(self, first: View, *, is_held: bool = False) -> Alignment:
        """Return the alignment that is left of a view's when the features are made of what it shows.

        Beside a large mask the features still tell of the map before: each step goes only a part of the way.
        Of a frame that was redrawn the steps may run away from what matched best: then it is that.
        """
        affine, shown, best, before, moved = first.mapping.affine, first, first, None, 0.0
        is_no_better = False
        enough = REFINED if is_held or self._is_striped else max(REFINED, WORTH * self._unsure)
        for done in range(1, ROUNDS + 1):
            raise_if_stopped(self._should_stop)
            level = matched(shown, SOFT * self._pair.unit) if is_held else matched(shown)
            step = remaining(level, self._should_stop, striped=self._is_striped, anchored=is_held) - identity()
            longer = _extrapolation(before, step)
            before = step if longer == 1 else None
            affine, last = compose(affine, identity() + longer * step), shown
            shown = self._view(affine)
            best = max(best, shown, key=lambda it: it.match)
            unsettled = corner_shift(identity() + step, self._pair.frame)
            ratio = min(unsettled / moved, SLOWEST) if moved else FIRST_RATIO
            moved = unsettled if longer == 1 else 0.0
            if unsettled * ratio / (1 - ratio) < enough:  # what further rounds would add
                break
            if done >= HOPELESS and shown.match < min(ROUGHLY, first.match + CLEARLY):
                break
            if shown.match < min(NOWHERE, first.match + RISING) or self._is_decided(shown, unsettled, last.match):
                break
            is_no_better = (
                not is_held and done >= HOPELESS and ratio > WANDERING and best.match < min(SURE, first.match + RISING)
            )
            if is_no_better:
                break
        ran_away = is_no_better or shown.match < best.match - LEAST_MATCH or unsettled / self._pair.unit > IN_PLACE
        if ran_away and best.match >= ROUGHLY and (is_no_better or best is not shown):
            return Alignment(best, is_held=is_held)
        return Alignment(shown, unsettled, is_held=is_held)

    def _is_decided(self, shown: View, unsettled: float, last_match: float) -> bool:
        """Tell whether it is known what is made of a map, whatever further rounds add."""
        affine, frame = shown.mapping.affine, self._pair.frame
        reach, rise = TAIL * unsettled, LEAST_MATCH + TAIL * abs(shown.match - last_match)
        if corner_shift(affine, frame) + reach <= IN_PLACE * self._pair.unit:
            return True
        if abs(shown.match - ROUGHLY) <= rise:
            return False
        return not is_drift(affine, reach / frame.half) or not is_clear(self._before.match, shown.match + rise)


def _extrapolation(last: Tensor | None, step: Tensor) -> float:
    """Return how many times a step [2,3] to go at once, as it is the last one made shorter: a geometric series."""
    if last is None:
        return 1.0
    shared = float((last * step).sum())
    ratio = shared / max(float(last.square().sum()), 1e-12)
    if shared < ALIKE * float(last.norm() * step.norm()) or ratio >= 1:
        return 1.0
    return min(1 / (1 - ratio), EXTRAPOLATED)


def is_better(shown: View, other: View) -> bool:
    """Tell whether one place is clearly the right one of two."""
    return shown.match > other.match + LEAST_MATCH and is_clear(other.match, shown.match)
