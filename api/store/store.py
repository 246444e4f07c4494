"""What is kept of every job: ordinary files in one folder per job, named by the job's identity.

    jobs/<identity>/            an answer: record.json, picture_0.png ..., `unread` until somebody took it, which says
                                which process asked for it on purpose, `stopped` if that run was, `broken` if nobody can
                                use it
    jobs/<identity>.2/          the answer of the same job asked again on purpose
    pending/...                 jobs on their way (see journal.py)

A folder under `jobs` appears whole by one rename, and is never changed afterwards but for `unread`, the time of its
last use, and pictures that could only be fetched or read later. Where machines share a bucket, this folder is in front
of it: see shared.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count, takewhile
from pathlib import Path

from .. import config
from ..backends import atomic_files as files
from ..backends.atomic_files import make_private_folder, write_atomic
from ..backends.backend import Backend
from ..backends.leases import is_of_the_dead, signature
from ..connections.connection import Connection
from ..errors import BadAnswerError
from .eviction import UNREAD, SizeLimit, by_use, records_in
from .journal import RequestJournal
from .records import (
    EVERYBODY,
    PICTURE_FILE,
    PICTURE_MAX_BYTES,
    RECORD,
    JobRecord,
    Owner,
    StoredAnswer,
    first_number,
    folder_name,
    next_number,
    number_of,
    picture_digests,
    picture_names,
    read_pictures,
    read_record,
    record_bytes,
    unreadable_folder,
)

STORE_VARIABLE = "OPENAI_IMAGE_NODES_STORE"
NOT_HAD, STOPPED, BROKEN = b"", b"stopped", b"broken"
UNREAD_MAX_BYTES = 4096
SANDBOX_STORE = "sandbox_store"
INCOMING = ("incoming", "jobs/.incoming")
CRASHED_AFTER_S = 86_400.0
POLL_S = 0.25
RESCAN_S = 30.0
TICK_NS = 3_000_000_000  # FAT and some shares tell even seconds alone


class NameIndex:
    """The names in a folder that are more than an identity. Safe for many threads.

    Almost every job has one name, its identity, and that is looked up by itself; the others, as of a second answer, are
    few. They are found in one listing for all jobs: among 20,000 answers one took 25 ms. It is made again when the
    folder has changed, but not sooner than RESCAN_S after the last one: what this process adds is noted, and of an
    answer that another process adds the first name tells. Before money is spent `look_again` makes it sure.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._others: dict[str, set[str]] = {}
        self._changed_at: int | None = None
        self._scanned_at = float("-inf")

    def others(self, identity: str) -> set[str]:
        """Return the names of a job besides its identity; what they name may be gone by now."""
        with self._lock:
            if time.monotonic() - self._scanned_at >= RESCAN_S:
                self._scan()
            return set(self._others.get(identity, ()))

    def look_again(self) -> None:
        """Find what other processes have added by now, at the cost of one listing if anything was."""
        files.look_anew(self._folder)
        with self._lock:
            self._scan()

    def note(self, name: str) -> None:
        """Remember a name that this process has added."""
        identity, dot, _ = name.partition(".")
        if dot:
            with self._lock:
                self._others.setdefault(identity, set()).add(name)

    def _scan(self) -> None:
        try:
            changed_at = self._folder.stat().st_mtime_ns
            if changed_at == self._changed_at:
                return
            found = defaultdict(set)
            for name in os.listdir(self._folder):
                identity, dot, _ = name.partition(".")
                if dot:
                    found[identity].add(name)
        except OSError:
            return  # to read an answer will tell what is wrong
        self._others, self._scanned_at = dict(found), time.monotonic()
        # one that was changed this moment may change once more within the same tick of the file system's clock
        self._changed_at = changed_at if time.time_ns() - changed_at > TICK_NS else None


class Store:
    """The jobs below one folder. Safe for many threads, processes and machines at once.

    `poll_s` is how often to look whether somebody else's request for the same is answered, in seconds.
    """

    poll_s = POLL_S
    backend: Backend | None = None  # where other machines' answers and costs are

    def __init__(self, root: Path) -> None:
        self.root = root
        self.jobs = root / "jobs"
        self.journal = RequestJournal(root)
        self._incoming = root / INCOMING[0]
        self._names = NameIndex(self.jobs)
        self._limit = SizeLimit(self.jobs, root / "trash", self.prune)

    def find(self, identity: str, owner: Owner = EVERYBODY) -> StoredAnswer | None:
        """Return an owner's newest answer of a job as it is kept, or None. Touches it: it is forgotten last.

        One that was found to hold no picture comes only where there is no other, with its `fault`.
        Raises: BadAnswerError if all that is kept of the job cannot be read from the disk.
        """
        faulty, error = None, None
        for folder in self._newest_first(identity, owner.account):
            try:
                answer = _read_answer(folder, owner)
            except FileNotFoundError:
                continue  # there is none, or it was forgotten or deleted this moment
            except BadAnswerError as exc:
                error = error or exc
                continue
            if not answer.record.fault:
                return answer
            faulty = faulty or answer
        if faulty is None and error is not None:
            raise error
        return faulty

    def untaken(self, identity: str, owner: Owner = EVERYBODY) -> StoredAnswer | None:
        """Return an owner's newest answer that nobody had and no living process has in hand, or None."""
        for folder in self._newest_first(identity, owner.account):
            with contextlib.suppress(OSError, BadAnswerError):
                told = why_unread(folder) or b""
                if told == STOPPED or is_of_the_dead(told):
                    answer = _read_answer(folder, owner)
                    write_atomic(folder / UNREAD, signature())
                    return answer
        return None

    def file(self, identity: str, digest: str) -> bytes | None:
        """Return the file of a job's answers that has this SHA-256, or None if it is not kept here."""
        for folder in self._newest_first(identity):
            with contextlib.suppress(OSError):
                record = read_record(folder)
                told = record.picture_digests or [digest] * len(record.pictures)  # old records say nothing of theirs
                for name in (name for name, one in zip(record.pictures, told, strict=True) if one == digest):
                    data = files.read_regular(folder / name, PICTURE_MAX_BYTES)
                    if picture_digests([data]) == [digest]:
                        return data
        return None

    def fetch(self, identity: str, owner: Owner = EVERYBODY) -> bool:
        """Bring an owner's newest answer of a job here if other machines have one; tell whether they have.

        Raises: SharedStoreError.
        """
        return False

    def look_again(self) -> None:
        """Learn of all answers that other processes have kept: before a request is paid, nothing may be missed."""
        self._names.look_again()

    def flush_soon(self) -> None:
        """Share what waits to be shared, on a thread of its own."""

    def save(self, record: JobRecord, pictures: Sequence[bytes], *, unread: bytes = b"") -> Path:
        """Keep an answer, on the disk when this returns, and return its folder.

        `unread` is the signature of a process that asked for it on purpose: if that dies before somebody has it, the
        next run that asks so does.
        Raises: OSError, for example when the disk is full.
        """
        record.pictures, record.picture_digests = picture_names(pictures), picture_digests(pictures)
        try:
            return self._save(record, {**dict(zip(record.pictures, pictures, strict=True)), UNREAD: unread})
        except OSError:
            record.pictures, record.picture_digests = [], []
            raise

    def amend(self, answer: StoredAnswer) -> None:
        """Keep the pictures of a kept answer that could be fetched or read only now. Raises: OSError."""
        if answer.folder is None:
            return
        before, answer.record.pictures = answer.record.pictures, picture_names(answer.pictures)
        answer.record.picture_digests = picture_digests(answer.pictures)
        for name, data in zip(answer.record.pictures, answer.pictures, strict=True):
            if name not in before or not (answer.folder / name).exists():  # what a crash left there may be another
                write_atomic(answer.folder / name, data)
        write_atomic(answer.folder / RECORD, record_bytes(answer.record))

    def notes_on(self, folder: Path) -> list[str]:
        """Return what somebody should know of an answer that was just kept."""
        return []

    def _save(self, record: JobRecord, contents: dict[str, bytes]) -> Path:
        make_private_folder(self.jobs)
        fresh = make_private_folder(self._incoming / uuid.uuid4().hex)
        try:
            for name, data in contents.items():
                files.write_synced(fresh / name, data, synced=bool(data))
            files.write_synced(fresh / RECORD, record_bytes(record))
            files.sync(fresh)
            folder = self._moved_into_place(fresh, record)
        except OSError as exc:
            shutil.rmtree(fresh, ignore_errors=True)
            if exc.errno != errno.EXDEV or self._incoming.parent == self.jobs:
                raise
            self._incoming = self.root / INCOMING[1]  # the answers were moved to a disk of their own
            return Store._save(self, record, contents)
        files.sync(self.jobs)
        self._names.note(folder.name)
        self._limit.add(files.folder_bytes(folder))
        return folder

    def records(self, beginning: str = "") -> Iterator[tuple[Path, JobRecord]]:
        """Yield folder and record of all jobs on their way, then of all answers, each the latest used first.

        Of those whose folder's name begins so.
        """
        for path, record in records_in(self.journal.root, beginning):
            if not self.is_answered(record):
                yield path, record
        yield from records_in(self.jobs, beginning)

    def folders_by_use(self) -> list[str]:
        """Return the paths of all jobs on their way, then of all answers, without reading what is in them."""
        return [*by_use(self.journal.root), *by_use(self.jobs)]

    def is_running(self, folder: Path) -> bool:
        """Tell whether a folder of `records` belongs to a request that is on its way right now."""
        return folder.parent == self.journal.root and self.journal.is_leased(folder.name)

    def prune(self, max_bytes: int) -> int:
        """Forget answers, the longest unused first, until at most `max_bytes` are kept; unread ones stay.

        Returns how many were forgotten.
        """
        for folder in files.passing_folders(self.root / "trash"):
            files.remove_tree(folder)
        for folder in (one for path in INCOMING for one in files.passing_folders(self.root / path)):
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > CRASHED_AFTER_S:
                    files.remove_tree(folder)
        self.journal.tidy(self.is_answered)
        return self._limit.make(max_bytes)

    def has(self, identity: str) -> bool:
        """Tell whether something is kept of a job, without reading it."""
        return any(folder.exists() for folder in self._newest_first(identity))

    def was_asked(self, identity: str, owner: Owner = EVERYBODY) -> bool:
        """Tell whether an owner's job has an answer with a picture, or was sent, or perhaps was: paid for, it may be.

        Raises: SharedStoreError.
        """
        known = (record for record in self.records_of(identity) if owner.owns(record))
        if any(not record.fault for record in known) or self.fetch(identity, owner):
            return True
        try:
            record = self.journal.read(owner.name(identity))
        except OSError:
            return True
        return record is not None and record.state != "prepared"

    def records_of(self, identity: str) -> list[JobRecord]:
        """Return the records of all answers of a job, the newest first; those that cannot be read are left out."""
        found = []
        for folder in self._newest_first(identity):
            with contextlib.suppress(OSError):
                found.append(read_record(folder))
        return found

    def _newest_first(self, identity: str, account: str | None = None) -> list[Path]:
        """Return where the answers of a job may be, those of an account among them however new they are."""
        names = {identity} | self._names.others(identity)
        for first in {2, max(2, first_number(account))}:
            news = (f"{identity}.{number}" for number in count(first))
            names.update(takewhile(lambda name: os.path.lexists(self.jobs / name), news))
        numbers = {number: name for name in names if (number := number_of(name, identity)) is not None}
        return [self.jobs / numbers[number] for number in sorted(numbers, reverse=True)]

    def _moved_into_place(self, fresh: Path, record: JobRecord) -> Path:
        identity, account = record.identity, record.account
        there = filter(os.path.lexists, self._newest_first(identity, account))
        number = next_number((one.name for one in there), identity, account)
        while True:
            folder = self.jobs / folder_name(identity, number)
            try:
                if not os.path.lexists(folder):
                    files.move(fresh, folder)
                    return folder
            except OSError:
                if not os.path.lexists(folder):
                    raise
            number += 1

    def is_answered(self, record: JobRecord, *, as_much: bool = False) -> bool:
        """Tell whether the answer is kept that the request of a record got, or `as_much` of it as the record has."""
        for folder in self._newest_first(record.identity, record.account):
            with contextlib.suppress(OSError):
                kept = read_record(folder)
                if kept.sent_at == record.sent_at and not (as_much and kept.lacks > record.lacks):
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
    url = told.rstrip("/") if "://" in told and not told.startswith("file://") else None
    path = Path(told.removeprefix("file://")).expanduser() if told and not url else config.folder() / "store"
    return [_store(path, url), _store(config.folder() / SANDBOX_STORE)]


@cache
def _store(root: Path, url: str | None = None) -> Store:
    if url is None:
        return Store(root)
    from .shared import shared_store  # it builds on this module

    return shared_store(root, url)


def put_back(answer: StoredAnswer, said: bytes = STOPPED) -> None:
    """Note why nobody has an answer yet: whoever asked for it on purpose was stopped, or as is `said`.

    See `Store.untaken`.
    """
    if answer.folder is not None:
        with contextlib.suppress(OSError):
            write_atomic(answer.folder / UNREAD, said)


def why_unread(folder: Path) -> bytes | None:
    """Return what is noted of an answer that nobody had yet, see `put_back`; None where somebody had it."""
    with contextlib.suppress(OSError):
        return files.read_regular(folder / UNREAD, UNREAD_MAX_BYTES)
    return None


def mark_read(answer: StoredAnswer) -> None:
    """Note that somebody has the answer, so that it may be forgotten when the store is full, or that somebody had."""
    if answer.folder is not None:
        try:
            files.remove(answer.folder / UNREAD)
        except OSError as exc:
            answer.was_had = isinstance(exc, FileNotFoundError)


def _read_answer(folder: Path, owner: Owner) -> StoredAnswer:
    """Read an owner's answer and touch it.

    Raises: FileNotFoundError, also for one of somebody else's; BadAnswerError if it cannot be read.
    """
    try:
        record = read_record(folder)
        pictures = read_pictures(folder, record) if owner.owns(record) else None
    except (FileNotFoundError, NotADirectoryError) as exc:
        if any(PICTURE_FILE.fullmatch(name) for name in files.names_in(folder)):  # half deleted, or half synchronized
            raise unreadable_folder(folder, f"{RECORD} is missing") from exc
        raise FileNotFoundError(folder) from exc
    except OSError as exc:
        raise unreadable_folder(folder, exc.strerror or type(exc).__name__) from exc
    if pictures is None:
        raise FileNotFoundError(folder)
    with contextlib.suppress(OSError):
        os.utime(folder / RECORD)
    return StoredAnswer(record, pictures, folder, reused=True)
