"""What the network did, in words for people: no name of an exception, and nothing of how Python says it."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Callable, Iterator

import requests
import urllib3

from .sse import IncompleteStream

CAUSES_MAX = 12
SHOWN_CHARS = 60
COUNTS = re.compile(r"IncompleteRead\((\d+) bytes read(?:, (\d+) more expected)?\)")
MARKS = ("wrong version number", "CA certificate bundle", "Tunnel connection failed:")  # of Python's texts
OUR_FAULTS = (UnicodeError, TypeError, AttributeError, KeyError, IndexError, RecursionError, MemoryError)


def reason_of(exc: BaseException) -> str:
    """Return why no answer came, or not all of it."""
    causes = list(_causes(exc))
    for kinds, told in KINDS:
        for cause in (cause for cause in causes if isinstance(cause, kinds)):
            if (words := told if isinstance(told, str) else told(cause)) is not None:
                return words
    if isinstance(exc, IncompleteStream) or type(exc) is OSError:
        return str(exc) or "the connection failed"
    if isinstance(exc, OUR_FAULTS):
        return "a fault of this pack; please report it"
    if isinstance(exc, ValueError):
        return "an address or a header that cannot be used"
    return "the connection failed"


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those in it, from the inside: libraries wrap them as arguments, causes and reasons."""
    found: list[BaseException] = []
    waiting: list[object] = [exc]
    while waiting and len(found) < CAUSES_MAX:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    yield from reversed(found)


def _tls(exc: BaseException) -> str | None:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"TLS: the certificate was not accepted, {exc.verify_message or 'for no reason that is known'}"
    if isinstance(exc, ssl.SSLError):
        said = re.sub(r"\s*\(_ssl\.c:\d+\)|^\[[^\]]*\]\s*", "", str(exc.args[-1] if exc.args else exc)).strip()
        is_plain = "WRONG_VERSION" in str(exc) or MARKS[0] in str(exc)
        return "TLS: the other side does not speak TLS, is the address http?" if is_plain else f"TLS: {said}"
    if isinstance(exc, requests.exceptions.SSLError):
        return "TLS: no secure connection came about"
    if isinstance(exc, OSError) and MARKS[1] in str(exc):
        return "TLS: the file of trusted certificates (REQUESTS_CA_BUNDLE) cannot be read"
    return None


def _tunnel(exc: BaseException) -> str | None:
    found = str(exc).partition(MARKS[2])[2].strip()[:SHOWN_CHARS]
    return f"the proxy refused: {found}" if MARKS[2] in str(exc) else None


def _system(exc: BaseException) -> str | None:
    told = type(exc) is OSError and exc.errno is not None
    return str(getattr(exc, "strerror", None) or "the connection failed").lower() if told else None


def _no_http(exc: BaseException) -> str:
    said = "".join(each for each in str(exc) if each.isascii() and each.isprintable())[:SHOWN_CHARS]
    return "what came is no HTTP answer" + (f": {said}" if said.strip() else "")


def _cut_short(exc: BaseException) -> str:
    counts = COUNTS.search(repr(exc))
    if counts and counts[2]:
        return f"the answer ended after {counts[1]} of {int(counts[1]) + int(counts[2])} bytes"
    return "the answer ended before its end"


Kinds = tuple[type[BaseException], ...]
KINDS: tuple[tuple[Kinds, str | Callable[[BaseException], str | None]], ...] = (  # the first that has words
    ((BaseException,), _tls),
    # not urllib3's TimeoutError: it counts a refused connection and an unknown host among them
    ((TimeoutError, requests.exceptions.Timeout, urllib3.exceptions.ReadTimeoutError), "time ran out"),
    ((OSError,), _tunnel),
    ((requests.exceptions.ProxyError, urllib3.exceptions.ProxyError), "the proxy could not be used"),
    ((socket.gaierror, urllib3.exceptions.NameResolutionError), "the name of the host is not known"),
    ((http.client.RemoteDisconnected,), "the other side closed the connection without an answer"),
    ((ConnectionRefusedError,), "nothing listens there: connection refused"),
    ((ConnectionResetError, ConnectionAbortedError, BrokenPipeError), "the connection was reset by the other side"),
    ((OSError,), _system),
    ((http.client.BadStatusLine,), _no_http),
    ((http.client.IncompleteRead, urllib3.exceptions.IncompleteRead), _cut_short),
    (
        (http.client.HTTPException, urllib3.exceptions.InvalidHeader, urllib3.exceptions.InvalidChunkLength),
        "the head of the answer cannot be read",
    ),
    ((requests.exceptions.TooManyRedirects,), str),
    ((requests.exceptions.InvalidHeader,), "a header has a character that no header may have"),
    ((requests.exceptions.InvalidProxyURL,), "the address of the proxy cannot be read"),
    (
        (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema),
        "the address cannot be read",
    ),
    ((urllib3.exceptions.LocationParseError,), "the address, or that of a proxy, cannot be read"),
)
