"""A key as it may come back: some services repeat it with letters written as JSON or as an address writes them.

In words that a person is shown it may be in yet other forms, as a log, a page or a header has it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

MOST_MARKS, NESTED = 4, 2  # backslashes before a letter, and percent signs of percent signs: three writings deep
LONGEST = MOST_MARKS + len(b"u00ff")

GAP = r"[\s\u00ad\u200b-\u200d\u2060\ufeff]*"  # where a long word was broken
SURE_DIGITS = 32  # of base64 or hex: what begins so is the secret
LEFT_OF = (0, 2, 3)  # the digits of base64 that hold something of the bytes before, by how many these are modulo 3


@lru_cache(maxsize=64)
def in_words(secret: str) -> re.Pattern[str]:
    """Return what finds a secret in a text: in capitals or not, escaped, broken by blanks, in base64 or in hex."""
    spelled = GAP.join(map(_any_spelling, secret))
    in_hex = _in_digits(secret.encode().hex())
    return re.compile("|".join([spelled, in_hex, *_in_base64(secret.encode())]), re.IGNORECASE)


def _any_spelling(letter: str) -> str:
    plain, code = re.escape(letter), f"{ord(letter):02x}"
    escaped = rf"\\{{1,{MOST_MARKS}}}(?:u00{code}|x{code}|{plain})"
    return rf"(?:{plain}|{escaped}|%(?:25){{0,{NESTED}}}{code}|&(?:amp;)?#0*{ord(letter)};|&(?:amp;)?#x0*{code};)"


def _in_base64(secret: bytes) -> Iterator[str]:
    """Yield what of a secret stands in base64, of either alphabet, whatever is around it."""
    for before, left in enumerate(LEFT_OF):
        known = len(secret) + before - (len(secret) + before) % 3
        digits = base64.b64encode(bytes(before) + secret).decode()[left : known * 4 // 3]
        for form in {digits, digits.translate(str.maketrans("+/", "-_"))}:
            yield f"(?-i:{_in_digits(form)})"


def _in_digits(form: str) -> str:
    """Return what finds digits that may be broken anywhere: base64 is at 64 or 76 columns, a dump of hex at each."""
    rest = len(form) - SURE_DIGITS
    sure = GAP.join(map(re.escape, form[:SURE_DIGITS]))
    return sure + (rf"(?:{GAP}[\w+/-]){{{rest}}}" if rest > 0 else "")


@lru_cache(maxsize=64)
def pattern(secret: bytes) -> re.Pattern[bytes]:
    """Return what finds a secret with any of its letters escaped, also as JSON or an address inside of another."""
    return re.compile(b"".join(map(_any_form, secret)), re.DOTALL)


def _any_form(letter: int) -> bytes:
    plain, code = re.escape(bytes([letter])), b"(?i:%02x)" % letter
    return rb"(?:%s|\\{1,%d}(?:u00%s|%s)|%%(?:25){0,%d}%s)" % (plain, MOST_MARKS, code, plain, NESTED, code)


def begun(secrets: Sequence[bytes], said: bytes) -> int:
    """Return how many of the last bytes may be the beginning of a secret with escapes."""
    most = min(max((LONGEST * len(secret) for secret in secrets), default=0), len(said))
    starts = range(len(said) - most, len(said))
    return next((len(said) - at for at in starts if any(_may_begin(secret, said, at) for secret in secrets)), 0)


def _may_begin(secret: bytes, said: bytes, at: int) -> bool:
    for letter in secret:
        rest = said[at : at + LONGEST]
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
    """Return the writings of a letter, the longest of those that begin alike first."""
    codes = {b"%02x" % letter, b"%02X" % letter}
    marks = [b"\\" * count for count in range(1, MOST_MARKS + 1)]
    escapes = {mark + rest for mark in marks for rest in (*(b"u00" + code for code in codes), bytes([letter]))}
    escapes |= {b"%" + b"25" * depth + code for depth in range(NESTED + 1) for code in codes}
    return (bytes([letter]), *sorted(escapes, key=len, reverse=True))
