"""A disk that fails once, at any of the hundred looks and writes of a job: the picture is had and bought once."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.api.errors import OpenAIImageError, OutcomeUnknownError
from openai_image_nodes.api.jobs import runner
from openai_image_nodes.api.jobs.recorder import AnswerRecorder
from openai_image_nodes.api.store import store
from openai_image_nodes.api.store.records import StoredAnswer
from support.asker import Asker, Server, painted

pytestmark = pytest.mark.slow
OPERATIONS = ("open", "replace", "mkdir", "unlink", "scandir", "lstat", "stat", "utime", "listdir", "fstat", "close")
THREADS = ("openai-image-request", "MainThread")
STEP = 3  # of the operations each third


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


class FailingOnce:
    """Has the file operation of a number fail; `count` is how many there were."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path, number: int) -> None:
        self.count = 0
        for name in OPERATIONS:
            patch.setattr(os, name, self._failing(getattr(os, name), str(folder), number))

    def _failing(self, real: Callable[..., Any], folder: str, number: int) -> Callable[..., Any]:
        def operation(*what: Any, **options: Any) -> Any:
            is_ours = isinstance(what[0], int) or str(what[0]).startswith(folder)
            if is_ours and threading.current_thread().name in THREADS:
                self.count += 1
                if self.count == number:
                    raise OSError(errno.EIO, "Input/output error", str(what[0]))
            return real(*what, **options)

        return operation


def test_disk_that_fails_once_costs_nothing_twice(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the picture could not be kept, a note says so; no error of Python's reaches a person."""
    monkeypatch.setattr(runner, "LOOK_AGAIN_S", (0.0, 0.0))
    for number in count(1, STEP):
        home = tmp_path / str(number)
        monkeypatch.setenv("OPENAI_IMAGE_NODES_HOME", str(home))
        store._store.cache_clear()
        asker = Asker.fresh(server, "openai", monkeypatch)
        with monkeypatch.context() as patched:
            disk = FailingOnce(patched, home / "store", number)
            try:
                outcome: StoredAnswer | OpenAIImageError = asker.ask()
            except OpenAIImageError as exc:
                outcome = exc
        again, kept = asker.next_run()
        assert isinstance(kept, StoredAnswer), (number, kept)
        assert kept.pictures == [painted("a red fox")]
        is_noted = isinstance(outcome, StoredAnswer) and bool(outcome.notes)
        assert asker.faults.billed == 1 or (is_noted and again == 1), (number, outcome)
        if disk.count < number:
            break
    assert number > 50


def test_disk_that_fails_once_while_an_answer_is_taken_over_has_nothing_paid_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A process died once it had written down what came: that is read, or the next run reads it."""
    monkeypatch.setattr(runner, "LOOK_AGAIN_S", (0.0, 0.0))
    for number in count(1, STEP - 1):
        home = tmp_path / str(number)
        monkeypatch.setenv("OPENAI_IMAGE_NODES_HOME", str(home))
        store._store.cache_clear()
        asker = Asker.fresh(server, "openai", monkeypatch)
        with monkeypatch.context() as patched:
            patched.delattr(AnswerRecorder, "record")
            with pytest.raises(AttributeError):
                asker.ask()
        asker.restart()
        with monkeypatch.context() as patched:
            disk = FailingOnce(patched, home / "store", number)
            with contextlib.suppress(OpenAIImageError):
                asker.ask()
        again, kept = asker.next_run()
        assert isinstance(kept, StoredAnswer), (number, kept)
        assert (kept.pictures, again, asker.faults.billed) == ([painted("a red fox")], 0, 1), number
        if disk.count < number:
            break
    assert number > 30


def test_disk_that_fails_once_does_not_hide_a_request_that_got_lost(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It was asked with reuse switched off, and its answer was not seen: nothing more is sent by itself."""
    monkeypatch.setattr(runner, "LOOK_AGAIN_S", (0.0, 0.0))
    for number in count(1, 2 * STEP):
        home = tmp_path / str(number)
        monkeypatch.setenv("OPENAI_IMAGE_NODES_HOME", str(home))
        store._store.cache_clear()
        asker = Asker.fresh(server, "openai", monkeypatch)
        asker.faults.drop("after_work")
        with pytest.raises(OutcomeUnknownError):
            asker.ask(reuse=False)
        asker.restart()
        with monkeypatch.context() as patched:
            disk = FailingOnce(patched, home / "store", number)
            with pytest.raises(OpenAIImageError):
                asker.ask()
        assert isinstance(asker.next_run()[1], OutcomeUnknownError), number
        assert asker.faults.posts == 1, number
        if disk.count < number:
            break
    assert number > 20
