"""A folder that others write to: links, pipes, devices and odd names make us delete, read or wait for nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai_image_nodes.api import OpenAIImageError
from openai_image_nodes.api.batch.plan import JobPlan
from openai_image_nodes.api.config import tell_once
from openai_image_nodes.api.store.store import STORE_VARIABLE
from openai_image_nodes.cli import main
from support.asker import Asker, Server, connection, job, painted, until_quiet

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links and pipes are of other systems")
LONG_AGO = time.time() - 400_000
FOLDERS = [
    "jobs",
    "pending",
    "trash",
    "incoming",
    "spent",
    "held",
    "batch",
    "batch/inputs",
    "batch/planned",
    "batch/batches",
]
ODD_NAMES = [
    "x",
    "..x",
    "a" * 64 + ".\u00b2",
    "a" * 64 + ".1",
    "a" * 65,
    "A" * 64,
    "a" * 64 + "\n",
    "claim.1",
    " ",
    "-rf",
    "%00",
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    tell_once.cache_clear()
    return Asker.fresh(server, "openai", monkeypatch)


@pytest.fixture
def treasure(tmp_path: Path) -> Path:
    """Somebody's files, folders and links, all of them old; also some with names like ours."""
    folder = tmp_path / "treasure"
    for name in ("letters", "0" * 31 + "g", ".ssh", "claim.1"):
        (folder / name).mkdir(parents=True)
        (folder / name / "record.json").write_text("mine")
        (folder / name / "file.txt").write_text("mine")
    (folder / "photo.png").write_bytes(b"mine")
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (LONG_AGO, LONG_AGO))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def use_everything(asker: Asker) -> None:
    """Everything that reads, lists, tidies or deletes."""
    for work in (
        lambda: asker.ask("another"),
        lambda: asker.store.prune(0),
        lambda: JobPlan(asker.store).tidy(),
        lambda: list(JobPlan(asker.store).each()),
        lambda: main(["jobs"]),
        lambda: main(["jobs", "prune", "--max-bytes", "0"]),
        lambda: main(["batch", "plan"]),
        lambda: main(["batch", "plan", "--forget"]),
        lambda: main(["batch", "status"]),
    ):
        try:
            work()
        except (OpenAIImageError, OSError):
            continue  # told in words, or a folder that is none
    until_quiet()


@pytest.mark.parametrize("name", FOLDERS)
def test_folder_that_became_a_link_deletes_nothing_there(asker: Asker, treasure: Path, name: str) -> None:
    """Whoever shares the folder may put a link in the place of any of ours."""
    asker.ask()
    place = asker.store.root / name
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        place.rename(place.with_name("moved"))
    place.symlink_to(treasure)
    before = contents(treasure)
    use_everything(asker)
    after = contents(treasure)
    assert {path: after.get(path) for path in before} == before


@pytest.mark.parametrize("name", [name for name in FOLDERS if name not in ("trash", "incoming")])
def test_things_with_odd_names_are_left_alone(asker: Asker, name: str) -> None:
    """Files and folders of somebody else's, whatever is tidied or forgotten."""
    kept = asker.ask()
    place = asker.store.root / name
    for odd in ODD_NAMES:
        (place / odd).mkdir(parents=True, exist_ok=True)
        (place / odd / "file.txt").write_text("mine")
        os.utime(place / odd, (LONG_AGO, LONG_AGO))
    before = {path for path in contents(place) if path.endswith("file.txt")}
    use_everything(asker)
    assert {path for path in contents(place) if path.endswith("file.txt")} == before
    assert asker.ask("a third").pictures == [painted("a third")]
    assert kept.folder is not None


@pytest.mark.parametrize("kind", ["pipe", "device", "link", "folder", "loop"])
@pytest.mark.parametrize("place", ["record.json", "picture_0.png", "unread", "claim.1", "answer.json", "answer.part"])
def test_what_is_no_file_is_neither_waited_for_nor_followed(
    asker: Asker, treasure: Path, place: str, kind: str
) -> None:
    """In an answer, and where a request is on its way; another request is answered, and nothing is sent twice."""
    kept = asker.ask()
    assert kept.folder is not None
    identity = kept.record.identity
    pending = asker.store.journal.root / identity
    pending.mkdir(parents=True, exist_ok=True)
    for folder in (kept.folder, pending):
        path = folder / place
        path.unlink(missing_ok=True)
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        elif kind == "link":
            path.symlink_to(treasure / "photo.png")
        elif kind == "loop":
            path.symlink_to(path)
        else:
            path.mkdir()
    before = contents(treasure)
    posts = asker.faults.posts
    asker.restart()
    try:
        again = asker.ask()
        assert again.pictures == kept.pictures
    except OpenAIImageError as exc:
        assert str(exc)  # noqa: PT017 - either is right: the picture, or words
    assert asker.faults.posts == posts
    assert asker.ask("another").pictures == [painted("another")]
    assert main(["jobs"]) == 0
    asker.store.prune(0)
    assert contents(treasure) == before


@pytest.mark.parametrize("place", ["jobs", "pending", "spent", "held", "jobs/{}", "pending/{}", "trash/{}"])
def test_pipe_in_place_of_a_folder_is_not_waited_for(asker: Asker, place: str) -> None:
    """A run says what is wrong, or has its picture."""
    path = asker.store.root / place.format(job(connection("openai")).identity)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    with contextlib.suppress(OpenAIImageError):
        assert asker.ask().pictures
    assert main(["jobs"]) == 0
    asker.store.prune(0)


def test_folder_in_place_of_a_claim_is_told_and_not_waited_for(
    asker: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would ever give it back."""
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "shared"))
    (asker.store.journal.root / job(connection("openai")).identity / "claim.1").mkdir(parents=True)
    with pytest.raises(OpenAIImageError, match="Is a directory"):
        asker.ask()
    assert asker.faults.posts == 0


def test_store_on_a_drive_that_is_not_there_is_told_and_not_waited_for(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder cannot be made: nobody else had it and cleared it."""
    root = asker.store.journal.root
    make = Path.mkdir

    def made(path: Path, *options: object, **more: bool) -> None:
        if path == root or root in path.parents:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
        make(path, *options, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", made)
    monkeypatch.setenv(STORE_VARIABLE, str(root.parent))
    with pytest.raises(OpenAIImageError, match="store cannot be read or written"):
        asker.ask()
    assert asker.faults.posts == 0


def test_name_of_a_stranger_folder_is_no_command_to_the_console(asker: Asker, caplog: pytest.LogCaptureFixture) -> None:
    """It is told in the log, as letters."""
    asker.ask()
    (asker.store.jobs / "x\x1b[2Jx").mkdir()
    assert len(list(asker.store.records())) == 1
    assert "x?[2Jx holds no record that can be used" in caplog.text
    assert "\x1b" not in caplog.text


@pytest.mark.slow
def test_endless_numbers_of_strangers_things_do_not_stop_a_request(asker: Asker) -> None:
    """Thousands of names that are none."""
    kept = asker.ask()
    for index in range(3000):
        (asker.store.jobs / f"{kept.record.identity}.x{index}").touch()
        (asker.store.journal.root / f"{kept.record.identity}.again-x{index}").parent.mkdir(exist_ok=True)
        (asker.store.journal.root / f"{kept.record.identity}.again-x{index}").touch()
    asker.restart()
    assert asker.ask().reused
    assert asker.ask("another").pictures == [painted("another")]
