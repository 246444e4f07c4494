"""The parts of a picture file: chunks of PNG and WebP, segments of JPEG, blocks of GIF. No pixel is looked at.

Source of the forms: docs/originals.md, "Containers". The bytes are a stranger's: every step goes forward, none reads
past the end, and what does not fit raises.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .errors import BrokenPictureError

CUT_OFF = "the file ends in the middle of a part"
NO_PICTURE = "there is no picture in the file"
MAX_PARTS = 200_000  # five times what the largest picture has; Pillow reads so many empty ones in a second or two
GIF_BLOCK_BYTES = 128  # at least, on the average of more than MAX_PARTS blocks; encoders fill all but the last: 255
TOO_MANY = f"the file has more than {MAX_PARTS:,} parts"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8"
RIFF_HEADER = 12  # "RIFF", the size of what follows, "WEBP"
APP0, APP1, APP11, SCAN = 0xE0, 0xE1, 0xEB, 0xDA
WEBP_PIXEL_FLAGS = 0b00010010  # alpha and animation; the others announce ICC, EXIF and XMP
APP14, APP15, COMMENT = 0xEE, 0xEF, 0xFE  # APP14 says how JPEG's colours are meant
BESIDE_PIXELS = {*range(APP1, APP15 + 1), COMMENT} - {APP14}
WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}  # markers of JPEG that stand alone
GIF_HEADER = 13
GIF_EXTENSION, GIF_IMAGE, GIF_END, GIF_APPLICATION = 0x21, 0x2C, 0x3B, 0xFF


class Part(NamedTuple):
    """A part of a file: its kind, where it begins and ends with its frame, and the contents between."""

    kind: bytes
    start: int
    end: int
    body_start: int
    body_end: int

    def body(self, data: bytes) -> bytes:
        """Return the contents."""
        return data[self.body_start : self.body_end]


def form_of(data: bytes) -> str | None:
    """Return png, jpg, webp or gif by the first bytes, svg for what begins as XML, or None."""
    if data.startswith(PNG_SIGNATURE):
        return "png"
    if data.startswith(JPEG_START):
        return "jpg"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    return "svg" if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:5].startswith((b"<svg", b"<?xml")) else None


def png_chunks(data: bytes) -> Iterator[Part]:
    """Yield the chunks of a PNG, IEND the last. Raises: BrokenPictureError."""
    at = len(PNG_SIGNATURE)
    for _ in range(MAX_PARTS):
        body_end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if body_end + 4 > len(data):
            raise BrokenPictureError(CUT_OFF)
        part = Part(data[at + 4 : at + 8], at, body_end + 4, at + 8, body_end)
        yield part
        if part.kind == b"IEND":
            return
        at = part.end
    raise BrokenPictureError(TOO_MANY)


def riff_chunks(data: bytes) -> Iterator[Part]:
    """Yield the chunks of a WebP, each with the byte that evens its length. Raises: BrokenPictureError."""
    at, last = RIFF_HEADER, 8 + int.from_bytes(data[4:8], "little")
    if last > len(data):
        raise BrokenPictureError(CUT_OFF)
    for _ in range(MAX_PARTS):
        if at + 8 > last:
            return
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        body_end = at + 8 + length
        if body_end > last:
            raise BrokenPictureError(CUT_OFF)
        end = min(body_end + length % 2, last)
        yield Part(data[at : at + 4], at, end, at + 8, body_end)
        at = end
    raise BrokenPictureError(TOO_MANY)


def jpeg_segments(data: bytes) -> Iterator[Part]:
    """Yield the segments of a JPEG before its first scan, and the scan's header as the last; the kind is one byte.

    Raises: BrokenPictureError.
    """
    at = start = len(JPEG_START)
    for _ in range(MAX_PARTS):
        if data[at : at + 2] == b"\xff\xff":  # a fill byte
            at += 1
            continue
        if at + 4 > len(data) or data[at] != 0xFF:
            raise BrokenPictureError(NO_PICTURE)
        kind, body_start = data[at + 1], at + 4
        if kind in WITHOUT_LENGTH:
            at = start = at + 2
            continue
        body_end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if not body_start <= body_end <= len(data):
            raise BrokenPictureError(CUT_OFF)
        yield Part(bytes((kind,)), start, body_end, body_start, body_end)
        if kind == SCAN:
            return
        at = start = body_end
    raise BrokenPictureError(TOO_MANY)


def has_too_many_parts(data: bytes) -> bool:
    """Tell a file of more parts than can be read in a moment; what else is wrong with it its reader finds."""
    walks: dict[str | None, Callable[[bytes], Iterator[object]]]
    walks = {"png": png_chunks, "jpg": jpeg_segments, "gif": gif_applications}  # WebP is not read by Python
    walk = walks.get(form_of(data))
    try:
        deque(walk(data) if walk else (), maxlen=0)
    except BrokenPictureError as exc:
        return str(exc) == TOO_MANY
    return False


def without_metadata(data: bytes) -> bytes:
    """Return a PNG, JPEG or WebP with what its pixels need and nothing beside it; any other file as it is.

    Raises: BrokenPictureError.
    """
    form = form_of(data)
    if form == "png":
        return PNG_SIGNATURE + b"".join(
            data[part.start : part.end] for part in png_chunks(data) if part.kind[:1].isupper() or part.kind == b"tRNS"
        )
    if form == "jpg":
        segments = list(jpeg_segments(data))
        kept = (part for part in segments if part.kind[0] not in BESIDE_PIXELS)
        return JPEG_START + b"".join(data[part.start : part.end] for part in kept) + data[segments[-1].end :]
    if form == "webp":
        chunks = []
        for part in riff_chunks(data):
            chunk = bytearray(data[part.start : part.end])
            if part.kind == b"VP8X" and len(chunk) > 8:
                chunk[8] &= WEBP_PIXEL_FLAGS
            chunks += [] if part.kind in (b"EXIF", b"XMP ", b"ICCP") else [chunk]
        parts = b"".join(chunks)
        return b"RIFF" + (len(parts) + 4).to_bytes(4, "little") + b"WEBP" + parts
    return data


def gif_applications(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name (11 bytes) and contents of each application extension of a GIF. Raises: BrokenPictureError."""
    try:
        at, left = GIF_HEADER + _palette_bytes(data[10]), MAX_PARTS + len(data) // GIF_BLOCK_BYTES
        for _ in range(MAX_PARTS):
            if data[at] == GIF_END:
                return
            if data[at] == GIF_IMAGE:
                at, left = _after_blocks(data, at + 11 + _palette_bytes(data[at + 9]), left)
            elif data[at] == GIF_EXTENSION:
                end, left = _after_blocks(data, at + 2, left)
                if data[at + 1] == GIF_APPLICATION:
                    yield data[at + 3 : at + 14], b"".join(_blocks(data, at + 3 + data[at + 2]))
                at = end
            else:
                raise BrokenPictureError(NO_PICTURE)
    except IndexError:
        raise BrokenPictureError(CUT_OFF) from None
    raise BrokenPictureError(TOO_MANY)


def _palette_bytes(flags: int) -> int:
    return 3 << (1 + (flags & 7)) if flags & 0x80 else 0


def _blocks(data: bytes, at: int) -> Iterator[bytes]:
    while data[at]:
        yield data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]


def _after_blocks(data: bytes, at: int, left: int) -> tuple[int, int]:
    """Return where blocks end, and how many more there may be."""
    while data[at]:
        at, left = at + 1 + data[at], left - 1
        if left < 0:
            raise BrokenPictureError(TOO_MANY)
    return at + 1, left
