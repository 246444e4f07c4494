"""Reading a stream of events."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.errors import BadAnswerError, ModeratedError
from openai_image_nodes.api.transport.answer import RawAnswer, Reading, parse_answer
from openai_image_nodes.api.transport.sse import EVENT_STREAM, PREAMBLE, events, without_preamble

OPENAI = Connection(name="openai", base_url="https://api.openai.com/v1", kind="openai")


def picture(content: bytes) -> str:
    """Return base64 text."""
    return base64.b64encode(content).decode()


def sse(*data: dict[str, Any] | str, end: str = "\n") -> bytes:
    """Return events as a server writes them."""
    parts = []
    for one in data:
        text = one if isinstance(one, str) else json.dumps(one)
        kind = "" if isinstance(one, str) else f"event: {one['type']}{end}"
        parts.append(f"{kind}data: {text}{end}{end}")
    return "".join(parts).encode()


PARTIAL = {"type": "image_generation.partial_image", "b64_json": picture(b"sketch"), "partial_image_index": 0}
FINAL = {
    "type": "image_generation.completed",
    "b64_json": picture(b"picture"),
    "size": "1024x1024",
    "usage": {"input_tokens": 3, "output_tokens": 5, "input_tokens_details": {"text_tokens": 3}},
}


def read(*chunks: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Return the plain answer of a stream and the partial pictures that it showed."""
    sketches = [event for event in events(chunks) if event["type"].endswith(".partial_image")]
    response = parse_answer(RawAnswer(b"".join(chunks), {}, 0.0), OPENAI, model="gpt-image-2")
    answer = response.model_dump(exclude_none=True, exclude_defaults=True)
    return answer, [base64.b64decode(event["b64_json"]) for event in sketches]


@pytest.mark.parametrize("kind", ["image_generation", "image_edit"])
def test_stream_ends_as_a_plain_answer(kind: str) -> None:
    """The final event has what a plain answer has; partial pictures only pass by."""
    partial, final = {**PARTIAL, "type": f"{kind}.partial_image"}, {**FINAL, "type": f"{kind}.completed"}
    answer, partials = read(sse(partial, final, "[DONE]"))
    assert partials == [b"sketch"]
    assert answer["data"] == [{"b64_json": FINAL["b64_json"]}]
    assert (answer["size"], answer["usage"]) == ("1024x1024", FINAL["usage"])


@pytest.mark.parametrize("step", [1, 7, 64])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_chunks_may_be_cut_anywhere(step: int, end: str) -> None:
    """The network cuts where it likes, and lines may end in either way."""
    stream = sse(PARTIAL, FINAL, end=end)
    chunks = [stream[start : start + step] for start in range(0, len(stream), step)]
    assert read(*chunks) == read(sse(PARTIAL, FINAL))


def test_several_pictures_are_joined_and_their_tokens_added() -> None:
    """A server that streams n pictures sends a final event for each."""
    answer, _ = read(sse(FINAL, FINAL))
    assert len(answer["data"]) == 2
    assert answer["usage"] == {"input_tokens": 6, "output_tokens": 10, "input_tokens_details": {"text_tokens": 6}}


def test_a_sketch_is_never_taken_for_the_picture() -> None:
    """Not as a whole event, and not as one that was cut off behind it."""
    long = {**PARTIAL, "b64_json": picture(bytes(9000))}
    for stream in (sse(PARTIAL), sse(long), sse(long)[:-20]):
        assert not Reading(stream).holds_picture
        with pytest.raises(BadAnswerError):
            read(stream)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "error": {"message": "refused", "code": "moderation_blocked"}},
        {"type": "error", "message": "refused", "code": "moderation_blocked"},
        {"type": "image_generation.completed", "error": {"message": "refused", "code": "moderation_blocked"}},
    ],
)
def test_every_form_of_an_error_event_is_an_error(event: dict[str, Any]) -> None:
    """The error comes out by kind, with the service's words."""
    with pytest.raises(ModeratedError, match="refused"):
        read(sse(PARTIAL, event))


@pytest.mark.parametrize("line", [b":" * 5000, b": a:b" * 2000, b":" * 5000 + b"\n \t", b"\r:" * 3000])
def test_comments_are_read_once_whatever_is_in_them(line: bytes) -> None:
    """Each of these had more readings than there is time for, and a paid answer behind it would never have come."""
    assert PREAMBLE.fullmatch(line)
    assert not PREAMBLE.fullmatch(line + b"\n{")
    assert not EVENT_STREAM.match(line + b"\n{")
    assert EVENT_STREAM.match(line + b"\ndata: {}")


def test_comments_and_foreign_fields_are_passed_over() -> None:
    """Servers keep connections open with comments."""
    stream = b": keep-alive\n\nid: 7\nretry: 100\n" + sse(FINAL)
    assert [event["type"] for event in events([stream])] == ["image_generation.completed"]


def test_last_event_may_lack_its_blank_line() -> None:
    """Some relays close at once."""
    assert read(sse(FINAL).rstrip())[0]["data"] == [{"b64_json": FINAL["b64_json"]}]


@pytest.mark.parametrize(
    "sent", [b": wait\n\n" * 9, b"\xef\xbb\xbf: a\r\n:b\r\n\r\n", b"\n" * 9, b" \n :", b": " + b"a:" * 99, b""]
)
@pytest.mark.parametrize("begun", [b"event: a\ndata: {}\n\n", b"data: {}\n\n", b'{"data": []}', b"\x89PNG\r\n\x1a\n"])
def test_what_keeps_a_line_open_is_forgotten_piece_by_piece(sent: bytes, begun: bytes) -> None:
    """However small the pieces, none is read again with all before it, and what begins is seen as what it is."""
    start, longest = b"", 0
    whole = sent + (b"\n" if sent[-1:] not in (b"\n", b"") else b"") + begun
    for index in range(len(whole)):
        start = without_preamble(start) + whole[index : index + 1]
        longest = max(longest, len(start))
    assert longest <= len(begun) + len(b"\xef\xbb\xbf:")
    assert (EVENT_STREAM.match(start) is not None) == begun.startswith((b"event", b"data"))
    assert list(events([start])) == list(events([begun]))


def test_an_address_alone_is_an_event() -> None:
    """Some relays send no JSON around it."""
    told = list(events([b"data: https://x.invalid/a.png\n\ndata: thinking\n\ndata: [DONE]\n\n"]))
    assert told == [{"type": "", "data": "https://x.invalid/a.png"}, {"type": "[DONE]"}]
