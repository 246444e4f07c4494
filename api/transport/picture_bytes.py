"""What a picture is by its own bytes, and the ways in which servers write such bytes down beside base64."""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence

START = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|RIFF....WEBP|GIF8[79]a|....ftyp(avif|avis|heic|heix|mif1)|BM....\0\0\0\0|II\*\0|MM\0\*"
    rb"|(\xef\xbb\xbf)?\s*(<\?xml[^>]{0,200}>\s*)?((<!--[^>]{0,2000}-->|<!DOCTYPE svg[^>]{0,400}>)\s*)*<svg[\s>]",
    re.DOTALL,
)
HEX = re.compile(
    rb"\s*(?:0x|\\+x)?(?=89504e47|ffd8ff|52494646|47494638|3c737667|3c3f786d)([0-9a-f\s]+)\s*", re.IGNORECASE
)
FEWEST_NUMBERS = 16
BYTE, SIGNED_BYTE = 256, -128


def is_picture(data: bytes) -> bool:
    """Tell whether bytes begin as a picture of a known format."""
    return START.match(data) is not None


def is_whole_picture(data: bytes) -> bool:
    """Tell whether a picture has the end that its format has; one of a format without a mark counts as whole."""
    if not is_picture(data):
        return False
    if data.startswith(b"\x89PNG"):
        return data.rfind(b"IEND") > 0
    if data.startswith(b"\xff\xd8"):
        return data.rstrip(b"\0\r\n ").endswith(b"\xff\xd9")
    if data.startswith(b"GIF8"):
        return data.rstrip(b"\0\r\n ").endswith(b";")
    if data.startswith(b"RIFF"):
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return b"<svg" not in data[:4096] or b"</svg>" in data[-4096:] or data.rstrip().endswith(b"/>")


def from_hex(text: bytes) -> bytes | None:
    """Return the picture that hexadecimal digits spell, or None if they spell none."""
    digits = HEX.fullmatch(text)
    if digits is None:
        return None
    plain = b"".join(digits[1].split())
    return binascii.a2b_hex(plain[: len(plain) // 2 * 2])


def from_numbers(values: Sequence[object]) -> bytes | None:
    """Return the picture whose bytes a list of numbers gives, signed or not, or None if it gives none."""
    if len(values) < FEWEST_NUMBERS or not all(type(value) is int for value in values[:FEWEST_NUMBERS]):
        return None
    try:
        data = bytes(value % BYTE for value in values if SIGNED_BYTE <= value < BYTE)  # type: ignore[operator]
    except TypeError:
        return None
    return data if len(data) == len(values) and is_picture(data) else None
