"""Between tensors of floats 0..1 and arrays of 8-bit pixels."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from .input_tensors import no_floats

if TYPE_CHECKING:  # and where it is used: the commands do without torch, which takes seconds and 200 MB
    from torch import Tensor

Pixels = NDArray[np.uint8]
T = TypeVar("T")
R = TypeVar("R")
Stripes = Sequence["Future[Pixels]"]  # of a picture, from the top

CORES = os.cpu_count() or 1
STRIPE_ROWS = 256  # converted on one core
CLOSED, FAINT = 0.5 / 255, 1.5 / 255  # a mask's values below which its 8-bit level is 0, and 1
BLOCK_ROWS = 64  # converted together; the scratch array stays in the processor's cache


def tensor_to_pixels(tensor: Tensor) -> Pixels:
    """Return floats 0..1 [H,W,...] as uint8 of the same shape: clamped, NaN as 0, rounded to the nearest level.

    Raises: ImageInputError if the tensor does not hold floats.
    """
    pixels, stripes = start_pixels(tensor)
    wait_for(stripes)
    return pixels


def start_pixels(tensor: Tensor) -> tuple[Pixels, Stripes]:
    """Start to make what `tensor_to_pixels` returns, so that work on the first rows can begin.

    Raises: ImageInputError if the tensor does not hold floats.
    """
    if not tensor.is_floating_point():
        raise no_floats(tensor)
    source = tensor.detach()
    if source.device.type != "cpu":
        try:  # a quarter of the bytes is copied where the device has the room to make levels
            source = _levels(source).cpu()
        except RuntimeError:  # out of memory, or something that this kind of device cannot do
            source = source.cpu()
    if not source.is_floating_point():
        levels: Pixels = source.numpy()
        return levels, [done(levels)]
    pixels = np.empty(source.shape, np.uint8)
    return pixels, start_stripes(pixels, lambda rows: _fill_levels(pixels[rows], source[rows]))


def start_stripes(pixels: Pixels, fill: Callable[[slice], object]) -> Stripes:
    """Start to fill an array on all cores; return its stripes of rows from the top, each there once it is filled."""

    def filled(rows: slice) -> Pixels:
        fill(rows)
        return pixels[rows]

    stripes = [slice(y, y + STRIPE_ROWS) for y in range(0, len(pixels), STRIPE_ROWS)]
    if len(stripes) == 1 or _thread.is_one_of_many:
        return [done(filled(rows)) for rows in stripes]
    return [_pool("stripes").submit(filled, rows) for rows in stripes]


def wait_for(stripes: Stripes) -> None:
    """Wait for all stripes; raises what filling one raised."""
    for stripe in stripes:
        stripe.result()


def done(value: R) -> Future[R]:
    """Return what is there already as something to wait for."""
    future: Future[R] = Future()
    future.set_result(value)
    return future


def _levels(source: Tensor) -> Tensor:
    """Return the levels as uint8, as `_fill_levels` does, on the tensor's own device."""
    import torch

    clamped = torch.nan_to_num(source.float(), nan=0.0).clamp_(0, 1)
    return clamped.mul_(255).round_().to(torch.uint8)


def _fill_levels(pixels: Pixels, source: Tensor) -> None:
    scratch = np.empty((BLOCK_ROWS, *source.shape[1:]), np.float32)
    for y in range(0, len(source), BLOCK_ROWS):
        block: NDArray[np.float32] = source[y : y + BLOCK_ROWS].float().numpy()
        if not (block.min() >= 0 and block.max() <= 1):  # rare, and NaN too: both take numpy longer than the rest
            block = np.fmin(np.fmax(block, 0), 1)  # fmax takes the number where the other is NaN
        levels = np.multiply(block, 255, out=scratch[: len(block)])
        pixels[y : y + BLOCK_ROWS] = np.rint(levels, out=levels)


def pixels_to_tensor(pixels: Pixels, out: Tensor | None = None) -> Tensor:
    """Return 8-bit levels as float32 level / 255 of the same shape, written to `out` where it is given."""
    import torch

    tensor = torch.empty(pixels.shape) if out is None else out
    np.divide(pixels, np.float32(255), out=tensor.numpy(), dtype=np.float32)
    return tensor


def is_lifted(mask: Tensor) -> bool:
    """Tell whether a mask of 0..1 has 1/255 in place of 0, and 0 nowhere.

    ComfyUI 0.33 gives such masks where a WebP, grey with alpha or CMYK is opaque (docs/comfyui-host.md, "Empty masks").
    In any other mask 1/255 is what it says: soft ones end with it.
    """
    return bool(mask.numel()) and CLOSED <= float(mask.amin()) < FAINT


def opened(mask: Tensor) -> Tensor:
    """Return a mask of 0..1, or a part of one, with 0 for what opens nothing in it."""
    return mask.where(mask >= FAINT, 0.0) if is_lifted(mask) else mask


def closed_below(mask: Tensor) -> float:
    """Return the value from which on a mask of 0..1 opens something: what is less has the 8-bit level 0."""
    return FAINT if is_lifted(mask) else CLOSED


def parallel_map(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return work of each item, in order, done on all cores: numpy, zlib and Pillow let other threads run.

    As long as there is one for each core they are not cut into parts: threads that hand work to each other wait for
    each other as well. All callers share the threads, so that many nodes at once hold no more than one picture per core
    in work.
    """
    pictures = list(items)
    whole = len(pictures) - len(pictures) % CORES

    def worked(index: int, picture: T) -> R:
        _thread.is_one_of_many = index < whole
        return work(picture)

    return list(_pool("pictures").map(worked, range(len(pictures)), pictures))


def map_parts(work: Callable[[T], R], parts: Sequence[T]) -> list[R]:
    """Return work of each part of one picture, in order, done on all cores; such a part starts none itself."""
    if len(parts) == 1 or _thread.is_one_of_many:
        return list(map(work, parts))
    return list(_pool("parts").map(work, parts))


def submit_digest(work: Callable[[], R]) -> Future[R]:
    """Start to name a picture while its stripes are still being made: on a thread of its own, for it waits for them."""
    return done(work()) if _thread.is_one_of_many else _pool("digests").submit(work)


@cache
def _pool(of: str) -> ThreadPoolExecutor:
    threads = max(CORES - 1, 1) if of == "stripes" else CORES  # one is left to the digest, which takes longest
    return ThreadPoolExecutor(threads, thread_name_prefix=f"openai-image-{of}")


class _ThreadWork(threading.local):
    """Whether a thread works on a picture while the other cores have their own."""

    is_one_of_many = False


_thread = _ThreadWork()
