"""A key as it may come back: some services repeat it with letters written as JSON or as an address writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

MARKS = (b"\\", b"%")  # no escape is without one, and base64 has none of them


def is_marked(said: bytes) -> bool:
    """Tell whether a text may hold escapes at all."""
    return any(mark in said for mark in MARKS)


@lru_cache(maxsize=64)
def pattern(secret: bytes) -> re.Pattern[bytes]:
    """Return what finds a secret with any of its letters escaped."""
    return re.compile(b"".join(b"(?:%s)" % b"|".join(map(re.escape, _forms(letter))) for letter in secret), re.DOTALL)


def begun(secrets: Sequence[bytes], said: bytes) -> int:
    """Return how many of the last bytes may be the beginning of a secret with escapes."""
    most = min(max((6 * len(secret) for secret in secrets), default=0), len(said))
    starts = range(len(said) - most, len(said))
    return next((len(said) - at for at in starts if any(_may_begin(secret, said, at) for secret in secrets)), 0)


def _may_begin(secret: bytes, said: bytes, at: int) -> bool:
    for letter in secret:
        rest = said[at : at + 6]
        forms = _forms(letter)
        whole = next((form for form in forms if rest.startswith(form)), None)
        if whole is None:
            return at + len(rest) == len(said) and any(form.startswith(rest) for form in forms)
        at += len(whole)
        if at >= len(said):
            return True
    return False


@lru_cache(maxsize=256)
def _forms(letter: int) -> tuple[bytes, ...]:
    low, high = b"%02x" % letter, b"%02X" % letter
    escapes = {b"\\u00" + low, b"\\u00" + high, b"%" + low, b"%" + high, b"\\" + bytes([letter])}
    return (bytes([letter]), *sorted(escapes))
