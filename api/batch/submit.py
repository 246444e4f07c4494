"""From the plan to batches of the service: split, pictures uploaded, written down, begun; never begun twice.

A batch goes through the states of `BatchRecord`, each on the disk before the next step; whoever comes after a crash
goes on from there. The only step that costs money is the last, and it is never repeated before the service's list was
searched for its outcome.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import cast

from ..backends.atomic_files import make_private_folder, open_regular, read_regular, sync_all, write_atomic
from ..catalog import catalog
from ..connections.connection import Connection
from ..errors import (
    BadAnswerError,
    OpenAIImageError,
    OutcomeUnknownError,
    RateLimitError,
    RefusedError,
    ServiceDownError,
    StillRunningError,
)
from ..store import spending
from ..store.records import RECORD_MAX_BYTES
from ..store.store import Store
from ..transport.bodies import FilePart
from ..transport.error_rules import PAY_AGAIN_ADVICE
from .client import BatchService
from .jsonl import BatchPart, endpoint_of, is_inline, request_line
from .plan import FOLDER, JobPlan, PlannedFile, PlannedJob, total_usd
from .records import CREATING, PREPARING, REFUSED, SUBMITTED, BatchLedger, BatchRecord, Told, new_id
from .service_objects import BatchObject, FileObject

PICTURE_PURPOSE = "vision"
FILE_LIFETIME_S = 7 * 86_400
LONGEST_USE_S = 2 * catalog.BATCH_WINDOW_S  # what the service deletes sooner is uploaded again
UPLOADS_AT_A_TIME = 4
SETTLES_AFTER_S = 10.0  # how long a batch that was just begun may be missing in the service's list
LOOK_EVERY_S = 2.0
# a conflict as well: of a batch that is there already its answer may be what got lost
MAY_HAVE_BEGUN = (OutcomeUnknownError, BadAnswerError, ServiceDownError, StillRunningError)
CENT = 0.01  # sums of many prices differ a little, by their order
CHANGED = "The plan is not what you saw any more. Look at it again, then submit."

# ids of files and of the jobs in them: a file that a record names alone, or of other jobs, is not what is to be bought
_sent_here: set[tuple[str | None, int]] = set()


class BatchSubmitter:
    """Begins batches over one connection; `told` hears in words what is being done."""

    def __init__(self, store: Store, connection: Connection, told: Told) -> None:
        self._store, self._connection, self._told = store, connection, told
        self._plan, self._ledger, self._service = JobPlan(store), BatchLedger(store), BatchService(connection)

    def prepare(self, part: BatchPart) -> BatchRecord:
        """Write down a batch to be; nothing is sent yet.

        Raises: OutOfCreditError if the day's budget would be passed, OSError.
        """
        self._refuse_over_budget(self._cautious_usd(part.jobs))
        record = BatchRecord(
            id=new_id(),
            connection=part.connection,
            service=self._connection.service,
            address=self._connection.base_url,
            account=account_of(self._connection),
            model=part.model,
            operation=part.operation,
            count=0,
            prepared_at=time.time(),
        )
        return self._ledger.begin(record, [one.identity for one in part.jobs])

    def go_on(self, record: BatchRecord, *, high_usd: float | None = None) -> BatchRecord | None:
        """Take a batch from wherever it was left to being submitted; None if nothing is left to be done in it.

        `high_usd` is what was agreed to, None where nobody knew: who else writes to the folder may change the plan.
        Raises: OpenAIImageError, OSError.
        """
        if record.state == CREATING:
            self.settle(record)
        if record.state == PREPARING:
            jobs = self._taken(record)
            if not jobs:
                self._ledger.forget(record)
                return None
            if high_usd is not None and (record.high_usd is None or record.high_usd > high_usd + CENT):
                raise RefusedError(CHANGED)
            self._refuse_over_budget(record.held_usd or 0.0, but=record.id)
            identities = hash(tuple(one.identity for one in jobs))
            if (record.input_file_id, identities) not in _sent_here:
                sent = self._with_files_sent(record, jobs)
                record.input_file_id, record.input_file_at = sent.id, record.input_file_at or sent.created_at
                _sent_here.add((sent.id, identities))
            self._create(record)
        return record

    def _taken(self, record: BatchRecord) -> list[PlannedJob]:
        """Mark all jobs as this batch's and return them: no direct run sends them from here on."""
        listed = self._ledger.jobs(record)
        asked_at = {"sent_at": record.prepared_at}
        planned = self._ledger.planned(record, self._plan)
        told = ((one, one.record(record.id).model_copy(update=asked_at)) for one in planned)
        marked = [one for one, job in told if self._store.journal.hand_over(job)]
        self._store.look_again()  # what a direct run has answered until it was marked is not bought here
        taken = [one for one in marked if self._can_be_sent(one)]
        for identity in set(listed) - {one.identity for one in taken}:  # some left the plan since an earlier try
            self._store.journal.take_back(identity, record.id)
        record.count = len(taken)
        record.low_usd, record.high_usd = total_usd(taken, "low_usd"), total_usd(taken, "high_usd")
        record.held_usd = self._cautious_usd(taken)
        if len(taken) < len(listed):
            self._ledger.begin(record, [one.identity for one in taken])
        sync_all()
        self._ledger.write(record)
        return taken

    def _can_be_sent(self, planned: PlannedJob) -> bool:
        """Tell whether a job is to be sent. It leaves the plan where a direct run was faster, and fails where a picture
        is gone: the next run of the workflow plans it with its pictures again."""
        if not planned.again and (self._store.has(planned.identity) or self._store.fetch(planned.identity)):
            self._plan.remove([planned.identity])
            return False
        missing = self._plan.lacks(planned)
        if missing is not None:
            self._plan.write(planned.model_copy(update={"fault": f"{missing} is missing", "fault_is_final": True}))
        return missing is None

    def _with_files_sent(self, record: BatchRecord, jobs: Sequence[PlannedJob]) -> FileObject:
        file_ids = self._pictures_sent([file for one in jobs for file in one.files if not is_inline(file)])
        path = self._ledger.folder(record.id) / "requests.jsonl"
        digest = hashlib.sha256()
        with open_regular(path, "wb") as file:
            for one in jobs:
                line = request_line(one, self._plan, file_ids, connection=self._connection)
                digest.update(line)
                file.write(line)
        self._told(f"uploading {len(jobs)} requests, {path.stat().st_size / 1e6:.1f} MB")
        with open_regular(path, "rb") as lines:
            content = mmap.mmap(lines.fileno(), 0, access=mmap.ACCESS_READ)  # 190 MB need not be in memory
        part = FilePart("file", path.name, cast(bytes, content), digest.hexdigest(), "application/octet-stream")
        return self._service.upload(part, purpose="batch", lifetime_s=FILE_LIFETIME_S)

    def _pictures_sent(self, pictures: Sequence[PlannedFile]) -> dict[str, str]:
        """Return the service's ids of pictures by content; each is uploaded once, whatever the number of jobs."""
        unique = list({file.sha256: file for file in pictures}.values())
        sent = UploadedPictures(self._store, self._connection)
        done, lock = 0, threading.Lock()

        def send(file: PlannedFile) -> str:
            nonlocal done
            known = sent.known(file.sha256)
            # somebody may have deleted it there, or written the id of another picture into a folder that is shared
            if known is None or not self._service.has_file(known, _filename_of(file)):
                part = FilePart("file", _filename_of(file), self._plan.picture(file), file.sha256)
                known = sent.note(
                    file.sha256, self._service.upload(part, purpose=PICTURE_PURPOSE, lifetime_s=FILE_LIFETIME_S)
                )
            with lock:
                done += 1
                self._told(f"uploading pictures, {done} of {len(unique)}")
            return known

        with ThreadPoolExecutor(UPLOADS_AT_A_TIME) as pool:
            return dict(zip((file.sha256 for file in unique), pool.map(send, unique), strict=True))

    def _create(self, record: BatchRecord) -> None:
        """Ask for the batch, once.

        Raises: OpenAIImageError by what happened; OutcomeUnknownError if nobody can tell, even from the list.
        """
        self._told("beginning the batch")
        self._refuse_taken_over(record)
        record.state, record.asked_at = CREATING, time.time()
        self._ledger.write(record)
        try:
            begun = self._service.create(str(record.input_file_id), endpoint_of(record.operation), record.id)
        except OpenAIImageError as error:
            never_arrived = isinstance(error, ServiceDownError) and error.status is None
            if isinstance(error, RateLimitError) or never_arrived:
                self._not_begun(record)
                raise
            if not isinstance(error, MAY_HAVE_BEGUN) and error.status != HTTPStatus.CONFLICT:
                record.faults = [str(error)]  # the service's own: it never will be
                abandon(self._store, record)
                raise
            self.settle(record)
            if record.state == PREPARING:
                record.state = CREATING  # the list may be late: whoever goes on searches it again first
                self._ledger.write(record)
                raise OutcomeUnknownError(
                    f"{self._connection.name}: the batch was asked for and no answer came, and the service's list does"
                    " not show it. Submit again in a minute: the list is searched again first, and the batch begun only"
                    f" if it is not there. What happened: {str(error).removesuffix(PAY_AGAIN_ADVICE).rstrip()}"
                ) from error
            return
        self._note(record, begun)

    def settle(self, record: BatchRecord) -> None:
        """Find out from the service's list whether a batch was begun: it is submitted then, else it can be begun.

        Raises: OpenAIImageError, OSError.
        """
        if record.account not in ("", account_of(self._connection)):
            raise RefusedError(
                f"{record.connection}: whether batch {record.id} was begun can only be seen with the key that asked for"
                " it. Set that key back, then submit again; to give the batch up: openai-image batch cancel --give-up."
            )
        started = time.monotonic()  # the machine's clock may have been set since it was asked for
        while True:
            found = self._service.found(record.id, since=record.input_file_at, input_file_id=record.input_file_id)
            if found is not None:
                self._note(record, found)
                return
            if time.monotonic() - started >= SETTLES_AFTER_S:
                break
            self._told("looking whether the batch was begun")
            time.sleep(LOOK_EVERY_S)
        self._refuse_taken_over(record)
        record.state = PREPARING
        self._ledger.write(record)

    def _refuse_taken_over(self, record: BatchRecord) -> None:
        """Refuse to go on with a batch that another went on with: this process may have slept meanwhile.

        Raises: StillRunningError.
        """
        now = self._ledger.find(record.id)
        if now is None or now.state != record.state:
            raise being_worked_on(record)

    def _note(self, record: BatchRecord, begun: BatchObject) -> None:
        record.state = SUBMITTED
        record.update(begun)
        self._ledger.write(record)
        self._plan.touch()

    def _not_begun(self, record: BatchRecord) -> None:
        """Note that a batch was certainly not begun."""
        record.state, record.faults = PREPARING, []
        self._ledger.write(record)

    def _refuse_over_budget(self, usd: float, *, but: str = "") -> None:
        if self._connection.kind != "sandbox":
            spending.refuse_over_budget(self._store.root, usd, self._store.backend, but=but)

    def _cautious_usd(self, jobs: Sequence[PlannedJob]) -> float:
        """Return an amount in USD that jobs should not pass; one of unknown price counts as the dearest known."""
        return sum(spending.estimate_of(one.record("plan")) if one.high_usd is None else one.high_usd for one in jobs)


def abandon(store: Store, record: BatchRecord) -> None:
    """Note that nothing more is to be had of a batch, and let its jobs be planned again. Raises: OSError."""
    ledger = BatchLedger(store)
    record.state = REFUSED
    ledger.write(record)
    for identity in ledger.jobs(record):
        store.journal.take_back(identity, record.id)
    ledger.drop_large_files(record)
    JobPlan(store).touch()


def being_worked_on(record: BatchRecord) -> StillRunningError:
    """Return the error for a batch that somebody else has in hand."""
    return StillRunningError(f"Another process works on batch {record.id} at this moment. Wait for it.")


def _filename_of(file: PlannedFile) -> str:
    """Return what a picture is called at the service, by its content."""
    return f"{file.sha256[:16]}.png"


class UploadedPictures:
    """Which pictures the service has already, for one account."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self._folder = store.root / FOLDER / "uploads" / account_of(connection)

    def known(self, sha256: str) -> str | None:
        """Return the service's id of a picture that it keeps for long enough, or None."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            told = json.loads(read_regular(self._folder / f"{sha256}.json", RECORD_MAX_BYTES))
            if told["expires_at"] - time.time() > LONGEST_USE_S:
                return str(told["id"])
        return None

    def note(self, sha256: str, sent: FileObject) -> str:
        """Write down that the service has a picture, and return its id."""
        expires_at = sent.expires_at or time.time() + FILE_LIFETIME_S
        with contextlib.suppress(OSError):
            folder = make_private_folder(self._folder)
            content = json.dumps({"id": sent.id, "expires_at": expires_at}).encode()
            write_atomic(folder / f"{sha256}.json", content, synced=False)
        return sent.id


def account_of(connection: Connection) -> str:
    """Return 16 digits that differ from account to account; the key cannot be found from them."""
    key = connection.key.get_secret_value() if connection.key else ""
    return hashlib.sha256(f"{connection.service}\n{key}".encode()).hexdigest()[:16]
