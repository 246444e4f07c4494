"""Reads JSON as servers write it: behind other text, one document behind the other, cut off, or with small faults.

Strict JSON is read by the standard parser. What it refuses is read again without recursion and without a fault:
commas too many, single quotes and names of Python, comments, brackets that are never closed or lie too deep.
"""

from __future__ import annotations

import ast
import codecs
import json
import math
import re
from collections.abc import Iterator
from typing import Any

WIDE_BOMS = (
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
SHORTEST_WIDE = 8
ENTRIES_DEEP = 8
ASCII = rb"[\t\n\r -~]"
BARE = (  # ASCII characters in wide encodings show by their zeros
    (re.compile(rb"(%s\0\0\0){2}" % ASCII), "utf-32-le"),
    (re.compile(rb"(\0\0\0%s){2}" % ASCII), "utf-32-be"),
    (re.compile(rb"(%s\0){4}" % ASCII), "utf-16-le"),
    (re.compile(rb"(\0%s){4}" % ASCII), "utf-16-be"),
)
OPENING = re.compile(r"[{\[]|^[^\S\n]*\"", re.MULTILINE)
TOKEN = re.compile(
    r"""(?P<gap>\s+|//[^\n]*|/\*.*?\*/)|(?P<text>[bru]?(?:"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*'))"""
    r"""|(?P<unclosed>/\*|[bru]?')"""
    r"""|(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|(?P<word>[A-Za-z_$][\w$-]*)|(?P<mark>[{}\[\],])""",
    re.DOTALL,
)
UNCLOSED = re.compile(r"/\*|[bru]?'")
WORDS = {"true": True, "True": True, "false": False, "False": False}
MAX_DEPTH = 60  # deeper values are left out
MAX_TOKENS = 200_000  # read loosely, of one answer
MAX_FAULTS = 200  # places at which a document may begin and does not
MAX_READS, MAX_CHARS = 20, 10_000_000  # times that a text is read from a fault on, and characters in any case
INT_MAX_DIGITS = 20
OUTLINE_MAX_BYTES = 64 << 20  # of an answer without its pictures
VALUES_MAX, ITEMS_MAX = 1_000_000, 30_000_000  # each is an object in memory; a picture's bytes may be a list of numbers


def utf8(body: bytes) -> bytes:
    """Return text in any Unicode encoding, with or without its mark, as UTF-8 without one; other bytes as they are."""
    if len(body) < SHORTEST_WIDE or body.startswith(codecs.BOM_UTF8):
        return body.removeprefix(codecs.BOM_UTF8)
    for mark, encoding in WIDE_BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, errors="replace").encode()
    for pattern, encoding in BARE:
        if pattern.match(body):
            return body.decode(encoding, errors="replace").encode()
    return body


def is_large(outline: bytes) -> bool:
    """Tell whether an answer without its pictures is more than is read: a few that were packed can become gigabytes."""
    return len(outline) > OUTLINE_MAX_BYTES or has_too_many_values(outline)


def has_too_many_values(text: str | bytes) -> bool:
    """Tell whether JSON has so many values that reading it would take this machine's memory."""
    count = text.count if isinstance(text, str) else lambda mark: text.count(mark.encode())
    return count("[") + count("{") + count('"') // 2 > VALUES_MAX or count(",") > ITEMS_MAX


def short_int(digits: str) -> int | float:
    """Return a JSON integer; one that is no real count is infinite, which is in no range."""
    return int(digits) if len(digits) < INT_MAX_DIGITS else math.inf


STRICT = json.JSONDecoder(parse_int=short_int, strict=False)


def strictly(text: str | bytes) -> Any:
    """Return a text's one JSON document; line breaks in its texts and numbers of any length are allowed.

    Raises: ValueError, also for one that is too large; RecursionError.
    """
    if has_too_many_values(text):
        raise ValueError("more values than are read")
    return json.loads(text, parse_int=short_int, strict=False)


def documents(text: str) -> Iterator[Any]:
    """Yield the JSON documents of a text in their order, whatever stands between them."""
    yield from (document for document, _ in ended_documents(text))


def ended_documents(text: str) -> Iterator[tuple[Any, int]]:
    """Yield documents, each with where it ends, or -1 for one that does not."""
    if has_too_many_values(text):
        return
    at, tokens, faults, chars = 0, MAX_TOKENS, 0, max(MAX_CHARS, MAX_READS * len(text))
    unclosed: dict[str, int] = {}
    while faults < MAX_FAULTS and tokens > 0 and chars > 0 and (opening := OPENING.search(text, at)):
        start = opening.end() - 1
        try:
            document, at = STRICT.raw_decode(text, start)
            yield document, at
        except (ValueError, RecursionError) as exc:
            faults += 1
            reader = _LooseReader(text, start, tokens, unclosed)
            tokens = reader.tokens_left
            chars -= max(reader.at, _reached(exc, text)) - start
            yield reader.document, reader.end
            line_end = text.find("\n", start) + 1 or len(text)
            at = reader.end if reader.end > 0 else line_end


def _reached(exc: Exception, text: str) -> int:
    """Return how far the parser read before it gave up; of a text that never ends it tells the beginning."""
    is_told = isinstance(exc, json.JSONDecodeError) and not exc.msg.startswith("Unterminated")
    return exc.pos if is_told and isinstance(exc, json.JSONDecodeError) else len(text)


class _LooseReader:
    """Reads one document from an opening bracket on; `end` is -1 where the text ends before it, `at` where it stopped.

    `unclosed` holds what readers of this text found out: from where on a comment or a quoted text has no end. Each
    later one has none either, and to look for it again at every beginning would take minutes.
    """

    def __init__(self, text: str, start: int, tokens: int, unclosed: dict[str, int]) -> None:
        self.end, self.tokens_left, self.at = -1, tokens, start
        self._unclosed = unclosed
        self.document: Any = None
        self._open: list[Any] = []  # from the outermost on
        self._keys: list[Any] = []  # of each open object, the key whose value comes next
        self._read(text, start)

    def _read(self, text: str, at: int) -> None:
        while at < len(text) and self.tokens_left > 0:
            token = self._token(text, at)
            if token is None and text[at] == '"':
                return  # cut off within a text, which is then not whole
            self.at = at = token.end() if token else at + 1
            self.tokens_left -= 1
            if token is not None and token.lastgroup != "gap":
                self._take(token[0], str(token.lastgroup))
            if not self._open:
                self.end = at
                return

    def _token(self, text: str, at: int) -> re.Match[str] | None:
        """Return what stands at a place, or None for what is nothing, or has no end."""
        opening = UNCLOSED.match(text, at) if self._unclosed else None
        if opening is not None and self._unclosed.get(opening[0][-1], len(text)) <= at:
            return None
        token = TOKEN.match(text, at)
        if token is not None and token.lastgroup == "unclosed":
            self._unclosed[token[0][-1]] = at
            return None
        return token

    def _take(self, said: str, kind: str) -> None:
        if said in ("{", "["):
            self._begin({} if said == "{" else [])
        elif kind == "mark" and said != ",":
            self._open.pop()
            self._keys.pop()
        elif kind == "mark":
            self._keys[-1] = None
        elif kind == "number":
            self._put(short_int(said) if said.lstrip("-").isdigit() else float(said))
        else:
            self._put(_plain(said) if kind == "text" else WORDS.get(said), key=said if kind == "word" else None)

    def _begin(self, value: Any) -> None:
        if not self._open:
            self.document = value
        elif len(self._open) < MAX_DEPTH:
            self._put(value)
        self._open.append(value)
        self._keys.append(None)

    def _put(self, value: Any, *, key: str | None = None) -> None:
        inner = self._open[-1] if self._open else None
        if isinstance(inner, list):
            inner.append(value)
        elif isinstance(inner, dict) and self._keys[-1] is None:
            self._keys[-1] = key or str(value)
        elif isinstance(inner, dict):
            inner[self._keys[-1]], self._keys[-1] = value, None


def _plain(quoted: str) -> str:
    """Return what a quoted text says, in the way of JSON or of Python."""
    try:
        said = strictly(quoted) if quoted[0] == '"' else ast.literal_eval(quoted)
    except (ValueError, SyntaxError):
        return quoted.strip("bru")[1:-1]
    return said.decode("latin-1") if isinstance(said, bytes) else str(said)


def entries(value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of all objects in a value, from the outside."""
    if depth >= ENTRIES_DEEP:
        return
    if isinstance(value, list):
        for each in value[:20]:
            yield from entries(each, depth + 1)
    elif isinstance(value, dict):
        yield from value.items()
        for each in value.values():
            yield from entries(each, depth + 1)
