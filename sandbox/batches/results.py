"""The output and the error file of a batch while they are written."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from .batch import Batch
from .file_store import Files
from .line_results import Done


class Results:
    """Two files, each made with its first line. `keep` hands them to the store, `close` drops what was not kept."""

    def __init__(self, files: Files, batch: Batch) -> None:
        self._files = files
        self._batch = batch
        self._open: dict[str, tuple[Path, BinaryIO]] = {}

    def write(self, done: Done) -> None:
        """Add a line: to the output if it was answered, else to the errors."""
        kind = "error" if done.tokens is None else "output"
        if kind not in self._open:
            path = self._files.scratch()
            self._open[kind] = (path, path.open("wb"))
        self._open[kind][1].write(done.text + b"\n")

    def keep(self) -> tuple[str | None, str | None]:
        """Return the ids of the output and the error file; None where there was no line."""
        return self._kept("output"), self._kept("error")

    def close(self) -> None:
        """Drop what was not kept."""
        for path, file in self._open.values():
            file.close()
            path.unlink(missing_ok=True)

    def _kept(self, kind: str) -> str | None:
        if kind not in self._open:
            return None
        path, file = self._open.pop(kind)
        file.close()
        name, life_s = f"{self._batch.id}_{kind}.jsonl", self._batch.wish.output_life_s
        return self._files.add(path, filename=name, purpose="batch_output", life_s=life_s).id
