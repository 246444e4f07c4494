"""The border of the mask: how much of the answer each pixel shows, and what takes the last difference out of it.

Lengths are in pixels at a long side of 1024; `unit` is how many pixels of the tensors one of them is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from .cancel import ShouldStop, raise_if_stopped
from .filters import blur, grow, masked_blur, shrink

FEATHER = 6.4  # sigma of the blend at the mask's border
BAND = 20.0  # beyond it every pixel is the original's
THICK = 2.5  # sigmas from the border at which a mask shows the answer alone
RING = 3.0  # width of the ring whose difference is carried into the mask
RING_BLUR = 2.0
LEAST_UNIT = 0.6  # in smaller pictures the ring would be too thin to take noise out of it
SPREAD = 16  # pixels of the tensors, at any size: so far a block of JPEG spreads an edit that ends at the border
BESIDE = 5.0  # so near to the mask what was removed inside it may still be seen
AROUND = 8.0  # sigma over which both sides of the border are compared
AWAY = (10.0, 3.2)  # middle and sigma of a blend that begins outside the mask and ends before BAND
OWN, OTHER = 1.5, 2.0  # by so much less foreign is the answer inside, and what differs outside
EXCHANGED, EXCHANGED_OTHER = 16 / 255, 4.0  # so much, and so much less foreign, is a thing that was exchanged
SHARP = 2.0  # a mask that is softer at its border asks for a mixture there
FOREIGN = (4 / 255, 12 / 255)  # what would show through inside the mask: from where on, and where fully, it counts
LEAST_SEEN = 1e-3  # of what lies outside, or it tells nothing
OUTLIER_MADS, OUTLIER, LIMIT = 3.0, 30 / 255, 10 / 255
LEAST = 1 / 255  # on the mean of a stretch of the border: what is less is noise
ENOUGH = 0.2  # of the ring must agree
SWEEPS = 12


@dataclass(frozen=True)
class Border:
    """How the answer's share is made of `soft` and of the mask itself, all [1,1,h,w]: lerp(mask, soft, thick).

    soft: the mask blurred across its border. thick: 0 where the mask is too thin for that blur, or the edit would not
    show there.
    """

    soft: Tensor
    thick: Tensor


def border(mask: Tensor, unit: float, sigma: float = FEATHER) -> Border:
    """Return how the answer goes over into the picture for a mask [1,1,h,w]; a sigma of 0 keeps the mask's own edge."""
    band = int(BAND * unit) - 2  # one more for a mask that ends inside a pixel, and one for what enlarging adds
    if sigma <= 0 or band <= 0:
        return Border(mask, torch.zeros_like(mask))
    least = max(1 / 510, math.erfc(band / unit / sigma / math.sqrt(2)) / 2)  # what is left at the band's end
    soft = _faded(mask, sigma * unit, least) * grow((mask > 0).float(), band)
    reach = round(THICK * sigma * unit)
    covered = (mask > 0.5).float()
    thick = grow(shrink(covered, reach), reach)
    if bool((thick >= covered).all()):
        return Border(soft, torch.ones_like(mask))
    return Border(soft, blur(grow(thick, reach), sigma * unit / 2))


def _faded(mask: Tensor, sigma: float, least: float) -> Tensor:
    """Return a mask [1,1,h,w] blurred, with 0 and 1 where `least` is missing to them."""
    return ((blur(mask, sigma) - least) / (1 - 2 * least)).clamp(0, 1)


def around_removed(
    made: Border, picture: Tensor, answer: Tensor, *, mask: Tensor, trusted: Tensor, unit: float, sure: bool = False
) -> Border:
    """Return a border that goes around what was removed: up to the mask's edge, it would show there as a ghost.

    There the answer [1,3,h,w] goes over into the picture [1,3,h,w] outside the mask [1,1,h,w], where the two are the
    same: if what the picture has inside, near the border, is foreign to what lies outside, and the answer's is not.
    sure: the answer's details are in place, so that this holds for what was exchanged as well, if the mask has a sharp
    edge. trusted: [1,1,h,w], 1 where the two can be compared. Not in small pictures, whose band is too narrow.
    """
    band = int(BAND * unit) - 2
    middle, sigma = (length * unit for length in AWAY)
    if band <= middle + sigma:
        return made
    covered = (mask > 0).float()
    beside = grow(covered, math.ceil(BESIDE * unit))
    outside, beside = (grow(covered, band) - beside) * trusted, (beside - covered) * trusted
    through = (1 - made.soft * made.thick) * covered * trusted  # how much of the picture is seen inside
    halves = [_halved(it) for it in (picture, answer, outside, through)]
    sharp = sure and bool((grow((mask > 0.5).float(), math.ceil(SHARP * unit)) >= covered).all())
    removed = _removed(*halves, sigma=AROUND * unit / 2, beside=_halved(beside) if sharp else None)
    removed = interpolate(removed, scale_factor=2, mode="bilinear")[..., : mask.shape[2], : mask.shape[3]]
    if not bool(removed.any()):
        return made
    away = _faded(grow(covered, round(middle)), sigma, 1 / 510) * grow(covered, band)
    return Border(torch.lerp(made.soft, away, removed), made.thick.maximum(removed))


def _removed(
    picture: Tensor, answer: Tensor, outside: Tensor, through: Tensor, *, sigma: float, beside: Tensor | None
) -> Tensor:
    """Return [1,1,h,w]: 1 where what the picture shows inside is foreign to the result there, 0 where it is not.

    It is foreign to what lies outside, and the answer's is not. With what lies beside the mask [1,1,h,w], also where
    both end at the border, as they do at a thing's own edge, and the answer has another thing. But not over what was
    redrawn there, whose differences cancel out: they would replace fine lines and letters.
    """
    pair, changed = (picture, answer), picture - answer
    beyond = [masked_blur(it, outside, sigma) for it in pair]
    foreign, own = (masked_blur((it - rim).abs(), through, sigma) for it, rim in zip(pair, beyond, strict=True))
    other, excess = masked_blur(changed.abs(), outside, sigma), foreign.new_zeros(())
    if beside is not None:
        edges = [(masked_blur(it, through, sigma) - rim).abs() for it, rim in zip(pair, beyond, strict=True)]
        exchanged = masked_blur(changed.abs(), through, sigma)
        redrawn = masked_blur(changed.abs(), beside, sigma) - masked_blur(changed, beside, sigma).abs()
        least = torch.stack([it.amax(dim=1, keepdim=True) for it in (*edges, exchanged)]).amin(dim=0)
        excess = least - EXCHANGED - EXCHANGED_OTHER * other.maximum(redrawn).amax(dim=1, keepdim=True)
    excess = excess.maximum((foreign - OWN * own - OTHER * other).amax(dim=1, keepdim=True))
    excess = excess * (blur(outside, sigma) > LEAST_SEEN)
    return ((excess - FOREIGN[0]) / (FOREIGN[1] - FOREIGN[0])).clamp(0, 1)


def membrane(
    difference: Tensor, mask: Tensor, trusted: Tensor, unit: float, should_stop: ShouldStop | None = None
) -> Tensor | None:
    """Return what to add to the answer [1,C,h,w] so that it meets the picture at the mask's border, or None.

    difference: picture - answer [1,C,h,w]. mask: [1,1,h,w]. trusted: [1,1,h,w], 1 where the two can be compared. The
    ring's difference is carried into the mask by a harmonic function; no part of it is larger than LIMIT, and it is 0
    everywhere if no stretch of the ring differs by LEAST. None: there is no ring, less than ENOUGH of it agrees, or
    most of it differs by more than LIMIT: that is an edit that spilled.
    """
    height, width = mask.shape[2:]
    unit = max(unit, LEAST_UNIT)
    top, bottom, left, right = _around(mask > 0, math.ceil((BAND + RING) * unit) + SPREAD)
    difference, mask, trusted = (x[..., top:bottom, left:right] for x in (difference, mask, trusted))
    near = grow((mask > 0).float(), SPREAD)
    ring = (grow(near, max(1, round(RING * unit))) - near) * trusted
    smooth = masked_blur(difference, (1 - near) * trusted, RING_BLUR * unit)
    rows = smooth[0].flatten(1).T[ring.flatten() > 0]  # nC
    if not len(rows):
        return None
    agree = _agreeing(rows)
    if agree.float().mean() < ENOUGH or rows[agree].abs().amax(dim=1).median() > LIMIT:
        return None
    known = torch.zeros_like(ring)
    known.view(-1)[ring.flatten().nonzero()[:, 0][agree]] = 1
    kept = smooth.clamp(-LIMIT, LIMIT)
    if bool((masked_blur(kept, known, FEATHER * unit) * known).abs().max() < LEAST):
        return torch.zeros(1, difference.shape[1], height, width)
    carried = harmonic(kept, known, should_stop)
    return pad(carried, (left, width - right, top, height - bottom))


def _around(covered: Tensor, margin: int) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of what is covered [1,1,h,w], with a margin as far as there is one."""
    spans = []
    for axis in (1, 0):
        places = covered[0, 0].any(dim=axis).nonzero()[:, 0].tolist() or [0]
        spans += [max(0, places[0] - margin), min(covered.shape[3 - axis], places[-1] + 1 + margin)]
    top, bottom, left, right = spans
    return top, bottom, left, right


def _agreeing(rows: Tensor) -> Tensor:
    """Tell which differences [n,C] are no outliers: [n]."""
    from_median = (rows - rows.median(dim=0).values).abs()
    spread = 1.4826 * from_median.median(dim=0).values + 1 / 255
    return ((from_median <= OUTLIER_MADS * spread) & (rows.abs() <= OUTLIER)).all(dim=1)


def harmonic(values: Tensor, known: Tensor, should_stop: ShouldStop | None = None) -> Tensor:
    """Return [1,C,h,w]: the known values [1,1,h,w], and between them the solution of Laplace's equation.

    Coarse to fine: halves until nothing is left to halve, then a few sweeps at each size.
    """
    raise_if_stopped(should_stop)
    height, width = values.shape[2:]
    if max(height, width) <= 2:
        mean = (values * known).sum(dim=(2, 3), keepdim=True) / known.sum().clamp(min=1)
        return torch.where(known > 0, values, mean)
    small_known = _halved(known)
    small_values = _halved(values * known) / small_known.clamp(min=1e-6)
    coarse = harmonic(small_values, (small_known > 0).float(), should_stop)
    filled = interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)[..., :height, :width]
    for _ in range(SWEEPS):
        around = pad(torch.where(known > 0, values, filled), (1, 1, 1, 1), mode="replicate")
        filled = (around[..., 1:-1, :-2] + around[..., 1:-1, 2:] + around[..., :-2, 1:-1] + around[..., 2:, 1:-1]) / 4
    return torch.where(known > 0, values, filled)


def _halved(picture: Tensor) -> Tensor:
    height, width = picture.shape[2:]
    padded = pad(picture, (0, width % 2, 0, height % 2))
    return avg_pool2d(padded, 2)
