"""One keep-alive session per host, made on first use."""

from __future__ import annotations

import threading
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from .connections import is_loopback

POOL_SIZE = 32

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
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=POOL_SIZE, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
