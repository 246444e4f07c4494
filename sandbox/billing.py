"""The bill: what the sandbox has worked, and what the service would charge for it."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from . import usage
from .requests.validation import Order


class Entry(NamedTuple):
    """One request that was answered with pictures. `usd` is None where no source tells the price.

    `path` is the endpoint, such as "/v1/images/edits"; `batch_id` and `custom_id` are None for a direct request.
    """

    path: str
    model: str
    usage: dict[str, Any]
    usd: float | None
    batch_id: str | None = None
    custom_id: str | None = None


class Ledger:
    """All entries in the order of the work, failed requests and replayed answers not among them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def bill(self, path: str, order: Order, usd_per_m: dict[str, float] | None) -> None:
        """Add a direct request at prices in USD per million tokens."""
        self.add(Entry(path, str(order.fields["model"]), usage.usage_of(order), usage.usd_of(order, usd_per_m)))

    def add(self, entry: Entry) -> None:
        """Add an entry."""
        with self._lock:
            self._entries.append(entry)

    @property
    def entries(self) -> list[Entry]:
        """Everything that was worked."""
        with self._lock:
            return list(self._entries)

    @property
    def direct(self) -> list[Entry]:
        """What was asked for directly."""
        return [entry for entry in self.entries if entry.batch_id is None]

    @property
    def batched(self) -> list[Entry]:
        """What was worked for batches."""
        return [entry for entry in self.entries if entry.batch_id is not None]

    @property
    def usd(self) -> float:
        """The sum of all entries with a known price, in USD."""
        return sum(entry.usd or 0.0 for entry in self.entries)

    def clear(self) -> None:
        """Forget all entries."""
        with self._lock:
            self._entries.clear()
