"""What of the chain is applied: a step must show on the untouched area that it helps (docs/exact-edits.md, "Gates").

Differences are of 255, lengths in pixels at a long side of 1024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from . import seam
from .cancel import ShouldStop, raise_if_stopped
from .certainty import leverage, uncertainty
from .colour_match import ColourMatch, error, fit_curve, fit_gain, no_match
from .flow import smooth_flow, typical_length
from .geometry import Mapping, compose, corner_shift, identity, parts
from .matched import lack, matched
from .pair import TRIMMED, Pair, Samples, View, samples, trimmed, view
from .places import LOOKED_AT, places
from .registration import Level, along_stripes, register, remaining

Verdict = Literal["aligned", "roughly aligned", "misplaced", "redrawn", "not compared"]

NOT_MATCHED: tuple[Verdict, ...] = ("misplaced", "redrawn")
ENOUGH_KEPT = 0.02  # of the frame
ENOUGH_TEXTURE = 0.1  # root mean square of the features
REFINEMENTS, HOPELESS, REFINED = 12, 2, 0.005
NOWHERE, RISING = 0.25, 0.02  # what matches that little, and after a round no better than that, is not looked into
FIRST_RATIO, SLOWEST = 0.5, 0.9  # of a round's step to the one before
ALIKE = 0.8  # cosine of two steps in a row that a third would follow,
EXTRAPOLATED = 4.0  # and how far that is gone at once
AFFINE_RATIO, MOVED = 0.85, 2 / 255
PLAIN = 1.0  # of a sky over hills three quarters differ by less wherever they lie: what is left tells of the place
CLEARLY, CLEAR_MATCH = 0.08, 0.5  # the correlation rises by that, or its distance from 1 falls to that
SCALES, ROTATION, SHEAR = (0.80, 1.25), 3.0, 0.03
LEAST_MATCH = 0.005  # between two places: less is noise
SURE = 0.9  # no other place is refined as well
MASK_INSIDE = 0.5
IN_PLACE, UNSEEN = 0.6, 0.1  # and of a small picture's own pixels
FLOW_RATIO, FLOW_LIMIT = 0.92, 4.0
COLOUR_RATIO, CURVE_RATIO, LEAST = 0.95, 0.97, 0.25
ALIGNED, ROUGHLY = 0.75, 0.5
SAME = 3.0  # without texture, pictures that differ by less are taken for in place
RELIT = 12.0
COLOURFUL, FADED = 4 / 255, 0.5  # the picture's spread of colours, and the answer's share of it
LOOSE = 15.0  # leverage: an edge is hardly found to better than 0.05 px, the corners then not to 0.75 px
VAGUE, UNSURE = 0.25, 0.15  # own pixels that noise of a level moves a corner: scales are tried first, or all is rough
SOFT = 6.0  # what is finer is noise there, whose slopes would make each step too short
LEAST_UNIT = 0.25  # in smaller pictures all that a membrane could follow lies in blocks of JPEG with the edit
TOO_LITTLE = "too little lies outside the mask"
TOO_PLAIN = "the untouched area is too plain to see where it belongs"
RESTYLED = "the light or the style changed"


@dataclass(frozen=True)
class Refusal:
    """A step that was not applied, and why."""

    step: str
    reason: str


@dataclass(frozen=True)
class Figures:
    """What was measured on the untouched area: correlations, and mean differences of 255 (rest: trimmed, smooth).

    shown: the part of the mask that the answer has something for, of 1. places: where a pattern that repeats was found
    to match alike, of which the nearest was taken.
    """

    kept: float = 0.0
    match_before: float = 0.0
    match: float = 0.0
    difference_before: float = 0.0
    difference: float = 0.0
    rest: float = 0.0
    flow: float = 0.0
    membrane: float = 0.0
    shown: float = 1.0
    places: int = 1


@dataclass(frozen=True)
class Decision:
    """What is applied to the answer, and what is not."""

    view: View
    colour: ColourMatch
    membrane: Tensor | None
    verdict: Verdict
    relit: bool
    applied: tuple[str, ...]
    refused: tuple[Refusal, ...]
    figures: Figures


def decide(pair: Pair, should_stop: ShouldStop | None = None) -> Decision:
    """Return what of alignment, flow, colour match and membrane helps this pair."""
    return _Chain(pair, should_stop).decide()


class _Chain:
    """The steps in their order, each on what the one before left."""

    def __init__(self, pair: Pair, should_stop: ShouldStop | None) -> None:
        self._pair = pair
        self._should_stop = should_stop
        self._applied: list[str] = []
        self._refused: list[Refusal] = []
        self._flow = 0.0
        self._best: View | None = None  # under any map, also one that was refused
        self._unsettled = 0.0  # by how many pixels of the frame the last step of the registration moved a corner
        self._is_lost = False  # something matches better elsewhere, but it was not found where
        self._is_striped = False  # at the coarsest level: of blurred motion only finer ones look like it
        self._is_loose = False  # there is too little to tell where the corners belong
        self._is_vague = False  # only soft shadows tell: their tone and their place stand in for their size
        self._places = 1  # where it matches alike
        self._elsewhere = False  # it matches under a map that no drift has, or that leaves the mask without an answer

    def decide(self) -> Decision:
        before = view(self._pair, Mapping(identity()))
        kept = float(self._pair.keep.mean())
        if kept < ENOUGH_KEPT:
            self._refuse("alignment", TOO_LITTLE)
            return self._decision(before, before, no_match(3))
        self._ask()
        shown = self._bent(self._aligned(before))
        self._ask()
        return self._decision(before, shown, self._coloured(shown))

    def _ask(self) -> None:
        raise_if_stopped(self._should_stop)

    def _refuse(self, step: str, reason: str) -> None:
        self._refused.append(Refusal(step, reason))

    def _aligned(self, before: View) -> View:
        """Return the view under the affine map, or the one before if that is no better."""
        if before.texture < ENOUGH_TEXTURE:
            self._refuse("alignment", TOO_PLAIN)
            return before
        pyramid = self._pair.levels(self._should_stop)
        self._is_striped = along_stripes(pyramid[0]) is not None
        unsure = uncertainty(self._pair)
        is_vague = unsure > VAGUE and not self._is_striped
        shown = self._scaled(pyramid) if is_vague else self._placed(pyramid, register(pyramid, self._should_stop))
        affine = shown.mapping.affine
        self._ask()
        self._best = shown
        if corner_shift(affine, self._pair.frame) / self._pair.unit <= IN_PLACE:
            return before
        fault = self._misfit(before, shown)
        if fault:
            self._refuse("alignment", fault)
            return before
        self._applied.append("alignment")
        self._is_loose = unsure > UNSURE or leverage(pyramid[min(LOOKED_AT, len(pyramid) - 1)]) > LOOSE
        return shown

    def _scaled(self, pyramid: Sequence[Level]) -> View:
        """Return the view with the upper left corner in place, or that of any place where it clearly matches better.

        With six numbers a soft shadow's tone and place stand in for its size; nothing stands in for a shift.
        """
        self._is_vague, fine = True, SOFT * self._pair.unit
        held = self._refined(view(self._pair, Mapping(register(pyramid, self._should_stop, anchored=True))))
        unsettled, least = self._unsettled, lack(held, fine)
        found = register(pyramid, self._should_stop)
        if lack(view(self._pair, Mapping(found)), fine) < least:
            self._is_vague = False
            free = self._placed(pyramid, found)
            if lack(free, fine) <= CLEAR_MATCH * least:
                return free
        self._is_vague, self._unsettled, self._places = True, unsettled, 1
        self._refuse("shift", TOO_PLAIN)
        return held

    def _placed(self, pyramid: Sequence[Level], affine: Tensor) -> View:
        """Return the view at the nearest of the places where it matches alike: a pattern that repeats has many.

        They are compared as they were found: the last steps take longer than all else.
        """
        own, *elsewhere = (
            view(self._pair, Mapping(it)) for it in (affine, *places(pyramid, affine, self._should_stop))
        )
        best, *others = *elsewhere, own
        for other in others:
            if _is_better(other, best):
                best = other
        alike = [other for other in (*elsewhere, own) if other is not best and not _is_better(best, other)]
        self._places = 1 + len(alike) + self._is_striped
        shown = self._refined(best)
        if best is own or shown.match >= SURE:
            return shown
        unsettled, other = self._unsettled, self._refined(own)
        if _is_better(other, shown):
            return other
        self._unsettled = unsettled
        return shown

    def _refined(self, first: View) -> View:
        """Return the view under the map that is left of a view's when the features are made of what it shows.

        Beside a large mask the features still tell of the map before: each step goes only a part of the way.
        Of a frame that was redrawn the steps may run away from what matched best: then it is that.
        """
        affine, shown, best, last, moved = first.mapping.affine, first, first, None, 0.0
        for done in range(1, REFINEMENTS + 1):
            self._ask()
            level = matched(shown, SOFT * self._pair.unit) if self._is_vague else matched(shown)
            step = remaining(level, self._should_stop, striped=self._is_striped, anchored=self._is_vague) - identity()
            self._ask()
            longer = _extrapolation(last, step)
            last = step if longer == 1 else None
            affine = compose(affine, identity() + longer * step)
            shown = view(self._pair, Mapping(affine))
            best = max(best, shown, key=lambda it: it.match)
            self._unsettled = corner_shift(identity() + step, self._pair.frame)
            ratio = min(self._unsettled / moved, SLOWEST) if moved else FIRST_RATIO
            moved = self._unsettled if longer == 1 else 0.0
            if self._unsettled * ratio / (1 - ratio) < REFINED:  # what further rounds would add
                break
            if done >= HOPELESS and shown.match < min(ROUGHLY, first.match + CLEARLY):
                break
            if shown.match < min(NOWHERE, first.match + RISING):
                break
        ran_away = shown.match < best.match - LEAST_MATCH or self._unsettled / self._pair.unit > IN_PLACE
        if ran_away and best is not shown and best.match >= ROUGHLY:
            self._unsettled = 0.0
            return best
        return shown

    def _misfit(self, before: View, shown: View) -> str | None:
        """Tell why an affine map is not to be used, or None."""
        scale_x, scale_y, rotation, shear = parts(shown.mapping.affine)
        scaled = all(SCALES[0] <= scale <= SCALES[1] for scale in (scale_x, scale_y))
        if not scaled or abs(rotation) > ROTATION or abs(shear) > SHEAR:
            self._elsewhere = True
            return (
                f"the best fit is no drift: scale {scale_x:.2f} x {scale_y:.2f}, rotation {rotation:.1f} degrees,"
                f" shear {shear:.3f}"
            )
        if _part_shown(shown) < MASK_INSIDE:
            self._elsewhere = True
            return "what lies in the mask is not in the answer"
        self._ask()
        unclear = _unclear(before, shown)
        if unclear:
            return unclear
        if shown.match < ROUGHLY:
            return f"the best fit does not match either ({shown.match:.2f} of 1)"
        self._is_lost = self._unsettled > max(IN_PLACE * self._pair.unit, UNSEEN)
        if self._is_lost:
            return f"the best fit is not settled: its last step moves a corner by {self._unsettled:.1f} px"
        moved = (before.smooth - shown.smooth).abs().amax(dim=1, keepdim=True) > MOVED
        weight = shown.weight * moved if bool(moved.any()) else shown.weight  # of a logo on white paper, the logo
        both = [samples(it, weight) for it in (before, shown)]
        rest_old, rest_new = (_rest(values) for values in both)
        if rest_old <= PLAIN:
            rest_old, rest_new = (_rest(values, 1.0) for values in both)
        if rest_new > AFFINE_RATIO * rest_old:
            return f"it lowers the difference too little ({rest_old:.1f} to {rest_new:.1f} of 255)"
        return None

    def _bent(self, shown: View) -> View:
        """Return the view with a smooth flow as well, or the one given if that is no better."""
        if shown.match < ROUGHLY or shown.texture < ENOUGH_TEXTURE:
            return shown
        self._ask()
        flow = smooth_flow(matched(shown), self._should_stop, least=IN_PLACE)
        self._ask()
        length = typical_length(flow)
        if length <= IN_PLACE:
            return shown
        bent = view(self._pair, Mapping(shown.mapping.affine, flow))
        old, new = (_rest(samples(it, shown.weight)) for it in (shown, bent))
        if new > FLOW_RATIO * old:
            self._refuse("flow", f"it lowers the difference too little ({old:.1f} to {new:.1f} of 255)")
            return shown
        if length > FLOW_LIMIT:
            self._refuse("flow", f"it would move parts by {length:.1f} px")
            return shown
        self._ask()
        unclear = _unclear(shown, bent)
        if unclear and "alignment" not in self._applied:  # small bends of a frame in place are changes, no drift
            self._refuse("flow", unclear)
            return shown
        self._applied.append("flow")
        self._flow = length
        return bent

    def _coloured(self, shown: View) -> ColourMatch:
        """Return the colour match that also helps on blocks that it was not fitted to."""
        clear = shown.weight * self._pair.clear * shown.opaque
        if float(clear.mean()) < ENOUGH_KEPT:
            self._refuse("colour match", TOO_LITTLE)
            return no_match(3)
        values = samples(shown, clear)
        halves = [values.of(values.block % 2 == side) for side in (0, 1)]
        if min(len(half.picture) for half in halves) == 0:
            return no_match(3)
        if _is_faded(values):
            self._refuse("colour match", RESTYLED)
            return no_match(3)
        same = [no_match(3)] * 2
        gains = [fit_gain(half.picture, half.answer) for half in halves]
        self._ask()
        curves = [fit_curve(half.picture, half.answer, match) for half, match in zip(halves, gains, strict=True)]
        old, gained, curved = (_held_out(halves, matches) for matches in (same, gains, curves))
        if gained > COLOUR_RATIO * old or gained > old - LEAST:
            if old > 1:
                self._refuse("colour match", f"it lowers the difference too little ({old:.1f} to {gained:.1f} of 255)")
            return no_match(3)
        self._ask()
        self._applied.append("colour match")
        match = fit_gain(values.picture, values.answer)
        if curved > CURVE_RATIO * gained:
            return match
        self._applied.append("tone curve")
        return fit_curve(values.picture, values.answer, match)

    def _decision(self, before: View, shown: View, colour: ColourMatch) -> Decision:
        values = samples(shown)
        rest = trimmed(colour.apply_values(values.answer) - values.picture)
        another = rest > RELIT
        self._ask()
        relit = another and self._is_relit()
        verdict = self._verdict(shown, rest)
        self._ask()
        if another and not colour.is_identity:
            colour = no_match(3)
            self._applied = [step for step in self._applied if step not in ("colour match", "tone curve")]
            self._refuse("colour match", RESTYLED)
        told = another or verdict in (*NOT_MATCHED, "not compared")
        membrane = None if told or self._pair.unit < LEAST_UNIT else self._membrane(shown, colour)
        figures = Figures(
            kept=float(self._pair.keep.mean()),
            match_before=before.match,
            match=shown.match,
            difference_before=_difference(before, no_match(3)),
            difference=_difference(shown, colour),
            rest=rest,
            flow=self._flow,
            membrane=float(membrane.abs().max()) * 255 if membrane is not None else 0.0,
            shown=_part_shown(shown),
            places=self._places if "alignment" in self._applied else 1,
        )
        return Decision(
            shown,
            colour,
            membrane,
            verdict,
            relit,
            tuple(self._applied),
            tuple(self._refused),
            figures,
        )

    def _verdict(self, shown: View, rest: float) -> Verdict:
        if float(self._pair.keep.mean()) < ENOUGH_KEPT:
            return "not compared"
        if shown.texture < ENOUGH_TEXTURE:
            return "roughly aligned" if rest <= SAME else "redrawn"
        match = shown.match
        if match >= ALIGNED and not (self._is_loose or self._is_vague):
            return "aligned"
        if match >= ROUGHLY and not self._is_lost:
            return "roughly aligned"
        is_seen = self._elsewhere and self._best is not None and self._best.match >= ROUGHLY
        return "misplaced" if is_seen else "redrawn"

    def _is_relit(self) -> bool:
        """Tell whether the features match under some map and the colours do not even there."""
        best = self._best
        if best is None or best.match < ROUGHLY:
            return False
        return not self._elsewhere or _rest(samples(best)) > RELIT

    def _membrane(self, shown: View, colour: ColourMatch) -> Tensor | None:
        pair = self._pair
        difference = pair.picture - colour.apply(shown.answer)
        self._ask()
        membrane = seam.membrane(difference, pair.mask, shown.opaque * shown.inside, pair.unit, self._should_stop)
        if membrane is None:
            self._refuse("seam", "too little of the mask's surroundings agrees")
            return None
        if not bool(membrane.any()):
            return None
        self._applied.append("seam")
        return membrane


def _extrapolation(last: Tensor | None, step: Tensor) -> float:
    """Return how many times a step [2,3] to go at once, as it is the last one made shorter: a geometric series."""
    if last is None:
        return 1.0
    shared = float((last * step).sum())
    ratio = shared / max(float(last.square().sum()), 1e-12)
    if shared < ALIKE * float(last.norm() * step.norm()) or ratio >= 1:
        return 1.0
    return min(1 / (1 - ratio), EXTRAPOLATED)


def _is_better(shown: View, other: View) -> bool:
    """Tell whether one place is clearly the right one of two."""
    return shown.match > other.match + LEAST_MATCH and _unclear(other, shown) is None


def _part_shown(shown: View) -> float:
    """Return how much of the mask, of 1, lies inside the answer."""
    mask = (shown.pair.mask > 0).float()
    return float((mask * shown.inside).sum() / mask.sum()) if bool(mask.any()) else 1.0


def _unclear(before: View, shown: View) -> str | None:
    """Tell why a step's rise of the match is not clear enough to move anything, or None."""
    old, new = before.match, shown.match
    if new >= old + CLEARLY or 1 - new <= CLEAR_MATCH * (1 - old):
        return None
    return f"it raises the match too little ({old:.2f} to {new:.2f} of 1)"


def _rest(values: Samples, part: float = TRIMMED) -> float:
    """Return how much colours differ that gain and offset cannot explain, so that drift is judged without them."""
    match = fit_gain(values.picture, values.answer)
    return trimmed(match.apply_values(values.answer) - values.picture, part)


def _is_faded(values: Samples) -> bool:
    """Tell whether the answer lost the picture's colours: channels matched one by one would only tint its greys."""
    picture, answer = (
        float((colours - colours.mean(dim=1, keepdim=True)).std(dim=0).mean())
        for colours in (values.picture, values.answer)
    )
    return picture >= COLOURFUL and answer < FADED * picture


def _held_out(halves: list[Samples], matches: list[ColourMatch]) -> float:
    """Return the difference, of 255, of each half under the match that was fitted to the other one."""
    errors = [error(half.picture, half.answer, match) for half, match in zip(halves, reversed(matches), strict=True)]
    return sum(errors) / len(errors) * 255


def _difference(shown: View, colour: ColourMatch) -> float:
    """Return the mean difference, of 255, on the untouched area."""
    difference = (colour.apply(shown.answer) - shown.pair.picture).abs().mean(dim=1, keepdim=True)
    return float((difference * shown.weight).sum() / shown.weight.sum().clamp(min=1)) * 255
