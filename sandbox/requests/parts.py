"""Reads multipart/form-data (RFC 7578) from a stream, a piece at a time: a file never has to be in memory.

aiohttp's own reader warns of itself (`unread_data`), and hides that in a way that is not safe between threads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from email import message_from_bytes

from .. import errors as refusals

MAX_HEAD_BYTES = 16_384


@dataclass(frozen=True)
class Head:
    """The name of a part, and the name of its file if it is one."""

    name: str
    filename: str | None


class Parts:
    """The parts of a body, to be read in turn: `head`, then `data`, until there is no head any more."""

    def __init__(self, pieces: AsyncIterator[bytes], boundary: str) -> None:
        self._pieces = pieces
        self._delimiter = b"\r\n--" + boundary.encode()
        self._buffer = bytearray(b"\r\n")
        self._begun = False

    async def head(self) -> Head | None:
        """Return the head of the next part, or None behind the last.

        Raises: RefusedError if the body is not whole.
        """
        if not self._begun:
            self._begun = True
            async for _ in self.data():  # the preamble
                pass
        while len(self._buffer) < 2:
            await self._more()
        if self._buffer.startswith(b"--"):
            return None
        while (at := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise refusals.unparsable("multipart form")
            await self._more()
        head = bytes(self._buffer[:at])
        del self._buffer[: at + 4]
        return _head(head)

    async def data(self) -> AsyncIterator[bytes]:
        """Yield the bytes up to the next delimiter, and step over it.

        Raises: RefusedError if there is none.
        """
        while (at := self._buffer.find(self._delimiter)) < 0:
            sure = len(self._buffer) - len(self._delimiter) + 1
            if sure > 0:
                yield bytes(self._buffer[:sure])
                del self._buffer[:sure]
            await self._more()
        if at:
            yield bytes(self._buffer[:at])
        del self._buffer[: at + len(self._delimiter)]

    async def _more(self) -> None:
        try:
            self._buffer += await self._pieces.__anext__()
        except StopAsyncIteration:
            raise refusals.unparsable("multipart form") from None


def _head(raw: bytes) -> Head:
    headers = message_from_bytes(raw.lstrip(b" \t\r\n"))
    name = headers.get_param("name", header="content-disposition")
    if not isinstance(name, str):
        raise refusals.unparsable("multipart form")
    filename = headers.get_filename()
    return Head(name, None if filename is None else _text(filename))


def _text(value: str) -> str:
    """Return a header's value, whose bytes are UTF-8 where they are not ASCII."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
