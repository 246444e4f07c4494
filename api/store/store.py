"""What is kept of every job: ordinary files in one folder per job, named by the job's identity.

    jobs/<identity>/            an answer: record.json, picture_0.png ..., `unread` until somebody took it
    jobs/<identity>.2/          the answer of the same job asked again on purpose
    pending/...                 jobs on their way (see journal.py)

A folder under `jobs` appears whole by one rename, and is never changed afterwards but for `unread`, the time of its
last use, and a picture that could only be fetched later. Where machines share a bucket, this folder is in front of it:
what is kept here is had without the bucket, what is kept there comes here first (see shared.py and outbox.py).
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

from .. import config as home
from ..backends import atomic_files as files
from ..backends.atomic_files import make_private_folder, sync_folder
from ..backends.backend import Backend, BucketBackend
from ..backends.fsspec_client import FsspecClient, is_url
from ..backends.leases import Lease
from ..connections.resolve import Connection
from ..errors import BadAnswerError, SharedStoreError
from .eviction import UNREAD, UNSHARED, SizeLimit, used_at
from .journal import RequestJournal, is_again
from .outbox import Outbox
from .reading import read_answer
from .records import RECORD, JobRecord, StoredAnswer, read_record, record_bytes, suffix_of
from .shared import SharedBucket

STORE_VARIABLE = "OPENAI_IMAGE_NODES_STORE"
SANDBOX_STORE = "sandbox_store"
CRASHED_AFTER_S = 86_400.0
POLL_S = 0.25
SHARED_POLL_S = 1.0  # each look is a few requests, which a bucket's owner pays
NOT_SHARED = (
    "Kept here, not yet shared: {} could not be reached. It is tried again; `openai-image jobs sync` does it now."
)


class Store:
    """The jobs below one folder. Safe for many threads, processes and machines at once."""

    def __init__(self, root: Path, shared: SharedBucket | None = None) -> None:
        self.root = root
        self.jobs = root / "jobs"
        self.shared = shared
        self.outbox = Outbox(root, shared, self._newest_first) if shared else None
        self.journal = RequestJournal(root, self.outbox)
        self._room = SizeLimit(self.jobs, root / "trash")

    def find(self, identity: str) -> StoredAnswer | None:
        """Return the newest answer of a job, or None. Touches it, so that it is forgotten last.

        Raises: BadAnswerError if all that is kept of the job holds no picture or cannot be read.
        """
        if self.outbox is not None:
            self.outbox.flush_soon()
        fault: BadAnswerError | None = None
        for folder in self._newest_first(identity):
            try:
                return read_answer(folder)
            except FileNotFoundError:
                continue  # there is none, or it was forgotten or deleted this moment
            except BadAnswerError as exc:
                fault = fault or exc
        if fault is not None:
            raise fault
        return None

    @property
    def backend(self) -> Backend | None:
        """Where other machines' answers and costs are, or None."""
        return self.shared.backend if self.shared else None

    @property
    def poll_s(self) -> float:
        """How often to look whether somebody else's request for the same is answered, in seconds."""
        return SHARED_POLL_S if self.shared else POLL_S

    def claim(self, name: str) -> Lease | None:
        """Take a job for this process; None while a live owner has it, or if it is answered, and then it is here.

        Raises: OSError, SharedStoreError.
        """
        if self.outbox is None or is_again(name):
            return self.journal.claim(name)
        if self.fetch(name):
            return None
        ours = self.journal.claim(name)
        if ours is not None:
            try:
                self.fetch(name)  # whoever had it until this moment may have answered it
            except BaseException:
                ours.release()
                raise
        return ours

    def fetch(self, identity: str) -> bool:
        """Bring the newest answer of a job here if other machines have one; tell whether they have.

        Raises: SharedStoreError.
        """
        for record, pictures in self.shared.answers(identity) if self.shared else ():
            try:
                if not self._is_answered(record):
                    self._keep(record, dict(zip(record.pictures, pictures, strict=True)))
            except OSError as exc:
                raise SharedStoreError(
                    f"The picture is in the shared store, but {self.root} cannot take it ({exc.strerror}). Make room."
                ) from exc
            return True
        return False

    def save(self, record: JobRecord, pictures: list[bytes]) -> Path:
        """Keep an answer, on the disk when this returns, and return its folder; then share it.

        Raises: OSError, for example when the disk is full.
        """
        record.pictures = [f"picture_{index}.{suffix_of(data)}" for index, data in enumerate(pictures)]
        files_of = dict(zip(record.pictures, pictures, strict=True))
        try:
            if self.outbox is None:
                return self._keep(record, {**files_of, UNREAD: b""})
            return self._keep_and_share(self.outbox, record, files_of)
        except OSError:
            if self.shared is not None:
                with contextlib.suppress(SharedStoreError):
                    self.shared.put(record, pictures)  # then it is kept at least there
            record.pictures = []
            raise

    def notes_on(self, folder: Path) -> list[str]:
        """Return what somebody should know of an answer that was just kept."""
        if self.shared is None or not (folder / UNSHARED).exists():
            return []
        return [NOT_SHARED.format(self.shared.name)]

    def sync(self) -> int:
        """Share all that could not be shared before; returns how many things that were.

        Raises: SharedStoreError.
        """
        return self.outbox.flush() if self.outbox else 0

    def share_all(self) -> None:
        """Note that every answer is to be shared, also those from before there was anybody to share with.

        Raises: OSError.
        """
        for folder, record in _records_in(self.jobs):
            if self.outbox is not None:
                files.write_synced(folder / UNSHARED, b"", synced=False)
                self.outbox.note(record.identity)

    def _keep_and_share(self, outbox: Outbox, record: JobRecord, files_of: dict[str, bytes]) -> Path:
        note = outbox.announce(record.identity)
        try:
            folder = self._keep(record, {**files_of, UNREAD: b"", UNSHARED: b""})
        except OSError:
            outbox.withdraw(note)
            raise
        outbox.deliver(note, folder, record, list(files_of.values()))
        return folder

    def _keep(self, record: JobRecord, contents: dict[str, bytes]) -> Path:
        make_private_folder(self.jobs)
        fresh = make_private_folder(self.root / "incoming" / uuid.uuid4().hex)
        try:
            for name, data in contents.items():
                files.write_synced(fresh / name, data, synced=bool(data))
            files.write_synced(fresh / RECORD, record_bytes(record))
            sync_folder(fresh)
            folder = self._moved_into_place(fresh, record.identity)
        except OSError:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        sync_folder(self.jobs)
        if self._room.is_short_after(files.folder_bytes(folder)):
            with contextlib.suppress(OSError):
                self.prune(self._room.wanted_bytes)
        return folder

    def records(self) -> list[tuple[Path, JobRecord]]:
        """Return the folder and record of all jobs on their way, then of all answers, each the latest used first."""
        kept, waiting = (list(_records_in(path)) for path in (self.jobs, self.journal.root))
        answered = {(record.identity, record.sent_at) for _, record in kept}
        return [(path, record) for path, record in waiting if (record.identity, record.sent_at) not in answered] + kept

    def is_running(self, folder: Path) -> bool:
        """Tell whether a folder of `records` belongs to a request that is on its way right now."""
        return folder.parent == self.journal.root and self.journal.is_claimed(folder.name)

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
        self.journal.tidy(self._is_answered)
        return self._room.make(max_bytes)

    def has(self, identity: str) -> bool:
        """Tell whether something is kept of a job, without reading it."""
        return (self.jobs / identity).exists()

    def records_of(self, identity: str) -> list[JobRecord]:
        """Return the records of all answers of a job, the newest first; those that cannot be read are left out."""
        found = []
        for folder in self._newest_first(identity):
            with contextlib.suppress(OSError, ValidationError):
                found.append(read_record(folder))
        return found

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

    def _is_answered(self, record: JobRecord) -> bool:
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
    """Return all stores of this state folder: the paid answers, then those of the sandbox.

    Raises: RefusedError if the store is named by a URL that holds a key.
    """
    told = os.environ.get(STORE_VARIABLE, "")
    url = told.rstrip("/") if is_url(told) else None
    path = Path(told.removeprefix("file://")).expanduser() if told and not url else home.folder() / "store"
    return [_store(path, url), _store(home.folder() / SANDBOX_STORE)]


@cache
def _store(root: Path, url: str | None = None) -> Store:
    if url is None:
        return Store(root)
    bucket = FsspecClient(url)
    return Store(root, SharedBucket(BucketBackend(bucket), bucket.url))


def mark_read(answer: StoredAnswer) -> None:
    """Note that somebody has the answer, so that it may be forgotten when the store is full."""
    if answer.folder is not None:
        with contextlib.suppress(OSError):
            (answer.folder / UNREAD).unlink()


def _number(name: str) -> int:
    """Return the number of an answer that was asked for again, 0 for a name of somebody else's."""
    number = name.partition(".")[2]
    return int(number) if number.isdigit() else 0


def _records_in(path: Path) -> Iterator[tuple[Path, JobRecord]]:
    for folder in sorted(path.glob("*"), key=used_at, reverse=True):
        with contextlib.suppress(OSError, ValidationError):
            yield folder, read_record(folder)
