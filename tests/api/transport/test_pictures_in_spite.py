"""Pictures that came in spite of what was said about them: a status, an error before them, a word, an old address.

Each case is played byte by byte on a real socket, through the node. Source: docs/service.md, "What real servers do".
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.errors import BadAnswerError, OpenAIImageError, RefusedError
from openai_image_nodes.api.jobs import recorder
from openai_image_nodes.api.transport import downloads
from openai_image_nodes.api.transport.downloads import Pictures, address_of
from support.capture import picture, success
from support.node_calls import KEY, node, photo
from support.wire_server import CLOSE, HOLD, Step, WireServer, chunked, openai_wire, plain

RED = picture(color=(250, 0, 0))
GOOD = json.dumps(success(RED)).encode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WireServer]:
    with openai_wire(monkeypatch, after_end_s=0.2) as started:
        yield started


def colour(**inputs: Any) -> list[int]:
    image, _, _ = node(**inputs)
    return [round(float(value) * 255) for value in image[0, 0, 0, :3]]


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "409 Conflict", "429 Too Many", "500 Oops", "502 Bad", "524 Late"]
)
def test_a_picture_is_had_whatever_the_status_says(server: WireServer, status: str) -> None:
    """It was made and paid: one POST, kept, and the next run has it from the disk."""
    server.script(plain(GOOD, status=status))
    for _ in range(2):
        assert colour() == [250, 0, 0]
    assert server.posts == 1


ADDRESS = json.dumps({"created": 1, "data": [{"url": "/v1/red"}]}).encode()
TASK = b'{"task_id": "t1", "status": "queued", "status_url": "/v1/red"}'
ELSEWHERE = {
    "done, to be seen there": (b"", "303 See Other", "/v1/red"),
    "moved to a file": (b"moved", "302 Found", "/v1/red.png"),
    "a file of a failure": (ADDRESS, "500 Oops", ""),
    "a file beside an error": (ADDRESS[:-1] + b', "error": "x"}', "500 Oops", ""),
    "a task, and no other place": (TASK, "303 See Other", ""),
    "a task beside an error behind a failure": (TASK[:-1] + b', "error": "x"}', "502 Bad", ""),
    "a task, as one too many": (TASK, "429 Too Many", ""),
    "a task that is there already": (TASK, "409 Conflict", ""),
    "a task behind a failure": (TASK, "502 Bad", ""),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_picture_is_looked_for_where_a_failure_says(server: WireServer, name: str) -> None:
    """To look costs nothing; to take it for a refusal would buy it again."""
    body, status, place = ELSEWHERE[name]
    server.script(plain(body, *([f"Location: {place}"] if place else []), status=status))
    for path in ("/v1/red", "/v1/red.png"):
        server.file(path, plain(GOOD))
    for _ in range(2):
        assert colour() == [250, 0, 0]
    assert server.posts == 1


BEGUN_OR_NOT = {
    "503 Down": {"status": "starting", "request_id": "r1", "message": "Model is loading"},
    "403 Forbidden": {"status": "pending", "id": "a1", "message": "Your account is pending approval"},
    "405 Not Yet": {"status": "running", "task_id": "t0", "status_url": "/v1/t0", "error": "another's is running"},
    "400 Bad": {"status": "validating", "request_id": "r1", "message": "the size must be a square"},
    "404 Not Found": {"status": "running", "request_id": "r1", "path": "/v1/images/generations"},
}


@pytest.mark.parametrize("status", BEGUN_OR_NOT)
def test_a_refusal_with_an_id_and_a_state_is_no_task(server: WireServer, status: str) -> None:
    """Each has its request's id, and the state of a server or of an account: the next run asks again."""
    server.script(plain(json.dumps(BEGUN_OR_NOT[status]).encode(), status=status))
    with pytest.raises(OpenAIImageError, match=f"HTTP {status[:3]}") as told:
        node()
    assert "began" not in str(told.value)
    server.script(plain(GOOD))
    assert (colour(), server.gets) == ([250, 0, 0], [])


@pytest.mark.parametrize(
    "said",
    [
        {"id": "r1", "refusal": "I cannot do that"},
        {"success": False, "data": "no_more_1"},
        {"success": False, "request_id": "r1"},
    ],
)
def test_words_beside_an_id_are_no_task_to_wait_for(server: WireServer, said: object) -> None:
    """Nothing would ever come of it."""
    server.script(plain(json.dumps(said).encode()))
    with pytest.raises(BadAnswerError, match="holds no picture") as told:
        node()
    assert ("began" in str(told.value), server.gets) == (False, [])


def test_a_task_that_failed_as_it_was_begun_is_not_waited_for(server: WireServer) -> None:
    """Nobody would tell more of it."""
    server.script(plain(b'{"job_id": "j1", "status": "failed"}'))
    with pytest.raises(OpenAIImageError, match="without a reason"):
        node()
    assert not server.gets


def test_an_error_beside_an_address_and_a_state_withholds_no_picture(server: WireServer) -> None:
    """It came, and to ask again would buy it again."""
    server.script(
        plain(json.dumps({"data": [{"url": "/v1/a"}], "status": "running", "error": "not enlarged"}).encode())
    )
    server.file("/v1/a", plain(RED))
    assert (colour(), server.posts) == ([250, 0, 0], 1)


@pytest.mark.parametrize(
    "place", ["/", "/login?next=/v1", "/maintenance", "https://login.example/v1", "http://login.example/v1"]
)
def test_where_one_signs_in_is_no_place_of_a_picture(server: WireServer, place: str) -> None:
    """Nothing was made, so the next run asks again."""
    server.script(plain(b"", f"Location: {place}", status="303 See Other"))
    with pytest.raises(RefusedError, match="not followed"):
        node()
    server.script(plain(GOOD))
    assert (colour(), server.gets) == ([250, 0, 0], [])


@pytest.mark.parametrize("body", [RED, GOOD[:-40], json.dumps({"data": [{"url": "/x.png"}]}).encode()])
def test_a_refusal_with_a_picture_of_its_own_is_one(server: WireServer, body: bytes) -> None:
    """A gateway's placeholder, half a picture or a link in place of a page are not what was asked for."""
    server.script(plain(body, status="403 Forbidden"))
    with pytest.raises(OpenAIImageError, match="HTTP 403"):
        node()
    assert (server.posts, server.gets) == (1, [])


def test_a_refusal_that_says_back_what_was_sent_is_one(server: WireServer) -> None:
    """Some name the whole request in what they find wrong with it."""

    def says_back(body: bytes) -> tuple[Step, ...]:
        start = body.index(b"\x89PNG")
        told = success(body[start : body.index(b"IEND") + 8])
        return (plain(json.dumps({**told, "message": "no such size"}).encode(), status="400 Bad Request"),)

    server.answer = says_back
    with pytest.raises(RefusedError, match="no such size"):
        node(image=photo())
    assert server.posts == 1


def test_an_error_and_then_the_picture_gives_the_picture(server: WireServer) -> None:
    """A gateway tells that one way failed, and takes another."""
    done = event(type="image_generation.completed", b64_json=success(RED)["data"][0]["b64_json"])
    server.script(chunked(event(error={"message": "the first way failed"}), done))
    for _ in range(2):
        assert colour() == [250, 0, 0]
    assert server.posts == 1


@pytest.mark.parametrize(
    "ping", [(), tuple(step for _ in range(80) for step in (chunked(b": ping\n\n", head=False, end=False), 0.05))]
)
def test_an_error_on_a_line_that_stays_open_is_told_soon(server: WireServer, ping: tuple[Step, ...]) -> None:
    """Neither silence nor heartbeats behind it are waited for, and its words are not lost by it."""
    server.script(chunked(event(error={"message": "no such size", "code": "invalid_value"}), end=False), *ping, HOLD)
    with pytest.raises(RefusedError, match="no such size"):
        node()
    assert server.posts == 1


def test_a_picture_that_two_events_tell_of_is_one(server: WireServer) -> None:
    """The last event of all names it once more; the second one that was asked for did not come."""
    item = {"type": "image_generation_call", "status": "generating", "result": base64.b64encode(RED).decode()}
    done = event(type="response.output_item.done", item=item)
    server.script(chunked(done, event(type="response.completed", response={"output": [item]})))
    image, _, report = node(n=2)
    assert len(image) == 1
    assert "2 pictures were asked for, 1 came." in report["notes"]


@pytest.mark.parametrize("word", ["null", "None", "see url", "-"])
def test_a_word_in_place_of_base64_does_not_hide_the_address(server: WireServer, word: str) -> None:
    """The picture is where the address says."""
    server.script(plain(json.dumps({"data": [{"b64_json": word, "url": "/red.png"}]}).encode()))
    server.file("/red.png", plain(RED))
    assert colour() == [250, 0, 0]
    assert server.posts == 1


@pytest.mark.parametrize(
    ("told", "asked"),
    [("/red.png?a=1&amp;b=2", "/red.png?a=1&b=2"), (" /my red.png\n", "/my%20red.png"), ("/re\nd.png", "/red.png")],
)
def test_addresses_are_read_as_browsers_read_them(server: WireServer, told: str, asked: str) -> None:
    """Escaped as in a page, with blanks in it, or with line breaks."""
    server.script(plain(json.dumps({"data": [{"url": told}]}).encode()))
    server.file(asked, plain(RED))
    assert colour() == [250, 0, 0]


HTTPS = Connection(name="relay", base_url="https://relay.example:8443/v1")
HTTP = Connection(name="lan", base_url="http://192.168.1.5:8080/v1")


@pytest.mark.parametrize(
    ("connection", "told", "asked"),
    [
        (HTTPS, "http://relay.example:3000/images/1.png?s=1", "https://relay.example:8443/images/1.png?s=1"),
        (HTTPS, "http://RELAY.example/images/1.png", "https://relay.example:8443/images/1.png"),
        (HTTPS, "http://oss.storage.example/1.png?Signature=x", "https://oss.storage.example/1.png?Signature=x"),
        (HTTPS, "http://oss.storage.example:80/1.png", "https://oss.storage.example/1.png"),
        (HTTP, "http://192.168.1.5:9000/bucket/1.png", "http://192.168.1.5:9000/bucket/1.png"),
        (HTTP, "http://oss.storage.example/1.png", "https://oss.storage.example/1.png"),
        (HTTPS, "http://localhost:3000/images/1.png?s=1", "https://relay.example:8443/images/1.png?s=1"),
        (HTTP, "http://0.0.0.0:9997/1.png", "http://192.168.1.5:8080/1.png"),
    ],
)
def test_clear_addresses_are_asked_where_they_may_be(connection: Connection, told: str, asked: str) -> None:
    """Behind a server that speaks TLS, in the storage of the internet, beside a server in one's own network, and where
    one in a container takes itself for this machine."""
    assert address_of(told, connection) == asked


@pytest.mark.parametrize(
    "told", ["http://192.168.1.6/1.png", "http://storage.example:8080/1.png", "http://me@storage.example/1.png"]
)
@pytest.mark.parametrize("connection", [HTTPS, HTTP])
def test_other_clear_addresses_are_not_asked(connection: Connection, told: str) -> None:
    """Nobody knows that they speak TLS, and in clear anybody could answer."""
    with pytest.raises(ValueError, match="the picture's address is"):
        address_of(told, connection)


def test_storage_says_why_in_its_own_words_and_without_our_key(server: WireServer) -> None:
    """That it has expired, for instance; the person reads what there is to do then."""
    server.script(plain(json.dumps({"data": [{"url": "/red.png?sig=planted"}]}).encode()))
    said = f"<?xml version='1.0'?><Error><Code>Denied</Code><Message>Request has expired, {KEY}</Message></Error>"
    server.file("/red.png?sig=planted", plain(said.encode(), status="403 Forbidden"))
    with pytest.raises(BadAnswerError) as caught:
        node()
    told = str(caught.value)
    assert "HTTP 403: Denied Request has expired" in told
    assert "another seed has a new picture made" in told
    assert KEY not in told
    assert "planted" not in told
    assert server.posts == 1


def test_the_end_of_a_signature_is_told(server: WireServer) -> None:
    """Azure names it last, behind two numbers of the request."""
    server.script(plain(json.dumps({"data": [{"url": "/red.png?sig=planted"}]}).encode()))
    said = (
        "<?xml version='1.0'?><Error><Code>AuthenticationFailed</Code><Message>Server failed to authenticate the"
        " request. Make sure the value of Authorization header is formed correctly including the signature.\nRequestId:"
        "9f915471-f01e-0050-757d-60ffe4000000\nTime:2026-03-27T07:28:51.8578866Z</Message><AuthenticationErrorDetail>"
        "Signature not valid in the specified time frame: Start [Sat, 25 Mar 2026 17:12:35 GMT] - Expiry [Sat, 25 Mar"
        " 2026 19:12:35 GMT]</AuthenticationErrorDetail></Error>"
    )
    server.file("/red.png?sig=planted", plain(said.encode(), status="403 Forbidden"))
    with pytest.raises(BadAnswerError, match=r"Expiry .Sat, 25 Mar 2026 19:12:35"):
        node()


def test_files_that_no_one_can_fetch_are_told_with_the_way_around(server: WireServer) -> None:
    """Some servers name a place on their own disk: each picture would be paid for and never be had."""
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")
    file.write_text(json.dumps({"connections": {"relay": {"base_url": server.base_url, "key": KEY}}}))
    server.script(plain(json.dumps({"data": [{"url": "/home/admin/image/605d.jpg", "b64_json": None}]}).encode()))
    with pytest.raises(BadAnswerError, match="openai-image connect relay --send response_format=b64_json"):
        node(connection="relay")


def test_a_page_in_place_of_a_file_does_not_show_our_key(server: WireServer) -> None:
    """A file that asked for the key may say it back."""
    server.script(plain(json.dumps({"data": [{"url": "/red.png"}]}).encode()))
    server.file("/red.png", plain(b"", status="401 Unauthorized"))
    server.file("/red.png", plain(f"your key is {KEY}".encode()))
    with pytest.raises(BadAnswerError, match="gave no picture: your key is") as caught:
        node()
    assert KEY not in str(caught.value)
    for file in Path(os.environ["OPENAI_IMAGE_NODES_HOME"]).rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes()


@pytest.mark.parametrize("kept", ["/red.png", "files/red.png", base64.urlsafe_b64encode(RED).decode().rstrip("=")])
def test_what_an_older_version_kept_as_no_picture_is_looked_at_again(
    server: WireServer, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    """An address without a host, or base64 of another dialect, in the picture's place: had for nothing."""
    server.script(plain(json.dumps({"data": [{"url": "/red.png"}]}).encode()))
    with monkeypatch.context() as older:
        older.setattr(recorder, "pictures_of", lambda *_args, **_options: Pictures([kept.encode()]))
        older.setattr(recorder, "fetched", None)
        with pytest.raises(BadAnswerError):
            node()
    server.file("/red.png", plain(RED))
    server.file("/v1/files/red.png", plain(RED))
    for _ in range(2):
        assert colour() == [250, 0, 0]
    assert server.posts == 1
    assert len(server.gets) <= 1


def test_a_word_that_an_older_version_kept_is_not_asked_for(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no address, and stays what it is."""
    server.script(plain(GOOD))
    with monkeypatch.context() as older:
        older.setattr(recorder, "pictures_of", lambda *_args, **_options: Pictures([b"blocked"]))
        with pytest.raises(BadAnswerError):
            node()
    with pytest.raises(BadAnswerError, match="begins with blocked"):
        node()
    assert (server.posts, server.gets) == (1, [])


PART = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + RED[: len(RED) // 2]
LATE: dict[str, tuple[Step, ...]] = {
    "only a part, and no word of how much it is": (PART, CLOSE),
    "nothing yet, as accepted": (plain(b"", status="202 Accepted"),),
    "nothing yet, as no content": (plain(b"", status="204 No Content"),),
    "nothing yet, as a success": (plain(b""),),
    "words of a state": (plain(b'{"status": "processing"}'),),
    "a page": (plain(b"<html>wait</html>", "Content-Type: text/html"),),
}


@pytest.mark.parametrize("name", LATE)
def test_a_file_that_is_not_there_yet_is_asked_for_again(
    server: WireServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """To ask costs nothing, and half of a picture that is kept as the answer would be it for ever."""
    monkeypatch.setattr(downloads, "DOWNLOAD_PAUSES_S", (0.0,))
    server.script(plain(ADDRESS))
    server.file("/v1/red", *LATE[name])
    server.file("/v1/red", plain(RED))
    for _ in range(2):
        assert colour() == [250, 0, 0]
    assert (server.posts, sum(head.startswith(b"GET /v1/red ") for head in server.gets)) == (1, 2)


def test_half_of_a_file_is_fetched_by_the_next_run(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept as an address. What comes twice is all there is: some pictures lack their end and can be read."""
    monkeypatch.setattr(downloads, "DOWNLOAD_PAUSES_S", (0.0,))
    server.script(plain(ADDRESS))
    server.file("/v1/red", PART, CLOSE)
    server.file("/v1/red", PART + b"more", CLOSE)
    without_end = RED[: RED.rindex(b"IEND") - 4]
    server.file("/v1/red", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + without_end, CLOSE)
    with pytest.raises(BadAnswerError, match=r"could not be fetched \(the answer ended before its end\); the next run"):
        node()
    assert colour() == [250, 0, 0]
    assert server.posts == 1


@pytest.mark.parametrize("content", [RED, GOOD], ids=["a picture", "JSON"])
@pytest.mark.parametrize("more", [7, -7])
def test_a_file_is_had_whatever_length_was_told(server: WireServer, content: bytes, more: int) -> None:
    """It ends as its kind does: to ask again would bring the same wrong length for ever."""
    server.script(plain(ADDRESS))
    server.file("/v1/red", plain(content, length=len(content) + more), CLOSE)
    for _ in range(2):
        assert colour() == [250, 0, 0]
    assert (server.posts, len(server.gets)) == (1, 1)


BASE64 = base64.b64encode(RED).decode()
LINES = "\r\n".join(BASE64[at : at + 76] for at in range(0, len(BASE64), 76))
SKETCH = {"type": "image_generation.partial_image", "b64_json": BASE64, "partial_image_index": 0}
FINAL = {"type": "image_generation.completed", "b64_json": BASE64}
STREAMED = "Content-Type: text/event-stream"


def in_chat(content: str) -> bytes:
    return plain(json.dumps({"choices": [{"message": {"content": content}}]}).encode())


WRAPPED: dict[str, bytes] = {
    "a data address in lines in Markdown": in_chat(f"![x](data:image/png;base64,{LINES})"),
    "base64 in a block of code": in_chat(f"```\n{BASE64}\n```"),
    "base64 in lines as a part": plain(
        b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n--b--" % LINES.encode(),
        "Content-Type: multipart/mixed; boundary=b",
    ),
    "a mark of chat programs": plain(json.dumps({"data": [{"url": f"base64://{BASE64}"}]}).encode()),
    "JSON without a field's name behind a sketch": plain(event(**SKETCH) + GOOD, STREAMED),
    "JSON in lines of its own behind a sketch": plain(
        event(**SKETCH) + b"data: " + json.dumps(FINAL, indent=1).encode() + b"\n\n", STREAMED
    ),
    "a final event in the state of a sketch": plain(
        event(**SKETCH) + event(**FINAL, status="generating") + b"data: [DONE]\n\n", STREAMED
    ),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_a_picture_is_had_however_it_is_written(server: WireServer, name: str) -> None:
    """It is kept, and the next run has it from the disk."""
    server.script(WRAPPED[name])
    for _ in range(2):
        assert colour(live_preview=1) == [250, 0, 0]
    assert server.posts == 1


ADDRESSES: dict[str, tuple[str, str]] = {
    "escaped twice": (r"http:\\/\\/HOST\\/v1\\/red.png", "/v1/red.png"),
    "a scheme twice": ("http://http://HOST/v1/red.png", "/v1/red.png"),
    "a base address before it": ("http://HOST/v1http://HOST/v1/red.png", "/v1/red.png"),
    "one that another address leads to": ("/v1/via/https://x.invalid/red.png", "/v1/via/https://x.invalid/red.png"),
    "brackets in Markdown": ("![x](http://HOST/v1/red_(1).png)", "/v1/red_(1).png"),
    "escaped in Markdown": (r"![x](http:\\/\\/HOST\\/v1\\/red.png)", "/v1/red.png"),
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_addresses_are_followed_as_they_were_meant(server: WireServer, name: str) -> None:
    """What another program escaped, or put a base address before."""
    written, path = ADDRESSES[name]
    host = server.base_url.split("/")[2]
    server.script(plain(f'{{"data": [{{"url": "{written}"}}]}}'.replace("HOST", host).encode()))
    server.file(path, plain(RED))
    for _ in range(2):
        assert colour() == [250, 0, 0]
    assert (server.posts, len(server.gets)) == (1, 1)


@pytest.mark.parametrize(
    "said", ["Done: HOST/red.png", "Done!\n\n![x](HOST/red.png)\n", "<r><url>HOST/red.png</url></r>"]
)
def test_a_link_in_a_plain_text_is_followed(server: WireServer, said: str) -> None:
    """If it leads to a picture; else the text is told."""
    server.script(plain(said.replace("HOST", server.base_url).encode(), "Content-Type: text/plain"))
    with pytest.raises(BadAnswerError, match=r"The service says: .*/red\.png"):
        node()
    server.file("/v1/red.png", plain(RED))
    for _ in range(2):
        assert colour() == [250, 0, 0]
    assert server.posts == 1


def test_the_address_of_a_task_may_be_escaped_twice(server: WireServer) -> None:
    """As one of a picture."""
    host = server.base_url.split("/")[2]
    server.script(plain(json.dumps({"id": "t", "status": "queued", "poll_url": rf"http:\/\/{host}\/v1\/t"}).encode()))
    server.file("/v1/t", plain(GOOD))
    assert colour() == [250, 0, 0]
