"""A service that answers at once, in a process of its own: `python -m bench.answerer FOLDER` says its port.

POST /NAME/DELAY_MS/... is answered with FOLDER/NAME.json after the delay, GET /files/NAME with FOLDER/NAME, and
GET /connections with the number of connections that were opened so far.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

READ_BYTES = 1 << 20


class Server(ThreadingHTTPServer):
    """Counts its connections."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        self.opened = 0
        self.lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """Reads the whole request, then answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.counted = False

    def do_POST(self) -> None:
        self._count()
        self._read_body()
        name, delay_ms = self.path.split("/")[1:3]
        time.sleep(int(delay_ms) / 1000)
        self._say(self.server.files[f"{name}.json"], "application/json")

    def do_GET(self) -> None:
        if self.path == "/connections":
            self._say(str(self.server.opened).encode(), "text/plain")
        else:
            self._count()
            self._say(self.server.files[self.path.rpartition("/")[2]], "image/png")

    def _count(self) -> None:
        with self.server.lock:
            self.server.opened += not self.counted
        self.counted = True

    def _read_body(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0:
            left -= len(self.rfile.read(min(left, READ_BYTES)))

    def _say(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Address(str):
    """Where the service listens."""

    __slots__ = ()

    def answering(self, name: str, delay_ms: int = 0) -> str:
        """Return the address at which it answers with FOLDER/NAME.json."""
        return f"{self}/{name}/{delay_ms}"

    def connections(self) -> int:
        """Return how many connections were opened so far."""
        with urllib.request.urlopen(f"{self}/connections") as response:  # noqa: S310 - our own loopback address
            return int(response.read())


@contextmanager
def answering(folder: Path) -> Iterator[Address]:
    """Run the service over a folder's files."""
    command = [sys.executable, "-m", "bench.answerer", str(folder)]
    here = Path(__file__).parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=here) as child:  # noqa: S603
        try:
            if child.stdout is None:
                raise RuntimeError("the service has no output")
            yield Address(f"http://127.0.0.1:{int(child.stdout.readline())}")
        finally:
            child.terminate()


if __name__ == "__main__":
    service = Server(Path(sys.argv[1]))
    print(service.server_address[1], flush=True)
    service.serve_forever()
