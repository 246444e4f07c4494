"""Pictures with Content Credentials: signed ones from files, and made-up ones to put anything into."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from pathlib import Path

from openai_image_nodes.utils.c2pa import Credentials
from PIL import Image

FORMS = ("png", "jpg", "webp", "gif", "svg")
CREDENTIALS = Credentials("Example Pictures, Inc.", "Example Painter 2.6")
FOLDER = Path(__file__).parent / "signed"
PILLOW = {"jpg": "JPEG"}


@cache
def signed(form: str) -> bytes:
    """Return a small picture that the C2PA's reference implementation signed."""
    return (FOLDER / f"picture.{form}").read_bytes()


@cache
def unsigned(form: str) -> bytes:
    """Return a small picture without credentials."""
    if form == "svg":
        return b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>'
    out = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").resize((24, 16)).save(out, PILLOW.get(form, form.upper()))
    return out.getvalue()


def png_with(box: bytes) -> bytes:
    """Return a PNG with any bytes as its credentials."""
    plain = unsigned("png")
    chunk = struct.pack(">I", len(box)) + b"caBX" + box + struct.pack(">I", zlib.crc32(box, zlib.crc32(b"caBX")))
    return plain[:33] + chunk + plain[33:]


def jumbf(
    *, generator: str = "Painter", claim: bytes | None = None, signature: bytes | None = None, filler: int = 0
) -> bytes:
    """Return a store with one manifest, made up of as little as there must be."""
    info = b"\xa2" + _text("name") + _text(generator) + _text("version") + _text("1")
    claim = b"\xa1" + _text("claim_generator_info") + info if claim is None else claim
    if signature is None:
        headers = b"\xa1\x18\x21" + _head(2, len(_certificate())) + _certificate()
        signature = b"\xd2\x84" + _head(2, len(headers)) + headers + b"\xa0\xf6\x40"
    parts = [_labelled("c2pa.filler", b"bidb", bytes(filler)), _labelled("c2pa.claim.v2", b"cbor", claim)]
    manifest = _box(b"jumb", _label("urn:c2pa:1") + b"".join([*parts, _labelled("c2pa.signature", b"cbor", signature)]))
    return _box(b"jumb", _label("c2pa") + manifest)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def _label(text: str) -> bytes:
    return _box(b"jumd", bytes(16) + b"\3" + text.encode() + b"\0")


def _labelled(label: str, kind: bytes, body: bytes) -> bytes:
    return _box(b"jumb", _label(label) + _box(kind, body))


def _head(kind: int, length: int) -> bytes:
    return bytes((kind << 5 | 26,)) + struct.pack(">I", length)


def _text(text: str) -> bytes:
    return _head(3, len(text.encode())) + text.encode()


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((tag, 0x82)) + struct.pack(">H", len(body)) + body


def _certificate() -> bytes:
    name = _der(0x30, _der(0x31, _der(0x30, b"\x06\x03\x55\x04\x0a", b"\x0c\x0bMade Up Ltd")))
    empty = _der(0x30)
    return _der(0x30, _der(0x30, _der(0xA0, b"\x02\x01\x02"), b"\x02\x01\x01", empty, empty, empty, name))
