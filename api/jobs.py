"""The job store's front: one paid piece of work, asked once, kept for good, and shared by everybody who wants it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace

from .asking import Asking
from .errors import BadAnswerError, OutcomeUnknownError
from .lanes import Lane
from .records import Answer
from .running import Job, Running, Unwanted
from .store import mark_read, store_of


class Jobs:
    """All jobs of this process. `submit` is the only way in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Running] = {}
        self._lanes: dict[str, Lane] = {}
        self._unkept: dict[str, Answer] = {}
        self._unknown: dict[str, OutcomeUnknownError] = {}

    def submit(self, job: Job) -> Running:
        """Start a job, join it where it runs already, or take its answer from the store.

        Call `leave()` on what comes back when done waiting, and `taken()` when the answer has reached somebody.
        """
        identity = job.identity
        name = identity if job.reuse else f"{identity}.again-{uuid.uuid4().hex[:8]}"
        with self._lock:
            running = self._running.get(name)
            if running is not None and running.join():
                return running
            running = self._running[name] = Running(job, identity, name)
            lane = self._lanes.setdefault(job.connection.service, Lane())
        if not self._answered_from_store(running):
            lane.run(lambda: self._finish(running, lambda: self._asked(running, lane)))
        return running

    def taken(self, answer: Answer) -> None:
        """Note that an answer has reached somebody: from now on it may be forgotten when the store is full."""
        with self._lock:
            self._unkept.pop(answer.record.identity, None)
        mark_read(answer)

    def _answered_from_store(self, running: Running) -> bool:
        try:
            known = self._known(running)
        except (BadAnswerError, OutcomeUnknownError) as exc:
            self._finish(running, _raiser(exc))
            return True
        if known is not None:
            self._finish(running, lambda: known)
        return known is not None

    def _known(self, running: Running) -> Answer | None:
        if not running.job.reuse:
            return None
        with self._lock:
            unkept, unknown = self._unkept.get(running.identity), self._unknown.get(running.identity)
        if unknown is not None:
            raise unknown
        return unkept or store_of(running.job.connection).find(running.identity)

    def _asked(self, running: Running, lane: Lane) -> Answer:
        asking = Asking(running, store_of(running.job.connection), known=lambda: self._known(running))
        try:
            answer = asking.answer()
        except OutcomeUnknownError as exc:
            if not asking.is_written_down:
                self._unknown[running.identity] = exc
            raise
        lane.respect(asking.service_limit)
        with self._lock:
            self._unknown.pop(running.identity, None)
            if answer.folder is None:
                self._unkept[running.identity] = replace(answer, reused=True)
        return answer

    def _finish(self, running: Running, work: Callable[[], Answer]) -> None:
        """Put the outcome of work into the future, after the job is off the list: who asks now asks the store."""
        try:
            outcome: Answer | BaseException = work()
        except BaseException as exc:  # noqa: BLE001 - handed over to everybody who waits
            outcome = exc
        with self._lock:
            if self._running.get(running.name) is running:
                del self._running[running.name]
        if isinstance(outcome, Unwanted):
            running.future.cancel()
        elif isinstance(outcome, BaseException):
            running.future.set_exception(outcome)
        else:
            running.future.set_result(outcome)


JOBS = Jobs()


def _raiser(exc: BaseException) -> Callable[[], Answer]:
    def work() -> Answer:
        raise exc

    return work
