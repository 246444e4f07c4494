"""What the network did, in words for people: no name of an exception, and nothing of how Python says it."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Iterator

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
    for words_of in (_tls, _time, _proxy, _name, _socket, _http, _address):
        for cause in causes:
            if (words := words_of(cause)) is not None:
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


def _time(exc: BaseException) -> str | None:
    is_time = isinstance(exc, (TimeoutError, requests.exceptions.Timeout, urllib3.exceptions.TimeoutError))
    return "time ran out" if is_time else None


def _proxy(exc: BaseException) -> str | None:
    if isinstance(exc, OSError) and MARKS[2] in str(exc):
        return f"the proxy refused: {str(exc).partition(MARKS[2])[2].strip()[:SHOWN_CHARS]}"
    is_proxy = isinstance(exc, (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError))
    return "the proxy could not be used" if is_proxy else None


def _name(exc: BaseException) -> str | None:
    if isinstance(exc, (socket.gaierror, urllib3.exceptions.NameResolutionError)):
        return "the name of the host is not known"
    return None


def _socket(exc: BaseException) -> str | None:
    if isinstance(exc, http.client.RemoteDisconnected):
        return "the other side closed the connection without an answer"
    if isinstance(exc, ConnectionRefusedError):
        return "nothing listens there: connection refused"
    if isinstance(exc, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
        return "the connection was reset by the other side"
    if type(exc) is OSError and exc.errno is not None:
        return str(exc.strerror or "the connection failed").lower()
    return None


def _http(exc: BaseException) -> str | None:
    if isinstance(exc, http.client.BadStatusLine):
        said = "".join(each for each in str(exc) if each.isascii() and each.isprintable())[:SHOWN_CHARS]
        return "what came is no HTTP answer" + (f": {said}" if said.strip() else "")
    if isinstance(exc, (http.client.IncompleteRead, urllib3.exceptions.IncompleteRead)):
        counts = COUNTS.search(repr(exc))
        if counts and counts[2]:
            return f"the answer ended after {counts[1]} of {int(counts[1]) + int(counts[2])} bytes"
        return "the answer ended before its end"
    is_odd = isinstance(
        exc, (http.client.HTTPException, urllib3.exceptions.InvalidHeader, urllib3.exceptions.InvalidChunkLength)
    )
    return "the head of the answer cannot be read" if is_odd else None


def _address(exc: BaseException) -> str | None:
    """Return words for what cannot be sent: an address or a header, as it was told."""
    if isinstance(exc, requests.exceptions.InvalidHeader):
        return "a header has a character that no header may have"
    if isinstance(exc, requests.exceptions.InvalidProxyURL):
        return "the address of the proxy cannot be read"
    if isinstance(
        exc, (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema)
    ):
        return "the address cannot be read"
    if isinstance(exc, urllib3.exceptions.LocationParseError):
        return "the address, or that of a proxy, cannot be read"
    return None
