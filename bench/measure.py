"""Two ways in turn, and what they took."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

BYTES_PER_S = 20e6 / 8


@dataclass
class Pair:
    """Seconds of the reference way and of ours, round by round."""

    reference_s: list[float] = field(default_factory=list)
    ours_s: list[float] = field(default_factory=list)
    reference_cpu_s: list[float] = field(default_factory=list)
    ours_cpu_s: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """How many times faster ours was, round by round."""
        return [a / b for a, b in zip(self.reference_s, self.ours_s, strict=True)]

    def __str__(self) -> str:
        middle, low, high = statistics.median(self.ratios), min(self.ratios), max(self.ratios)
        return (
            f"{seconds(self.reference_s)} -> {seconds(self.ours_s)}"
            f"   {middle:5.1f} times faster ({low:.1f} to {high:.1f}, rounds: {len(self.ratios)}){self._cpu()}"
        )

    def last_byte(self, reference_bytes: int, our_bytes: int) -> str:
        """Tell when files of so many bytes are out on a connection of 20 Mbit/s, begun when they are encoded."""
        pairs = (self.reference_s, reference_bytes), (self.ours_s, our_bytes)
        theirs, own = (_text(statistics.median(taken) + sent / BYTES_PER_S) for taken, sent in pairs)
        return f"   last byte out {theirs} -> {own} ({reference_bytes / 1e3:.0f} -> {our_bytes / 1e3:.0f} KB)"

    def _cpu(self) -> str:
        """Tell the ratio of processor time, which other programs on the machine disturb less."""
        work = [a / b for a, b in zip(self.reference_cpu_s, self.ours_cpu_s, strict=True) if b > 0]
        return f"; processor time {statistics.median(work):.1f} times less" if work else ""


def in_turn(reference: Callable[[], object], ours: Callable[[], object], *, rounds: int, budget_s: float) -> Pair:
    """Run both ways in turn; fewer rounds, but at least one, where they take longer than the budget."""
    ours()  # what is loaded on first use is no part of it
    pair, end = Pair(), time.monotonic() + budget_s
    while len(pair.ours_s) < rounds and (time.monotonic() < end or not pair.ours_s):
        for way, wall_s, cpu_s in (
            (reference, pair.reference_s, pair.reference_cpu_s),
            (ours, pair.ours_s, pair.ours_cpu_s),
        ):
            taken = both_taken_s(way)
            wall_s.append(taken[0])
            cpu_s.append(taken[1])
    return pair


def taken_s(work: Callable[[], object]) -> float:
    """Return the seconds that work takes; what it returns is let go afterwards."""
    return both_taken_s(work)[0]


def both_taken_s(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that work takes, and those of the processor, on all cores together."""
    gc.collect()
    start, busy = time.perf_counter(), time.process_time()
    result = work()
    taken = time.perf_counter() - start, time.process_time() - busy
    del result
    return taken


def seconds(values: list[float]) -> str:
    """Return the median and the minimum of seconds, in milliseconds where that reads better."""
    return f"{_text(statistics.median(values))} (min {_text(min(values))})"


def _text(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"
