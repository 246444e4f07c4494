"""Facts from the header of a PNG, without an imaging library (W3C PNG specification, 5.3 and 11.2)."""

from __future__ import annotations

import struct
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES_WITH_ALPHA = (4, 6)


class PngFacts(NamedTuple):
    """Size in pixels, and whether pixels can be transparent: by an alpha channel or by a tRNS chunk."""

    width: int
    height: int
    has_alpha: bool


def png_facts(data: bytes) -> PngFacts | None:
    """Return the facts of a PNG, or None if the bytes do not begin as one."""
    if not data.startswith(SIGNATURE) or data[12:16] != b"IHDR" or len(data) < 33:
        return None
    width, height, _depth, colour_type = struct.unpack(">IIBB", data[16:26])
    return PngFacts(width, height, colour_type in COLOUR_TYPES_WITH_ALPHA or _has_trns(data))


def _has_trns(data: bytes) -> bool:
    """Walk the chunks before the pixels: each is a length, a name, the data and a checksum of 4 bytes."""
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        if name in (b"tRNS", b"IDAT"):
            return bool(name == b"tRNS")
        at += 12 + length
    return False
