"""Answers as a stream of events: partial pictures on the way, and at the end the same answer as without a stream.

Source: docs/service.md, "Streaming"; openai-python 3.54.0 _streaming.py, types/image_gen_*_event.py and
image_edit_*_event.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

EVENT_STREAM = re.compile(rb"(\xef\xbb\xbf)?\s*(:[^\n]*\n\s*)*(event|data|id|retry):")  # JSON begins otherwise
DONE = "[DONE]"
PARTIAL, FAILED = ".partial_image", ".failed"
PREAMBLE = re.compile(rb"(\xef\xbb\xbf)?\s*(:[^\n]*\n?\s*)*")  # blanks and comments, sent to keep a line open


class IncompleteStream(Exception):
    """The stream ended without its final event; a partial picture is not the picture."""


def is_error(event: Mapping[str, Any]) -> bool:
    """Tell whether an event ends a stream with an error."""
    kind = str(event.get("type", ""))
    return bool(event.get("error")) or kind == "error" or kind.endswith(FAILED)


def events(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the data of server-sent events, with `type` taken from the event's name where the data has none."""
    name = ""
    data: list[str] = []
    for line in _lines(chunks):
        field, _, value = line.partition(":")
        if line == "":
            if data and "\n".join(data) == DONE:
                return
            yield from _event(name, "\n".join(data))
            name, data = "", []
        elif field == "event":
            name = value.strip()
        elif field == "data":
            data.append(value.removeprefix(" "))
    yield from _event(name, "\n".join(data))


def _event(name: str, data: str) -> Iterator[dict[str, Any]]:
    if not data or data == DONE:
        return
    try:
        content = json.loads(data)
    except ValueError:
        content = {"message": data} if name == "error" else None
    if isinstance(content, dict):
        yield {"type": name, **content}


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a stream, without their ends; a last line without an end counts."""
    rest = bytearray()
    for chunk in chunks:
        rest += chunk
        if b"\n" not in chunk:
            continue  # a picture's line is megabytes long: look for its end in what is new only
        *lines, last = bytes(rest).split(b"\n")
        yield from (line.rstrip(b"\r").decode("utf-8", errors="replace") for line in lines)
        rest = bytearray(last)
    if rest:
        yield rest.rstrip(b"\r").decode("utf-8", errors="replace")
