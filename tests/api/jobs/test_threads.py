"""Threads of our own: so many at a time, in order or not, and nothing done in vain."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from openai_image_nodes.api.backends import leases
from openai_image_nodes.api.backends.leases import acquire, is_leased
from openai_image_nodes.api.errors import OpenAIImageError, RefusedError
from openai_image_nodes.api.jobs import threads as lanes
from openai_image_nodes.api.jobs.threads import ConcurrencyLimiter, LateValue, run_bounded, run_in_thread
from support.few_threads import FewThreads


def unexpected(exc: OpenAIImageError) -> None:
    raise exc


def all_done(lane: ConcurrencyLimiter, count: int, work: Callable[[int], None]) -> None:
    """Run numbered work in a lane and wait for the end of all of it."""
    left = threading.Semaphore(0)

    def task(number: int) -> Callable[[], None]:
        def run() -> None:
            work(number)
            left.release()

        return run

    for number in range(count):
        lane.run(task(number), unexpected)
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
    lane.run(lambda: begun.wait(30) and None, unexpected)  # so that all others wait when the choice is made
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


def test_work_that_gets_no_thread_is_told_and_leaves_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once there are threads again, all goes on: also where one runs at a time."""
    monkeypatch.setattr(lanes, "_workers", ConcurrencyLimiter(limit=1))
    late = LateValue(lambda: "found")
    threads = FewThreads(monkeypatch)
    for future in (run_bounded(lambda: 1), run_in_thread(lambda: 1)):
        with pytest.raises(RefusedError, match="can't start new thread"):
            future.result(0)
    with pytest.raises(RefusedError):
        late.latest(30)
    threads.left = 3
    assert run_bounded(lambda: 1).result(30) == run_in_thread(lambda: 1).result(30) == 1
    assert late.latest(30) == "found"


def test_who_runs_does_what_gets_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits behind others is neither lost nor refused while one of them can do it, in its order."""
    lane, threads, gate = ConcurrencyLimiter(limit=4), FewThreads(monkeypatch), threading.Event()
    done: list[int] = []
    ended = threading.Semaphore(0)

    def task(number: int) -> Callable[[], None]:
        def run() -> None:
            assert gate.wait(30)
            done.append(number)
            ended.release()

        return run

    threads.left = 1
    leaving = [lane.run(task(number), unexpected) for number in range(6)]
    leaving[0]()  # a slow one gives its place to another, which gets no thread either
    lane.respect(8)
    gate.set()
    for _ in range(6):
        assert ended.acquire(timeout=30)
    assert done == list(range(6))


def test_a_task_that_fails_gives_its_place_back(caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours in one job must not block a service until the next start."""
    lane, done = ConcurrencyLimiter(limit=1), threading.Event()

    def fails() -> None:
        raise MemoryError

    lane.run(fails, unexpected)
    lane.run(done.set, unexpected)
    assert done.wait(30)
    assert "MemoryError" in caplog.text


def test_a_claim_that_cannot_be_kept_fresh_is_given_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Others would take it for that of a dead owner, and pay a second time."""
    leases._heart.cache_clear()
    threads = FewThreads(monkeypatch)
    with pytest.raises(RefusedError):
        acquire(tmp_path)
    assert not list(tmp_path.iterdir())
    threads.left = 1
    held = acquire(tmp_path)
    assert held is not None
    assert is_leased(tmp_path)
    held.release()
