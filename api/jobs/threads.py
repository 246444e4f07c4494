"""Worker threads of our own: so many requests at a time per service, the others wait in order.

Threads are daemons: ComfyUI may end while a request is out, and the store knows what became of it. Where it ends by
itself, JobManager.end waits for what is out.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..config import whole_number
from ..errors import OpenAIImageError
from ..start_thread import start_thread

LOG = logging.getLogger(__name__)
MAX_IN_FLIGHT_VARIABLE = "OPENAI_IMAGE_NODES_MAX_IN_FLIGHT"
MAX_IN_FLIGHT = 4
RESTS = 9  # times as long as it took
WORKERS_LEAST = 8  # some of the work waits for a disk

T = TypeVar("T")


class ConcurrencyLimiter:
    """A queue of tasks of which at most a few run at a time, each on a thread that does the next one when it is done.

    Where no more threads can be had, those that run do what waits; where none runs, all that waits is refused.

    Machines that run the same list over one store would all wait for whoever asks for its first row; not `in_order`,
    each begins with another one.
    """

    def __init__(self, *, in_order: bool = True, limit: int | None = None) -> None:
        self._in_order = in_order
        self._own_limit = limit
        self._lock = threading.Lock()
        self._waiting: deque[_Place] = deque()
        self._running = 0  # tasks that take a place
        self._threads = 0  # those that will look for a next task
        self._service_limit: int | None = None

    def run(self, task: Callable[[], None], refused: Callable[[OpenAIImageError], None]) -> Callable[[], None]:
        """Run a task, which raises nothing, as soon as there is room for it; or call `refused`, also from here.

        Returns what gives its room to another before it ends; it may be called more than once. Neither raises anything.
        """
        place = _Place(task, refused)
        with self._lock:
            self._waiting.append(place)
        self._start_waiting()

        def leave() -> None:
            self._free(place)
            self._start_waiting()

        return leave

    def respect(self, service_limit: int | None) -> None:
        """Take over the service's own limit of requests at a time; None: it said nothing new."""
        if service_limit is not None:
            with self._lock:
                self._service_limit = service_limit
            self._start_waiting()

    def _start_waiting(self) -> None:
        while (place := self._next(threads=1)) is not None:
            try:
                start_thread(self._do, place, name="openai-image-request")
            except OpenAIImageError as exc:
                for lost in self._put_back(place):
                    lost.refused(exc)
                return

    def _next(self, *, threads: int) -> _Place | None:
        """Take the next task, if there is room for it: for a thread more, or for one that ends without."""
        ours = whole_number(MAX_IN_FLIGHT_VARIABLE, MAX_IN_FLIGHT)
        with self._lock:
            limit = self._own_limit or max(1, min(ours, self._service_limit or ours))
            if not self._waiting or self._running >= limit:
                self._threads -= 1 - threads
                return None
            if not self._in_order:
                self._waiting.rotate(random.randrange(len(self._waiting)))  # noqa: S311 - no secret depends on it
            place = self._waiting.popleft()
            place.taken = True
            self._running += 1
            self._threads += threads
            return place

    def _put_back(self, place: _Place) -> list[_Place]:
        """Put back a task that got no thread; returns those that nobody will do."""
        with self._lock:
            self._running -= 1
            self._threads -= 1
            place.taken = False
            self._waiting.appendleft(place)
            lost = [] if self._threads else list(self._waiting)
            if lost:
                self._waiting.clear()
        return lost

    def _do(self, first: _Place) -> None:
        place: _Place | None = first
        while place is not None:
            try:
                place.task()
            except BaseException:  # it must not take its place with it
                LOG.exception("A fault of this pack. Please report it.")
            self._free(place)
            place = self._next(threads=0)

    def _free(self, place: _Place) -> None:
        with self._lock:
            self._running -= place.taken
            place.taken = False


@dataclass
class _Place:
    """A task and whether it takes one of the places now."""

    task: Callable[[], None]
    refused: Callable[[OpenAIImageError], None]
    taken: bool = False


_workers = ConcurrencyLimiter(limit=max(WORKERS_LEAST, os.cpu_count() or 1))


def run_bounded(work: Callable[[], T]) -> Future[T]:
    """Run heavy work on one of a few daemon threads: a list of a thousand pictures must not be in work all at once.

    What is cancelled before its turn is never done. Where no thread can be had, the future tells it.
    """
    future: Future[T] = Future()

    def refused(exc: OpenAIImageError) -> None:
        if future.set_running_or_notify_cancel():
            future.set_exception(exc)

    _workers.run(lambda: _fulfill(future, work), refused)
    return future


def run_in_thread(work: Callable[[], T]) -> Future[T]:
    """Run work on a daemon thread, whether anybody waits or not; its result or error is in the future."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()
    try:
        start_thread(_fulfill, future, work, name="openai-image-work")
    except OpenAIImageError as exc:
        future.set_exception(exc)
    return future


class LateValue(Generic[T]):
    """What takes long to find out: it is told as it was found last, while a thread finds it out again.

    That takes up a tenth of the time at most, unless it has expired.
    """

    def __init__(self, find: Callable[[], T]) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._coming: Future[T] | None = None
        self._last: T | None = None
        self._rests_until = float("-inf")
        self._is_expired = False

    def expire(self) -> None:
        """Have it found out again at the next look."""
        with self._lock:
            self._is_expired, self._rests_until = True, float("-inf")

    def latest(self, wait_s: float) -> T | None:
        """Return it after `wait_s` at most; None if it was never found out yet. Raises: what finding it out raised."""
        with self._lock:
            if self._coming is None and time.monotonic() >= self._rests_until:
                self._is_expired, self._coming = False, run_in_thread(self._timed)
            coming = self._coming
        if coming is None:
            return self._last
        try:
            self._last = coming.result(wait_s)
        except FutureTimeoutError:
            return self._last
        finally:
            with self._lock:
                self._coming = None if coming.done() else coming
        return self._last

    def _timed(self) -> T:
        began = time.monotonic()
        found = self._find()
        with self._lock:
            if not self._is_expired:
                self._rests_until = time.monotonic() + RESTS * (time.monotonic() - began)
        return found


def _fulfill(future: Future[T], work: Callable[[], T]) -> None:
    if not future.running() and not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as exc:  # noqa: BLE001 - handed over to whoever waits
        future.set_exception(exc)
