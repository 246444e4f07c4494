"""A bucket that cannot be reached, or fails in the middle: no money is lost, and nobody is left in the dark."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from openai_image_nodes.api.backends import atomic_files as files
from openai_image_nodes.api.errors import OutcomeUnknownError, RefusedError, SharedStoreError
from openai_image_nodes.api.jobs.manager import JOBS
from openai_image_nodes.cli import main
from support.asker import KEY, painted, until, until_quiet
from support.machines import HOME, STORE, Farm, bucket, farm, server
from support.node_calls import node
from support.s3_server import BUCKET, SECRET

pytestmark = pytest.mark.slow

__all__ = ["bucket", "farm", "server"]  # pytest finds them here

FOX = [painted("a red fox")]


def test_what_is_here_is_had_without_the_bucket(farm: Farm) -> None:
    """At once: nobody asks it."""
    farm.asker.ask()
    farm.on("first")
    farm.bucket.fails = lambda _method, _path: True
    farm.bucket.seen.clear()
    assert farm.asker.ask().pictures == FOX
    assert farm.bucket.seen == []


@pytest.mark.parametrize("step", ["GET", "PUT"])
def test_nothing_is_sent_that_others_could_be_sending(farm: Farm, step: str) -> None:
    """Whether the bucket cannot be read or not be written, the error says what to do; later all is well."""
    farm.bucket.fails = lambda method, _path: method == step
    with pytest.raises(SharedStoreError, match=rf"s3://{BUCKET}/.* cannot be used .* unset OPENAI_IMAGE_NODES_STORE"):
        farm.asker.ask()
    assert (farm.posts, farm.asker.records) == (0, [])
    farm.bucket.fails = lambda _method, _path: False
    assert farm.asker.ask().pictures == FOX


def test_request_that_could_not_be_announced_is_not_sent(farm: Farm) -> None:
    """The claim could be made, the record not; other machines are free to ask."""
    farm.bucket.fails = lambda method, path: method == "PUT" and path.endswith("record.json")
    with pytest.raises(SharedStoreError):
        farm.asker.ask()
    farm.bucket.fails = lambda _method, _path: False
    assert (farm.posts, farm.objects) == (0, [])
    assert farm.on("second").ask().pictures == FOX
    assert farm.posts == 1


def test_bucket_that_is_gone_is_said_in_time(farm: Farm) -> None:
    """Nobody listens there: no minute of silence."""
    farm.bucket.hang_up()
    try:
        with pytest.raises(SharedStoreError):
            farm.asker.ask()
    finally:
        farm.bucket.listen()
    assert farm.posts == 0


def test_picture_comes_though_it_cannot_be_shared(farm: Farm) -> None:
    """With a note; it is shared as soon as that can be, and until then no other machine pays for it."""
    farm.asker.jobs = JOBS
    gate = farm.asker.faults.hold()
    running = farm.asker.submit()
    until(lambda: farm.posts)
    farm.bucket.fails = lambda method, _path: method in ("PUT", "DELETE")
    gate.set()
    answer = running.future.result(30)
    assert answer.pictures == FOX
    assert [note for note in answer.notes if "not yet shared" in note and "jobs sync" in note]
    farm.bucket.fails = lambda _method, _path: False
    with pytest.raises(OutcomeUnknownError):
        farm.on("second").ask()
    farm.on("first").ask()  # any use of the store tries again
    until(lambda: not _waiting(farm))
    assert farm.on("second").ask().pictures == FOX
    assert farm.posts == 1
    assert not [name for name in farm.objects if name.startswith("pending/")]


def test_report_tells_that_the_picture_is_not_shared(farm: Farm) -> None:
    """The person at the canvas sees it."""
    farm.asker.jobs = JOBS
    farm.bucket.fails = lambda method, path: method == "PUT" and "picture" in path
    _, _, report = node()
    assert [note for note in report["notes"] if note.startswith(f"Kept here, not yet shared: {farm.url}")]
    assert Path(report["kept_in"]).is_dir()


def test_command_shares_what_waits(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    """`jobs sync` says how much, or why not; the doctor counts what waits."""
    farm.bucket.fails = lambda method, path: method == "PUT" and "picture" in path
    farm.asker.ask()
    assert main(["jobs", "sync"]) == 10  # as failures.py numbers a store that is shared
    assert "cannot be used" in capsys.readouterr().err
    farm.bucket.fails = lambda _method, _path: False
    assert main(["doctor"]) == 0
    assert f"reachable: {farm.url}, in front of it" in (out := capsys.readouterr().out)
    assert "conditional writes: yes; 1 things yet to be shared" in out
    assert main(["jobs", "sync"]) == 0
    assert f"1 things shared with {farm.url}" in capsys.readouterr().out
    assert farm.on("second").ask().reused


def test_command_shares_what_was_kept_before(
    farm: Farm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who begins to share can give the others all that is here."""
    monkeypatch.delenv(STORE)
    farm.asker.ask()
    assert main(["jobs", "sync"]) == 1
    monkeypatch.setenv(STORE, farm.url)
    for _ in range(2):
        assert main(["jobs", "sync", "--all"]) == 0
    assert "1 things shared" in capsys.readouterr().out
    assert farm.on("second").ask().reused
    assert (farm.posts, len([name for name in farm.objects if "picture" in name])) == (1, 1)


def test_refusal_that_cannot_be_told_is_told_later(farm: Farm) -> None:
    """Others must not think for ever that a refused request may have been paid."""
    gate = farm.asker.faults.hold()
    farm.asker.faults.status(400)
    running = farm.asker.submit("held")
    until(lambda: farm.posts)
    gate.set()
    running.future.result(30)
    farm.bucket.fails = lambda method, _path: method == "DELETE"
    with pytest.raises(RefusedError):
        farm.asker.ask()
    assert [name for name in farm.objects if name.startswith("pending/")]
    farm.bucket.fails = lambda _method, _path: False
    assert farm.on("first").ask().pictures == FOX
    assert farm.on("second").ask().pictures == FOX
    assert not [name for name in farm.objects if name.startswith("pending/") and name.endswith("record.json")]


def test_full_disk_here_keeps_the_picture_there(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket has it; here it is not asked for again, but told where it is."""
    write = files.write_synced

    def full(path: Path, data: bytes, *, synced: bool = True) -> None:
        if path.name.startswith("picture"):
            raise OSError(28, "No space left on device")
        write(path, data, synced=synced)

    monkeypatch.setattr(files, "write_synced", full)
    assert farm.asker.ask().folder is None
    with pytest.raises(SharedStoreError, match="Make room"):
        farm.on("first").ask()
    monkeypatch.setattr(files, "write_synced", write)
    assert farm.on("first").ask().reused
    assert farm.posts == 1


@pytest.mark.parametrize("name", ["record.json", "picture_0.png"])
def test_damaged_answer_in_the_bucket_is_not_paid_again(farm: Farm, name: str) -> None:
    """The error names the object; a person decides."""
    identity = farm.asker.ask().record.identity
    backend = farm.asker.store.backend
    assert backend is not None
    if name == "record.json":
        backend.write(f"jobs/{identity}/{name}", b"cut o")
    else:
        backend.remove(f"jobs/{identity}/{name}")
    with pytest.raises(SharedStoreError, match=name):
        farm.on("second").ask()
    assert farm.posts == 1


def test_missing_package_stops_only_what_needs_it(
    farm: Farm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is here is had; for the rest the command that installs it is named."""
    farm.asker.ask()
    farm.on("first")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    assert farm.asker.ask().reused
    with pytest.raises(SharedStoreError, match="pip install fsspec s3fs"):
        farm.asker.ask("another fox")
    assert main(["doctor"]) == 0
    assert "not ready: The shared store" in capsys.readouterr().out


def test_key_in_the_address_stops_everything(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any of it can be shown or sent."""
    monkeypatch.setenv(STORE, f"s3://id:{SECRET}@farm/x")
    with pytest.raises(RefusedError) as caught:
        farm.asker.ask()
    assert SECRET not in str(caught.value)
    assert farm.posts == 0


def test_secret_and_prompt_are_nowhere(
    farm: Farm, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Not in a log at its finest, not in an error, not in what is listed; the secret in no file and no object."""
    caplog.set_level(logging.DEBUG)
    farm.asker.ask("a fox nobody may read of")
    farm.bucket.fails = lambda method, _path: method == "PUT"
    with pytest.raises(SharedStoreError) as caught:
        farm.asker.ask("another secret fox")
    until_quiet()
    main(["doctor"])
    main(["jobs"])
    said = capsys.readouterr().out + str(caught.value)
    lines = [line for line in caplog.messages if not line.startswith("Using")]
    assert not [text for text in [said, *lines] if SECRET in text or KEY in text or "secret fox" in text]
    assert not [text for text in caplog.messages if "nobody may read of" in text]
    backend = farm.asker.store.backend
    assert backend is not None
    kept = [backend.read(name) or b"" for name in farm.objects]
    kept += [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) > 5
    assert not [data for data in kept if SECRET.encode() in data or KEY.encode() in data]


def test_state_folder_alone_tells_machines_apart(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes of one machine with one state folder share it as ever, and the bucket as well."""
    answer = farm.asker.ask()
    assert answer.folder is not None
    monkeypatch.setenv(HOME, str(farm.folder / "first"))
    farm.asker.restart()
    assert farm.asker.ask().folder == answer.folder


def _waiting(farm: Farm) -> list[str]:
    return farm.store.outbox.names()
