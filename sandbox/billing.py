"""The bill: what the sandbox has worked, and what the service would charge for it."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import usage
from .requests.validation import ValidatedRequest


class BillingEntry(NamedTuple):
    """One request that was answered with pictures. `usd` is None where no source tells the price.

    `path` is the endpoint, such as "/v1/images/edits"; `batch_id` and `custom_id` are None for a direct request.
    """

    path: str
    model: str
    usage: dict[str, Any]
    usd: float | None
    batch_id: str | None = None
    custom_id: str | None = None


class Billing:
    """All entries in the order of the work, failed requests and replayed answers not among them."""

    def __init__(self) -> None:
        self.entries: list[BillingEntry] = []  # appended to by several threads, which a list allows

    def bill(
        self,
        path: str,
        request: ValidatedRequest,
        usd_per_m: dict[str, float] | None,
        *,
        batch_id: str | None = None,
        custom_id: str | None = None,
    ) -> BillingEntry:
        """Add a request at prices in USD per million tokens and return its entry."""
        used, usd = usage.usage_of(request), usage.usd_of(request, usd_per_m)
        entry = BillingEntry(path, request.model, used, usd, batch_id, custom_id)
        self.entries.append(entry)
        return entry

    @property
    def usd(self) -> float:
        """The sum of all entries with a known price, in USD."""
        return sum(entry.usd or 0.0 for entry in self.entries)
