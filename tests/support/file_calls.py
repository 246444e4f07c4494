"""Counts what is asked of the file system, with every name that a listing gives: no clock is needed to see growth."""

from __future__ import annotations

import builtins
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CALLS = ("stat", "lstat", "open", "utime", "unlink", "remove", "rename", "replace", "mkdir", "rmdir", "fsync", "link")


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count the calls of this process, on all its threads."""
    calls: Counter[str] = Counter()

    def counting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls[name] += 1
            return real(*arguments, **options)

        return call

    real_listdir, real_scandir = os.listdir, os.scandir

    def listdir(*arguments: Any) -> list[str]:
        names = real_listdir(*arguments)
        calls["listed"] += 1 + len(names)
        return names

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, counting(name, getattr(os, name)))
        patch.setattr(os, "listdir", listdir)
        patch.setattr(os, "scandir", lambda *arguments: _Entries(real_scandir(*arguments), calls))
        patch.setattr(io, "open", counting("open", io.open))
        patch.setattr(builtins, "open", counting("open", builtins.open))
        yield calls


class _Entries:
    """What `os.scandir` returns, each entry counted."""

    def __init__(self, entries: Any, calls: Counter[str]) -> None:
        self._entries, self._calls = entries, calls
        calls["listed"] += 1

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._entries.close()

    def __iter__(self) -> _Entries:
        return self

    def __next__(self) -> Any:
        entry = next(self._entries)
        self._calls["listed"] += 1
        return entry
