"""Answers that were paid and are not as they should be: all that came is kept, and nothing is sent again."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from openai_image_nodes.api.backends import leases
from openai_image_nodes.api.errors import BadAnswerError
from openai_image_nodes.api.jobs.recorder import AnswerRecorder
from openai_image_nodes.api.store.journal import ANSWER, RequestJournal
from support.asker import PATIENCE_S, Asker, Server, painted
from support.faults import Faults
from support.machines import record

Script = Callable[[Faults], Any]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker.fresh(server, "openai", monkeypatch)


KEPT: dict[str, Script] = {
    "broken JSON": lambda faults: faults.broken_json(),
    "JSON of another form": lambda faults: faults.answer(200, {"data": "none of your business"}),
    "a list": lambda faults: faults.answer(200, [1, 2]),
    "HTML": lambda faults: faults.answer(200, "<html>Timed out</html>"),
    "no pictures": lambda faults: faults.no_data(),
    "nothing": lambda faults: faults.answer(200),
}


@pytest.mark.parametrize("script", KEPT.values(), ids=KEPT)
def test_answer_without_a_readable_picture_is_kept(asker: Asker, script: Script) -> None:
    """It may have been paid: its bytes are on the disk, the error says where, and it is not sent again."""
    script(asker.faults)
    with pytest.raises(BadAnswerError, match="kept in") as caught:
        asker.ask()
    folder = asker.folder()
    assert str(folder) in str(caught.value)
    again, outcome = asker.next_run()
    assert again == 0
    assert isinstance(outcome, BadAnswerError)
    assert asker.next_run(reuse=False)[0] == 1
    again, answer = asker.next_run()
    assert (again, answer.pictures) == (0, [painted("a red fox")])


def test_bytes_of_a_broken_answer_are_those_that_came(asker: Asker) -> None:
    """Nothing that was paid is thrown away."""
    asker.faults.answer(200, b"not at all \x00 JSON")
    with pytest.raises(BadAnswerError):
        asker.ask()
    assert (asker.folder() / "picture_0.bin").read_bytes() == b"not at all \x00 JSON"


@pytest.mark.parametrize("reuse", [True, False])
def test_process_that_dies_while_it_takes_an_answer_over_loses_nothing(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, *, reuse: bool
) -> None:
    """The first one died with the answer written down, the next one before it had noted whose it is."""
    for kind, method in ((AnswerRecorder, "record"), (RequestJournal, "write")):
        with monkeypatch.context() as patched:
            patched.delattr(kind, method)
            with pytest.raises(AttributeError):
                asker.ask(reuse=kind is RequestJournal and reuse)
        asker.restart()
    again, answer = asker.next_run(reuse=reuse)
    assert (again, asker.faults.billed, answer.pictures) == (0, 1, [painted("a red fox")])


@pytest.mark.parametrize("change", ["process", "restart", None])
def test_answer_that_nobody_had_when_its_process_died_is_the_next_runs(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, change: str | None
) -> None:
    """With reuse off each run pays for a picture of its own; one that nobody saw or shows yet is had first."""
    for name in ("another", "a third"):  # whoever took it over may die as well
        asker.submit(reuse=False).future.result(PATIENCE_S)
        if change == "process":
            monkeypatch.setattr(leases, "INSTANCE", name)
        if change == "restart":
            host = "/".join([socket.gethostname(), name, "pid:[1]"])
            monkeypatch.setattr(leases, "_host", lambda host=host: host)
    assert [asker.next_run(reuse=False)[0] for _ in range(2)] == [0 if change else 1, 1]


def test_answer_that_cannot_be_read_is_told_once_with_reuse_off(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run with reuse off asks again, as the message says, also where a command ended in between."""
    asker.faults.no_data()
    with pytest.raises(BadAnswerError, match="switch reuse off"):
        asker.ask(reuse=False)
    monkeypatch.setattr(leases, "INSTANCE", "another")
    assert asker.next_run(reuse=False)[0] == 1


def test_answer_is_taken_over_although_its_folder_could_not_be_made_before(tmp_path: Path) -> None:
    """A disk that was full for a moment: the record moved, and the answer was deleted with what it lay in."""
    journal, identity = RequestJournal(tmp_path), "a" * 64
    journal.write(f"{identity}.again-1", record(identity, state="sent"))
    (journal.root / f"{identity}.again-1" / ANSWER).write_bytes(b"{}")
    assert journal.adopt(f"{identity}.again-2", is_answered=lambda _: False)
    assert journal.answer(f"{identity}.again-2") == b"{}"


def test_answer_that_is_kept_is_no_other_picture(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process died between keeping it and forgetting its request, or the folder of that could not be removed."""
    with monkeypatch.context() as patch:
        patch.setattr(RequestJournal, "drop", lambda *_: None)
        asker.ask(reuse=False)
    asker.restart()
    assert asker.next_run(reuse=False)[0] == 1


class GoneError(Exception):
    """What psutil raises for a process that is no more."""


@pytest.mark.parametrize(("became", "is_dead"), [(0.0, True), (77.5, True), (12.5, False), (None, False)])
def test_answer_that_nobody_had_when_its_process_died_on_windows(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, became: float | None, is_dead: bool
) -> None:
    """Asked is what ComfyUI brings: os.kill ends processes there, and the number of one that died is soon another's."""
    owner, starts = os.getpid() + 1, {os.getpid(): 50.5}

    def process(pid: int) -> SimpleNamespace:
        if not starts[pid]:
            raise GoneError
        return SimpleNamespace(create_time=lambda: starts[pid])

    psutil = SimpleNamespace(Process=process, NoSuchProcess=GoneError, Error=GoneError)
    monkeypatch.setitem(sys.modules, "psutil", psutil)
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("on Windows this ends the process"))
    with monkeypatch.context() as there:
        there.setattr(os, "getpid", lambda: owner)
        starts[owner] = 12.5
        asker.submit(reuse=False).future.result(PATIENCE_S)
    if became is None:
        monkeypatch.setitem(sys.modules, "psutil", None)
    else:
        starts[owner] = became
    assert [asker.next_run(reuse=False)[0] for _ in range(2)] == [0 if is_dead else 1, 1]
