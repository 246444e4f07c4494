"""What the store keeps, what it forgets first, and what a person sees of it."""

from __future__ import annotations

import errno
import gc
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from openai_image_nodes.api import config as home
from openai_image_nodes.api.backends import atomic_files as files
from openai_image_nodes.api.errors import BadAnswerError, OutcomeUnknownError
from openai_image_nodes.api.jobs.recorder import AnswerRecorder
from openai_image_nodes.api.store import store
from openai_image_nodes.api.store.journal import ANSWER, RequestJournal, again
from openai_image_nodes.api.store.records import StoredAnswer
from support.asker import KEY, Asker, Server, name_of, painted, until, until_quiet
from support.machines import record
from support.node_calls import node

SECRET_PROMPT = "a fox nobody may read of"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker.fresh(server, "openai", monkeypatch)


def test_answer_is_an_ordinary_folder(asker: Asker) -> None:
    """Its name is the job's identity; the pictures can be opened, the record can be read."""
    answer = asker.ask(n=2)
    assert answer.folder == home.folder() / "store" / "jobs" / answer.record.identity
    assert {path.name for path in answer.folder.iterdir()} == {"picture_0.png", "picture_1.png", "record.json"}
    assert (answer.folder / "picture_1.png").read_bytes() == painted("a red fox", 1)
    told = json.loads((answer.folder / "record.json").read_text())
    assert told["state"] == "answered"
    assert told["fields"]["prompt"] == "a red fox"
    assert told["request_id"] == told["headers"]["x-request-id"]
    assert told["usage"]["output_tokens"] > 0
    assert told["sent_at"] >= told["prepared_at"]
    assert KEY not in json.dumps(told)


def test_everything_is_private(asker: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders 0700, files 0600: prompts and pictures are the user's own, whatever the umask."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_HOME", str(tmp_path / "not" / "there yet"))
    old = os.umask(0)
    try:
        asker.faults.normal().drop("after_body")
        asker.ask()
        with pytest.raises(OutcomeUnknownError):
            asker.ask("a lost fox")
    finally:
        os.umask(old)
    made = [path for path in (tmp_path / "not").rglob("*")] + [tmp_path / "not"]
    assert {path.suffix for path in made if path.is_file()} == {".json", ".png"}
    for path in made:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_prompt_is_in_no_log_line(asker: Asker, caplog: pytest.LogCaptureFixture) -> None:
    """Not of ours and not of the libraries', whatever goes wrong; the key neither."""
    caplog.set_level(logging.DEBUG)
    said = f"cannot do: {SECRET_PROMPT}, try again in 1ms"
    asker.faults.status(429, message=said).status(429, message="try again in 1ms").normal()
    asker.faults.status(400, message=f"you said {SECRET_PROMPT}").drop("after_body")
    asker.ask(SECRET_PROMPT)
    for seed in (1, 2):
        running = asker.submit(SECRET_PROMPT, seed=seed)
        running.leave()
        until_quiet()
    assert caplog.messages
    assert not [line for line in caplog.messages if SECRET_PROMPT in line or KEY in line]


def test_asking_again_on_purpose_keeps_both(asker: Asker) -> None:
    """From then on the newer one is given."""
    first, second = asker.ask(), asker.ask(reuse=False)
    assert asker.kept == {name_of(first), f"{name_of(first)}.2"}
    assert asker.ask().folder == second.folder
    assert asker.faults.posts == 2


def test_newer_answer_is_given_where_the_oldest_was_forgotten(asker: Asker) -> None:
    """It got the number of the one that was forgotten, and the one between them was given from then on."""
    first, second = asker.ask(), asker.ask(reuse=False)
    assert first.folder is not None
    shutil.rmtree(first.folder)
    assert asker.store.has(first.record.identity)  # so no batch buys it
    third = asker.ask(reuse=False)
    assert asker.ask().folder == third.folder != second.folder


def test_many_asked_again_at_once_are_all_kept(asker: Asker) -> None:
    """None takes another's place, though all have one name."""
    gate = asker.faults.hold()
    running = [asker.submit(reuse=False) for _ in range(4)]
    gate.set()
    folders = {one.future.result(30).folder for one in running}
    assert len(folders) == asker.faults.billed == 4


def test_two_that_finish_in_one_moment_are_both_kept(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place was free when it was looked at, and taken when it was moved to."""
    first = asker.ask()
    looks = iter([False, False])
    exists = os.path.lexists
    monkeypatch.setattr(os.path, "lexists", lambda path: next(looks, True) if path == first.folder else exists(path))
    second = asker.ask(reuse=False)
    assert second.folder == asker.store.jobs / f"{name_of(first)}.2"
    assert next(looks, None) is None


def test_bad_answer_does_not_hide_an_older_good_one(asker: Asker) -> None:
    """What was paid and can be seen is given."""
    good = asker.ask()
    asker.faults.broken_json()
    with pytest.raises(BadAnswerError):
        asker.ask(reuse=False)
    assert asker.next_run()[1].folder == good.folder


@pytest.mark.parametrize("damage", [lambda path: path.write_text("{"), Path.unlink])
def test_answer_that_cannot_be_read_is_not_bought_again(asker: Asker, damage: Callable[[Path], object]) -> None:
    """A damaged record, or one that a synchronized folder has yet to bring, is said; nothing is sent."""
    answer = asker.ask()
    assert answer.folder is not None
    damage(answer.folder / "record.json")
    again, outcome = asker.next_run()
    assert again == 0
    assert isinstance(outcome, BadAnswerError)
    assert str(answer.folder) in str(outcome)


def test_answer_whose_folder_was_deleted_is_asked_for_again(asker: Asker) -> None:
    """Who deletes all of it means it."""
    answer = asker.ask()
    assert answer.folder is not None
    shutil.rmtree(answer.folder)
    assert asker.next_run()[0] == 1


def test_answers_of_the_sandbox_lie_apart_and_may_be_deleted() -> None:
    """A paid picture never lies among them."""
    _, _, report = node(connection="sandbox", size="1024x1024")
    paid, sandbox = store.stores()
    assert not paid.jobs.exists()
    assert Path(report["kept_in"]).parent == sandbox.jobs
    # Python 3.13 may keep the call's frame for a moment, and with it the originals that need the folder.
    until(lambda: gc.collect() >= 0 and sandbox.prune(0) == 1)


def test_store_may_lie_elsewhere(asker: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several machines may use one folder."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_STORE", str(tmp_path / "shared"))
    assert asker.ask().folder == tmp_path / "shared" / "jobs" / asker.records[0].identity


def test_answers_may_lie_on_a_disk_of_their_own(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a link, or where a container has a volume for them: they were not kept, and bought again."""
    move = files.move

    def between_disks(source: Path, target: Path) -> None:
        if asker.store.jobs in target.parents and asker.store.jobs not in source.parents:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        move(source, target)

    monkeypatch.setattr(files, "move", between_disks)
    for prompt in ("a fox", "a cat"):
        assert asker.ask(prompt).folder is not None
    asker.store.prune(1 << 40)
    assert asker.next_run("a fox")[0] == 0
    assert [record.state for record in asker.records] == ["answered"] * 2


@pytest.mark.parametrize("step", range(3))
def test_answer_that_is_taken_over_is_there_after_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Whoever asks next finds it, wherever between two writes the process died."""
    name, steps = "a" * 64, count()
    journal, other = RequestJournal(tmp_path), again(name)
    journal.write(other, record(name, state="sent"))
    (journal.folder(other) / ANSWER).write_bytes(b"paid")
    journal.folder(name)

    def until_the_crash(do: Callable[..., None], *args: object) -> None:
        if next(steps) == step:
            raise KeyboardInterrupt
        do(*args)

    for owner, at in ((files, "move"), (journal, "write")):
        monkeypatch.setattr(owner, at, partial(until_the_crash, getattr(owner, at)))
    with suppress(KeyboardInterrupt):
        journal.adopt(name)
    monkeypatch.undo()
    later = RequestJournal(tmp_path)
    found = later.read(name) or later.adopt(name)
    assert (found and found.state, later.answer(name)) == ("sent", b"paid")


def test_answer_of_a_job_that_was_not_noted_as_sent_is_not_tidied_away(tmp_path: Path) -> None:
    """The disk was full when it went out, and not when it came back: it is paid."""
    journal, name = RequestJournal(tmp_path), "a" * 64
    journal.write(name, record(name, state="prepared"))
    (journal.folder(name) / ANSWER).write_bytes(b"paid")
    os.utime(journal.folder(name), (0, 0))
    journal.tidy(lambda _record: False)
    assert journal.answer(name) == b"paid"


def test_picture_that_a_crash_left_beside_an_address_is_fetched_once_more(tmp_path: Path) -> None:
    """What comes the second time may be other bytes: the record tells of these."""
    kept = store.Store(tmp_path)
    folder = kept.save(record("a" * 64, state="answered"), [b"http://localhost/picture"])
    (folder / "picture_0.png").write_bytes(b"\x89PNG of before")
    answer = kept.find("a" * 64)
    assert answer is not None
    answer.pictures = [b"\x89PNG of now"]
    kept.amend(answer)
    again_read = kept.find("a" * 64)
    assert again_read is not None
    assert again_read.pictures == [b"\x89PNG of now"]


def test_what_a_newer_version_wrote_of_an_answer_stays(tmp_path: Path) -> None:
    """Versions take turns in one folder: this one must not throw away what it does not know."""
    kept = store.Store(tmp_path)
    folder = kept.save(record("a" * 64, state="answered"), [b"http://localhost/picture"])
    told = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps({**told, "newer_at": {"of": "another"}, "lacks": "?"}))
    answer = kept.find("a" * 64)
    assert answer is not None
    answer.pictures = [b"\x89PNG of now"]
    kept.amend(answer)
    told = json.loads((folder / "record.json").read_text())
    assert (told["newer_at"], told["lacks"], told["pictures"]) == ({"of": "another"}, "?", ["picture_0.png"])
    assert answer.record.lacks == 0


@pytest.mark.slow
def test_what_a_stranger_wrote_of_an_answer_makes_its_record_no_larger_than_what_is_read(tmp_path: Path) -> None:
    """Written by this version each number has a line of its own: the paid picture could not be read any more."""
    kept = store.Store(tmp_path)
    folder = kept.save(record("a" * 64, state="answered"), [b"\x89PNG"])
    told = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps({**told, "strange": [1] * 2_000_000}, separators=(",", ":")))
    answer = kept.find("a" * 64)
    assert answer is not None
    kept.amend(answer)
    assert kept.find("a" * 64) is not None


@pytest.mark.parametrize("dead_reuse", [True, False])
def test_answer_that_a_dead_process_left_is_what_the_next_run_with_reuse_off_gets(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, dead_reuse: bool
) -> None:
    """It came whole and nobody had it: another was bought, and the one that was paid deleted."""
    with monkeypatch.context() as patched:
        patched.delattr(AnswerRecorder, "record")
        with pytest.raises(AttributeError):
            asker.ask(reuse=dead_reuse)
    posts, kept = asker.next_run(reuse=False)
    assert isinstance(kept, StoredAnswer)
    assert (posts, kept.pictures) == (0, [painted("a red fox")])
    assert asker.next_run(reuse=False)[0] == 1
