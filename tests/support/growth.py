"""Measures how the time of a reader grows with what it reads: by the ratio of two lengths."""

from __future__ import annotations

import time
from collections.abc import Callable

TIMES_LONGER = 8
LINEAR_AT_MOST = 28.0  # of 8 times the length; what grows with its square takes 64 times as long
TRIES = 6


def grows_with_length(read: Callable[[int], object], length: int) -> bool:
    """Tell whether to read 8 times as much takes about 8 times as long, in time of this thread's processor."""
    return any(_taken_s(read, length * TIMES_LONGER) < LINEAR_AT_MOST * _taken_s(read, length) for _ in range(TRIES))


def _taken_s(read: Callable[[int], object], length: int) -> float:
    began = time.thread_time()
    read(length)
    return time.thread_time() - began
