"""One exchange over the wire: a request model and files in, a response model out."""

from __future__ import annotations

import enum
import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from ..catalog.schemas import OpenAIImageEditRequest, OpenAIImageGenerationRequest, OpenAIImageGenerationResponse
from ..connections.resolve import Connection
from ..errors import BadAnswerError
from . import client
from .base64_json import extract_base64
from .bodies import FilePart, RequestBody, json_body, multipart_body
from .client import HttpResponse
from .error_mapping import service_words
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


@dataclass(frozen=True)
class RawAnswer:
    """A success as it came: nothing decoded yet, so that it can be written down first."""

    body: bytes = field(repr=False)
    headers: dict[str, str]
    elapsed_s: float

    @property
    def request_id(self) -> str | None:
        """The service's own id of the request, for its support."""
        return self.headers.get("x-request-id")


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

    def exchange(self) -> RawAnswer:
        """Send the request once and return what came back, if it is a success.

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
            content = self._content(response.checked())
        return RawAnswer(content, response.headers, time.monotonic() - started)

    def parse(self, raw: RawAnswer) -> ResponseT:
        """Return the response model of an answer.

        Raises: BadAnswerError if it does not fit.
        """
        try:
            outline, long_texts = extract_base64(raw.body)
            return self.endpoint.response_model.model_validate_json(outline, context=long_texts)
        except ValidationError as exc:
            said = service_words(raw.body).message[:200] or "nothing readable"
            raise BadAnswerError(
                f"{self.connection.name}: the answer is not of the expected form (the service says: {said}).",
                status=200,
                request_id=raw.request_id,
            ) from exc

    def _content(self, response: HttpResponse) -> bytes:
        """Return the answer, the one of a stream as if it had been a plain one; `partials` fills meanwhile."""
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            return b"".join(self._counted(response.chunks()))
        self.stage = "streaming"
        try:
            return response_from_events(self._counted(response.chunks(None)), self.partials.append)
        except StreamRefused as exc:
            raise response.call.refused(response.status, response.headers, exc.body) from exc
        except IncompleteStream as exc:
            raise response.call.lost(exc) from exc

    def _counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.received += len(chunk)
            yield chunk


def _body(request: OpenAIImageGenerationRequest, files: Sequence[FilePart]) -> RequestBody:
    fields: dict[str, Any] = request.wire_fields()
    if request.operation == "generations":
        return json_body(fields)
    # The boundary follows from the content: a repeated request is the same to the byte, as idempotency wants it.
    digest = hashlib.sha256("".join(file.digest for file in files).encode()).hexdigest()
    return multipart_body(fields, files, f"openai-image-nodes-{digest[:32]}")
