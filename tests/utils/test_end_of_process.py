"""Work that is done before the process ends, and undone where it goes on. See test_processes.py for real ones."""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Callable

import pytest
from openai_image_nodes.utils.end_of_process import before_end, take_sigterm_as_ctrl_c


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What is done at exit, in a process whose end is not this one's; nothing can take its place."""
    at_exit: list[Callable[[], None]] = []

    def refuse(*_arguments: object) -> None:
        raise OSError("no such program")

    monkeypatch.setattr(atexit, "register", at_exit.append)
    monkeypatch.setattr(os, "execv", refuse)
    monkeypatch.setattr(os, "execve", refuse)
    monkeypatch.setattr(signal, "signal", lambda *_what: None)
    return at_exit


def test_program_that_cannot_take_its_place_undoes_the_work(registered: list[Callable[[], None]]) -> None:
    """The process goes on, and may send again."""
    done: list[str] = []
    before_end(lambda: done.append("done"), lambda: done.append("undone"))
    for name in ("execv", "execve"):
        done.clear()
        with pytest.raises(OSError, match="no such program"):
            getattr(os, name)("nowhere", ["nowhere"])
        assert done == ["done", "undone"]
    registered[0]()
    assert done[-1] == "done"


def test_forked_child_does_none_of_it(registered: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is out is its parent's."""
    done: list[str] = []
    before_end(lambda: done.append("done"), lambda: None)
    own = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: own + 1)
    registered[0]()
    assert done == []


def test_sigterm_of_somebody_else_is_left_alone() -> None:
    """A host that does something with it goes on doing that."""
    before = signal.getsignal(signal.SIGTERM)

    def own(*_signal: object) -> None:
        """What the host does."""

    signal.signal(signal.SIGTERM, own)
    try:
        take_sigterm_as_ctrl_c()
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)
