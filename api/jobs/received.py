"""What came, beside what was asked: told in notes, and read from the first bytes of the pictures alone."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from ..store.records import JobRecord, StoredAnswer, suffix_of

FORMATS = {"jpg": "jpeg", "png": "png", "webp": "webp", "gif": "gif", "svg": "svg"}
SIZED_FORMATS = ("png", "jpeg", "webp", "gif")
JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def received_notes(answer: StoredAnswer) -> list[str]:
    """Return a note for everything in which an answer differs from what was asked: number, format, size.

    What only the pixels tell is said by those who decode them, see `opaque_notes`.
    """
    return list(_differences(answer.record, [data for data in answer.pictures if suffix_of(data) in FORMATS]))


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


def received_size(answer: StoredAnswer) -> str | None:
    """Return "WIDTHxHEIGHT" of the first picture in pixels, or None where nobody knows."""
    sizes = (dimensions(data) for data in answer.pictures)
    return next((f"{size[0]}x{size[1]}" for size in sizes if size), None)


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


def _differences(record: JobRecord, pictures: list[bytes]) -> Iterator[str]:
    asked = record.fields
    wanted = int(asked.get("n") or 1)
    if len(pictures) != wanted:
        came = len(pictures)
        yield (
            f"1 picture was asked for, {came} came."
            if wanted == 1
            else f"{wanted} pictures were asked for, {came} came."
        )
    formats = sorted({FORMATS[suffix_of(data)] for data in pictures})
    wanted_format = str(asked.get("output_format") or "png")
    if formats and formats != [wanted_format]:
        yield f"{wanted_format} was asked for, {' and '.join(formats)} came."
    sizes = sorted({f"{size[0]}x{size[1]}" for data in pictures if (size := dimensions(data))})
    wanted_size = str(asked.get("size") or "auto")
    if wanted_format in SIZED_FORMATS and wanted_size != "auto" and sizes and sizes != [wanted_size]:
        yield f"The size {wanted_size} was asked for, {' and '.join(sizes)} came."


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
