"""How the plan is cut into batches: one model and one endpoint each, within the service's limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from . import jsonl as lines
from .plan import Planned

MAX_REQUESTS = 50_000
MAX_BYTES = 190_000_000  # the service takes 200 MB


@dataclass(frozen=True)
class Part:
    """The jobs of one batch to be: one model, one endpoint, within the service's limits. Prices in USD or None."""

    connection: str
    model: str
    operation: str
    jobs: Sequence[Planned] = field(repr=False)
    size: int

    @property
    def low_usd(self) -> float | None:
        """The cheapest case, where all prices are known."""
        known = [one.low_usd for one in self.jobs if one.low_usd is not None]
        return sum(known) if len(known) == len(self.jobs) else None

    @property
    def high_usd(self) -> float | None:
        """The dearest case, where all prices are known."""
        known = [one.high_usd for one in self.jobs if one.high_usd is not None]
        return sum(known) if len(known) == len(self.jobs) else None


def parts_of(jobs: Iterable[Planned]) -> list[Part]:
    """Return the batches that jobs make, in the order of the jobs."""
    groups: dict[tuple[str, str, str], list[Planned]] = {}
    for one in jobs:
        groups.setdefault((one.connection, one.model, one.operation), []).append(one)
    return [part for key, group in groups.items() for part in _split(key, group)]


def _split(key: tuple[str, str, str], group: Sequence[Planned]) -> Iterable[Part]:
    taken: list[Planned] = []
    size = 0
    for one in group:
        added = lines.line_bytes(one)
        if taken and (len(taken) >= MAX_REQUESTS or size + added > MAX_BYTES):
            yield Part(*key, jobs=taken, size=size)
            taken, size = [], 0
        taken.append(one)
        size += added
    if taken:
        yield Part(*key, jobs=taken, size=size)
