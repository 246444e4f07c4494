"""Checks a form as the service does and settles what was left to it: the result is an `Order`, ready to be drawn.

Scalar fields are judged by `api.rules` and the catalogue, so sandbox and client cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...api.catalog import catalog as catalogue
from ...api.catalog import validation as rules
from ...api.catalog.catalog import ModelSpec
from .. import errors as refusals
from ..rendering.painting import Card, Painter
from . import image_checks as files
from .form import Form

Size = tuple[int, int]
SIZE_WHEN_AUTO = (1024, 1024)
GIF_SIDE_WHEN_AUTO = 512
QUALITY_WHEN_AUTO = "medium"
AZURE_OUTPUT_FORMATS = ("png", "jpeg")  # docs/service.md, "Azure"


@dataclass(frozen=True)
class Order:
    """A request that is in order, with every choice made. `size` is in pixels, `input_sizes` one per image."""

    operation: str
    fields: Mapping[str, Any]
    spec: ModelSpec
    size: Size
    quality: str
    output_format: str
    transparent: bool
    images: tuple[bytes, ...]
    input_sizes: tuple[Size, ...]
    mask: bytes | None
    markup: bytes | None

    @property
    def card(self) -> Card:
        """What the pictures tell."""
        size = f"{self.size[0]}x{self.size[1]}"
        return Card(str(self.fields["prompt"]).strip(), str(self.fields["model"]), size, self.quality)

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
    def frame_count(self) -> int:
        """The number of frames of a GIF."""
        default = self.spec.gif.frame_count_default if self.spec.gif else 1
        return int(self.fields.get("frame_count", default))


def order_of(operation: str, form: Form, painter: Painter, *, azure: bool = False) -> Order:
    """Return the order in a form.

    Raises: RefusedError for whatever the service would refuse.
    """
    spec = _model(form)
    if "prompt" not in form.fields:
        raise refusals.missing("prompt")
    if operation == "edits" and not form.images:
        raise refusals.missing("image")
    rules.check(form.judged(), operation=operation)
    _beyond_the_rules(form, spec, azure=azure)
    input_sizes = files.check(form, spec, painter)
    output_format = form.fields.get("output_format", "png")
    return Order(
        operation=operation,
        fields=form.fields,
        spec=spec,
        size=_size(form, input_sizes),
        quality=_settled(form.fields.get("quality"), QUALITY_WHEN_AUTO),
        output_format=output_format,
        transparent=output_format != "jpeg" and _transparent(form, painter),
        images=tuple(file.data for file in form.images),
        input_sizes=input_sizes,
        mask=form.mask.data if form.mask else None,
        markup=form.markup.data if form.markup else None,
    )


def _model(form: Form) -> ModelSpec:
    model = form.fields.get("model")
    if not model:
        raise refusals.missing("model")
    if catalogue.find(str(model)) is None:
        raise refusals.no_model(str(model))
    return rules.spec_of(form.fields)


def _beyond_the_rules(form: Form, spec: ModelSpec, *, azure: bool) -> None:
    """Refuse what depends on the endpoint, or on facts that the client only warns of."""
    output_format = form.fields.get("output_format", "png")
    if azure and output_format not in AZURE_OUTPUT_FORMATS:
        raise refusals.invalid(
            "output_format", f"Invalid value: '{output_format}'. Supported values are: 'png' and 'jpeg'."
        )
    effort = (form.fields.get("svg", {}).get("reasoning") or {}).get("effort")
    if effort is not None and spec.svg is not None and effort not in spec.svg.reasoning_effort:
        values = ", ".join(f"'{value}'" for value in spec.svg.reasoning_effort)
        raise refusals.invalid("svg.reasoning.effort", f"Invalid value: '{effort}'. Supported values are: {values}.")
    if output_format == "gif":
        _gif_size(str(form.fields.get("size", "auto")), form.fields.get("frame_count"), spec)


def _gif_size(size: str, frame_count: int | None, spec: ModelSpec) -> None:
    """Refuse a GIF whose sheet, all frames in a grid, is larger than a picture may be (docs/service.md, "GIF")."""
    parsed = rules.parse_size(size)
    if parsed is None and size != "auto":
        raise refusals.invalid("size", f"Invalid size '{size}'. Use auto or WIDTHxHEIGHT.")
    if parsed is None or spec.gif is None:
        return
    sheets = sheets_of(parsed, frame_count or spec.gif.frame_count_default, spec)
    if not any(max(w, h) <= spec.sizes.max_edge and w * h <= spec.sizes.max_pixels for w, h in sheets):
        raise refusals.invalid("size", f"Size {size} is too large for this frame count.")


def sheets_of(frame: Size, frame_count: int, spec: ModelSpec) -> list[Size]:
    """Return the sizes that the sheet of a GIF's frames can have: its grid upright or turned."""
    grids = spec.gif.sheet_grids if spec.gif else {}
    across, down = next((grid for most, grid in sorted(grids.items()) if frame_count <= most), (1, 1))
    return [(frame[0] * across, frame[1] * down), (frame[0] * down, frame[1] * across)]


def _size(form: Form, input_sizes: tuple[Size, ...]) -> Size:
    """Return the size of the pictures: as asked, or for auto the first image's own, whatever the rules say."""
    asked = rules.parse_size(str(form.fields.get("size", "auto")))
    own = input_sizes[0] if input_sizes else None
    if asked is not None or form.fields.get("output_format") != "gif":
        return asked or own or SIZE_WHEN_AUTO
    width, height = own or SIZE_WHEN_AUTO
    scale = GIF_SIDE_WHEN_AUTO / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _transparent(form: Form, painter: Painter) -> bool:
    """Tell whether the pictures have an alpha: as asked, or for auto as the first image has."""
    background = _settled(form.fields.get("background"), "auto")
    if background == "auto":
        return bool(form.images) and painter.has_transparency(form.images[0].data)
    return background == "transparent"


def _settled(value: object, when_auto: str) -> str:
    return when_auto if value in (None, "auto") else str(value)
