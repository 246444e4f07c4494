"""A smooth flow on top of the affine map: what a redrawn frame moved by a few pixels here and there."""

from __future__ import annotations

import torch
from torch import Tensor

from .cancel import ShouldStop, raise_if_stopped
from .filters import blur, scaled
from .geometry import Mapping, identity, inside, positions, sample
from .registration import Level, cauchy_weight, central_differences, kept_samples

ROUNDS = 4
REDUCTION = 8  # the flow is computed at an eighth of the level's size: it is far smoother than that
WINDOW = 40.0  # sigma of the window, in pixels at a long side of 1024, as all lengths here
DAMPING = 0.15  # of the mean structure: flat and masked areas stay where they are
STEP_LIMIT, LIMIT = 2.0, 6.0


def smooth_flow(level: Level, should_stop: ShouldStop | None = None, *, least: float = 0.0) -> Tensor:
    """Return the flow [1,2,h/8,w/8] (centred units) that is left when the level's answer has been moved already.

    It is not finished where it will hardly become longer than `least`, as `typical_length` measures it.
    """
    unit = level.frame.long_side / 1024 / level.frame.half  # one pixel at 1024, in centred units
    height, width = (-(-side // REDUCTION) for side in (level.frame.height, level.frame.width))
    flow = torch.zeros(1, 2, height, width)
    for left in reversed(range(ROUNDS)):
        raise_if_stopped(should_stop)
        step = _step(level, flow).clamp(-STEP_LIMIT * unit, STEP_LIMIT * unit)
        flow = (flow + step).clamp(-LIMIT * unit, LIMIT * unit)
        if typical_length(flow) + left * typical_length(step) <= least:  # each step is shorter than the one before
            break
    return flow


def typical_length(flow: Tensor) -> float:
    """Return the 95th percentile of the lengths of a flow [1,2,h,w] in pixels at a long side of 1024."""
    return float(flow[0].square().sum(dim=0).sqrt().flatten().quantile(0.95)) * 512


def _step(level: Level, flow: Tensor) -> Tensor:
    frame, mapping = level.frame, Mapping(identity(), flow)
    grid = positions(mapping, frame, torch.arange(frame.height) + 0.5, torch.arange(frame.width) + 0.5)
    moved = sample(level.answer, grid)
    difference = level.picture - moved
    weight = level.keep * inside(grid) * cauchy_weight(difference, kept_samples(level.keep))
    slopes = (central_differences(picture, frame.half) for picture in (level.picture, moved))
    x_slope, y_slope = ((a + b) / 2 for a, b in zip(*slopes, strict=True))
    products = torch.cat(
        [x_slope * x_slope, x_slope * y_slope, y_slope * y_slope, x_slope * difference, y_slope * difference], dim=1
    )
    sigma = WINDOW * frame.long_side / 1024 / REDUCTION
    xx, xy, yy, x_right, y_right = blur(scaled(products * weight, flow.shape[2], flow.shape[3]), sigma)[0]
    damping = DAMPING * (xx + yy).mean() / 2
    xx, yy = xx + damping, yy + damping
    determinant = (xx * yy - xy * xy).clamp(min=1e-20)
    steps: Tensor = torch.stack([yy * x_right - xy * y_right, xx * y_right - xy * x_right])[None] / determinant
    return steps
