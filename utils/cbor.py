"""As much of CBOR (RFC 8949) as a claim of C2PA needs. The bytes are a stranger's: depth and number have a limit."""

from __future__ import annotations

import struct
from typing import Any

MAX_DEPTH = 16
MAX_ITEMS = 20_000
FLOATS = {25: ">e", 26: ">f", 27: ">d"}
WORDS = {20: False, 21: True, 22: None, 23: None}
INDEFINITE, BREAK = 31, 0xFF


class _Break:
    """What ends a list of no told length."""


def decoded(data: bytes) -> Any:
    """Return the first value of the data: dict, list, bytes, str, int, float, bool, None; a tag is left out.

    Raises: ValueError.
    """
    try:
        return _Reader(data).value(0)
    except (IndexError, struct.error, UnicodeDecodeError, TypeError, OverflowError) as exc:
        raise ValueError("no CBOR") from exc


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._items = 0

    def value(self, depth: int) -> Any:
        """Read one value."""
        self._items += 1
        if depth > MAX_DEPTH or self._items > MAX_ITEMS:
            raise ValueError("larger than a claim is")
        kind, low = divmod(self._data[self._at], 32)
        self._at += 1
        if kind == 7:
            return self._simple(low)
        length = None if low == INDEFINITE else self._number(low)
        if kind in (0, 1) and length is not None:
            return length if kind == 0 else -1 - length
        if kind in (2, 3):
            return self._text(kind, length, depth)
        if kind == 6:
            return self.value(depth + 1)
        if kind == 4:
            return self._list(length, depth)
        values = self._list(None if length is None else 2 * length, depth)
        return {_hashable(key): value for key, value in zip(values[::2], values[1::2], strict=False)}

    def _number(self, low: int) -> int:
        if low < 24:
            return low
        return int.from_bytes(self._take(1 << (low - 24)), "big") if low < 28 else self._fail()

    def _simple(self, low: int) -> Any:
        if low in FLOATS:
            return struct.unpack(FLOATS[low], self._take(1 << (low - 24)))[0]
        return _Break if low == INDEFINITE else WORDS.get(low)

    def _text(self, kind: int, length: int | None, depth: int) -> bytes | str:
        if length is None:
            parts = self._list(None, depth)
            return (b"" if kind == 2 else "").join(parts)
        found = self._take(length)
        return found if kind == 2 else found.decode()

    def _list(self, count: int | None, depth: int) -> list[Any]:
        values: list[Any] = []
        while count is None or len(values) < count:
            value = self.value(depth + 1)
            if value is _Break:
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


def _hashable(key: Any) -> Any:
    return key if isinstance(key, (str, int, bytes)) else str(type(key))
