"""What the bytes of an answer mean: by what they are, not by what they are called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ..catalog.schemas import OpenAIImageGenerationResponse
from ..connections.connection import Connection
from ..errors import BadAnswerError, OpenAIImageError
from .base64_json import extract_base64
from .error_mapping import error_from_response, service_words
from .sse import EVENT_STREAM, IncompleteStream, StreamRefused, response_from_events

ResponseT = TypeVar("ResponseT", bound=BaseModel)


@dataclass(frozen=True)
class RawAnswer:
    """A success as it came, so that it can be written down before anything reads it.

    `joined` is what was made of a stream of events while it came: the answer as without a stream.
    """

    body: bytes = field(repr=False)
    headers: dict[str, str]
    elapsed_s: float
    joined: bytes | None = field(default=None, repr=False)

    @property
    def request_id(self) -> str | None:
        """The service's own id of the request, for its support."""
        return self.headers.get("x-request-id")


def parse_answer(raw: RawAnswer, form: type[ResponseT], connection: Connection, *, model: str) -> ResponseT:
    """Return an answer in a form.

    Raises: BadAnswerError if it does not fit; OpenAIImageError, by kind, if the service says 200 and means an error.
    """
    try:
        body = _joined(raw)
        outline, long_texts = extract_base64(body)
        response = form.model_validate_json(outline, context=long_texts)
    except StreamRefused as exc:
        raise error_from_response(connection, 200, raw.headers, exc.body, subject=model) from exc
    except (ValidationError, IncompleteStream) as exc:
        said = service_words(raw.body).message[:200] or "nothing readable"
        raise BadAnswerError(
            f"{connection.name}: the answer is not of the expected form (the service says: {said}).",
            status=200,
            request_id=raw.request_id,
        ) from exc
    if not getattr(response, "data", None) and service_words(body).from_service:
        raise error_from_response(connection, 200, raw.headers, body, subject=model)
    return response


def holds_picture(body: bytes, connection: Connection) -> bool:
    """Tell whether the bytes of an answer that may not have come to its end hold a picture all the same."""
    try:
        response = parse_answer(RawAnswer(body, {}, 0.0), OpenAIImageGenerationResponse, connection, model="")
    except OpenAIImageError:
        return False
    return any(image.b64_json or image.url for image in response.data or [])


def _joined(raw: RawAnswer) -> bytes:
    if raw.joined is None and EVENT_STREAM.match(raw.body):
        return response_from_events([raw.body], lambda _sketch: None)
    return raw.joined or raw.body
