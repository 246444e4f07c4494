"""One keep-alive session per host, made on first use, over connections that trust nothing but a clean end."""

from __future__ import annotations

import contextlib
import http.client
import io
import ipaddress
import os
import re
import socket
import ssl
import threading
import time
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.wait import wait_for_read

from ..connections.connection import is_loopback

POOL_SIZE = 32
QUIET_S = 0.05
IDLE_MAX_S = 4.0  # servers end what is idle for longer (some after 5 s): a request in that moment would seem to be lost
UPLOAD_SILENCE_S = 120.0  # a server that is busy with another picture reads on only afterwards
SESSIONS_KEPT = 64  # pictures may lie at any number of hosts
NAT64, COMPATIBLE = ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96")
INSIDE_NAMES = (".localhost", ".local", ".internal", ".home.arpa", ".localdomain", ".lan", ".intranet")
BLANKS_MAX = 16
PLAIN_FIRSTS = b'{["<:de\x89\xff\xefGRi'  # of JSON, events, pictures
HEADERS_MAX = 80
NEEDED = re.compile(rb"(content-(length|encoding|type)|transfer-encoding|connection|(operation-)?location) *:", re.I)
HEADER = re.compile(rb"[!-9;-~]+[\t ]*:|[\t ]|\r?\n?$")  # a name and a colon, more of the line before, or the end
BLANK_BEHIND_NAME = re.compile(rb"^([!-9;-~]+)[\t ]+:")
CHUNK_SIZE_MAX = 20
CHUNK_SIZE = re.compile(rb"(0[xX]?|[1-9A-Fa-f])[0-9A-Fa-f]*($|[\s;])")  # or as much of it as has come
INSIDE = "it leads to an address inside this network"
# Minutes pass without a byte while a picture is made. Routers forget such connections (some after a minute), and then
# a paid answer is lost: an empty packet now and then keeps them, and finds out that the other side is gone.
PROBES = {"TCP_KEEPIDLE": 30, "TCP_KEEPALIVE": 30, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 8}  # the second is macOS's name
SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, int(getattr(socket, name)), value)
        for name, value in PROBES.items()
        if hasattr(socket, name)
    ),
]

_peers: dict[tuple[str, int | None], str] = {}  # where connections led, by host and port


class _ThreadPatience(threading.local):
    """The patience of the request that a thread sends now."""

    patience: Patience | None = None


_thread = _ThreadPatience()


class Patience:
    """How long one answer is waited for: `silence_s` for its next byte, `total_s` from now on for all of it.

    `silence_s` may be changed while the answer comes. `public_only` keeps a stranger's address from reaching what is
    inside this network, whatever its name resolves to.
    """

    def __init__(self, silence_s: float, total_s: float, *, public_only: bool = False) -> None:
        self.silence_s = silence_s
        self.ends = time.monotonic() + total_s
        self.public_only = public_only

    def next_byte_s(self) -> float:
        """Return the seconds to wait for the next byte. Raises: TimeoutError when all of them have passed."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole request ran out")
        return min(self.silence_s, left)

    def shorten(self, total_s: float) -> None:
        """Wait for the rest no longer than `total_s` from now on."""
        self.ends = min(self.ends, time.monotonic() + total_s)

    def __enter__(self) -> Patience:
        _thread.patience = self
        return self

    def __exit__(self, *_exc: object) -> None:
        _thread.patience = None


def session_for(url: str) -> requests.Session:
    """Return the session of a URL's host; connections in it are kept alive between calls."""
    parts = urlsplit(url)
    return _session(f"{parts.scheme}://{parts.netloc}")


@lru_cache(maxsize=SESSIONS_KEPT)
def _session(origin: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = not is_loopback(origin)  # a proxy cannot reach this machine's own loopback
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True  # there as well
    session.auth = lambda request: request  # else requests would put a password of ~/.netrc in place of our key
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _CarefulAdapter(pool_connections=1, pool_maxsize=POOL_SIZE, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _PatientSocket(io.RawIOBase):
    """The bytes of a socket as they come, each within the patience of the request that waits for them."""

    def __init__(self, raw: Any, connected: socket.socket, patience: Patience) -> None:
        self._raw, self._connected, self._patience = raw, connected, patience
        self.is_over = False

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def readinto(self, buffer: Any) -> int | None:
        if self.is_over:
            return None  # as a socket where nothing is
        self._connected.settimeout(self._patience.next_byte_s())
        return self._raw.readinto(buffer)  # type: ignore[no-any-return]

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Head:
    """A reader of the head of an answer which gives no more of it than http.client takes; of none an empty one.

    It refuses an answer whole for a header too many or too long, where relays add their own to those of others, and
    takes what stands behind a line that is no header, the length too, for content.
    """

    def __init__(self, inner: io.BufferedReader, *, lines_max: int = HEADERS_MAX) -> None:
        self.inner, self._left = inner, lines_max

    def readline(self, limit: int) -> bytes:
        while self._left >= 0:
            first = line = self.inner.readline(limit)
            while line and not line.endswith(b"\n"):
                line = self.inner.readline(limit)
            is_taken = HEADER.match(first) and (self._left > 0 or NEEDED.match(first) or not first.strip())
            self._left = max(0, self._left - 1)
            if is_taken and first is line:
                return BLANK_BEHIND_NAME.sub(rb"\1:", first)
        return b"\r\n"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class _FinalResponse(http.client.HTTPResponse):
    """An answer of which interim ones are skipped, whatever their status, and which is read as it comes.

    http.client skips 100 alone and takes a 102 for the answer; the real one then waits for the connection's next
    request (RFC 9110, 15.2). A connection is used again only where the answer ended as it said.
    """

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._connected = sock
        self._raw: _PatientSocket | None = None
        self._is_spent = False
        self._is_looked_at = False
        patience = _thread.patience
        if patience is not None:
            self._raw = _PatientSocket(self.fp.detach(), sock, patience)
            self.fp = io.BufferedReader(self._raw)

    def begin(self) -> None:
        """Read the head of the answer; where it tells two lengths, neither counts.

        Chunks are chunks as well where what is in them is packed, which http.client does not see.
        """
        super().begin()
        self.headers.set_payload("")  # what of the head is none urllib3 would write into the log, our key with it
        self.headers.defects.clear()
        if isinstance(self.fp, _Head):
            self.fp = self.fp.inner
        codings = ",".join(self.headers.get_all("Transfer-Encoding", []))
        if not self.chunked and codings.lower().rpartition(",")[2].strip() == "chunked":
            self.chunked, self.chunk_left, self.length = True, None, None
            self.will_close = self._check_close()  # type: ignore[attr-defined]
        lengths = {one.strip() for value in self.headers.get_all("Content-Length", []) for one in value.split(",")}
        if len(lengths) > 1 and not self.chunked:
            del self.headers["Content-Length"]
            self.length, self.will_close, self._is_spent = None, True, True

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            if self._raw is not None and self._is_headless():
                self.fp, self._is_spent = cast(Any, _Head(self.fp, lines_max=-1)), True
                return "HTTP/1.0", http.HTTPStatus.OK, "OK"
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                self._is_spent = True
            if self._is_spent or not 100 <= status < 200:
                self.fp = cast(Any, _Head(self.fp))
                return version if version.startswith("HTTP/1.") else "HTTP/1.1", status, reason
            http.client.parse_headers(cast(Any, _Head(self.fp)))

    def _is_headless(self) -> bool:
        """Tell whether the content comes without a head; blank lines before a head are passed over."""
        for _ in range(BLANKS_MAX):
            if self.fp.peek(1)[:1] not in (b"\r", b"\n"):
                break
            self.fp.read(1)
        first = self.fp.peek(1)[:1]
        return first != b"" and first in PLAIN_FIRSTS

    def read(self, amt: int | None = None) -> bytes:
        """Return what there is, at most `amt` bytes: what a broken connection brought before it broke is had."""
        if amt is None or self.fp is None:
            return super().read(amt)
        if self.chunked and not self._is_looked_at and self._raw is not None:
            self._is_looked_at = True
            if not CHUNK_SIZE.match(self.fp.peek(1)[:CHUNK_SIZE_MAX]):  # the label is false
                self.chunked, self.length, self._is_spent = False, None, True
        if self.chunked or self.length is None:
            return self.read1(amt)
        data = self.fp.read1(min(amt, self.length))
        self.length -= len(data)
        if not data and self.length == 0 and self._goes_on():
            self.length, self._is_spent = None, True
            return self.read1(amt)
        if not data:
            self._close_conn()
        return data

    def _goes_on(self) -> bool:
        """Tell whether more of the content is here than the head told, as behind a proxy that unpacks it."""
        if self._raw is None:
            return False
        is_plain = not isinstance(self._connected, ssl.SSLSocket)
        self._raw.is_over = not (is_plain and wait_for_read(self._connected, timeout=0))
        ahead = self.fp.peek(1)
        self._raw.is_over = False
        return bool(ahead.strip()) and not ahead.lstrip().startswith(b"HTTP/")

    def _close_conn(self) -> None:
        more_came = False
        if not self._is_spent and self._raw is not None and isinstance(self.fp, io.BufferedReader):
            self._raw.is_over = True
            more_came = bool(self.fp.peek(1)) or bool(getattr(self._connected, "pending", int)())
        if self._is_spent or more_came:  # bytes are here that nobody asked for; what the system has the pool sees
            with contextlib.suppress(OSError):
                self._connected.shutdown(socket.SHUT_RDWR)  # the pool throws away what the other side has ended
        super()._close_conn()  # type: ignore[misc]


class _Careful:
    """What the two kinds of connections share: where they may lead, and when they may be used again."""

    _answered_at = 0.0

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        try:
            self._refuse_inside(connected)
        except OSError:
            connected.close()
            raise
        return connected

    def request(self, *args: Any, **options: Any) -> None:
        if self.sock is not None:  # type: ignore[attr-defined]
            self._refuse_inside(self.sock)  # type: ignore[attr-defined]  # opened for a request that may lead inside
        super().request(*args, **options)  # type: ignore[misc]

    def _tunnel(self) -> None:
        """Have a proxy connect: that takes no longer than to connect may, and nothing of it is an answer."""
        patience, _thread.patience = _thread.patience, None
        try:
            super()._tunnel()  # type: ignore[misc]
        finally:
            _thread.patience = patience

    def send(self, data: Any) -> None:
        """Send, and wait for a server that does not read: urllib3 would give it as long as to accept the connection."""
        patience = _thread.patience
        if patience is not None and self.sock is not None:  # type: ignore[attr-defined]
            self.sock.settimeout(min(UPLOAD_SILENCE_S, patience.next_byte_s()))  # type: ignore[attr-defined]
        super().send(data)  # type: ignore[misc]

    def _refuse_inside(self, connected: socket.socket) -> None:
        """Raise OSError for where a stranger's address may not lead; behind a proxy that is the proxy's to judge."""
        patience = _thread.patience
        peer = str(connected.getpeername()[0])
        if self.proxy is not None:  # type: ignore[attr-defined]
            return
        if patience is None or not patience.public_only:
            _peers[self.host.lower(), self.port] = peer  # type: ignore[attr-defined]
        elif not is_public(peer):
            raise OSError(INSIDE)

    def getresponse(self) -> Any:
        response = super().getresponse()  # type: ignore[misc]
        self._answered_at = time.monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        """Whether nothing came since its last answer, for long enough that a late answer to nobody would be here.

        Nor for so long that the other side may be about to end it.
        """
        sock, idle_s = self.sock, time.monotonic() - self._answered_at  # type: ignore[attr-defined]
        return sock is not None and idle_s < IDLE_MAX_S and not wait_for_read(sock, timeout=max(0.0, QUIET_S - idle_s))


class _Http(_Careful, HTTPConnection):
    response_class = _FinalResponse


class _Https(_Careful, HTTPSConnection):
    response_class = _FinalResponse


def peer_of(url: str) -> str | None:
    """Return the IP address that requests to a host went to lately, or None: its name may lead elsewhere by now."""
    parts = urlsplit(url)
    return _peers.get(((parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(parts.scheme)))


def is_public(address: str) -> bool:
    """Tell whether an IP address lies outside of this machine and its network, also one that another is hidden in."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return parsed.is_global and not parsed.is_multicast
    # An IPv6 address may lead to IPv4 ones: mapped, NAT64 (RFC 6052), compatible, 6to4, Teredo.
    hidden = parsed.ipv4_mapped or parsed.sixtofour
    if hidden is None and (parsed in NAT64 or (parsed in COMPATIBLE and int(parsed) > 1)):
        hidden = ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)
    if found := parsed.teredo or ((hidden,) if hidden is not None else ()):
        return all(each.is_global and not each.is_multicast for each in found)
    return parsed.is_global and not (parsed.is_multicast or parsed.is_site_local or parsed.is_reserved)


def names_inside(host: str) -> bool:
    """Tell whether a host's name itself says that it is inside this network, in any form that a resolver reads.

    That is for proxies, which resolve names themselves.
    """
    name = host.rstrip(".").lower()
    with contextlib.suppress(ValueError):
        return not is_public(str(ipaddress.ip_address(name.partition("%")[0])))
    with contextlib.suppress(OSError):
        return not is_public(socket.inet_ntoa(socket.inet_aton(name)))  # as 2130706433, 0x7f.1 or 0177.0.0.1
    return "." not in name or name.endswith(INSIDE_NAMES)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


POOLS = {"http": _HttpPool, "https": _HttpsPool}


class _CarefulAdapter(HTTPAdapter):
    """Opens connections that the system probes while nothing comes, and whose answers are read with care."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, socket_options=SOCKET_OPTIONS, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, socket_options=SOCKET_OPTIONS, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager
