"""One request and its answer: the only place that sends anything to anybody.

Here addresses are joined and the key is put on, answers are bounded and freed of our key, redirects are not followed
and what the network raises becomes one of our errors. What an answer means is the callers' business.
"""

from __future__ import annotations

import contextlib
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import Any, cast

import requests
import urllib3

from ..config import whole_number
from ..connections.connection import Connection
from ..errors import OpenAIImageError, RefusedError
from .bodies import RequestBody
from .error_mapping import Asked, cause_of, error_from_exception, error_from_response
from .sessions import PLAIN_FIRSTS, Patience, session_for

CONNECT_TIMEOUT_S = 10.0
SILENCE_TIMEOUT_S = 600.0  # nothing comes while a picture is made
TIMEOUT_VARIABLE = "OPENAI_IMAGE_NODES_TIMEOUT_S"
TIMEOUT_S = 3600  # a request in all, whatever comes meanwhile
MAX_ANSWER_BYTES = 1 << 30
READ_BYTES = 1 << 18


AGENT = "openai-image-nodes"  # firewalls refuse the names of libraries, above all with pictures
ACCEPTED = "gzip, deflate"  # else what else is installed decides, and asks for what is not unpacked here
GZIP_MAGIC, ZLIB_FIRST = b"\x1f\x8b", b"x"
MEMBERS_MAX = 100_000  # gzip files that are joined: some hold nothing, and come in any number


class TooLargeError(requests.RequestException, ValueError):
    """More came than may come; to ask again would bring as much."""


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    body: RequestBody | None = None,
    patience: Patience,
) -> requests.Response:
    """Send one request and return its answer, of which only the headers were read; close it.

    Raises: requests.RequestException, OSError.
    """
    with patience:
        return session_for(url).request(
            method,
            url,
            params=query,
            data=None if body is None else cast(Iterable[bytes], body),
            headers={"User-Agent": AGENT, "Accept-Encoding": ACCEPTED, **(headers or {})},
            timeout=(CONNECT_TIMEOUT_S, patience.silence_s),
            allow_redirects=False,  # a redirect could carry the key to another host
            stream=True,
        )


def bounded_chunks(response: requests.Response, max_bytes: int | None) -> Iterator[bytes]:
    """Yield the content of an answer as it comes, unpacked where it is packed.

    Raises: requests.RequestException if the connection breaks, TooLargeError.
    """
    label = response.headers.get("content-encoding", "")
    yield from bounded(unpacked(unpacked(_chunks(response), label)), max_bytes)  # some pack what is packed already


def bounded(chunks: Iterable[bytes], max_bytes: int | None) -> Iterator[bytes]:
    """Yield bytes as they come, of which a few that were packed can become gigabytes.

    Raises: TooLargeError before it gives more than `max_bytes`.
    """
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if max_bytes is not None and total > max_bytes:
            raise TooLargeError(f"more than {max_bytes:,} bytes came")
        yield chunk


def _chunks(response: requests.Response) -> Iterator[bytes]:
    try:
        while chunk := response.raw.read(READ_BYTES, decode_content=False):
            yield chunk
    except urllib3.exceptions.HTTPError as exc:
        timed_out = isinstance(exc, urllib3.exceptions.TimeoutError)
        raise (requests.exceptions.ReadTimeout if timed_out else requests.exceptions.ConnectionError)(exc) from exc


def unpacked(chunks: Iterable[bytes], label: str = "") -> Iterator[bytes]:
    """Yield what is packed by gzip or zlib as plain bytes; what is not, whatever its `label` says, as it comes.

    Of what is damaged the good beginning is given. Only the label tells of deflate without zlib's head.
    """
    coming = iter(chunks)
    packed = b""
    while len(packed) < len(GZIP_MAGIC) and (piece := next(coming, b"")):
        packed += piece
    bits = _window_bits(packed, label)
    if bits is None:
        yield from itertools.chain([packed] if packed else [], coming)
        return
    unpacker, members = zlib.decompressobj(bits), 1
    while packed or (packed := next(coming, b"")):
        if unpacker.eof:  # gzip files may be joined; what else stands behind the end is none of it
            packed += next(coming, b"") if len(packed) < len(GZIP_MAGIC) else b""
            if not packed.startswith(GZIP_MAGIC) or members >= MEMBERS_MAX:
                return
            unpacker, members = zlib.decompressobj(bits), members + 1
        before = unpacker.copy()
        try:
            plain = unpacker.decompress(packed, READ_BYTES)
        except zlib.error:
            yield from _until_damaged(before, packed)
            return
        if plain:  # of a file's head alone nothing is to be had yet
            yield plain
        packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail


def _until_damaged(unpacker: Any, packed: bytes) -> Iterator[bytes]:
    """Yield what comes before the fault in a damaged piece, such as all that stands before a wrong checksum."""
    with contextlib.suppress(zlib.error):
        for at in range(len(packed)):
            if plain := unpacker.decompress(packed[at : at + 1]):
                yield plain


def _window_bits(first: bytes, label: str) -> int | None:
    """Return how to unpack what begins so, or None for what is not packed."""
    if first.startswith(GZIP_MAGIC) or (first[:1] == ZLIB_FIRST and int.from_bytes(first[:2], "big") % 31 == 0):
        return zlib.MAX_WBITS | 32  # either of the two, by its beginning
    is_plain = first[:1] in PLAIN_FIRSTS or first[:1].isspace()
    return -zlib.MAX_WBITS if "deflate" in label.lower() and first and not is_plain else None


@dataclass
class HttpResponse:
    """A request to the service of a connection and its answer, whose content is still on the wire.

    Nothing that it gives holds the connection's key. `subject` is what its errors are about: a model, or a path. Not
    `may_cost`: to repeat it costs nothing, whatever became of it. `headers` have their names in lower case.
    """

    connection: Connection
    path: str
    subject: str
    body: RequestBody | None
    may_cost: bool
    patience: Patience
    sent_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: Callable[[int | None], Iterator[bytes]] = field(init=False, repr=False)

    def begin(self, response: requests.Response) -> None:
        """Take over what the head of the answer says."""
        clean = self.connection.without_secrets_in
        self.status, self.content = response.status_code, partial(bounded_chunks, response)
        self.headers = {clean(name).lower(): clean(value) for name, value in response.headers.items()}

    def lost(self, exc: Exception) -> OpenAIImageError:
        """Return the error for a request whose answer did not come, or not whole."""
        complete = self.may_cost and self.body is not None and self.body.complete
        return error_from_exception(self.connection, exc, complete=complete, sent_at=f"{self.sent_at:%H:%M:%S} UTC")

    def refused(self, said: bytes, *, begun: bool = False, streamed: bool = False) -> OpenAIImageError:
        """Return the error for this answer, which is none of success and said so much; the others as in Asked."""
        sent, complete = (len(self.body), self.body.complete) if self.body is not None else (0, True)
        prompt = self.body.prompt if self.body is not None else ""
        asked = Asked(
            self.path, sent, prompt, may_cost=self.may_cost, complete=complete, begun=begun, streamed=streamed
        )
        return error_from_response(self.connection, self.status, self.headers, said, subject=self.subject, asked=asked)

    def checked(self) -> HttpResponse:
        """Return this answer if it is a success. Raises: OpenAIImageError, by kind."""
        if not self.is_success:
            raise self.refused(self.said())
        return self

    @property
    def is_success(self) -> bool:
        """Whether its status says that all went well."""
        return 200 <= self.status < 300

    def said(self) -> bytes:
        """Return the content as far as it comes: what came before it broke off says why, or the status does."""
        said: list[bytes] = []
        with contextlib.suppress(OpenAIImageError):
            said.extend(self.chunks())
        return b"".join(said)

    def chunks(self, *, max_bytes: int | None = MAX_ANSWER_BYTES) -> Iterator[bytes]:
        """Yield the content in pieces as they come.

        Raises: OpenAIImageError if the connection breaks or there are more than `max_bytes`.
        """
        try:
            yield from filter(None, self.connection.redacted_chunks(self.content(max_bytes)))
        except (requests.RequestException, OSError) as exc:
            raise self.lost(exc) from cause_of(self.connection, exc)

    def read(self) -> bytes:
        """Return the whole content. Raises: as `chunks`."""
        return b"".join(self.chunks())  # lets other threads run, unlike a buffer that grows


@contextlib.contextmanager
def request(
    connection: Connection,
    method: str,
    path: str,
    *,
    model: str | None = None,
    body: RequestBody | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    silence_s: float | None = None,
    may_cost: bool = False,
) -> Iterator[HttpResponse]:
    """Send a request to the service of a connection and give its answer, whatever it says, to be read in the `with`.

    `path` is below the connection's base address, or below the deployment of `model`. Set `may_cost` for what must
    not be repeated once it is out.
    Raises: OpenAIImageError if no answer comes.
    """
    content = {"Content-Type": body.content_type} if body is not None else {}
    total_s = max(1, whole_number(TIMEOUT_VARIABLE, TIMEOUT_S))
    patience = Patience(SILENCE_TIMEOUT_S if silence_s is None else silence_s, total_s)
    answer = HttpResponse(connection, path, model or path, body, may_cost, patience)
    try:
        response = send(
            method,
            connection.url(path, model),
            headers={**connection.auth_headers(), **(headers or {}), **content},
            query={**connection.query, **(query or {})},
            body=body,
            patience=patience,
        )
    except OpenAIImageError:
        raise
    except Exception as exc:  # noqa: BLE001 - also what Python says of an address, a header or a proxy
        lost = answer.lost(exc)  # what cannot be sent is repeated by what Python says of it: a header with a key
        raise lost from None if isinstance(lost, RefusedError) else cause_of(connection, exc)
    with response:
        answer.begin(response)
        yield answer
