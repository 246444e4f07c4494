"""Real processes on machines of their own, with one bucket or one folder."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator

import pytest
from openai_image_nodes.api.errors import OutcomeUnknownError
from support.asker import painted, until
from support.machines import HOME, STORE, Farm, bucket, farm, server
from support.processes import DIGEST, KINDS, PICTURE, Child

pytestmark = pytest.mark.slow

__all__ = ["bucket", "farm", "server"]  # pytest finds them here


Start = Callable[..., Child]


@pytest.fixture
def start(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Return a way to start a process on a machine, which does not outlive the test."""
    with contextlib.ExitStack() as stack:

        def started(machine: str, *words: str) -> Child:
            with monkeypatch.context() as patch:
                patch.setenv(HOME, str(farm.folder / machine))
                patch.setenv("CHILD_HOST", machine)
                child = Child(*words)
            stack.callback(child.kill)
            return child

        yield started


def test_two_machines_with_one_job_send_it_once(farm: Farm, start: Start) -> None:
    """The second waits, seeing the first one's heart beat, and gets its picture."""
    gate = farm.asker.faults.hold()
    children = [start(machine, "ask", "openai", "nowhere") for machine in ("first", "second")]
    until(lambda: farm.posts)
    for child in children:
        child.says("stage waiting")
    gate.set()
    ends = sorted(child.says("picture") for child in children)
    assert ends == [f"picture {DIGEST} new", f"picture {DIGEST} reused"]
    assert farm.posts == 1


@pytest.mark.parametrize("name", KINDS)
def test_job_of_a_machine_that_died_is_not_paid_twice(farm: Farm, start: Start, name: str) -> None:
    """Killed while it waited for the answer: the next one says that nobody knows, or asks under the old key."""
    gate = farm.asker.faults.hold()
    dead = start("first", "ask", name, "nowhere")
    until(lambda: farm.posts)
    dead.kill()
    gate.set()
    until(lambda: farm.asker.faults.billed)
    child = start("first", "ask", name, "nowhere")  # the same machine: it knows at once that the other is dead
    if name == "openai":
        assert child.says("error") == "error OutcomeUnknownError"
        with pytest.raises(OutcomeUnknownError):
            farm.on("third").ask()
    else:
        assert child.says("picture") == f"picture {DIGEST} new"
        assert len(set(farm.asker.server.keys)) == 1
    assert farm.asker.faults.billed == 1


def test_machine_that_died_is_followed_when_its_heart_stopped_long_enough(
    farm: Farm, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen from another machine, which cannot ask for its processes."""
    monkeypatch.setattr("openai_image_nodes.api.backends.leases.STALE_AFTER_S", 3.0)
    farm.asker.faults.hold()
    dead = start("first", "ask", "openai", "nowhere")
    until(lambda: farm.posts)
    dead.kill()
    with pytest.raises(OutcomeUnknownError):
        farm.on("second").ask()
    assert farm.posts == 1


def test_machine_that_died_before_it_sent_is_simply_followed(farm: Farm, start: Start) -> None:
    """Nothing in the bucket says that anything was sent."""
    dead = start("first", "ask", "openai", "prepared")
    dead.says("prepared")
    dead.kill()
    assert start("first", "ask", "openai", "nowhere").says("picture") == f"picture {DIGEST} new"
    assert farm.posts == 1


def test_answer_of_a_machine_that_died_before_it_shared_is_shared_when_it_is_back(farm: Farm, start: Start) -> None:
    """It is on its own disk; until it is back the others know that it was sent."""
    dead = start("first", "ask", "openai", "kept")
    dead.says("kept")
    dead.kill()
    back = start("first", "ask", "openai", "nowhere")
    assert back.says("picture") == f"picture {DIGEST} reused"
    assert _synced(farm) in (0, 1)  # the child may have been quicker
    assert farm.on("second").ask().pictures == [PICTURE]
    assert farm.posts == 1


def test_bucket_without_conditional_writes_has_one_sender_too(farm: Farm, start: Start) -> None:
    """Who looks twice finds the other; nothing is lost."""
    farm.bucket.conditional = False
    children = [start(machine, "many", "openai", "4") for machine in ("first", "second", "third")]
    for child in children:
        child.says("ready")
    for child in children:
        child.go_on()
    ends = [child.says("pictures").split() for child in children]
    assert len({digest for _, digest, _ in ends}) == 1
    assert sum(int(new) for _, _, new in ends) == farm.posts == 4


@pytest.mark.parametrize(("place", "jobs"), [("bucket", 15), ("folder", 40)])
def test_two_machines_run_all_jobs_at_once_with_one_post_each(
    farm: Farm, start: Start, monkeypatch: pytest.MonkeyPatch, place: str, jobs: int
) -> None:
    """Both have every picture in the end."""
    pictures = hashlib.sha256(b"".join(painted(f"fox {number}") for number in range(jobs))).hexdigest()
    if place == "folder":
        monkeypatch.setenv(STORE, str(farm.folder / "shared"))
    children = [start(machine, "many", "openai", str(jobs)) for machine in ("first", "second")]
    for child in children:
        child.says("ready")
    for child in children:
        child.go_on()
    ends = [child.says("pictures").split() for child in children]
    assert {digest for _, digest, _ in ends} == {pictures}
    assert sum(int(new) for _, _, new in ends) == farm.posts == jobs


def _synced(farm: Farm) -> int:
    """Share what the first machine has yet to share; return how many things that were."""
    farm.on("first")
    return farm.store.outbox.flush()
