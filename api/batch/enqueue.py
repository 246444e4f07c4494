"""What a run does over a batch connection: it takes what the store has and plans the rest. Nothing is sent."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field

from ..catalog import pricing
from ..errors import BadAnswerError, RefusedError, store_fault
from ..jobs.job import Job
from ..jobs.recorder import AnswerRecorder
from ..jobs.runner import outcome_unknown
from ..store.journal import BATCHED
from ..store.records import StoredAnswer
from ..store.store import BROKEN, Store, store_of, stores, why_unread
from .plan import JobPlan, PlannedJob
from .records import BatchLedger

RECOUNT_S = 2.0


def answered_or_planned(job: Job) -> StoredAnswer | str:
    """Return the answer that the store has of a job, or what the node shows in its place.

    Without one a job that is in order is in the plan from here on, or on its way in a batch, or failed in one.
    Raises: RefusedError for what no batch takes, or a store that cannot be written to; OutcomeUnknownError if the job
    was sent directly before and may have been billed.
    """
    job.connection.check(job.request)
    store, identity = store_of(job.connection), job.identity
    known = store.find(identity) if job.reuse else _new_from_batch(store, identity)
    if known is None and job.reuse and store.fetch(identity):  # another machine has it
        known = store.find(identity)
    if known is not None:
        return AnswerRecorder(store, job.connection).completed(known)
    if any(file.name == "markup" for file in job.files):
        raise no_markup(job.connection.name)
    plan = JobPlan(store)
    try:
        if job.reuse:
            words, planned = _on_its_way(store, identity), plan.find(identity)
            if words is None and planned and planned.failed_for_good and plan.lacks(planned) is None:
                words = f"failed in the batch: {planned.fault}"
            if words:
                return words
        with _tallies_lock:
            tally = _tallies.setdefault(str(store.root), _Tally(store))
        return f"planned, {tally.counted_with(plan.add(job, identity))}"
    except OSError as exc:
        raise RefusedError(store_fault(exc)) from exc


def _new_from_batch(store: Store, identity: str) -> StoredAnswer | None:
    """Return a picture of a batch that nobody had yet: a run with reuse off planned it and waits for it."""
    with contextlib.suppress(BadAnswerError):  # reuse was switched off for that, perhaps
        found = store.find(identity)
        if found and found.record.batch and found.folder and not found.record.fault:
            return found if why_unread(found.folder) not in (None, BROKEN) else None  # a broken one is had another of
    return None


def was_asked(job: Job) -> bool:
    """Tell whether a job is answered, on its way, or in the plan; then to ask for it adds nothing."""
    store, identity = store_of(job.connection), job.identity
    return store.was_asked(identity) or JobPlan(store).find(identity) is not None


def generation() -> str:
    """Return a text that changes whenever a planned job may have been answered, in any store."""
    return ".".join(str(JobPlan(store).generation) for store in stores())


def no_markup(name: str) -> RefusedError:
    """Return the error for a markup over a batch connection of a name."""
    return RefusedError(f"{name}: a batch takes no markup. Disconnect it, or choose another connection.")


def _on_its_way(store: Store, identity: str) -> str | None:
    """Return where a job is that was handed over before, in words; None if it may be planned.

    Raises: OutcomeUnknownError if it was sent directly and nobody knows what became of it.
    """
    record = store.journal.read(identity)
    if record is None or record.state == "prepared":
        lost = store.journal.lost(identity)
        if lost is None:
            return None
        raise outcome_unknown(lost)
    if record.state == BATCHED:
        sent = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.sent_at or record.prepared_at))
        return f"in a batch since {sent}; collect it when it is done"
    if store.is_running(store.journal.root / identity):
        return "asked for directly at this moment; run again when it is done"
    raise outcome_unknown(record)


@dataclass
class _Tally:
    """What is in a plan, counted again now and then: a thousand runs must not count a thousand jobs each."""

    store: Store
    counted_at: float = float("-inf")
    generation: int = 0
    jobs: dict[str, float | None] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def counted_with(self, planned: PlannedJob) -> str:
        """Return how many jobs are in the plan and what they will cost, in words."""
        with self.lock:
            plan = JobPlan(self.store)
            generation = plan.generation
            if generation != self.generation or time.monotonic() - self.counted_at > RECOUNT_S:
                self.generation = generation
                names = set(plan.identities()) - BatchLedger(self.store).taken()
                new = {one.identity: one.high_usd for one in map(plan.find, names - self.jobs.keys()) if one}
                self.jobs = {name: self.jobs.get(name, new.get(name)) for name in names}
                self.counted_at = time.monotonic()
            self.jobs[planned.identity] = planned.high_usd
            known = [usd for usd in self.jobs.values() if usd is not None]
            price = f"about {pricing.in_words(sum(known))} USD" if any(known) else "free"
            price = price if len(known) == len(self.jobs) else "price not known"
            return f"{len(self.jobs)} in the plan, {price}"


_tallies: dict[str, _Tally] = {}
_tallies_lock = threading.Lock()
