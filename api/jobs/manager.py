"""The job store's front: one paid piece of work, asked once, kept for good, and shared by everybody who wants it."""

from __future__ import annotations

import logging
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import CancelledError, wait
from contextlib import contextmanager, suppress
from dataclasses import replace

from ..errors import OpenAIImageError
from ..store.journal import again
from ..store.records import Owner, StoredAnswer
from ..store.store import NOT_HAD, STORE_VARIABLE, Store, mark_read, put_back, store_of
from .job import Job, JobAbandoned, JobHandle
from .runner import JobRunner
from .threads import ConcurrencyLimiter

LOG = logging.getLogger(__name__)
END_WAIT_S = 120.0  # most pictures take less


class JobManager:
    """All jobs of this process. `submit` is the only way in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[tuple[str | None, str], JobHandle] = {}  # by account and name
        self._limiters: dict[str, ConcurrencyLimiter] = {}
        self._unkept: dict[tuple[str, str | None], StoredAnswer] = {}  # by identity and account
        # of jobs that are asked again on purpose, by account and identity: those on their way, and what nobody had
        # and no disk took
        self._again: defaultdict[tuple[str | None, str], list[JobHandle]] = defaultdict(list)
        self._untaken: defaultdict[tuple[str | None, str], list[StoredAnswer]] = defaultdict(list)
        self._is_ending = False

    def submit(self, job: Job) -> JobHandle:
        """Start a job, join it where it runs already, or take its answer from the store.

        Call `leave()` on what comes back when done waiting, `give_up` where that ends without the answer, and hand this
        over in `delivering`.
        """
        identity, owner = job.identity, job.owner
        name = owner.name(identity) if job.reuse else again(owner.name(identity))
        with self._lock:
            running = self._running.get((owner.account, name))
            stopped = (one for one in self._again.get((owner.account, identity), ()) if one.is_deserted)
            for one in filter(None, (running, *stopped)):
                if one.join():
                    return one
            handle = self._running[owner.account, name] = JobHandle(job, name)
            if not job.reuse:
                self._again[owner.account, identity].append(handle)
            limiter = self._limiters.setdefault(
                job.connection.service, ConcurrencyLimiter(in_order=not os.environ.get(STORE_VARIABLE))
            )
        if self._is_ending:
            self._finish(handle, JobAbandoned())
            return handle
        try:
            store = store_of(job.connection)
            store.flush_soon()
            known = self._known(handle, store)
        except Exception as exc:  # noqa: BLE001 - handed over to everybody who waits
            self._finish(handle, exc)
            return handle
        if known is not None and known.is_whole:
            self._finish(handle, known)
        else:
            if known is not None:
                self.put_back(job, known)  # completed there
            handle.on_deserted = limiter.run(
                lambda: self._ask(handle, store, limiter), lambda exc: self._finish(handle, exc)
            )
        return handle

    def end(self, wait_s: float = END_WAIT_S) -> None:
        """Send nothing any more, and wait for the answers of what was sent, so that they are kept: the process ends.

        Ctrl+C ends the waiting. The threads are daemons, which die without it once Python has come to its end.
        """
        with self._lock:
            self._is_ending = True
            sent = [handle for handle in self._running.values() if handle.give_up_unless_sent()]
        if not sent:
            return
        LOG.warning(
            "Waiting up to %.0f s for %d answers that may be billed: what comes is kept for the next run. Press Ctrl+C"
            " to end without them.",
            wait_s,
            len(sent),
        )
        with suppress(KeyboardInterrupt):
            wait([handle.future for handle in sent], wait_s)

    def go_on(self) -> None:
        """Send again what is asked from now on: the process did not end after all."""
        self._is_ending = False

    def was_asked(self, job: Job) -> bool:
        """Tell whether a job is answered, here or on a machine that shares the store, or on its way or lost there."""
        return self._is_here(job) or store_of(job.connection).was_asked(job.identity, job.owner)

    def put_back(self, job: Job, answer: StoredAnswer) -> None:
        """Keep an answer for the next run of a job that asks again on purpose too: whoever waited for it was stopped.

        What somebody has by now is not kept.
        """
        if job.reuse or answer.delivered:
            return
        if answer.folder is not None:
            return put_back(answer)
        with self._lock:
            self._untaken[job.owner.account, job.identity].append(replace(answer, reused=True))

    def take_back(self, job: Job, answer: StoredAnswer) -> None:
        """Put back an answer that was delivered, and that nobody has after all; of a kept one no picture is needed."""
        answer.delivered = False
        if not job.reuse:
            self.put_back(job, answer)
        elif answer.folder is not None:
            put_back(answer, NOT_HAD)
        else:
            with self._lock:
                self._unkept[answer.record.identity, answer.record.account] = replace(answer, reused=True)

    def give_up(self, handle: JobHandle) -> None:
        """Wait no longer for a job without having its answer: that is put back, whenever it comes or came."""
        handle.leave()
        handle.future.add_done_callback(lambda _: self._put_back_if_deserted(handle))

    def _put_back_if_deserted(self, handle: JobHandle) -> None:
        if handle.is_deserted and not handle.is_put_back and handle.future.exception() is None:
            self.put_back(handle.job, handle.future.result())

    @contextmanager
    def delivering(self, answer: StoredAnswer) -> Iterator[StoredAnswer]:
        """Give an answer as it is for this taker: of those who waited for it together, one has paid.

        Once the `with` has ended well somebody has it, and it may be forgotten when the store is full.
        """
        with self._lock:
            paid_by_another, answer.delivered = answer.delivered, True
        try:
            yield replace(answer, reused=True) if paid_by_another else answer
        except BaseException:
            answer.delivered = paid_by_another
            raise
        with self._lock:
            self._unkept.pop((answer.record.identity, answer.record.account), None)
            for untaken in self._untaken.values():  # another may have found it
                untaken[:] = [one for one in untaken if one.record.fingerprint != answer.record.fingerprint]
        mark_read(answer)

    def is_kept(self, job: Job) -> bool:
        """Tell whether the answer of a job is there already, or being made, and costs nothing more."""
        if not job.reuse:
            return False
        if self._is_here(job):
            return True
        return any(job.owner.owns(record) for record in store_of(job.connection).records_of(job.identity))

    def _is_here(self, job: Job) -> bool:
        """Tell whether this process works on a job, or has its answer in memory alone."""
        with self._lock:
            is_running = (job.owner.account, job.owner.name(job.identity)) in self._running
        return is_running or self._in_memory(job.identity, job.owner) is not None

    def _in_memory(self, identity: str, owner: Owner) -> StoredAnswer | None:
        with self._lock:
            mine = (one for (kept, _), one in self._unkept.items() if kept == identity and owner.owns(one.record))
            return next(mine, None)

    def _known(self, handle: JobHandle, store: Store) -> StoredAnswer | None:
        if not handle.job.reuse:
            with self._lock:
                untaken = self._untaken.get((handle.owner.account, handle.identity))
                known = untaken.pop(0) if untaken else None
            return known or store.untaken(handle.identity, handle.owner)
        return self._in_memory(handle.identity, handle.owner) or store.find(handle.identity, handle.owner)

    def _ask(self, handle: JobHandle, store: Store, limiter: ConcurrencyLimiter) -> None:
        runner = JobRunner(handle, store, known=lambda: self._known(handle, store))
        try:
            outcome: StoredAnswer | BaseException = runner.answer()
        except BaseException as exc:  # noqa: BLE001 - handed over to everybody who waits
            outcome = exc
        try:
            limiter.respect(runner.service_limit)  # before who waits sends the next one
        finally:
            if isinstance(outcome, StoredAnswer) and outcome.folder is None:
                with self._lock:
                    self._unkept[handle.identity, outcome.record.account] = replace(outcome, reused=True)
            self._finish(handle, outcome)

    def _finish(self, handle: JobHandle, outcome: StoredAnswer | BaseException) -> None:
        """Put the outcome into the future, after the job is off the list: who asks now asks the store."""
        if handle.is_deserted and isinstance(outcome, StoredAnswer):
            handle.is_put_back = True
            self.put_back(handle.job, outcome)  # before: there it is found
        with self._lock:
            if self._running.get((handle.owner.account, handle.name)) is handle:
                del self._running[handle.owner.account, handle.name]
            if not handle.job.reuse:
                asked = handle.owner.account, handle.identity
                self._again[asked].remove(handle)
                if not self._again[asked]:
                    del self._again[asked]
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
