"""What is kept of every job: ordinary files in one folder per job, named by the job's identity.

    jobs/<identity>/            an answer: record.json, picture_0.png ..., `unread` until somebody took it
    jobs/<identity>.2/          the answer of the same job asked again on purpose
    pending/<identity>/         a job on its way: record.json and claim.N (see claims.py)

A folder under `jobs` appears whole by one rename, and is never changed afterwards but for `unread`, the time of its
last use, and a picture that could only be fetched later.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from . import home
from .answers import fetched
from .connections import Connection
from .files import make_private_folder, remove_folder, sync_folder, write_atomic, write_synced
from .records import Answer, Record, suffix_of, unreadable

LOG = logging.getLogger(__name__)
RECORD = "record.json"
UNREAD = "unread"
RAW_ANSWER = "answer.json"
STORE_VARIABLE = "OPENAI_IMAGE_NODES_STORE"
SANDBOX_STORE = "sandbox_store"
MAX_BYTES_VARIABLE = "OPENAI_IMAGE_NODES_STORE_MAX_BYTES"
MAX_BYTES = 4_000_000_000
WHOLE_COUNT_EVERY = 64


class Store:
    """The jobs below one folder. Safe for many threads, processes and machines at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._saved_since_count = 0
        self._bytes = -1

    @property
    def jobs(self) -> Path:
        """The folder of the answers."""
        return self.root / "jobs"

    def pending_folder(self, name: str) -> Path:
        """Return the folder of a job on its way, made if need be.

        Raises: OSError.
        """
        return make_private_folder(self.root / "pending" / name)

    def find(self, identity: str) -> Answer | None:
        """Return the newest answer of a job, or None. Touches it, so that it is forgotten last.

        Raises: BadAnswerError if the job was answered with something that holds no picture.
        """
        for folder in self._newest_first(identity):
            with contextlib.suppress(OSError, ValidationError):
                record = _read_record(folder)
                pictures = [(folder / name).read_bytes() for name in record.pictures]
                with contextlib.suppress(OSError):
                    os.utime(folder / RECORD)
                if record.fault:
                    raise unreadable(record, folder)
                _late_downloads(folder, record, pictures)
                return Answer(record, pictures, folder, reused=True)
        return None

    def save(self, record: Record, pictures: list[bytes]) -> Path:
        """Keep an answer, on the disk when this returns, and return its folder.

        Raises: OSError, for example when the disk is full.
        """
        make_private_folder(self.jobs)
        fresh = make_private_folder(self.root / "incoming" / uuid.uuid4().hex)
        try:
            record.pictures = [f"picture_{index}.{suffix_of(data)}" for index, data in enumerate(pictures)]
            for name, data in zip(record.pictures, pictures, strict=True):
                write_synced(fresh / name, data)
            write_synced(fresh / UNREAD, b"")
            write_synced(fresh / RECORD, _record_bytes(record))
            sync_folder(fresh)
            folder = self._moved_into_place(fresh, record.identity)
        except OSError:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        sync_folder(self.jobs)
        self._forget_the_oldest(sum(len(data) for data in pictures))
        return folder

    def write_pending(self, name: str, record: Record) -> None:
        """Write down how far a job on its way is.

        Raises: OSError.
        """
        write_atomic(self.pending_folder(name) / RECORD, _record_bytes(record))

    def read_pending(self, name: str) -> Record | None:
        """Return what was last written of a job on its way, or None."""
        try:
            return _read_record(self.root / "pending" / name)
        except (OSError, ValidationError):
            return None

    def write_raw_answer(self, name: str, body: bytes) -> None:
        """Write down an answer that only tells where its pictures are, before they are fetched.

        Raises: OSError.
        """
        write_atomic(self.pending_folder(name) / RAW_ANSWER, body)

    def read_raw_answer(self, name: str) -> bytes | None:
        """Return an answer whose pictures were not all fetched, or None."""
        try:
            return (self.root / "pending" / name / RAW_ANSWER).read_bytes()
        except OSError:
            return None

    def drop_pending(self, name: str) -> None:
        """Forget a job on its way: it is answered, or it was certainly not paid."""
        remove_folder(self.root / "pending" / name, self.root / "trash")

    def records(self) -> Iterator[tuple[Path, Record]]:
        """Yield the folder and record of everything kept, newest first, jobs on their way included."""
        folders = [path for name in ("pending", "jobs") for path in (self.root / name).glob("*") if path.is_dir()]
        for folder in sorted(folders, key=_used_at, reverse=True):
            with contextlib.suppress(OSError, ValidationError):
                yield folder, _read_record(folder)

    def prune(self, max_bytes: int) -> int:
        """Forget answers, the longest unused first, until at most `max_bytes` are kept; unread ones stay.

        Returns how many were forgotten.
        """
        sizes = {folder: _size_of(folder) for folder in self._folders()}
        total, forgotten = sum(sizes.values()), 0
        for folder in sorted(sizes, key=_used_at):
            if total <= max_bytes:
                break
            if not (folder / UNREAD).exists():
                remove_folder(folder, self.root / "trash")
                total -= sizes[folder]
                forgotten += 1
        self._bytes, self._saved_since_count = total, 0
        return forgotten

    def _newest_first(self, identity: str) -> list[Path]:
        again = [path for path in self.jobs.glob(f"{identity}.*") if path.suffix[1:].isdigit()]
        again.sort(key=lambda path: int(path.suffix[1:]), reverse=True)
        return [*again, self.jobs / identity]

    def _moved_into_place(self, fresh: Path, identity: str) -> Path:
        number = 1
        while True:
            folder = self.jobs / (identity if number == 1 else f"{identity}.{number}")
            if not folder.exists():
                with contextlib.suppress(FileExistsError, NotADirectoryError):
                    fresh.rename(folder)
                    return folder
                if not folder.exists():
                    raise OSError(f"{folder} cannot be made")
            number += 1

    def _forget_the_oldest(self, added: int) -> None:
        """Keep the store below its limit; everything is counted afresh now and then, others write here too."""
        limit = int(os.environ.get(MAX_BYTES_VARIABLE) or MAX_BYTES)
        self._bytes += added
        self._saved_since_count += 1
        if self._bytes < added or self._bytes > limit or self._saved_since_count > WHOLE_COUNT_EVERY:
            with contextlib.suppress(OSError):
                self.prune(limit)

    def _folders(self) -> list[Path]:
        return [path for path in self.jobs.glob("*") if path.is_dir()]


def store_of(connection: Connection) -> Store:
    """Return the store of a connection's answers; those of the sandbox lie apart and may be deleted at any time."""
    paid, sandbox = stores()
    return sandbox if connection.kind == "sandbox" else paid


def stores() -> list[Store]:
    """Return all stores of this state folder: the paid answers, then those of the sandbox."""
    told = os.environ.get(STORE_VARIABLE)
    return [_store(Path(told).expanduser() if told else home.folder() / "store"), _store(home.folder() / SANDBOX_STORE)]


@lru_cache(maxsize=8)
def _store(root: Path) -> Store:
    return Store(root)


def mark_read(answer: Answer) -> None:
    """Note that somebody has the answer, so that it may be forgotten when the store is full."""
    if answer.folder is not None:
        with contextlib.suppress(OSError):
            (answer.folder / UNREAD).unlink()


def _late_downloads(folder: Path, record: Record, pictures: list[bytes]) -> None:
    """Fetch and keep what could not be fetched when the answer came; its address is all that was kept."""
    for index, data in enumerate(pictures):
        if suffix_of(data) == "url":
            with contextlib.suppress(OSError, ValueError):
                pictures[index] = fetched(data.decode())
                record.pictures[index] = f"picture_{index}.{suffix_of(pictures[index])}"
                record.faults.pop(index, None)
                write_atomic(folder / record.pictures[index], pictures[index])
                write_atomic(folder / RECORD, _record_bytes(record))


def _read_record(folder: Path) -> Record:
    return Record.model_validate_json((folder / RECORD).read_bytes())


def _record_bytes(record: Record) -> bytes:
    return json.dumps(record.model_dump(exclude_none=True), indent=1, ensure_ascii=False).encode()


def _used_at(folder: Path) -> float:
    try:
        return (folder / RECORD).stat().st_mtime
    except OSError:
        return time.time()


def _size_of(folder: Path) -> int:
    try:
        return sum(entry.stat().st_size for entry in os.scandir(folder))
    except OSError:
        return 0
