"""Takes the pictures' base64 out of an answer before its JSON is read: megabytes that no parser need look at or copy.

A parser lets nothing else in this process run while it copies a string; so does base64 while it decodes one.
"""

from __future__ import annotations

import binascii
import re
import uuid

FIELD = b'"b64_json"'
FIELD_START = re.compile(rb'"b64_json"\s*:\s*"')
SHORT_CHARS = 4096  # what is no longer than this is left to the parser
STEP_CHARS = 1 << 18  # decoded at a time, in well under a millisecond; a multiple of four
DATA_PREFIX_MAX_CHARS = 256


def extract_base64(body: bytes) -> tuple[bytes, dict[str, memoryview]]:
    """Return JSON with each long value of `b64_json` replaced by a name, and the values, not copied, by these names.

    No quote stands inside of a JSON string without a backslash before it, so the field's name with both its quotes and
    a colon is a field. A value with a backslash is left where it is.
    """
    pieces: list[bytes | memoryview] = []
    values: dict[str, memoryview] = {}
    view, prefix, kept = memoryview(body), uuid.uuid4().hex, 0
    at = body.find(FIELD)
    while at >= 0:
        field = FIELD_START.match(body, at)
        start = field.end() if field else at + len(FIELD)
        end = body.find(b'"', start) if field else -1
        if end - start > SHORT_CHARS and body.find(b"\\", start, end) < 0:
            name = f"{prefix}.{len(values)}"
            pieces += [view[kept:start], name.encode()]
            values[name], kept = view[start:end], end
        at = body.find(FIELD, max(start, end))
    return (b"".join([*pieces, view[kept:]]), values) if values else (body, values)


def base64_to_bytes(text: str | memoryview) -> bytes:
    """Return the bytes of base64 text, with or without a `data:` prefix.

    Raises: ValueError if it is no base64.
    """
    view = text if isinstance(text, memoryview) else memoryview(text.encode("ascii"))
    if view[:5].tobytes() == b"data:":
        view = view[bytes(view[:DATA_PREFIX_MAX_CHARS]).find(b",") + 1 :]
    try:
        return _in_steps(view)
    except ValueError:
        return binascii.a2b_base64(view)


def _in_steps(view: memoryview) -> bytes:
    """Decode base64 without line breaks, so that other threads may run in between.

    Raises: ValueError if a step holds anything but base64.
    """
    steps = [binascii.a2b_base64(view[start : start + STEP_CHARS]) for start in range(0, len(view), STEP_CHARS)]
    if any(len(step) * 4 != STEP_CHARS * 3 for step in steps[:-1]):
        raise ValueError("line breaks, or text after the end")
    return b"".join(steps)
