"""From the files of a finished batch into the store, line by line; may be stopped anywhere and done again."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from ..backends.atomic_files import open_regular, write_atomic
from ..connections.connection import Connection
from ..errors import BadAnswerError, RefusedError, SharedStoreError
from ..jobs.recorder import AnswerRecorder
from ..jobs.runner import NO_ANSWER
from ..store.spending import amount
from ..store.store import Store
from ..transport.downloads import pictures_of
from ..transport.error_mapping import MAYBE_BILLED
from ..transport.network_words import reason_of
from .client import BatchService
from .jsonl import LineResult, identity_of, is_final, lines_in, result_of
from .plan import JobPlan, PlannedJob
from .records import COLLECTED, BatchLedger, BatchRecord, Told

SHARED_FIELDS = {"connection", "service", "operation", "model"}  # of a batch and each of its jobs
LINE_MAX_BYTES = 1 << 30
STRAYS_MAX = 1000  # lines that are of no job of the batch, and files that are named: somebody may send millions
AT_A_TIME = 4  # each waits for the disk most of the time; more would only hold more pictures in memory


class BatchCollector:
    """Brings the answers of one batch into the store. Its file stays on the disk until all of it is there."""

    def __init__(self, store: Store, connection: Connection, record: BatchRecord, told: Told) -> None:
        self._store, self._connection, self._told = store, connection, told
        self._plan, self._ledger, self._service = JobPlan(store), BatchLedger(store), BatchService(connection)
        self._record = record
        self._jobs = self._ledger.jobs(record)
        self._left = set(self._jobs)  # what no line was kept for yet
        self._known = frozenset(self._jobs)
        self._faults: dict[str, tuple[str, bool]] = {}  # of those, what was said: an answer may come in a later line
        self._unworked: set[str] = set()  # what the service says that it never came to
        self._strays = self._read = self._named = 0
        self._counting = threading.Lock()

    def collect(self) -> BatchRecord:
        """Fetch what the batch gave, keep every answer, note every fault, and let the rest be planned again.

        Raises: OpenAIImageError if the service does not give the files, OSError.
        """
        record = self._record
        record.answered = record.failed = 0
        record.usd, record.unreadable = 0.0, []
        for line, fault in record.line_faults.items():  # of single lines, where the whole batch was refused
            if 0 < line <= len(self._jobs):
                self._note_fault(self._jobs[line - 1], fault, final=True)
        for name, file_id in (("output.jsonl", record.output_file_id), ("errors.jsonl", record.error_file_id)):
            path = self._ledger.folder(record.id) / name
            if file_id:
                self._fetch(file_id, path)
                self._keep_all(path)
        self._refuse_strange()
        self._give_back_the_rest()
        record.state, record.line_faults = COLLECTED, {}  # each stands with its job by now; the record is read often
        self._ledger.write(record)
        self._ledger.drop_large_files(record)
        self._ledger.tidy()
        self._plan.tidy()
        self._plan.touch()
        return record

    def _fetch(self, file_id: str, path: Path) -> None:
        if path.exists():
            return
        total = 0

        def count(size: int) -> None:
            nonlocal total
            total += size
            self._told(f"downloading, {total / 1e6:.1f} MB")

        try:
            self._service.download(file_id, path, count)
        except RefusedError as exc:
            if exc.status != 404:
                raise
            raise RefusedError(f"{exc} {self._advice}", status=404, code=exc.code, request_id=exc.request_id) from exc

    @property
    def _advice(self) -> str:
        return (
            "To have its jobs planned again (you may pay twice):"
            f" openai-image batch cancel {self._record.id} --give-up."
        )

    def _refuse_strange(self) -> None:
        """Refuse what came in place of the answers, such as a page for people: it is fetched again the next time.

        Raises: BadAnswerError, OSError.
        """
        record = self._record
        is_told = record.output_file_id or record.error_file_id
        if self._named or not is_told or not (self._strays or record.counts.completed):
            return
        self._ledger.drop_large_files(record)
        raise BadAnswerError(
            f"{record.connection}: what came as the answers of batch {record.id} names none of its jobs; it is kept in"
            f" {self._ledger.folder(record.id)}. Collect it again in a while: the answers may be there by then."
            f" {self._advice}"
        )

    def _keep_all(self, path: Path) -> None:
        """Keep the lines of a file, a few at a time, in whatever order they end."""
        with ThreadPoolExecutor(AT_A_TIME) as pool, open_regular(path, "rb") as file:
            working: set[Future[None]] = set()
            while line := file.readline(LINE_MAX_BYTES):
                if len(working) >= AT_A_TIME:
                    done, working = wait(working, return_when=FIRST_COMPLETED)
                    self._ended(done)
                working.add(pool.submit(self._keep, line))
            self._ended(working)

    def _ended(self, futures: set[Future[None]]) -> None:
        for future in futures:
            future.result()
        record = self._record
        self._told(f"collecting, {record.answered + len(self._faults)} of {record.count}")

    def _keep(self, line: bytes) -> None:
        """Keep what a line says, or the line: one that is odd must not hold up the others.

        Raises: OSError, OpenAIImageError if the store cannot take it; it is read again then.
        """
        result = result_of(line, self._connection, self._record.model)
        if result is None and (lines := lines_in(line)):
            for each in lines:
                self._keep(each)
            return
        if result is None or result.identity not in self._known:
            self._unreadable(line)
            return
        with self._counting:
            self._named += 1
        if result.error is not None:
            self._note_fault(result.identity, str(result.error), final=is_final(result.error))
        elif not result.raw:
            self._unworked |= {result.identity} & self._left
        elif self._taken(result.identity):
            kept = (one for one in self._store.records_of(result.identity) if one.batch == self._record.id)
            before = next(kept, None)  # we were interrupted behind it
            usd = (before.cost_usd or 0.0) if before else self._kept(result, self._plan.find(result.identity))
            self._store.journal.take_back(result.identity, self._record.id)
            self._plan.remove([result.identity])
            with self._counting:
                self._record.answered += 1
                self._record.usd += amount(usd)

    def _taken(self, identity: str) -> bool:
        """Take a job for one line alone: a line that is there twice counts once."""
        with self._counting:
            is_ours = identity in self._left
            self._left.discard(identity)
            return is_ours

    def _note_fault(self, identity: str, fault: str, *, final: bool) -> None:
        with self._counting:
            if identity in self._left and not self._faults.get(identity, ("", False))[1]:
                self._faults[identity] = (fault, final)

    def _unreadable(self, line: bytes) -> None:
        """Keep a line that nobody can read: it may have been paid. Its job is not sent again by itself."""
        if not line.strip():
            return
        identity = identity_of(line)
        with self._counting:
            self._strays += identity not in self._left
            if self._strays > STRAYS_MAX:
                return
        name = f"unreadable_{hashlib.sha256(line).hexdigest()[:12]}.txt"
        path = self._ledger.folder(self._record.id) / name
        write_atomic(path, self._connection.without_secrets(line))
        with self._counting:
            if str(path) not in self._record.unreadable and len(self._record.unreadable) < STRAYS_MAX:
                self._record.unreadable.append(str(path))
            is_wanted = identity in self._left
            self._read += is_wanted
            self._named += is_wanted
        if identity is not None and is_wanted:
            fault = f"the answer cannot be read and may have been billed; it is kept in {path}"
            self._note_fault(identity, fault, final=True)

    def _kept(self, result: LineResult, planned: PlannedJob | None) -> float:
        batch, identity = self._record, result.identity
        known = planned.record(batch.id) if planned else None
        with contextlib.suppress(OSError, SharedStoreError):
            known = known or self._store.journal.read(identity)
        known = known or PlannedJob(identity=identity, **batch.model_dump(include=SHARED_FIELDS), fields={}).record(
            batch.id
        )
        told = {"sent_at": batch.asked_at, "answered_at": time.time(), "request_id": result.request_id}
        record = known.model_copy(update=told)
        recorder = AnswerRecorder(self._store, self._connection, or_else_raise=True)
        try:
            if result.response is None:
                raise BadAnswerError("the answer is not of the expected form")
            pictures = pictures_of(result.response, self._connection, body=result.raw)
        except Exception as exc:  # noqa: BLE001 - whatever is wrong with it, it is kept: the run that wants it tells
            fault = exc.fault if isinstance(exc, BadAnswerError) else reason_of(exc)
            recorder.keep_unreadable(result.identity, record, result.raw, fault)
        else:
            recorder.keep(result.identity, record, result.response, pictures)
        return record.cost_usd or 0.0

    def _give_back_the_rest(self) -> None:
        """Note what failed, and let what was never worked on be planned again, as it was.

        Where the service did more than its files tell, or tells of what nobody asked for, nobody knows what was paid.
        """
        if self._strays or self._record.counts.completed > self._record.answered + self._read:
            for identity in self._left - self._unworked:
                self._note_fault(identity, f"{NO_ANSWER}; {MAYBE_BILLED}", final=True)
        for identity, (fault, final) in self._faults.items():
            if identity in self._left:
                planned = self._plan.find(identity)
                if planned is not None:
                    planned.fault, planned.fault_is_final = fault, final
                    self._plan.write(planned)
                self._store.journal.take_back(identity, self._record.id)
                self._left.discard(identity)
                self._record.failed += 1
        self._record.unfinished = len(self._left)
        for identity in self._left:
            self._store.journal.take_back(identity, self._record.id)
