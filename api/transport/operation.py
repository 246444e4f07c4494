"""One exchange over the wire: a request model and files in, a response model out."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from ..catalog.schemas import OpenAIImageEditRequest, OpenAIImageGenerationRequest, OpenAIImageGenerationResponse
from ..connections.connection import Connection
from . import client
from .answer import RawAnswer, parse_answer
from .bodies import FilePart, RequestBody, json_body, multipart_body
from .client import HttpResponse
from .sse import IncompleteStream, StreamRefused, response_from_events

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
    from other threads while it runs.
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
        self.body = _body(request, files)
        self._headers = headers or {}

    def execute(self) -> ResponseT:
        """Send the request, wait, and return the answer.

        Raises: OpenAIImageError, by kind.
        """
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
            body, joined = self._received(response.checked(), keep)
        return RawAnswer(body, response.headers, time.monotonic() - started, joined)

    def parse(self, raw: RawAnswer) -> ResponseT:
        """Return the response model of an answer.

        Raises: BadAnswerError if it does not fit; OpenAIImageError if it is an error after all.
        """
        return parse_answer(raw, self.endpoint.response_model, self.connection, model=self.request.model)

    def _received(self, response: HttpResponse, keep: Callable[[bytes], object]) -> tuple[bytes, bytes | None]:
        """Return an answer as it came, and what a stream comes to; `partials` fills meanwhile."""
        pieces: list[bytes] = []
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        coming = self._kept(response.chunks(None if is_stream else client.READ_BYTES), pieces, keep)
        if not is_stream:
            return b"".join(coming), None
        self.stage = "streaming"
        try:
            joined = response_from_events(coming, self.partials.append)
        except StreamRefused as exc:
            raise response.call.refused(response.status, response.headers, exc.body) from exc
        except IncompleteStream as exc:
            raise response.call.lost(exc) from exc
        return b"".join(pieces), joined

    def _kept(self, chunks: Iterable[bytes], pieces: list[bytes], keep: Callable[[bytes], object]) -> Iterator[bytes]:
        for chunk in chunks:
            keep(chunk)
            pieces.append(chunk)
            self.received += len(chunk)
            yield chunk


def _body(request: OpenAIImageGenerationRequest, files: Sequence[FilePart]) -> RequestBody:
    fields: dict[str, Any] = request.wire_fields()
    if request.operation == "generations":
        return json_body(fields)
    return multipart_body(fields, files)
