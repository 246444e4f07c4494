"""From an answer to the raw bytes of its pictures: base64, data URLs and addresses of files."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests

from ..catalog.schemas import Image, OpenAIImageGenerationResponse
from ..connections.connection import Connection, is_loopback
from . import client
from .answer import Reading
from .base64_json import base64_to_bytes, has_ended, is_picture, is_whole_picture, looks_like_base64
from .client import TooLargeError
from .find_pictures import FILE_ID, FILE_PATH, address_in, unzipped
from .loose_json import strictly, utf8
from .network_words import reason_of
from .page_words import is_text, plain
from .service_words import service_words
from .sessions import INSIDE, Patience, is_public, names_inside, peer_of

MAX_PICTURES = 16  # of an answer; the service makes at most 10. More would each be a file or a download
MAX_PICTURE_BYTES = 256 << 20
MAX_REDIRECTS, MAX_LEADS = 9, 2
WORDS_MAX_CHARS = 200
SAID_MAX_CHARS = 500  # storage names the time of expiry last
DOWNLOAD_PAUSES_S = (0.5, 2.0, 5.0)
AGAIN = (200, 202, 204, 401, 403, 404, 408, 425, 429)  # a file that is not there yet: some answer before it is stored
SILENCE_S, TOTAL_S = 60.0, 600.0
SEARCHED_BYTES, SPACE = 1024, 0x20
SAID_MAX_BYTES, REFUSED_FROM = 1 << 16, 400
ADDRESS_MAX_BYTES = 8192
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - what servers listen at, and some tell
GLUED = re.compile(r"^https?://(?:[^?#]*[^/?#=])??(?=https?://)", re.I)  # a base address put before a whole one
NOT_HERE = (400, 401, 403, 404, 405, 410)
HOST = re.compile(r"(?:(?:[a-z0-9-]{1,63}\.)+[a-z]{2,18}|\d{1,3}(?:\.\d{1,3}){3}|localhost)(:\d{1,5})?/", re.I)
BLANKS_INSIDE = re.compile(r"[\t\r\n]+")


class NotAPictureError(ValueError):
    """What came from an address is words, and no picture."""


class RefusedDownloadError(requests.HTTPError):
    """A server refused to give a file, and `said` so much."""

    def __init__(self, words: str, response: requests.Response, said: bytes) -> None:
        super().__init__(words, response=response)
        self.said = said


@dataclass
class Pictures:
    """The pictures of an answer as bytes, and what could not be had, by index, in words.

    In place of such a picture stands what the answer had: its text or its address.
    """

    data: list[bytes] = field(default_factory=list, repr=False)
    faults: dict[int, str] = field(default_factory=dict)


def pictures_of(
    response: OpenAIImageGenerationResponse, connection: Connection, *, body: bytes = b"", sent: Sequence[bytes] = ()
) -> Pictures:
    """Return the encoded pictures of an answer of a connection; one that fails is a fault, not an error.

    `body` is kept whole, as one more file, where it has more than MAX_PICTURES. Of what is only guessed nothing is
    given that is no picture, or that went out itself (`sent`).
    """
    images = response.data
    pictures = Pictures()
    for image in images[:MAX_PICTURES]:
        try:
            data = _bytes_of(image, connection)
        except (ValueError, requests.RequestException, OSError) as exc:
            if image.guess != "link" and not (image.guess and isinstance(exc, NotAPictureError)):
                pictures.faults[len(pictures.data)] = connection.redacted(str(exc))
                pictures.data.append(_as_it_came(image, connection))
        else:
            found = unzipped(data) or [data]
            pictures.data += [each for each in found if not image.guess or (is_picture(each) and each not in sent)]
    if len(images) > MAX_PICTURES:
        pictures.faults[len(pictures.data)] = f"more than {MAX_PICTURES} pictures came: this is the whole answer"
        pictures.data.append(body)
    return pictures


def _bytes_of(image: Image, connection: Connection) -> bytes:
    if image.raw:
        return image.raw
    if text := image.b64_json:
        told = base64_to_bytes(text)  # some pack it first
        data = b"".join(client.bounded(client.unpacked([told]), max(MAX_PICTURE_BYTES, len(told))))
        if len(text) < WORDS_MAX_CHARS and not data.isascii() and not looks_like_base64(text):
            raise ValueError(f"in place of a picture came: {text}")  # a word may be base64 by chance
        found = data if is_picture(data) else Reading(data).known_picture
        start = utf8(data[:SEARCHED_BYTES]).decode(errors="replace")
        if found is None and "<svg" not in start and is_text(start):
            raise ValueError(f"in place of a picture came: {_words_of(data, connection)}")
        return found or data
    if image.url and image.url[:5].lower() == "data:":
        return base64_to_bytes(image.url)
    if image.url:
        pauses_s = () if image.guess == "link" else DOWNLOAD_PAUSES_S
        return fetched(image.url, connection, pauses_s=pauses_s, is_told=not image.guess)
    raise ValueError(f"in place of a picture came: {image.other}")


def _as_it_came(image: Image, connection: Connection) -> bytes:
    if image.url and not image.b64_json:
        with contextlib.suppress(ValueError):
            address_of(image.url, connection)  # else its text stays as it is
            return _resolved(image.url, connection).encode()
    text = image.b64_json or image.url or image.other or ""
    return text.encode(errors="replace") if isinstance(text, str) else bytes(text)


def from_text(kept: bytes, connection: Connection) -> bytes | None:
    """Return the picture that is kept as a text: in base64, or at an address; None for what is none.

    Older versions kept what they could not read, such as an address without a host, in the place of the picture.
    """
    if is_picture(kept):
        return None
    with contextlib.suppress(ValueError, requests.RequestException, OSError):
        if (inner := Reading(kept).known_picture) is not None:
            return inner
        if len(kept) <= ADDRESS_MAX_BYTES and (address := address_in(kept.decode("ascii"))) is not None:
            return fetched(address, connection, pauses_s=())
    return None


def fetched(
    url: str, connection: Connection, *, pauses_s: Sequence[float] | None = None, is_told: bool = True
) -> bytes:
    """Return a picture of the service, of at most 256 MiB; its address may be relative to what was asked.

    Reading costs nothing, so a broken download is tried for a while, and where the address `is_told` as a picture's
    also words in its place; only the connection's own origin gets its key, and only where it asks for one.
    Raises: ValueError in words about the address, which is never asked for or has no picture.
    """
    address, ends = address_of(url, connection), time.monotonic() + TOTAL_S
    pauses, came = list(DOWNLOAD_PAUSES_S if pauses_s is None else pauses_s), b""
    fault: ValueError
    while True:
        try:
            before, came = came, _picture_at(address, connection)
            if not is_picture(came) or is_whole_picture(came) or came == before or not (pauses or before):
                return came  # what comes twice is all there is
            raise requests.ConnectionError(http.client.IncompleteRead(b""))
        except NotAPictureError as exc:
            fault, is_final = exc, not is_told
        except requests.RequestException as exc:
            status = exc.response.status_code if exc.response is not None else None
            is_final = isinstance(exc, TooLargeError) or (status is not None and status < 500 and status not in AGAIN)
            fault = ValueError(_not_fetched(address, exc, status))
            fault.__cause__ = exc
        if not pauses or is_final or time.monotonic() > ends:
            raise fault
        time.sleep(pauses.pop(0))


def _picture_at(address: str, connection: Connection, leads: int = MAX_LEADS) -> bytes:
    """Return the picture at an address, or at the same path below the connection's host where there is none, or where
    what lies there says that it is.

    Raises: requests.RequestException, NotAPictureError.
    """
    data, fault = b"", None
    for place in [address, *_elsewhere(address, connection)]:
        try:
            came = fetched_once(place, connection)
        except requests.RequestException as exc:
            is_not_here = exc.response is not None and exc.response.status_code in NOT_HERE
            if place == address and is_own(address, connection) and not is_not_here:
                raise
            fault = fault or exc
        else:
            is_page = not is_picture(came) and came.lstrip()[:1] == b"<" and bool(plain(came)[1])
            data = came if not is_page else data or came  # some show their website for what they do not have
            if not is_page:
                break
    if fault is not None and not data:
        raise fault
    is_binary = any(byte < SPACE and byte not in b"\t\r\n\f\x1b" for byte in data[:SEARCHED_BYTES])
    if is_picture(data) or is_binary:
        return data
    reading = Reading(data)
    if (inner := reading.known_picture) is not None:
        return inner
    for lead in reading.leads if leads else []:
        with contextlib.suppress(ValueError, requests.RequestException, OSError):
            told_at = "" if is_own(address, connection) else address
            found = _picture_at(address_of(lead, connection, told_at), connection, leads - 1)
            if is_picture(found):
                return found
    said = _words_of(data, connection)
    shown = f": {said}" if said else ""
    raise NotAPictureError(
        f"{_without_query(address)} gave no picture{shown}; the next run fetches it again, for nothing"
    )


def _elsewhere(address: str, connection: Connection) -> list[str]:
    """Return where else what an address of the connection's host means may be: without the path that all requests
    begin with, as a file of which only the id is told, and at another host, told without its scheme; or at the port
    of this machine behind which a container has its own.
    """
    base, parts = urlsplit(connection.base_url), urlsplit(address)
    if is_loopback(address) and is_loopback(connection.base_url) and not is_own(address, connection):
        return [urlunsplit((*base[:2], *parts[2:]))]
    prefix = f"{base.path.rstrip('/')}/"
    name = parts.path.removeprefix(prefix)
    if not is_own(address, connection) or not parts.path.startswith(prefix):
        return []
    paths = [f"/{name}"] if prefix != "/" else []
    paths += [prefix + FILE_PATH.format(name)] if FILE_ID.fullmatch(name) and paths else []
    places = [urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")) for path in paths]
    if HOST.match(name):
        with contextlib.suppress(ValueError):
            places.append(address_of(f"//{name}{'?' if parts.query else ''}{parts.query}", connection))
    return places


def address_of(url: str, connection: Connection, told_at: str = "") -> str:
    """Return the whole address of a picture, as it is asked for; relative to where it is `told_at`, else to the base.

    Raises: ValueError for an address that is not asked.
    """
    address = _reachable(_resolved(url, connection, told_at), connection)
    parts = urlsplit(address)
    own = is_own(address, connection)
    if "\\" in address or parts.username is not None or parts.hostname is None or not address.isprintable():
        raise ValueError(f"the picture's address is not one that is asked: {_without_query(address)}")
    base = urlsplit(connection.base_url)
    is_here = is_loopback(address) and is_loopback(connection.base_url)
    is_beside = parts.hostname == base.hostname and base.scheme == "http"  # such as its storage, at another port
    if not (own or parts.scheme == "https" or (parts.scheme == "http" and (is_here or is_beside))):
        raise ValueError(f"the picture's address is neither https nor the connection's own: {_without_query(address)}")
    return address


def _resolved(url: str, connection: Connection, told_at: str = "") -> str:
    """Return an address as browsers read it, relative to what was asked."""
    told = BLANKS_INSIDE.sub("", url.strip()).replace(" ", "%20").replace("&amp;", "&").replace("\\u0026", "&")
    told = GLUED.sub("", told.replace("\\/", "/"), count=1)
    host = HOST.match(told)  # without a port it may be a folder as well
    return urljoin(told_at or f"{connection.base_url}/", f"//{told}" if host and host[1] else told)


def _reachable(address: str, connection: Connection) -> str:
    """Return where a picture that is told to be at http is to be had, where clear http is not asked.

    A server behind one that speaks TLS takes itself for http, at a port of its own, and one in a container for this
    machine or for what it listens at: its origin is the connection's. Storage in the internet speaks https as well.
    """
    parts, base = urlsplit(address), urlsplit(connection.base_url)
    if parts.scheme != "http" or parts.hostname is None or parts.username is not None:
        return address
    is_itself = parts.hostname == ANY_ADDRESS or (is_loopback(address) and not is_loopback(connection.base_url))
    if is_itself or (parts.hostname == base.hostname and base.scheme == "https"):
        return urlunsplit((*base[:2], *parts[2:]))
    if parts.hostname == base.hostname:
        return address
    is_storage = parts.port in (None, 80) and not names_inside(parts.hostname)
    return urlunsplit(("https", parts.netloc.removesuffix(":80"), *parts[2:])) if is_storage else address


def _is_inside(connection: Connection) -> bool:
    """Tell whether a connection itself leads to this machine or its network, so that its pictures may lie there."""
    peer = peer_of(connection.base_url)
    if peer is not None:
        return not is_public(peer)
    try:
        found = socket.getaddrinfo(urlsplit(connection.base_url).hostname, None)
    except (OSError, UnicodeError):
        return False
    return bool(found) and not any(is_public(str(each[4][0])) for each in found)


def fetched_once(address: str, connection: Connection, *, total_s: float = TOTAL_S, is_asked: bool = False) -> bytes:
    """Return what lies at an address, which `address_of` gave; the connection's own origin gets its key where
    it asks for one, or at once where it `is_asked` for sure, as no storage is.

    Raises: requests.RequestException, RefusedDownloadError with what a refusal says, or 202 where it `is_asked`.
    """
    headers = connection.auth_headers() if is_asked and is_own(address, connection) else {}
    patience = Patience(SILENCE_S, total_s, public_only=not _is_inside(connection))
    for _ in range(MAX_REDIRECTS + 1):
        if patience.public_only:
            asked = str(requests.Request("GET", address).prepare().url)  # as it will be sent
            if names_inside(urlsplit(asked).hostname or ""):
                raise requests.ConnectionError(INSIDE)
        with client.send("GET", address, headers=headers, patience=patience) as response:
            own = is_own(address, connection)
            if response.is_redirect:
                place = response.headers["location"].encode("latin-1").decode(errors="replace")  # as browsers read it
                address, headers = address_of(urljoin(address, place), connection), {}
            elif response.status_code in (401, 403) and own and not headers and connection.key is not None:
                headers = connection.auth_headers()
            else:
                if response.status_code >= REFUSED_FROM:
                    said = _said(response)
                    raise RefusedDownloadError(_words_of(said, connection), response, said)
                data = _content(response)
                if not data.strip() or (is_asked and response.status_code == HTTPStatus.ACCEPTED):
                    raise RefusedDownloadError("nothing came", response, data)
                return data
    raise requests.TooManyRedirects(f"more than {MAX_REDIRECTS} redirects")


def _content(response: requests.Response) -> bytes:
    """Return what came, also where the line broke or a wrong length promises more behind what is complete."""
    pieces: list[bytes] = []
    try:
        pieces.extend(client.bounded_chunks(response, MAX_PICTURE_BYTES))
    except (requests.RequestException, OSError) as exc:
        if isinstance(exc, TooLargeError) or not _is_complete(b"".join(pieces)):
            raise
    return b"".join(pieces)


def _is_complete(data: bytes) -> bool:
    """Tell whether bytes end as a picture or JSON does, whatever was to come behind them."""
    if is_picture(data):
        return has_ended(data)
    with contextlib.suppress(ValueError, RecursionError):
        return isinstance(strictly(utf8(data)), dict | list)
    return False


def _said(response: requests.Response) -> bytes:
    """Return what a refusal says of itself, such as that an address has expired."""
    said = b""
    with contextlib.suppress(requests.RequestException, OSError):
        for chunk in client.bounded_chunks(response, SAID_MAX_BYTES):
            said += chunk
    return said


def _words_of(said: bytes, connection: Connection) -> str:
    """Return the words in what came, without anything of ours."""
    words = service_words(said)
    return connection.redacted(words.page or words.message)[:SAID_MAX_CHARS].rstrip(" .")


def _not_fetched(address: str, exc: Exception, status: int | None) -> str:
    happened = f"HTTP {status}{': ' if str(exc) else ''}{exc}" if status is not None else reason_of(exc)
    if isinstance(exc, TooLargeError):
        happened = str(exc)
    if INSIDE in str(exc):
        happened = INSIDE
    return f"{_without_query(address)} could not be fetched ({happened}); the next run fetches it again, for nothing"


def _without_query(address: str) -> str:
    """Return an address without what may be a key to it."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path[:200], "", ""))


def is_own(address: str, connection: Connection) -> bool:
    """Tell whether an address is of the connection's own origin: only there its key goes."""
    return _origin(address) == _origin(connection.base_url)


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
