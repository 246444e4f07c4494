"""How torch works on the small pictures of this room: on one core, in the thread that asked, and nowhere else.

torch shares every step of a computation among a team of threads that wait for each other. The chain has thousands of
small steps: where other programs want the cores too, it takes 20 to 40 times as long that way as on one core.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

OPENMP = ("libgomp*.so*", "libomp*.dylib", "libiomp5*")  # as torch's packages bring it for each system


@contextmanager
def one_core() -> Iterator[None]:
    """Let torch compute on one core in this thread; also a decorator. Where torch brings no OpenMP nothing changes.

    `torch.set_num_threads` would hold for every thread that begins meanwhile; this is a number of the thread alone.
    """
    before, set_threads = torch.get_num_threads(), _setter()
    if set_threads is None:
        yield
        return
    set_threads(1)
    try:
        yield
    finally:
        set_threads(before)


@cache
def _setter() -> Callable[[int], object] | None:
    """Return OpenMP's `omp_set_num_threads`, which sets the number of the thread that calls it."""
    folder = Path(torch.__file__).parent / "lib"
    for path in (path for pattern in OPENMP for path in sorted(folder.glob(pattern))):
        try:
            setter: Callable[[int], object] = ctypes.CDLL(str(path)).omp_set_num_threads
        except (OSError, AttributeError):
            continue
        return setter
    return None
