"""What is kept of every job: ordinary files in one folder per job, named by the job's identity.

    jobs/<identity>/            an answer: record.json, picture_0.png ..., `unread` until somebody took it
    jobs/<identity>.2/          the answer of the same job asked again on purpose
    pending/...                 jobs on their way (see pending.py)

A folder under `jobs` appears whole by one rename, and is never changed afterwards but for `unread`, the time of its
last use, and a picture that could only be fetched later.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from . import files, home
from .answers import fetched
from .claims import is_claimed
from .connections import Connection
from .errors import BadAnswerError
from .eviction import UNREAD, Room, used_at
from .files import make_private_folder, sync_folder, write_atomic
from .pending import Pending
from .records import RECORD, Answer, Record, read_record, record_bytes, suffix_of, unreadable

STORE_VARIABLE = "OPENAI_IMAGE_NODES_STORE"
SANDBOX_STORE = "sandbox_store"
CRASHED_AFTER_S = 86_400.0


class Store:
    """The jobs below one folder. Safe for many threads, processes and machines at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.jobs = root / "jobs"
        self.pending = Pending(root)
        self._room = Room(self.jobs, root / "trash")

    def find(self, identity: str) -> Answer | None:
        """Return the newest answer of a job, or None. Touches it, so that it is forgotten last.

        Raises: BadAnswerError if all that is kept of the job holds no picture or cannot be read.
        """
        fault: BadAnswerError | None = None
        for folder in self._newest_first(identity):
            try:
                return _read_answer(folder)
            except FileNotFoundError:
                continue  # there is none, or it was forgotten or deleted this moment
            except BadAnswerError as exc:
                fault = fault or exc
        if fault is not None:
            raise fault
        return None

    def save(self, record: Record, pictures: list[bytes]) -> Path:
        """Keep an answer, on the disk when this returns, and return its folder.

        Raises: OSError, for example when the disk is full.
        """
        make_private_folder(self.jobs)
        fresh = make_private_folder(self.root / "incoming" / uuid.uuid4().hex)
        record.pictures = [f"picture_{index}.{suffix_of(data)}" for index, data in enumerate(pictures)]
        try:
            for name, data in zip(record.pictures, pictures, strict=True):
                files.write_synced(fresh / name, data)
            files.write_synced(fresh / UNREAD, b"", synced=False)
            files.write_synced(fresh / RECORD, record_bytes(record))
            sync_folder(fresh)
            folder = self._moved_into_place(fresh, record.identity)
        except OSError:
            record.pictures = []
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        sync_folder(self.jobs)
        if self._room.is_short_after(files.folder_bytes(folder)):
            with contextlib.suppress(OSError):
                self.prune(self._room.wanted_bytes)
        return folder

    def records(self) -> list[tuple[Path, Record]]:
        """Return the folder and record of all jobs on their way, then of all answers, each the latest used first."""
        kept, waiting = (list(_records_in(path)) for path in (self.jobs, self.pending.root))
        answered = {(record.identity, record.sent_at) for _, record in kept}
        return [(path, record) for path, record in waiting if (record.identity, record.sent_at) not in answered] + kept

    def is_running(self, folder: Path) -> bool:
        """Tell whether a folder of `records` belongs to a request that is on its way right now."""
        return folder.parent == self.pending.root and is_claimed(folder)

    def prune(self, max_bytes: int) -> int:
        """Forget answers, the longest unused first, until at most `max_bytes` are kept; unread ones stay.

        Returns how many were forgotten.
        """
        for folder in (self.root / "trash").glob("*"):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in (self.root / "incoming").glob("*"):
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > CRASHED_AFTER_S:
                    shutil.rmtree(folder, ignore_errors=True)
        self.pending.tidy(self._is_answered)
        return self._room.make(max_bytes)

    def _newest_first(self, identity: str) -> list[Path]:
        try:
            names = [name for name in os.listdir(self.jobs) if name.startswith(identity)]  # quicker than a pattern
        except OSError:
            names = [identity]  # to read it will tell what is wrong, if anything is
        numbers = {1 if name == identity else _number(name): name for name in names}
        return [self.jobs / numbers[number] for number in sorted(numbers, reverse=True) if number]

    def _moved_into_place(self, fresh: Path, identity: str) -> Path:
        number = 1
        while True:
            folder = self.jobs / (identity if number == 1 else f"{identity}.{number}")
            try:
                if not folder.exists():
                    fresh.rename(folder)
                    return folder
            except OSError:
                if not folder.exists():
                    raise
            number += 1

    def _is_answered(self, record: Record) -> bool:
        for folder in self._newest_first(record.identity):
            with contextlib.suppress(OSError, ValidationError):
                if read_record(folder).sent_at == record.sent_at:
                    return True
        return False


def store_of(connection: Connection) -> Store:
    """Return the store of a connection's answers; those of the sandbox lie apart and may be deleted at any time."""
    paid, sandbox = stores()
    return sandbox if connection.kind == "sandbox" else paid


def stores() -> list[Store]:
    """Return all stores of this state folder: the paid answers, then those of the sandbox."""
    told = os.environ.get(STORE_VARIABLE)
    return [_store(Path(told).expanduser() if told else home.folder() / "store"), _store(home.folder() / SANDBOX_STORE)]


@cache
def _store(root: Path) -> Store:
    return Store(root)


def mark_read(answer: Answer) -> None:
    """Note that somebody has the answer, so that it may be forgotten when the store is full."""
    if answer.folder is not None:
        with contextlib.suppress(OSError):
            (answer.folder / UNREAD).unlink()


def _number(name: str) -> int:
    """Return the number of an answer that was asked for again, 0 for a name of somebody else's."""
    number = name.partition(".")[2]
    return int(number) if number.isdigit() else 0


def _records_in(path: Path) -> Iterator[tuple[Path, Record]]:
    for folder in sorted(path.glob("*"), key=used_at, reverse=True):
        with contextlib.suppress(OSError, ValidationError):
            yield folder, read_record(folder)


def _read_answer(folder: Path) -> Answer:
    """Read an answer and touch it.

    Raises: FileNotFoundError, BadAnswerError if it holds no picture or cannot be read.
    """
    try:
        record = read_record(folder)
        pictures = [(folder / name).read_bytes() for name in record.pictures]
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise FileNotFoundError(folder) from exc
    except (OSError, ValidationError) as exc:
        raise BadAnswerError(
            f"The answer of this very request is kept in {folder}, but cannot be read ({type(exc).__name__})."
            " Mend the folder or look into it; to ask, and perhaps pay, again, set reuse to false."
        ) from exc
    with contextlib.suppress(OSError):
        os.utime(folder / RECORD)
    if record.fault:
        raise unreadable(record, folder)
    _late_downloads(folder, record, pictures)
    return Answer(record, pictures, folder, reused=True)


def _late_downloads(folder: Path, record: Record, pictures: list[bytes]) -> None:
    """Fetch and keep what could not be fetched when the answer came; its address is all that was kept."""
    for index, data in enumerate(pictures):
        if suffix_of(data) == "url":
            with contextlib.suppress(OSError, ValueError):
                pictures[index] = fetched(data.decode())
                record.pictures[index] = f"picture_{index}.{suffix_of(pictures[index])}"
                record.faults.pop(index, None)
                write_atomic(folder / record.pictures[index], pictures[index])
                write_atomic(folder / RECORD, record_bytes(record))
