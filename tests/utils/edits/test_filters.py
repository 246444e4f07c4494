"""utils/edits/filters.py: against plain and slow definitions."""

from __future__ import annotations

import math

import pytest
import torch
from openai_image_nodes.utils.edits.filters import blur, grow, masked_blur, reduced, scaled, shrink
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, pad


def noise(*shape: int) -> Tensor:
    """Return random values."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def gaussian(picture: Tensor, sigma: float) -> Tensor:
    """Blur [1,1,h,w] by convolution with a Gaussian of four sigmas."""
    radius = math.ceil(4 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum())[None, None, None]
    wide = conv2d(pad(picture, (radius, radius, 0, 0), mode="replicate"), kernel)
    return conv2d(pad(wide, (0, 0, radius, radius), mode="replicate"), kernel.transpose(2, 3))


@pytest.mark.parametrize("sigma", [0.8, 2.0, 4.0, 6.4, 15.0, 43.0])
def test_blur_is_a_gaussian(sigma: float) -> None:
    """Also where it is computed on a reduced picture."""
    steps = torch.zeros(1, 1, 150, 203)
    steps[..., 80:] = 1
    steps[..., 40:90, 20:140] = 0.5
    assert (blur(steps, sigma) - gaussian(steps, sigma)).abs().max() < 0.002 + 0.001 * sigma


@pytest.mark.parametrize("sigma", [1.0, 20.0])
def test_masked_blur_sees_only_what_has_a_weight(sigma: float) -> None:
    """What has no weight may hold anything."""
    picture, weight = noise(1, 1, 60, 80), torch.ones(1, 1, 60, 80)
    weight[..., 20:40, 30:50] = 0
    other = torch.where(weight > 0, picture, 99.0)
    assert torch.allclose(masked_blur(picture, weight, sigma), masked_blur(other, weight, sigma))
    even = masked_blur(torch.full_like(picture, 0.3), weight, sigma)
    assert torch.allclose(even[weight > 0], torch.tensor(0.3), atol=1e-4)


@pytest.mark.parametrize("radius", [0, 1, 2, 7, 20])
def test_grow_and_shrink_are_square_maximum_and_minimum(radius: int) -> None:
    """Beyond the edge counts as the edge."""
    picture = noise(1, 2, 33, 57)
    window = 2 * radius + 1
    assert torch.equal(grow(picture, radius), max_pool2d(picture, window, 1, radius))
    assert torch.equal(shrink(picture, radius), -max_pool2d(-picture, window, 1, radius))


@pytest.mark.parametrize("size", [(7, 10), (64, 91), (300, 400)])
def test_reducing_shifts_nothing(size: tuple[int, int]) -> None:
    """A ramp over the frame is the same ramp at every size, away from the edges."""
    height, width = size
    ramp = ((torch.arange(1000) + 0.5) / 1000)[None, :, None].expand(700, 1000, 1)
    expected = (torch.arange(width) + 0.5) / width
    found = reduced(ramp, height, width)[0, 0, height // 2]
    assert torch.allclose(found[1:-1], expected[1:-1], atol=1e-4)


def test_reducing_in_blocks_is_reducing_at_once() -> None:
    """Blocks leave no trace, and the size that a picture has needs no work."""
    picture = noise(700, 300, 3)
    at_once = scaled(picture.permute(2, 0, 1)[None], 90, 40)
    assert torch.allclose(reduced(picture, 90, 40), at_once, atol=1e-5)
    assert torch.equal(reduced(picture, 700, 300)[0].permute(1, 2, 0), picture)
