"""The batch panel of the browser: one piece of work at a time in the background, and what is to be seen meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from ...api import OpenAIImageError, RefusedError, StillRunningError, Store, stores
from ...api.batch import describe
from ...api.batch.jsonl import BatchPart
from ...api.batch.manager import BatchManager, Resolve, refusal_of
from ...api.batch.plan import JobPlan, PlannedJob, total_usd
from ...api.batch.records import COLLECTED, SUBMITTED, BatchLedger, BatchRecord
from ...api.batch.submit import CENT, CHANGED
from ...api.catalog import catalog
from ...api.errors import store_fault
from ...api.jobs.threads import LateValue
from ...api.start_thread import start_thread
from ...api.store.records import prompt_of

LOG = logging.getLogger(__name__)

SHOWN = 20
PROMPT_CHARS = 80
LARGE_PLAN = 500  # jobs; a look reads some fifteen in a millisecond, and is to be done in a tenth of a second
LOOK_S = 0.05
NO_JOBS: dict[str, Any] = {"count": 0, "bytes": 0, "low_usd": 0, "high_usd": 0}
NOT_READ_YET = {**NO_JOBS, "parts": [], "left": NO_JOBS, "failed_count": 0, "failed": [], "batches": []}


class BatchPanel:
    """What the panel in the browser shows and does. `resolve` gives the connection of a name."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._lock = threading.Lock()
        self._doing = ""
        self._words = ""
        self._fault = self._fault_of_look = ""
        self._large_view = LateValue(self._plan_view)

    def view(self) -> dict[str, Any]:
        """Return plan, what was left half-way, failed jobs, batches, and what is being done.

        A large plan takes seconds to read: it is shown as it was read last, and read again meanwhile.
        """
        with self._lock:  # first: what ends while the plan is read is not in it, and has to be looked at again
            faults = dict.fromkeys(fault for fault in (self._fault, self._fault_of_look) if fault)
            now = {"busy": bool(self._doing), "doing": self._doing, "words": self._words, "fault": "\n".join(faults)}
        is_large = any(JobPlan(store).is_larger_than(LARGE_PLAN) for store in stores())
        plan = self._large_view.latest(LOOK_S) if is_large else self._plan_view()
        if plan is None:
            plan, now = {**NOT_READ_YET}, {**now, "busy": True, "doing": now["doing"] or "look"}
        return {**plan, **now}

    def _plan_view(self) -> dict[str, Any]:
        managers = self._managers()
        seen = [(store, manager.sums(SHOWN)) for store, manager in managers]
        parts = [part for _, one in seen for part in one.parts]
        failed = [job for _, one in seen for job in one.failed]
        left = [part for _, manager in managers for part in manager.left_half_way()]
        return {
            **_sums(parts),
            "parts": [_part(part) for part in parts],
            "left": _sums(left),
            "failed_count": sum(one.failed_count for _, one in seen),
            "failed": [_failed(job) for job in failed[:SHOWN]],
            "batches": [
                _batch(store, record)
                for store, one in seen
                for record in reversed(one.batches)
                if record.is_open or record in one.batches[-SHOWN:]
            ],
        }

    def submit(self, count: int, *, left: int | None = None, high_usd: float | None = None) -> None:
        """Begin to send the plan, if it still has the number of jobs that the person saw, and costs no more.

        `left` is how many jobs were left half-way, `high_usd` what all may cost; None for what was not seen.

        Raises: RefusedError if it changed, StillRunningError if something is being done.
        """
        managers = [manager for _, manager in self._managers()]
        plans = [(manager, [*manager.left_half_way(), *manager.overview().parts]) for manager in managers]
        found = [part for _, some in plans for part in some]
        parts, halves = ([part for part in found if bool(part.batch) is is_half] for is_half in (False, True))
        now, now_left = (sum(part.count for part in some) for some in (parts, halves))
        if now != count:
            raise RefusedError(f"The plan has {now} jobs by now, not {count}. Look at it again, then submit.")
        usd = total_usd([*parts, *halves], "high_usd")
        is_dearer = high_usd is not None and (usd is None or usd > high_usd + CENT)
        if is_dearer or left not in (None, now_left):
            raise RefusedError(CHANGED)
        self._start("submit", lambda: _all_done(partial(manager.submit, some) for manager, some in plans))

    def look(self) -> None:
        """Begin to ask the service how far all open batches are.

        Raises: StillRunningError if something is being done.
        """
        self._start("look", lambda: self._look_after_all(collected=False))

    def collect(self) -> None:
        """Begin to bring what is finished into the store. Raises: StillRunningError if something is being done."""
        self._start("collect", lambda: self._look_after_all(collected=True))

    def cancel(self, batch: str) -> None:
        """Begin to stop a batch.

        Raises: RefusedError for an unknown id, StillRunningError if something is being done.
        """
        known = [(manager, one) for _, manager in self._managers() for one in manager.batches()]
        found = [(manager, one) for manager, one in known if one.is_open and one.id == batch]
        if not found:
            raise RefusedError(f"There is no open batch {batch}. Look at the list again.")
        manager, record = found[0]
        self._start("cancel", lambda: manager.cancel(record))

    def forget(self) -> None:
        """Begin to take everything out of the plan that is in no batch.

        Raises: StillRunningError if something is being done.
        """

        def work() -> None:
            for _, manager in self._managers():
                seen = manager.overview()
                manager.forget([*seen.ready, *seen.failed])

        self._start("forget", work)

    def retry(self) -> None:
        """Begin to plan again what failed for good. Raises: StillRunningError if something is being done."""

        def work() -> None:
            for _, manager in self._managers():
                manager.plan_again(manager.overview().failed)

        self._start("retry", work)

    def _look_after_all(self, *, collected: bool) -> None:
        def look(manager: BatchManager, record: BatchRecord) -> None:
            seen = manager.look(record)
            if collected and seen.is_over:
                manager.collect(seen)

        _all_done(
            partial(look, manager, record)
            for _, manager in self._managers()
            for record in manager.batches()
            if record.state == SUBMITTED  # half-way: only a submit, which the person confirms, goes on with it
        )

    def _managers(self) -> list[tuple[Store, BatchManager]]:
        return [(store, BatchManager(store, self._resolve, self._told)) for store in stores()]

    def _told(self, said: str) -> None:
        with self._lock:
            self._words = said

    def _start(self, doing: str, work: Callable[[], object]) -> None:
        with self._lock:
            if self._doing:
                raise StillRunningError("Something is being done for a batch already. Wait for it.")
            self._doing, self._words = doing, ""
            if doing != "look":  # the panel looks by itself: that must not wipe out what went wrong before
                self._fault = self._fault_of_look = ""
        try:
            start_thread(self._do, work, name="openai-image-batch")
        except OpenAIImageError:
            with self._lock:
                self._doing = ""
            raise

    def _do(self, work: Callable[[], object]) -> None:
        fault = ""
        try:
            work()
        except (OpenAIImageError, OSError) as exc:
            fault = _words(exc)
        except Exception:  # the panel must not stay busy
            LOG.exception("A batch could not be worked on.")
            fault = "A fault of this pack; ComfyUI's log has it. Please report it."
        finally:
            self._large_view.expire()
            with self._lock:
                if self._doing == "look":
                    self._fault_of_look = fault
                else:
                    self._fault = fault
                self._doing = self._words = ""


def _all_done(steps: Iterable[Callable[[], object]]) -> None:
    """Take all steps, whatever is wrong with one. Raises: OpenAIImageError at the end, with each message once."""
    faults: dict[str, None] = {}
    for step in steps:
        try:
            step()
        except (OpenAIImageError, OSError) as exc:
            faults[_words(exc)] = None
    if faults:
        raise OpenAIImageError("\n".join(faults))


def _words(exc: OpenAIImageError | OSError) -> str:
    return store_fault(exc) if isinstance(exc, OSError) else str(exc)


def _jobs(store: Store, record: BatchRecord) -> list[str]:
    try:
        return BatchLedger(store).jobs(record)
    except OSError:
        return []


def _sums(parts: Sequence[BatchPart]) -> dict[str, Any]:
    uploads = {name: size for part in parts for name, size in part.uploads.items()}
    return {
        "count": sum(part.count for part in parts),
        "bytes": sum(part.size for part in parts) + sum(uploads.values()),
        "low_usd": total_usd(parts, "low_usd"),
        "high_usd": total_usd(parts, "high_usd"),
    }


def _part(one: BatchPart) -> dict[str, Any]:
    spec = catalog.find(one.model)
    return {
        "connection": one.connection,
        "model": one.model,
        "operation": one.operation,
        "sure": spec is not None and bool(spec.batch.supported),
        **_sums([one]),
    }


def _batch(store: Store, record: BatchRecord) -> dict[str, Any]:
    collected, counts = record.state == COLLECTED, record.counts
    refusal = refusal_of(record)
    return {
        "id": record.id,
        "batch_id": record.batch_id,
        "connection": record.connection,
        "model": record.model,
        "operation": record.operation,
        "count": record.count or len(_jobs(store, record)),
        "done": record.answered if collected else counts.completed,
        "failed": record.failed if collected else counts.failed,
        "unfinished": record.unfinished,
        "usd": record.usd if collected and record.high_usd != 0 else None,  # 0: that of a sandbox, which is free
        "state": record.state,
        "status": record.status,
        "open": record.is_open,
        "ready": record.state == SUBMITTED and record.is_over,
        "words": describe.progress(record),
        "fault": str(refusal) if refusal else "",
    }


def _failed(job: PlannedJob) -> dict[str, Any]:
    prompt = prompt_of(job.fields)[:PROMPT_CHARS]
    return {"id": job.identity[:12], "model": job.model, "seed": job.seed, "prompt": prompt, "fault": job.fault}
