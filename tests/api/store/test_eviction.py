"""What the store forgets when it is full, what it never forgets, and what it clears up after crashes."""

from __future__ import annotations

import gc
import json
import os
import time
from collections.abc import Iterator

import pytest
from openai_image_nodes.api.backends import atomic_files as files
from openai_image_nodes.api.errors import OutcomeUnknownError
from openai_image_nodes.api.store import eviction
from openai_image_nodes.api.store import journal as pending
from openai_image_nodes.api.store.original_references import originals_of
from openai_image_nodes.api.store.records import StoredAnswer
from support.asker import Asker, Server, name_of, painted


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker.fresh(server, "openai", monkeypatch)


def used(answer: StoredAnswer, minutes_ago: int) -> StoredAnswer:
    """Let an answer have been used last some time ago."""
    assert answer.folder is not None
    then = time.time() - 60 * minutes_ago
    os.utime(answer.folder / "record.json", (then, then))
    return answer


def test_oldest_unused_answer_is_forgotten_first(asker: Asker) -> None:
    """Used counts, not made."""
    old, middle, new = (used(asker.ask(f"fox {index}"), 30 - index) for index in range(3))
    asker.ask("fox 0")
    size = files.folder_bytes(asker.store.jobs / name_of(new))
    assert asker.store.prune(2 * size + 50) == 1
    assert asker.kept == {name_of(old), name_of(new)}
    assert middle.folder is not None
    assert not middle.folder.exists()
    assert asker.next_run("fox 0")[0] == 0
    assert asker.next_run("fox 1")[0] == 1


def test_unread_answer_is_never_forgotten(asker: Asker) -> None:
    """Not even to make room for others: somebody stopped the run and has not seen it."""
    running = asker.submit("unseen")
    unseen = used(running.future.result(30), 99)
    running.leave()
    asker.ask("seen")
    assert asker.store.prune(0) == 1
    assert asker.kept == {name_of(unseen)}
    asker.ask("unseen")
    assert asker.store.prune(0) == 1


def test_answer_whose_files_are_yet_to_be_saved_is_not_forgotten(asker: Asker) -> None:
    """Of a list that is larger than the store, Save Original comes when all rows are done: the first ones were gone."""
    first, _second = (used(asker.ask(f"row {index}"), 99 - index) for index in range(2))
    references = originals_of(first, is_sandbox=False)
    assert asker.store.prune(0) == 1
    assert (references.read(0), asker.kept) == (first.pictures[0], {name_of(first)})
    del references
    gc.collect()
    assert asker.store.prune(0) == 1


@pytest.mark.slow
def test_store_stays_below_its_limit(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is of the environment; each answer may push older ones out."""
    one = asker.ask("the first")
    size = files.folder_bytes(asker.store.jobs / name_of(one))
    limit = 4 * size
    monkeypatch.setenv("OPENAI_IMAGE_NODES_STORE_MAX_BYTES", str(limit))
    for index in range(12):
        used(asker.ask(f"fox {index}"), 60 - index)
        assert sum(files.folder_bytes(path) for path in asker.store.jobs.iterdir()) <= limit
    assert 2 <= len(asker.kept) <= 5
    assert asker.next_run("fox 11")[0] == 0
    assert asker.next_run("fox 0")[0] == 1


def test_full_store_is_not_searched_at_every_request(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all is unread, looking for something to forget would be in vain each time."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_STORE_MAX_BYTES", "1")
    searches: list[int] = []
    make = eviction.SizeLimit.make
    monkeypatch.setattr(eviction.SizeLimit, "make", lambda self, limit: searches.append(limit) or make(self, limit))
    monkeypatch.setattr(eviction, "SPARE", 1e6)
    for index in range(8):
        running = asker.submit(f"fox {index}")
        running.future.result(30)
        running.leave()
    assert len(searches) <= 2


@pytest.mark.parametrize("text", ["4 GB", "lots"])
def test_limit_that_is_no_number_loses_nothing(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    """It is told in the log; a paid answer is not put at risk by a typing error."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_STORE_MAX_BYTES", text)
    monkeypatch.setenv("OPENAI_IMAGE_NODES_MAX_IN_FLIGHT", text)
    assert asker.ask().pictures == [painted("a red fox")]
    assert {line.split(" is ")[0] for line in caplog.messages} == {
        "OPENAI_IMAGE_NODES_STORE_MAX_BYTES",
        "OPENAI_IMAGE_NODES_MAX_IN_FLIGHT",
    }


def test_what_crashes_left_behind_is_cleared_up(asker: Asker) -> None:
    """Half-written answers after a day, requests that were never sent after an hour; never one that was sent."""
    asker.faults.drop("after_body")
    with pytest.raises(OutcomeUnknownError):
        asker.ask()
    root = asker.store.root
    (sent,) = (root / "pending").iterdir()
    record = json.loads((sent / "record.json").read_text())
    never = root / "pending" / ("0" * 64)
    never.mkdir()
    (never / "record.json").write_text(json.dumps({**record, "identity": never.name, "state": "prepared"}))
    for folder in (root / "incoming" / "half", root / "trash" / "gone"):
        folder.mkdir(parents=True)
    fresh = root / "incoming" / "fresh"
    fresh.mkdir()
    for folder, age_s in ((root / "incoming" / "half", 90_000), (never, 4000), (sent, 4000)):
        os.utime(folder, (time.time() - age_s, time.time() - age_s))
    asker.store.prune(eviction.MAX_BYTES)
    left = {
        path.relative_to(root).as_posix()
        for name in ("incoming", "trash", "pending")
        for path in (root / name).iterdir()
    }
    assert left == {"incoming/fresh", f"pending/{sent.name}"}


def test_job_that_was_answered_before_a_crash_is_not_left_as_sent(asker: Asker) -> None:
    """Killed between keeping the answer and clearing the way: it is not listed, and cleared up later."""
    answer = asker.ask()
    backend = asker.store.journal
    backend.write(answer.record.identity, answer.record.model_copy(update={"state": "sent"}))
    assert [record.state for record in asker.records] == ["answered"]
    folder = backend.root / answer.record.identity
    os.utime(folder, (time.time() - 2 * pending.LEFT_AFTER_S,) * 2)
    asker.store.prune(eviction.MAX_BYTES)
    assert not folder.exists()
