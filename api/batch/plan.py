"""The plan: jobs written down with all they need, to be sent later, together, when a person says so.

batch/planned/<identity>.json   one job
batch/inputs/<sha256>           its pictures, each content once
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from ..backends.atomic_files import (
    has_more_than,
    make_private_folder,
    passing_folders,
    read_regular,
    remove,
    write_atomic,
)
from ..catalog import pricing
from ..catalog.schemas import Operation
from ..jobs.job import Job
from ..store.journal import BATCHED
from ..store.records import (
    PICTURE_MAX_BYTES,
    RECORD_MAX_BYTES,
    Amount,
    AskedFields,
    Digest,
    JobRecord,
    identity_of,
    known_bytes,
)
from ..store.store import Store
from ..transport.bodies import FilePart

FOLDER = "batch"
CHANGED = "changed"
CHANGED_BYTES = 8  # any others: two changes may come within one tick of the file system's clock
UPLOADS_KEPT_S = 31 * 86_400.0  # a service deletes them after thirty days at most
INPUTS_KEPT_S = 3600.0  # of a job that is being planned
DIGEST = re.compile(r"[0-9a-f]{64}")


class PlannedFile(BaseModel):
    """A picture of a planned job: the part that it goes as, its pixels' digest, and its bytes' digest and number."""

    name: str
    filename: str
    digest: str
    sha256: Digest
    size: NonNegativeInt


class PlannedJob(BaseModel):
    """A job as it is written down in the plan. Times in seconds since 1970, prices in USD; `fault` in words.

    Its prices are worked out again when it is read: in a folder that machines share a stranger may have written it.
    `again` asks on purpose for what the store has. A job whose fault `is_final` would fail again and is not sent again
    by itself; any other is. What a newer version wrote beside these stays.
    """

    model_config = ConfigDict(extra="allow")

    identity: str
    connection: str
    service: str
    operation: Operation
    model: str
    fields: AskedFields
    seed: int = 0
    files: list[PlannedFile] = []
    planned_at: float = 0.0
    low_usd: Amount = None
    high_usd: Amount = None
    again: bool = False
    fault: str | None = None
    fault_is_final: bool = False

    @property
    def digests(self) -> list[str]:
        """The digests of the pixels that go out, as `Job.digests` has them."""
        return [f"{file.name.removesuffix('[]')}:{file.digest}" for file in self.files]

    @property
    def failed_for_good(self) -> bool:
        """Whether the service would refuse it again."""
        return bool(self.fault) and self.fault_is_final

    def priced(self) -> PlannedJob:
        """Return this job with the prices of what it asks for."""
        payer = pricing.PaidAs("sandbox" if self.service == "sandbox" else "openai", batch=True)
        price = pricing.estimate(payer, self.fields, sum(file.name.startswith("image") for file in self.files))
        self.low_usd, self.high_usd = (price.low_usd, price.high_usd) if price else (None, None)
        return self

    def record(self, batch: str) -> JobRecord:
        """Return the record of this job as part of a batch of ours."""
        return JobRecord.model_construct(
            identity=self.identity,
            state=BATCHED,
            batch=batch,
            service=self.service,
            connection=self.connection,
            operation=self.operation,
            model=self.model,
            fields=self.fields,
            seed=self.seed,
            input_digests=self.digests,
            prepared_at=self.planned_at,
        )


def total_usd(priced: Iterable[object], name: str) -> float | None:
    """Return the sum of `low_usd` or `high_usd` over jobs or parts, None where one is not known."""
    known: list[float | None] = [getattr(one, name) for one in priced]
    return None if None in known else sum(usd for usd in known if usd is not None)


def in_order(jobs: Iterable[PlannedJob]) -> list[PlannedJob]:
    """Return jobs in the order in which they were planned."""
    return sorted(jobs, key=lambda one: (one.planned_at, one.identity))


class JobPlan:
    """The planned jobs of one store. Safe for many threads and processes at once."""

    def __init__(self, store: Store) -> None:
        self.root = store.root / FOLDER
        self._jobs = self.root / "planned"
        self._inputs = self.root / "inputs"

    def add(self, job: Job, identity: str) -> PlannedJob:
        """Write a job down and return what was written. A job that is there already is replaced. Raises: OSError."""
        before = self.find(identity)
        if before is not None and self.lacks(before) is None:
            files = before.files  # another encoder's bytes show the same pixels
        else:
            files = [self._with_bytes_kept(part) for part in job.files]
        planned = PlannedJob(
            identity=identity,
            connection=job.connection.name,
            service=job.connection.service,
            operation=job.request.operation,
            model=job.request.model,
            fields=job.fields,
            seed=job.seed,
            files=files,
            planned_at=time.time(),
            again=not job.reuse,
        ).priced()
        self.write(planned)
        return planned

    def write(self, planned: PlannedJob) -> None:
        """Write a job down. Raises: OSError."""
        make_private_folder(self._jobs)
        write_atomic(self._jobs / f"{planned.identity}.json", known_bytes(planned, indent=None), synced=False)

    def find(self, identity: str) -> PlannedJob | None:
        """Return a planned job, or None."""
        try:
            planned = PlannedJob.model_validate_json(read_regular(self._jobs / f"{identity}.json", RECORD_MAX_BYTES))
        except (OSError, ValidationError):
            return None  # one that was cut off by a crash is planned again by the next run
        return planned.priced() if planned.identity == identity else None

    def identities(self) -> list[str]:
        """Return the identities of all planned jobs, without reading them."""
        with contextlib.suppress(OSError):
            names = [name.removesuffix(".json") for name in os.listdir(self._jobs) if name.endswith(".json")]
            return [name for name in names if identity_of(name) == name]
        return []

    def is_larger_than(self, count: int) -> bool:
        """Tell whether there are more jobs than this, without counting all of them."""
        return has_more_than(self._jobs, count)

    def each(self) -> Iterator[PlannedJob]:
        """Yield all planned jobs in no order, as they are read: there may be very many."""
        return (planned for identity in self.identities() if (planned := self.find(identity)))

    def remove(self, identities: Iterable[str]) -> None:
        """Forget planned jobs; their pictures go with `tidy`."""
        for identity in identities:
            with contextlib.suppress(OSError):
                remove(self._jobs / f"{identity}.json")

    def tidy(self) -> None:
        """Delete the pictures that no planned job needs, and notes on uploads that no service keeps any more."""
        accounts = (folder for folder in passing_folders(self.root / "uploads") if folder.is_dir())
        for path in (path for folder in accounts for path in folder.glob("*.json")):
            with contextlib.suppress(OSError):
                if DIGEST.fullmatch(path.stem) and _age_s(path) > UPLOADS_KEPT_S:
                    remove(path)
        needed = {file.sha256 for planned in self.each() for file in planned.files}
        for path in self._inputs.glob("*"):
            with contextlib.suppress(OSError):  # another process may tidy up as well
                if DIGEST.fullmatch(path.name) and path.name not in needed and _age_s(path) > INPUTS_KEPT_S:
                    remove(path)

    def picture(self, file: PlannedFile) -> bytes:
        """Return the bytes of a planned job's picture.

        Raises: OSError, also if it is not the picture that was planned.
        """
        data = read_regular(self._inputs / file.sha256, PICTURE_MAX_BYTES)
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise OSError(errno.EINVAL, "not the picture that was planned", str(self._inputs / file.sha256))
        return data

    def lacks(self, planned: PlannedJob) -> str | None:
        """Return which picture of a job is not here, or not whole; None where all are, and `tidy` leaves them alone."""
        for file in planned.files:
            try:
                is_whole = (self._inputs / file.sha256).stat().st_size == file.size
                os.utime(self._inputs / file.sha256)
            except OSError:
                is_whole = False
            if not is_whole:
                return file.filename
        return None

    def touch(self) -> None:
        """Note that something else than planning happened, so that a node looks again (see `generation`)."""
        with contextlib.suppress(OSError):
            write_atomic(make_private_folder(self.root) / CHANGED, os.urandom(CHANGED_BYTES), synced=False)

    @property
    def generation(self) -> int:
        """A number that changes whenever answers may have come or jobs were sent or forgotten."""
        try:
            said = read_regular(self.root / CHANGED, CHANGED_BYTES)
            # empty: an earlier version's
            return int.from_bytes(said, "big") or (self.root / CHANGED).stat().st_mtime_ns
        except OSError:
            return 0

    def _with_bytes_kept(self, part: FilePart) -> PlannedFile:
        sha256 = hashlib.sha256(part.data).hexdigest()
        path = make_private_folder(self._inputs) / sha256
        if path.exists():
            os.utime(path)  # `tidy` must not take it from under this job
        else:
            write_atomic(path, part.data, synced=False)
        return PlannedFile(
            name=part.name, filename=part.filename, digest=part.digest, sha256=sha256, size=len(part.data)
        )


def _age_s(path: Path) -> float:
    return time.time() - path.lstat().st_mtime
