"""The job store's front: one paid piece of work, asked once, kept for good, and shared by everybody who wants it."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import CancelledError
from dataclasses import replace

from ..errors import OpenAIImageError
from ..store.journal import again
from ..store.records import StoredAnswer, owner_over
from ..store.store import STORE_VARIABLE, mark_read, store_of
from .job import Job, JobAbandoned, JobHandle
from .runner import JobRunner
from .threads import ConcurrencyLimiter

LOG = logging.getLogger(__name__)


class JobManager:
    """All jobs of this process. `submit` is the only way in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[tuple[str | None, str], JobHandle] = {}  # by account and name
        self._limiters: dict[str, ConcurrencyLimiter] = {}
        self._unkept: dict[tuple[str, str | None], StoredAnswer] = {}  # by identity and account

    def submit(self, job: Job) -> JobHandle:
        """Start a job, join it where it runs already, or take its answer from the store.

        Call `leave()` on what comes back when done waiting, `mark_delivered()` when the answer has reached somebody.
        """
        identity = job.identity
        owner = owner_over(job.connection)
        name = owner.name(identity) if job.reuse else again(owner.name(identity))
        with self._lock:
            running = self._running.get((owner.account, name))
            if running is not None and running.join():
                return running
            handle = self._running[owner.account, name] = JobHandle(job, identity, name, owner)
            limiter = self._limiters.setdefault(
                job.connection.service, ConcurrencyLimiter(in_order=not os.environ.get(STORE_VARIABLE))
            )
        try:
            store_of(job.connection).flush_soon()
            known = self._known(handle)
        except Exception as exc:  # noqa: BLE001 - handed over to everybody who waits
            self._finish(handle, exc)
            return handle
        if known is not None and known.is_whole:
            self._finish(handle, known)
        else:
            handle.on_deserted = limiter.run(lambda: self._ask(handle, limiter))
        return handle

    def was_asked(self, job: Job) -> bool:
        """Tell whether a job is answered, here or on a machine that shares the store, or on its way or lost there."""
        identity, owner = job.identity, owner_over(job.connection)
        with self._lock:
            mine = [one for (kept, _), one in self._unkept.items() if kept == identity and owner.owns(one.record)]
            if mine or (owner.account, owner.name(identity)) in self._running:
                return True
        return store_of(job.connection).was_asked(identity, owner)

    def mark_delivered(self, answer: StoredAnswer) -> StoredAnswer:
        """Note that an answer has reached somebody: from now on it may be forgotten when the store is full.

        Returns the answer as it is for this taker: of those who waited for it together, one has paid.
        """
        with self._lock:
            self._unkept.pop((answer.record.identity, answer.record.account), None)
            paid_by_another, answer.delivered = answer.delivered, True
        mark_read(answer)
        return replace(answer, reused=True) if paid_by_another else answer

    def is_kept(self, job: Job) -> bool:
        """Tell whether the answer of a job is there already, or being made, and costs nothing more."""
        if not job.reuse:
            return False
        owner, identity = owner_over(job.connection), job.identity
        with self._lock:
            mine = [one for (kept, _), one in self._unkept.items() if kept == identity and owner.owns(one.record)]
            if mine or (owner.account, owner.name(identity)) in self._running:
                return True
        return any(owner.owns(record) for record in store_of(job.connection).records_of(identity))

    def _known(self, handle: JobHandle) -> StoredAnswer | None:
        if not handle.job.reuse:
            return None
        with self._lock:
            mine = (one for (identity, _), one in self._unkept.items() if identity == handle.identity)
            unkept = next((one for one in mine if handle.owner.owns(one.record)), None)
        return unkept or store_of(handle.job.connection).find(handle.identity, handle.owner)

    def _ask(self, handle: JobHandle, limiter: ConcurrencyLimiter) -> None:
        runner = JobRunner(handle, store_of(handle.job.connection), known=lambda: self._known(handle))
        try:
            outcome: StoredAnswer | BaseException = runner.answer()
        except BaseException as exc:  # noqa: BLE001 - handed over to everybody who waits
            outcome = exc
        limiter.respect(runner.service_limit)
        if isinstance(outcome, StoredAnswer) and outcome.folder is None:
            with self._lock:
                self._unkept[handle.identity, outcome.record.account] = replace(outcome, reused=True)
        self._finish(handle, outcome)

    def _finish(self, handle: JobHandle, outcome: StoredAnswer | BaseException) -> None:
        """Put the outcome into the future, after the job is off the list: who asks now asks the store."""
        with self._lock:
            if self._running.get((handle.owner.account, handle.name)) is handle:
                del self._running[handle.owner.account, handle.name]
        if handle.is_deserted:
            _tell_the_log(outcome)
        if isinstance(outcome, JobAbandoned):
            handle.future.set_exception(CancelledError())
        elif isinstance(outcome, BaseException):
            handle.future.set_exception(outcome)
        else:
            handle.future.set_result(outcome)


JOBS = JobManager()


def _tell_the_log(outcome: StoredAnswer | BaseException) -> None:
    """Tell how a request ended that nobody waited for; without the service's words, which may repeat the prompt."""
    if isinstance(outcome, StoredAnswer):
        LOG.info("The picture of a run that was stopped is kept for the next run: %s", outcome.folder or "in memory")
    elif isinstance(outcome, OpenAIImageError):
        request_id = outcome.request_id or "unknown"
        LOG.warning(
            "A run that was stopped ended without a picture: %s, request %s", type(outcome).__name__, request_id
        )
