"""A server below HTTP: it reads each request whole and writes back the very bytes that a test scripted.

    with WireServer() as server:
        server.script(b"HTTP/1.1 102 Processing\r\n\r\n", 0.2, plain(b"{...}"), HOLD)
        ...
        assert server.posts == 1

A number is a pause in seconds. After the script the connection is kept for the next request; CLOSE ends it, RESET
breaks it, HOLD keeps it open and silent until the server stops. A GET takes its script by its path, else it is a 404.
"""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator

import pytest
from openai_image_nodes.api.transport import downloads, operation
from openai_image_nodes.api.transport.sessions import session_for

from .node_calls import KEY

CLOSE, RESET, HOLD = "close", "reset", "hold"
Step = bytes | float | str
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def plain(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """Return an answer as JSON with a Content-Length, of its body's size by default."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    if not any(header.lower().startswith("content-type") for header in headers):
        lines.append("Content-Type: application/json")
    return ("\r\n".join([*lines, *headers]) + "\r\n\r\n").encode() + body


def chunked(*pieces: bytes, kind: str = "text/event-stream", head: bool = True, end: bool = True) -> bytes:
    """Return an answer in chunks, or more of one without its `head`; without its last mark if not `end`."""
    first = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return (first if head else b"") + body + (b"0\r\n\r\n" if end else b"")


class WireServer:
    """Listens on loopback; `posts` counts the requests that came whole, `bodies` holds them, `heads` what led them."""

    def __init__(self) -> None:
        self.posts = 0
        self.bodies: list[bytes] = []
        self.heads: list[bytes] = []
        self.gets: list[bytes] = []
        self.connections = 0
        self.reads_after_s = 0.0  # of a request the rest behind its head
        self.answer: Callable[[bytes], tuple[Step, ...]] | None = None  # instead of a script, by the request's body
        self._scripts: deque[tuple[Step, ...]] = deque()
        self._files: dict[str, deque[tuple[Step, ...]]] = {}
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def script(self, *steps: Step) -> None:
        """Add what the next POST gets."""
        self._scripts.append(steps)

    def file(self, path: str, *steps: Step) -> None:
        """Add what the next GET of a path gets; the last one is given again and again."""
        self._files.setdefault(path, deque()).append(steps)

    def __enter__(self) -> WireServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closed alone, it would leave the thread in accept for ever
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected: socket.socket) -> None:
        with contextlib.suppress(OSError), connected, connected.makefile("rb") as reader:
            while head := self._head(reader):
                method, path = head.split(b" ", 2)[:2]
                if method == b"GET":
                    self.gets.append(head)
                    waiting = self._files.get(path.decode(), deque([(NOT_FOUND,)]))
                    steps = waiting.popleft() if len(waiting) > 1 else waiting[0]
                else:
                    self._stopped.wait(self.reads_after_s)
                    body = self._body(head, reader)
                    self._note(head, body)
                    steps = self.answer(body) if self.answer else self._scripts.popleft()
                if not self._play(connected, steps):
                    return

    def _note(self, head: bytes, body: bytes) -> None:
        with self._lock:
            self.bodies.append(body)
            self.heads.append(head)
            self.posts += 1

    def _play(self, connected: socket.socket, steps: tuple[Step, ...]) -> bool:
        for step in steps:
            if isinstance(step, bytes):
                connected.sendall(step)
            elif step == HOLD:
                self._stopped.wait()
            elif isinstance(step, str):
                if step == RESET:
                    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            else:
                self._stopped.wait(step)
        return True

    @staticmethod
    def _head(reader: io.BufferedReader) -> bytes:
        lines = []
        while (line := reader.readline()) not in (b"\r\n", b""):
            lines.append(line)
        return b"".join(lines)

    @staticmethod
    def _body(head: bytes, reader: io.BufferedReader) -> bytes:
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return reader.read(int(line.partition(b":")[2]))
        pieces = []
        while size := int(reader.readline(), 16):
            pieces.append(reader.read(size))
            reader.readline()
        reader.readline()
        return b"".join(pieces)


@contextlib.contextmanager
def openai_wire(monkeypatch: pytest.MonkeyPatch, *, after_end_s: float | None = None) -> Iterator[WireServer]:
    """Run a server behind the connection openai, whose downloads are tried again without a pause."""
    with WireServer() as started:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", started.base_url)
        monkeypatch.setattr(downloads, "DOWNLOAD_PAUSES_S", ())
        if after_end_s is not None:
            monkeypatch.setattr(operation, "AFTER_END_S", after_end_s)
        yield started
        session_for(started.base_url).close()
