"""Whether a picture carries Content Credentials (C2PA), and who issued them as they state it. Nothing is verified.

The manifest is a box of JUMBF in a place of its own in each format: docs/originals.md, "C2PA". The bytes are a
stranger's: what is there and cannot be read counts as present, with nothing known of it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import struct
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

from .containers import APP11, form_of, gif_applications, jpeg_segments, png_chunks, riff_chunks
from .errors import BrokenPictureError

TEXT_CHARS = 200
MAX_BOXES = 4096  # in one box
LABEL_START = 17  # of a description box: 16 bytes that name the kind, one of flags
CLAIMS = ("c2pa.claim", "c2pa.claim.v2")
SIGNATURE = "c2pa.signature"
X5CHAIN = (33, "x5chain")  # COSE's header for certificates, by number or name
SEQUENCE, SET, CONTEXT_0 = 0x30, 0x31, 0xA0
CBOR_MAX_DEPTH, CBOR_MAX_ITEMS = 16, 20_000
FLOATS = {25: ">e", 26: ">f", 27: ">d"}
WORDS = {20: False, 21: True, 22: None, 23: None}
INDEFINITE, BREAK = 31, object()  # BREAK ends a list of no told length
ORGANIZATION, COMMON_NAME = b"\x06\x03\x55\x04\x0a", b"\x06\x03\x55\x04\x03"  # object identifiers 2.5.4.10 and 2.5.4.3
SVG_MANIFEST = re.compile(rb"<c2pa:manifest[^<>]{0,500}>([A-Za-z0-9+/=\s]*)</c2pa:manifest>")


class Credentials(NamedTuple):
    """What a manifest says of itself: the organization of the certificate that signed it, and the program."""

    issuer: str | None
    generator: str | None


def credentials_of(data: bytes) -> Credentials | None:
    """Return what a picture's newest manifest states, or None for a picture that carries none."""
    parts: list[bytes] = []
    with contextlib.suppress(BrokenPictureError):  # what is broken further on takes nothing from what came before
        parts.extend(_manifest_parts(data))
    store = b"".join(parts)
    if not store:
        return None
    try:
        return _stated(store)
    except (ValueError, LookupError, TypeError, RecursionError):  # a picture is not withheld for what is beside it
        return Credentials(None, None)


def _manifest_parts(data: bytes) -> Iterator[bytes]:
    form = form_of(data)
    if form == "png":
        yield from (chunk.body(data) for chunk in png_chunks(data) if chunk.kind == b"caBX")
    elif form == "webp":
        yield from (chunk.body(data) for chunk in riff_chunks(data) if chunk.kind == b"C2PA")
    elif form == "jpg":
        yield from _jpeg_boxes(data)
    elif form == "gif":
        yield from (body for name, body in gif_applications(data) if name.startswith(b"C2PA_GIF"))
    elif form == "svg":
        found = SVG_MANIFEST.search(data)
        with contextlib.suppress(binascii.Error):
            yield base64.b64decode(found[1]) if found else b""


def _jpeg_boxes(data: bytes) -> Iterator[bytes]:
    """Yield the box of the segments APP11: each has "JP", the box's number, its own, and again the box's header."""
    number = None
    for segment in jpeg_segments(data):
        body = segment.body(data) if segment.kind[0] == APP11 else b""
        if body[:2] != b"JP" or len(body) < 16 or number not in (None, body[2:4]):
            continue
        header = 16 if body[8:12] == b"\0\0\0\1" else 8
        yield body[8:] if number is None else body[8 + header :]
        number = body[2:4]


def _stated(store: bytes) -> Credentials:
    """Read the last manifest of a store, which is the one in force."""
    kind, content = next(_boxes(store), (b"", b""))
    if kind != b"jumb":
        raise ValueError("the credentials are no JUMBF")
    manifests = [box for kind, box in _boxes(content) if kind == b"jumb"]
    parts = dict(_labelled(manifests[-1])) if manifests else {}
    claim = next((_map(parts[name]) for name in CLAIMS if name in parts), {})
    return Credentials(_issuer(parts.get(SIGNATURE)), _generator(claim))


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and contents of the boxes that lie one behind the other."""
    at = 0
    for _ in range(MAX_BOXES):
        if at + 8 > len(data):
            return
        length, header = int.from_bytes(data[at : at + 4], "big"), 8
        if length == 1:
            length, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = at + length if length else len(data)
        if end < at + header or end > len(data):
            raise ValueError("the credentials end in the middle of a box")
        yield data[at + 4 : at + 8], data[at + header : end]
        at = end


def _labelled(box: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield label and contents of the first box of data in each box below."""
    for kind, inner in _boxes(box):
        if kind != b"jumb":
            continue
        parts = [*_boxes(inner), (b"", b"")]
        if len(parts) > 1 and parts[0][0] == b"jumd":
            yield parts[0][1][LABEL_START:].split(b"\0")[0].decode(errors="replace"), parts[1][1]


def _map(cbor: bytes) -> dict[Any, Any]:
    found = _decoded(cbor)
    return found if isinstance(found, dict) else {}


def _generator(claim: dict[Any, Any]) -> str | None:
    info = claim.get("claim_generator_info")
    info = info[0] if isinstance(info, list) and info else info
    if isinstance(info, dict) and isinstance(info.get("name"), str):
        version = info.get("version")
        return _line(f"{info['name']} {version}" if isinstance(version, str) else info["name"])
    told = claim.get("claim_generator")
    return _line(told) if isinstance(told, str) else None


def _issuer(signature: bytes | None) -> str | None:
    """Return the organization, or else the name, of the first certificate of a COSE_Sign1."""
    parts = _decoded(signature) if signature else None
    if not isinstance(parts, list) or len(parts) < 2:
        return None
    protected = _map(parts[0]) if isinstance(parts[0], bytes) and parts[0] else {}
    headers = {**(parts[1] if isinstance(parts[1], dict) else {}), **protected}
    chain = next((headers[name] for name in X5CHAIN if name in headers), None)
    certificate = chain[0] if isinstance(chain, list) and chain else chain
    return _subject(certificate) if isinstance(certificate, bytes) else None


def _subject(certificate: bytes) -> str | None:
    """Return who an X.509 certificate is for: version, number, algorithm, issuer, validity, then the subject."""
    outer = next(iter(_der(certificate)), (0, b""))[1]
    signed = next(iter(_der(outer)), (0, b""))[1]
    fields = [field for field in _der(signed) if field[0] != CONTEXT_0]
    names: dict[bytes, bytes] = {}
    for kind, group in _der(fields[4][1]) if len(fields) > 4 and fields[4][0] == SEQUENCE else ():
        for _, pair in _der(group) if kind == SET else ():
            value = next((text for tag, text in _der(pair[len(ORGANIZATION) :])), b"")
            names.setdefault(pair[: len(ORGANIZATION)], value)
    found = names.get(ORGANIZATION) or names.get(COMMON_NAME)
    return _line(found.decode(errors="replace")) if found else None


def _der(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and contents of the values of DER that lie one behind the other."""
    at = 0
    while at + 2 <= len(data):
        tag, length, start = data[at], data[at + 1], at + 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[at + 2 : start], "big")
        if start + length > len(data):
            raise ValueError("the certificate ends in the middle of a value")
        yield tag, data[start : start + length]
        at = start + length


def _line(text: str) -> str | None:
    """Return a stranger's text as one line of at most TEXT_CHARS."""
    visible = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text[:1000])
    return " ".join(visible.split())[:TEXT_CHARS] or None


def _decoded(data: bytes) -> Any:
    """Return the first value of CBOR (RFC 8949), as much of that as a claim needs; a tag is left out.

    Raises: ValueError.
    """
    try:
        return _Reader(data).value(0)
    except (IndexError, struct.error, UnicodeDecodeError, TypeError, OverflowError) as exc:
        raise ValueError("no CBOR") from exc


class _Reader:
    """Reads values of CBOR; depth and number have a limit."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._items = 0

    def value(self, depth: int) -> Any:
        """Read one value."""
        self._items += 1
        if depth > CBOR_MAX_DEPTH or self._items > CBOR_MAX_ITEMS:
            raise ValueError("larger than a claim is")
        kind, low = divmod(self._data[self._at], 32)
        self._at += 1
        if kind == 7:
            if low in FLOATS:
                return struct.unpack(FLOATS[low], self._take(1 << (low - 24)))[0]
            return BREAK if low == INDEFINITE else WORDS.get(low)
        length = None if low == INDEFINITE else self._number(low)
        if kind in (0, 1) and length is not None:
            return length if kind == 0 else -1 - length
        if kind in (2, 3):
            if length is None:
                parts = self._list(None, depth)
                return (b"" if kind == 2 else "").join(parts)
            found = self._take(length)
            return found if kind == 2 else found.decode()
        if kind == 6:
            return self.value(depth + 1)
        if kind == 4:
            return self._list(length, depth)
        values = self._list(None if length is None else 2 * length, depth)
        return {
            (key if isinstance(key, (str, int, bytes)) else str(type(key))): value
            for key, value in zip(values[::2], values[1::2], strict=False)
        }

    def _number(self, low: int) -> int:
        if low < 24:
            return low
        return int.from_bytes(self._take(1 << (low - 24)), "big") if low < 28 else self._fail()

    def _list(self, count: int | None, depth: int) -> list[Any]:
        values: list[Any] = []
        while count is None or len(values) < count:
            value = self.value(depth + 1)
            if value is BREAK:
                if count is None:
                    break
                self._fail()
            values.append(value)
        return values

    def _take(self, length: int) -> bytes:
        found = self._data[self._at : self._at + length]
        if len(found) < length:
            raise IndexError
        self._at += length
        return found

    def _fail(self) -> int:
        raise IndexError
