"""A loopback server that keeps every request as it came and answers what a test tells it to.

    with Capture() as server:
        server.reply(429, {"error": {...}}, {"Retry-After": "1"})
        ...
        assert server.last.fields() == {...}

Each POST takes one reply from the queue; with an empty queue it gets one small picture.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from openai_image_nodes.api.transport.sessions import session_for
from PIL import Image

POLL_S = 0.005
PATIENCE_S = 60.0  # for a gate or a barrier that nobody opens: then the connection is closed


def picture(width: int = 8, height: int = 8, *, kind: str = "PNG", color: tuple[int, ...] = (200, 100, 50)) -> bytes:
    """Return an encoded picture of one colour; four numbers give it an alpha channel."""
    out = io.BytesIO()
    Image.new("RGBA" if len(color) == 4 else "RGB", (width, height), color).save(out, kind)
    return out.getvalue()


def pixels(data: bytes) -> np.ndarray:
    """Return the pixels of an encoded picture, uint8 [H,W,C]."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def success(*pictures: bytes, **fields: object) -> dict[str, Any]:
    """Return the answer of the service for these pictures, one small one by default."""
    data = [{"b64_json": base64.b64encode(each).decode()} for each in pictures or [picture()]]
    return {"created": 1, "data": data, **fields}


def failure(message: str, *, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """Return an error of the service's shape."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


@dataclass(frozen=True)
class Part:
    """One part of a multipart body; `filename` and `content_type` are None where the part does not say."""

    name: str
    filename: str | None
    content_type: str | None
    data: bytes


@dataclass(frozen=True)
class Captured:
    """One request as it came."""

    method: str
    target: str
    headers: Message
    body: bytes = field(repr=False)

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> str:
        """The query, "" if there is none."""
        return urlsplit(self.target).query

    @property
    def is_json(self) -> bool:
        """Whether the body says that it is JSON."""
        return self.headers.get_content_type() == "application/json"

    def fields(self) -> dict[str, Any]:
        """Return the scalar fields: of JSON with their types, of multipart as text."""
        if self.is_json:
            fields: dict[str, Any] = json.loads(self.body)
            return fields
        scalars = [part for part in self.parts() if part.filename is None]
        assert len({part.name for part in scalars}) == len(scalars), "a field came twice"
        assert {part.content_type for part in scalars} <= {None}, "a scalar has a content type"
        return {part.name: part.data.decode("utf-8") for part in scalars}

    def files(self) -> list[Part]:
        """Return the file parts in order."""
        return [part for part in self.parts() if part.filename is not None]

    def parts(self) -> list[Part]:
        """Return all parts of a multipart body in order."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        whole = BytesParser().parsebytes(head + self.body)
        assert whole.is_multipart(), self.headers["Content-Type"]
        assert not whole.defects, whole.defects
        return [_part(part) for part in whole.get_payload()]


def _part(part: Message) -> Part:
    name = part.get_param("name", header="content-disposition")
    data = part.get_payload(decode=True)
    assert isinstance(name, str)
    assert isinstance(data, bytes)
    return Part(name, part.get_filename(), part.get("Content-Type"), data)


@dataclass(frozen=True)
class Reply:
    """What a POST is answered with."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Capture:
    """The server. GETs get what `files` has: content, or a whole reply.

    `gate` holds every POST while it is not set, `barrier` until so many have come; `break_off` closes the connection
    in place of an answer, `on_post` is called when a POST has come.
    """

    def __init__(self) -> None:
        self.requests: list[Captured] = []
        self.files: dict[str, bytes | Reply] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.barrier: threading.Barrier | None = None
        self.on_post: Callable[[], object] | None = None
        self.arrived = threading.Event()
        self.break_off = False
        self.answered = 0
        self.peers: list[tuple[str, int]] = []
        self._replies: deque[Reply] = deque()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.capture = self

    def __enter__(self) -> Capture:
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.gate.set()
        session_for(self.base_url).close()  # else each test would leave open sockets behind
        self._server.shutdown()
        self._server.server_close()

    @property
    def base_url(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def posts(self) -> list[Captured]:
        """The requests that cost money."""
        return [request for request in self.requests if request.method == "POST"]

    @property
    def last(self) -> Captured:
        """The newest request."""
        return self.requests[-1]

    def reply(self, status: int, body: object, headers: Mapping[str, str] | None = None, *, times: int = 1) -> None:
        """Answer the next POSTs with this: bytes and text as they are, anything else as JSON."""
        raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self._replies.extend([Reply(status, raw, {"Content-Type": "application/json", **(headers or {})})] * times)

    def clear(self) -> None:
        """Forget what was captured and what was to be answered."""
        self.requests.clear()
        self._replies.clear()
        self.arrived.clear()
        self.peers.clear()
        self.answered = 0

    def _answer(self, request: Captured) -> Reply:
        self.requests.append(request)
        if request.method == "GET":
            data = self.files.get(request.path)
            if isinstance(data, Reply):
                return data
            return Reply(404 if data is None else 200, data or b"", {"Content-Type": "application/octet-stream"})
        self.arrived.set()
        if self.on_post is not None:
            self.on_post()
        reply = self._replies.popleft() if self._replies else Reply(200, json.dumps(success()).encode(), {})
        if self.barrier is not None:
            self.barrier.wait(PATIENCE_S)
        assert self.gate.wait(PATIENCE_S), "nobody opened the gate"
        return reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    capture: Capture


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else small answers wait 40 ms for an acknowledgement
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.capture.peers.append(self.client_address)
        reply = self.server.capture._answer(Captured(self.command, self.path, self.headers, body))
        if self.server.capture.break_off:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.server.capture.answered += 1
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
