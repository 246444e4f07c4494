"""Threads of our own: so many at a time, in order or not, and nothing done in vain."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from openai_image_nodes.api.jobs import threads as lanes
from openai_image_nodes.api.jobs.threads import ConcurrencyLimiter, run_bounded


def all_done(lane: ConcurrencyLimiter, count: int, work: Callable[[int], None]) -> None:
    """Run numbered work in a lane and wait for the end of all of it."""
    left = threading.Semaphore(0)

    def task(number: int) -> Callable[[], None]:
        def run() -> None:
            work(number)
            left.release()

        return run

    for number in range(count):
        lane.run(task(number))
    for _ in range(count):
        assert left.acquire(timeout=30)


def test_lane_keeps_its_order() -> None:
    """One at a time: as they came."""
    done: list[int] = []
    all_done(ConcurrencyLimiter(limit=1), 50, done.append)
    assert done == list(range(50))


def test_lane_without_order_does_each_once() -> None:
    """The first ones are not always the first: two machines with one list seldom meet."""
    begun = threading.Event()
    lane, done = ConcurrencyLimiter(in_order=False, limit=1), []
    lane.run(lambda: begun.wait(30) and None)  # so that all others wait when the choice is made
    waiting = threading.Thread(target=lambda: all_done(lane, 50, done.append))
    waiting.start()
    begun.set()
    waiting.join(30)
    assert sorted(done) == list(range(50))


def test_only_so_many_work_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pictures a list has."""
    monkeypatch.setattr(lanes, "_workers", ConcurrencyLimiter(limit=3))
    lock, now, most = threading.Lock(), 0, 0
    together = threading.Barrier(3)

    def work() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait(30)
        with lock:
            now -= 1

    for future in [run_bounded(work) for _ in range(30)]:
        future.result(30)
    assert most == 3


def test_what_is_cancelled_before_its_turn_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was stopped leaves no work behind."""
    monkeypatch.setattr(lanes, "_workers", ConcurrencyLimiter(limit=1))
    gate, done = threading.Event(), []
    first = run_bounded(lambda: gate.wait(30))
    second, third = run_bounded(lambda: done.append(2)), run_bounded(lambda: done.append(3))
    assert second.cancel()
    gate.set()
    first.result(30)
    third.result(30)
    assert done == [3]
