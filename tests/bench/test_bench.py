"""Every way that the bench times runs, at a tiny size: what it measures moves on without it."""

from __future__ import annotations

import gc
import importlib.util
import io
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from support.pack import ROOT

# By path, as `python -m bench` is run from there: its neighbours have the names of ComfyUI's modules.
BENCH = importlib.util.spec_from_file_location(
    "bench", ROOT / "bench" / "__init__.py", submodule_search_locations=[str(ROOT / "bench")]
)
assert BENCH is not None
sys.modules.setdefault("bench", importlib.util.module_from_spec(BENCH))

from bench import answerer, cases, drifts, edits, facts, growth, measure, ours, pictures  # noqa: E402

SIDE = 40
SIZES = {"small": (24, 16), "large": (32, 18), "tiny": (8, 8)}
AT_WORK_BYTES = 8 << 20  # the rows of two stripes as floats, filtered and deflated, and all that is no picture
NUMBERS = {case.name: number for number, case in enumerate(cases.all_cases())}


@pytest.fixture(scope="module", autouse=True)
def nothing_of_others() -> None:
    """What is timed collects garbage first, each time: what earlier tests left is looked through once."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The pictures of all cases, tiny ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cases, "SIDE", SIDE)
        patch.setattr(cases, "SIZES", SIZES)
        folder = tmp_path_factory.mktemp("bench")
        cases.write_files(folder)
        yield folder


@pytest.fixture(scope="module")
def address(files: Path) -> Iterator[answerer.Address]:
    with answerer.answering(files) as found:
        yield found


@pytest.fixture
def settled(tmp_path: Path) -> Iterator[Path]:
    """A state folder of its own; the bench sets the environment of its own process."""
    before = dict(os.environ)
    ours.settle(tmp_path)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("name", NUMBERS)
def test_both_ways_of_a_case_make_the_same_pictures(
    name: str, files: Path, address: answerer.Address, settled: Path
) -> None:
    """As many, of the same size: else the times beside each other say nothing."""
    case = cases.all_cases()[NUMBERS[name]]
    theirs, own = (_sizes(way(files, address)()) for way in (case.reference, case.ours))
    assert theirs == own
    assert len(own) > 0


def _sizes(result: Any) -> list[tuple[int, ...]]:
    if isinstance(result, torch.Tensor):
        return [tuple(picture.shape[:2]) for picture in result]
    return [Image.open(io.BytesIO(data)).size[::-1] for data in result]


@pytest.mark.slow
@pytest.mark.longest
def test_facts_are_measured(
    files: Path, address: answerer.Address, settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has no counterpart: the store, the import, the command, many nodes, the event loop, connections."""
    monkeypatch.setattr(facts, "NODES", 4)
    monkeypatch.setattr(facts, "DELAY_MS", 10)
    found = dict(facts.facts(files, address, quick=True))
    assert len(found) == 7
    assert all(found.values())


@pytest.mark.slow
def test_fitting_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of a whole picture and a region of one."""
    monkeypatch.setattr(edits, "CASES", {"small": (256, 256), "region": (800, 600)})
    assert [words for _, words in (*edits._whole("small", 1), *edits._region("region", 1))]


@pytest.mark.slow
@pytest.mark.parametrize("hard", [False, True])
def test_random_drift_is_judged(*, hard: bool) -> None:
    """Each seed is a case of its own, and its corners are compared with what its noise allows."""
    case = drifts.case_of(2, pictures.PHOTOS, hard=hard)
    assert case.drift != drifts.case_of(3, pictures.PHOTOS, hard=hard).drift
    found = drifts.judged(case)
    assert found["exact"]
    assert 0 < found["bound"] < 1
    assert drifts.summary([found]).startswith("1 cases: corners within 0.05 px ")


@pytest.mark.slow
def test_border_that_leads_around_an_edit_is_no_leak() -> None:
    """Where an edit reaches its mask's edge, more of a perfect answer is shown as well: told as a leak of 15."""
    case = drifts.case_of(7007, pictures.PHOTOS, hard=True)
    found = drifts.judged(case)
    assert found["leak"] < drifts.LEAK / 2
    assert found["seam"] < drifts.SEAM / 2


@pytest.mark.slow
def test_growth_is_measured(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps, forgetting, and a list out of the store."""
    monkeypatch.setattr(growth, "SIDE", SIDE)
    monkeypatch.setattr(growth, "REPEATS", 3)
    lines = [*growth.curve(settled, [20]), growth.kept_list(settled, 3)]
    assert len(lines) == 9


@pytest.mark.slow
def test_collecting_is_measured() -> None:
    """Both ways twice, in processes of their own."""
    command = [sys.executable, "-m", "bench.collect", "--answers", "3", "--megabytes", "0.01"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)  # noqa: S603
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["write", "collect", "write", "collect"]


@pytest.mark.slow
def test_both_ways_are_timed_in_turn() -> None:
    """So that a machine that gets slower favours neither."""
    calls: list[str] = []
    pair = measure.in_turn(lambda: calls.append("theirs"), lambda: calls.append("ours"), rounds=2, budget_s=60)
    assert calls == ["ours", "theirs", "ours", "theirs", "ours"]
    assert "rounds: 2" in str(pair)


@pytest.mark.slow
def test_edit_call_holds_its_files_and_one_picture_for_each_core(
    files: Path, address: answerer.Address, settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 16 references, from pixels to the answer: neither all pixels at once, nor a second copy of the files."""
    cores, count, side = 2, 16, 768
    tensors = ours.part("utils.tensors")
    monkeypatch.setattr(tensors, "CORES", cores)
    noise = torch.rand(side, side, 3, generator=torch.Generator().manual_seed(1))
    picture_bytes = noise.numel()
    url = address.answering("small_1")
    ours.call(url, noise[None])  # what is loaded on first use is no part of it
    file_bytes = count * len(ours.encode(noise[None])[0])
    tensors._pool.cache_clear()
    tracemalloc.start()
    try:
        ours.call(url, noise.expand(count, -1, -1, -1))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        tensors._pool.cache_clear()
    assert file_bytes > 0.9 * count * picture_bytes
    assert peak < file_bytes + cores * picture_bytes + AT_WORK_BYTES
