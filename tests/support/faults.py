"""Misbehaviour for the sandbox, as an aiohttp middleware that a test scripts; none of it is in the sandbox itself.

    faults = Faults()
    with Sandbox(middlewares=[faults]) as sandbox:
        faults.status(429, code="rate_limit_exceeded", headers={"Retry-After": "1"})
        faults.drop("after_body")
        ...
        assert (faults.posts, faults.billed) == (3, 1)

Each POST takes one fault from the queue, in order; with an empty queue it gets the sandbox's own answer.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from aiohttp import web
from aiohttp.payload import Payload
from aiohttp.typedefs import Handler

Drop = Literal["before_body", "after_body", "after_work", "in_answer"]
SLOW_PIECES = 20
POLL_S = 0.005


@dataclass(frozen=True)
class Fault:
    """One misbehaviour. Parts can be combined: `Fault(delay_before_s=1, drop="after_work")`.

    `body` with `status` answers instead of the sandbox, which then does no work. `change` turns the bytes of the
    sandbox's own answer into others. `drop` breaks the connection: before the body is read; when it is read, with
    no work done; when the work is done (billed) but not a byte answered; or in the middle of the answer (billed).
    `gate` holds the request before the work, `gate_at_end` the last piece of a slow answer.
    """

    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    change: Callable[[web.Request, bytes], bytes] | None = None
    delay_before_s: float = 0.0
    delay_after_s: float = 0.0
    slow_s: float = 0.0
    drop: Drop | None = None
    gate: threading.Event | None = None
    gate_at_end: threading.Event | None = None


@dataclass(frozen=True)
class Seen:
    """A request as it came. `body` is empty where the connection was broken before it was read."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body of a JSON request."""
        return json.loads(self.body)


class Faults:
    """The middleware: a queue of faults, what was seen, and how often there was an answer that costs money.

    `posts` counts every POST, `billed` those that the sandbox itself answered with 200 and not by replay,
    `requests` holds each POST with path, headers and raw body, `gets` every GET. All may be read at any time.
    """

    __middleware_version__ = 1  # what aiohttp's @web.middleware sets

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.gets: list[Seen] = []
        self.billed = 0
        self._queues: dict[str, deque[Fault]] = {"POST": deque(), "GET": deque()}
        self._pictures: dict[str, bytes] = {}

    @property
    def posts(self) -> int:
        """The number of POSTs that came in, broken ones included."""
        return len(self.requests)

    @property
    def waiting(self) -> int:
        """The number of faults that no POST has taken yet."""
        return len(self._queues["POST"])

    def clear(self) -> None:
        """Forget the faults that nothing has taken yet."""
        for queue in self._queues.values():
            queue.clear()

    # Scripting: each of these adds one fault and returns the object, so that calls can be chained.

    def add(self, fault: Fault, *, times: int = 1, method: Literal["POST", "GET"] = "POST") -> Faults:
        """Add a fault of any kind; GET faults are for the downloads of pictures."""
        self._queues[method].extend([fault] * times)
        return self

    def normal(self, *, times: int = 1) -> Faults:
        """Let a POST through untouched."""
        return self.add(Fault(), times=times)

    def status(
        self,
        status: int,
        *,
        message: str = "scripted",
        type: str = "scripted_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
    ) -> Faults:
        """Answer with a status and an error of the service's shape."""
        error = {"error": {"message": message, "type": type, "param": param, "code": code}}
        return self.answer(status, error, headers=headers, times=times)

    def answer(
        self, status: int, body: object = b"", *, headers: Mapping[str, str] | None = None, times: int = 1
    ) -> Faults:
        """Answer with a status and any body: bytes and str as they are, anything else as JSON."""
        raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        kind = {"Content-Type": "text/plain" if isinstance(body, str | bytes) else "application/json"}
        return self.add(Fault(status=status, body=raw, headers={**kind, **(headers or {})}), times=times)

    def delay(self, *, before_s: float = 0.0, after_s: float = 0.0) -> Faults:
        """Wait before the sandbox's work, or between its work and the answer."""
        return self.add(Fault(delay_before_s=before_s, delay_after_s=after_s))

    def slow(self, seconds: float) -> Faults:
        """Send the answer's bytes in pieces over so many seconds."""
        return self.add(Fault(slow_s=seconds))

    def hold(self) -> threading.Event:
        """Hold a POST, its work not yet done, until the event that is returned is set."""
        gate = threading.Event()
        self.add(Fault(gate=gate))
        return gate

    def drop(self, when: Drop, *, times: int = 1) -> Faults:
        """Break the connection: before_body, after_body (no work done), after_work or in_answer (both billed)."""
        return self.add(Fault(drop=when), times=times)

    def broken_json(self) -> Faults:
        """Answer 200 with the first half of the JSON."""
        return self.add(Fault(change=lambda _request, body: body[: len(body) // 2]))

    def broken_picture(self, index: int = 0) -> Faults:
        """Answer with picture `index` cut off after a quarter, the others whole."""
        return self.add(Fault(change=lambda _request, body: _with_broken_picture(body, index)))

    def urls(self) -> Faults:
        """Answer with addresses in place of base64; the pictures can be downloaded from them."""
        return self.add(Fault(change=self._with_urls))

    def no_data(self) -> Faults:
        """Answer 200 with an empty `data`."""
        return self.add(Fault(change=lambda _request, body: _changed(body, data=[])))

    # What aiohttp calls.

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Take the next fault for a request and do as it says."""
        queue = self._queues.get(request.method, deque())
        unread = bool(queue) and queue[0].drop == "before_body"
        body = b"" if unread else await request.read()
        fault = queue.popleft() if queue else Fault()  # as it is noted: whoever sees its answer sees those before it
        self._note(request, body)
        if fault.drop in ("before_body", "after_body"):
            return _broken(request)
        await asyncio.sleep(fault.delay_before_s)
        while fault.gate is not None and not fault.gate.is_set():
            await asyncio.sleep(POLL_S)
        response = await self._response(request, handler, fault)
        await asyncio.sleep(fault.delay_after_s)
        return await _sent(request, response, fault)

    def _note(self, request: web.Request, body: bytes) -> None:
        seen = Seen(request.method, request.path_qs, request.headers.copy(), body)
        (self.requests if request.method == "POST" else self.gets).append(seen)

    async def _response(self, request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
        if fault.status is not None:
            return web.Response(status=fault.status, body=fault.body, headers=fault.headers)
        if request.path.startswith("/faults/"):
            return web.Response(body=self._pictures[request.path], content_type="image/png")
        response = await handler(request)
        if request.method == "POST" and response.status == 200 and "Idempotent-Replayed" not in response.headers:
            self.billed += 1
        response.headers.update(fault.headers)
        if fault.change is not None and isinstance(response, web.Response):
            response.body = fault.change(request, await _bytes_of(response))
        return response

    def _with_urls(self, request: web.Request, body: bytes) -> bytes:
        data = []
        for item in json.loads(body)["data"]:
            picture = base64.b64decode(item["b64_json"])
            path = f"/faults/{hashlib.sha256(picture).hexdigest()}"
            self._pictures[path] = picture
            data.append({"url": f"{request.url.origin()}{path}"})
        return _changed(body, data=data)


async def _sent(request: web.Request, response: web.StreamResponse, fault: Fault) -> web.StreamResponse:
    """Return the response, or send it slowly, or a part of it and break the connection."""
    if fault.drop == "after_work":
        return _broken(request)
    if not isinstance(response, web.Response) or not (fault.slow_s or fault.drop):
        return response
    body = await _bytes_of(response)
    kept = body[: len(body) // 2] if fault.drop else body
    out = web.StreamResponse(status=response.status, headers=response.headers)
    if out.content_type != "text/event-stream":  # streams go out in chunks, as the service sends them
        out.content_length = len(body)
    await out.prepare(request)
    size = max(1, -(-len(kept) // SLOW_PIECES))
    for start in range(0, len(kept), size):
        await asyncio.sleep(fault.slow_s / SLOW_PIECES)
        while fault.gate_at_end is not None and start + size >= len(kept) and not fault.gate_at_end.is_set():
            await asyncio.sleep(POLL_S)
        await out.write(kept[start : start + size])
    if fault.drop:
        return _broken(request, out)
    return out


def _broken(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Close the connection; what was written before still goes out."""
    if request.transport is not None:
        request.transport.close()
    return response or web.Response()


async def _bytes_of(response: web.Response) -> bytes:
    body = response.body
    if not isinstance(body, Payload):
        return bytes(body or b"")
    collector = _Collector()
    await body.write(cast(Any, collector))
    return bytes(collector.data)


class _Collector:
    """Takes what a body writes: `Payload.as_bytes` came with aiohttp 3.12."""

    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self.data += chunk


def _changed(body: bytes, **fields: object) -> bytes:
    return json.dumps({**json.loads(body), **fields}).encode()


def _with_broken_picture(body: bytes, index: int) -> bytes:
    data = json.loads(body)["data"]
    picture = base64.b64decode(data[index]["b64_json"])
    data[index]["b64_json"] = base64.b64encode(picture[: len(picture) // 4]).decode()
    return _changed(body, data=data)
