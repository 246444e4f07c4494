"""A store in front of a bucket that machines share: what is kept here is had without the bucket.

What is kept there comes here first. What could not be told to the others yet is noted in the outbox.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from ..backends import atomic_files as files
from ..backends.backend import Backend
from ..backends.fsspec_client import BucketBackend, FsspecClient
from ..errors import SharedStoreError
from .bucket import SharedBucket
from .eviction import UNREAD, UNSHARED, records_in
from .journal import RequestJournal
from .outbox import Outbox
from .records import EVERYBODY, JobRecord, Owner, StoredAnswer
from .store import Store

LOG = logging.getLogger(__name__)
POLL_S = 1.0  # each look is a few requests, which a bucket's owner pays
NOT_SHARED = (
    "Kept here, not yet shared: {} could not be reached. It is tried again; `openai-image jobs sync` does it now."
)


class SharedStore(Store):
    """The jobs below one folder of this machine and in a bucket."""

    poll_s = POLL_S

    def __init__(self, root: Path, bucket: SharedBucket) -> None:
        super().__init__(root)
        self.bucket = bucket
        self.backend = bucket.backend
        self.outbox = Outbox(root, bucket, self._newest_first)
        self.journal = SharedJournal(root, bucket, self.outbox)

    def flush_soon(self) -> None:
        """Try to share what waits, on a thread of its own."""
        self.outbox.flush_soon()

    def fetch(self, identity: str, owner: Owner = EVERYBODY) -> bool:
        """Bring an owner's newest answer of a job here if other machines have one; tell whether they have.

        One without a picture comes only where there is no other. Raises: SharedStoreError.
        """
        newest: tuple[JobRecord, list[bytes]] | None = None
        for record, pictures in self.bucket.answers(identity, owner):
            newest = newest or (record, pictures)
            if not record.fault:
                newest = record, pictures
                break
        if newest is None:
            return False
        record, pictures = newest
        try:
            if not self.is_answered(record, as_much=True):
                # unread: a full store would forget it before anybody has it, and it would be paid once more
                super()._save(record, {**dict(zip(record.pictures, pictures, strict=True)), UNREAD: b""})
        except OSError as exc:
            raise SharedStoreError(
                f"The picture is in the shared store, but {self.root} cannot take it ({exc.strerror}). Make room."
            ) from exc
        return True

    def amend(self, answer: StoredAnswer) -> None:
        """Keep what came of an answer later, and share it. Raises: OSError."""
        super().amend(answer)
        if answer.folder is not None:
            note = self.outbox.announce(answer.record.identity)
            files.write_synced(answer.folder / UNSHARED, b"", synced=False)
            self.outbox.deliver(note, answer.folder, answer.record, answer.pictures)

    def notes_on(self, folder: Path) -> list[str]:
        """Return that an answer is not shared yet, if so."""
        return [NOT_SHARED.format(self.bucket.name)] if (folder / UNSHARED).exists() else []

    def share_all(self) -> None:
        """Note that every answer is to be shared, also those from before there was anybody to share with.

        Raises: OSError.
        """
        for folder, record in records_in(self.jobs):
            files.write_synced(folder / UNSHARED, b"", synced=False)
            self.outbox.note(record.identity)

    def _save(self, record: JobRecord, contents: dict[str, bytes]) -> Path:
        pictures = [contents[name] for name in record.pictures]
        try:
            note = self.outbox.announce(record.identity)
            try:
                folder = super()._save(record, {**contents, UNSHARED: b""})
            except OSError:
                self.outbox.withdraw(note)
                raise
        except OSError:
            with contextlib.suppress(SharedStoreError):
                self.bucket.put(record, pictures)  # then it is kept at least there
            raise
        self.outbox.deliver(note, folder, record, pictures)
        return folder


def shared_store(root: Path, url: str) -> SharedStore:
    """Return the store in a folder of this machine and in the bucket of a URL.

    Raises: RefusedError if the URL holds a key.
    """
    client = FsspecClient(url)
    return SharedStore(root, SharedBucket(BucketBackend(client), client.url))


class SharedJournal(RequestJournal):
    """The requests on their way of all machines that share a bucket: leases lie there alone, records there too."""

    def __init__(self, root: Path, bucket: SharedBucket, outbox: Outbox) -> None:
        super().__init__(root)
        self._bucket = bucket
        self.shared = bucket.backend
        self._outbox = outbox
        self._announced: set[str] = set()

    def place(self, name: str, *, is_made: bool = False) -> Backend:
        """Return where the leases of a job are, and can be taken."""
        return self._bucket.job(name)

    def write(self, name: str, record: JobRecord, *, goes_out: bool = False) -> None:
        """Write down how far a job is, for others too once it says more than `prepared`.

        `goes_out`: it is sent now. Raises: SharedStoreError if it is, and others could not see it.
        """
        super().write(name, record)
        if goes_out:
            self._announced.add(name)
        if record.state != "prepared" or name in self._announced:
            try:
                self._tell_others(name, record)
            except SharedStoreError as exc:
                if goes_out:
                    raise
                LOG.warning("The state of a request cannot be shared: %s", exc)
                self._unwritten[name] = record.model_copy()

    def read(self, name: str) -> JobRecord | None:
        """Return what was last written of a job by any machine, or None.

        Raises: OSError if something is there and cannot be read, SharedStoreError.
        """
        if name in self._unwritten:
            return self._unwritten[name]
        self._outbox.settle(name)
        return self._bucket.read_job(name) or self._read_here(name)

    def drop(self, name: str) -> None:
        """Forget a job: it is answered, or it was certainly not paid.

        Others go on seeing a job whose answer they cannot have yet.
        """
        record = self._unwritten.get(name)
        self._announced.discard(name)
        if not self._outbox.holds(name.partition(".")[0]):
            with contextlib.suppress(OSError):
                record = record or self._read_here(name)
            self._outbox.drop(name, record)
        super().drop(name)

    def _tell_others(self, name: str, record: JobRecord) -> None:
        self._bucket.write_job(name, record)

    def _names(self, prefix: str) -> set[str]:
        return super()._names(prefix) | self._bucket.jobs(prefix)
