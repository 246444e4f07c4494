"""Checks a request as the service does and settles what was left to it, so that it can be drawn.

Scalar fields are judged by `api.catalog.validation`, so sandbox and client cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...api.catalog import catalog
from ...api.catalog import validation as rules
from ...api.catalog.catalog import ModelSpec
from .. import errors
from . import image_checks
from .form import ParsedRequest
from .image_checks import Size, is_transparent, read_image

SIZE_WHEN_AUTO = (1024, 1024)
GIF_SIDE_WHEN_AUTO = 512
QUALITY_WHEN_AUTO = "medium"  # of a model that chooses by the prompt
AZURE_OUTPUT_FORMATS = ("png", "jpeg")  # docs/service.md, "Azure"


@dataclass(frozen=True)
class ValidatedRequest:
    """A request that is in order, with every choice made. `size` is in pixels, `input_sizes` one per image."""

    operation: str
    fields: Mapping[str, Any]
    spec: ModelSpec
    size: Size
    quality: str
    output_format: str = "png"
    transparent: bool = False
    images: tuple[bytes, ...] = ()
    input_sizes: tuple[Size, ...] = ()
    mask: bytes | None = None
    markup: bytes | None = None

    @property
    def prompt(self) -> str:
        """What the pictures are to show."""
        return str(self.fields["prompt"]).strip()

    @property
    def model(self) -> str:
        """The model as it was asked for."""
        return str(self.fields["model"])

    @property
    def size_text(self) -> str:
        """The size as "WIDTHxHEIGHT"."""
        return f"{self.size[0]}x{self.size[1]}"

    @property
    def n(self) -> int:
        """The number of pictures."""
        return int(self.fields.get("n", 1))

    @property
    def stream(self) -> bool:
        """Whether the answer is a stream of events."""
        return bool(self.fields.get("stream", False))

    @property
    def partial_images(self) -> int:
        """The number of pictures on the way, 0 without a stream."""
        return int(self.fields.get("partial_images", 0)) if self.stream else 0

    @property
    def compression(self) -> int:
        """The quality of JPEG and WebP, 0..100."""
        return int(self.fields.get("output_compression", 100))

    @property
    def frame_count(self) -> int:
        """The number of frames of a GIF."""
        default = self.spec.gif.frame_count_default if self.spec.gif else 1
        return int(self.fields.get("frame_count", default))

    @property
    def sheet(self) -> Size:
        """The size of what is drawn at once: of the picture, or of the sheet of a GIF's frames."""
        sheets = rules.gif_sheets(self.spec, *self.size, self.frame_count) if self.output_format == "gif" else []
        return sheets[0] if sheets else self.size


def validate(operation: str, parsed: ParsedRequest, *, azure: bool = False) -> ValidatedRequest:
    """Return a request with every choice made. Raises: RefusedError for whatever the service would refuse."""
    spec, fields = _model(parsed), parsed.fields
    if "prompt" not in fields:
        raise errors.missing("prompt")
    if operation == "edits" and not parsed.images:
        raise errors.missing("image")
    rules.check(parsed.facts(), operation=operation)
    output_format = fields.get("output_format", "png")
    if azure and output_format not in AZURE_OUTPUT_FORMATS:
        raise errors.not_one_of("output_format", output_format, AZURE_OUTPUT_FORMATS)
    _beyond_the_rules(fields, spec)
    input_sizes = image_checks.check(parsed, spec)
    return ValidatedRequest(
        operation=operation,
        fields=fields,
        spec=spec,
        size=_size(parsed, input_sizes),
        quality=_settled(fields.get("quality"), _quality_when_auto(spec)),
        output_format=output_format,
        transparent=output_format != "jpeg" and _transparent(parsed),
        images=tuple(file.data for file in parsed.images),
        input_sizes=input_sizes,
        mask=parsed.mask.data if parsed.mask else None,
        markup=parsed.markup.data if parsed.markup else None,
    )


def _model(parsed: ParsedRequest) -> ModelSpec:
    model = parsed.fields.get("model")
    if not model:
        raise errors.missing("model")
    if catalog.find(str(model)) is None:
        raise errors.no_model(str(model))
    rules.refuse_ended(str(model))
    return rules.spec_of(parsed.fields)


def _beyond_the_rules(fields: Mapping[str, Any], spec: ModelSpec) -> None:
    """Refuse what the client only warns of, or does not look at."""
    effort = (fields.get("svg", {}).get("reasoning") or {}).get("effort")
    if effort is not None and spec.svg is not None and effort not in spec.svg.reasoning_effort:
        raise errors.not_one_of("svg.reasoning.effort", effort, spec.svg.reasoning_effort)
    size = fields.get("size", "auto")
    if fields.get("output_format") != "gif" or size == "auto" or spec.gif is None:
        return
    if rules.parse_size(size) is None:
        raise errors.invalid("size", f"Invalid size '{size}'. Use auto or WIDTHxHEIGHT.")
    if rules.gif_sheet_fault(spec, size, fields.get("frame_count", spec.gif.frame_count_default)):
        raise errors.invalid("size", f"Size {size} is too large for this frame count.")


def _size(parsed: ParsedRequest, input_sizes: tuple[Size, ...]) -> Size:
    """Return the size of the pictures: as asked, or for auto the first image's own, whatever the rules say."""
    asked = rules.parse_size(str(parsed.fields.get("size", "auto")))
    own = input_sizes[0] if input_sizes else None
    if asked is not None or parsed.fields.get("output_format") != "gif":
        return asked or own or SIZE_WHEN_AUTO
    width, height = own or SIZE_WHEN_AUTO
    scale = GIF_SIDE_WHEN_AUTO / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _transparent(parsed: ParsedRequest) -> bool:
    """Tell whether the pictures have an alpha: as asked, or for auto as the first image has."""
    background = _settled(parsed.fields.get("background"), "auto")
    if background == "auto":
        return bool(parsed.images) and is_transparent(read_image(parsed.images[0].data))
    return background == "transparent"


def _quality_when_auto(spec: ModelSpec) -> str:
    """Return the one quality that the model takes for auto, else the sandbox's own choice."""
    return spec.auto_quality[0] if spec.auto_quality and len(spec.auto_quality) == 1 else QUALITY_WHEN_AUTO


def _settled(value: object, when_auto: str) -> str:
    return when_auto if value in (None, "auto") else str(value)
