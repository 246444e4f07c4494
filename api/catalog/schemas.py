"""Requests and answers of the images API, in the service's own field names.

Source: openai-python 3.54.0, types/image_generate_params.py, image_edit_params.py, images_response.py.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from . import validation

Operation = Literal["generations", "edits"]


class RequestModel(BaseModel):
    """What is asked for: no other fields, and never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SvgReasoning(RequestModel):
    """How long the author of an SVG thinks: none, minimal, low, medium, high, xhigh or max."""

    effort: str | None = None


class Svg(RequestModel):
    """The text model that writes an SVG, for accounts that may choose it."""

    model: str
    reasoning: SvgReasoning | None = None


class OpenAIImageGenerationRequest(RequestModel):
    """A picture from a prompt alone. Checked against the catalog when made, all but the day on which a model ends:
    that is OpenAI's, and a connection knows whether OpenAI is asked.

    Raises: RefusedError for a value that the model does not take, pydantic's ValidationError for an unknown field.
    """

    operation: ClassVar[Operation] = "generations"

    model: str
    prompt: str
    n: int = 1
    size: str = "auto"
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    moderation: str | None = None
    complexity: str | None = None
    frame_count: int | None = None
    frame_duration_ms: int | None = None
    svg: Svg | None = None
    stream: bool | None = None
    partial_images: int | None = None

    @model_validator(mode="after")
    def _allowed_by_the_catalog(self) -> Self:
        validation.check(dict(self), operation=self.operation, shutdowns=False)
        return self

    def wire_fields(self) -> dict[str, Any]:
        """Return the fields as they go out: no nulls, nothing that the service does not know."""
        return self.model_dump(exclude_none=True)


class OpenAIImageEditRequest(OpenAIImageGenerationRequest):
    """A picture made from pictures; the files go beside it, here it is only counted what there is.

    Raises: as OpenAIImageGenerationRequest, also for too many images and for mask together with markup.
    """

    operation: ClassVar[Operation] = "edits"

    input_fidelity: str | None = None
    image_count: int = Field(exclude=True)
    mask: bool = Field(default=False, exclude=True)
    markup: bool = Field(default=False, exclude=True)


class Image(BaseModel):
    """One picture of an answer: base64 text, the address of a file, or its own bytes (`raw`); `other` is what else
    stands in its place. `guess` tells that it stood in no known place ("place"), or is a link in a text ("link").

    Long base64 is a view of the answer's own bytes (see base64_json.py).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    b64_json: str | memoryview | None = None
    url: str | None = None
    revised_prompt: str | None = None
    raw: bytes | None = Field(default=None, repr=False)
    other: str | None = None
    guess: Literal["place", "link"] | None = None

    @property
    def has_picture(self) -> bool:
        """Whether there is a picture, here or at an address."""
        return bool(self.b64_json or self.url or self.raw)


class TokenDetails(BaseModel):
    """Tokens by kind."""

    text_tokens: int = 0
    image_tokens: int = 0
    cached_tokens: int | None = None


class Usage(BaseModel):
    """What a request used, in tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_tokens_details: TokenDetails | None = None
    output_tokens_details: TokenDetails | None = None


class SvgUsage(BaseModel):
    """What the author of an SVG used, in tokens; billed apart from the picture."""

    model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0


class OpenAIImageGenerationResponse(BaseModel):
    """An answer with pictures. Every field but `data` may be missing: comfy.org and relays leave them out."""

    data: list[Image] = []
    usage: Usage | None = None
    svg_usage: SvgUsage | None = None
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
