"""The real built-in node beside ours: with COMFYUI_PATH (a ComfyUI of about 0.20) it runs in a process of its own.

COMFYUI_PYTHON is the interpreter that has ComfyUI's packages; without it the one that runs this.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from . import ours
from .answerer import Address
from .cases import load_batch
from .measure import Pair, taken_s

SCRIPT = Path(__file__).with_name("builtin_child.py")
CASES = (("small_1", 1), ("small_1", 4), ("large_4", 0))
TITLES = {
    ("small_1", 1): "edit call, 1 x photograph 2048x2048",
    ("small_1", 4): "edit call, 4 x photograph 2048x2048",
    ("large_4", 0): "whole call, n = 4 of 3840x2160",
}


def rows(folder: Path, address: Address, *, rounds: int) -> Iterator[tuple[str, str]]:
    """Yield a line for each case, or nothing without COMFYUI_PATH."""
    tree = os.environ.get("COMFYUI_PATH")
    if not tree:
        return
    for answer, count in CASES:
        with child(Path(tree), folder, address.answering(answer)) as ask:
            yield (
                f"built-in node: {TITLES[answer, count]}",
                _case(ask, folder, address.answering(answer), count, rounds),
            )


def _case(ask: Callable[[int], tuple[float, int]], folder: Path, url: str, count: int, rounds: int) -> str:
    batch = load_batch(folder, "photo", count) if count else None
    pair, peak = Pair(), 0
    call = partial(ours.call, url, batch, n=1 if count else 4)
    call()
    for _ in range(rounds):
        taken, peak = ask(count)
        pair.reference_s.append(taken)
        pair.ours_s.append(taken_s(call))
    return f"{pair}   peak of the built-in node +{peak / 1e6:.0f} MB"


@contextmanager
def child(tree: Path, folder: Path, url: str) -> Iterator[Callable[[int], tuple[float, int]]]:
    """Start the built-in node against a service; what comes back runs it and gives (seconds, peak bytes)."""
    python = os.environ.get("COMFYUI_PYTHON") or sys.executable
    command = [python, str(SCRIPT), str(folder), "--cpu", "--comfy-api-base", url]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    log = (folder / "built_in_node.log").open("w")
    with (
        log,
        subprocess.Popen(  # noqa: S603 - what the person named
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=tree, env=environment
        ) as process,
    ):
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the built-in node has no pipes")
        stdin, stdout = process.stdin, process.stdout

        def ask(count: int) -> tuple[float, int]:
            stdin.write(f"{count}\n")
            stdin.flush()
            for line in stdout:
                if line.startswith("measured "):
                    _, taken, peak = line.split()
                    return float(taken), int(peak)
            raise RuntimeError(f"the built-in node ended: {(folder / 'built_in_node.log').read_text()[-2000:]}")

        yield ask
        stdin.close()
