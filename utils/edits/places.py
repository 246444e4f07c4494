"""Patterns that repeat: where else a picture's features match the answer (docs/exact-edits.md, "Registration")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .cancel import ShouldStop
from .filters import grow
from .geometry import compose, identity
from .registration import Level, along_stripes, correlations, matches, shifts, translated

LOOKED_AT = 2  # the level where other places are looked for; what is found there is compared at the last one
SIMILAR, EQUAL = 0.25, 0.03  # below the best match, there and here
APART = 24.0  # pixels at a long side of 1024 that two places are apart
LOOKED_INTO = 6
LEAST_CORRELATION = 0.3  # below, the scales are wrong: another place is no better
NOTHING = 0.2  # what correlates no more at whole pixels will not at parts of them


def places(pyramid: Sequence[Level], affine: Tensor, should_stop: ShouldStop | None = None) -> list[Tensor]:
    """Return the affine maps [2,3] of places where a map of the same scales matches as well; none where it is alone.

    First that nearest to where the picture was: what models make smaller stays where it was at the upper left. Then
    that which matches best.
    """
    level, last = pyramid[min(LOOKED_AT, len(pyramid) - 1)], pyramid[-1]
    linear = affine.clone()
    linear[:, 2] = 0
    match = matches(level, linear[None], should_stop)[0]
    if match.max() < NOTHING:
        return []
    peaks = (match >= grow(match[None, None], 2)[0, 0]) & (match >= match.max() - SIMILAR)
    found = compose(linear, shifts(level, peaks.nonzero()))
    along = along_stripes(level)
    if along is not None:  # every place along them is as good
        found = _slid(found, along, level)
    elif not _are_apart(found):
        return []
    found = translated(level, found[_displacement(found, level).norm(dim=1).argsort()[:LOOKED_INTO]], should_stop)
    match = correlations(last, found)
    if match.max() < LEAST_CORRELATION:
        return []
    found, match = found[match >= match.max() - EQUAL], match[match >= match.max() - EQUAL]
    if along is None and not _are_apart(torch.cat([found, affine[None]])):
        return []
    nearest, best = found[int(_displacement(found, last).norm(dim=1).argmin())], found[int(match.argmax())]
    return [nearest] if torch.equal(nearest, best) else [nearest, best]


def _displacement(found: Tensor, level: Level) -> Tensor:
    """Return how far maps [n,2,3] move the upper left corner: [n,2]."""
    x, y = level.frame.extent
    corner = torch.tensor([-x, -y, 1], dtype=torch.float64)
    return found @ corner - corner[:2]


def _slid(found: Tensor, along: Tensor, level: Level) -> Tensor:
    """Return maps [n,2,3] that move the upper left corner only across a direction [2]."""
    steps = identity().repeat(len(found), 1, 1)
    steps[:, :, 2] = along * (-(_displacement(found, level) @ along) / (found[:, :, :2] @ along @ along))[:, None]
    return compose(found, steps)


def _are_apart(found: Tensor) -> bool:
    """Tell whether maps [n,2,3] are not all of one place."""
    spread = found[:, :, 2].amax(dim=0) - found[:, :, 2].amin(dim=0)
    return float(spread.max()) * 512 > APART
