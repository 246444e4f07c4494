"""Answers as a stream of events: partial pictures on the way, and at the end the same answer as without a stream.

Source: docs/service.md, "Streaming"; openai-python 3.54.0 _streaming.py, types/image_gen_*_event.py and
image_edit_*_event.py.
"""

from __future__ import annotations

import binascii
import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

EVENT_STREAM = re.compile(rb"\s*(event|data|id|retry)?:")  # JSON begins otherwise
DONE = "[DONE]"
PARTIAL, COMPLETED = ".partial_image", ".completed"
ANSWER_FIELDS = ("background", "output_format", "quality", "size", "usage", "svg_usage", "safety_identifier")


class IncompleteStream(Exception):
    """The stream ended without its final event; a partial picture is not the picture."""


class StreamRefused(Exception):
    """The stream carried an error event; `body` is it in the form of an error answer."""

    def __init__(self, body: bytes) -> None:
        super().__init__("error event")
        self.body = body


def response_from_events(chunks: Iterable[bytes], on_partial: Callable[[bytes], object]) -> bytes:
    """Read a stream to its end and return the answer as a plain request would have got it, as JSON.

    `on_partial` gets the encoded bytes of each partial picture. Only final events decide.
    Raises: StreamRefused for an error event, IncompleteStream for an end without a final event.
    """
    finals = []
    for event in events(chunks):
        kind = str(event.get("type", ""))
        if event.get("error") or kind == "error":
            raise StreamRefused(json.dumps({"error": event.get("error") or event}).encode())
        if kind.endswith(PARTIAL):
            with contextlib.suppress(KeyError, ValueError):
                on_partial(binascii.a2b_base64(event["b64_json"]))
        elif kind.endswith(COMPLETED):
            finals.append(event)
    if not finals:
        raise IncompleteStream("the stream ended without its final event")
    return json.dumps(_joined(finals)).encode()


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


def _joined(finals: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one answer of all final events: a picture each, their tokens added up."""
    answer: dict[str, Any] = {name: finals[0][name] for name in ANSWER_FIELDS if name in finals[0]}
    answer["data"] = [{name: final[name] for name in ("b64_json", "url") if name in final} for final in finals]
    usages = [final["usage"] for final in finals if isinstance(final.get("usage"), dict)]
    if len(usages) > 1:
        answer["usage"] = _added(usages)
    return answer


def _added(usages: list[dict[str, Any]]) -> dict[str, Any]:
    names = {name for usage in usages for name in usage}
    added: dict[str, Any] = {}
    for name in names:
        values = [usage[name] for usage in usages if usage.get(name) is not None]
        if values and all(isinstance(value, dict) for value in values):
            added[name] = _added(values)
        elif values:
            added[name] = sum(values)
    return added
