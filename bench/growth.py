"""`python -m bench.growth [ANSWERS ...]`: what a request costs in stores of several sizes, and lists out of a store.

`python -m bench.growth list ROWS` runs one list alone, for its memory. The stores are written as files below the
temporary folder and deleted again; with 100,000 answers that takes minutes.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from . import memory, ours, pictures
from .measure import taken_s

SIZES = (1_000, 10_000, 100_000)
REPEATS = 50
ROWS, SIDE = (1_000, 10_000), 1024
COMPARED = 200  # of a list's rows
DELETED = 300
JOBS = """
import sys, types
pack = sys.modules["openai_image_nodes"] = types.ModuleType("openai_image_nodes")
pack.__path__ = sys.argv[1:]
from openai_image_nodes.cli import main
main(["jobs"])
"""  # as the installed command, without ComfyUI's packages
LOOKS, LOOK_PAUSE_S = 20, 0.2
ROOT = Path(__file__).resolve().parent.parent


def main(sizes: list[int]) -> None:
    """Print a line for each step and size, then the list's."""
    with tempfile.TemporaryDirectory() as name:
        ours.settle(Path(name))
        os.environ["OPENAI_IMAGE_NODES_BUDGET_USD_PER_DAY"] = "1000000"
        ours.load()
        for line in curve(Path(name), sizes):
            print(line, flush=True)
    for rows in ROWS:
        command = [sys.executable, "-m", "bench.growth", "list", str(rows)]
        subprocess.run(command, check=True, cwd=ROOT)  # noqa: S603


def curve(folder: Path, sizes: list[int]) -> Iterator[str]:
    """Yield the median and the first time of each step for each size of a store."""
    from tests.support import large_store

    for answers in sizes:
        root = folder / f"store_{answers}"
        large_store.fill(root, answers)
        for name, step in _steps(root, large_store).items():
            first = taken_s(lambda step=step: step(0))
            later = [taken_s(lambda step=step, number=number: step(number)) for number in range(1, REPEATS)]
            words = f"first {first * 1000:8.2f} ms, then {statistics.median(later) * 1000:6.2f} ms"
            yield f"{answers:>7,} answers  {name:<28} {words}"
        yield f"{answers:>7,} answers  first line of openai-image jobs after {_first_line_s(root):.2f} s"
        yield f"{answers:>7,} answers  {_pruned(root)}"
        shutil.rmtree(root)
        large_store.fill_plan(root, answers)
        yield f"{answers:>7,} planned  {_looks(root)}"
        shutil.rmtree(root)


def _steps(root: Path, large_store: Any) -> dict[str, Callable[[int], object]]:
    store = ours.part("api.store.store").Store(root)
    spending, past_runs = ours.part("api.store.spending"), ours.part("api.jobs.past_runs")
    new = large_store.record

    def save(number: int) -> None:
        record = new(10**7 + number)
        store.save(record, [large_store.PICTURE])
        spending.note_spent(root, record)

    def reserve(number: int) -> None:
        with spending.reserved(root, 0.01, name=large_store.identity(-number)):
            pass
        spending.release(root, large_store.identity(-number))

    return {
        "find an answer": lambda number: store.find(large_store.identity(number)),
        "find that there is none": lambda number: store.find(large_store.identity(-1 - number)),
        "save one and its cost": save,
        "reserve of the day's budget": reserve,
        "usual time": lambda number: past_runs.median_duration_s(store, new(number)),
    }


def _pruned(root: Path) -> str:
    store = ours.part("api.store.store").Store(root)
    size = sum(path.stat().st_size for path in root.glob("jobs/*/*"))
    began = time.perf_counter()
    forgotten = store.prune(size // 2)
    taken_ms = (time.perf_counter() - began) * 1000
    others = list(islice(root.glob("jobs/*"), DELETED))
    plainly_ms = taken_s(lambda: [shutil.rmtree(folder) for folder in others]) * 1000
    each = f"{taken_ms / forgotten:.2f} ms each, deleting such folders {plainly_ms / len(others):.2f} ms each"
    return f"forgetting {forgotten:,} takes {taken_ms / 1000:.1f} s: {each}"


def _first_line_s(root: Path) -> float:
    command = [sys.executable, "-c", JOBS, str(ROOT)]
    environment = {**os.environ, "OPENAI_IMAGE_NODES_STORE": str(root)}
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment) as child:  # noqa: S603
        if child.stdout is None or not child.stdout.readline():
            raise RuntimeError("openai-image jobs said nothing")
        taken_s = time.perf_counter() - began
        child.terminate()
    return taken_s


def _looks(root: Path) -> str:
    os.environ["OPENAI_IMAGE_NODES_STORE"] = str(root)
    panel = ours.part("nodes.web.batch_panel").BatchPanel(lambda _name: None)
    began, taken = time.perf_counter(), []
    while True:
        began_look = time.perf_counter()
        seen = panel.view()
        taken.append((time.perf_counter() - began_look) * 1000)
        if not seen["busy"]:
            break
        time.sleep(LOOK_PAUSE_S)
    read_s = time.perf_counter() - began
    taken += [taken_s(panel.view) * 1000 for _ in range(LOOKS)]
    del os.environ["OPENAI_IMAGE_NODES_STORE"]
    longest, usual = max(taken), statistics.median(taken[-LOOKS:])
    return (
        f"a look takes {usual:.1f} ms, {longest:.0f} ms at most; {seen['count']:,} jobs are read after {read_s:.1f} s"
    )


def kept_list(folder: Path, rows: int) -> str:
    """Run rows that are all kept; some are decoded too, beside decoding the same picture alone."""
    store = ours.part("api.store.store").stores()[0]
    decode = ours.part("utils.decode").pngs_to_image
    data = pictures.png(pictures.photograph(SIDE, SIDE))
    ours.point("http://127.0.0.1:9")
    jobs = [ours.job("kept", seed=number) for number in range(rows)]
    _fill(store, jobs, data, folder / "picture.png")
    manager = ours.part("api.jobs.manager").JobManager()

    def row(job: Any) -> Any:
        with manager.delivering(manager.submit(job).future.result()) as mine:
            return mine

    decode(row(jobs[0]).pictures)
    before, ratios, kept_ms = memory.most_bytes(), [], []
    for number, job in enumerate(jobs):
        if number % max(1, rows // COMPARED):
            began = time.perf_counter()  # not as the others, which collect what nobody holds first: it takes far longer
            row(job)
            kept_ms.append((time.perf_counter() - began) * 1000)
        else:
            alone = taken_s(lambda: decode([data]))
            ratios.append(taken_s(lambda job=job: decode(row(job).pictures)) / alone)
    peak_mb = (memory.most_bytes() - before) / 1e6
    middle = statistics.median(ratios)
    kept = f", {statistics.median(kept_ms):.2f} ms a row without" if kept_ms else ""
    return f"{rows:,} kept rows of {SIDE}x{SIDE}: {middle:.2f} times as long as decoding alone{kept}, +{peak_mb:.0f} MB"


def _fill(store: Any, jobs: list[Any], data: bytes, picture: Path) -> None:
    """Write the records as files, all with one picture: 10,000 times a megabyte need no disk."""
    records = ours.part("api.store.records")
    picture.write_bytes(data)
    for job in jobs:
        record = job.record(job.identity)
        record.state, record.answered_at = "answered", time.time()
        record.pictures, record.picture_digests = ["picture_0.png"], records.picture_digests([data])
        folder = store.jobs / job.identity
        folder.mkdir(parents=True)
        (folder / records.RECORD).write_bytes(records.record_bytes(record))
        os.link(picture, folder / "picture_0.png")


def run_list(rows: int) -> None:
    """Print the line of one list; a process of its own has its own peak of memory."""
    with tempfile.TemporaryDirectory() as name:
        ours.settle(Path(name))
        print(kept_list(Path(name), rows), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["list"]:
        run_list(int(sys.argv[2]))
    else:
        main([int(word) for word in sys.argv[1:]] or list(SIZES))
