"""Disks that are full or cannot be written: the picture still comes, and nothing is sent twice in this process."""

from __future__ import annotations

import errno
import logging
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.api.backends import atomic_files as files
from openai_image_nodes.api.errors import BadAnswerError, OutcomeUnknownError, RefusedError
from openai_image_nodes.api.jobs.manager import JOBS
from openai_image_nodes.nodes.run import execution
from support.asker import Asker, Server, painted, picture_part, plain, until, until_quiet
from support.node_calls import node

Break = Callable[[], None]
LARGE_PICTURE = picture_part(300, 300, compress_level=0).data


def large_if_asked(request: Any, index: int) -> bytes:
    """Draw large pictures for prompts that ask for them."""
    return LARGE_PICTURE if "large" in request.prompt else plain(request, index)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(large_if_asked) as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    asker = Asker.fresh(server, "openai", monkeypatch)
    asker.jobs = JOBS  # the nodes'
    return asker


@pytest.fixture(params=["full", "full for pictures", "no folder"])
def broken_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let nothing be written, or nothing large, or let there be no place at all. Root may write where nobody may."""
    write = files.write_synced

    def full(path: Path, data: bytes, *, synced: bool = True) -> None:
        if request.param == "full" or path.name.startswith("picture"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data, synced=synced)

    def no_room(_path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if request.param == "no folder":
        (tmp_path / "file").touch()
        monkeypatch.setenv("OPENAI_IMAGE_NODES_STORE", str(tmp_path / "file" / "store"))
    else:
        monkeypatch.setattr(files, "write_synced", full)
        monkeypatch.setattr(files, "append", no_room)


@pytest.mark.usefixtures("broken_disk")
def test_picture_comes_with_a_note_that_it_could_not_be_kept(asker: Asker) -> None:
    """Who is told so can save it; the next run costs again, as the note says."""
    for posts in (1, 2):
        image, _, report = node()
        assert image.shape == (1, 8, 8, 3)
        assert report["kept_in"] is None
        assert [note for note in report["notes"] if "could not be kept on disk" in note]
        assert asker.faults.posts == posts


@pytest.mark.usefixtures("broken_disk")
def test_picture_that_nobody_took_is_kept_in_memory(asker: Asker) -> None:
    """A stopped run's picture cannot lie on the disk: this process has it for the next run."""
    gate = asker.faults.hold()
    running = asker.submit()
    until(lambda: running.sent)
    running.leave()
    gate.set()
    until_quiet()
    answer = asker.ask()
    assert (answer.pictures, answer.reused, asker.faults.posts) == ([painted("a red fox")], True, 1)


@pytest.mark.usefixtures("broken_disk")
def test_picture_whose_report_failed_is_kept_in_memory(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has it before all that the node gives out is there; it is taken by the next run."""
    with monkeypatch.context() as patched:
        patched.delattr(execution, "report")
        with pytest.raises(NameError):
            node()
    image, _, report = node()
    assert (image.shape, report["reused"], asker.faults.posts) == ((1, 8, 8, 3), True, 1)


@pytest.mark.usefixtures("broken_disk")
def test_key_is_remembered_where_it_cannot_be_written(asker: Asker) -> None:
    """comfy.org gives a paid answer again, as often as it is asked under its key."""
    asker.name = "comfy.org"
    asker.faults.drop("after_work", times=4)
    with pytest.raises(OutcomeUnknownError):
        asker.ask()
    for _ in range(2):
        assert asker.ask().pictures == [painted("a red fox")]
    assert (asker.faults.billed, len(set(asker.server.keys))) == (1, 1)


@pytest.mark.usefixtures("broken_disk")
def test_lost_request_is_not_sent_again_by_this_process(asker: Asker) -> None:
    """What cannot be written down is remembered."""
    asker.faults.drop("after_work")
    for _ in range(3):
        with pytest.raises(OutcomeUnknownError):
            asker.ask()
    assert asker.faults.posts == 1
    assert asker.ask(reuse=False).pictures == [painted("a red fox")]
    assert asker.faults.posts == 2


@pytest.mark.usefixtures("broken_disk")
def test_lost_request_that_was_asked_again_on_purpose_is_not_sent_again_either(asker: Asker) -> None:
    """Nor is that."""
    asker.faults.drop("after_work")
    with pytest.raises(OutcomeUnknownError):
        asker.ask(reuse=False)
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            asker.ask()
    assert asker.faults.posts == 1


@pytest.mark.usefixtures("broken_disk")
def test_unreadable_answer_is_not_asked_for_again_by_this_process(asker: Asker) -> None:
    """It may have been paid; the error says that it could not be kept."""
    asker.faults.broken_json()
    for _ in range(2):
        with pytest.raises(BadAnswerError, match="could not be kept"):
            asker.ask()
    assert asker.faults.posts == 1


@pytest.mark.usefixtures("broken_disk")
def test_refusals_leave_nothing_to_remember(asker: Asker) -> None:
    """The next run asks again, as on a good disk."""
    asker.faults.status(400)
    with pytest.raises(RefusedError):
        asker.ask()
    assert asker.ask().pictures == [painted("a red fox")]
    assert asker.faults.posts == 2


def test_trash_that_cannot_be_made_keeps_nothing_alive(asker: Asker) -> None:
    """On a full disk there may be no room for it; what was refused is forgotten all the same."""
    asker.store.root.mkdir(parents=True)
    (asker.store.root / "trash").touch()
    asker.faults.status(400)
    with pytest.raises(RefusedError):
        asker.ask()
    assert list(asker.store.journal.root.iterdir()) == []
    assert asker.ask().pictures == [painted("a red fox")]


def test_log_tells_that_nothing_can_be_written(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With the folder and the system's own words."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("OPENAI_IMAGE_NODES_STORE", str(tmp_path / "file" / "store"))
    with caplog.at_level(logging.WARNING):
        asker.ask()
    assert any(str(tmp_path) in line and "Not a directory" in line for line in caplog.messages)


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Mount a real file system of 128 KiB and put the store on it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(folder)]
    try:
        mounted = subprocess.run(words, capture_output=True, check=False)  # noqa: S603
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if mounted.returncode:
        pytest.skip("this account may not mount")
    monkeypatch.setenv("OPENAI_IMAGE_NODES_STORE", str(folder / "store"))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607


def test_real_full_disk(asker: Asker, small_disk: Path) -> None:
    """Small things still fit, a picture does not; it comes all the same, and no half of it stays."""
    small = asker.ask()
    answer = asker.ask("a large fox")
    assert (answer.pictures, answer.folder) == ([LARGE_PICTURE], None)
    assert "No space left on device" in answer.notes[0]
    assert list((small_disk / "store" / "incoming").iterdir()) == []
    assert asker.ask().folder == small.folder
    assert asker.ask("another fox").folder is not None
    assert asker.faults.posts == 3
    asker.restart()
    assert asker.store.prune(0) == 2
