"""Blurs, masks and scaling on [N,C,H,W] tensors of any size; sigmas and radii are in pixels of the tensor."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from .cancel import ShouldStop, raise_if_stopped

LUMA = (0.299, 0.587, 0.114)
DIRECT_SIGMA = 4.0  # a wider blur is computed on a reduced picture
BLOCK_ROWS = 256


def blur(picture: Tensor, sigma: float) -> Tensor:
    """Return [N,C,H,W] under a Gaussian of `sigma` pixels, edges continued."""
    if sigma <= DIRECT_SIGMA:
        return _gaussian(_gaussian(picture, sigma, axis=3), sigma, axis=2)
    factor = int(sigma / 2)
    height, width = picture.shape[2:]
    padded = pad(picture, (0, -width % factor, 0, -height % factor), mode="replicate")
    # What reducing (a box) and enlarging (a tent) blur themselves: factor^2/12 and factor^2/6.
    small = blur(avg_pool2d(padded, factor), math.sqrt((sigma / factor) ** 2 - 0.25))
    return interpolate(small, padded.shape[2:], mode="bilinear", align_corners=False)[..., :height, :width]


def _gaussian(picture: Tensor, sigma: float, *, axis: int) -> Tensor:
    """Blur along one axis by adding shifted pictures: torch's own convolution of one channel is ten times slower."""
    radius = math.ceil(3 * sigma)
    if radius == 0:
        return picture
    weights = [math.exp(-0.5 * (i / sigma) ** 2) for i in range(radius + 1)]
    scale = 1 / (2 * sum(weights) - weights[0])
    size = picture.shape[axis]
    sides = (radius, radius, 0, 0) if axis == 3 else (0, 0, radius, radius)
    padded = pad(picture, sides, mode="replicate")
    total = padded.narrow(axis, radius, size) * (weights[0] * scale)
    for i in range(1, radius + 1):
        total.add_(padded.narrow(axis, radius - i, size), alpha=weights[i] * scale)
        total.add_(padded.narrow(axis, radius + i, size), alpha=weights[i] * scale)
    return total


def masked_blur(picture: Tensor, weight: Tensor, sigma: float) -> Tensor:
    """Return the blur of [N,C,H,W] over the pixels that have a weight [N,1,H,W] (normalized convolution)."""
    return blur(picture * weight, sigma) / blur(weight, sigma).clamp(min=1e-4)


def grow(mask: Tensor, radius: int) -> Tensor:
    """Return the maximum of [N,C,H,W] over a square of 2 * radius + 1 pixels."""
    return _grow_along(_grow_along(mask, radius, axis=3), radius, axis=2)


def shrink(mask: Tensor, radius: int) -> Tensor:
    """Return the minimum of [N,C,H,W] over a square of 2 * radius + 1 pixels; beyond the edge counts as the edge."""
    return -grow(-mask, radius)


def _grow_along(mask: Tensor, radius: int, *, axis: int) -> Tensor:
    """Take the maximum over 2 * radius + 1 pixels of one axis in log2(radius) passes."""
    size, window = mask.shape[axis], 2 * radius + 1
    sides = (radius, radius, 0, 0) if axis == 3 else (0, 0, radius, radius)
    result, done = pad(mask, sides, mode="replicate"), 1
    while done < window:
        step = min(done, window - done)
        length = result.shape[axis] - step
        result = torch.maximum(result.narrow(axis, 0, length), result.narrow(axis, step, length))
        done += step
    return result.narrow(axis, 0, size)


def scaled(picture: Tensor, height: int, width: int) -> Tensor:
    """Return [N,C,H,W] scaled to [N,C,height,width]: averaged where it gets smaller, never shifted."""
    if picture.shape[2:] == (height, width):
        return picture
    return interpolate(picture, (height, width), mode="bilinear", antialias=True, align_corners=False)


def reduced(picture: Tensor, height: int, width: int, should_stop: ShouldStop | None = None) -> Tensor:
    """Return [H,W,C] scaled to [1,C,height,width], block by block: no second copy of a large picture is made."""
    rows = []
    for top in range(0, picture.shape[0], BLOCK_ROWS):
        raise_if_stopped(should_stop)
        block = picture[top : top + BLOCK_ROWS].permute(2, 0, 1)[None].float()  # HWC -> BCHW
        rows.append(scaled(block, block.shape[2], width))
    raise_if_stopped(should_stop)
    return scaled(torch.cat(rows, dim=2), height, width).contiguous()


def luminance(picture: Tensor) -> Tensor:
    """Return [N,3,H,W] as [N,1,H,W]."""
    return LUMA[0] * picture[:, 0:1] + LUMA[1] * picture[:, 1:2] + LUMA[2] * picture[:, 2:3]
