"""Real processes: killed at every state, and several with one job or one claim at once."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openai_image_nodes.api.errors import OutcomeUnknownError
from openai_image_nodes.api.store.records import StoredAnswer
from openai_image_nodes.cli import main
from support.asker import Asker, Server, until
from support.processes import DIGEST, KINDS, PICTURE, Child

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker.fresh(server, "openai", monkeypatch)


Start = Callable[..., Child]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a way to start processes, none of which outlives the test."""
    with contextlib.ExitStack() as stack:

        def started(*words: str) -> Child:
            child = Child(*words)
            stack.callback(child.kill)
            return child

        yield started


def killed_at(point: str, asker: Asker, start: Start) -> None:
    """Let a process ask the job and kill it at a point."""
    gate = asker.faults.hold() if point == "sent" else None
    child = start("ask", asker.name, point)
    if gate is None:
        child.says(point)
        child.kill()
        return
    until(lambda: asker.faults.posts)
    child.kill()
    gate.set()
    until(lambda: asker.faults.billed)


AFTER_KILL = {  # where the process died: POSTs of the next one without idempotency and with it; None: it sends none
    "prepared": (1, 1),
    "sent": (None, 1),
    "answered": (0, 0),  # its bytes were written down as they came
    "saved": (0, 0),
    "not taken": (0, 0),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("point", AFTER_KILL)
def test_killed_process_costs_nothing_twice(asker: Asker, start: Start, point: str, name: str) -> None:
    """The next process has the picture; where nobody can know, it says so instead of paying again."""
    asker.name = name
    killed_at(point, asker, start)
    posts = AFTER_KILL[point][KINDS.index(name)]
    again, outcome = asker.next_run()
    assert again == (posts or 0)
    if posts is None:
        assert isinstance(outcome, OutcomeUnknownError)
        assert [record.state for record in asker.records] == ["sent"]
        assert asker.next_run(reuse=False)[0] == 1
    else:
        assert isinstance(outcome, StoredAnswer)
        assert outcome.pictures == [PICTURE]
        assert asker.faults.billed == 1
    assert [record.state for record in asker.records] == ["answered"]
    assert asker.next_run()[0] == 0
    if name == "comfy.org":
        assert len(set(asker.server.keys)) == 1


@pytest.mark.parametrize("end", [Child.kill, Child.leave])
def test_list_of_jobs_tells_what_a_stopped_process_left(
    asker: Asker, start: Start, capsys: pytest.CaptureFixture[str], end: Callable[[Child], None]
) -> None:
    """Who stops ComfyUI need not wait for a request that is out; it is named as what it is, before and after."""
    gate = asker.faults.hold()
    child = start("ask", "openai", "leave")
    until(lambda: asker.faults.posts)
    assert main(["jobs"]) == 0
    assert "sent, on its way" in capsys.readouterr().out
    end(child)
    assert main(["jobs"]) == 0
    assert "sent, outcome unknown" in capsys.readouterr().out
    gate.set()


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
@pytest.mark.parametrize("point", ["host", "restart"])
def test_end_of_the_host_keeps_what_is_out(asker: Asker, start: Start, point: str) -> None:
    """SIGTERM, as service managers end it, and another program in its place: the picture that is out is waited for."""
    gate = asker.faults.hold()
    child = start("ask", "openai", point)
    child.says("ready")
    until(lambda: asker.faults.posts)
    if point == "host":
        child.terminate()
        gate.set()
        child.wait()
    else:
        child.go_on()
        gate.set()
        assert child.says("picture") == f"picture {DIGEST} reused"
    assert asker.next_run()[0] == 0
    assert (asker.faults.posts, asker.faults.billed) == (1, 1)


@pytest.mark.parametrize("name", KINDS)
def test_two_processes_with_one_job_send_it_once(asker: Asker, start: Start, name: str) -> None:
    """The second one waits and gets the first one's picture."""
    gate = asker.faults.hold()
    children = [start("ask", name, "nowhere") for _ in range(2)]
    until(lambda: asker.faults.posts)
    for child in children:
        child.says("stage waiting")  # for the picture, or for the other process
    gate.set()
    ends = sorted(child.says("picture") for child in children)
    assert ends == [f"picture {DIGEST} new", f"picture {DIGEST} reused"]
    assert (asker.faults.posts, asker.faults.billed) == (1, 1)


@pytest.mark.parametrize("name", KINDS)
def test_process_that_waits_for_a_dead_one_takes_over(asker: Asker, start: Start, name: str) -> None:
    """It asks under the old key, or says that nobody knows; it never pays a second time."""
    asker.name = name
    gate = asker.faults.hold()
    first = start("ask", name, "nowhere")
    until(lambda: asker.faults.posts)
    second = start("ask", name, "nowhere")
    second.says("stage waiting: another process")
    first.kill()
    if name == "openai":
        assert second.says("error") == "error OutcomeUnknownError"
        assert asker.faults.posts == 1
    else:
        second.says("picture")
        assert (asker.faults.posts, len(set(asker.server.keys))) == (2, 1)
    gate.set()
    until(lambda: asker.faults.billed)
    assert asker.faults.billed == 1


def test_many_processes_race_for_a_dead_ones_job_and_one_wins(start: Start, tmp_path: Path) -> None:
    """Claims of dead owners are followed by exactly one."""
    dead = start("claim", str(tmp_path))
    dead.says("ready")
    dead.go_on()
    assert dead.says("mine")
    dead.kill()
    children = [start("claim", str(tmp_path)) for _ in range(6)]
    for child in children:
        child.says("ready")
    for child in children:
        child.go_on()
    assert sorted(child.says("") for child in children) == ["mine", *["theirs"] * 5]


def test_process_that_slept_through_its_claim_does_not_send(asker: Asker, start: Start) -> None:
    """Another one took over and has the picture: the sleeper takes that."""
    sleeper = start("ask", "openai", "prepared")
    sleeper.says("prepared")
    (folder,) = asker.store.journal.root.iterdir()
    (claim,) = folder.glob("claim.*")
    os.utime(claim, (time.time() - 1000, time.time() - 1000))
    answer = asker.ask()
    assert answer.pictures == [PICTURE]
    sleeper.go_on()
    assert sleeper.says("picture") == f"picture {DIGEST} reused"
    assert asker.faults.posts == 1
