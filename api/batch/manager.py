"""What people do with a plan and its batches: see, submit, look, collect, cancel; used by shell and browser."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace

from ..backends.leases import acquire
from ..connections.connection import Connection, is_loopback
from ..errors import OpenAIImageError, RefusedError, ServiceDownError, StillRunningError
from ..store.store import Store
from .client import BatchService
from .collect import BatchCollector
from .jsonl import BatchPart, line_bytes, parts_of
from .plan import JobPlan, PlannedJob, in_order
from .records import CREATING, PREPARING, REFUSED, SUBMITTED, BatchLedger, BatchRecord, Told
from .submit import BatchSubmitter, abandon, being_worked_on

LOOK_EVERY_S = 10.0
LOOK_SELDOM_S = 60.0
GROWTH = 1.3
HALF_WAY = (PREPARING, CREATING)
FEW = 10

Resolve = Callable[[str], Connection]


@dataclass(frozen=True)
class BatchOverview:
    """What a store's plan and batches hold: jobs to be sent, jobs that would fail again, and all batches."""

    ready: list[PlannedJob]
    failed: list[PlannedJob]
    batches: list[BatchRecord]

    @property
    def parts(self) -> list[BatchPart]:
        """The batches that a submit would begin now."""
        return parts_of(self.ready)

    @property
    def open(self) -> list[BatchRecord]:
        """The batches that are not collected yet."""
        return [record for record in self.batches if record.is_open]


@dataclass(frozen=True)
class BatchSums:
    """The same without the jobs: the batches that a submit would begin, how many jobs failed, and the first of them."""

    parts: list[BatchPart]
    failed_count: int
    failed: list[PlannedJob]
    batches: list[BatchRecord]


class BatchManager:
    """Plan and batches of one store. `resolve` gives the connection of a name, `told` hears what is being done."""

    def __init__(self, store: Store, resolve: Resolve, told: Told = lambda _words: None) -> None:
        self._store, self._resolve, self._told = store, resolve, told
        self.plan, self._ledger = JobPlan(store), BatchLedger(store)

    def overview(self) -> BatchOverview:
        """Return what is planned, what failed and what is under way."""
        batches = self._ledger.all()
        free = in_order(self._free())
        ready = [one for one in free if not one.failed_for_good]
        return BatchOverview(ready, [one for one in free if one.failed_for_good], batches)

    def batches(self) -> list[BatchRecord]:
        """Return all batches, the oldest first, without a look at the plan: it may have very many jobs."""
        return self._ledger.all()

    def sums(self, shown: int) -> BatchSums:
        """Return the same in sums, with the first `shown` of the failed jobs; no other job is kept in memory."""
        batches, count, failed = self._ledger.all(), 0, list[PlannedJob]()

        def ready() -> Iterator[PlannedJob]:
            nonlocal count, failed
            for one in self._free():
                if not one.failed_for_good:
                    yield one
                    continue
                count += 1
                failed.append(one)
                if len(failed) > FEW * shown:
                    failed = in_order(failed)[:shown]

        parts = sorted(parts_of(ready(), sums_only=True), key=lambda part: part.planned_at)  # as a submit begins them
        return BatchSums(parts, count, in_order(failed)[:shown], batches)

    def _free(self) -> Iterator[PlannedJob]:
        """Yield the planned jobs that are in no batch: those that failed for good, and those without an answer."""
        taken = self._ledger.taken()
        for one in self.plan.each():
            is_wanted = one.failed_for_good or one.again or not self._store.has(one.identity)
            if one.identity not in taken and is_wanted:
                yield one

    def left_half_way(self) -> list[BatchPart]:
        """Return the sums of batches that a crash or an error left half-way, for a submit to go on with.

        Where others can write too, nobody has agreed to them for certain.
        """
        return [self._left(record) for record in self._ledger.all() if record.state in HALF_WAY]

    def _left(self, record: BatchRecord) -> BatchPart:
        part = BatchPart(record.connection, record.model, record.operation, batch=record.id)
        with contextlib.suppress(OSError):
            for one in self._ledger.planned(record, self.plan):
                part.add(one, line_bytes(one))
        return part

    def forget(self, jobs: Iterable[PlannedJob]) -> None:
        """Take jobs out of the plan."""
        self.plan.remove(one.identity for one in jobs)
        self.plan.tidy()
        self.plan.touch()

    def plan_again(self, jobs: Iterable[PlannedJob]) -> None:
        """Let jobs that failed be sent again."""
        for one in jobs:
            self.plan.write(one.model_copy(update={"fault": None, "fault_is_final": False}))
        self.plan.touch()

    def submit(self, parts: Iterable[BatchPart]) -> list[BatchRecord]:
        """Begin batches, after going on with those of `left_half_way`; returns all that are submitted now.

        One that cannot be submitted does not hold up the others. What is in no part, or costs more by now, is not sent.
        Raises: the first of their errors: OpenAIImageError, OSError. What was begun stays begun.
        """
        done, faults = [], []
        for part in sorted(parts, key=lambda part: not part.batch):
            try:
                record = self._gone_on(part) if part.batch else self._begun(part)
            except (OpenAIImageError, OSError) as exc:
                faults.append(exc)
            else:
                done += [record] if record is not None else []
        if faults:
            raise faults[0]
        return done

    def look(self, record: BatchRecord) -> BatchRecord:
        """Return how far a batch is by the service's word. Raises: OpenAIImageError, OSError."""
        if record.state == SUBMITTED and not record.is_over:
            before, connection = record.status, self._connection(record)
            try:
                record.update(BatchService(connection).retrieve(str(record.batch_id)))
            except (RefusedError, ServiceDownError) as exc:
                if exc.status not in (None, 404) or connection.kind != "sandbox":
                    raise
                record.faults = ["the sandbox that worked on it has ended"]
                return self._abandoned(record)
            now = self._ledger.find(record.id)
            if now is not None and now.state != SUBMITTED:
                return now  # somebody collected it, or gave it up, while the service was asked
            self._ledger.write(record)
            if record.status != before:
                self.plan.touch()
        return record

    def collect(self, record: BatchRecord) -> BatchRecord:
        """Bring what a batch gave into the store, if it is over; safe to stop and to repeat.

        Raises: StillRunningError if it is not over, OpenAIImageError, OSError.
        """
        with self._alone(record) as record:
            if record.state != SUBMITTED or not self.look(record).is_over:
                return record
            return BatchCollector(self._store, self._connection(record), record, self._told).collect()

    def cancel(self, record: BatchRecord) -> BatchRecord:
        """Stop a batch; what the service has finished is charged, and comes with `collect`.

        Raises: OpenAIImageError, OSError.
        """
        with self._alone(record) as record:
            if record.state == CREATING:
                BatchSubmitter(self._store, self._connection(record), self._told).settle(record)
            if record.state == PREPARING:
                return self._abandoned(record)
            if record.state == SUBMITTED and not self.look(record).is_over:
                record.update(BatchService(self._connection(record)).cancel(str(record.batch_id)))
                self._ledger.write(record)
            return record

    def give_up(self, record: BatchRecord) -> BatchRecord:
        """Plan the jobs of a batch again whose answers cannot be had any more; they may have been billed.

        Raises: StillRunningError, OSError.
        """
        with self._alone(record) as record:
            return self._abandoned(record) if record.is_open else record

    def watch(
        self,
        shown: Callable[[BatchRecord], None],
        *,
        look_every_s: float = LOOK_EVERY_S,
        only: Container[str] | None = None,
    ) -> list[BatchRecord]:
        """Look after all batches that are submitted until each is collected; `shown` hears of each look.

        `only` are the ids of those that are looked after, in place of all.

        Safe to stop anywhere and to start again. One that cannot be looked after does not hold up the others.
        Raises: the first of their errors: OpenAIImageError, OSError.
        """
        done, pause, faults = [], look_every_s, dict[str, Exception]()
        while waiting := [
            one
            for one in self._ledger.all()
            if one.state == SUBMITTED and one.id not in faults and (only is None or one.id in only)
        ]:
            for record in waiting:
                try:
                    shown(self.look(record))
                    if record.is_over:
                        done.append(self.collect(record))
                        shown(done[-1])
                except (OpenAIImageError, OSError) as exc:
                    faults[record.id] = exc
            if any(not one.is_over for one in waiting):
                time.sleep(pause)
                pause = min(pause * GROWTH, max(look_every_s, LOOK_SELDOM_S))
        for fault in faults.values():
            raise fault
        return done

    def _begun(self, part: BatchPart) -> BatchRecord | None:
        connection = self._resolve(part.connection)
        connection.check_batch(part.model)
        other = {one.service for one in part.jobs} - {connection.service}
        if other:
            raise RefusedError(
                f"{part.connection}: jobs were planned for {', '.join(sorted(other))}, and the connection goes to"
                f" {connection.service} now. Set it back, or discard the plan (openai-image batch plan --forget)."
            )
        submitting = BatchSubmitter(self._store, connection, self._told)
        record = submitting.prepare(part)
        with self._alone(record) as record:
            return submitting.go_on(record, high_usd=part.high_usd)

    def _gone_on(self, part: BatchPart) -> BatchRecord | None:
        half = self._ledger.find(part.batch)
        if half is None or half.state not in HALF_WAY:
            return None
        with contextlib.suppress(StillRunningError), self._alone(half) as record:  # else somebody else is at it
            submitting = BatchSubmitter(self._store, self._connection(record), self._told)
            return submitting.go_on(record, high_usd=part.high_usd)
        return None

    def _abandoned(self, record: BatchRecord) -> BatchRecord:
        record.unfinished = record.count
        abandon(self._store, record)
        return record

    @contextlib.contextmanager
    def _alone(self, record: BatchRecord) -> Iterator[BatchRecord]:
        """Give the newest record of a batch while nobody else works on it.

        Raises: StillRunningError if somebody does.
        """
        ours = acquire(self._ledger.folder(record.id))
        if ours is None:
            raise being_worked_on(record)
        try:
            yield self._ledger.find(record.id) or record
        finally:
            ours.release()

    def _connection(self, record: BatchRecord) -> Connection:
        connection = self._resolve(record.connection)
        if connection.kind == "sandbox" and is_loopback(record.address):
            connection = replace(connection, base_url=record.address)  # it may be that of another process
        if connection.service != record.service:
            raise RefusedError(
                f"{record.connection}: batch {record.id} is with {record.service}, and the connection goes to"
                f" {connection.service} now. Set it back to look after the batch."
            )
        return connection


def refusal_of(record: BatchRecord) -> OpenAIImageError | None:
    """Return the error of a batch that the service refused as a whole, with its words, or None."""
    if record.status != "failed" and record.state != REFUSED:
        return None
    said = "; ".join(record.faults) or "no reason was given"
    if record.is_open:
        return RefusedError(
            f"The batch of {record.model} was refused: {said}. Collect it, which plans its jobs again; then change what"
            " it names and submit."
        )
    return RefusedError(
        f"The batch of {record.model} was refused: {said}. Its jobs are planned again: change what it names, then"
        " submit."
    )
