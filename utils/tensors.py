"""Between tensors of floats 0..1 and arrays of 8-bit pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from .errors import ImageInputError

if TYPE_CHECKING:  # and where it is used: the commands do without torch, which takes seconds and 200 MB
    from torch import Tensor

Pixels = NDArray[np.uint8]
T = TypeVar("T")
R = TypeVar("R")

STRIPE_ROWS = 256  # converted on one core
BLOCK_ROWS = 64  # converted together; the scratch array stays in the processor's cache


def tensor_to_pixels(tensor: Tensor) -> Pixels:
    """Return floats 0..1 [H,W,...] as uint8 of the same shape: clamped, NaN as 0, rounded to the nearest level.

    Raises:
        ImageInputError: the tensor does not hold floats.
    """
    if not tensor.is_floating_point():
        raise ImageInputError(
            f"The picture holds {tensor.dtype}, not floats from 0 to 1: convert it to float and divide it by 255."
        )
    source = _on_cpu(tensor.detach())
    if not source.is_floating_point():
        levels: Pixels = source.numpy()
        return levels
    pixels = np.empty(source.shape, np.uint8)
    starts = range(0, len(source), STRIPE_ROWS)
    map_parts(lambda y: _fill_levels(pixels[y : y + STRIPE_ROWS], source[y : y + STRIPE_ROWS]), starts)
    return pixels


def _on_cpu(source: Tensor) -> Tensor:
    """Return a tensor in main memory, from another device as 8-bit levels where it has the room to make them.

    A quarter of the bytes is copied then.
    """
    if source.device.type == "cpu":
        return source
    try:
        return _levels(source).cpu()
    except RuntimeError:  # out of memory, or something that this kind of device cannot do
        return source.cpu()


def _levels(source: Tensor) -> Tensor:
    """Return the levels as uint8, as `_fill_levels` does, on the tensor's own device."""
    import torch

    clamped = torch.nan_to_num(source.float(), nan=0.0).clamp_(0, 1)
    return clamped.mul_(255).round_().to(torch.uint8)


def _fill_levels(pixels: Pixels, source: Tensor) -> None:
    for y in range(0, len(source), BLOCK_ROWS):
        block: NDArray[np.float32] = source[y : y + BLOCK_ROWS].float().numpy()
        clamped = np.fmin(np.fmax(block, 0), 1)  # fmax takes the number where the other is NaN
        np.multiply(clamped, 255, out=clamped)
        pixels[y : y + BLOCK_ROWS] = np.rint(clamped, out=clamped)


def pixels_to_tensor(pixels: Pixels, out: Tensor | None = None) -> Tensor:
    """Return 8-bit levels as float32 level / 255 of the same shape, written to `out` where it is given."""
    import torch

    tensor = torch.empty(pixels.shape) if out is None else out
    np.divide(pixels, np.float32(255), out=tensor.numpy(), dtype=np.float32)
    return tensor


def first_mask(mask: Tensor) -> Tensor:
    """Return the first mask [H,W] of [H,W], [B,H,W] or [B,1,H,W].

    Raises:
        ImageInputError: the tensor has another shape.
    """
    single_channel = mask.ndim == 4 and mask.shape[1] == 1
    if mask.numel() == 0 or not (mask.ndim in (2, 3) or single_channel):
        raise ImageInputError(
            f"A mask of shape {list(mask.shape)} cannot be used: connect a MASK [height, width] or"
            " [batch, height, width]."
        )
    return mask.reshape(-1, *mask.shape[-2:])[0]


def size_text(width: int, height: int) -> str:
    """Return a size the way that messages write it."""
    return f"{width}x{height}"


def parallel_map(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return work of each item, in order, done on all cores: numpy, zlib and Pillow let other threads run.

    All callers share the threads, so that many nodes at once hold no more than one picture per core in work.
    """
    return list(_pool("pictures").map(work, items))


def map_parts(work: Callable[[T], R], parts: Sequence[T]) -> list[R]:
    """Return work of each part of one picture, in order, done on all cores; such a part starts none itself."""
    return list(_pool("parts").map(work, parts) if len(parts) > 1 else map(work, parts))


def submit_part(work: Callable[[], R]) -> Future[R]:
    """Start a part of the work on one picture on another core; such a part starts none itself, so none blocks another.

    It is what a single picture gains from: several keep the cores busy by themselves.
    """
    return _pool("parts").submit(work)


@cache
def _pool(of: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix=f"openai-image-{of}")
