"""How our key is taken out of what a service says: some repeat it, with letters written as JSON or an address has them.

In words that a person is shown it may be in yet other forms, as a log, a page or a header has it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from pydantic import SecretStr

MOST_MARKS, NESTED = 4, 2  # backslashes before a letter, and percent signs of percent signs: three writings deep
LONGEST = MOST_MARKS + len(b"u00ff")

GAP = r"[\s\u00ad\u200b-\u200d\u2060\ufeff]*"  # where a long word was broken
SURE_DIGITS = 32  # of base64 or hex: what begins so is the secret
LEFT_OF = (0, 2, 3)  # the digits of base64 that hold something of the bytes before, by how many these are modulo 3
SHORTEST_SECRET = 8  # "none", as local services take it, is no secret and may occur in a picture's base64
LONGEST_WORD = 16
SECRET_PATTERN = re.compile(
    r"((?<![A-Za-z0-9])(?:sk|comfyui|org)-|Bearer\s+(?!(?:auth|tokens?|your_key)(?:[\s'\",.;)]|$))|api[-_]key[=: ]+)"
    r"[^\s'\",.;)]+",
    re.IGNORECASE,
)
USER_PATTERN = re.compile(r"://(?:(?!://)[^\s'\"<>])*@")  # name and password of a proxy, as errors repeat its address
SECRET_HEADER = re.compile("key|token|secret|pass|auth|cookie|credential|sign", re.I)


class Redacting:
    """A connection, by whose `key` and `headers` is known what must not be shown or kept of what is said over it."""

    kind: str
    key: SecretStr | None
    headers: Mapping[str, str]

    def without_secrets(self, said: bytes) -> bytes:
        """Return what a service says without our key: some say it back, and answers are shown and kept."""
        return b"".join(self.redacted_chunks([said]))

    def redacted_chunks(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield what a service says, in about the same pieces, without our key, wherever the pieces are cut."""
        secrets = [secret.encode() for secret in self._secrets()]
        rest = b""
        for chunk in chunks:
            said = rest + chunk if rest else chunk
            for secret in secrets:
                said = said.replace(secret, b"[key]")
            kept = _begun(secrets, said)
            if b"\\" in said or b"%" in said:  # no escape is without one, and base64 has none of them
                for secret in secrets:
                    said = _pattern(secret).sub(b"[key]", said)
                kept = max(_begun(secrets, said), _begun_escaped(secrets, said))
            end = len(said) - kept
            yield said[:end]
            rest = said[end:]
        yield rest

    def without_secrets_in(self, words: str) -> str:
        """Return a text that a person is shown without our key, in whatever form it stands there.

        A service that means to hide it in its words can, but has it already.
        """
        for secret in self._secrets():
            words = _in_words(secret).sub("[key]", words)
        return words

    def redacted(self, words: str) -> str:
        """Return the same without anything else that looks like a key, or like a name and a password in an address."""
        key = self.key.get_secret_value() if self.key else ""
        clean = self.without_secrets_in(words.replace(key, "[key]") if key else words)
        return SECRET_PATTERN.sub("[key]", USER_PATTERN.sub("://", clean))

    def _secrets(self) -> list[str]:
        key = [self.key.get_secret_value()] if self.key else []
        own = self.headers.items() if self.kind == "compatible" else ()
        # a word as it stands in prompts, such as the name of a team, is no key in a header of some other name
        own_headers = [
            value
            for name, value in own
            if SECRET_HEADER.search(name) or not value.isalpha() or len(value) >= LONGEST_WORD
        ]
        return [secret for secret in [*key, *own_headers] if len(secret) >= SHORTEST_SECRET]


def _begun(secrets: Sequence[bytes], said: bytes) -> int:
    """Return how many of the last bytes may be the beginning of a secret."""
    most = min(max(map(len, secrets), default=1) - 1, len(said))
    tails = range(most, 0, -1)
    return next((size for size in tails if any(secret.startswith(said[-size:]) for secret in secrets)), 0)


@lru_cache(maxsize=64)
def _in_words(secret: str) -> re.Pattern[str]:
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
def _pattern(secret: bytes) -> re.Pattern[bytes]:
    """Return what finds a secret with any of its letters escaped, also as JSON or an address inside of another."""
    return re.compile(b"".join(map(_any_form, secret)), re.DOTALL)


def _any_form(letter: int) -> bytes:
    plain, code = re.escape(bytes([letter])), b"(?i:%02x)" % letter
    return rb"(?:%s|\\{1,%d}(?:u00%s|%s)|%%(?:25){0,%d}%s)" % (plain, MOST_MARKS, code, plain, NESTED, code)


def _begun_escaped(secrets: Sequence[bytes], said: bytes) -> int:
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
