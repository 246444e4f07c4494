"""Write-ahead journal of requests on their way: how far each is, so that no crash makes anybody pay twice.

pending/<identity>/             record.json, claim.N (see leases.py), the answer's bytes as they come: answer.json once
                                all are there, answer.part until then
pending/<identity>.again-<id>/  the same, for a job that is asked again on purpose
pending/<identity>.of-<account>/  the same, for an account that has names of its own (see records.py)

Where machines share a bucket, leases lie there alone, and a record lies there too before its job is sent (shared.py).
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..backends import atomic_files as files
from ..backends.atomic_files import make_private_folder, remove_folder, write_atomic
from ..backends.backend import Backend, LocalBackend
from ..backends.leases import acquire, is_leased
from ..errors import RefusedError, SharedStoreError
from ..transport.answer import Reading, addresses_in
from . import spending
from .records import EVERYBODY, JOB_NAME, RECORD, JobRecord, Owner, TornRecord, read_record, record_bytes, suffix_of

LOG = logging.getLogger(__name__)
ANSWER = "answer.json"
HALF_ANSWER = "answer.part"
AGAIN = ".again-"
BATCHED = "batched"
LEFT_AFTER_S = 3600.0
ANSWER_MAX_BYTES = 1 << 30


class RequestJournal:
    """The requests on their way below one folder. What the disk refuses is remembered by this process alone."""

    shared: Backend | None = None  # where other machines see what is held of the day's budget

    def __init__(self, root: Path) -> None:
        self.root = root / "pending"
        self._trash = root / "trash"
        self._unwritten: dict[str, JobRecord] = {}

    def folder(self, name: str) -> Path:
        """Return the folder of a job, made if need be. Raises: OSError."""
        if (self.root / name).is_symlink():  # where others can write too, it may lead anywhere
            raise OSError(errno.EINVAL, "a link, and no folder", str(self.root / name))
        return make_private_folder(self.root / name)

    def place(self, name: str, *, is_made: bool = False) -> Backend:
        """Return where the leases of a job are; one can be taken there that `is_made` if need be. Raises: OSError."""
        return LocalBackend(self.folder(name) if is_made else self.root / name)

    def is_leased(self, name: str) -> bool:
        """Tell whether somebody alive works on a job."""
        return is_leased(self.place(name))

    def write(self, name: str, record: JobRecord, *, goes_out: bool = False) -> None:
        """Write down how far a job is. A record that says more than `prepared` is on the disk when this returns.

        `goes_out`: it is sent now, and everybody has to see it who might send it too.
        Raises: SharedStoreError if those on other machines could not.
        """
        synced = record.state != "prepared"
        try:
            write_atomic(self.folder(name) / RECORD, record_bytes(record), synced=synced)
        except OSError as exc:
            LOG.warning("The state of a request cannot be written to %s: %s", self.root, exc.strerror)
            self._unwritten[name] = record.model_copy()
            return
        self._unwritten.pop(name, None)
        if synced:
            files.sync(self.root)

    def read(self, name: str) -> JobRecord | None:
        """Return what was last written of a job, or None.

        Raises: OSError if something is there and cannot be read, SharedStoreError.
        """
        return self._unwritten.get(name) or self._read_here(name)

    def drop(self, name: str) -> None:
        """Forget a job: it is answered, or it was certainly not paid."""
        self._unwritten.pop(name, None)
        remove_folder(self.root / name, self._trash)
        spending.release(self.root.parent, name, self.shared)

    @contextlib.contextmanager
    def receiving(self, name: str) -> Iterator[Callable[[bytes], None]]:
        """Give what writes an answer down piece by piece, while it comes; what came stays, whatever happens.

        A disk that takes none of it is no reason to stop.
        """
        whole, half = self.root / name / ANSWER, self.root / name / HALF_ANSWER
        is_written = True
        self.discard_answer(name)

        def write(piece: bytes) -> None:
            nonlocal is_written
            if is_written:
                try:
                    files.append(half, piece)
                except OSError:
                    is_written = False
                    self.discard_answer(name)  # what has a gap is of no use, and the disk may be full

        yield write
        if is_written:
            with contextlib.suppress(OSError):
                files.move(half, whole)

    def sync_answer(self, name: str) -> None:
        """Wait until the disk has an answer that only tells where its pictures are, before they are fetched."""
        files.sync(self.root / name / ANSWER)

    def answer(self, name: str) -> bytes | None:
        """Return the answer of a job whose pictures are not kept yet, or what came of it if that is of use; else None.

        Raises: OSError if it is there and cannot be read.
        """
        for file in (ANSWER, HALF_ANSWER):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                came = files.read_regular(self.root / name / file, ANSWER_MAX_BYTES)
                if file == ANSWER or Reading(came).is_worth_reading:
                    return came
        return None

    def discard_answer(self, name: str) -> None:
        """Forget what came in answer to a job: it was an error, or it is asked for once more."""
        for file in (ANSWER, HALF_ANSWER):
            with contextlib.suppress(OSError):
                files.remove(self.root / name / file)

    def write_partials(self, name: str, partials: Sequence[bytes]) -> None:
        """Keep the sketches of an answer that never came whole; better than nothing for somebody who paid."""
        for index, data in enumerate(partials):
            with contextlib.suppress(OSError):
                write_atomic(self.folder(name) / f"partial_{index}.{suffix_of(data)}", data)

    def adopt(
        self, name: str, owner: Owner = EVERYBODY, *, is_answered: Callable[[JobRecord], bool] | None = None
    ) -> JobRecord | None:
        """Take over what an owner's same job left behind under another name, so that it is not asked once more.

        With `is_answered`, which tells of whose answer is kept, only what an answer came to that nobody had.
        Raises: OSError, SharedStoreError.
        """
        for other in self._left_behind(name, owner):
            record = self.read(other) if is_answered is None else self._readable(other)
            if record is None or not owner.owns(record):
                continue
            if (
                record.state != "prepared"
                if is_answered is None
                else record.state != "answered" and self._has_come(other, record) and not is_answered(record)
            ):
                self.folder(name)  # where it cannot be, the other one stays
                for file in (ANSWER, HALF_ANSWER):  # first: whoever comes after a crash finds it here, or the other job
                    with contextlib.suppress(FileNotFoundError):
                        files.link(self.root / other / file, self.root / name / file)
                self.write(name, record)
                if name not in self._unwritten:  # else the other one is all that the next process sees
                    self.drop(other)
                return record
        return None

    def lost(self, name: str) -> JobRecord | None:
        """Return what was sent of a job that was asked again on purpose, and whose answer nobody kept, or None.

        Raises: OSError, SharedStoreError.
        """
        records = map(self.read, self._left_behind(name, EVERYBODY))
        return next((record for record in records if record and record.state != "prepared"), None)

    def forget(self, name: str, owner: Owner = EVERYBODY) -> None:
        """Forget an owner's tries of a job whose outcome is unknown: it was paid again on purpose and answered.

        What came an answer to stays: it is paid, and nobody had it.
        """
        with contextlib.suppress(OSError, SharedStoreError):
            for other in [name, *self._left_behind(name, owner)]:
                with contextlib.suppress(OSError):
                    if self._has_come(other, self._readable(other)):
                        continue
                    self._drop_unleased(other, owner)
                self._unwritten.pop(other, None)

    def tidy(self, is_answered: Callable[[JobRecord], bool]) -> None:
        """Remove what crashes left behind an hour ago or more: what was never sent, and what is answered."""
        with contextlib.suppress(SharedStoreError):
            for folder in self.root.glob("*"):
                with contextlib.suppress(OSError):
                    if not JOB_NAME.fullmatch(folder.name) or folder.is_symlink():
                        continue  # not ours to delete
                    if time.time() - folder.stat().st_mtime > LEFT_AFTER_S:
                        record = self.read(folder.name)
                        is_unsent = record is None or record.state == "prepared"
                        if is_unsent and (folder / ANSWER).exists():
                            continue  # the disk did not take that it was sent
                        if record is None or is_unsent or is_answered(record):
                            self._drop_unleased(folder.name)

    def hand_over(self, record: JobRecord) -> bool:
        """Write down that a job goes out in a batch; False if it is on its way already, by another path or batch.

        The disk may have it later where `files.sync_all` brings it there: a batch has many jobs.
        Raises: OSError, SharedStoreError.
        """
        name = record.identity
        ours = acquire(self.place(name, is_made=True))
        if ours is None:
            return False
        try:
            old = self.read(name)
            if old is not None and old.state != "prepared" and old.batch != record.batch:
                return False
            write_atomic(self.folder(name) / RECORD, record_bytes(record), synced=not files.syncs_all())
            self._tell_others(name, record)
        finally:
            ours.release()
        return True

    def take_back(self, identity: str, batch: str) -> None:
        """Note that a job is no longer part of a batch: it was answered, or it was never worked on."""
        with contextlib.suppress(OSError):
            record = self._unwritten.get(identity) or self._read_here(identity)
            if record is not None and record.batch == batch:
                self.drop(identity)

    def _tell_others(self, name: str, record: JobRecord) -> None:
        """Let other machines know how far a job is. Raises: SharedStoreError."""

    def _readable(self, name: str) -> JobRecord | None:
        """Return a job's record, None also where it cannot be read: others are looked at all the same."""
        with contextlib.suppress(OSError):
            return self.read(name)
        return None

    def _has_come(self, name: str, record: JobRecord | None) -> bool:
        """Tell whether something came in answer to a job, if only where its task is."""
        return bool(self.answer(name) or (record and addresses_in(record.headers)))

    def _names(self, prefix: str) -> set[str]:
        """Return the names of jobs that begin so, whoever wrote them down.

        Raises: OSError: what cannot be listed is not nothing, and would be paid once more.
        """
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return {name for name in os.listdir(self.root) if name.startswith(prefix)}
        return set()

    def _read_here(self, name: str) -> JobRecord | None:
        try:
            return read_record(self.root / name)
        except (FileNotFoundError, NotADirectoryError, TornRecord):
            return None  # torn where the machine went down: only `prepared` is not waited for

    def _left_behind(self, name: str, owner: Owner) -> Iterator[str]:
        """Yield other names under which an owner's same job was asked by somebody who gave up or died."""
        identity = name.partition(".")[0]
        firsts = {identity, owner.own_name(identity)}
        unwritten = [other for other, record in list(self._unwritten.items()) if record.state == "unknown"]
        for other in (other for other in unwritten if other != name and _is_of(other, firsts)):
            yield other
        for other in sorted(self._names(identity) - {name}):
            ours = None
            if _is_of(other, firsts) and (self.root / other).is_symlink():
                yield other  # to be read: that says what is wrong with it
            elif _is_of(other, firsts):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    ours = acquire(self.place(other))
            if ours is not None:
                try:
                    yield other
                finally:
                    ours.release()

    def _drop_unleased(self, name: str, owner: Owner = EVERYBODY) -> None:
        ours = None
        with contextlib.suppress(RefusedError):  # no thread for a claim: it stays, and no answer is lost for it
            ours = acquire(self.place(name))
        if ours is not None:
            record = self.read(name) if owner.account is not None else None
            if record is None or owner.owns(record):
                self.drop(name)
            ours.release()


def again(name: str) -> str:
    """Return a name for a job that is asked again on purpose."""
    return f"{name}{AGAIN}{uuid.uuid4().hex[:8]}"


def _is_of(name: str, firsts: set[str]) -> bool:
    """Tell whether a name is one of some, or that of one asked again."""
    return name.partition(AGAIN)[0] in firsts
