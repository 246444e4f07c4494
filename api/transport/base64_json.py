"""Pictures in an answer's text: base64 and the other ways in which servers write their bytes, and what bytes are one.

The base64 is taken out of an answer before its JSON is read: megabytes that no parser need look at or copy. A parser
lets nothing else in this process run while it copies a string; so does base64 while it decodes one.
"""

from __future__ import annotations

import binascii
import contextlib
import re
import urllib.parse
import uuid
from collections.abc import Iterator, Sequence

START = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|RIFF....WEBP|GIF8[79]a|....ftyp(avif|avis|heic|heix|mif1)|BM....\0\0\0\0|II\*\0|MM\0\*"
    rb"|(\xef\xbb\xbf)?\s*(<\?xml[^>]{0,200}>\s*)?((<!--[^>]{0,2000}-->|<!DOCTYPE svg[^>]{0,400}>)\s*)*<svg[\s>]",
    re.DOTALL,
)
EMBEDDED = re.compile(
    rb"(?P<base64>iVBORw0KGgo|/9j/[4-7]|UklGR[\w+/]{6}XRUJQ)|\x89PNG\r\n\x1a\n|RIFF....WEBP|\xff\xd8\xff[\xe0-\xef\xdb]",
    re.DOTALL,
)
BASE64_RUN = re.compile(  # also in lines
    rb"[A-Za-z0-9+/_-]+(?:\r?\n[A-Za-z0-9+/_-]{40,})*(?:\r?\n[A-Za-z0-9+/_-]+(?==|\s*(?:[)\"'<>`]|$)))?={0,2}"
)
HEX = re.compile(rb"\s*(?:0x|\\+x)?(?=89504e47|ffd8ff|52494646|47494638|3c737667|3c3f786d)([0-9a-f\s]+)", re.IGNORECASE)
FEWEST_NUMBERS = 16
BYTE, SIGNED_BYTE = 256, -128
CRC_BYTES = 4
MAX_EMBEDDED = 64  # beginnings that are looked at
SHORT_CHARS = 4096  # what is no longer than this is left to the parser
STEP_CHARS = 1 << 18  # decoded at a time, in well under a millisecond; a multiple of four
MAX_STRINGS = 200_000  # looked at; a picture stands among the first
PREFIX_MAX_CHARS = 1024
PREFIX = re.compile(
    rb"[\s\"]*(?:data:[^,]{0,200},\s*|image/[\w.+-]{1,40};base64,\s*|base64[,:](?://)?\s*|b')*", re.IGNORECASE
)  # the last is Python's
PLAIN_DATA = re.compile(r"\s*data:(?![^,]{0,200};\s*base64)[^,]{0,200},", re.I)
DIGITS = re.compile(rb"[A-Za-z0-9+/=_%\s\\-]*")  # plain, url-safe, percent-encoded, in lines, escaped twice
ESCAPES = re.compile(rb"\\[nrt]?")
URL_SAFE = bytes.maketrans(b"-_", b"+/")
ENCODED_STARTS = (b"iVBORw0KGgo", b"/9j/", b"UklGR", b"R0lGOD", b"PHN2Zy", b"data:image/")
LONG_ENOUGH_CHARS = 256  # what is shorter and base64 may also be a word: then only a picture's first bytes count
PICTURE_BYTES = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"<svg", b"<?xml", b"BM", b"II*", b"MM", b"\0\0\0")
WITH_END = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"RIFF")
BARE_END = b" \t\r\n\"'"
NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


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


def has_ended(data: bytes) -> bool:
    """Tell whether bytes are a picture of a format that marks its end, and end as it does."""
    return data.startswith(WITH_END) and is_whole_picture(data)


def embedded_pictures(body: bytes) -> Iterator[bytes]:
    """Yield the whole PNG, WebP and JPEG files that stand in bytes of another kind, as they are or in base64."""
    at = 0
    for _ in range(MAX_EMBEDDED):
        found = EMBEDDED.search(body, at)
        if found is None:
            return
        start, data = found.start(), b""
        if found["base64"]:
            run = BASE64_RUN.match(body, start)
            at = run.end() if run else found.end()
            with contextlib.suppress(ValueError):
                data = base64_to_bytes(memoryview(body)[start:at])
        else:
            at = max(found.end(), _end_of_picture(body, start))
            data = body[start:at]
        if is_whole_picture(data):
            yield data


def _end_of_picture(body: bytes, start: int) -> int:
    """Return where a picture that begins in bytes ends, or 0 where it does not."""
    if body.startswith(b"RIFF", start):
        end = start + 8 + int.from_bytes(body[start + 4 : start + 8], "little")
        return end if end <= len(body) else 0
    if body.startswith(b"\x89PNG", start):
        end = body.find(b"IEND", start)
        return end + len(b"IEND") + CRC_BYTES if end > 0 else 0
    return body.rfind(b"\xff\xd9", start) + 2  # the last one: a preview inside has an end as well; without one 1


def from_hex(text: bytes) -> bytes | None:
    """Return the picture that hexadecimal digits spell, or None if they spell none."""
    digits = HEX.fullmatch(text)
    if digits is None:
        return None
    plain = b"".join(digits[1].split())
    return binascii.a2b_hex(plain[: len(plain) // 2 * 2])


def from_plain_data(text: str) -> bytes | None:
    """Return the picture in a data URL that is no base64 but has its bytes percent-encoded, or None."""
    head = PLAIN_DATA.match(text)
    data = urllib.parse.unquote_to_bytes(text[head.end() :]) if head else b""
    return data if is_picture(data) else None


def from_numbers(values: Sequence[object]) -> bytes | None:
    """Return the picture whose bytes a list of numbers gives, signed or not, or None if it gives none."""
    if len(values) < FEWEST_NUMBERS or not all(type(value) is int for value in values[:FEWEST_NUMBERS]):
        return None
    try:
        data = bytes(value % BYTE for value in values if SIGNED_BYTE <= value < BYTE)  # type: ignore[operator]
    except TypeError:
        return None
    return data if len(data) == len(values) and is_picture(data) else None


def extract_base64(body: bytes) -> tuple[bytes, dict[str, memoryview]]:
    """Return JSON with each long base64 text replaced by a name, and the texts, not copied, by these names.

    Only quotes are looked for: text with a backslash in it, and text that is no base64, is left where it is.
    """
    pieces: list[bytes | memoryview] = []
    values: dict[str, memoryview] = {}
    view, prefix, kept, at = memoryview(body), uuid.uuid4().hex, 0, 0
    for _ in range(MAX_STRINGS if len(body) > SHORT_CHARS else 0):
        start = body.find(b'"', at) + 1
        end = body.find(b'"', start) if start else -1
        while end > 0 and _is_escaped(body, start, end):
            end = body.find(b'"', end + 1)
        if end < 0:
            break
        at = end + 1
        if end - start > SHORT_CHARS and body.find(b"\\", start, end) < 0 and looks_like_base64(view[start:end]):
            name = f"{prefix}.{len(values)}"
            pieces += [view[kept:start], name.encode()]
            values[name], kept = view[start:end], end
    return (b"".join([*pieces, view[kept:]]), values) if values else (body, values)


def _is_escaped(body: bytes, start: int, quote: int) -> bool:
    at = quote
    while at > start and body[at - 1] == 0x5C:
        at -= 1
    return (quote - at) % 2 == 1


def looks_like_base64(text: str | memoryview) -> bool:
    """Tell whether a text is a picture in base64, of any dialect, as far as its beginning tells."""
    first = _first_bytes(text)
    if first is None:
        return False
    is_long = len(text) >= LONG_ENOUGH_CHARS and b"http" not in _as_bytes(text[:8])
    return is_long or first.startswith(PICTURE_BYTES) or begins_as_picture(text)


def begins_as_picture(text: str | memoryview) -> bool:
    """Tell whether a text, in base64 of any dialect or in hexadecimal digits, begins as a known format does."""
    first = _first_bytes(text)
    return first is not None and (is_picture(first) or from_hex(_as_bytes(text[:64])) is not None)


def _first_bytes(text: str | memoryview) -> bytes | None:
    """Return what the beginning of a text is in base64, or None where it is none."""
    start = _as_bytes(text[:512])
    said = start[_prefix_end(start) :].rstrip(b"'\"")
    if not DIGITS.fullmatch(said):
        return None
    digits = NOT_BASE64.sub(b"", urllib.parse.unquote_to_bytes(said).translate(URL_SAFE))
    first = binascii.a2b_base64(digits[: len(digits) // 4 * 4])
    return _first_bytes(memoryview(first)) if first.startswith(ENCODED_STARTS) else first


def _prefix_end(start: bytes | memoryview) -> int:
    found = PREFIX.match(start)
    return found.end() if found else 0


def _as_bytes(text: str | memoryview) -> bytes:
    return text.tobytes() if isinstance(text, memoryview) else text.encode(errors="replace")


def base64_to_bytes(text: str | memoryview) -> bytes:
    """Return the bytes of base64 text of any dialect: with `data:` before it, url-safe, in lines, percent-encoded.

    A picture in hexadecimal digits, or encoded twice, is one as well.
    Raises: ValueError if it is no base64.
    """
    view = text if isinstance(text, memoryview) else memoryview(text.strip().encode("ascii"))
    if from_hex(bytes(view[:64])) is not None and (picture := from_hex(bytes(view))) is not None:
        return picture
    view = view[_prefix_end(view[:PREFIX_MAX_CHARS]) :]
    try:
        data = _in_steps(view)
    except ValueError:
        data = _of_any_dialect(bytes(view))
    return base64_to_bytes(memoryview(data)) if data.startswith(ENCODED_STARTS) else data


def bare_picture(body: bytes) -> bytes | None:
    """Return the picture that bytes are: its own bytes, or base64 alone, or None if it is something else."""
    start = body[:4096].lstrip()
    if is_picture(start):
        return body[body.find(start[:4]) :]
    bare = start.strip(BARE_END)
    if bare[:11] == b"data:image/" or (
        bare[:1] not in (b"{", b"[") and looks_like_base64(bare[:200].decode("latin-1"))
    ):
        with contextlib.suppress(ValueError):
            return base64_to_bytes(memoryview(body.strip(BARE_END)))
    return None


def _of_any_dialect(text: bytes) -> bytes:
    """Decode what is not plain base64; a form that was read once too often has blanks in place of its pluses.

    Raises: ValueError if it is none at all.
    """
    text = ESCAPES.sub(b"", text)
    plain = (urllib.parse.unquote_to_bytes(text) if b"%" in text else text).strip(b"\"' \t\r\n")
    if b" " in plain and b"+" not in plain:
        with contextlib.suppress(ValueError):
            data = _of_digits(plain.replace(b" ", b"+"))
            if is_whole_picture(data):
                return data
    return _of_digits(plain)


def _of_digits(text: bytes) -> bytes:
    digits = b"".join(text.split()).translate(URL_SAFE).rstrip(b"=")
    if NOT_BASE64.search(digits) or len(digits) % 4 == 1:
        raise ValueError("the text is no base64")
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def _in_steps(view: memoryview) -> bytes:
    """Decode plain base64, so that other threads may run in between.

    Raises: ValueError if a step holds anything else: the decoder passes over it without a word.
    """
    steps = [binascii.a2b_base64(view[start : start + STEP_CHARS]) for start in range(0, len(view), STEP_CHARS)]
    padding = bytes(view[-2:]).count(b"=")
    if sum(map(len, steps)) * 4 != (len(view) - len(view) % 4) * 3 - 4 * padding or len(view) % 4:
        raise ValueError("not plain base64")
    return b"".join(steps)
