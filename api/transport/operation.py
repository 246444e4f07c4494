"""One exchange over the wire: a request model and files in, a response model out."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar, cast

import requests
from pydantic import BaseModel, ValidationError

from ..catalog.schemas import OpenAIImageEditRequest, OpenAIImageGenerationRequest, OpenAIImageGenerationResponse
from ..connections.resolve import Connection
from ..errors import BadAnswerError
from .base64_json import lifted
from .bodies import FilePart, RequestBody, json_body, multipart_body
from .error_mapping import answered_failure, service_words, unanswered_failure
from .sessions import session_for
from .sse import StreamBroken, StreamRefused, plain_answer

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 600.0
MAX_ANSWER_BYTES = 1 << 30
READ_BYTES = 1 << 20

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
        sent_at = datetime.now(timezone.utc)
        self.stage, self.received, self.body.handed, self.partials = "uploading", 0, 0, []
        try:
            with self._send() as response:
                self.stage = "downloading"
                headers = self.answered_headers = self._headers_of(response)
                content = self.connection.without_secrets(self._content(response))
        except StreamRefused as exc:
            body = self.connection.without_secrets(exc.body)
            raise answered_failure(self.connection, 200, headers, body, model=self.request.model) from exc
        except (requests.RequestException, OSError, StreamBroken) as exc:
            raise unanswered_failure(
                self.connection, exc, complete=self.body.complete, sent_at=f"{sent_at:%H:%M:%S} UTC"
            ) from exc
        if not 200 <= response.status_code < 300:
            raise answered_failure(self.connection, response.status_code, headers, content, model=self.request.model)
        return RawAnswer(content, headers, (datetime.now(timezone.utc) - sent_at).total_seconds())

    def parse(self, raw: RawAnswer) -> ResponseT:
        """Return the response model of an answer.

        Raises: BadAnswerError if it does not fit.
        """
        try:
            outline, long_texts = lifted(raw.body)
            return self.endpoint.response_model.model_validate_json(outline, context=long_texts)
        except ValidationError as exc:
            said = service_words(raw.body).message[:200] or "nothing readable"
            raise BadAnswerError(
                f"{self.connection.name}: the answer is not of the expected form (the service says: {said}).",
                status=200,
                request_id=raw.request_id,
            ) from exc

    def _send(self) -> requests.Response:
        url = self.connection.url(self.endpoint.path, self.request.model)
        headers = {**self.connection.auth_headers(), **self._headers, "Content-Type": self.body.content_type}
        response = session_for(url).request(
            self.endpoint.method.value,
            url,
            params=dict(self.connection.query),
            data=cast(Iterable[bytes], self.body),
            headers=headers,
            timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
            allow_redirects=False,  # a redirect could carry the key to another host
            stream=True,
        )
        return response

    def _content(self, response: requests.Response) -> bytes:
        """Return the answer, the one of a stream as if it had been a plain one; `partials` fills meanwhile."""
        if response.ok and response.headers.get("content-type", "").startswith("text/event-stream"):
            self.stage = "streaming"
            return plain_answer(_chunks(response, None, self._count), self.partials.append)
        return read_whole(response, self._count)

    def _headers_of(self, response: requests.Response) -> dict[str, str]:
        """Return the headers of an answer, names in lower case, without our key: some servers say it back."""
        clean = self.connection.without_secrets
        return {name.lower(): clean(value.encode()).decode() for name, value in response.headers.items()}

    def _count(self, size: int) -> None:
        self.received += size


def _body(request: OpenAIImageGenerationRequest, files: Sequence[FilePart]) -> RequestBody:
    fields: dict[str, Any] = request.wire_fields()
    if request.operation == "generations":
        return json_body(fields)
    # The boundary follows from the content: a repeated request is the same to the byte, as idempotency wants it.
    digest = hashlib.sha256("".join(file.digest for file in files).encode()).hexdigest()
    return multipart_body(fields, files, f"openai-image-nodes-{digest[:32]}")


def read_whole(response: requests.Response, count: Callable[[int], None] = lambda _size: None) -> bytes:
    """Return the whole content of an answer.

    Raises: requests.RequestException if the connection breaks or there is more than a GiB.
    """
    return b"".join(_chunks(response, READ_BYTES, count))  # lets other threads run, unlike a buffer that grows


def _chunks(response: requests.Response, size: int | None, count: Callable[[int], None]) -> Iterator[bytes]:
    """Yield the content in pieces of `size` bytes, or as they come (None), of at most a GiB in all.

    Raises: requests.RequestException if the connection breaks or there is more.
    """
    total = 0
    for chunk in response.iter_content(size):
        total += len(chunk)
        count(len(chunk))
        if total > MAX_ANSWER_BYTES:
            raise requests.exceptions.ContentDecodingError(f"the answer has more than {MAX_ANSWER_BYTES:,} bytes")
        yield chunk
