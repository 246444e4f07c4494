"""The report of a run: what was asked of whom, what it cost, and everything that was changed on the way.

What came is told beside what was asked, and read from the first bytes of the pictures alone.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from ..catalog import catalog, pricing
from ..connections.connection import ENDING_KINDS, Connection
from ..store.records import JobRecord, StoredAnswer, suffix_of

FORMATS = {"jpg": "jpeg", "png": "png", "webp": "webp", "gif": "gif", "svg": "svg"}
SIZED_FORMATS = ("png", "jpeg", "webp", "gif")
SANDBOX_NOTE = "Made by the sandbox: nothing was paid, would_cost_usd is what the service would ask."
JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def received_notes(answer: StoredAnswer) -> list[str]:
    """Return a note for everything in which an answer differs from what was asked: number, format, size.

    What only the pixels tell is said by those who decode them, see `opaque_notes`.
    """
    asked, pictures = answer.record.fields, [data for data in answer.pictures if _format_of(data)]
    notes = []
    wanted = int(asked.get("n") or len(pictures))  # where a batch's plan was lost nobody knows
    if len(pictures) != wanted:
        came = len(pictures)
        notes.append(
            f"1 picture was asked for, {came} came."
            if wanted == 1
            else f"{wanted} pictures were asked for, {came} came."
        )
    formats = sorted(filter(None, {_format_of(data) for data in pictures}))
    wanted_format = str(asked.get("output_format") or "png")
    if formats and formats != [wanted_format]:
        notes.append(f"{wanted_format} was asked for, {' and '.join(formats)} came.")
    sizes = sorted({f"{size[0]}x{size[1]}" for data in pictures if (size := dimensions(data))})
    wanted_size = str(asked.get("size") or "auto")
    if wanted_format in SIZED_FORMATS and wanted_size != "auto" and sizes and sizes != [wanted_size]:
        notes.append(f"The size {wanted_size} was asked for, {' and '.join(sizes)} came.")
    return notes


def _format_of(data: bytes) -> str | None:
    """Return the name of a picture's format, as requests have it; also of some that servers send unasked."""
    others = {"avif": data[4:11] == b"ftypavi", "bmp": data.startswith(b"BM")}
    return FORMATS.get(suffix_of(data)) or next((name for name, fits in others.items() if fits), None)


def opaque_notes(answer: StoredAnswer, *, is_opaque: bool) -> list[str]:
    """Return a note where transparency was asked for and a picture `is_opaque`."""
    if not is_opaque or answer.record.fields.get("background") != "transparent":
        return []
    return ["A transparent background was asked for, an opaque picture came."]


def frame_notes(answer: StoredAnswer, durations_ms: Sequence[int]) -> list[str]:
    """Return a note where an animation has not the frames that were asked for."""
    asked, came = answer.record.fields.get("frame_count"), len(durations_ms)
    if not isinstance(asked, int) or asked == came:
        return []
    return [f"{asked} frames were asked for, {came} came."]


def picture_of(answer: StoredAnswer, suffix: str) -> bytes:
    """Return the first picture of a format, or else the first that is one at all, or what stands in its place."""
    found = [data for data in answer.pictures if suffix_of(data) in FORMATS]
    wanted = [data for data in found if suffix_of(data) == suffix]
    return (wanted or found or answer.pictures)[0]


def dimensions(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) of a PNG, GIF, JPEG or WebP by its header, or None."""
    kind = suffix_of(data)
    try:
        if kind == "png":
            return struct.unpack_from(">II", data, 16)
        if kind == "gif":
            return struct.unpack_from("<HH", data, 6)
        if kind == "webp":
            return _webp_size(data)
        return _jpeg_size(data) if kind == "jpg" else None
    except (struct.error, IndexError):
        return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    if data[12:16] == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if data[12:16] == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 2 + max(length, 2)
    return None


def broken_notes(record: JobRecord, place: str = "") -> list[str]:
    """Return what is wrong with each picture of an answer that could not be had, and where its bytes are."""
    return [f"Picture {index + 1} of the answer is broken: {fault}{place}." for index, fault in record.faults.items()]


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
    record, is_free = answer.record, connection.kind == "sandbox"
    tokens = record.usage.model_dump(exclude_none=True) if record.usage else None
    expected = pricing.estimate(connection, record.fields, record.image_count)
    cost = None if record.cost_usd is None else round(record.cost_usd, 6)
    place = f"; its bytes are in {answer.folder}" if answer.folder else ""
    own_notes = [*answer.notes, *received_notes(answer), *broken_notes(record, place)]
    own_notes += [SANDBOX_NOTE] if is_free else []
    size = record.fields.get("size")  # what was asked, or what came in its place
    if size not in (None, "auto") and (came := next(filter(None, map(dimensions, answer.pictures)), None)):
        size = f"{came[0]}x{came[1]}"
    content: dict[str, Any] = {
        "connection": connection.name,
        "host": connection.host,
        "model": record.model,
        "operation": record.operation,
        "size": record.answer_fields.get("size") or size,
        "quality": record.said("quality"),
        "n": len(record.pictures) or len(answer.pictures),
        "request_id": record.request_id,
        "elapsed_s": None if record.elapsed_s is None else round(record.elapsed_s, 3),
        "tokens": tokens,
        "estimate_usd": None if expected is None else [round(usd, 6) for usd in expected],
        **({"cost_usd": None, "would_cost_usd": cost} if is_free else {"cost_usd": cost}),
        "credits": record.credits,
        "reused": answer.reused,
        "kept_in": str(answer.folder) if answer.folder else None,
        "revised_prompts": record.revised_prompts,
        "c2pa": list(c2pa),
        "notes": [*notes, *own_notes],
        **(told or {}),
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


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
