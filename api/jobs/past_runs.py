"""What requests took and cost here before: the store's own answers, by what was asked."""

from __future__ import annotations

import contextlib
import statistics
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ..backends.atomic_files import folders_in
from ..store.records import JobRecord, read_record
from ..store.store import Store

SAMPLE = 300  # records that are read once for a start
KEPT = 20  # times per kind of request; the service's speed changes with the hour

_Kind = tuple[str, str, str, str, int]
_Priced = tuple[str, ...]


@dataclass
class _Past:
    """Times in seconds by kind of request, and what the newest answer of a kind cost: (answered at, USD a picture)."""

    times: dict[_Kind, deque[float]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=KEPT)))
    costs: dict[_Priced, tuple[float, float]] = field(default_factory=dict)

    def add(self, record: JobRecord) -> None:
        if record.elapsed_s is not None:
            self.times[_kind(record)].append(record.elapsed_s)
        # A drawing's second model is billed apart from its usage: only comfy.org's credits have it all.
        is_whole = record.credits is not None or record.fields.get("output_format") != "svg"
        if record.cost_usd is not None and record.pictures and is_whole:
            key = _priced(record.connection, record.operation, record.fields)
            newest = (record.answered_at or 0.0, record.cost_usd / len(record.pictures))
            self.costs[key] = max(newest, self.costs.get(key, newest))


_lock = threading.Lock()
_past: dict[Path, _Past] = {}


def median_duration_s(store: Store, record: JobRecord) -> float | None:
    """Return the median time in seconds of requests like this one, or None if there were none."""
    with _lock:
        times = _past_of(store).times.get(_kind(record))
        return statistics.median(times) if times else None


def last_usd(store: Store, connection: str, fields: Mapping[str, Any], *, edits: bool) -> float | None:
    """Return what the last request like this one cost over a connection in USD, for as many pictures; None if none did.

    `fields` are the service's own: model, size, quality and what else has a price.
    """
    with _lock:
        newest = _past_of(store).costs.get(_priced(connection, "edits" if edits else "generations", fields))
    return None if newest is None else newest[1] * int(fields.get("n") or 1)


def note(store: Store, record: JobRecord) -> None:
    """Remember what a request took and cost."""
    with _lock:
        if store.root in _past:
            _past[store.root].add(record)


def _past_of(store: Store) -> _Past:
    """Return what a store tells of the past: all of a small one, some answers of a large one, which take as long.

    To know the newest of all, each would have to be looked at: with 20,000 that took seconds.
    """
    if store.root not in _past:
        records = []
        for folder in islice(folders_in(store.jobs), SAMPLE):
            with contextlib.suppress(OSError):
                records.append(read_record(folder))
        _past[store.root] = past = _Past()
        for record in sorted(records, key=lambda record: record.answered_at or 0.0):
            past.add(record)
    return _past[store.root]


def _kind(record: JobRecord) -> _Kind:
    fields = record.fields
    size, quality = str(fields.get("size")), str(fields.get("quality"))
    return record.operation, record.model, size, quality, int(fields.get("n") or 1)


def _priced(connection: str, operation: str, fields: Mapping[str, Any]) -> _Priced:
    told = [fields.get(name) for name in ("model", "size", "quality", "frame_count", "svg")]
    drawn = [name for name in ("gif", "svg") if fields.get("output_format") == name]
    return (connection, operation, *map(str, told), *drawn)
