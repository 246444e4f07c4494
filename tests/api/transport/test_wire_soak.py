"""Six hundred requests through all that a wire can do: each picture is had or its loss told, and none bought twice."""

from __future__ import annotations

import base64
import gzip
import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import wait

import pytest
from openai_image_nodes.api.connections import resolve
from openai_image_nodes.api.errors import BadAnswerError, OpenAIImageError, OutcomeUnknownError
from openai_image_nodes.api.jobs.manager import JobManager
from openai_image_nodes.api.store.records import StoredAnswer
from openai_image_nodes.api.transport import operation
from openai_image_nodes.api.transport.sessions import session_for
from support.asker import connection, job, painted
from support.node_calls import KEY
from support.wire_server import CLOSE, RESET, Step, WireServer, chunked, plain

pytestmark = [pytest.mark.slow, pytest.mark.longest]

SEED, COUNT = 20261127, 600
INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"


def b64(prompt: str) -> str:
    return base64.b64encode(painted(prompt)).decode()


def told(prompt: str, **fields: object) -> bytes:
    return json.dumps({"data": [{"b64_json": b64(prompt)}], **fields}).encode()


def event(prompt: str) -> bytes:
    return f"data: {json.dumps({'type': 'image_generation.completed', 'b64_json': b64(prompt)})}\n\n".encode()


# what comes, with its whole picture
GIVES: dict[str, Callable[[str], tuple[Step, ...]]] = {
    "plain": lambda prompt: (plain(told(prompt)),),
    "interim": lambda prompt: (INTERIM * 3, 0.002, INTERIM, plain(told(prompt))),
    "events labelled JSON": lambda prompt: (plain(event(prompt)),),
    "JSON labelled events": lambda prompt: (plain(told(prompt), "Content-Type: text/event-stream"),),
    "heartbeats": lambda prompt: (chunked(b": hi\n\n", b"\n ", told(prompt), kind="application/json"),),
    "final event and a broken line": lambda prompt: (chunked(event(prompt), end=False), RESET),
    "no last mark": lambda prompt: (chunked(told(prompt), kind="application/json", end=False), CLOSE),
    "length too large": lambda prompt: (plain(told(prompt), length=99_999), CLOSE),
    "false gzip": lambda prompt: (plain(told(prompt), "Content-Encoding: gzip"),),
    "gzip": lambda prompt: (plain(gzip.compress(told(prompt)), "Content-Encoding: gzip"),),
    "odd fields": lambda prompt: (plain(told(prompt, usage="x", size={}, quality=1)),),
    "the picture itself": lambda prompt: (plain(painted(prompt), "Content-Type: image/png"),),
    "another place": lambda prompt: (plain(json.dumps({"thing": {"deep": b64(prompt)}}).encode()),),
    "a sketch before it": lambda prompt: (
        plain(json.dumps({"status": "processing", "image": b64("a stranger")}).encode() + b"\n" + told(prompt)),
    ),
    "length too small": lambda prompt: (plain(told(prompt), length=len(told(prompt)) - 9), CLOSE),
    "chunks that are none": lambda prompt: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + told(prompt),
        CLOSE,
    ),
    "packed twice": lambda prompt: (plain(gzip.compress(gzip.compress(told(prompt)))),),
    "bytes left over": lambda prompt: (plain(told(prompt)) + plain(told("a stranger")),),
}
# what is lost, or said to be no picture
LOSES: dict[str, Callable[[str], tuple[Step, ...]]] = {
    "nothing": lambda _prompt: (CLOSE,),
    "reset": lambda _prompt: (RESET,),
    "interim alone": lambda _prompt: (INTERIM, CLOSE),
    "cut in the picture": lambda prompt: (plain(told(prompt)[:60], length=len(told(prompt))), CLOSE),
    "502": lambda _prompt: (plain(b"<html>Bad Gateway</html>", status="502 Bad Gateway"),),
    "500 of a relay": lambda _prompt: (plain(b'{"error":{"message":"read response body failed"}}', status="500 Oops"),),
    "a challenge": lambda _prompt: (plain(b"<title>Just a moment...</title>", status="503 No"),),
    "a picture cut off": lambda prompt: (plain(painted(prompt)[:-20], length=9999), CLOSE),
    "503 of a relay": lambda _prompt: (plain(b'{"error":{"message":"upstream connect error"}}', status="503 No"),),
    "524": lambda _prompt: (plain(b"error code: 524", status="524 Timeout"),),
    "refused": lambda _prompt: (plain(b'{"error":{"message":"no","code":"bad_request"}}', status="400 Bad Request"),),
    "no picture": lambda _prompt: (plain(b'{"data":[]}'),),
}
REFUSED = ("refused", "a challenge")
ALL = {**GIVES, **LOSES}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WireServer]:
    with WireServer() as started:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", started.base_url)
        monkeypatch.setenv("OPENAI_IMAGE_NODES_MAX_IN_FLIGHT", "12")
        yield started
        session_for(started.base_url).close()


def test_hundreds_of_requests_with_every_fault(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures had and errors told are all requests, each was sent once, and each picture lies under its own prompt."""
    monkeypatch.setattr(operation, "AFTER_END_S", 0.2)
    chosen = random.Random(SEED).choices(list(ALL), k=COUNT)
    kinds = {f"fox {number}": kind for number, kind in enumerate(chosen)}
    given, lock = set(), threading.Lock()

    def answer(body: bytes) -> tuple[Step, ...]:
        prompt = json.loads(body)["prompt"]
        with lock:
            given.add(prompt)
        return ALL[kinds[prompt]](prompt)

    server.answer = answer
    relay = resolve.Connection(name="relay", base_url=server.base_url.replace("127.0.0.1", "localhost"))
    own = connection("openai")
    jobs = JobManager()
    handles = {prompt: jobs.submit(job(own if number % 2 else relay, prompt)) for number, prompt in enumerate(kinds)}
    wait([handle.future for handle in handles.values()])
    for prompt, handle in handles.items():
        error = handle.future.exception()
        if kinds[prompt] in GIVES:
            assert error is None, (kinds[prompt], error)
            found: StoredAnswer = handle.future.result()
            assert found.pictures == [painted(prompt)], kinds[prompt]
            assert found.folder is not None
            assert (found.folder / "picture_0.png").read_bytes() == painted(prompt)
        else:
            assert isinstance(error, OpenAIImageError), (kinds[prompt], error)
            assert isinstance(error, (OutcomeUnknownError, BadAnswerError)) or kinds[prompt] in REFUSED, kinds[prompt]
    assert given == set(kinds)
    assert server.posts == COUNT
