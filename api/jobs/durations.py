"""How long requests took here before: the store's own answers, by what was asked."""

from __future__ import annotations

import statistics
import threading
from collections import defaultdict, deque
from itertools import islice
from pathlib import Path

from ..store.records import JobRecord
from ..store.store import Store

NEWEST = 300  # records that are read once for a start
KEPT = 20  # times per kind of request; the service's speed changes with the hour

_Kind = tuple[str, str, str, str, int]
_lock = threading.Lock()
_times: dict[Path, dict[_Kind, deque[float]]] = {}


def median_duration_s(store: Store, record: JobRecord) -> float | None:
    """Return the median time in seconds of requests like this one, or None if there were none."""
    with _lock:
        if store.root not in _times:
            _times[store.root] = _read(store)
        times = _times[store.root].get(_kind(record))
        return statistics.median(times) if times else None


def note(store: Store, record: JobRecord) -> None:
    """Remember how long a request took."""
    with _lock:
        if store.root in _times and record.elapsed_s is not None:
            _times[store.root][_kind(record)].append(record.elapsed_s)


def _read(store: Store) -> dict[_Kind, deque[float]]:
    times: dict[_Kind, deque[float]] = defaultdict(lambda: deque(maxlen=KEPT))
    for _, record in islice(store.records(), NEWEST):
        if record.elapsed_s is not None:
            times[_kind(record)].appendleft(record.elapsed_s)
    return times


def _kind(record: JobRecord) -> _Kind:
    fields = record.fields
    size, quality = str(fields.get("size")), str(fields.get("quality"))
    return record.operation, record.model, size, quality, int(fields.get("n") or 1)
