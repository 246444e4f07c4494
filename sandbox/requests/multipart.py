"""Reads multipart/form-data (RFC 7578): strict about delimiters, content types and text values.

The parser takes a body in pieces, so that a large file never has to be in memory. aiohttp's own reader warns of itself
(`unread_data`), and hides that in a way that is not safe between threads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from typing import Any, NamedTuple

from .. import errors
from .form import BOOLEANS, EDIT_FIELDS, INTEGERS, ParsedRequest, ReceivedFile, svg_object

FILES = {"image": "image", "image[]": "image", "mask": "mask", "markup": "markup"}
NESTED = re.compile(r"svg(?:\[(model)\]|\[(reasoning)\]\[(effort)\])")
MAX_HEAD_BYTES = 16_384


class PartHead(NamedTuple):
    """The head of a part. `content_type` is empty where it names none."""

    name: str
    filename: str | None
    content_type: str


class MultipartParser:
    """Turns a body, a piece at a time, into the head of each part and then the bytes of its data."""

    def __init__(self, boundary: str) -> None:
        self._delimiter = b"\r\n--" + boundary.encode()
        self._buffer = bytearray(b"\r\n")
        self._in_data, self._begun, self._ended = True, False, False  # what comes before the first part is data too

    def feed(self, piece: bytes) -> Iterator[PartHead | bytes]:
        """Yield what the next piece of the body completes.

        Raises: RefusedError for a part without a name, or one that does not begin as a part does.
        """
        self._buffer += piece
        while not self._ended:
            if self._in_data:
                at = self._buffer.find(self._delimiter)
                sure = at if at >= 0 else len(self._buffer) - len(self._delimiter) + 1
                if sure > 0 and self._begun:
                    yield bytes(self._buffer[:sure])
                del self._buffer[: max(0, sure)]
                if at < 0:
                    return
                del self._buffer[: len(self._delimiter)]
                self._in_data = False
            head, blank, _ = self._buffer[:MAX_HEAD_BYTES].partition(b"\r\n\r\n")
            if head.startswith(b"--"):
                self._ended = True
                return
            if len(head) == MAX_HEAD_BYTES or self._delimiter in head:
                raise errors.unparsable("multipart form")
            if not blank:
                return
            del self._buffer[: len(head) + len(blank)]
            self._in_data = self._begun = True
            yield _head(bytes(head))

    def close(self) -> None:
        """Tell that there are no more pieces. Raises: RefusedError if the last delimiter did not come."""
        if not self._ended:
            raise errors.unparsable("multipart form")


def _head(raw: bytes) -> PartHead:
    headers = message_from_string(raw.lstrip(b" \t\r\n").decode("utf-8", "replace"))
    name = headers.get_param("name", header="content-disposition")
    if not isinstance(name, str):
        raise errors.unparsable("multipart form")
    return PartHead(name, headers.get_filename(), headers.get_content_type() if "content-type" in headers else "")


def boundary_of(content_type: str) -> str | None:
    """Return the boundary that a Content-Type names, None for what is no multipart form."""
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_boundary()
    return boundary if header.get_content_type() == "multipart/form-data" else None


def text_of(name: str, data: bytes | bytearray) -> str:
    """Return the text in a part. Raises: RefusedError if it is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise errors.invalid(name, f"Invalid '{name}': not UTF-8 text.") from exc


def parse_multipart(body: bytes, boundary: str) -> ParsedRequest:
    """Return the request in a form for edits. Raises: RefusedError for a part that the endpoint does not take."""
    parsed = ParsedRequest()
    svg: dict[str, Any] = {}
    for head, data in _parts(body, boundary):
        if head.name in FILES:
            _add_file(parsed, ReceivedFile(FILES[head.name], data, head.content_type))
        elif nested := NESTED.fullmatch(head.name):
            _nest(svg, [step for step in nested.groups() if step], text_of(head.name, data))
        elif head.name not in EDIT_FIELDS or head.name == "svg":
            raise errors.unknown(head.name)
        elif head.name in parsed.fields:
            raise errors.repeated(head.name)
        else:
            parsed.fields[head.name] = _scalar(head.name, text_of(head.name, data))
    if svg:
        parsed.fields["svg"] = svg_object(svg)
    return parsed


def _parts(body: bytes, boundary: str) -> Iterator[tuple[PartHead, bytes]]:
    parser = MultipartParser(boundary)
    found: list[tuple[PartHead, list[bytes]]] = []
    for event in parser.feed(body):
        if isinstance(event, PartHead):
            found.append((event, []))
        else:
            found[-1][1].append(event)
    parser.close()
    return ((head, b"".join(pieces)) for head, pieces in found)


def _add_file(parsed: ParsedRequest, file: ReceivedFile) -> None:
    """Put a file in its place. `image` may come again: it is read like `image[]`."""
    if file.param == "image":
        parsed.images.append(file)
    elif getattr(parsed, file.param) is not None:
        raise errors.repeated(file.param)
    else:
        setattr(parsed, file.param, file)


def _nest(target: dict[str, Any], steps: list[str], value: str) -> None:
    for step in steps[:-1]:
        target = target.setdefault(step, {})
    target[steps[-1]] = value


def _scalar(name: str, text: str) -> object:
    """Return a scalar of a form: integers as digits, booleans as true and false, nothing else."""
    if name in INTEGERS:
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise errors.wrong_type(name, "an integer", "a string")
        return int(text)
    if name in BOOLEANS:
        if text not in ("true", "false"):
            raise errors.wrong_type(name, "a boolean", "a string")
        return text == "true"
    return text
