"""What a request asks of the file system does not grow with what is kept: counted, for a clock would not be sure."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from openai_image_nodes.api.backends.atomic_files import make_private_folder
from openai_image_nodes.api.backends.backend import LocalBackend
from openai_image_nodes.api.batch.plan import JobPlan
from openai_image_nodes.api.errors import OutOfCreditError
from openai_image_nodes.api.jobs import past_runs
from openai_image_nodes.api.store import eviction, spending
from openai_image_nodes.api.store import store as store_module
from openai_image_nodes.api.store.records import JobRecord
from openai_image_nodes.api.store.store import Store, mark_read
from openai_image_nodes.nodes.web.batch_panel import LARGE_PLAN, BatchPanel
from support import large_store
from support.file_calls import counted
from support.large_store import PICTURE, USD, identity, record

FEW = 100
# To write and delete 100,000 answers takes a disk minutes: `make test-growth` does, the suite has enough with fewer.
MANY = int(os.environ.get("OPENAI_IMAGE_NODES_TEST_ANSWERS") or 5_000)
NEW = 10_000_000  # the number of an answer that is not there yet


def find(store: Store) -> None:
    answer = store.find(identity(7))
    assert answer is not None
    assert answer.pictures == [PICTURE]
    mark_read(answer)


def find_nothing(store: Store) -> None:
    assert store.find(identity(-1)) is None


def save(store: Store) -> None:
    new = record(NEW + next(_numbers))
    store.save(new, [PICTURE])
    spending.note_spent(store.root, new)


def reserve(store: Store) -> None:
    with spending.reserved(store.root, USD, name=identity(NEW)):
        pass
    spending.release(store.root, identity(NEW))


def usual_time(store: Store) -> None:
    assert past_runs.median_duration_s(store, record(1)) is not None


def look_for_rest(store: Store) -> None:
    assert store.journal.read(identity(-1)) is None
    assert not store.has(identity(-1))


_numbers: Iterator[int] = iter(range(10**6))
STEPS: list[Callable[[Store], None]] = [find, find_nothing, save, reserve, usual_time, look_for_rest]


def calls_of(step: Callable[[Store], None], store: Store) -> Counter[str]:
    """Count what a step asks of the file system once what it does first is done."""
    step(store)
    with counted() as calls:
        step(store)
    return calls


@pytest.fixture(scope="module")
def grown() -> Iterator[list[Path]]:
    """A young and an old store; pytest would keep three of them."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        roots = [Path(folder) / name for name in ("young", "old")]
        for root, answers in zip(roots, (FEW, MANY), strict=True):
            large_store.fill(root, answers)
        yield roots


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_a_request_costs_the_same_in_an_old_store(
    step: Callable[[Store], None], grown: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding, saving, reserving and guessing the time: as many calls, and as many names listed, as in a young one."""
    monkeypatch.setenv(spending.BUDGET_VARIABLE, "1000000")
    young, old = (calls_of(step, Store(root)) for root in grown)
    assert young == old
    assert young.total() < 60


@pytest.mark.slow
def test_first_look_reads_a_sample(grown: list[Path]) -> None:
    """How long requests take is told from some answers, whatever the number of all."""
    past_runs._past.pop(grown[1], None)
    with counted() as calls:
        assert past_runs.median_duration_s(Store(grown[1]), record(1)) is not None
    assert calls.total() < 6 * past_runs.SAMPLE


@pytest.mark.slow
def test_panel_shows_a_large_plan_as_it_was_read_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at very many planned jobs waits for none of them, and has all of them in the end."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_STORE", str(tmp_path))
    large_store.fill_plan(tmp_path, MANY)
    large_store.fill_plan(tmp_path / "one", 1)
    panel = BatchPanel(lambda _name: pytest.fail("nobody asks the service"))
    seen = panel.view()
    assert (seen["busy"], seen["doing"]) == (True, "look")
    while seen["busy"]:
        time.sleep(0.1)
        seen = panel.view()
    assert seen["count"] == MANY
    (one,) = JobPlan(Store(tmp_path / "one")).each()
    assert one.high_usd is not None
    assert seen["high_usd"] == pytest.approx(MANY * one.high_usd)
    with counted() as calls:
        again = panel.view()
    assert again == seen
    assert calls.total() <= 2 * LARGE_PLAN


def test_second_answer_is_found_when_the_first_is_forgotten(tmp_path: Path) -> None:
    """Whatever left the gap, and whoever wrote the answer: nobody pays once more for what is kept."""
    store, others = Store(tmp_path), Store(tmp_path)
    for number in (1, 2, 3):
        store.save(record(NEW), [PICTURE + bytes([number])])
    for name in (identity(NEW), f"{identity(NEW)}.2"):
        assert (store.jobs / name).rename(tmp_path / name)
    for one in (store, others):
        found = one.find(identity(NEW))
        assert found is not None
        assert found.pictures == [PICTURE + b"\x03"]


def test_answer_of_another_process_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest one at once where numbers follow each other, any other when the folder is looked through again."""
    store, others = Store(tmp_path), Store(tmp_path)
    assert store.find(identity(1)) is None
    for picture in (b"\x01", b"\x02"):
        others.save(record(1), [PICTURE + picture])
        found = store.find(identity(1))
        assert found is not None
        assert found.pictures == [PICTURE + picture]
    (store.jobs / f"{identity(1)}.2").rename(store.jobs / f"{identity(1)}.9")
    (store.jobs / identity(1)).rename(tmp_path / "away")
    monkeypatch.setattr(store_module, "RESCAN_S", 0.0)
    assert store.find(identity(1)) is not None


def test_before_money_is_spent_no_answer_of_another_process_is_missed(tmp_path: Path) -> None:
    """Also one whose number follows no other, which a look for free may miss for a while."""
    store, others = Store(tmp_path), Store(tmp_path)
    others.save(record(2), [PICTURE])
    assert store.find(identity(1)) is None
    others.save(record(1), [PICTURE])
    (store.jobs / identity(1)).rename(store.jobs / f"{identity(1)}.9")
    assert store.find(identity(1)) is None  # nobody pays for this look
    store.look_again()
    assert store.find(identity(1)) is not None


def test_before_money_is_spent_a_network_folder_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An NFS client knows for a minute what was not there when it looked last: only an open asks the server again."""
    ours, theirs = Store(tmp_path), Store(tmp_path)
    make_private_folder(ours.jobs)
    known, read, opened = set[str](), store_module.read_record, os.open

    def read_of_known(folder: Path) -> JobRecord:
        if folder.name not in known:
            raise FileNotFoundError(folder)
        return read(folder)

    def open_anew(path: Any, *rest: Any, **options: Any) -> int:
        known.update(os.listdir(ours.jobs) if Path(path) == ours.jobs else ())
        return opened(path, *rest, **options)

    theirs.save(record(1), [PICTURE])
    monkeypatch.setattr(store_module, "read_record", read_of_known)
    monkeypatch.setattr(os, "open", open_anew)
    assert not ours.records_of(identity(1))
    ours.look_again()
    assert ours.records_of(identity(1))


def test_answers_that_come_together_are_all_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each asks for room to be made; one thread does, and one that starts slowly or never loses nobody's answer."""
    store, start = Store(tmp_path), threading.Thread.start

    def slow_start(thread: threading.Thread) -> None:
        if thread.name == eviction.PRUNING:
            time.sleep(0.05)
            if next(starts) == 0:
                raise RuntimeError("can't start new thread")
        start(thread)

    starts = count()
    monkeypatch.setattr(threading.Thread, "start", slow_start)
    with ThreadPoolExecutor(16) as pool:
        folders = list(pool.map(lambda number: store.save(record(number), [PICTURE]), range(48)))
    assert all((folder / "picture_0.png").read_bytes() == PICTURE for folder in folders)
    assert next(starts) > 1


def note(root: Path, usd: float, number: int, *, sent_at: float | None = None) -> None:
    """Write down what an answer cost, as this process does."""
    new: JobRecord = record(number)
    new.cost_usd, new.sent_at = usd, time.time() if sent_at is None else sent_at
    spending.note_spent(root, new)


def told_by_its_time(folder: Path) -> None:
    """Let a change be seen that came within one tick of the file system's clock after the last."""
    os.utime(folder, ns=(0, folder.stat().st_mtime_ns + 10_000_000))


def test_running_sum_is_the_sum_of_the_notes(tmp_path: Path) -> None:
    """Ours are added as they are written, those of others when the folder has changed, and deleted ones go."""
    day = tmp_path / "spent" / spending.today()
    assert spending.spent(tmp_path, spending.today()) == {}
    note(tmp_path, 0.25, 1)
    note(tmp_path, 0.25, 1, sent_at=time.time() + 0.01)
    assert spending.spent(tmp_path, spending.today()) == {"openai": 0.5}
    (day / f"1.000000_azure_{'a' * 32}.json").write_text("{}")
    told_by_its_time(day)
    assert spending.spent(tmp_path, spending.today()) == {"openai": 0.5, "azure": 1.0}
    next(day.glob("1.0*")).unlink()
    told_by_its_time(day)
    note(tmp_path, 2.0, 2)
    assert spending.spent(tmp_path, spending.today()) == {"openai": 2.5}


def test_notes_of_other_machines_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody knows the price it stands in the note: a farm must not read all of them before each request."""
    reads = count()

    class There(LocalBackend):
        def read(self, name: str, max_bytes: int = 1000) -> bytes | None:
            next(reads)
            return super().read(name, max_bytes)

    there = There(tmp_path / "bucket")
    for number in range(50):
        there.write(*spending.note_of(record(number).model_copy(update={"cost_usd": None, "sent_at": time.time()})))
    first, second = (spending.spent(tmp_path, spending.today(), there, unknown_too=True) for _ in range(2))
    assert (first, next(reads)) == (second, 50)
    assert sum(first.values()) > 0


def test_budget_counts_what_came_since_the_last_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The running sum refuses at the same cent as a listing would."""
    monkeypatch.setenv(spending.BUDGET_VARIABLE, "1.0")
    for number in range(4):
        with spending.reserved(tmp_path, 0.25):
            note(tmp_path, 0.25, number)
    with pytest.raises(OutOfCreditError), spending.reserved(tmp_path, 0.01):
        pass


@pytest.mark.slow
def test_days_that_are_over_are_not_looked_through(tmp_path: Path) -> None:
    """Folders of what was held are gone with the day, unless something is held in them still."""
    for day in ("2026-01-01", "2026-01-02"):
        (tmp_path / "held" / day).mkdir(parents=True)
    (tmp_path / "held" / "2026-01-02" / f"0.100000_{identity(1)}.json").write_bytes(b"")
    spending.release(tmp_path, identity(2))
    assert [path.name for path in (tmp_path / "held").iterdir()] == ["2026-01-02"]
