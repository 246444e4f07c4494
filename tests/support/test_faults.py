"""Each fault does what it says; with none scripted the middleware changes nothing."""

from __future__ import annotations

import base64
import io
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from openai_image_nodes.sandbox import Sandbox
from PIL import Image

from support.faults import Drop, Fault, Faults

ASK = {"model": "gpt-image-2.6-flare", "prompt": "A red fox"}


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Sandbox, list[Faults]]]:
    current: list[Faults] = [Faults()]

    class Current(Faults):
        async def __call__(self, request: Any, handler: Any) -> Any:
            return await current[0](request, handler)

    with Sandbox(middlewares=[Current()]) as sandbox:
        yield sandbox, current


@pytest.fixture
def sandbox(shared: tuple[Sandbox, list[Faults]]) -> Sandbox:
    return shared[0]


@pytest.fixture
def faults(shared: tuple[Sandbox, list[Faults]]) -> Faults:
    shared[1][0] = Faults()
    return shared[1][0]


def ask(
    sandbox: Sandbox, prefix: str = "/v1", headers: dict[str, str] | None = None, **fields: Any
) -> requests.Response:
    url = f"{sandbox.base_url}{prefix}/images/generations"
    return requests.post(url, json={**ASK, **fields}, headers=headers, timeout=30)


def readable(b64_json: str) -> bool:
    try:
        with Image.open(io.BytesIO(base64.b64decode(b64_json))) as image:
            image.load()
    except OSError:
        return False
    return True


def test_without_faults_nothing_changes(sandbox: Sandbox, faults: Faults) -> None:
    """The answer is the sandbox's own; it is counted, and the request is kept as it came."""
    assert readable(ask(sandbox).json()["data"][0]["b64_json"])
    assert (faults.posts, faults.billed, faults.waiting) == (1, 1, 0)
    seen = faults.requests[0]
    assert (seen.method, seen.path, seen.json()) == ("POST", "/v1/images/generations", ASK)
    assert seen.headers["content-type"] == "application/json"


def test_fault_goes_to_the_request_that_is_there_first(sandbox: Sandbox, faults: Faults) -> None:
    """One whose body is still on its way takes none: whoever sees the answer to a fault sees the requests before it."""
    faults.status(400)
    at = urlsplit(sandbox.base_url)
    with socket.create_connection((at.hostname, at.port)) as half:
        half.sendall(b"POST /v1/images/generations HTTP/1.1\r\nHost: sandbox\r\nContent-Length: 9\r\n\r\n")
        assert (ask(sandbox).status_code, faults.posts, faults.waiting) == (400, 1, 0)


def test_refusals_are_not_billed(sandbox: Sandbox, faults: Faults) -> None:
    """Only answers with 200 cost."""
    ask(sandbox, n=11)
    assert (faults.posts, faults.billed) == (1, 0)


def test_replays_are_not_billed(sandbox: Sandbox, faults: Faults) -> None:
    """A replayed answer was paid for before."""
    for _ in range(2):
        assert ask(sandbox, "/proxy/openai", {"Idempotency-Key": "faults"}).ok
    assert (faults.posts, faults.billed) == (2, 1)


def test_status(sandbox: Sandbox, faults: Faults) -> None:
    """A scripted error has its shape, its headers, and a request id; no work is done."""
    faults.status(429, message="slow down", code="rate_limit_exceeded", headers={"Retry-After": "7"})
    answer = ask(sandbox)
    error = {"message": "slow down", "type": "scripted_error", "param": None, "code": "rate_limit_exceeded"}
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json() == {"error": error}
    assert answer.headers["x-request-id"]
    assert faults.billed == 0


@pytest.mark.parametrize(
    ("body", "text", "kind"),
    [("<html>", "<html>", "text/plain"), (b"\x00", "\x00", "text/plain"), ({"a": 1}, '{"a": 1}', "application/json")],
)
def test_answer(sandbox: Sandbox, faults: Faults, body: object, text: str, kind: str) -> None:
    """Any body can be answered: text, bytes or JSON."""
    faults.answer(502, body)
    answer = ask(sandbox)
    assert (answer.status_code, answer.text, answer.headers["Content-Type"]) == (502, text, kind)


def test_faults_are_taken_in_order_one_by_each_post(sandbox: Sandbox, faults: Faults) -> None:
    """After the queue is empty all is well again; GETs take none."""
    faults.status(500, times=2).normal().status(503)
    requests.get(f"{sandbox.base_url}/v1/models", timeout=30)
    assert faults.waiting == 4
    assert [ask(sandbox).status_code for _ in range(5)] == [500, 500, 200, 503, 200]


@pytest.mark.parametrize(
    ("when", "billed", "body_seen"),
    [("before_body", 0, False), ("after_body", 0, True), ("after_work", 1, True), ("in_answer", 1, True)],
)
def test_drop(sandbox: Sandbox, faults: Faults, when: Drop, billed: int, body_seen: bool) -> None:
    """The client gets no answer; what was done and paid until then depends on when."""
    faults.drop(when)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        ask(sandbox)
    assert (faults.posts, faults.billed, bool(faults.requests[0].body)) == (1, billed, body_seen)
    assert ask(sandbox).ok


def test_drop_before_a_large_body_is_read(sandbox: Sandbox, faults: Faults) -> None:
    """The connection breaks while the client is still sending."""
    faults.drop("before_body")
    files = {"image": ("x.png", bytes(40_000_000), "image/png")}
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{sandbox.base_url}/v1/images/edits", data=ASK, files=files, timeout=30)


def test_drop_in_a_stream(sandbox: Sandbox, faults: Faults) -> None:
    """A stream can break after its first events."""
    faults.drop("in_answer")
    received = b""
    with pytest.raises(requests.exceptions.ChunkedEncodingError):  # noqa: PT012 - the break comes while reading
        url = f"{sandbox.base_url}/v1/images/generations"
        body = {**ASK, "stream": True, "partial_images": 3}
        with requests.post(url, json=body, stream=True, timeout=30) as answer:
            for piece in answer.iter_content(4096):
                received += piece
    assert b"partial_image" in received
    assert b"completed" not in received


def test_dropped_work_is_replayed_by_its_key(sandbox: Sandbox, faults: Faults) -> None:
    """Work whose answer was lost can be had again under the same key, and is billed once."""
    faults.drop("after_work")
    headers = {"Idempotency-Key": "lost"}
    with pytest.raises(requests.ConnectionError):
        ask(sandbox, "/proxy/openai", headers)
    assert ask(sandbox, "/proxy/openai", headers).headers["Idempotent-Replayed"] == "true"
    assert (faults.posts, faults.billed) == (2, 1)


def test_delay(sandbox: Sandbox, faults: Faults) -> None:
    """An answer can be late: before the work or after it."""
    faults.delay(before_s=0.15, after_s=0.15)
    began = time.monotonic()
    assert ask(sandbox).ok
    assert time.monotonic() - began >= 0.3


def test_client_that_gives_up_is_billed_all_the_same(sandbox: Sandbox, faults: Faults) -> None:
    """The work goes on when the client is gone."""
    faults.delay(before_s=0.3)
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{sandbox.base_url}/v1/images/generations", json=ASK, timeout=0.1)
    deadline = time.monotonic() + 60
    while not faults.billed and time.monotonic() < deadline:
        time.sleep(0.02)
    assert faults.billed == 1


@pytest.mark.slow
def test_slow(sandbox: Sandbox, faults: Faults) -> None:
    """The head comes at once, the body in pieces over the time asked, and whole."""
    whole = ask(sandbox).content
    faults.slow(0.4)
    began = time.monotonic()
    with requests.post(f"{sandbox.base_url}/v1/images/generations", json=ASK, stream=True, timeout=30) as answer:
        head = time.monotonic() - began
        content = answer.content
    assert time.monotonic() - began - head >= 0.3
    assert content == whole


def test_hold(sandbox: Sandbox, faults: Faults) -> None:
    """A held request is seen, not answered, and goes on when let; others are not held."""
    gate = faults.hold()
    with ThreadPoolExecutor() as pool:
        held = pool.submit(ask, sandbox)
        while not faults.posts:
            time.sleep(0.01)
        assert ask(sandbox).ok
        assert not held.done()
        gate.set()
        assert held.result().ok


def test_broken_json(sandbox: Sandbox, faults: Faults) -> None:
    """200, and half of the answer: paid for, not readable."""
    faults.broken_json()
    answer = ask(sandbox)
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()
    assert faults.billed == 1


def test_broken_picture(sandbox: Sandbox, faults: Faults) -> None:
    """One of n pictures is damaged, the others are whole."""
    faults.broken_picture(1)
    data = ask(sandbox, n=3).json()["data"]
    assert [readable(item["b64_json"]) for item in data] == [True, False, True]


def test_urls(sandbox: Sandbox, faults: Faults) -> None:
    """Pictures as addresses, on a path whose sandbox would not give them; downloads can fail too."""
    whole = ask(sandbox).json()["data"][0]["b64_json"]
    faults.urls().add(Fault(status=503), method="GET")
    url = ask(sandbox).json()["data"][0]["url"]
    first, second = requests.get(url, timeout=30), requests.get(url, timeout=30)
    assert (first.status_code, second.status_code) == (503, 200)
    assert second.content == base64.b64decode(whole)
    assert len(faults.gets) == 2


def test_no_data(sandbox: Sandbox, faults: Faults) -> None:
    """200 and no pictures."""
    faults.no_data()
    assert ask(sandbox).json()["data"] == []


def test_parts_can_be_combined(sandbox: Sandbox, faults: Faults) -> None:
    """A fault can add headers to an answer of the sandbox's own, and be late as well."""
    faults.add(Fault(headers={"X-Comfy-Credits-Used": "1.5"}, delay_after_s=0.1))
    began = time.monotonic()
    assert ask(sandbox).headers["X-Comfy-Credits-Used"] == "1.5"
    assert time.monotonic() - began >= 0.1
