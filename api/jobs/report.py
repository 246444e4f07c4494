"""The report of a run: what was asked of whom, what it cost, and everything that was changed on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..catalog import catalog, pricing
from ..connections.connection import ENDING_KINDS, Connection
from ..store.records import StoredAnswer
from .received import received_notes, received_size


def report(
    answer: StoredAnswer,
    connection: Connection,
    notes: Sequence[str],
    c2pa: Sequence[Any] = (),
    told: Mapping[str, Any] | None = None,
) -> str:
    """Return the report as JSON text; figures that the service did not give are null.

    Keys: connection, host, model, operation, size, quality, n, request_id, elapsed_s (seconds), tokens,
    estimate_usd ([low, high]), cost_usd, would_cost_usd (on the sandbox), credits, reused, kept_in, revised_prompts,
    c2pa (what each file states of its Content Credentials, null without any), notes, and what the node `told`.
    """
    record = answer.record
    tokens = record.usage.model_dump(exclude_none=True) if record.usage else None
    content: dict[str, Any] = {
        "connection": connection.name,
        "host": connection.host,
        "model": record.model,
        "operation": record.operation,
        "size": record.answer_fields.get("size") or _size(answer),
        "quality": record.answer_fields.get("quality") or record.fields.get("quality"),
        "n": len(record.pictures) or len(answer.pictures),
        "request_id": record.request_id,
        "elapsed_s": None if record.elapsed_s is None else round(record.elapsed_s, 3),
        "tokens": tokens,
        "estimate_usd": _estimate(answer, connection),
        **_cost(record.cost_usd, connection),
        "credits": record.credits,
        "reused": answer.reused,
        "kept_in": str(answer.folder) if answer.folder else None,
        "revised_prompts": record.revised_prompts,
        "c2pa": list(c2pa),
        "notes": [*notes, *answer.notes, *received_notes(answer), *fault_notes(answer), *connection_notes(connection)],
        **(told or {}),
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _cost(usd: float | None, connection: Connection) -> dict[str, float | None]:
    """Return what was paid; nothing is on the sandbox, which tells what the service would ask."""
    rounded = None if usd is None else round(usd, 6)
    return {"cost_usd": None, "would_cost_usd": rounded} if connection.kind == "sandbox" else {"cost_usd": rounded}


def _size(answer: StoredAnswer) -> Any:
    """Return the size that came where another one was asked for, else what was asked."""
    asked, came = answer.record.fields.get("size"), received_size(answer)
    return came if came and asked not in (None, "auto") else asked


def outcome(answer: StoredAnswer, connection: Connection) -> str:
    """Return what a run came to, in the few words that the node shows when it is done."""
    record = answer.record
    if answer.reused:
        return "done, taken from what you have: nothing paid"
    if connection.kind == "sandbox":
        return "done, free on the sandbox"
    if record.cost_usd is None:
        return "done, price not known"
    if record.credits is None:
        return f"done, {record.cost_usd:.4f} USD"
    return f"done, {record.cost_usd:.4f} USD ({record.credits:g} credits)"


def connection_notes(connection: Connection) -> list[str]:
    """Return what should be known about a connection: that the sandbox costs nothing."""
    if connection.kind == "sandbox":
        return ["Made by the sandbox: nothing was paid, would_cost_usd is what the service would ask."]
    return []


def fault_notes(answer: StoredAnswer) -> list[str]:
    """Return a note for every picture of an answer that could not be had, with the place of its bytes."""
    place = f"; its bytes are in {answer.folder}" if answer.folder else ""
    return [
        f"Picture {index} of the answer is broken: {fault}{place}." for index, fault in answer.record.faults.items()
    ]


def _estimate(answer: StoredAnswer, connection: Connection) -> list[float] | None:
    """Return what was to be expected, from the cheapest to the dearest case in USD, or None."""
    record = answer.record
    images = [digest for digest in record.input_digests if digest.startswith("image")]
    expected = pricing.estimate(connection, record.fields, len(images))
    return None if expected is None else [round(usd, 6) for usd in expected]


def model_notes(model: str, connection: Connection) -> list[str]:
    """Return what should be known about a model: that it ends soon, or that the catalog does not know it."""
    spec = catalog.find(model)
    if spec is None:
        return [f"The model {model} is not in the catalog: only general rules were checked."]
    if spec.ends_soon() and connection.kind in ENDING_KINDS:
        return [
            f"The model {model} is shut down on {spec.shutdown_date}. Its successors: {', '.join(spec.replacement)}."
        ]
    return []
