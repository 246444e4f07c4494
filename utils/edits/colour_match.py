"""The answer's colours brought to the picture's: gain and offset per channel, then a curve (docs/exact-edits.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .registration import CAUCHY

NEAR = 0.08  # what differs more than that is another thing, not another colour
BETTER = 1.1
GAIN_PRIOR = 0.02  # spread of a picture's values at which half of a gain is believed
GAIN_LIMITS, OFFSET_LIMIT = (0.8, 1.25), 30 / 255
SEEN = 0.005  # of the values on each side, which may be noise, do not count as seen
ROUNDS, SETTLED = 8, 1e-4
TABLE = 8192  # entries of the curve's table: what they round is less than a hundredth of a level
KNOTS, TONE_ROUNDS, TONE_BINS = 17, 4, 256
SMOOTH = (0.2, 0.01, 0.004)  # spread of what a tone adds, of its steps between knots, and of how these change
ALIKE = 300.0  # neighbours are of one thing: so many values tell as much of a tone as one
FIRST_NOISE = 0.03
LEAST_VALUES = 200  # for a curve


@dataclass(frozen=True)
class ColourMatch:
    """value -> curve(gain * value + offset), per channel: gain, offset [C]; bends [C,n] are added, None is none.

    limits: [2,C], values beyond which what is added stays as it is there, None is nowhere.
    """

    gain: Tensor
    offset: Tensor
    bends: Tensor | None = None
    limits: Tensor | None = None

    @property
    def is_identity(self) -> bool:
        return self.bends is None and bool((self.gain == 1).all()) and bool((self.offset == 0).all())

    def apply(self, picture: Tensor) -> Tensor:
        """Return [N,C,h,w] in the picture's colours, not clamped."""
        matched = picture * self.gain[:, None, None] + self.offset[:, None, None]
        if self.limits is not None:
            low, high = self.limits[..., None, None]
            matched += (picture.clamp(low, high) - picture) * (self.gain[:, None, None] - 1)
        if self.bends is None:
            return matched
        index = (matched * TABLE).clamp(0, TABLE - 1).int()
        for channel, table in enumerate(_tables(self.bends)):
            places = index[:, channel]
            matched[:, channel] += table.index_select(0, places.flatten()).view(places.shape)
        return matched

    def apply_values(self, values: Tensor) -> Tensor:
        """Return values [n,C] in the picture's colours, not clamped."""
        return self.apply(values.T[None, :, :, None])[0, :, :, 0].T


def no_match(channels: int) -> ColourMatch:
    """Return the match that changes nothing."""
    return ColourMatch(torch.ones(channels), torch.zeros(channels))


def fit_gain(picture: Tensor, answer: Tensor) -> ColourMatch:
    """Return gains and offsets that bring the answer's values [n,C] to the picture's [n,C].

    Values that differ by more than NEAR do not count; whether that is as they came or after a first robust fit is
    decided by which explains more of them.
    """
    same, robust = no_match(picture.shape[1]), _robust_gain(picture, answer)
    explained = [_near(picture, answer, match) for match in (same, robust)]
    near = explained[int(explained[1].sum() > BETTER * explained[0].sum())]
    if not near.any():
        return same
    match = _robust_gain(picture[near], answer[near])
    return replace(match, limits=_limits(answer[near]))


def fit_curve(picture: Tensor, answer: Tensor, match: ColourMatch) -> ColourMatch:
    """Return the match with a smooth, rising curve for what gain and offset leave of the values [n,C]."""
    near = _near(picture, answer, match)
    matched = match.apply_values(answer[near])
    bends = _bends(picture[near], matched, ALIKE)
    middles = (torch.arange(TONE_BINS) + 0.5) / TONE_BINS
    return replace(match, bends=torch.cummax(middles + bends, dim=1).values - middles)


def fit_tone(picture: Tensor, answer: Tensor) -> ColourMatch:
    """Return a smooth curve per channel that brings the answer's values [n,C] to the picture's [n,C].

    For registration: what colours differ looks like a shift where edges are soft, and a gain left up to 0.1 px of it.
    """
    near = _near(picture, answer, fit_gain(picture, answer))
    return replace(no_match(picture.shape[1]), bends=_bends(picture[near], answer[near], 1.0))


def _bends(picture: Tensor, answer: Tensor, alike: float) -> Tensor:
    """Return what to add at the middle of each bin [C,TONE_BINS]: a smooth curve of the values [n,C], 0 of too few.

    alike: how many values tell as much as one. Of how smooth a tone is, `SMOOTH` is believed: a few values of a thing
    that changed bend nothing, and beyond those that were seen the curve flattens out.
    """
    xs, left = answer.T.contiguous(), (picture - answer).T.contiguous()  # Cn
    if xs.shape[1] < LEAST_VALUES:
        return torch.zeros(xs.shape[0], TONE_BINS)
    basis, prior = _hats(xs), torch.zeros(KNOTS, KNOTS, dtype=torch.float64)
    for order, spread in enumerate(SMOOTH):
        steps = torch.eye(KNOTS, dtype=torch.float64).diff(n=order, dim=0) / spread
        prior += steps.T @ steps
    weight, noise = torch.ones_like(xs), torch.full((len(xs), 1, 1), FIRST_NOISE, dtype=torch.float64)
    for _ in range(TONE_ROUNDS):
        weighted = basis * weight[:, None]
        normal = (weighted @ basis.transpose(1, 2)).double() + alike * noise.square() * prior
        terms = torch.linalg.solve(normal, (weighted @ left[..., None]).double()).float().transpose(1, 2)
        rest = left - (terms @ basis)[:, 0]
        noise = (1.4826 * rest.abs().median(dim=1).values).clamp(min=1 / 255).double()[:, None, None]
        weight = _cauchy_weight(rest)
    bends: Tensor = (terms @ _hats((torch.arange(TONE_BINS) + 0.5).expand(1, -1) / TONE_BINS))[:, 0]
    return bends


def _hats(values: Tensor) -> Tensor:
    """Return the share of each knot in values [C,n] of 0..1, between two of them: [C,KNOTS,n]."""
    return (1 - (values.clamp(0, 1)[:, None] * (KNOTS - 1) - torch.arange(KNOTS)[:, None]).abs()).clamp(min=0)


def _limits(values: Tensor) -> Tensor | None:
    """Return how far a gain that was fitted to values [n,C] is believed beyond them: as far again as they reach.

    A yellow flower tells of blue only near black; an edit in blue would get a tint from what holds there alone.
    """
    columns = values.T.contiguous()
    low, high = (columns.kthvalue(round(share * (len(values) - 1)) + 1, dim=1).values for share in (SEEN, 1 - SEEN))
    limits = torch.stack([2 * low - high, 2 * high - low])
    return None if bool((limits[0] <= 0).all() and (limits[1] >= 1).all()) else limits


def error(picture: Tensor, answer: Tensor, match: ColourMatch) -> float:
    """Return the mean absolute difference of the values [n,C] under a match, of what was near before it.

    Far off is another thing: it would only add noise to the comparison of two matches.
    """
    difference = (match.apply_values(answer) - picture).abs()
    return float(difference.clamp(max=NEAR).mean()) if len(picture) else 0.0


def _near(picture: Tensor, answer: Tensor, match: ColourMatch) -> Tensor:
    return ((match.apply_values(answer) - picture).abs() < NEAR).all(dim=1)


def _robust_gain(picture: Tensor, answer: Tensor) -> ColourMatch:
    """Iterate weighted regressions with Cauchy weights and a ridge towards a gain of 1."""
    xs, ys = answer.T.contiguous(), picture.T.contiguous()  # Cn
    weight = torch.ones_like(xs)
    gain, offset = torch.ones(len(xs)), torch.zeros(len(xs))
    for _ in range(ROUNDS):
        before = torch.cat([gain, offset])
        total = weight.sum(dim=1, keepdim=True).clamp(min=1e-6)
        mean_x, mean_y = (xs * weight).sum(dim=1, keepdim=True) / total, (ys * weight).sum(dim=1, keepdim=True) / total
        x, y, prior = xs - mean_x, ys - mean_y, total[:, 0] * GAIN_PRIOR**2
        weighted = weight * x
        gain = ((weighted * y).sum(dim=1) + prior) / ((weighted * x).sum(dim=1) + prior)
        gain = gain.clamp(*GAIN_LIMITS)
        offset = (mean_y[:, 0] - gain * mean_x[:, 0]).clamp(-OFFSET_LIMIT, OFFSET_LIMIT)
        if float((torch.cat([gain, offset]) - before).abs().max()) < SETTLED:
            break
        left = torch.addcmul(offset[:, None] - ys, xs, gain[:, None])
        weight = _cauchy_weight(left)
    return ColourMatch(gain, offset)


def _cauchy_weight(left: Tensor) -> Tensor:
    """Return weights for what is left [C,n]: small where it is much beside the median."""
    spread = CAUCHY * (1.4826 * left.abs().median(dim=1, keepdim=True).values + 1e-3)
    return 1 / (1 + (left / spread).square())


def _tables(bends: Tensor) -> Tensor:
    """Return bends [C,n] between the middles of their bins as tables [C,TABLE] of values 0..1."""
    last = bends.shape[1] - 1
    place = ((torch.arange(TABLE) + 0.5) / TABLE * (last + 1) - 0.5).clamp(0, last)
    index = place.long().clamp(max=last - 1)
    return torch.lerp(bends[:, index], bends[:, index + 1], place - index)
