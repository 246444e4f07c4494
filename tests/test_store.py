"""What the store keeps, what it forgets first, and what a person sees of it."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from asked import KEY, Asker, Server, connection, painted, until_quiet
from calls import node
from openai_image_nodes.api import eviction, files, home, pending, store
from openai_image_nodes.api.errors import BadAnswerError, OutcomeUnknownError
from openai_image_nodes.api.records import Answer
from openai_image_nodes.api.store import Store
from openai_image_nodes.cli import main

SECRET_PROMPT = "a fox nobody may read of"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker.afresh(server, "openai", monkeypatch)


def paid_store() -> Store:
    return store.store_of(connection("openai"))


def used(answer: Answer, minutes_ago: int) -> Answer:
    """Let an answer have been used last some time ago."""
    assert answer.folder is not None
    then = time.time() - 60 * minutes_ago
    os.utime(answer.folder / "record.json", (then, then))
    return answer


def names() -> set[str]:
    return {path.name for path in paid_store().jobs.iterdir()}


def name_of(answer: Answer) -> str:
    assert answer.folder is not None
    return answer.folder.name


def test_answer_is_an_ordinary_folder(asker: Asker) -> None:
    """Its name is the job's identity; the pictures can be opened, the record can be read."""
    answer = asker.ask(n=2)
    assert answer.folder == home.folder() / "store" / "jobs" / answer.record.identity
    assert {path.name for path in answer.folder.iterdir()} == {"picture_0.png", "picture_1.png", "record.json"}
    assert (answer.folder / "picture_1.png").read_bytes() == painted("a red fox", 1)
    record = json.loads((answer.folder / "record.json").read_text())
    assert record["state"] == "answered"
    assert record["fields"]["prompt"] == "a red fox"
    assert record["request_id"] == record["headers"]["x-request-id"]
    assert record["usage"]["output_tokens"] > 0
    assert record["sent_at"] >= record["prepared_at"]
    assert KEY not in json.dumps(record)


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
    asker.faults.status(500, message=f"cannot do: {SECRET_PROMPT}").status(429, message="try again in 1ms").normal()
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
    assert names() == {name_of(first), f"{name_of(first)}.2"}
    assert asker.ask().folder == second.folder
    assert asker.faults.posts == 2


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
    looks = iter([False])
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: next(looks, True) if path == first.folder else exists(path))
    second = asker.ask(reuse=False)
    assert second.folder == paid_store().jobs / f"{name_of(first)}.2"
    assert next(looks, None) is None


def test_bad_answer_does_not_hide_an_older_good_one(asker: Asker) -> None:
    """What was paid and can be seen is given."""
    good = asker.ask()
    asker.faults.broken_json()
    with pytest.raises(BadAnswerError):
        asker.ask(reuse=False)
    assert asker.next_run()[1].folder == good.folder


def test_answer_that_cannot_be_read_is_not_bought_again(asker: Asker) -> None:
    """A damaged record, or a disk that stutters, is said; nothing is sent."""
    answer = asker.ask()
    assert answer.folder is not None
    (answer.folder / "record.json").write_text("{")
    again, outcome = asker.next_run()
    assert again == 0
    assert isinstance(outcome, BadAnswerError)
    assert str(answer.folder) in str(outcome)


def test_answer_whose_picture_was_deleted_is_asked_for_again(asker: Asker) -> None:
    """Who deletes a file means it."""
    answer = asker.ask()
    assert answer.folder is not None
    (answer.folder / "picture_0.png").unlink()
    assert asker.next_run()[0] == 1


def test_oldest_unused_answer_is_forgotten_first(asker: Asker) -> None:
    """Used counts, not made."""
    old, middle, new = (used(asker.ask(f"fox {index}"), 30 - index) for index in range(3))
    asker.ask("fox 0")
    size = files.folder_bytes(paid_store().jobs / name_of(new))
    assert paid_store().prune(2 * size + 50) == 1
    assert names() == {name_of(old), name_of(new)}
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
    assert paid_store().prune(0) == 1
    assert names() == {name_of(unseen)}
    asker.ask("unseen")
    assert paid_store().prune(0) == 1


def test_store_stays_below_its_limit(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is of the environment; each answer may push older ones out."""
    one = asker.ask("the first")
    size = files.folder_bytes(paid_store().jobs / name_of(one))
    limit = 4 * size
    monkeypatch.setenv("OPENAI_IMAGE_NODES_STORE_MAX_BYTES", str(limit))
    for index in range(12):
        used(asker.ask(f"fox {index}"), 60 - index)
        assert sum(files.folder_bytes(path) for path in paid_store().jobs.iterdir()) <= limit
    assert 2 <= len(names()) <= 5
    assert asker.next_run("fox 11")[0] == 0
    assert asker.next_run("fox 0")[0] == 1


def test_full_store_is_not_searched_at_every_request(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all is unread, looking for something to forget would be in vain each time."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_STORE_MAX_BYTES", "1")
    searches: list[int] = []
    make = eviction.Room.make
    monkeypatch.setattr(eviction.Room, "make", lambda self, limit: searches.append(limit) or make(self, limit))
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
    root = paid_store().root
    (sent,) = (root / "pending").iterdir()
    record = json.loads((sent / "record.json").read_text())
    never = root / "pending" / "never"
    never.mkdir()
    (never / "record.json").write_text(json.dumps({**record, "state": "prepared"}))
    for folder in (root / "incoming" / "half", root / "trash" / "gone"):
        folder.mkdir(parents=True)
    fresh = root / "incoming" / "fresh"
    fresh.mkdir()
    for folder, age_s in ((root / "incoming" / "half", 90_000), (never, 4000), (sent, 4000)):
        os.utime(folder, (time.time() - age_s, time.time() - age_s))
    paid_store().prune(eviction.MAX_BYTES)
    left = {
        path.relative_to(root).as_posix()
        for name in ("incoming", "trash", "pending")
        for path in (root / name).iterdir()
    }
    assert left == {"incoming/fresh", f"pending/{sent.name}"}


def test_job_that_was_answered_before_a_crash_is_not_left_as_sent(asker: Asker) -> None:
    """Killed between keeping the answer and clearing the way: it is not listed, and cleared up later."""
    answer = asker.ask()
    shelf = paid_store().pending
    shelf.write(answer.record.identity, answer.record.model_copy(update={"state": "sent"}))
    assert [record.state for record in asker.records] == ["answered"]
    folder = shelf.root / answer.record.identity
    os.utime(folder, (time.time() - 2 * pending.LEFT_AFTER_S,) * 2)
    paid_store().prune(eviction.MAX_BYTES)
    assert not folder.exists()


def test_answers_of_the_sandbox_lie_apart_and_may_be_deleted() -> None:
    """A paid picture never lies among them."""
    _, _, report = node(connection="sandbox", size="1024x1024")
    paid, sandbox = store.stores()
    assert not paid.jobs.exists()
    assert Path(report["kept_in"]).parent == sandbox.jobs
    assert sandbox.prune(0) == 1


def test_store_may_lie_elsewhere(asker: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several machines may use one folder."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_STORE", str(tmp_path / "shared"))
    assert asker.ask().folder == tmp_path / "shared" / "jobs" / asker.records[0].identity


def test_jobs_are_listed_without_their_prompts(asker: Asker, capsys: pytest.CaptureFixture[str]) -> None:
    """Time, model, size, state, cost and files."""
    answer = asker.ask(SECRET_PROMPT, model="gpt-image-2.5-flare", size="1024x1536", quality="low")
    asker.faults.drop("after_body")
    with pytest.raises(OutcomeUnknownError):
        asker.ask("a lost fox")
    assert main(["jobs"]) == 0
    lost, kept = capsys.readouterr().out.splitlines()
    assert "sent, outcome unknown" in lost
    for word in (name_of(answer)[:12], "gpt-image-2.5-flare", "1024x1536", "answered", " USD", "picture_0.png"):
        assert word in kept
    assert str(answer.folder) in kept
    assert SECRET_PROMPT not in lost + kept


def test_jobs_export_copies_pictures_out(asker: Asker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The beginning of an id is enough; of several answers to one job each can be had."""
    first, _ = asker.ask(), asker.ask(reuse=False, n=1)
    short = name_of(first)[:12]
    for name in (short, f"{short}.2", name_of(first)):
        target = tmp_path / name
        assert main(["jobs", "export", name, "-o", str(target)]) == 0
        (path,) = target.iterdir()
        assert path.read_bytes() == painted("a red fox")
        assert str(path) in capsys.readouterr().out
    assert main(["jobs", "export", "ffff", "-o", str(tmp_path)]) == 1
    assert "0 answers have an id that begins with 'ffff'" in capsys.readouterr().err


def test_jobs_prune_forgets_what_was_read(asker: Asker, capsys: pytest.CaptureFixture[str]) -> None:
    """By the limit of the environment, or by one that is told."""
    asker.ask()
    assert main(["jobs", "prune"]) == 0
    assert main(["jobs", "prune", "--max-bytes", "0"]) == 0
    assert capsys.readouterr().out.splitlines() == ["0 answers forgotten", "1 answers forgotten"]
    assert names() == set()
