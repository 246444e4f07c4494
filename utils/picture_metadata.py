"""Texts into a finished picture file: a chunk, segment or element is put in, every other byte stays as it came.

Nothing is decoded or encoded. What goes in is where ComfyUI's page looks for a workflow: docs/originals.md,
"Where ComfyUI looks".
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple
from xml.parsers import expat

from .containers import APP0, APP1, NO_PICTURE, RIFF_HEADER, Part, form_of, jpeg_segments, png_chunks, riff_chunks
from .errors import BrokenPictureError

SEGMENT_MAX_BYTES = 0xFFFF - 2
EXIF_FLAG, ALPHA_FLAG = 0x08, 0x10  # of a WebP's VP8X
WEBP_PICTURES = (b"VP8 ", b"VP8L", b"ALPH", b"ANMF", b"ANIM", b"ICCP")
VP8_START = b"\x9d\x01\x2a"
VP8L_START = 0x2F
DAMAGED = "the EXIF in the file is damaged"
NEW_BLOCK = b"II*\x00\x08\x00\x00\x00" + bytes(6)  # little-endian, an empty first directory
EXIF_PREFIX = b"Exif\x00\x00"
ORDERS = {b"II*\x00": "<", b"MM\x00*": ">"}
ASCII = 2
FIRST_TAG = 0x0110  # ComfyUI writes the prompt there, and what is more below it
ENTRY = "HHI4s"
ENTRY_BYTES = 12


class NoPlaceError(ValueError):
    """A file has no place for texts, or none that is large enough."""


def with_texts(data: bytes, texts: Mapping[str, str]) -> bytes:
    """Return a picture file with texts by name, each JSON in ASCII: PNG, WebP, JPEG or SVG.

    Raises: NoPlaceError where they cannot be put in, in words for a sentence that begins with "because".
    """
    form = form_of(data)
    if form not in WRITERS:
        raise NoPlaceError("a GIF has no place for a workflow" if form == "gif" else NO_PICTURE)
    try:
        return WRITERS[form](data, texts)
    except BrokenPictureError as exc:
        raise NoPlaceError(str(exc)) from exc


def _png(data: bytes, texts: Mapping[str, str]) -> bytes:
    """Put text chunks in front of the pixels, behind all that stands there: of two with one name the last counts."""
    pixels = next((chunk for chunk in png_chunks(data) if chunk.kind in (b"IDAT", b"IEND")), None)
    if pixels is None or pixels.kind == b"IEND":
        raise BrokenPictureError(NO_PICTURE)
    chunks = []
    for name, text in texts.items():
        chunk = b"tEXt" + name.encode() + b"\0" + text.encode("ascii")
        chunks.append(struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)))
    return b"".join((data[: pixels.start], *chunks, data[pixels.start :]))


def _jpeg(data: bytes, texts: Mapping[str, str]) -> bytes:
    """Put the texts into the segment with EXIF, or into one of its own behind JFIF's."""
    segments = list(jpeg_segments(data))
    app1 = (one for one in segments if one.kind[0] == APP1)
    old = next((one for one in app1 if data.startswith(EXIF_PREFIX, one.body_start)), None)
    body = EXIF_PREFIX + _exif_with_texts(old.body(data) if old else None, texts)
    if len(body) > SEGMENT_MAX_BYTES:
        raise NoPlaceError(f"a JPEG has room for {SEGMENT_MAX_BYTES:,} bytes and this is {len(body):,}")
    segment = struct.pack(">BBH", 0xFF, APP1, len(body) + 2) + body
    after_jfif = next(one.start for one in segments if one.kind[0] != APP0)  # the last one is a scan
    start, end = (old.start, old.end) if old else (after_jfif, after_jfif)
    return data[:start] + segment + data[end:]


def _webp(data: bytes, texts: Mapping[str, str]) -> bytes:
    """Put the texts into the EXIF chunk, or into a new one behind the pixels; a simple file becomes an extended one."""
    chunks = list(riff_chunks(data))
    old = next((one for one in chunks if one.kind == b"EXIF"), None)
    new = _riff_chunk(b"EXIF", _exif_with_texts(old.body(data) if old else None, texts))
    last = max((index for index, one in enumerate(chunks) if one.kind in WEBP_PICTURES), default=-1)
    if last < 0:
        raise BrokenPictureError(NO_PICTURE)
    header, rest = _extended_header(data, chunks[0])
    parts = [header]
    for index, chunk in enumerate(chunks):
        if chunk.kind == b"EXIF":
            parts += [new] if chunk is old else []
        elif index or rest:
            parts.append(_even(data[chunk.start : chunk.end]))
        if index == last and old is None:
            parts.append(new)
    after = data[8 + int.from_bytes(data[4:8], "little") :]
    body = b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + data[8:RIFF_HEADER] + body + after


def _extended_header(data: bytes, first: Part) -> tuple[bytes, bool]:
    """Return the chunk VP8X, and whether the first chunk is still to follow."""
    body = first.body(data)
    if first.kind == b"VP8X" and body:
        return _riff_chunk(b"VP8X", bytes((body[0] | EXIF_FLAG,)) + body[1:]), False
    width, height, alpha = _simple_size(first.kind, body)
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return _riff_chunk(b"VP8X", bytes((EXIF_FLAG | alpha, 0, 0, 0)) + sizes), True


def _simple_size(kind: bytes, body: bytes) -> tuple[int, int, int]:
    """Return width and height in pixels, and the flag for alpha, of a file with one picture."""
    if kind == b"VP8 " and body[3:6] == VP8_START and len(body) >= 10:
        width, height = struct.unpack_from("<HH", body, 6)
        if width & 0x3FFF and height & 0x3FFF:
            return width & 0x3FFF, height & 0x3FFF, 0
    if kind == b"VP8L" and len(body) >= 5 and body[0] == VP8L_START:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), ALPHA_FLAG if bits >> 28 & 1 else 0
    raise BrokenPictureError(NO_PICTURE)


class _Entry(NamedTuple):
    tag: int
    kind: int
    length: int
    value: bytes


def _exif_with_texts(block: bytes | None, texts: Mapping[str, str]) -> bytes:
    """Return a block of EXIF (without its prefix) that holds "name:text" for each text, which must be ASCII.

    Entries of EXIF point to places counted from the block's beginning. So nothing is moved: the first directory is
    written again behind the old block, with the old entries as they are (docs/originals.md, "EXIF"). A text of the same
    name that it held before goes.

    Raises: BrokenPictureError if the old block is not as EXIF is.
    """
    old = NEW_BLOCK if block is None else block.removeprefix(EXIF_PREFIX)
    order = ORDERS.get(old[:4])
    if order is None:
        raise BrokenPictureError(DAMAGED)
    try:
        (first,) = struct.unpack_from(f"{order}I", old, 4)
        (count,) = struct.unpack_from(f"{order}H", old, first)
        end = first + 2 + ENTRY_BYTES * count
        places = range(first + 2, end, ENTRY_BYTES)
        entries = [_Entry(*struct.unpack_from(f"{order}{ENTRY}", old, place)) for place in places]
        (following,) = struct.unpack_from("4s", old, end)  # points to the next directory
    except struct.error:
        raise BrokenPictureError(DAMAGED) from None
    names = tuple(f"{name}:".encode() for name in texts)
    kept = [entry for entry in entries if not _text_of(old, order, entry).startswith(names)]
    values = [f"{name}:{text}".encode("ascii") + b"\0" for name, text in texts.items()]
    used = {entry.tag for entry in kept}
    tags = (tag for tag in range(FIRST_TAG, 0, -1) if tag not in used)
    start = len(old) + len(old) % 2
    at = start + 2 + ENTRY_BYTES * (len(kept) + len(values)) + 4
    for value in values:
        kept.append(_Entry(next(tags), ASCII, len(value), struct.pack(f"{order}I", at)))
        at += len(value)
    rows = b"".join(struct.pack(f"{order}{ENTRY}", *entry) for entry in sorted(kept))
    directory = struct.pack(f"{order}H", len(kept)) + rows + following
    header = old[:4] + struct.pack(f"{order}I", start)
    return b"".join((header, old[8:], bytes(start - len(old)), directory, *values))


def _text_of(block: bytes, order: str, entry: _Entry) -> bytes:
    (at,) = struct.unpack(f"{order}I", entry.value)
    return block[at : at + entry.length] if entry.kind == ASCII else b""


def _riff_chunk(kind: bytes, body: bytes) -> bytes:
    return _even(kind + struct.pack("<I", len(body)) + body)


def _even(chunk: bytes) -> bytes:
    return chunk + bytes(len(chunk) % 2)


def _svg(data: bytes, texts: Mapping[str, str]) -> bytes:
    """Put an element with the texts behind the drawing's first tag, as ComfyUI's Save SVG does."""
    at = _after_first_tag(data)
    told = json.dumps({name: json.loads(text) for name, text in texts.items()}).replace(">", "\\u003e")
    return data[:at] + f"<metadata><![CDATA[{told}]]></metadata>".encode() + data[at:]


def _after_first_tag(data: bytes) -> int:
    parser, found = expat.ParserCreate("utf-8"), []

    def first(_name: str, _attributes: object) -> None:
        found.append(parser.CurrentByteIndex)
        parser.StartElementHandler = None

    parser.StartElementHandler = first
    try:
        parser.Parse(data, True)
    except expat.ExpatError as exc:
        raise BrokenPictureError(f"the SVG is not well formed ({exc})") from exc
    quote = 0
    for at in range(found[0], len(data)):
        letter = data[at]
        if quote:
            quote = 0 if letter == quote else quote
        elif letter in b"\"'":
            quote = letter
        elif letter == ord(">"):
            if data[at - 1] == ord("/"):
                break
            return at + 1
    raise BrokenPictureError(NO_PICTURE)


WRITERS: dict[str | None, Callable[[bytes, Mapping[str, str]], bytes]] = {
    "png": _png,
    "jpg": _jpeg,
    "webp": _webp,
    "svg": _svg,
}
