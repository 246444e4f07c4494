"""Pictures in forms and places that no document names: had all the same, and never mistaken for what was sent.

Each case is played byte by byte on a real socket, through the node. Source: docs/service.md, "What real servers do".
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from openai_image_nodes.api.errors import BadAnswerError, ModeratedError, OpenAIImageError, OutcomeUnknownError
from openai_image_nodes.api.transport import answer, client, downloads, find_pictures, loose_json, operation, sse
from openai_image_nodes.api.transport.service_words import service_words
from support.asker import picture_part
from support.capture import picture
from support.node_calls import node, photo
from support.wire_server import CLOSE, HOLD, RESET, Step, WireServer, chunked, openai_wire, plain

RED, BLUE = picture(color=(250, 0, 0)), picture(color=(0, 0, 250))
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="#fa0000"/></svg>'


def text(data: bytes = RED) -> str:
    return base64.b64encode(data).decode()


def told(value: Any) -> bytes:
    return json.dumps(value).encode()


def chat(content: Any) -> bytes:
    return told({"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]})


def part(**fields: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [fields]}}]}


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


PHOTO = picture_part(64, 64).data
PAGE = "<html><title>Welcome</title><form>Sign in</form></html>"
SKETCH = {"type": "image_generation.partial_image", "b64_json": text(BLUE), "partial_image_index": 0}
GOOD = told({"created": 1, "data": [{"b64_json": text()}]})
DEEP = b'{"data": [{"b64_json": "%s"}], "debug": %s}' % (text().encode(), b"[" * 50_000 + b"]" * 50_000)
UNKNOWN = {"ok": True, "thing": {"deep": [{"deeper": {"whatever": text()}}]}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WireServer]:
    with openai_wire(monkeypatch) as started:
        yield started


def colour(**inputs: Any) -> list[int]:
    image, _, _ = node(**inputs)
    return [round(float(value) * 255) for value in image[0, 0, 0, :3]]


BODIES: dict[str, bytes] = {
    "a source as in Anthropic's messages": told(
        {"content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": text()}}]}
    ),
    "an unknown name": told({"created": 1, "generated": text()}),
    "unknown names, deep": told(UNKNOWN),
    "an unknown name with a data address": told({"out": {"img_src": f"data:image/png;base64,{text()}"}}),
    "an object with numbers for names": told({"data": {"0": {"b64_json": text()}}}),
    "base64 in lines under an unknown name": told({"x": "\r\n".join([text()[:40], text()[40:]])}),
    "url-safe without padding under an unknown name": told({"x": base64.urlsafe_b64encode(RED).decode().rstrip("=")}),
    "byte values": told({"data": [{"b64_json": list(RED)}]}),
    "signed byte values": told({"image": [each - 256 if each > 127 else each for each in RED]}),
    "a buffer of JavaScript": told({"data": [{"image": {"type": "Buffer", "data": list(RED)}}]}),
    "an array of JavaScript": told({"image": {str(at): each for at, each in enumerate(RED)}}),
    "byte values under an unknown name": told({"blob": list(RED)}),
    "hexadecimal digits": told({"data": [{"b64_json": RED.hex()}]}),
    "hexadecimal digits in capitals": told({"picture": "0x" + RED.hex().upper()}),
    "base64 of base64": told({"data": [{"b64_json": text(text().encode())}]}),
    "base64 in lines, escaped twice": told({"data": [{"b64_json": text()[:40] + "\\n" + text()[40:]}]}),
    "the bytes of Python as text": told({"data": [{"b64_json": f"b'{text()}'"}]}),
    "a word before base64": told({"data": [{"b64_json": f"base64,{text()}"}]}),
    "JSON in the text of data": told({"data": json.dumps({"b64_json": text()})}),
    "JSON in the text of data, twice": told({"data": json.dumps(json.dumps([{"b64_json": text()}]))}),
    "JSON in a chat": chat("```json\n" + json.dumps({"data": [{"b64_json": text()}]}) + "\n```"),
    "JSON behind words in a chat": chat([{"type": "text", "text": json.dumps({"image": text()})}]),
    "a data address in a web page in a chat": chat(f"Here: <img alt='x' src=\"data:image/png;base64,{text()}\">"),
    "a data address alone in a chat": chat(f"Done. data:image/png;base64,{text()} Enjoy!"),
    "values very deep beside the data": DEEP,
    "a guard before JSON": b")]}',\n" + GOOD,
    "a guard on the same line": b")]}'," + GOOD,
    "a loop before JSON": b"while(1);" + GOOD,
    "a callback around JSON": b"callback(" + GOOD + b");",
    "words before JSON on the same line": b"[info] done: 1 picture " + GOOD,
    "an event without an end": b"data: " + GOOD,
    "an event of many lines": b"data: " + json.dumps(json.loads(GOOD), indent=2).encode(),
    "a comma too many": GOOD.replace(b"}]", b"},],").replace(b"1,", b"1,,"),
    "a comment in JSON": GOOD.replace(b'"data"', b'/* the pictures */ "data"'),
    "an object of Python": str({"created": None, "ok": True, "data": [{"b64_json": text()}]}).encode(),
    "two documents without a gap": told({"status": "ok", "n": 1}) + GOOD,
    "a document cut off, then the answer": b'{"status": "dra\n' + GOOD,
    "numbers that are none": GOOD.replace(b"1,", b"NaN,"),
    "a bracket that is never closed": GOOD[:-1],
    "UTF-16 without a mark": GOOD.decode().encode("utf-16-le"),
    "UTF-16, the other way round": GOOD.decode().encode("utf-16-be"),
    "UTF-32 without a mark": GOOD.decode().encode("utf-32-le"),
    "UTF-32 with a mark": GOOD.decode().encode("utf-32"),
    "sketches before the picture, in lines": told({"status": "processing", "image": text(BLUE)}) + b"\n" + GOOD,
    "an echo beside the picture": told({"prompt": text(BLUE), "input_image": text(BLUE), "x": text()}),
    "what a sketch is called": told({"preview": text(BLUE), "thumb": text(BLUE), "final": text()}),
}


BODIES |= {
    "base64 behind words in a chat": chat(f"Here it is:\n\n{text()}\n\nEnjoy!"),
    "base64 in a mark of its own in a chat": chat(f"Done: <image>{text()}</image>"),
    "a ZIP": zipped(**{"mask.png": BLUE, "image_0.png": RED, "about.json": b"{}"}),
    "a ZIP in base64": told({"data": [{"b64_json": text(zipped(picture=RED))}]}),
    "a data address without base64": told({"data": [{"url": f"data:image/png,{quote(RED)}"}]}),
    "the events of a stream, as a list": told([SKETCH, {"type": "image_generation.completed", "b64_json": text()}]),
    "the documents of a stream, as a list": told(
        [part(thought=True, inlineData={"data": text(BLUE)}), part(inlineData={"data": text()})]
    ),
    "steps with numbers, and then the picture": b"\n".join(
        map(told, [{"index": 1, "image": text(BLUE)}, {"index": 2, "image": text(BLUE)}, {"image": text()}])
    ),
    "the events of a stream, under a name": told({"log": {"events": [SKETCH, {"type": "end", "pic": text()}]}}),
    "base64 that is cut off beside what is whole": told({"data": [{"b64_json": text(PHOTO)[:400], "image": text()}]}),
}


ROW = b"HTTP/1.1 200 OK\r\n"
SIZE, CHUNK = len(GOOD), b"%x" % len(GOOD)
LINES: dict[str, tuple[Step, ...]] = {
    "the same length twice": (ROW + b"Content-Length: %d\r\nContent-Length: %d\r\n\r\n" % (SIZE, SIZE) + GOOD,),
    "two lengths": (ROW + b"Content-Length: %d\r\nContent-Length: 5\r\n\r\n" % SIZE + GOOD, CLOSE),
    "two lengths, the small one first": (ROW + b"Content-Length: 5\r\nContent-Length: %d\r\n\r\n" % SIZE + GOOD, HOLD),
    "a list of lengths": (ROW + b"Content-Length: %d, %d\r\n\r\n" % (SIZE, SIZE) + GOOD, CLOSE),
    "a length below nothing": (ROW + b"Content-Length: -5\r\n\r\n" + GOOD, CLOSE),
    "a length that is a word": (ROW + b"Content-Length: many\r\n\r\n" + GOOD, CLOSE),
    "a length that is too small": (plain(GOOD, length=SIZE - 10), HOLD),
    "a length of the packed form": (plain(GOOD, "Content-Encoding: gzip", length=len(gzip.compress(GOOD)) - 50), CLOSE),
    "a length of nothing": (plain(GOOD, length=0), CLOSE),
    "a length beyond every range": (plain(GOOD, length=10**20), CLOSE),
    "a length beside chunks": (
        ROW + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK + b"\r\n" + GOOD + b"\r\n0\r\n\r\n",
    ),
    "chunks that are none": (ROW + b"Transfer-Encoding: chunked\r\n\r\n" + GOOD, CLOSE),
    "extensions and trailers": (
        ROW
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + CHUNK
        + b';a=b;c="d"\r\n'
        + GOOD
        + b"\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n",
    ),
    "a last chunk that is none": (
        ROW + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK + b"\r\n" + GOOD + b"\r\nzz\r\n",
        CLOSE,
    ),
    "lines without returns": (
        b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n" + CHUNK + b"\n" + GOOD + b"\n0\n\n",
        CLOSE,
    ),
    "blank lines before the head": (b"\r\n\r\n" + plain(GOOD), CLOSE),
    "sizes of chunks as a language writes them": (
        ROW + b"Transfer-Encoding: chunked\r\n\r\n0x%x\r\n" % SIZE + GOOD + b"\r\n0x0\r\n\r\n",
    ),
    "a picture on a line that stays open": (ROW + b"\r\n" + RED, HOLD),
    "no head at all": (GOOD, CLOSE),
    "a picture without a head": (RED, CLOSE),
    "events without a head": (b"data: " + GOOD + b"\n\n", CLOSE),
    "a mark of Unicode without a head": (b"\xef\xbb\xbf" + GOOD, CLOSE),
    "more headers than Python takes": (plain(GOOD, *(f"X-{number}: a" for number in range(150))),),
    "more hints than Python takes": (
        b"HTTP/1.1 103 Early Hints\r\n" + b"Link: </a>\r\n" * 150 + b"\r\n" + plain(GOOD),
    ),
    "a header longer than Python takes": (plain(GOOD, f"Set-Cookie: {'a' * 70_000}"),),
    "a version to come": (plain(GOOD).replace(b"HTTP/1.1", b"HTTP/2"),),
    "an old version": (b"HTTP/1.0 200 OK\r\n\r\n" + GOOD, CLOSE),
    "deflate without a head": (plain(zlib.compress(GOOD)[2:-4], "Content-Encoding: deflate"),),
    "packed twice": (plain(gzip.compress(gzip.compress(GOOD)), "Content-Encoding: gzip, gzip"),),
    "packed twice, a byte at a time": (
        ROW
        + b"Content-Encoding: gzip, gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunked(*(bytes((byte,)) for byte in gzip.compress(gzip.compress(GOOD))), head=False),
    ),
    "chunks of what is packed for the way": (
        ROW + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked(gzip.compress(GOOD), head=False),
    ),
    "packed in two parts": (plain(gzip.compress(GOOD[:50]) + gzip.compress(GOOD[50:]), "Content-Encoding: gzip"),),
    "packed in two parts, each sent alone": (
        ROW
        + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunked(gzip.compress(GOOD[:50]), head=False, end=False),
        0.2,
        chunked(gzip.compress(GOOD[50:]), head=False),
    ),
    "packed with a wrong checksum": (plain(gzip.compress(GOOD)[:-8] + bytes(8), "Content-Encoding: gzip"),),
    "packed and cut off behind the picture": (plain(gzip.compress(GOOD)[:-6], "Content-Encoding: gzip"),),
    "a false label of another packing": (plain(GOOD, "Content-Encoding: br"),),
    "a part that is the whole": (plain(GOOD, "Content-Range: bytes 0-9/10", status="206 Partial Content"),),
    "headers folded and in other letters": (
        "HTTP/1.1 200 OK\r\nX-A: \u00e9\u6f22\r\n b\r\nnonsense\r\n\r\n".encode() + GOOD,
        CLOSE,
    ),
    "a line that is no header before those that tell how to read": (
        ROW + b"nonsense of a relay\r\nTransfer-Encoding : chunked\r\n\r\n",
        chunked(*(GOOD[at : at + 9] for at in range(0, len(GOOD), 9)), head=False),
        CLOSE,
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_whatever_the_head_says_the_content_is_had(
    server: WireServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Lengths, chunks and packings that are wrong lose no picture; the connection is used by nobody else."""
    monkeypatch.setattr(operation, "AFTER_END_S", 0.1)
    server.script(*LINES[name])
    server.script(plain(told({"data": [{"b64_json": text(BLUE)}]})))
    assert colour(prompt="red") == [250, 0, 0]
    assert colour(prompt="blue") == [0, 0, 250]
    assert colour(prompt="red") == [250, 0, 0]
    assert server.posts == 2


@pytest.mark.parametrize("end", [(b"data: [DONE]\n\n", HOLD), (CLOSE,)])
def test_a_picture_in_pieces_is_had_whole(
    server: WireServer, monkeypatch: pytest.MonkeyPatch, end: tuple[Step, ...]
) -> None:
    """Its first piece begins as a picture does, and is none."""
    monkeypatch.setattr(operation, "AFTER_END_S", 0.1)
    pieces = [text()[:33], text()[33:70], text()[70:]]
    events = [b"data: %s\n\n" % told({"type": "image.chunk", "index": at, "b64": one}) for at, one in enumerate(pieces)]
    server.script(ROW + b"Content-Type: text/event-stream\r\n\r\n" + events[0], 0.05, events[1] + events[2], *end)
    assert [colour(), colour(), server.posts] == [[250, 0, 0], [250, 0, 0], 1]


@pytest.mark.parametrize("size", [100, 5000])
def test_pieces_in_documents_of_their_own_are_joined_and_pictures_are_not(size: int) -> None:
    whole = picture_part(64, 64).data
    lines = [told({"data": text(whole)[at : at + size]}) for at in range(0, len(text(whole)), size)]
    response = answer.Reading(b"\n".join([told({"status": "begun"}), *lines])).response()
    assert response is not None
    assert [image.raw for image in response.data or []] == [whole]
    two = answer.Reading(b"\n".join(told({"data": [{"b64_json": text(data)}]}) for data in (RED, BLUE))).response(
        asked=2
    )
    assert two is not None
    assert len(two.data or []) == 2


LARGE = {
    "values": b"[" + b"[]," * 300 + b"1]",
    "texts": b'{"error": {"message": "not this", "a": [' + b'"b",' * 500 + b"1]}}",
    "texts in an event": b'data: {"error": {"message": "not this", "a": [' + b'"b",' * 500 + b"1]}}\n\n",
    "lines": b'data: {"a": 1}\n' * 300,
}


@pytest.mark.parametrize("name", LARGE)
def test_an_answer_of_too_many_values_is_not_read(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each is an object in memory: a hundred kilobytes of a stranger's file, unpacked, took gigabytes."""
    monkeypatch.setattr(loose_json, "VALUES_MAX", 200)
    monkeypatch.setattr(sse, "LINES_MAX", 100)
    body = LARGE[name]
    assert "not this" not in [service_words(body).message, *map(str, sse.events([body]))]
    assert len(list(sse.events([body]))) <= 100
    assert not (response := answer.Reading(body).response()) or not response.data


def test_files_that_hold_nothing_are_not_unpacked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Joined by the million they take hours and give nothing that any limit counts."""
    monkeypatch.setattr(client, "MEMBERS_MAX", 10)
    packed = [gzip.compress(piece) for piece in [b"a", *[b""] * 8, b"b", b"c"]]
    assert b"".join(client.unpacked([b"".join(packed)])) == b"ab"


DRAWINGS: dict[str, bytes] = {
    "a drawing as text": told({"data": [{"svg": SVG}]}),
    "a drawing in base64's place": told({"data": [{"b64_json": SVG}]}),
    "a drawing in a chat": chat(f"Sure!\n```svg\n{SVG}\n```"),
}


def folder_named(error: Exception) -> Path:
    """Return where an error says that an answer is kept."""
    return Path(str(error).split("kept in ")[1].split(". ")[0])


@pytest.mark.parametrize("name", BODIES)
def test_the_picture_is_had_and_kept(server: WireServer, name: str) -> None:
    """One POST, the right picture, and the next run has it from the disk."""
    server.script(plain(BODIES[name]))
    for _ in range(2):
        assert colour() == [250, 0, 0]
    assert server.posts == 1


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_drawing_is_had_and_kept(server: WireServer, name: str) -> None:
    """An SVG may come as the text that it is."""
    server.script(plain(DRAWINGS[name]))
    with pytest.raises(BadAnswerError, match="svg came") as caught:
        node()
    assert (folder_named(caught.value) / "picture_0.svg").read_text() == SVG
    assert server.posts == 1


def test_sketches_of_a_stream_of_another_kind_are_not_the_picture(server: WireServer) -> None:
    """An event that says that it is on its way does not end a stream, whatever picture is in it."""
    sketch = {"status": "IN_PROGRESS", "progress": "40%", "image": text(BLUE)}
    events = [b"data: " + told(sketch) + b"\n\n", b"data: " + told({"status": "SUCCESS", "image": text()}) + b"\n\n"]
    server.script(chunked(events[0], end=False), 0.1, chunked(events[1], head=False, end=False), HOLD)
    assert colour() == [250, 0, 0]


def test_a_preview_among_the_data_is_not_the_picture(server: WireServer) -> None:
    """llama-box, GPUStack's own, sends them in the form of the answer: it was shown, and beside the picture."""

    def step(progress: float, picture: bytes | None, reason: str | None) -> bytes:
        item = {"index": 0, "object": "image", "progress": progress, "finish_reason": reason}
        item["b64_json"] = text(picture) if picture else None
        return b"data: " + told({"created": 1, "object": "list", "data": [item]}) + b"\n\n"

    server.script(chunked(step(0.0, None, None), step(50.0, BLUE, None), step(100, RED, "stop"), b"data: [DONE]\n\n"))
    assert colour() == [250, 0, 0]
    server.script(chunked(step(50.0, BLUE, None), end=False), CLOSE)
    with pytest.raises(OutcomeUnknownError, match="connection was lost"):
        node(prompt="another", live_preview=1)
    assert server.posts == 2
    ends = (step(100, RED, None), step(1.0, RED, None) + b"data: [DONE]\n\n")  # and never a reason of an end
    for sent, end in enumerate(ends, start=3):
        server.script(chunked(step(0.5, BLUE, None), end))
        assert colour(prompt=f"the {sent}.") == [250, 0, 0]
        assert server.posts == sent


@pytest.mark.slow
def test_progress_and_then_silence_is_waited_through(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole document that is neither a picture nor an error does not shorten the patience."""
    monkeypatch.setattr(operation, "AFTER_END_S", 0.05)
    server.script(
        chunked(b'{"status":"drawing"}\n', kind="application/json", end=False), 0.5, chunked(GOOD, head=False)
    )
    assert colour() == [250, 0, 0]


def test_lines_on_an_open_connection_end_with_the_picture(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes behind the picture is waited for a moment only."""
    monkeypatch.setattr(operation, "AFTER_END_S", 0.05)
    server.script(chunked(b'{"status":"drawing"}\n', GOOD, kind="application/json", end=False), HOLD)
    assert colour() == [250, 0, 0]


@pytest.mark.parametrize("end", [CLOSE, RESET])
@pytest.mark.parametrize("body", [RED[:-20], text()[:-20].encode(), f'"{text()[:-20]}'.encode()])
def test_a_picture_cut_off_is_none(server: WireServer, body: bytes, end: Step) -> None:
    """Bytes or base64 without their end are not taken for the picture: told, and not sent again."""
    server.script(plain(body, length=9999), end)
    for _ in range(2):
        with pytest.raises(OpenAIImageError, match="billed"):
            node()
    assert server.posts == 1


def pieces_of(content: str, size: int) -> tuple[Step, ...]:
    """Return the stream of a chat that says a text in pieces."""
    cut = [content[at : at + size] for at in range(0, len(content), size)]
    chunks = [told({"object": "chat.completion.chunk", "choices": [{"delta": {"content": each}}]}) for each in cut]
    end = told({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    return (chunked(*(b"data: " + each + b"\n\n" for each in [*chunks, end]), b"data: [DONE]\n\n"),)


def delta(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"delta": fields}]}


IMAGES = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{text()}"}}]
IN_PIECES: dict[str, list[dict[str, Any]]] = {
    "a thought, and then the picture": [
        part(thought=True, inlineData={"data": text(BLUE)}),
        part(inlineData={"data": text()}),
    ],
    "a link in a thought, and then the picture": [
        part(thought=True, text="First ![x](/pictures/sketch.png)"),
        part(text="![x](/pictures/red.png)"),
    ],
    "a text beside the picture": [delta(content="Here: "), delta(content="it is", images=IMAGES)],
    "a link in pieces, as OpenAI's other API": [
        {"type": "response.output_text.delta", "delta": piece} for piece in ("![x](/pictu", "res/red.png)")
    ],
    "a link in pieces, as Anthropic": [
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": piece}}
        for piece in ("![x](/pictu", "res/red.png)")
    ],
    "a link in pieces, as Google": [part(text="![x](/pictu"), part(text="res/red.png)")],
}


@pytest.mark.parametrize("name", IN_PIECES)
def test_a_stream_of_another_api_gives_its_picture(server: WireServer, name: str) -> None:
    """What a model thinks is a sketch, and does not end the stream; the last one says no word of its end."""
    first, last = (b"data: " + told(each) + b"\n\n" for each in IN_PIECES[name])
    server.script(chunked(first, end=False), 0.05, chunked(last, head=False))
    server.file("/pictures/red.png", plain(RED))
    for _ in range(2):
        assert colour() == [250, 0, 0]
    assert server.posts == 1


@pytest.mark.parametrize("size", [1, 7, 40, 9999])
def test_a_chat_that_comes_in_pieces_is_put_together(server: WireServer, size: int) -> None:
    """A data address or a link may be cut anywhere: no piece of one is asked for."""
    server.script(*pieces_of(f"Here it is: ![x](data:image/png;base64,{text()}) Enjoy!", size))
    link = f"http://{server.base_url.split('/')[2]}/pictures/red.png"
    server.script(*pieces_of(f"Done. ![x]({link}) Enjoy!", size))
    server.file("/pictures/red.png", plain(RED))
    for prompt in ("inline", "linked"):
        assert colour(prompt=prompt) == [250, 0, 0]
    assert (server.posts, len(server.gets)) == (2, 1)


def test_a_chat_in_pieces_without_a_picture_is_told_as_a_text(server: WireServer) -> None:
    """In its own words, put together."""
    server.script(*pieces_of("I cannot draw that for you.", 5))
    with pytest.raises(BadAnswerError, match="I cannot draw that for you"):
        node()
    assert server.posts == 1


LINKS: dict[str, Any] = {
    "no slash before it, no suffix": {"data": [{"url": "generated-images/b6"}]},
    "a list of addresses": {"data": [{"url": ["/generated-images/b6"]}]},
    "a list of relative ones": {"data": {"url": ["generated-images/b6"]}},
    "an unknown name below a known one": {"result": {"thing": "http://{host}/generated-images/b6"}},
    "a name that tells nothing": {"cdn": "http://{host}/generated-images/b6", "docs_url": "http://{host}/x"},
    "an unknown name": {"result_link": "http://{host}/generated-images/b6"},
    "an unknown place": {"job": {"files": [{"path": "/generated-images/b6.png"}]}},
    "a picture in Markdown": {"choices": [{"message": {"content": "Here ![x](/generated-images/b6) it is"}}]},
    "a picture of a web page": {"choices": [{"message": {"content": "<p><img src='generated-images/b6'></p>"}}]},
    "a link with a suffix": {"choices": [{"message": {"content": "See http://{host}/generated-images/b6.png."}}]},
    "a link without one": {"choices": [{"message": {"content": "[Here](http://{host}/generated-images/b6) it is"}}]},
    "a link at the end of a sentence": {
        "choices": [{"message": {"content": "It is http://{host}/generated-images/b6."}}]
    },
    "a host without its scheme": {"data": [{"url": "{host}/generated-images/b6"}]},
    "a host without its scheme in a chat": {
        "choices": [{"message": {"content": "See {host}/generated-images/b6.png"}}]
    },
    "base64 that is cut off beside it": {
        "data": [{"b64_json": text(PHOTO)[:400], "url": "http://{host}/generated-images/b6"}]
    },
    "a name in another spelling, beside the error of another": {
        "data": [{"imageURL": "http://{host}/generated-images/b6"}],
        "errors": [{"code": "timeoutProvider", "message": "the second failed"}],
    },
    "what was made, beside what went out": {
        "data": {"images": ["http://127.0.0.1:9/in.png"], "output_images": ["http://{host}/generated-images/b6"]}
    },
    "the id of a file": {"outputs": [{"type": "tool_file", "file_id": "file-b6b6"}]},
    "the id of a file in a web page": {"choices": [{"message": {"content": '<img src="file-b6b6" fuse="true"/>'}}]},
    "a path with blanks": {"images": ["View/generated-images/b6 a fox.png"]},
    "an address as the whole answer": "http://{host}/generated-images/b6.png",
}


RELATIVE = {name for name in LINKS if "generated-images" in json.dumps(LINKS[name]).replace("/generated-images", "")}


@pytest.mark.parametrize(
    ("name", "below"), [*((name, "") for name in LINKS), *((name, "/v1") for name in sorted(RELATIVE))]
)
def test_links_are_followed(server: WireServer, name: str, below: str) -> None:
    """Below what all requests begin with, or from the root; found by a guess, it must be a picture."""
    host = server.base_url.split("/")[2]
    server.script(plain(json.dumps(LINKS[name]).replace("{host}", host).encode()))
    for path in ("/generated-images/b6", "/generated-images/b6.png", "/View/generated-images/b6%20a%20fox.png"):
        server.file(below + path, plain(RED, "Content-Type: application/octet-stream"))
    server.file("/v1/files/file-b6b6/content", plain(RED))
    for _ in range(2):
        assert colour() == [250, 0, 0]
    assert server.posts == 1


def test_an_address_that_gives_base64_is_read(server: WireServer) -> None:
    """Some files are an answer themselves."""
    server.script(plain(told({"data": [{"url": "/x.json"}]})))
    server.file("/x.json", plain(GOOD))
    assert colour() == [250, 0, 0]


@pytest.mark.parametrize(
    "said",
    [
        b'{"code": 200, "data": "/b6.png"}',
        b'{"download_url": "/b6.png"}',
        b'{"signedURL": "/b6.png"}',
        b"{base}/b6.png",
    ],
)
def test_an_address_that_says_where_the_picture_is_leads_there(server: WireServer, said: bytes) -> None:
    """As a file's own service does, or a store that signs addresses."""
    server.script(plain(told({"data": [{"url": "/api/files/7"}]})))
    server.file("/api/files/7", plain(said.replace(b"{base}", server.base_url.removesuffix("/v1").encode())))
    server.file("/b6.png", plain(RED))
    for _ in range(2):
        assert colour() == [250, 0, 0]
    assert (server.posts, len(server.gets)) == (1, 2)


@pytest.mark.parametrize("said", ["b6.png", "/out/b6.png", "http://{host}/out/b6.png", "{host}/out/b6.png"])
def test_a_store_says_where_the_picture_is_as_seen_from_itself(server: WireServer, said: str) -> None:
    """And gets no key."""
    with WireServer() as store:
        host = store.base_url.split("/")[2]
        server.script(plain(told({"data": [{"url": f"http://{host}/out/7.json"}]})))
        store.file("/out/7.json", plain(told({"url": said.replace("{host}", host)})))
        store.file("/out/b6.png", plain(RED))
        for path in ("/v1/b6.png", "/out/b6.png"):
            server.file(path, plain(BLUE))
        assert colour() == [250, 0, 0]
        assert not any(b"authorization" in head.lower() for head in store.gets)


@pytest.mark.parametrize("body", [chat(PAGE), told({"id": "r1", "output": PAGE})])
def test_a_reply_that_writes_a_page_was_paid(server: WireServer, body: bytes) -> None:
    """A chat's model may answer with one: it is no sign-in of the network's, and the next run sends nothing."""
    server.script(plain(body))
    for _ in range(2):
        with pytest.raises(BadAnswerError, match="may have been billed"):
            node()
    assert server.posts == 1


@pytest.mark.parametrize("path", ["output.images/fox.png", "static.files/2026/a.png", "v1.images/x"])
@pytest.mark.parametrize("has_website", [False, True])
def test_a_folder_with_a_dot_is_no_host(server: WireServer, path: str, *, has_website: bool) -> None:
    """Also where a website is shown for what is not there."""
    server.script(plain(told({"data": [{"url": path}]})))
    if has_website:
        server.file(f"/v1/{path}", plain(b"<!doctype html><html><title>New API</title></html>"))
        server.file(f"/{path}", plain(RED))
    else:
        server.file(f"/v1/{path}", plain(RED))
    assert colour() == [250, 0, 0]


@pytest.mark.parametrize(
    "said",
    [b'{"url": "/api/files/7"}', b'{"url": "http://169.254.169.254/a.png"}', b'{"error": "x", "url": "/b6.png"}'],
)
def test_an_address_that_leads_nowhere_is_told_in_its_own_words(server: WireServer, said: bytes) -> None:
    """In a ring it ends soon, and an error beside an address is one."""
    server.script(plain(told({"data": [{"url": "/api/files/7"}]})))
    server.file("/api/files/7", plain(said))
    server.file("/b6.png", plain(BLUE))
    with pytest.raises(BadAnswerError, match="/api/files/7 gave no picture"):
        node()
    assert len(server.gets) <= downloads.MAX_LEADS + 1
    assert not [head for head in server.gets if b"b6.png" in head]


def test_addresses_in_lines_are_all_followed(server: WireServer) -> None:
    """Where they are all of the answer."""
    server.script(
        plain(b"http://{host}/a.png\nhttp://{host}/b.png\n".replace(b"{host}", server.base_url.split("/")[2].encode()))
    )
    server.file("/a.png", plain(RED))
    server.file("/b.png", plain(BLUE))
    image, _, _ = node(n=2)
    assert image[:, 0, 0].argmax(-1).tolist() == [0, 2]


@pytest.mark.parametrize("is_late", [False, True])
def test_all_pictures_of_a_file_that_is_packed_are_had(server: WireServer, *, is_late: bool) -> None:
    """Each was paid; also where the file is there for the next run only."""
    server.script(plain(told({"data": [{"url": "/a.zip"}]})))
    if is_late:
        server.file("/a.zip", plain(b"", status="404 Not Found"))
    server.file("/a.zip", plain(zipped(a=RED, b=BLUE)))
    if is_late:
        with pytest.raises(BadAnswerError, match="next run"):
            node(n=2)
    image, _, _ = node(n=2)
    assert image[:, 0, 0].argmax(-1).tolist() == [0, 2]
    assert server.posts == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_pictures_that_are_packed_under_any_name_are_all_had() -> None:
    """Names are made of prompts, and two may be the same."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in (("a.png", RED), ("a.png", BLUE), ("a mountain stream, detailed.png", PHOTO)):
            archive.writestr(name, data)
    assert find_pictures.unzipped(file.getvalue()) == [RED, BLUE, PHOTO]


@pytest.mark.slow
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packed_file_of_which_more_comes_than_it_tells_fills_no_memory(method: int) -> None:
    """Six hundred bytes can hold gigabytes."""
    file, told_size = io.BytesIO(), struct.pack("<I", len(RED))
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a.png", RED + bytes(50 << 20))
    packed = file.getvalue()
    entry = packed.rindex(find_pictures.ZIP_ENTRY)
    packed = packed[:22] + told_size + packed[26 : entry + 24] + told_size + packed[entry + 28 :]
    tracemalloc.start()
    assert find_pictures.unzipped(packed) in ([], [RED])
    assert tracemalloc.get_traced_memory()[1] < 5 << 20
    tracemalloc.stop()


def test_a_packed_file_of_countless_members_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Millions of them fit into one answer, and each takes its time before the first is read."""
    monkeypatch.setattr(find_pictures, "MAX_ZIPPED", 1)
    assert find_pictures.unzipped(zipped(a=RED)) == [RED]
    assert find_pictures.unzipped(zipped(a=RED, b=BLUE)) == []


def test_what_is_packed_beside_a_picture_takes_no_room_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layered file that is too large to be unpacked, or a folder for each picture, may come first."""
    monkeypatch.setattr(find_pictures, "MAX_UNZIPPED_BYTES", 2 * len(RED))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("layers.psd", bytes(3 * len(RED)))
        for number in range(find_pictures.MAX_IMAGES):
            archive.writestr(f"{number}/", b"")
        archive.writestr("a.png", RED)
    assert find_pictures.unzipped(file.getvalue()) == [RED]


def test_a_packed_file_that_an_older_version_kept_is_unpacked(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For nothing; damaged or with more in it than memory has, it stays what it is."""
    server.script(plain(told({"data": [{"url": "/a.zip"}]})))
    server.file("/a.zip", plain(zipped(a=RED)))
    with monkeypatch.context() as patch:
        patch.setattr(downloads, "unzipped", lambda _data: [])
        with pytest.raises(BadAnswerError, match="its format is ZIP"):
            node()
    assert colour() == [250, 0, 0]
    assert server.posts == 1
    monkeypatch.setattr(find_pictures, "MAX_UNZIPPED_BYTES", 10)
    assert find_pictures.unzipped(zipped(a=RED)) == find_pictures.unzipped(zipped(a=RED)[:-9]) == []


def test_pictures_of_a_stream_stand_in_their_order(server: WireServer) -> None:
    """They are made at once, and end in any order."""
    events = [{"index": 1, "b64_json": text(BLUE)}, {"index": 0, "b64_json": text()}]
    server.script(
        chunked(*(b"data: " + told({"type": "image_generation.completed", **each}) + b"\n\n" for each in events))
    )
    image, _, _ = node(n=2)
    assert image[:, 0, 0].argmax(-1).tolist() == [0, 2]


def test_a_place_elsewhere_is_read_as_browsers_read_it(server: WireServer) -> None:
    """Its letters as they are, and after as many others as they follow."""
    server.script(plain(told({"data": [{"url": "/0"}]})))
    for at in range(5):
        place = "/\u56fe.png" if at == 4 else f"/{at + 1}"
        head = f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n"
        server.file(f"/{at}", head.encode())
    server.file("/%E5%9B%BE.png", plain(RED))
    assert colour() == [250, 0, 0]


def test_an_address_that_gives_a_web_page_is_asked_again(server: WireServer) -> None:
    """A login page is no picture: said with its title, and fetched by the next run for nothing."""
    server.script(plain(told({"data": [{"url": "/red.png"}]})))
    server.file("/red.png", plain(b"<html><title>Please log in</title></html>", "Content-Type: image/png"))
    server.file("/red.png", plain(RED))
    with pytest.raises(BadAnswerError, match=r"gave no picture.*Please log in.*next run fetches it"):
        node()
    assert colour() == [250, 0, 0]
    assert server.posts == 1


def test_what_was_sent_is_no_answer(server: WireServer) -> None:
    """A server that says back the picture it got, under any name, has drawn nothing."""
    picture_sent: list[bytes] = []

    def says_back(body: bytes) -> tuple[Step, ...]:
        start = body.index(b"\x89PNG")
        picture_sent.append(body[start : body.index(b"IEND") + 8])
        return (plain(told({"status": "done", "base": text(picture_sent[0]), "images": [text(picture_sent[0])]})),)

    server.answer = says_back
    with pytest.raises(BadAnswerError, match="billed"):
        node(image=photo())
    assert picture_sent


def test_beside_what_was_sent_the_answer_is_found(server: WireServer) -> None:
    """The input in a known place does not hide the picture in an unknown one."""

    def says_back(body: bytes) -> tuple[Step, ...]:
        sent = body[body.index(b"\x89PNG") : body.index(b"IEND") + 8]
        return (plain(told({"images": [text(sent)], "drawn": text()})),)

    server.answer = says_back
    assert colour(image=photo()) == [250, 0, 0]


def test_an_edit_that_changed_nothing_is_an_answer(server: WireServer) -> None:
    """In the service's own place the picture counts, even if it is what was sent."""

    def unchanged(body: bytes) -> tuple[Step, ...]:
        sent = body[body.index(b"\x89PNG") : body.index(b"IEND") + 8]
        return (plain(told({"data": [{"b64_json": text(sent)}]})),)

    server.answer = unchanged
    image, _, _ = node(image=photo())
    assert tuple(image.shape[1:3]) == (48, 64)


def test_a_link_in_a_refusal_is_no_picture(server: WireServer) -> None:
    """A text that names a page about the rules is told as a text; the page is looked at once at most."""
    page = f"http://{server.base_url.split('/')[2]}/rules"
    server.script(plain(chat(f"I cannot draw this. See {page} for the rules.")))
    server.file("/rules", plain(b"<html><title>Rules</title></html>", "Content-Type: text/html"))
    with pytest.raises(BadAnswerError, match="I cannot draw this"):
        node()
    assert len(server.gets) == 1


def test_an_error_with_a_link_is_an_error(server: WireServer) -> None:
    """An address beside an error is no picture."""
    error = {
        "error": {"message": "not this", "code": "moderation_blocked"},
        "more": {"link": "https://x.invalid/a.png"},
    }
    server.script(plain(told(error)))
    with pytest.raises(ModeratedError, match="not this"):
        node()


@pytest.mark.parametrize("address", ["http://169.254.169.254/a.png", "http://localhost.invalid/a.png", "file:///a.png"])
def test_guessed_addresses_go_through_the_same_gate(server: WireServer, address: str) -> None:
    """What no known place names may not lead elsewhere either."""
    server.script(plain(told({"result_link": address})))
    with pytest.raises(BadAnswerError):
        node()
    assert server.gets == []


def test_what_cannot_be_read_today_is_read_by_a_newer_version(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept as it came, tried again by every later run, and had for nothing once it is understood."""
    server.script(plain(told(UNKNOWN)))
    with monkeypatch.context() as patch:
        patch.setattr(answer, "guessed_pictures", lambda *_values: [])
        for _ in range(2):
            with pytest.raises(BadAnswerError, match="kept in") as caught:
                node()
        assert (folder_named(caught.value) / "picture_0.bin").read_bytes() == told(UNKNOWN)
    assert colour() == [250, 0, 0]
    assert colour() == [250, 0, 0]
    assert server.posts == 1


@pytest.mark.slow
def test_a_hostile_answer_ends_soon(server: WireServer) -> None:
    """Brackets, quotes and commas without end are read within bounds."""
    for body in (b"[\n" * 20_000, b'{"a":[' * 10_000, b"'" * 200_000, b"[{]," * 20_000, b'"{' * 20_000):
        server.script(plain(body))
        with pytest.raises(OpenAIImageError):
            node(seed=len(body))
