"""Waiting for a paid answer in a terminal: a line that says how far it is, and what Ctrl+C does."""

from __future__ import annotations

import sys
import time
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from importlib import import_module
from types import TracebackType
from typing import Any

from ..api import JOBS, Job, JobHandle, StoredAnswer
from .terminal import printable, tell

LOOK_S = 0.2
PLAIN_WIDTH = 78
GOES_ON = (
    "The request was already sent, and is billed when the picture is made. Waiting for it, so that it is kept;"
    " press Ctrl+C again to leave now."
)
LEFT = (
    "Left. The request was already sent and may be billed. Run the same command again: it takes the picture if it was"
    " kept, and asks the service for the same request where it can."
)
NOT_SENT = "Stopped before anything was sent: nothing is billed."


def answered(job: Job) -> StoredAnswer:
    """Return the answer to a job, showing how far it is where somebody can see it.

    Ctrl+C before the request is sent ends it; afterwards it says what goes on and waits once more.

    Raises: OpenAIImageError by kind, KeyboardInterrupt.
    """
    handle = JOBS.submit(job)
    try:
        with ProgressLine() as line:
            try:
                answer = _waited(handle, line)
                handle.leave()
                return answer
            except KeyboardInterrupt:
                if not handle.sent:
                    line.say(NOT_SENT)
                    raise
                line.say(GOES_ON)
        _kept_at_last(handle)
        raise KeyboardInterrupt
    except BaseException:
        JOBS.give_up(handle)
        raise


def _kept_at_last(handle: JobHandle) -> None:
    """Wait for a paid answer that nobody wants any more, so that it is kept."""
    try:
        with ProgressLine() as line:
            answer = _waited(handle, line)
        print(f"openai-image: the picture is kept for the next run: {answer.folder or 'in memory'}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"openai-image: {LEFT}", file=sys.stderr)


def _waited(handle: JobHandle, line: ProgressLine) -> StoredAnswer:
    while True:
        with suppress(NotYet):
            return handle.future.result(LOOK_S)
        line.show(handle.stage(), handle.progress)


class ProgressLine:
    """One line on a terminal, drawn by tqdm where it is installed, as ComfyUI brings it; elsewhere nothing."""

    def __init__(self) -> None:
        self._is_seen = sys.stderr.isatty()
        self._bar: Any = None
        self._began = time.monotonic()

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._clear()

    def show(self, stage: str, progress: float | None) -> None:
        """Draw the stage, the seconds, and how much of the usual time has passed (0..1) where that is known."""
        if not self._is_seen:
            return
        text = f"{printable(stage)}, {time.monotonic() - self._began:.0f} s"
        if self._bar is None:
            self._bar = _tqdm()
        if self._bar is None:
            print(f"\r{text[:PLAIN_WIDTH]:<{PLAIN_WIDTH}}", end="", file=sys.stderr, flush=True)
            return
        self._bar.n = round(100 * (progress or 0))
        self._bar.set_description_str(text, refresh=True)

    def say(self, words: str) -> None:
        """Write a line of its own, in place of the one that moves."""
        self._clear()
        tell(f"openai-image: {words}", is_aside=True)

    def _clear(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        elif self._is_seen:
            print(f"\r{'':<{PLAIN_WIDTH}}\r", end="", file=sys.stderr, flush=True)


def _tqdm() -> Any:
    try:
        bar = import_module("tqdm").tqdm
    except ImportError:
        return None
    return bar(total=100, bar_format="{desc} {bar}", leave=False, file=sys.stderr, dynamic_ncols=True)
