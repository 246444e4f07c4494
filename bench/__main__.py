"""`python -m bench [--quick] [--only WORDS]`: runs all cases and prints a line for each."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import torch

from . import builtin, cases, edits, facts, ours
from .answerer import Address, answering
from .measure import in_turn
from .memory import peak_bytes

QUICK_BUDGET_S, BUDGET_S = 1.0, 15.0
QUICK_ROUNDS, ROUNDS = 3, 9


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the most telling cases, in less than a minute")
    parser.add_argument("--only", default="", help="only cases with this in their name; no memory and no facts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours.settle(folder)
        cases.write_files(folder)
        with answering(folder) as address:
            _head()
            _both_ways(folder, address, quick=options.quick, only=options.only)
            if not options.only:
                _rest(folder, address, quick=options.quick)


def _head() -> None:
    system = f"{platform.system()} {platform.machine()}"
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{os.cpu_count()} cores{load}, {system}, Python {platform.python_version()}, torch {torch.__version__}")
    print("as the built-in node does it -> our way: median (minimum); the ratio of each round: median (from, to)")


def _both_ways(folder: Path, address: Address, *, quick: bool, only: str) -> None:
    for case in cases.all_cases():
        if only not in case.name or (quick and not only and not case.quick):
            continue
        rounds, budget_s = (QUICK_ROUNDS, QUICK_BUDGET_S) if quick else (ROUNDS, BUDGET_S)
        ways = case.reference(folder, address), case.ours(folder, address)
        pair = in_turn(*ways, rounds=rounds, budget_s=budget_s)
        sent = pair.last_byte(*(_file_bytes(way) for way in ways)) if case.is_upload else ""
        peaks = _peaks(case, folder, address) if (case.quick_memory if quick else case.memory) and not only else ""
        _say(case.name, f"{pair}{sent}{peaks}")


def _file_bytes(way: Any) -> int:
    return sum(map(len, way()))


def _peaks(case: cases.Case, folder: Path, address: Address) -> str:
    theirs, own = (peak_bytes(side, case, folder, address) for side in ("reference", "ours"))
    if theirs is None or own is None:
        return "   peak not known"
    return f"   peak {theirs / 1e6:.0f} -> {own / 1e6:.0f} MB ({own / theirs:.2f})"


def _rest(folder: Path, address: Address, *, quick: bool) -> None:
    for name, found in facts.facts(folder, address, quick=quick):
        _say(name, found)
    for name, found in edits.rows(quick=quick):
        _say(name, found)
    for name, found in builtin.rows(folder, address, rounds=2 if quick else 5):
        _say(name, found)


def _say(name: str, found: str) -> None:
    print(f"{name:<46} {found}", flush=True)


if __name__ == "__main__":
    main()
