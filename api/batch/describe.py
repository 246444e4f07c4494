"""Plan and batches in words, the same in the shell and in the browser."""

from __future__ import annotations

from collections.abc import Sequence

from ..catalog import catalog, pricing
from .jsonl import BatchPart
from .manager import BatchOverview
from .plan import total_usd
from .records import COLLECTED, REFUSED, SUBMITTED, BatchRecord


def price(low_usd: float | None, high_usd: float | None) -> str:
    """Return a price range in USD in words."""
    if low_usd is None or high_usd is None:
        return "price not known"
    if high_usd == 0:
        return "free"
    low, high = map(pricing.in_words, (low_usd, high_usd))
    return f"{low} USD" if low == high else f"{low} to {high} USD"


def total(parts: Sequence[BatchPart]) -> str:
    """Return how many jobs parts have and what they will cost."""
    count, low, high = sum(part.count for part in parts), total_usd(parts, "low_usd"), total_usd(parts, "high_usd")
    return f"{_jobs(count)}, {price(low, high)}"


def part(one: BatchPart) -> str:
    """Return a batch to be in one line."""
    spec = catalog.find(one.model)
    sure = spec is not None and spec.batch.supported
    doubt = (
        ""
        if sure
        else "; no source says that batches take this model; if they do not, the batch is refused and costs nothing"
    )
    return (
        f"{one.connection}, {one.model}, {one.operation}: {_jobs(one.count)}, {one.size / 1e6:.1f} MB,"
        f" {price(one.low_usd, one.high_usd)}{doubt}"
    )


def progress(record: BatchRecord) -> str:
    """Return how far a batch is."""
    if record.state == COLLECTED:
        rest = f", {record.failed} failed" if record.failed else ""
        rest += f", {record.unfinished} planned again" if record.unfinished else ""
        rest += "".join(f", a line that cannot be read is kept in {path}" for path in record.unreadable)
        if record.high_usd == 0:  # of a sandbox: its answers tell what the service would ask
            return f"{record.status}, collected: {record.answered} of {record.count} answered{rest}, free"
        return f"{record.status}, collected: {record.answered} of {record.count} answered{rest}, {record.usd:.4f} USD"
    if record.state == REFUSED:
        return "not begun, its jobs are planned again"
    if record.state != SUBMITTED:
        return "only partly submitted; submit again to go on"
    counts = record.counts
    failed = f", {counts.failed} failed" if counts.failed else ""
    ready = "; collect it" if record.is_over else ""
    ready = "; the service names no file with its answers yet" if record.lacks_files else ready
    return f"{record.status}, {counts.completed} of {counts.total or record.count} done{failed}{ready}"


def batch(record: BatchRecord) -> str:
    """Return a batch in one line, with the service's own name for it."""
    name = f"{record.id}" + (f" ({record.batch_id})" if record.batch_id else "")
    return f"{name}  {record.model}, {record.operation}, {_jobs(record.count)}: {progress(record)}"


def empty(overview: BatchOverview) -> str:
    """Return why there is nothing to submit."""
    if overview.open:
        return "Nothing is planned that is not in a batch already."
    return "Nothing is planned. Run a workflow with the connection openai batch first."


def _jobs(count: int) -> str:
    return f"{count} job" if count == 1 else f"{count} jobs"
