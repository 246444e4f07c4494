"""What the store keeps, what it forgets first, and what a person sees of it."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai_image_nodes.api import config as home
from openai_image_nodes.api.errors import BadAnswerError, OutcomeUnknownError
from openai_image_nodes.api.store import store
from support.asker import KEY, Asker, Server, name_of, painted, until_quiet
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


def test_answer_that_cannot_be_read_is_not_bought_again(asker: Asker) -> None:
    """A damaged record, or a disk that stutters, is said; nothing is sent."""
    answer = asker.ask()
    assert answer.folder is not None
    (answer.folder / "record.json").write_text("{")
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
    assert sandbox.prune(0) == 1


def test_store_may_lie_elsewhere(asker: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several machines may use one folder."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_STORE", str(tmp_path / "shared"))
    assert asker.ask().folder == tmp_path / "shared" / "jobs" / asker.records[0].identity
