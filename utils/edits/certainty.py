"""How well a picture tells where it belongs: by the slopes that it has outside the mask."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .filters import luminance
from .geometry import Frame
from .pair import Pair
from .registration import Level, along_stripes, central_differences, motions


def leverage(level: Level) -> float:
    """Return by how many px a corner can be off where the picture's edges are off by one: the worst affine map.

    That is 4 to 11 in photographs; two blobs on paper (23 to 45) tell little of a scale across the line between them,
    stripes nothing of what is along them.
    """
    if along_stripes(level) is not None:
        return math.inf
    slopes = central_differences(level.picture, level.frame.half)
    edges = float(sum((slope.square() * level.keep).sum() for slope in slopes))
    return math.sqrt(edges) * _worst_corner(level.frame, slopes, level.keep)


def uncertainty(pair: Pair) -> float:
    """Return by how many of the pair's pixels noise of one level of 255 moves a corner, at best.

    That is below 0.01 in photographs. The soft shadow of a thing on white paper has so weak slopes that it is 0.7 to
    1.5; and as its tone can stand for its size, a fit is off by many times that.
    """
    slopes = central_differences(luminance(pair.smooth), pair.frame.half)
    return _worst_corner(pair.frame, slopes, pair.keep) * pair.frame.half / 255


def _worst_corner(frame: Frame, slopes: Sequence[Tensor], weight: Tensor) -> float:
    """Return by how many centred units the worst corner is off, per deviation of one of each pixel that has a weight.

    slopes: [1,1,h,w] in x and y.
    """
    columns = motions(frame, *slopes)[0] * weight.flatten()
    if columns.shape[1] < len(columns) or not bool(columns.any()):
        return math.inf
    x, y = frame.extent
    moves = torch.zeros(4, 2, 6, dtype=torch.float64)  # of each corner, by each of the map's six numbers
    moves[:, 0, :3] = moves[:, 1, 3:] = torch.tensor([[i, j, 1] for i in (-x, x) for j in (-y, y)])
    spread = moves @ torch.linalg.pinv((columns @ columns.T).double(), hermitian=True) @ moves.transpose(1, 2)
    return float(torch.linalg.eigvalsh(spread).amax().sqrt())
