"""The sandbox's time, by which files and batches end."""

from __future__ import annotations

import time


class Clock:
    """Unix time in whole seconds. A test may move it forward; it never goes back by itself."""

    def __init__(self) -> None:
        self._ahead_s = 0

    def now(self) -> int:
        """Return the seconds since 1970."""
        return int(time.time()) + self._ahead_s

    def advance(self, seconds: int) -> None:
        """Let so many seconds pass at once."""
        self._ahead_s += seconds
