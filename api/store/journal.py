"""Jobs on their way: how far each is, in a folder of its own, so that no crash makes anybody pay twice.

pending/<identity>/             record.json, claim.N (see leases.py), answer.json where pictures are still fetched
pending/<identity>.again-<id>/  the same, for a job that is asked again on purpose

Where machines share a bucket, claims lie there alone, and a record lies there too before its job is sent.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from ..backends.atomic_files import make_private_folder, remove_folder, sync_folder, write_atomic
from ..backends.backend import Backend
from ..backends.leases import Lease, acquire, is_leased
from ..errors import SharedStoreError
from .outbox import Outbox
from .records import RECORD, JobRecord, read_record, record_bytes, suffix_of

LOG = logging.getLogger(__name__)
RAW_ANSWER = "answer.json"
AGAIN = ".again-"
BATCHED = "batched"
LEFT_AFTER_S = 3600.0


class RequestJournal:
    """The jobs on their way below one folder. What the disk refuses is remembered by this process alone."""

    def __init__(self, root: Path, outbox: Outbox | None = None) -> None:
        self.root = root / "pending"
        self._trash = root / "trash"
        self._unwritten: dict[str, JobRecord] = {}
        self._outbox = outbox
        self._shared = outbox.shared if outbox else None
        self._announced: set[str] = set()

    def folder(self, name: str) -> Path:
        """Return the folder of a job, made if need be.

        Raises: OSError.
        """
        return make_private_folder(self.root / name)

    def claim(self, name: str) -> Lease | None:
        """Take a job for this process, or return None while a live owner has it.

        Raises: OSError, SharedStoreError.
        """
        if self._shared is None:
            self.folder(name)
        return acquire(self._place(name))

    def is_claimed(self, name: str) -> bool:
        """Tell whether somebody alive works on a job."""
        return is_leased(self._place(name))

    def announce(self, name: str, record: JobRecord) -> None:
        """Write down that a job goes out now, where everybody sees it who might send it too.

        Raises: SharedStoreError if those on other machines could not.
        """
        self._write_here(name, record)
        if self._shared is not None:
            self._announced.add(name)
            self._shared.write_job(name, record)

    def write(self, name: str, record: JobRecord) -> None:
        """Write down how far a job is. A record that says more than `prepared` is on the disk when this returns."""
        self._write_here(name, record)
        if self._shared is not None and (record.state != "prepared" or name in self._announced):
            try:
                self._shared.write_job(name, record)
            except SharedStoreError as exc:
                LOG.warning("The state of a request cannot be shared: %s", exc)
                self._unwritten[name] = record.model_copy()

    def _write_here(self, name: str, record: JobRecord) -> None:
        synced = record.state != "prepared"
        try:
            write_atomic(self.folder(name) / RECORD, record_bytes(record), synced=synced)
        except OSError as exc:
            LOG.warning("The state of a request cannot be written to %s: %s", self.root, exc.strerror)
            self._unwritten[name] = record.model_copy()
            return
        self._unwritten.pop(name, None)
        if synced:
            sync_folder(self.root)

    def read(self, name: str) -> JobRecord | None:
        """Return what was last written of a job, or None.

        Raises: OSError if something is there and cannot be read, SharedStoreError.
        """
        if name in self._unwritten:
            return self._unwritten[name]
        if self._outbox is not None:
            self._outbox.settle(name)
            shared = self._outbox.shared.read_job(name)
            if shared is not None:
                return shared
        return self._read_here(name)

    def _read_here(self, name: str) -> JobRecord | None:
        try:
            return read_record(self.root / name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValidationError:
            return None  # the machine went down before the disk had it: only `prepared` is not waited for

    def write_raw_answer(self, name: str, body: bytes) -> None:
        """Write down an answer that only tells where its pictures are, before they are fetched.

        Raises: OSError.
        """
        write_atomic(self.folder(name) / RAW_ANSWER, body)

    def write_partials(self, name: str, partials: Sequence[bytes]) -> None:
        """Keep the sketches of an answer that never came whole; better than nothing for somebody who paid."""
        for index, data in enumerate(partials):
            with contextlib.suppress(OSError):
                write_atomic(self.folder(name) / f"partial_{index}.{suffix_of(data)}", data)

    def read_raw_answer(self, name: str) -> bytes | None:
        """Return an answer whose pictures were not all fetched, or None."""
        try:
            return (self.root / name / RAW_ANSWER).read_bytes()
        except OSError:
            return None

    def drop(self, name: str) -> None:
        """Forget a job: it is answered, or it was certainly not paid.

        Others go on seeing a job whose answer they cannot have yet.
        """
        record = self._unwritten.pop(name, None)
        self._announced.discard(name)
        if self._outbox is not None and not self._outbox.holds(name.partition(".")[0]):
            with contextlib.suppress(OSError):
                record = record or self._read_here(name)
            self._outbox.drop(name, record)
        remove_folder(self.root / name, self._trash)

    def adopt(self, identity: str) -> JobRecord | None:
        """Take over what a job that was asked again on purpose left behind, so that it is not asked once more."""
        for name in self._left_again(identity):
            record = self.read(name)
            if record is not None and record.state != "prepared":
                self.write(identity, record)
                self.drop(name)
                return record
        return None

    def forget(self, identity: str) -> None:
        """Forget tries of a job whose outcome is unknown: the person paid again on purpose and has the answer."""
        with contextlib.suppress(SharedStoreError):
            for name in [identity, *self._left_again(identity)]:
                with contextlib.suppress(OSError):
                    self._drop_unclaimed(name)
                self._unwritten.pop(name, None)

    def tidy(self, is_answered: Callable[[JobRecord], bool]) -> None:
        """Remove what crashes left behind an hour ago or more: what was never sent, and what is answered."""
        with contextlib.suppress(SharedStoreError):
            for folder in self.root.glob("*"):
                with contextlib.suppress(OSError):
                    if time.time() - folder.stat().st_mtime > LEFT_AFTER_S:
                        record = self.read(folder.name)
                        if record is None or record.state == "prepared" or is_answered(record):
                            self._drop_unclaimed(folder.name)

    def hand_over(self, record: JobRecord) -> bool:
        """Write down that a job goes out in a batch; False if it is on its way already, by another path or batch.

        The disk may have it later (see `files.sync_all`): a batch has many jobs.
        Raises: OSError, SharedStoreError.
        """
        ours = self.claim(record.identity)
        if ours is None:
            return False
        try:
            old = self.read(record.identity)
            if old is not None and old.state != "prepared" and old.batch != record.batch:
                return False
            write_atomic(self.folder(record.identity) / RECORD, record_bytes(record), synced=False)
            if self._shared is not None:
                self._shared.write_job(record.identity, record)
        finally:
            ours.release()
        return True

    def take_back(self, identity: str, batch: str) -> None:
        """Note that a job is no longer part of a batch: it was answered, or it was never worked on."""
        with contextlib.suppress(OSError):
            record = self._unwritten.get(identity) or self._read_here(identity)
            if record is not None and record.batch == batch:
                self.drop(identity)

    def _left_again(self, identity: str) -> Iterator[str]:
        """Yield the names under which the job was asked again by somebody who gave up or died."""
        prefix = f"{identity}{AGAIN}"
        unwritten = list(self._unwritten.items())
        yield from [name for name, record in unwritten if name.startswith(prefix) and record.state == "unknown"]
        written = self._shared.jobs(prefix) if self._shared else set[str]()
        with contextlib.suppress(OSError):
            written.update(name for name in os.listdir(self.root) if name.startswith(prefix))
        for name in sorted(written):
            ours = None
            with contextlib.suppress(OSError):
                ours = acquire(self._place(name))
            if ours is not None:
                try:
                    yield name
                finally:
                    ours.release()

    def _drop_unclaimed(self, name: str) -> None:
        ours = acquire(self._place(name))
        if ours is not None:
            self.drop(name)
            ours.release()

    def _place(self, name: str) -> Path | Backend:
        """Return where the claims of a job are; the folder need not be there."""
        return self._shared.job(name) if self._shared else self.root / name


def again(identity: str) -> str:
    """Return a name for a job that is asked again on purpose."""
    return f"{identity}{AGAIN}{uuid.uuid4().hex[:8]}"


def is_again(name: str) -> bool:
    """Tell whether a name is that of a job that is asked again on purpose."""
    return AGAIN in name
