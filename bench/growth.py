"""`python -m bench.growth [ANSWERS ...]`: what a request costs in stores of several sizes, and a list out of the store.

The stores are written as files below the temporary folder and deleted again; with 100,000 answers that takes minutes.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from . import ours, pictures
from .measure import taken_s

SIZES = (1_000, 10_000, 100_000)
REPEATS = 50
ROWS, SIDE = 200, 1024
DELETED = 300


def main(sizes: list[int]) -> None:
    """Print a line for each step and size, then the list's."""
    with tempfile.TemporaryDirectory() as name:
        ours.settle(Path(name))
        os.environ["OPENAI_IMAGE_NODES_BUDGET_USD_PER_DAY"] = "1000000"
        ours.load()
        for line in (*curve(Path(name), sizes), kept_list(Path(name))):
            print(line, flush=True)


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
        yield f"{answers:>7,} answers  {_pruned(root)}"


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


def kept_list(folder: Path) -> str:
    """Run rows that are all kept, and decode the same pictures alone."""
    large_store_of = ours.part("api.store.store").stores()[0]
    decode = ours.part("utils.decode").pngs_to_image
    data = pictures.png(pictures.photograph(SIDE, SIDE))
    ours.point("http://127.0.0.1:9")
    jobs = [ours.job("kept", seed=number) for number in range(ROWS)]
    for job in jobs:
        record = job.record(job.identity)
        record.state, record.answered_at = "answered", time.time()
        large_store_of.save(record, [data])
    manager = ours.part("api.jobs.manager").JobManager()

    def row(job: Any) -> None:
        answer = manager.submit(job).future.result()
        decode(manager.mark_delivered(answer).pictures)

    ratios = []
    row(jobs[0])
    for job in jobs:
        alone = taken_s(lambda: decode([data]))
        ratios.append(taken_s(lambda job=job: row(job)) / alone)
    return f"{ROWS} kept rows of {SIDE}x{SIDE}: {statistics.median(ratios):.2f} times as long as decoding alone"


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or list(SIZES))
