"""Answers as a stream of events: partial pictures on the way, and at the end the same answer as without a stream.

Source: docs/service.md, "Streaming"; openai-python 3.54.0 _streaming.py, types/image_gen_*_event.py and
image_edit_*_event.py.
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .base64_json import looks_like_base64
from .loose_json import documents, entries, strictly
from .task_words import has_failed, is_finished, is_unfinished

# Each comment ends at its line's end and nowhere else: a pattern that could end it at a colon too would try them all.
COMMENTS = rb"(\xef\xbb\xbf)?\s*(:[^\r\n]*[\r\n]\s*)*"
EVENT_STREAM = re.compile(COMMENTS + rb"(event|data|id|retry):")  # JSON begins otherwise
DONE = "[DONE]"
WHOLE = 100  # of a progress
LINK = re.compile(r"https?://\S+", re.I)
PARTIAL = ".partial_image"
FAILED = (".failed", ".incomplete", ".cancelled")
SUCCEEDED, PART_FAILED = ".partial_succeeded", ".partial_failed"  # one whole picture of several, at Volcengine's
ENDED_KINDS = ("response.completed", "image_generation.completed", "image_edit.completed")
UNFINISHED_KINDS = re.compile(
    r"partial(?!_succeeded|_failed)|preview|sketch|progress|queued|pending|processing|running|started"
    r"|intermediate|draft|latent|generating|rendering|denois|(^|[._-])step$",
    re.I,
)
SKETCH = re.compile(r"partial|preview|sketch|draft|latent", re.I)
ENDS = re.compile(r"(.+\.)?(done|completed?|end)", re.I)
UNFINISHED_STATES = re.compile(r"(in_?)?(partial|preview|progress|queued?|pending|processing|running|started)", re.I)
PARTIAL_INDEX = "partial_image_index"
WITH_PICTURES = ("images", "image", "image_url", "inlineData", "inline_data", "fileData")  # beside a piece of a text
INDEXES = ("index", "image_index")
CONTINUES = ' \t{}[]"'  # of JSON in lines of its own, without a field's name
WAITING = re.compile(r"queued?|pending", re.I)
LINES_MAX = 200_000  # of a stream, with the heartbeats of an hour
PREAMBLE = re.compile(COMMENTS + rb"(:[^\r\n]*)?")  # blanks and comments, sent to keep a line open


def without_preamble(start: bytes) -> bytes:
    """Return the beginning of an answer without what was sent to keep the line open, as far as that has ended."""
    if not PREAMBLE.fullmatch(start):
        return start
    line = start[max(start.rfind(b"\n"), start.rfind(b"\r")) + 1 :]
    return line.removeprefix(codecs.BOM_UTF8).lstrip()[:1]  # of a comment that goes on, its mark


class IncompleteStream(Exception):
    """The stream ended without its final event; a partial picture is not the picture."""


def is_error(event: Mapping[str, Any]) -> bool:
    """Tell whether an event tells of an error: of the whole, or of one picture of several."""
    kind = str(event.get("type", ""))
    return bool(event.get("error")) or kind == "error" or kind.endswith((*FAILED, PART_FAILED)) or has_failed(event)


def is_part(event: Mapping[str, Any]) -> bool:
    """Tell whether an event tells how one picture of a sequence ended, of which there may be more than were asked for.

    Its end is an event of its own.
    """
    return str(event.get("type", "")).endswith((SUCCEEDED, PART_FAILED))


def is_end(event: Mapping[str, Any], pictures: int) -> bool:
    """Tell whether an event with so many pictures says that the whole answer is there.

    Some servers send a picture behind it all the same; an event with a picture tells of that one alone.
    """
    kind = str(event.get("type", ""))
    return kind == DONE or (kind in ENDED_KINDS and (not pictures or is_of_responses(event)))


def is_partial(event: object) -> bool:
    """Tell whether an event or a line of progress comes before the answer, so that its picture is a sketch."""
    if not isinstance(event, dict) or event.get("type") in ENDED_KINDS:
        return False
    kind, states = str(event.get("type", "")), (event.get("status"), event.get("state"), event.get("event"))
    is_begun = any(isinstance(state, str) and UNFINISHED_STATES.fullmatch(state) for state in states)
    is_begun = is_begun or is_unfinished(event) or _is_on_its_way(event)
    return bool(UNFINISHED_KINDS.search(kind)) or is_begun or (not kind and PARTIAL_INDEX in event)


def is_sketch(event: object) -> bool:
    """Tell whether an event says that its picture is another than the one that was asked for."""
    if not isinstance(event, dict):
        return False
    return SKETCH.search(str(event.get("type", ""))) is not None or PARTIAL_INDEX in event or _is_on_its_way(event)


def _is_on_its_way(event: Mapping[str, Any]) -> bool:
    """Tell whether an event tells of pictures that are not finished: how far they are, and no reason of an end."""
    items = event.get("data")
    told = [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []
    return bool(told) and all(
        isinstance(each.get("progress"), int | float) and each.get("finish_reason", "") is None for each in told
    )


def last_on_their_way(events: Sequence[object], asked: int) -> list[object]:
    """Return the last pictures of a stream that never called one finished and came to its end: what was asked for."""
    known = [each for each in events if isinstance(each, dict)]
    told = [each for each in known if _is_on_its_way(each)]
    is_whole = bool(told) and any(item["progress"] >= WHOLE for item in told[-1]["data"])
    is_ended = (is_whole or {"type": DONE} in known) and not any(map(is_error, known))
    return list(told[-asked:]) if is_ended else []


def ends_well(event: object) -> bool:
    """Tell whether an event says that all is done, and not that it failed."""
    if not isinstance(event, dict) or is_error(event):
        return False
    return is_finished(event) or ENDS.fullmatch(str(event.get("type", ""))) is not None


def is_begun(event: object) -> bool:
    """Tell whether an event or a line of progress shows that the work was begun, so that it may be billed."""
    if not isinstance(event, dict) or is_error(event) or not is_partial(event):
        return False
    return not any(WAITING.search(str(event.get(name, ""))) for name in ("type", "status", "state", "event"))


def place_of(event: object) -> int:
    """Return which of several pictures an event tells of: what is made at once may end in any order."""
    told = [event.get(name) for name in INDEXES] if isinstance(event, dict) else []
    return next((each for each in told if isinstance(each, int)), 0)


def is_of_responses(event: object) -> bool:
    """Tell whether an event is one of OpenAI's Responses API, whose last one tells of every picture once more."""
    return isinstance(event, dict) and str(event.get("type", "")).startswith("response.")


def is_text_piece(event: object) -> bool:
    """Tell whether an event holds a piece of a chat's text, and no picture: a link in it may be cut anywhere."""
    return bool(_text_pieces(event)) and not any(key in WITH_PICTURES and value for key, value in entries(event))


def joined_chat(told: Iterable[object], texts: Mapping[str, memoryview]) -> dict[str, Any] | None:
    """Return the reply that a chat's pieces make, or None if there are none; `texts` as in find_pictures.py."""
    pieces = [piece for event in told for piece in _text_pieces(event)]
    whole = "".join(str(texts[piece], "latin-1") if piece in texts else piece for piece in pieces)
    return {"choices": [{"message": {"content": whole}}]} if pieces else None


def _text_pieces(event: object) -> list[str]:
    """Return the pieces of texts in an event of OpenAI's two APIs, of Anthropic's or Google's."""
    told = event if isinstance(event, dict) else {}
    choices, candidates = (told.get(name) for name in ("choices", "candidates"))
    deltas = [each.get("delta") for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []
    deltas += [told.get("delta")] if str(told.get("type")).endswith("delta") else []
    if isinstance(candidates, list):
        deltas += [
            each
            for key, parts in entries(candidates)
            if key == "parts" and isinstance(parts, list)
            for each in parts
            if not (isinstance(each, dict) and each.get("thought") is True)
        ]
    contents = [each.get("content", each.get("text")) if isinstance(each, dict) else each for each in deltas]
    return [content for content in contents if isinstance(content, str) and content]


def events(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the data of server-sent events, with `type` taken from the event's name where the data has none.

    The mark [DONE] is an event of that type: some servers send it before the last event.
    """
    name = ""
    data: list[str] = []
    for line in itertools.islice(_lines(chunks), LINES_MAX):
        field, _, value = line.partition(":")
        if line == "":
            yield from _event(name, data)
            name, data = "", []
        elif field == "event":
            name = value.strip()
        elif field == "data":
            data.append(value.removeprefix(" "))
        elif line[0] in CONTINUES:
            data.append(line)
    yield from _event(name, data)


def _event(name: str, data: list[str]) -> Iterator[dict[str, Any]]:
    told = [line for line in data if line.strip() and line.strip() != DONE]
    whole = _content("\n".join(told))
    contents = [whole] if whole is not None else [_content(line) for line in told]  # each line may be a document
    if contents and all(content is None for content in contents):
        contents = list(documents("\n".join(told))) or contents
    for content in contents:
        if isinstance(content, dict):
            yield {"type": name, **content}
        elif content:
            yield {"type": name, "data": content}
    if len(told) < len([line for line in data if line.strip()]):
        yield {"type": DONE}
    if name == "error" and contents in ([], [None]) and told:
        yield {"type": name, "message": "\n".join(told)}


def _content(text: str) -> Any:
    """Return JSON, or a picture's text or address as it is, or None."""
    try:
        return strictly(text)
    except (ValueError, RecursionError):
        plain = text.strip()
        is_picture = plain[:11] == "data:image/" or LINK.fullmatch(plain) or looks_like_base64(plain)
        return plain if is_picture else None


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a stream, whatever ends them, without their ends; a last line without an end counts."""
    rest, after_return = bytearray(), False
    for chunk in chunks:
        plain = chunk[1:] if after_return and chunk[:1] == b"\n" else chunk
        after_return = chunk.endswith(b"\r")
        plain = plain.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        rest += plain
        if b"\n" not in plain:
            continue  # a picture's line is megabytes long: look for its end in what is new only
        *lines, last = bytes(rest).split(b"\n")
        yield from (line.decode("utf-8", errors="replace") for line in lines)
        rest = bytearray(last)
    if rest:
        yield rest.decode("utf-8", errors="replace")
