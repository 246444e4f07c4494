"""Texts into a block of EXIF, beside what is in it already.

Entries of EXIF point to places counted from the block's beginning. So nothing is moved: the first directory is written
again behind the old block, with the old entries as they are. Source: docs/originals.md, "EXIF".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from .errors import BrokenPictureError

DAMAGED = "the EXIF in the file is damaged"
NEW_BLOCK = b"II*\x00\x08\x00\x00\x00" + bytes(6)  # little-endian, an empty first directory
PREFIX = b"Exif\x00\x00"
ORDERS = {b"II*\x00": "<", b"MM\x00*": ">"}
ASCII = 2
FIRST_TAG = 0x0110  # ComfyUI writes the prompt there, and what is more below it
ENTRY = "HHI4s"
ENTRY_BYTES = 12


class _Entry(NamedTuple):
    tag: int
    kind: int
    length: int
    value: bytes


def with_texts(block: bytes | None, texts: Mapping[str, str]) -> bytes:
    """Return a block of EXIF (without its prefix) that holds "name:text" for each text, which must be ASCII.

    A text of the same name that it held before goes.

    Raises: BrokenPictureError if the old block is not as EXIF is.
    """
    old = NEW_BLOCK if block is None else block.removeprefix(PREFIX)
    order = ORDERS.get(old[:4])
    if order is None:
        raise BrokenPictureError(DAMAGED)
    try:
        entries, following = _directory(old, order)
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


def _directory(block: bytes, order: str) -> tuple[list[_Entry], bytes]:
    """Return the entries of the first directory, and the four bytes that point to the next one."""
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    (count,) = struct.unpack_from(f"{order}H", block, start)
    places = range(start + 2, start + 2 + ENTRY_BYTES * count, ENTRY_BYTES)
    entries = [_Entry(*struct.unpack_from(f"{order}{ENTRY}", block, place)) for place in places]
    (following,) = struct.unpack_from("4s", block, start + 2 + ENTRY_BYTES * count)
    return entries, following


def _text_of(block: bytes, order: str, entry: _Entry) -> bytes:
    (at,) = struct.unpack(f"{order}I", entry.value)
    return block[at : at + entry.length] if entry.kind == ASCII else b""
