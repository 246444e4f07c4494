"""Whatever a server, a relay or the line between them answers: a picture that came is had, and none is bought twice.

Each case is played byte by byte on a real socket, through the node. Source: docs/service.md, "What real servers do".
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from openai_image_nodes.api.catalog.schemas import OpenAIImageEditRequest
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.errors import (
    BadAnswerError,
    ModeratedError,
    OpenAIImageError,
    OutcomeUnknownError,
    RefusedError,
)
from openai_image_nodes.api.transport import client, downloads, sessions
from openai_image_nodes.api.transport.operation import EDITS, SynchronousOperation
from openai_image_nodes.api.transport.sessions import session_for
from PIL import Image
from support.asker import large_part
from support.capture import picture, pixels
from support.few_threads import FewThreads
from support.node_calls import KEY, node
from support.wire_server import CLOSE, HOLD, RESET, Step, WireServer, chunked, plain


def noise() -> bytes:
    out = io.BytesIO()
    Image.frombytes("RGB", (64, 64), random.Random(5).randbytes(64 * 64 * 3)).save(out, "PNG")
    return out.getvalue()


RED, BLUE = picture(color=(250, 0, 0)), picture(color=(0, 0, 250))
NOISE = noise()  # long enough to be taken out of the JSON


def text(data: bytes = RED) -> str:
    return base64.b64encode(data).decode()


def told(data: Any, **fields: Any) -> bytes:
    return json.dumps({"created": 1, "data": data, **fields}).encode()


GOOD = told([{"b64_json": text()}])
LONG = told([{"b64_json": text(NOISE)}])
FINAL = json.dumps({"type": "image_generation.completed", "b64_json": text()}).encode()
INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WireServer]:
    """A server behind the connection openai."""
    with WireServer() as started:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", started.base_url)
        yield started
        session_for(started.base_url).close()


def colour(**inputs: Any) -> list[int]:
    """Return the colour of the picture that the node gives."""
    image, _, _ = node(**inputs)
    return [round(float(value) * 255) for value in image[0, 0, 0, :3]]


ANSWERS: dict[str, tuple[Step, ...]] = {
    "one interim answer": (INTERIM, 0.05, plain(GOOD)),
    "many interim answers of all kinds": (
        b"HTTP/1.1 100 Continue\r\n\r\n" + INTERIM * 40 + b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
        0.05,
        b"HTTP/1.1 199 Who Knows\r\nX-A: 1\r\nX-B: 2\r\n\r\n" + plain(GOOD),
    ),
    "JSON labelled events": (plain(GOOD, "Content-Type: text/event-stream"),),
    "JSON labelled a web page": (plain(GOOD, "Content-Type: text/html"),),
    "no label at all": (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(GOOD), GOOD),),
    "events labelled JSON": (plain(b"event: image_generation.completed\ndata: " + FINAL + b"\n\ndata: [DONE]\n\n"),),
    "comments before JSON": (chunked(b": keepalive\n\n", b": keepalive\n\n", GOOD, kind="application/json"),),
    "blanks before JSON": (chunked(b"   \n", b"\n\n  ", GOOD, kind="application/json"),),
    "a mark before JSON": (plain(b"\xef\xbb\xbf" + GOOD),),
    "UTF-16": (plain(GOOD.decode().encode("utf-16")),),
    "lines of progress": (plain(b'{"status":"queued"}\n{"status":"drawing","progress":50}\n' + GOOD + b"\n"),),
    "JSON in a JSON text": (plain(json.dumps(GOOD.decode()).encode()),),
    "the picture itself": (plain(RED, "Content-Type: image/png"),),
    "the picture itself, labelled JSON": (plain(RED),),
    "a plain answer as one event": (chunked(b"data: " + GOOD + b"\n\n"),),
    "a plain answer as one event, the line left open": (chunked(b"data: " + GOOD + b"\n\n", end=False), HOLD),
    "a final event, the line left open": (chunked(b"data: " + FINAL + b"\n\n", end=False), HOLD),
    "a final event and a broken line": (chunked(b": hi\n\ndata: " + FINAL + b"\n\n", end=False), RESET),
    "a false label of packing": (plain(GOOD, "Content-Encoding: gzip"),),
    "packed without a label": (plain(gzip.compress(GOOD)),),
    "packed and labelled": (plain(gzip.compress(GOOD), "Content-Encoding: gzip"),),
    "a length that is too large, then the end": (plain(GOOD, length=len(GOOD) + 999), CLOSE),
    "a length that is too large, then nothing": (plain(GOOD, length=len(GOOD) + 999), HOLD),
    "no last mark of the chunks": (chunked(GOOD[:40], GOOD[40:], kind="application/json", end=False), CLOSE),
    "no length and a reset behind the answer": (b"HTTP/1.1 200 OK\r\n\r\n" + GOOD, 0.05, RESET),
    "cut behind the picture": (plain(LONG[:-3], length=len(LONG)), CLOSE),
    "cut behind the picture, with the label of events": (
        plain(LONG[:-3], "Content-Type: text/event-stream", length=len(LONG)),
        CLOSE,
    ),
    "one byte at a time": tuple(plain(GOOD)[at : at + 1] for at in range(len(plain(GOOD)))),
    "status 201": (plain(GOOD, status="201 Created"),),
    "usage null": (plain(told([{"b64_json": text()}], usage=None)),),
    "usage a text": (plain(told([{"b64_json": text()}], usage="7 tokens")),),
    "usage a list": (plain(told([{"b64_json": text()}], usage=[1, 2])),),
    "usage with nulls and fractions": (
        plain(told([{"b64_json": text()}], usage={"input_tokens": None, "output_tokens": 1.5, "total_tokens": "x"})),
    ),
    "usage beyond every range": (
        plain(b'{"data":[{"b64_json":"%s"}],"usage":{"output_tokens":1%s}}' % (text().encode(), b"0" * 400)),
    ),
    "usage that is no number": (
        plain(b'{"data":[{"b64_json":"%s"}],"usage":{"output_tokens":NaN,"input_tokens":-1e999}}' % text().encode()),
    ),
    "fields of other types": (
        plain(told([{"b64_json": text(), "revised_prompt": ["a"]}], size={"w": 1}, quality=3, background=False)),
    ),
    "output_format a number": (plain(told([{"b64_json": text()}], output_format=5, svg_usage=[], created={})),),
    "data an object": (plain(told({"b64_json": text()})),),
    "data a list of texts": (plain(told([text()])),),
    "data a text": (plain(told(text())),),
    "data nested once more": (plain(told({"data": [{"b64_json": text()}]})),),
    "data a list in a list": (plain(told([[{"b64_json": text()}]])),),
    "images": (plain(json.dumps({"images": [{"b64_json": text()}]}).encode()),),
    "images as texts": (plain(json.dumps({"images": [text()]}).encode()),),
    "one picture at the top": (plain(json.dumps({"b64_json": text()}).encode()),),
    "a list at the top": (plain(json.dumps([{"b64_json": text()}]).encode()),),
    "a field named base64": (plain(told([{"base64": text()}])),),
    "a call of the responses API": (
        plain(json.dumps({"output": [{"type": "image_generation_call", "result": text()}]}).encode()),
    ),
    "a chat reply with a picture": (
        plain(
            json.dumps(
                {"choices": [{"message": {"images": [{"image_url": {"url": f"data:image/png;base64,{text()}"}}]}}]}
            ).encode()
        ),
    ),
    "a chat reply with a picture in its text": (
        plain(
            json.dumps({"choices": [{"message": {"content": f"Done! ![x](data:image/png;base64,{text()})"}}]}).encode()
        ),
    ),
    "the reply of a model that draws among its words": (
        plain(
            json.dumps(
                {"candidates": [{"content": {"parts": [{"text": "x"}, {"inlineData": {"data": text()}}]}}]}
            ).encode()
        ),
    ),
    "a prediction": (plain(json.dumps({"predictions": [{"bytesBase64Encoded": text()}]}).encode()),),
    "a list of texts under the name of one": (plain(told({"image_base64": [text()]})),),
    "base64 as the whole answer": (plain(text().encode(), "Content-Type: text/plain"),),
    "a data address as the whole answer": (plain(f"data:image/png;base64,{text()}".encode()),),
    "a JSON text that is base64": (plain(json.dumps(text()).encode()),),
    "a line break inside a JSON text": (plain(GOOD.replace(b'"created": 1', b'"note": "a\nb"')),),
    "two documents in one event": (chunked(b'data: {"status":"drawing"}\ndata: ' + FINAL + b"\n\n"),),
    "a mark before the last event": (chunked(b"data: [DONE]\n\ndata: " + FINAL + b"\n\n"),),
    "a mark in the last event": (chunked(b"data: " + FINAL + b"\ndata: [DONE]\n\n"),),
    "an event that is a list": (chunked(b'data: [{"b64_json": "' + text().encode() + b'"}]\n\n'),),
    "an event that is base64": (chunked(b"data: " + text().encode() + b"\n\n"),),
    "an integer of 5,000 digits in an event": (
        chunked(b'data: {"x":1%s,"b64_json":"%s"}\n\n' % (b"0" * 5000, text().encode())),
    ),
    "many colons before JSON": (
        chunked(b":" * 60 + b"\n\n", b": a: b: c" * 20 + b"\n", GOOD, kind="application/json"),
    ),
    "many colons before events": (chunked(b":" * 60 + b"\n\n", b"data: " + FINAL + b"\n\n"),),
    "events whose lines end with a return": (chunked(b": hi\r\rdata: " + FINAL + b"\r\r"),),
    "events with both ends, cut between": (chunked(b": hi\r", b"\n\r\ndata: " + FINAL + b"\r", b"\n\r\n"),),
    "packed, one byte at a time": tuple(
        plain(gzip.compress(GOOD))[at : at + 1] for at in range(len(plain(gzip.compress(GOOD))))
    ),
    "packed, with something behind it": (plain(gzip.compress(GOOD) + b"\0" * 4000),),
    "a good one and null": (plain(told([{"b64_json": text()}, None])),),
    "a good one and a word": (plain(told([{"b64_json": text()}, "blocked"])),),
    "a good one and a word for base64": (plain(told([{"b64_json": text()}, {"b64_json": "blocked"}])),),
    "base64 url-safe": (plain(told([{"b64_json": base64.urlsafe_b64encode(RED).decode()}])),),
    "base64 without padding": (plain(told([{"b64_json": text().rstrip("=")}])),),
    "base64 in lines": (plain(told([{"b64_json": "\n".join([text()[:40], text()[40:]])}])),),
    "base64 with percent signs": (plain(told([{"b64_json": quote(text(), safe="")}])),),
    "base64 with escaped slashes": (plain(GOOD.replace(b"/", b"\\/")),),
    "base64 with a prefix": (plain(told([{"b64_json": f"data:image/png;base64,{text()}"}])),),
    "base64 with the prefix twice": (plain(told([{"b64_json": "data:image/png;base64," * 2 + text()}])),),
    "base64 where an address should be": (plain(told([{"url": text()}])),),
    "base64 long and without padding": (plain(told([{"b64_json": text(NOISE).rstrip("=")}])),),
    "base64 long and in lines": (plain(told([{"b64_json": base64.encodebytes(NOISE).decode()}])),),
    "base64 long with a blank before it": (plain(told([{"b64_json": " " + text(NOISE)}])),),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_picture_is_had_and_kept(server: WireServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One POST, the right picture, and the next run has it from the disk."""
    server.script(*ANSWERS[name])
    wanted = pixels(NOISE if "long" in name or "cut behind" in name else RED)[0, 0, :3].tolist()
    assert colour() == wanted
    assert colour() == wanted
    assert server.posts == 1


@pytest.mark.slow
def test_interim_answers_never_give_the_next_run_this_picture(server: WireServer) -> None:
    """A gateway says 102 while it works: each run gets its own picture, on whatever connection."""
    server.script(INTERIM, 0.2, plain(told([{"b64_json": text(RED)}])))
    server.script(INTERIM, 0.2, plain(told([{"b64_json": text(BLUE)}])))
    assert colour(prompt="red") == [250, 0, 0]
    assert colour(prompt="blue") == [0, 0, 250]
    assert colour(prompt="red") == [250, 0, 0]
    assert server.posts == 2


@pytest.mark.parametrize(
    "steps", [(INTERIM, CLOSE), (INTERIM, RESET), (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 0.1)]
)
def test_an_interim_answer_alone_is_an_unknown_outcome(server: WireServer, steps: tuple[Step, ...]) -> None:
    """Nobody knows whether it was billed: said, and not sent again."""
    server.script(*steps)
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError, match="billed"):
            node()
    assert server.posts == 1


def test_a_connection_with_bytes_left_over_is_not_used_again(server: WireServer) -> None:
    """An answer to nobody, behind the answer of the run before, would be taken for the next one's."""
    server.script(plain(told([{"b64_json": text(RED)}])) + plain(told([{"b64_json": text(RED)}])))
    server.script(plain(told([{"b64_json": text(BLUE)}])))
    assert colour(prompt="red") == [250, 0, 0]
    assert colour(prompt="blue") == [0, 0, 250]
    assert server.connections == 2


def test_an_answer_to_nobody_that_comes_late_is_noticed(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is used again only after it was silent for a while."""
    monkeypatch.setattr(sessions, "QUIET_S", 5.0)  # as if the next run came at once, on a machine of any speed
    server.script(plain(told([{"b64_json": text(RED)}])), 0.3, plain(told([{"b64_json": text(RED)}])))
    server.script(plain(told([{"b64_json": text(BLUE)}])))
    assert colour(prompt="red") == [250, 0, 0]
    assert colour(prompt="blue") == [0, 0, 250]
    assert server.connections == 2


def test_a_clean_connection_is_used_again(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ended as it said is good for another request."""
    monkeypatch.setattr(sessions, "IDLE_MAX_S", 600.0)  # on a machine of any speed
    for _ in range(3):
        server.script(plain(GOOD))
    for seed in range(3):
        node(seed=seed)
    assert (server.posts, server.connections) == (3, 1)


def test_a_connection_that_was_idle_is_not_used_again(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its server may end it in the moment in which a request goes out, which would then seem to be lost."""
    monkeypatch.setattr(sessions, "IDLE_MAX_S", 0.0)
    for seed in range(2):
        server.script(plain(GOOD))
        node(seed=seed)
    assert (server.posts, server.connections) == (2, 2)


def test_a_server_that_reads_late_gets_the_whole_request(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is busy with another picture: it has longer than a connection may take to come about."""
    monkeypatch.setattr(client, "CONNECT_TIMEOUT_S", 0.2)
    server.reads_after_s = 1.0
    server.script(plain(GOOD))
    link = Connection(name="own", base_url=server.base_url)
    request = OpenAIImageEditRequest(model="gpt-image-2", prompt="a fox", image_count=1)
    assert SynchronousOperation(EDITS, request, [large_part()], connection=link).execute().data
    assert (server.posts, server.connections) == (1, 1)


@pytest.mark.parametrize(
    "body", [b"<html>oops</html>", b"", b"{", b'{"data": []}', b'{"data": [null]}', b"[" * 10_000, b'{"data": "x"}']
)
def test_what_holds_no_picture_is_kept_as_it_came(server: WireServer, body: bytes) -> None:
    """It may have been paid: the bytes are on the disk, and nothing is sent again."""
    server.script(plain(body))
    for _ in range(2):
        with pytest.raises(OpenAIImageError, match=r"billed|usage page"):
            node()
    assert server.posts == 1


@pytest.mark.slow
def test_an_error_behind_heartbeats_is_told_by_kind(server: WireServer) -> None:
    """Some gateways open a stream before they know that it will be refused."""
    error = b'data: {"type":"error","error":{"message":"not this","code":"moderation_blocked"}}\n\n'
    server.script(chunked(b": hi\n\n", b": hi\n\n", error, end=False), HOLD)
    with pytest.raises(ModeratedError, match="not this"):
        node()


@pytest.mark.slow
def test_a_last_mark_on_an_open_line_ends_the_wait(server: WireServer) -> None:
    """Nothing comes behind it, whether or not a picture came before: told as unknown, soon, and sent once."""
    server.script(chunked(b"data: [DONE]\n\n", end=False), HOLD)
    with pytest.raises(OutcomeUnknownError, match="billed"):
        node()
    assert server.posts == 1


@pytest.mark.slow
def test_a_trickle_ends_at_the_deadline(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then does not keep a request for ever."""
    monkeypatch.setenv(client.TIMEOUT_VARIABLE, "1")
    server.script(plain(b"", length=1000), *[b" ", 0.05] * 400)
    with pytest.raises(OutcomeUnknownError, match="billed"):
        node()
    assert server.posts == 1


def test_answers_that_trickle_do_not_keep_others_waiting(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one place and a stopped run still in it, the next run goes out."""
    from openai_image_nodes.api.jobs.manager import JOBS
    from openai_image_nodes.api.transport import operation
    from support.asker import connection, job, until

    monkeypatch.setenv("OPENAI_IMAGE_NODES_MAX_IN_FLIGHT", "1")
    monkeypatch.setattr(operation, "SLOW_AFTER_S", 0.05)
    server.script(plain(b"", length=1000), *[b" ", 0.05] * 1000)
    server.script(plain(GOOD))
    slow = JOBS.submit(job(connection("openai"), "slow"))
    until(lambda: server.posts == 1)
    assert colour(prompt="quick") == [250, 0, 0]
    assert not slow.future.done()


def test_a_job_that_gets_no_thread_is_refused_unsent_and_blocks_nothing(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a service that does one at a time: its place is free for the next run."""
    from openai_image_nodes.api.jobs.manager import JOBS
    from support.asker import connection, job

    monkeypatch.setenv("OPENAI_IMAGE_NODES_MAX_IN_FLIGHT", "1")
    with monkeypatch.context() as patch:
        FewThreads(patch)
        for _ in range(2):
            handle = JOBS.submit(job(connection("openai"), "none"))
            with pytest.raises(RefusedError, match="nothing was sent"):
                handle.future.result(30)
    assert server.posts == 0
    server.script(plain(GOOD))
    assert JOBS.submit(job(connection("openai"), "none")).future.result(30).pictures


def test_a_slow_answer_is_kept_where_no_thread_is_left_for_the_next(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits behind it is done by its own thread; the answer is paid, and nothing on its way costs the rest."""
    from openai_image_nodes.api.jobs.manager import JOBS
    from openai_image_nodes.api.transport import operation
    from support.asker import connection, job, until

    monkeypatch.setenv("OPENAI_IMAGE_NODES_MAX_IN_FLIGHT", "1")
    monkeypatch.setattr(operation, "SLOW_AFTER_S", 0.0)
    threads = FewThreads(monkeypatch)
    server.script(plain(GOOD, length=len(GOOD) + 20), *[b" ", 0.05] * 20)
    server.script(plain(GOOD))
    threads.left = 2  # for the claims, and for the first
    slow = JOBS.submit(job(connection("openai"), "slow"))
    until(lambda: server.posts == 1)
    threads.left = 0
    behind = JOBS.submit(job(connection("openai"), "behind"))
    assert slow.future.result(30).pictures
    assert behind.future.result(30).pictures
    assert server.posts == 2


ADDRESSES = {
    "relative": "files/red.png",
    "from the root": "/v1/files/red.png",
    "without a scheme": "//{host}/v1/files/red.png",
    "in capitals": "HTTP://{HOST}/v1/files/red.png",
    "with blanks": "  http://{host}/v1/files/red.png \n",
    "where base64 should be": "http://{host}/v1/files/red.png",
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_picture_by_address_is_fetched(server: WireServer, name: str) -> None:
    """Addresses are read against what was asked; the key goes along only where the file asks for it."""
    host = server.base_url.split("/")[2]
    address = ADDRESSES[name].format(host=host, HOST=host.upper())
    field = "b64_json" if "base64" in name else "url"
    server.script(plain(told([{field: address}])))
    server.file("/v1/files/red.png", plain(RED, "Content-Type: image/png"))
    assert colour() == [250, 0, 0]
    assert b"uthorization" not in server.gets[0]


def test_a_file_that_asks_for_the_key_gets_it_at_its_own_origin(server: WireServer) -> None:
    """And nowhere else."""
    server.script(plain(told([{"url": "/red.png"}])))
    server.file("/red.png", plain(b"{}", status="401 Unauthorized"))
    server.file("/red.png", plain(RED))
    assert colour() == [250, 0, 0]
    assert [KEY.encode() in head for head in server.gets] == [False, True]


def test_another_origin_never_gets_the_key(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even when it asks, and not by a redirect."""
    monkeypatch.setattr(downloads, "DOWNLOAD_PAUSES_S", ())
    with WireServer() as other:
        there = other.base_url.removesuffix("/v1")
        other.file("/red.png", plain(b"{}", status="401 Unauthorized"))
        server.script(plain(told([{"url": "/away.png"}])))
        server.file("/away.png", plain(b"", f"Location: {there}/red.png", status="302 Found"))
        with pytest.raises(BadAnswerError, match="next run fetches it"):
            node()
        assert all(KEY.encode() not in head for head in other.gets)
        assert other.gets


def test_a_download_that_fails_says_so_and_is_made_up_for(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its words are its own: which address, what happened, and that the next run has it for nothing."""
    monkeypatch.setattr(downloads, "DOWNLOAD_PAUSES_S", ())
    server.script(plain(told([{"url": "/red.png?sig=secret"}])))
    server.file("/red.png?sig=secret", plain(b"gone", status="500 Oops"))
    server.file("/red.png?sig=secret", plain(RED))
    with pytest.raises(BadAnswerError) as caught:
        node()
    said = str(caught.value)
    assert "/red.png" in said
    assert "secret" not in said
    assert "next run fetches it" in said
    assert "pay" not in said
    assert colour() == [250, 0, 0]
    assert server.posts == 1


@pytest.mark.parametrize("address", ["http://169.254.169.254/x", "http://HOST\\@127.0.0.1/x", "ftp://h/x", "file:///x"])
def test_addresses_that_lead_elsewhere_are_not_asked(
    server: WireServer, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Clear http to another host, another scheme, a name with a backslash: refused in words."""
    monkeypatch.setattr(downloads, "DOWNLOAD_PAUSES_S", ())
    server.script(plain(told([{"url": address}])))
    with pytest.raises(BadAnswerError):
        node()
    assert server.gets == []


def test_bytes_that_came_before_a_crash_of_ours_are_read_by_the_next_run(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of our own reader loses nothing."""
    from openai_image_nodes.api.jobs import recorder

    def broken(*_args: object, **_options: object) -> None:
        raise RuntimeError("a fault of ours")

    server.script(plain(GOOD))
    with monkeypatch.context() as patch:
        patch.setattr(recorder, "parse_answer", broken)
        with pytest.raises(OpenAIImageError) as caught:
            node()
        assert Path(str(caught.value).split("kept in ")[1].split(". ")[0]).exists()
    assert colour() == [250, 0, 0]
    assert server.posts == 1
