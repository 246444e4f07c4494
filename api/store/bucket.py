"""What machines share in a bucket: answers, jobs on their way, costs; laid out as a store's folder is.

    jobs/<identity>[.N]/taken         which answer has this number, so that two machines never write into one
                        picture_0.png ..., record.json: the record comes last, so one that can be seen is whole
    pending/<name>/record.json, claim.N
    spent/<day>/<amount>_<connection>_<answer>.json

Nothing here is ever forgotten by itself. Whatever fails raises SharedStoreError.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from itertools import count

from ..backends.backend import Backend
from ..config import tell_once
from ..errors import SharedStoreError
from . import spending
from .records import (
    EVERYBODY,
    JOB_NAME,
    RECORD,
    RECORD_MAX_BYTES,
    JobRecord,
    Owner,
    UnfitRecord,
    exchanged,
    first_number,
    folder_name,
    identity_of,
    number_of,
    read_all,
    record_bytes,
    record_from,
)

JOBS = "jobs"
PENDING = "pending"
TAKEN = "taken"
PROBES = "probes"


class SharedBucket:
    """The bucket that several machines share; `name` is what people are told of it."""

    def __init__(self, backend: Backend, name: str) -> None:
        self.backend = backend
        self.name = name

    def probe(self) -> bool:
        """Write something and take it away; tell whether objects can be created exclusively."""
        name = f"{PROBES}/{uuid.uuid4().hex}"
        self.backend.write(name, b"")
        self.backend.names(name)
        self.backend.remove(name)
        return self.backend.is_exclusive

    def answers(self, identity: str, owner: Owner = EVERYBODY) -> Iterator[tuple[JobRecord, list[bytes]]]:
        """Yield the answers of a job that are there whole and an owner's, the newest first.

        Raises: SharedStoreError if the bucket fails, or if something is there and none of it can be used.
        """
        names = [name.split("/") for name in self.backend.names(f"{JOBS}/{identity}")]
        folders = {name[1] for name in names if len(name) == 3 and name[2] == RECORD}
        first = first_number(owner.account)
        numbers = {first: folder_name(identity, first)}  # looked at itself: in some buckets a listing comes late
        numbers |= {number: name for name in folders if (number := number_of(name, identity)) is not None}
        unfit: UnfitRecord | None = None
        was_found = False
        for number in sorted(numbers, reverse=True):
            try:
                answer = self._answer(f"{JOBS}/{numbers[number]}", identity, owner)
            except UnfitRecord as exc:
                unfit = unfit or exc
                self._leave_alone(exc)
                continue
            if answer is not None:
                was_found = True
                yield answer
        if unfit is not None and not was_found:
            raise self._told(unfit)

    def put(self, record: JobRecord, pictures: Sequence[bytes]) -> None:
        """Let the others have an answer, or what came of it later; twice, or half before, does no harm."""
        folder, is_whole = self._place_of(record)
        if not is_whole or record.lacks < self._lacking(folder, record.identity):
            for name, data in zip(record.pictures, pictures, strict=True):
                self.backend.write(f"{folder}/{name}", data)
            self.backend.write(f"{folder}/{RECORD}", record_bytes(record))
        self.backend.write(*spending.note_of(record))

    def job(self, name: str) -> Backend:
        """Return where a job on its way is, with its leases."""
        return self.backend.at(f"{PENDING}/{name}")

    def jobs(self, beginning: str) -> set[str]:
        """Return the names of jobs on their way that begin so."""
        names = {name.split("/")[1] for name in self.backend.names(f"{PENDING}/{beginning}")}
        return {name for name in names if JOB_NAME.fullmatch(name)}

    def read_job(self, name: str) -> JobRecord | None:
        """Return how far a job is, or None.

        Raises: SharedStoreError, also if something is there that cannot be used.
        """
        try:
            return self._record(f"{PENDING}/{name}", identity_of(name) or "")
        except UnfitRecord as exc:
            raise self._told(exc) from None

    def usable_job(self, name: str) -> JobRecord | None:
        """Return how far a job is, or None, also where what is there cannot be used.

        Raises: SharedStoreError if the bucket fails.
        """
        try:
            return self._record(f"{PENDING}/{name}", identity_of(name) or "")
        except UnfitRecord as exc:
            self._leave_alone(exc)
            return None

    def write_job(self, name: str, record: JobRecord) -> None:
        """Let the others know how far a job is."""
        self.job(name).write(RECORD, record_bytes(record))

    def drop_job(self, name: str) -> None:
        """Let the others know that a job is on its way no more."""
        self.job(name).remove(RECORD)

    def drop_answered(self, record: JobRecord) -> None:
        """Drop the job that an answer belongs to, whatever its name was."""
        for name in self.jobs(record.identity):
            job = self.usable_job(name)
            if job is not None and _payment(job) == _payment(record):
                self.drop_job(name)

    def _place_of(self, record: JobRecord) -> tuple[str, bool]:
        """Return the place of an answer, taken now or before, and whether it is there already."""
        names = set(self.backend.names(f"{JOBS}/{record.identity}"))
        ours = record.fingerprint.encode()
        for number in count(first_number(record.account)):
            folder = f"{JOBS}/{folder_name(record.identity, number)}"
            is_whole, is_taken = f"{folder}/{RECORD}" in names, f"{folder}/{TAKEN}" in names
            if is_taken and self.backend.read(f"{folder}/{TAKEN}") == ours:
                return folder, is_whole
            if not is_whole and not is_taken and self.backend.create(f"{folder}/{TAKEN}", ours):
                return folder, False
        raise AssertionError("numbers do not end")

    def _record(self, folder: str, identity: str) -> JobRecord | None:
        data = self.backend.read(f"{folder}/{RECORD}", RECORD_MAX_BYTES + 1)
        return None if data is None else record_from(data, identity, f"{folder}/{RECORD}")

    def _lacking(self, folder: str, identity: str) -> int:
        with contextlib.suppress(UnfitRecord):  # a stranger's is left alone
            there = self._record(folder, identity)
            return there.lacks if there else 0
        return 0

    def _answer(self, folder: str, identity: str, owner: Owner) -> tuple[JobRecord, list[bytes]] | None:
        record = self._record(folder, identity)
        if record is None or not owner.owns(record):
            return None
        pictures = read_all(record, lambda name, max_bytes: self._picture(f"{folder}/{name}", max_bytes))
        for name in exchanged(record, pictures):
            raise UnfitRecord(f"{folder}/{name}", "not the picture that was kept")
        return record, pictures

    def _picture(self, name: str, max_bytes: int) -> bytes:
        data = self.backend.read(name, max_bytes + 1)
        if data is None:
            raise UnfitRecord(name, "missing, and its record is there")
        if len(data) > max_bytes:
            raise UnfitRecord(name, "too large for a picture")
        return data

    def _leave_alone(self, exc: UnfitRecord) -> None:
        tell_once(f"{exc.filename} in the shared store {self.name} cannot be used ({exc.strerror}). It is left alone.")

    def _told(self, exc: UnfitRecord) -> SharedStoreError:
        folder = str(exc.filename).rpartition("/")[0]
        return SharedStoreError(
            f"{exc.filename} in the shared store {self.name} cannot be used ({exc.strerror}). It is about this request,"
            f" which may have been paid: look into it and put back what was there, or delete {folder}/{RECORD} to send"
            " the request again (you may pay twice)."
        )


def _payment(record: JobRecord) -> tuple[object, object]:
    return record.account, record.batch or record.sent_at
