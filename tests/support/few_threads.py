"""A process that is at its limit of threads."""

from __future__ import annotations

import threading

import pytest


class FewThreads:
    """Lets only so many threads of the pack start: `left`, at first none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 0
        self._start = threading.Thread.start
        monkeypatch.setattr(threading.Thread, "start", lambda thread: self.start(thread))

    def start(self, thread: threading.Thread) -> None:
        """Start a thread as usual while some are left; those of others do not count."""
        if thread.name.startswith("openai-image"):
            if self.left <= 0:
                raise RuntimeError("can't start new thread")
            self.left -= 1
        self._start(thread)
