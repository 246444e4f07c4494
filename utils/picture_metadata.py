"""Texts into a finished picture file: a chunk, segment or element is put in, every other byte stays as it came.

Nothing is decoded or encoded. What goes in is where ComfyUI's page looks for a workflow: docs/originals.md,
"Where ComfyUI looks".
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping
from xml.parsers import expat

from . import exif
from .containers import APP0, APP1, NO_PICTURE, RIFF_HEADER, Part, form_of, jpeg_segments, png_chunks, riff_chunks
from .errors import BrokenPictureError

SEGMENT_MAX_BYTES = 0xFFFF - 2
EXIF_FLAG, ALPHA_FLAG = 0x08, 0x10  # of a WebP's VP8X
WEBP_PICTURES = (b"VP8 ", b"VP8L", b"ALPH", b"ANMF", b"ANIM", b"ICCP")
VP8_START = b"\x9d\x01\x2a"
VP8L_START = 0x2F


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
    old = next((one for one in app1 if data.startswith(exif.PREFIX, one.body_start)), None)
    body = exif.PREFIX + exif.with_texts(old.body(data) if old else None, texts)
    if len(body) > SEGMENT_MAX_BYTES:
        raise NoPlaceError(f"a JPEG has room for {SEGMENT_MAX_BYTES:,} bytes and this is {len(body):,}")
    segment = struct.pack(">BBH", 0xFF, APP1, len(body) + 2) + body
    start, end = (old.start, old.end) if old else (_after_jfif(segments),) * 2
    return data[:start] + segment + data[end:]


def _after_jfif(segments: list[Part]) -> int:
    at = segments[0].start
    for segment in segments:
        if segment.kind[0] != APP0:
            break
        at = segment.end
    return at


def _webp(data: bytes, texts: Mapping[str, str]) -> bytes:
    """Put the texts into the EXIF chunk, or into a new one behind the pixels; a simple file becomes an extended one."""
    chunks = list(riff_chunks(data))
    old = next((one for one in chunks if one.kind == b"EXIF"), None)
    new = _riff_chunk(b"EXIF", exif.with_texts(old.body(data) if old else None, texts))
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
