"""The store on a file system that behaves like Windows'. tests/support/windows_files.py has the rules."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from openai_image_nodes.api.backends import atomic_files as files
from openai_image_nodes.api.backends.leases import acquire
from openai_image_nodes.api.batch.plan import JobPlan
from openai_image_nodes.api.errors import OutcomeUnknownError
from openai_image_nodes.api.store import spending
from openai_image_nodes.api.store.journal import ANSWER, again
from openai_image_nodes.api.store.records import Owner
from openai_image_nodes.api.store.store import NameIndex, Store, mark_read
from openai_image_nodes.cli import main
from support.asker import Asker, Server
from support.large_store import PICTURE, record
from support.windows_files import HOME, PATH_MAX, TICK_NS, Windows, WindowsError_, windows

ACCOUNT = "0123456789abcdef"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def rules(tmp_path: Path) -> Iterator[Windows]:
    with windows(tmp_path) as layer:
        yield layer


@pytest.fixture
def store(tmp_path: Path, rules: Windows) -> Store:
    return Store(tmp_path / "store")


def held_for(path: Path, seconds: float) -> threading.Thread:
    """Let another thread have a file open for a while, as a virus scanner does."""
    is_open = threading.Event()

    def hold() -> None:
        with path.open("rb"):
            is_open.set()
            time.sleep(seconds)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert is_open.wait(30)
    return thread


class TestLayer:
    """The layer refuses what Windows refuses; else the tests below would show nothing."""

    def test_what_is_open_stays(self, tmp_path: Path, rules: Windows) -> None:
        """Neither the file nor a folder around it can be moved or deleted."""
        folder = tmp_path / "folder"
        folder.mkdir()
        path = folder / "file"
        path.write_bytes(b"data")
        with path.open("rb"):
            for act in (path.unlink, lambda: path.rename(tmp_path / "other"), lambda: folder.rename(tmp_path / "new")):
                with pytest.raises(WindowsError_):
                    act()
        folder.rename(tmp_path / "new")

    @pytest.mark.parametrize("name", ["a:b", "what?", "nul", "COM1.json", "end.", "x" * 250])
    def test_forbidden_names(self, name: str, tmp_path: Path, rules: Windows) -> None:
        """Names of devices, signs with a meaning, a dot at the end, too many characters."""
        with pytest.raises(OSError, match=r"syntax|path specified"):
            os.open(tmp_path / name, os.O_CREAT | os.O_WRONLY)

    @pytest.mark.parametrize("name", ["what?", "nul", "end ", "AUX.txt"])
    def test_forbidden_names_of_plain_files(self, name: str, tmp_path: Path, rules: Windows) -> None:
        """However a file is opened."""
        for write in (lambda: (tmp_path / name).write_bytes(b""), lambda: open(tmp_path / name, "w").close()):
            with pytest.raises(OSError, match="syntax"):
                write()

    def test_read_only_files_stay(self, tmp_path: Path, rules: Windows) -> None:
        """They can be neither deleted nor replaced."""
        path, other = tmp_path / "file", tmp_path / "other"
        for each in (path, other):
            each.write_bytes(b"data")
        path.chmod(0o400)
        for act in (path.unlink, lambda: other.replace(path)):
            with pytest.raises(WindowsError_):
                act()

    def test_time_stamps_are_even_seconds(self, tmp_path: Path, rules: Windows) -> None:
        """What changes twice in one of them looks the same."""
        (tmp_path / "folder").mkdir()
        assert (tmp_path / "folder").stat().st_mtime_ns % TICK_NS == 0

    def test_case_is_no_difference(self, tmp_path: Path, rules: Windows) -> None:
        """Two names that differ in case alone are one."""
        (tmp_path / "Name").mkdir()
        with pytest.raises(FileExistsError):
            (tmp_path / "name").mkdir()


def test_answers_are_saved_found_and_forgotten(store: Store) -> None:
    """Nothing is moved or deleted while this process has it open."""
    for number in range(3):
        store.save(record(number), [PICTURE])
        spending.note_spent(store.root, record(number))
    for number in range(3):
        answer = store.find(record(number).identity)
        assert answer is not None
        mark_read(answer)
    assert store.prune(0) == 3
    assert os.listdir(store.jobs) == os.listdir(store.root / "trash") == []


def test_save_waits_for_a_scanner(store: Store, rules: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new answer that something looks into is moved into its place as soon as that is done."""
    synced = files.sync
    holding = []

    def scanned(path: Path) -> None:
        if path.parent.name == "incoming" and not holding:
            holding.append(held_for(path / "picture_0.png", 0.1))
        synced(path)

    monkeypatch.setattr(files, "sync", scanned)
    folder = store.save(record(1), [PICTURE])
    assert (folder / "picture_0.png").read_bytes() == PICTURE
    assert rules.refusals > 0


def test_replaced_record_waits_for_its_reader(store: Store, tmp_path: Path, rules: Windows) -> None:
    """A record that another thread reads this moment is replaced after that."""
    path = tmp_path / "record.json"
    files.write_atomic(path, b"old")
    held_for(path, 0.1)
    files.write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["record.json"]
    assert rules.refusals > 0


def test_what_is_held_for_good_is_told(tmp_path: Path, rules: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second's tries the error comes, and nothing is left beside the file."""
    slept: list[float] = []  # by this alone: other threads sleep, too
    monkeypatch.setattr(files, "time", SimpleNamespace(sleep=slept.append))
    path = tmp_path / "record.json"
    files.write_atomic(path, b"old")
    with path.open("rb"), pytest.raises(PermissionError):
        files.write_atomic(path, b"new")
    assert sum(slept) == pytest.approx(1.0)
    assert os.listdir(tmp_path) == ["record.json"]


def test_refusal_of_other_systems_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that nobody may write to stays so."""
    monkeypatch.setattr(files, "time", SimpleNamespace(sleep=lambda _s: pytest.fail("it waited")))

    def refused(*_paths: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(PermissionError):
        files.move(tmp_path / "a", tmp_path / "b")


def test_folder_that_cannot_be_moved_stays_whole(store: Store, rules: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of which one file is held is forgotten another time, not by half."""
    monkeypatch.setattr(files, "time", SimpleNamespace(sleep=lambda _s: None))
    folder = store.save(record(1), [PICTURE, PICTURE + b"2"])
    answer = store.find(record(1).identity)
    assert answer is not None
    mark_read(answer)
    with closing((folder / "picture_1.png").open("rb")):
        assert store.prune(0) == 0
        assert sorted(os.listdir(folder)) == ["picture_0.png", "picture_1.png", "record.json"]
    assert store.find(record(1).identity) is not None
    assert store.prune(0) == 1


def test_answers_out_of_a_backup_are_forgotten_and_replaced(
    store: Store, rules: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was copied from a read-only place is read-only, and nobody waits for it to be let go."""
    monkeypatch.setattr(files, "PAUSES_S", (-1.0, -1.0))  # which nobody can sleep
    folder = store.save(record(1), [PICTURE])
    answer = store.find(record(1).identity)
    assert answer is not None
    mark_read(answer)
    for path in folder.iterdir():
        path.chmod(0o400)
    files.write_atomic(folder / "record.json", (folder / "record.json").read_bytes())
    assert store.find(record(1).identity) is not None
    (folder / "record.json").chmod(0o400)
    assert store.prune(0) == 1
    assert os.listdir(store.jobs) == os.listdir(store.root / "trash") == []
    assert rules.refusals > 0


def test_second_answer_is_found_within_one_tick(tmp_path: Path, rules: Windows) -> None:
    """Before money is spent a listing is made again, though the folder tells the time that it told before."""
    store, others = Store(tmp_path / "store"), Store(tmp_path / "store")
    store.save(record(1), [PICTURE])
    told = time.time_ns() - 3 * TICK_NS // 4
    os.utime(store.jobs, ns=(told, told))
    names = NameIndex(store.jobs)
    names.look_again()
    second = others.save(record(1), [PICTURE])
    os.utime(store.jobs, ns=(told, told))
    names.look_again()
    assert names.others(record(1).identity) == {second.name}


def test_changes_of_a_plan_are_told_apart_within_one_tick(store: Store, rules: Windows) -> None:
    """A node looks again after each of them."""
    plan, seen = JobPlan(store), set()
    for _ in range(4):
        plan.touch()
        seen.add(plan.generation)
    assert len(seen) == 4


def test_two_processes_of_one_store(store: Store, rules: Windows, tmp_path: Path) -> None:
    """One reads whatever the other replaces and forgets: no call fails but with what Windows itself would say."""
    other, stop = Store(store.root), threading.Event()
    for number in range(8):
        store.save(record(number), [PICTURE])

    def read() -> None:
        while not stop.is_set():
            for number in range(8):
                found = other.find(record(number).identity)
                if found is not None:
                    mark_read(found)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            for number in range(8):
                answer = store.find(record(number).identity)
                assert answer is not None
                mark_read(answer)
                store.amend(answer)
            store.prune(0)
        finally:
            stop.set()
        reading.result()


def test_lease_needs_no_posix(store: Store, rules: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken once, given back, and taken again, by exclusive creation alone; no signal asks for a process."""
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("on Windows this ends the process"))
    place = store.journal.folder(record(1).identity)
    lease = acquire(place)
    assert lease is not None
    assert acquire(place) is None
    assert lease.held
    lease.release()
    second = acquire(place)
    assert second is not None
    second.release()


def test_paths_are_short_enough(store: Store, rules: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest names that there can be, below a portable ComfyUI in somebody's documents."""
    new = record(1)
    new.account = ACCOUNT
    monkeypatch.setenv(spending.BUDGET_VARIABLE, "10000")
    name = again(Owner(ACCOUNT, is_apart=True).name(new.identity))
    lease = acquire(store.journal.place(name, is_made=True))
    assert lease is not None
    store.journal.write(name, new)
    store.journal.write_partials(name, [PICTURE] * 3)
    with store.journal.receiving(name) as write:
        write(b"{}")
    with spending.reserved(store.root, 1234.5, name=name):
        held = [path.name for path in (store.root / "held").glob("*/*")]
        assert held == [f"1234.500000_{name}.json"]
    lease.release()
    store.journal.drop(name)
    for _ in range(2):
        new.connection = "my own server of a long name"
        store.save(new, [PICTURE] * 11)
        spending.note_spent(store.root, new)
    files.write_synced(files.make_private_folder(store.root / "outbox") / f"{name}.dropped", b"")
    rules.check_name(JobPlan(store).root / "planned" / f".{'0' * 16}")
    rules.check_name(JobPlan(store).root / "batches" / f"20261127-070000-{'0' * 12}" / "requests.jsonl.part")
    assert len(rules.longest) <= PATH_MAX
    assert rules.longest.startswith(HOME)


@pytest.mark.parametrize("fault", [None, "drop"])
def test_a_run_works_whatever_happens(
    fault: str | None, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request from journal to picture, one that is lost on the way, the store on a second run, and the command."""
    asker = Asker.fresh(server, "openai", monkeypatch)
    with windows(asker.store.root):
        if fault:
            server.faults.drop("after_body")
            with pytest.raises(OutcomeUnknownError):
                asker.ask("fox")
            assert len(os.listdir(asker.store.journal.root)) == 1
        else:
            assert asker.ask("fox").pictures
            assert asker.next_run("fox")[0] == 0
            assert os.listdir(asker.store.journal.root) == []
        assert main(["jobs"]) == 0


def test_names_that_are_made_up_are_names_for_windows(store: Store, rules: Windows) -> None:
    """A connection may be called anything; the note of what it cost has a name all the same."""
    for number, connection in zip(count(), ["a:b", "what? <me>", "con", "trailing.", "x|y*z", '"quoted" \\ back']):
        new = record(number)
        new.connection, new.sent_at = connection, time.time()
        spending.note_spent(store.root, new)
        assert spending.spent(store.root, spending.today())[connection] == pytest.approx(0.01)


def test_disk_has_what_a_second_purchase_would_follow_from(store: Store, rules: Windows) -> None:
    """Windows flushes only files that are open for writing, and never all at once: a power cut would forget them."""
    job = record(1).model_copy(update={"batch": "batch_1", "state": "sent"})
    identity = job.identity
    assert store.journal.hand_over(job)
    folder = store.journal.folder(identity)
    assert folder in [path.parent for path in rules.flushed]
    with store.journal.receiving(identity) as write:
        write(b"{}")
    store.journal.sync_answer(identity)
    assert rules.flushed[-1] == folder / ANSWER
