"""What of the chain is applied: a step must show on the untouched area that it helps (docs/exact-edits.md, "Gates").

Differences are of 255, lengths in pixels at a long side of 1024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from . import seam
from .alignment import IN_PLACE, ROUGHLY, Alignment, align, is_clear, is_drift
from .cancel import ShouldStop, raise_if_stopped
from .colour_match import ColourMatch, error, fit_curve, fit_gain, no_match
from .flow import smooth_flow, typical_length
from .geometry import Mapping, corner_shift, identity, parts
from .matched import matched
from .pair import TRIMMED, Pair, Samples, View, samples, trimmed, view

Verdict = Literal["aligned", "roughly aligned", "misplaced", "redrawn", "not compared"]

NOT_MATCHED: tuple[Verdict, ...] = ("misplaced", "redrawn")
ENOUGH_KEPT = 0.02  # of the frame
ENOUGH_TEXTURE = 0.1  # root mean square of the features
AFFINE_RATIO, MOVED = 0.85, 2 / 255
PLAIN = 1.0  # of a sky over hills three quarters differ by less wherever they lie: what is left tells of the place
MASK_INSIDE = 0.5
UNSEEN = 0.1  # of a small picture's own pixels
FLOW_RATIO, FLOW_LIMIT = 0.92, 4.0
COLOUR_RATIO, CURVE_RATIO, LEAST = 0.95, 0.97, 0.25
ALIGNED = 0.75
SAME = 3.0  # without texture, pictures that differ by less are taken for in place
RELIT = 12.0
COLOURFUL, FADED = 4 / 255, 0.5  # the picture's spread of colours, and the answer's share of it
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
        self._found: Alignment | None = None  # also one that was refused
        self._is_lost = False  # something matches better elsewhere, but it was not found where
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
        self._found = align(before, self._should_stop)
        shown = self._found.shown
        self._ask()
        if self._found.is_held:
            self._refuse("shift", TOO_PLAIN)
        if corner_shift(shown.mapping.affine, self._pair.frame) / self._pair.unit <= IN_PLACE:
            return before
        fault = self._misfit(before, self._found)
        if fault:
            self._refuse("alignment", fault)
            return before
        self._applied.append("alignment")
        return shown

    def _misfit(self, before: View, found: Alignment) -> str | None:
        """Tell why an affine map is not to be used, or None."""
        shown = found.shown
        if not is_drift(shown.mapping.affine):
            self._elsewhere = True
            scale_x, scale_y, rotation, shear = parts(shown.mapping.affine)
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
        self._is_lost = found.unsettled > max(IN_PLACE * self._pair.unit, UNSEEN)
        if self._is_lost:
            return f"the best fit is not settled: its last step moves a corner by {found.unsettled:.1f} px"
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
            places=self._found.places if self._found and "alignment" in self._applied else 1,
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
        if match >= ALIGNED and not self._is_rough():
            return "aligned"
        if match >= ROUGHLY and not self._is_lost:
            return "roughly aligned"
        is_seen = self._elsewhere and self._found is not None and self._found.shown.match >= ROUGHLY
        return "misplaced" if is_seen else "redrawn"

    def _is_rough(self) -> bool:
        """Tell whether too little shows where the corners belong, of a picture that was moved or could have been."""
        found = self._found
        return found is not None and (found.is_held or (found.is_loose and "alignment" in self._applied))

    def _is_relit(self) -> bool:
        """Tell whether the features match under some map and the colours do not even there."""
        if self._found is None or self._found.shown.match < ROUGHLY:
            return False
        return not self._elsewhere or _rest(samples(self._found.shown)) > RELIT

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


def _part_shown(shown: View) -> float:
    """Return how much of the mask, of 1, lies inside the answer."""
    mask = (shown.pair.mask > 0).float()
    return float((mask * shown.inside).sum() / mask.sum()) if bool(mask.any()) else 1.0


def _unclear(before: View, shown: View) -> str | None:
    """Tell why a step's rise of the match is not clear enough to move anything, or None."""
    old, new = before.match, shown.match
    return None if is_clear(old, new) else f"it raises the match too little ({old:.2f} to {new:.2f} of 1)"


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
