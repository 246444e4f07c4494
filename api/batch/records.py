"""Batches as the service tells them, and as they are written down before it hears of them, each in its own folder.

batch/batches/<id>/record.json    how far it is
                   jobs.txt       the identities in it, one a line; never changed
                   requests.jsonl, output.jsonl, errors.jsonl   what went out and came back, until it is collected

The service's part is read in service_objects.py.
"""

from __future__ import annotations

import contextlib
import errno
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from ..backends.atomic_files import make_private_folder, read_regular, remove, remove_tree, write_atomic
from ..catalog import catalog
from ..catalog.schemas import Operation
from ..config import tell_once
from ..store import spending
from ..store.records import RECORD_MAX_BYTES, Amount, Moment, Second, identity_of, known_bytes
from ..store.store import Store
from .plan import FOLDER, JobPlan, PlannedJob
from .service_objects import OVER, BatchCounts, BatchObject

RECORD = "record.json"
JOBS = "jobs.txt"
BATCH_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")
PREPARING, CREATING, SUBMITTED, COLLECTED, REFUSED = "preparing", "creating", "submitted", "collected", "refused"
OPEN = (PREPARING, CREATING, SUBMITTED)
OVER_KEPT_S = 180 * 86_400.0
Told = Callable[[str], None]  # hears in words what is being done
FAULTS_MAX = 20  # of a batch as a whole: they are shown together
LINE_FAULTS_MAX_BYTES = RECORD_MAX_BYTES * 3 // 8  # JSON may need two bytes for one
LARGE = ("requests.jsonl", "output.jsonl", "errors.jsonl", "output.jsonl.part", "errors.jsonl.part")


class BatchRecord(BaseModel):
    """What is written down of a batch. `id` is ours, `batch_id` the service's; times in seconds since 1970.

    `state` is preparing (its files go out), creating (the service is asked, or was and did not answer), submitted,
    collected, or refused (never begun, with the service's words in `faults`). `status` is the service's word;
    `address` is where it was sent, for sandboxes have no other name, `account` tells keys apart; `unreadable` are the
    files with lines of the answer that nobody can read. `input_file_at` is when the service got the requests,
    by its own clock; `held_usd` is what the budget counts until it is collected. What a newer version wrote beside
    these stays: a record is written again at each look.
    """

    model_config = ConfigDict(extra="allow")

    id: str
    state: str = PREPARING
    connection: str
    service: str
    address: str = ""
    account: str = ""
    model: str
    operation: Operation
    count: int
    low_usd: Amount = None
    high_usd: Amount = None
    prepared_at: Second = 0.0
    asked_at: Second | None = None
    input_file_id: str | None = None
    batch_id: str | None = None
    status: str | None = None
    counts: BatchCounts = BatchCounts()
    output_file_id: str | None = None
    error_file_id: str | None = None
    expires_at: Moment = None
    faults: list[str] = []
    line_faults: dict[int, str] = {}
    unreadable: list[str] = []
    answered: int = 0
    failed: int = 0
    unfinished: int = 0
    input_file_at: Moment = None
    held_usd: Amount = None
    usd: Annotated[float, AfterValidator(spending.amount)] = 0.0

    def update(self, told: BatchObject) -> None:
        """Take over what the service tells of the batch; what it told before and leaves out now still holds."""
        self.batch_id, self.status = self.batch_id or told.id, told.status
        self.output_file_id = told.output_file_id or self.output_file_id
        self.error_file_id = told.error_file_id or self.error_file_id
        self.expires_at = told.expires_at or self.expires_at
        self.counts = told.request_counts or self.counts
        faults = told.errors[: catalog.BATCH_MAX_REQUESTS]
        self.faults = [fault.words for fault in faults[:FAULTS_MAX]]
        room = LINE_FAULTS_MAX_BYTES // max(1, len(faults))  # each line may have one, and the record must be readable
        words = {fault.line: fault.words.encode()[:room] for fault in faults if fault.line}
        self.line_faults = {line: said.decode(errors="ignore") for line, said in words.items()}

    @property
    def is_open(self) -> bool:
        """Whether something remains to be done for it."""
        return self.state in OPEN

    @property
    def is_over(self) -> bool:
        """Whether the service will do no more for it, and what it did can be fetched."""
        return self.status in OVER and not self.lacks_files

    @property
    def lacks_files(self) -> bool:
        """Whether there must be answers that nobody can fetch yet: to plan their jobs again could pay them twice."""
        is_answered = self.status == "completed" or (self.status in OVER and self.counts.completed > 0)
        return is_answered and self.output_file_id is None and self.error_file_id is None


class BatchLedger:
    """The batches of one store."""

    def __init__(self, store: Store) -> None:
        self._store_root = store.root
        self._root = store.root / FOLDER / "batches"

    def begin(self, record: BatchRecord, identities: Iterable[str]) -> BatchRecord:
        """Write a new batch down, on the disk when this returns. Raises: OSError."""
        folder = make_private_folder(self.folder(record.id))
        write_atomic(folder / JOBS, "\n".join(identities).encode())
        self.write(record)
        return record

    def write(self, record: BatchRecord) -> None:
        """Write down how far a batch is, on the disk when this returns. Raises: OSError."""
        if not record.is_open:  # first: a batch that is over is never written again
            spending.release(self._store_root, record.id)
        write_atomic(self.folder(record.id) / RECORD, known_bytes(record))
        if record.is_open and record.held_usd is not None:
            spending.hold(self._store_root, record.id, record.held_usd)

    def find(self, batch: str) -> BatchRecord | None:
        """Return a batch by our id, or None."""
        if not BATCH_ID.fullmatch(batch):
            return None
        try:
            if self.folder(batch).is_symlink():  # where others can write too, it may lead anywhere
                raise OSError(errno.EINVAL, "a link, and no folder")
            record = BatchRecord.model_validate_json(read_regular(self.folder(batch) / RECORD, RECORD_MAX_BYTES))
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as exc:
            reason = type(exc).__name__
            tell_once(f"{self.folder(batch)} holds no record of a batch that can be used ({reason}). It is left alone.")
            return None
        return record if record.id == batch else None

    def all(self) -> list[BatchRecord]:
        """Return all batches, the oldest first."""
        found = (self.find(path.parent.name) for path in self._root.glob(f"*/{RECORD}"))
        return sorted((one for one in found if one), key=lambda record: record.prepared_at)

    def jobs(self, record: BatchRecord) -> list[str]:
        """Return the identities of a batch's jobs. Raises: OSError."""
        names = read_regular(self.folder(record.id) / JOBS, RECORD_MAX_BYTES).decode("ascii", errors="replace").split()
        return [name for name in names if identity_of(name) == name]  # each becomes part of a path

    def planned(self, record: BatchRecord, plan: JobPlan) -> Iterator[PlannedJob]:
        """Yield a batch's jobs as they are planned, but for those of another service: what they cost is not its price.

        Raises: OSError.
        """
        for one in filter(None, map(plan.find, self.jobs(record))):
            if one.service == record.service:
                yield one

    def taken(self) -> set[str]:
        """Return the identities of all jobs that are in a batch now."""
        found: set[str] = set()
        for record in self.all():
            with contextlib.suppress(OSError):
                found.update(self.jobs(record) if record.is_open else [])
        return found

    def folder(self, batch: str) -> Path:
        """Return the folder of a batch."""
        return self._root / batch

    def drop_large_files(self, record: BatchRecord) -> None:
        """Delete what went out and came back; the answers are in the store by now."""
        for name in LARGE:
            with contextlib.suppress(OSError):
                remove(self.folder(record.id) / name)

    def tidy(self) -> None:
        """Forget batches that were over long ago, but for those with lines that nobody could read."""
        until = time.time() - OVER_KEPT_S
        for record in self.all():
            with contextlib.suppress(OSError):
                written_at = (self.folder(record.id) / RECORD).lstat().st_mtime
                if not record.is_open and not record.unreadable and written_at < until:
                    self.forget(record)

    def forget(self, record: BatchRecord) -> None:
        """Delete all that is known of a batch."""
        spending.release(self._store_root, record.id)
        remove_tree(self.folder(record.id))


def new_id() -> str:
    """Return an id for a batch that sorts by time: it goes to the service as metadata and finds the batch again."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:12]}"
