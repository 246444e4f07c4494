"""utils/mask_composite.py: what lies outside the mask is the original, to the level."""

from __future__ import annotations

import pytest
import torch
from openai_image_nodes.utils.errors import ImageInputError
from openai_image_nodes.utils.mask_composite import lock_outside_mask
from torch import Tensor


def levels(*shape: int, seed: int = 0) -> Tensor:
    """A picture of 8-bit levels."""
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed)) / 255


def half(height: int, width: int) -> Tensor:
    """A mask: the right half is replaced."""
    mask = torch.zeros(height, width)
    mask[:, width // 2 :] = 1
    return mask


@pytest.mark.parametrize("result_size", [(20, 30), (40, 60), (9, 17)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_outside_is_the_original_exactly(result_size: tuple[int, int], channels: int) -> None:
    """Whatever the result's size and the original's channels, levels outside are the original's, bit for bit."""
    original = levels(1, 20, 30, channels)
    locked = lock_outside_mask(levels(2, *result_size, 3, seed=1), original, half(20, 30))
    assert locked.shape == (2, 20, 30, 4 if channels == 4 else 3)
    assert torch.equal(locked[:, :, :15], original.expand(2, -1, -1, locked.shape[3])[:, :, :15])


def test_inside_is_the_result_exactly() -> None:
    """Where the mask is 1 and the sizes agree, the result is untouched."""
    result = levels(2, 20, 30, 3, seed=1)
    locked = lock_outside_mask(result, levels(20, 30, 3), half(20, 30))
    assert torch.equal(locked[:, :, 15:], result[:, :, 15:])


def test_soft_edges_are_blended() -> None:
    """Between the two the mask is the share of the result."""
    mask = torch.arange(256).reshape(1, 256) / 255
    original, result = levels(1, 256, 3), levels(1, 1, 256, 3, seed=1)
    locked = lock_outside_mask(result, original, mask)
    expected = original * (1 - mask[..., None]) + result[0] * mask[..., None]
    assert torch.allclose(locked[0], expected, atol=1e-6)
    assert torch.equal(locked[0, :, 0], original[:, 0])


def test_mask_below_half_a_level_keeps_the_original() -> None:
    """The mask counts as it is sent, with 8 bits: what rounds to 0 was closed for the service too."""
    mask = torch.full((4, 4), 0.4 / 255)
    original = levels(4, 4, 3)
    assert torch.equal(lock_outside_mask(torch.ones(1, 4, 4, 3), original, mask)[0], original)


def test_mask_that_is_nowhere_quite_closed_keeps_the_original() -> None:
    """ComfyUI 0.33 gives 1/255 for 0 where a WebP is opaque."""
    mask = torch.full((4, 4), 1 - 255 / 256)
    mask[1, 1] = 1.0
    original = levels(4, 4, 3)
    locked = lock_outside_mask(torch.ones(1, 4, 4, 3), original, mask)[0]
    assert torch.equal(locked[1, 1], torch.ones(3))
    assert torch.equal(locked[mask < 1], original[mask < 1])


def test_originals_between_levels_are_rounded_as_they_were_sent() -> None:
    """An original that is not of 8-bit levels comes back as the service saw it."""
    locked = lock_outside_mask(torch.zeros(1, 2, 2, 3), torch.full((2, 2, 3), 0.301), torch.zeros(2, 2))
    assert torch.equal(locked, torch.full((1, 2, 2, 3), 77.0) / 255)


@pytest.mark.parametrize("shape", [(20, 30), (3, 20, 30), (2, 1, 20, 30)])
def test_first_mask_and_first_original_count(shape: tuple[int, ...]) -> None:
    """Mask and original are the first of their batches, as in the request."""
    mask, original = torch.ones(shape), levels(3, 20, 30, 3)
    mask.reshape(-1, 20, 30)[0] = 0
    assert torch.equal(lock_outside_mask(torch.ones(1, 20, 30, 3), original, mask)[0], original[0])


def test_scaled_result_stays_in_range_and_in_place() -> None:
    """A result of another size is scaled without overshooting 0..1."""
    result = torch.zeros(1, 40, 60, 3)
    result[:, :, 30:] = 1
    locked = lock_outside_mask(result, torch.full((20, 30, 3), 0.2), torch.ones(20, 30))
    assert locked.min() >= 0
    assert locked.max() <= 1
    assert torch.allclose(locked[:, :, :12], torch.zeros(()), atol=1e-4)
    assert torch.allclose(locked[:, :, 18:], torch.ones(()), atol=1e-4)


def test_transparent_result_keeps_its_alpha_inside() -> None:
    """A result with transparency gives four channels; the opaque original is opaque outside."""
    result = levels(1, 20, 30, 4, seed=1)
    locked = lock_outside_mask(result, levels(20, 30, 3), half(20, 30))
    assert torch.equal(locked[:, :, 15:], result[:, :, 15:])
    assert (locked[:, :, :15, 3] == 1).all()


def test_edge_to_transparency_takes_no_hidden_colour() -> None:
    """Half way to a transparent black pixel, an opaque white one is white and half transparent, not grey."""
    locked = lock_outside_mask(torch.zeros(1, 1, 1, 4), torch.ones(1, 1, 3), torch.full((1, 1), 0.5))
    assert torch.equal(locked[0, 0, 0, :3], torch.ones(3))
    assert locked[0, 0, 0, 3] == pytest.approx(1 - 128 / 255)


def test_transparency_outside_is_put_back() -> None:
    """A transparent original stays transparent outside, with the colours under it, though the result is opaque."""
    original = levels(20, 30, 4)
    original[:5, :, 3] = 0
    locked = lock_outside_mask(levels(1, 20, 30, 3, seed=1), original, half(20, 30))
    assert torch.equal(locked[0, :, :15], original[:, :15])
    assert (locked[0, :, 15:, 3] == 1).all()


def test_no_transparent_pixel_left_means_three_channels() -> None:
    """Where the mask replaces all that was transparent, the output is RGB as elsewhere."""
    original = levels(20, 30, 4)
    original[..., 3] = half(20, 30).logical_not()
    assert lock_outside_mask(levels(1, 20, 30, 3, seed=1), original, half(20, 30)).shape == (1, 20, 30, 3)


def test_scaled_transparent_result_takes_no_hidden_colour() -> None:
    """The colour under the result's transparent pixels does not show when it is scaled."""
    result = torch.zeros(1, 40, 40, 4)
    result[..., 0] = 1  # red, all transparent
    result[:, :, 20:] = torch.tensor([0.0, 1.0, 0.0, 1.0])
    locked = lock_outside_mask(result, levels(20, 20, 3), torch.ones(20, 20))
    assert locked[..., 0][locked[..., 3] > 0.05].max() < 0.05


def test_inputs_are_not_written_to() -> None:
    """Original and mask belong to other nodes."""
    tensors = levels(1, 30, 40, 4), levels(1, 20, 30, 4, seed=1), half(20, 30)[None]
    copies = [tensor.clone() for tensor in tensors]
    lock_outside_mask(*tensors)
    assert all(torch.equal(old, new) for old, new in zip(copies, tensors, strict=True))


def test_mask_of_another_size_is_refused() -> None:
    """The message names both sizes."""
    with pytest.raises(ImageInputError, match="mask is 30x21 and the first picture is 30x20"):
        lock_outside_mask(levels(1, 20, 30, 3), levels(20, 30, 3), torch.zeros(21, 30))
