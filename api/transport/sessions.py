"""One keep-alive session per host, made on first use."""

from __future__ import annotations

import socket
import threading
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

from ..connections.connection import is_loopback

POOL_SIZE = 32
# Minutes pass without a byte while a picture is made. Routers forget such connections (some after a minute), and then
# a paid answer is lost: an empty packet now and then keeps them, and finds out that the other side is gone.
PROBES = {"TCP_KEEPIDLE": 30, "TCP_KEEPALIVE": 30, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 8}  # the second is macOS's name

_sessions: dict[str, requests.Session] = {}
_lock = threading.Lock()


def session_for(url: str) -> requests.Session:
    """Return the session of a URL's host; connections in it are kept alive between calls."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    with _lock:
        if origin not in _sessions:
            _sessions[origin] = _new_session(origin)
        return _sessions[origin]


def _new_session(origin: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = not is_loopback(origin)  # a proxy cannot reach this machine's own loopback
    session.auth = _keep_headers  # else requests would put a password of ~/.netrc in place of our key
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _ProbingAdapter(pool_connections=1, pool_maxsize=POOL_SIZE, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _ProbingAdapter(HTTPAdapter):
    """Opens connections that the system probes while nothing comes."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, socket_options=_socket_options(), **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, socket_options=_socket_options(), **kwargs)


def _socket_options() -> list[tuple[int, int, int]]:
    known = {name: value for name, value in PROBES.items() if hasattr(socket, name)}
    probes = [(socket.IPPROTO_TCP, int(getattr(socket, name)), value) for name, value in known.items()]
    return [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *probes]


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
