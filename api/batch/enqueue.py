"""What a run does over a batch connection: it takes what the store has and plans the rest. Nothing is sent."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from ..errors import RefusedError
from ..jobs.job import Job
from ..jobs.recorder import AnswerRecorder
from ..jobs.runner import outcome_unknown
from ..store.journal import BATCHED
from ..store.records import StoredAnswer
from ..store.store import Store, store_of, stores
from .plan import Plan, Planned
from .records import Ledger

RECOUNT_S = 2.0
CENT = 0.01


class Deferred(Exception):
    """The job has no answer yet, and that is in order: it is planned, on its way in a batch, or failed in one.

    The message is what the node shows.
    """


def answered_or_planned(job: Job) -> StoredAnswer:
    """Return the answer that the store has of a job.

    Raises: Deferred if it has none: the job is in the plan then, or in a batch; RefusedError for what no batch takes,
    OutcomeUnknownError if the job was sent directly before and may have been billed; OSError.
    """
    job.connection.check(job.request)
    store, identity = store_of(job.connection), job.identity
    known = _known(store, identity) if job.reuse else None
    if known is not None:
        return AnswerRecorder(store, job.connection).completed(known)
    if any(file.name == "markup" for file in job.files):
        raise no_markup(job.connection.name)
    plan = Plan(store)
    if job.reuse:
        _defer_what_is_on_its_way(store, identity)
        failed = plan.find(identity)
        if failed is not None and failed.fault and failed.fault_is_final:
            raise Deferred(f"failed in the batch: {failed.fault}")
    planned = plan.add(job, identity)
    raise Deferred(f"planned, {_tally(store).counted_with(planned)}")


def _known(store: Store, identity: str) -> StoredAnswer | None:
    """Return the answer that this machine has, or any other that shares the store."""
    return store.find(identity) or (store.find(identity) if store.fetch(identity) else None)


def generation() -> str:
    """Return a text that changes whenever a planned job may have been answered, in any store."""
    return ".".join(str(Plan(store).generation) for store in stores())


def no_markup(name: str) -> RefusedError:
    """Return the error for a markup over a batch connection of a name."""
    return RefusedError(
        f"{name}: a batch takes no markup. Disconnect it, or choose another connection.", param="markup"
    )


def _defer_what_is_on_its_way(store: Store, identity: str) -> None:
    record = store.journal.read(identity)
    if record is None or record.state == "prepared":
        return
    if record.state == BATCHED:
        sent = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.sent_at or record.prepared_at))
        raise Deferred(f"in a batch since {sent}; collect it when it is done")
    if store.is_running(store.journal.root / identity):
        raise Deferred("asked for directly at this moment; run again when it is done")
    raise outcome_unknown(record)


@dataclass
class _Tally:
    """What is in a plan, counted again now and then: a thousand runs must not count a thousand jobs each."""

    store: Store
    counted_at: float = float("-inf")
    generation: int = 0
    jobs: dict[str, float | None] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def counted_with(self, planned: Planned) -> str:
        """Return how many jobs are in the plan and what they will cost, in words."""
        with self.lock:
            generation = Plan(self.store).generation
            if generation != self.generation or time.monotonic() - self.counted_at > RECOUNT_S:
                self.generation = generation
                names = set(Plan(self.store).identities()) - Ledger(self.store).taken()
                self.jobs = {name: self.jobs[name] if name in self.jobs else self._usd(name) for name in names}
                self.counted_at = time.monotonic()
            self.jobs[planned.identity] = planned.high_usd
            known = [usd for usd in self.jobs.values() if usd is not None]
            price = _price(sum(known)) if len(known) == len(self.jobs) else "price not known"
            return f"{len(self.jobs)} in the plan, {price}"

    def _usd(self, identity: str) -> float | None:
        planned = Plan(self.store).find(identity)
        return planned.high_usd if planned else None


def _price(usd: float) -> str:
    return f"about {usd:.{2 if usd >= CENT else 4}f} USD" if usd else "free"


_tallies: dict[str, _Tally] = {}
_tallies_lock = threading.Lock()


def _tally(store: Store) -> _Tally:
    with _tallies_lock:
        return _tallies.setdefault(str(store.root), _Tally(store))
