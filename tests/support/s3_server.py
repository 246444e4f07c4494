"""A real S3 server on loopback: moto's, with one thing fixed (a conditional write is one step) and faults on demand.

python s3_server.py        serves until its input ends, and says its address first
"""

from __future__ import annotations

import http.client
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "farm"
SECRET = "planted-secret-of-the-bucket-0123456789"
FAULT = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>planted</Message></Error>"


class Quiet(WSGIRequestHandler):
    """Writes no log, and keeps connections as S3 does."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, *_arguments: Any, **_options: Any) -> None:
        pass


class S3Server:
    """Serves one bucket; `fails` tells by method and path which requests fail, `seen` is what came."""

    def __init__(self) -> None:
        # takes half a second, of each process that only collects the tests
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self.conditional = True
        self.fails: Callable[[str, str], bool] = lambda _method, _path: False
        self.seen: list[tuple[str, str]] = []
        self._app = DomainDispatcherApplication(create_backend_app)
        self._port = 0
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> S3Server:
        self.listen()
        self._make_bucket()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.hang_up()

    def reset(self) -> None:
        """Forget what was asked, and do nothing wrong."""
        self.conditional, self.fails = True, lambda _method, _path: False
        self.seen.clear()

    def listen(self) -> None:
        """Begin to answer, on the same port as before."""
        self._server = make_server("127.0.0.1", self._port, self, threaded=True, request_handler=Quiet)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def hang_up(self) -> None:
        """Answer nobody any more; what is kept stays."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.fails = lambda _method, _path: True  # for connections that are open still

    @property
    def count(self) -> Counter[str]:
        """How many requests came, by method."""
        return Counter(method for method, _ in self.seen)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point a process here."""
        return {
            "AWS_ACCESS_KEY_ID": "planted-id",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        query = environ.get("QUERY_STRING", "")
        self.seen.append((method, f"{path}?{query}" if query else path))
        if self.fails(method, path):
            start(
                "500 Internal Server Error", [("Content-Type", "application/xml"), ("Content-Length", str(len(FAULT)))]
            )
            return [FAULT]
        if not self.conditional:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        with self._one_at_a_time:  # moto looks first and writes then
            return list(self._app(environ, start))

    def _make_bucket(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        link.request("PUT", f"/{BUCKET}", headers={"Authorization": _for_s3()})
        assert link.getresponse().status in (200, 409)
        link.close()


def _for_s3() -> str:
    return "AWS4-HMAC-SHA256 Credential=planted-id/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


if __name__ == "__main__":
    with S3Server() as server:
        sys.stdout.write(server.environment["AWS_ENDPOINT_URL"] + "\n")
        sys.stdout.flush()
        sys.stdin.read()
