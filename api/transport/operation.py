"""One exchange over the wire: a request model and files in, a response model out."""

from __future__ import annotations

import contextlib
import enum
import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, TypeVar

from pydantic import BaseModel

from ..catalog.schemas import OpenAIImageEditRequest, OpenAIImageGenerationRequest, OpenAIImageGenerationResponse
from ..connections.connection import Connection
from ..errors import OpenAIImageError
from . import client, sse
from .answer import RawAnswer, Reading, parse_answer
from .base64_json import base64_to_bytes, has_ended, is_picture, is_whole_picture
from .bodies import FilePart, request_body
from .client import HttpResponse
from .downloads import address_of, is_own
from .find_pictures import UP_TO_SUFFIX, is_piece, known_pictures

START_BYTES = 8  # enough to tell events from JSON
END_OF_JSON = (b"}", b"]")
PIECES_S = 20.0  # from one piece of a picture to the next
AFTER_END_S = 3.0  # what comes behind the end is waited for no longer
SLOW_AFTER_S = 60.0
LOOKS_AT_END_S = 5.0  # each reads all that came: what takes longer in all waits for its real end
NO_RESULT = re.compile(  # where one signs in, or is told why there is nothing
    r"log_?-?in|sign_?-?in|auth|sso\b|session|maintenance|error|blocked|denied|forbidden|unavailable|captcha|challenge"
    r"|^(https?://[^/]+)?/?$",
    re.I,
)

RequestT = TypeVar("RequestT", bound=OpenAIImageGenerationRequest)
ResponseT = TypeVar("ResponseT", bound=BaseModel)


class HttpMethod(enum.Enum):
    """The HTTP methods of the service."""

    GET = "GET"
    POST = "POST"


@dataclass(frozen=True)
class ApiEndpoint(Generic[RequestT, ResponseT]):
    """A path of the service, with what goes in and what comes out."""

    path: str
    method: HttpMethod
    request_model: type[RequestT]
    response_model: type[ResponseT]


GENERATIONS = ApiEndpoint(
    "images/generations", HttpMethod.POST, OpenAIImageGenerationRequest, OpenAIImageGenerationResponse
)
EDITS = ApiEndpoint("images/edits", HttpMethod.POST, OpenAIImageEditRequest, OpenAIImageGenerationResponse)


class SynchronousOperation(Generic[RequestT, ResponseT]):
    """One request and its answer, on the calling thread.

    `execute()` gives the response model; `exchange()` and `parse()` are its two halves, for callers that write
    the answer down in between. `stage`, `body` and `partials`, the encoded sketches of a streamed answer, may be read
    from other threads while it runs. `on_slow` is called while the bytes of an answer take longer than a minute.
    """

    def __init__(
        self,
        endpoint: ApiEndpoint[RequestT, ResponseT],
        request: RequestT,
        files: Sequence[FilePart] = (),
        *,
        connection: Connection,
        headers: dict[str, str] | None = None,
    ) -> None:
        connection.check(request)
        self.endpoint = endpoint
        self.request = request
        self.connection = connection
        self.stage = "uploading"
        self.received = 0
        self.answered_headers: dict[str, str] = {}
        self.partials: list[bytes] = []
        self.on_slow: Callable[[], object] = lambda: None
        self.body = request_body(connection, request.operation, request.wire_fields(), files)
        self._headers = headers or {}
        self._sent = [file.data for file in files]
        self._pictures = request.n if "n" in connection.wire_fields(request.wire_fields()) else 1
        self._has_failed = False

    def execute(self) -> OpenAIImageGenerationResponse:
        """Send the request, wait, and return the answer. Raises: OpenAIImageError, by kind."""
        return self.parse(self.exchange())

    def exchange(self, keep: Callable[[bytes], object] = lambda _piece: None) -> RawAnswer:
        """Send the request once and return what came back, if it is a success.

        `keep` gets the bytes of a success as they come, before anything reads them.
        Raises: OpenAIImageError; OutcomeUnknownError if the request may have been billed without an answer.
        """
        started = time.monotonic()
        self.stage, self.received, self.body.handed, self.partials = "uploading", 0, 0, []
        with client.request(
            self.connection,
            self.endpoint.method.value,
            self.endpoint.path,
            model=self.request.model,
            body=self.body,
            headers=self._headers,
            may_cost=True,
        ) as response:
            self.stage, self.answered_headers = "downloading", response.headers
            body = self._received(response, keep) if response.is_success else self._in_spite_of(response, keep)
        self.stage = "answered"
        return RawAnswer(body, response.headers, time.monotonic() - started)

    def parse(self, raw: RawAnswer) -> OpenAIImageGenerationResponse:
        """Return the response model of an answer.

        Raises: BadAnswerError if it does not fit; OpenAIImageError if it is an error after all.
        """
        return parse_answer(raw, self.connection, model=self.request.model, asked=self._pictures)

    def _received(self, response: HttpResponse, keep: Callable[[bytes], object]) -> bytes:
        """Return an answer as it came; `partials` fills meanwhile.

        Raises: OpenAIImageError if it did not come whole, and no picture with it.
        """
        pieces: list[bytes] = []
        coming = self._kept(response, pieces, keep)
        self._has_failed = False
        try:
            start = b""
            while (self.received < START_BYTES or sse.PREAMBLE.fullmatch(start)) and (piece := next(coming, b"")):
                start = sse.without_preamble(start) + piece
            if not sse.EVENT_STREAM.match(start):
                looked_s = _shorten_patience(pieces, response)
                for _piece in coming:
                    looked_s += _shorten_patience(pieces, response) if looked_s < LOOKS_AT_END_S else 0.0
            elif not (
                self._streamed(itertools.chain([start], coming), response)
                or self._began_task(Reading(b"".join(pieces)))
            ):
                raise response.lost(sse.IncompleteStream("the stream ended without its final event"))
        except OpenAIImageError:
            came = Reading(b"".join(pieces))
            is_told = self._has_failed or came.is_finished or came.holds_picture
            if not is_told and (self.connection.idempotent or not came.is_worth_reading):
                raise
        return b"".join(pieces)

    def _in_spite_of(self, response: HttpResponse, keep: Callable[[bytes], object]) -> bytes:
        """Return the content of an answer whose status tells of a failure and which brings the picture all the same.

        Or says where it is to be had. A picture that is the whole content is the gateway's own, in place of a page.
        Raises: OpenAIImageError, by kind, where there is none, or only what was sent.
        """
        said = response.said()
        reading = Reading(said)
        if self._leads_on(response, reading):
            keep(said)
            return said
        if not self._sent and not is_picture(said):
            keep(said)  # before anything reads it; what holds no picture is forgotten by whoever gets the error
        found = None if is_picture(said) else reading.known_picture
        if found is None or not is_whole_picture(found) or found in self._sent:
            raise response.refused(said, begun=reading.was_begun, streamed=bool(self.request.stream))
        if self._sent:
            keep(said)  # not before: what a server says back of an edit is no answer
        return said

    def _began_task(self, said: Reading, status: int = HTTPStatus.OK) -> bool:
        return not self.connection.idempotent and said.tells_of_work(status)

    def _leads_on(self, response: HttpResponse, said: Reading) -> bool:
        """Tell whether an answer whose status is no success tells of the picture: to look there costs nothing.

        303 says that the request was done and what came of it is there; to where one signs in it leads elsewhere.
        """
        place = response.headers.get("location", "").strip()
        if 300 <= response.status < 400:
            is_own_place = False
            with contextlib.suppress(ValueError):
                is_own_place = bool(place) and is_own(address_of(place, self.connection), self.connection)
            is_done = response.status == HTTPStatus.SEE_OTHER and is_own_place
            if place:
                return NO_RESULT.search(place.partition("?")[0]) is None and (
                    is_done or UP_TO_SUFFIX.fullmatch(place) is not None
                )
        return self._began_task(said, response.status)

    def _streamed(self, coming: Iterable[bytes], response: HttpResponse) -> bool:
        """Follow a stream until it has said its last word; tell whether there was one."""
        self.stage = "streaming"
        finals, failures, is_chat, is_sequence, is_ended, is_in_pieces = 0, 0, False, False, False, False
        for event in sse.events(coming):
            if sse.is_partial(event):
                with contextlib.suppress(KeyError, ValueError, TypeError, AttributeError):
                    self.partials.append(base64_to_bytes(event["b64_json"]))
                continue
            is_chat, is_sequence = is_chat or sse.is_text_piece(event), is_sequence or sse.is_part(event)
            is_ended = is_ended or event.get("type") in sse.ENDED_KINDS
            found = [] if is_in_pieces or sse.is_text_piece(event) else known_pictures(event, {}, final=True)
            if len(found) == 1 and is_piece(found[0]):
                is_in_pieces, found, response.patience.silence_s = True, [], PIECES_S
            has_failed = not found and sse.is_error(event)
            finals, failures = finals + len(found), failures + has_failed
            self._has_failed = failures > 0
            if finals >= self._pictures and not is_sequence:
                return True  # some servers leave the line open
            if has_failed and self._pictures == 1 and not is_sequence:
                response.patience.shorten(AFTER_END_S)  # some servers fail, try another way, and have the picture
            is_told = finals + failures >= self._pictures and not is_sequence  # else others are still made
            if is_told or sse.is_end(event, len(found)):
                response.patience.silence_s = AFTER_END_S
        is_told = is_chat or self._has_failed or is_ended or is_in_pieces
        return finals > 0 or is_told  # without a picture, what it says is told

    def _kept(self, response: HttpResponse, pieces: list[bytes], keep: Callable[[bytes], object]) -> Iterator[bytes]:
        began = time.monotonic()
        for piece in response.chunks():
            keep(piece)
            pieces.append(piece)
            self.received += len(piece)
            if time.monotonic() - began > SLOW_AFTER_S:
                with contextlib.suppress(Exception):  # no fault there may cost the rest of a paid answer
                    self.on_slow()
            yield piece


def _shorten_patience(pieces: list[bytes], response: HttpResponse) -> float:
    """Wait no longer for what a wrong length promises behind an answer that is complete.

    Returns the seconds that it took to look at all that came.
    """
    began = time.monotonic()
    last, first = (pieces[-1].rstrip()[-1:], pieces[0]) if pieces else (b"", b"")
    is_json = last in END_OF_JSON and Reading(b"".join(pieces)).is_finished
    if is_json or (is_picture(first) and has_ended(b"".join(pieces))):
        response.patience.silence_s = AFTER_END_S
    return time.monotonic() - began
