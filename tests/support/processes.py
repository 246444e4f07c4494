"""Processes that do one thing and can be killed in the middle of it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from .asker import painted

CHILD = Path(__file__).with_name("job_process.py")
PICTURE = painted("a red fox")
DIGEST = hashlib.sha256(PICTURE).hexdigest()
KINDS = ("openai", "comfy.org")


class Child:
    """A process that runs job_process.py."""

    def __init__(self, *words: str) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, str(CHILD), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def says(self, beginning: str) -> str:
        """Read on until a line that begins so, and return it."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.strip())
            if line.startswith(beginning):
                return line.strip()
        raise AssertionError(f"it never said {beginning!r}, but {self.lines}")

    def go_on(self) -> None:
        """Let it go on from where it waits."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def leave(self) -> None:
        """Let it end by itself, and wait until it has."""
        self.go_on()
        assert self._process.wait(30) == 0

    def terminate(self) -> None:
        """Ask it to end, as a service manager does."""
        self._process.terminate()

    def wait(self) -> None:
        """Wait until it is gone."""
        self._process.wait(30)

    def kill(self) -> None:
        """End it as kill -9 does, and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
