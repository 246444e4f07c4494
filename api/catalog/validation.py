"""What can be asked of which model: the one place where the catalog's facts turn into refusals.

The widgets' check before a run, the request models and the sandbox all call `check`, so they cannot disagree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ..errors import RefusedError
from . import catalog
from .catalog import ModelSpec, Sizes

SIZE_PATTERN = re.compile(r"([1-9]\d{1,5})x([1-9]\d{1,5})")
SHAPE_WEIGHT = 10.0  # a hundredth of distortion is worse than a tenth of difference in area
COMPRESSED = ("jpeg", "webp")  # the output formats that have output_compression
SEED_MAX = 2**31 - 1  # ours: a seed is never sent, it tells one paid result from another
LINKED_SEEDS = -(2**63), 2**64 - 1  # what other nodes give, some -1 for any; records are read with these alone
Fields = Mapping[str, Any]


class InputFile(Protocol):
    """An encoded picture on its way out: image, mask or markup."""

    @property
    def name(self) -> str:
        """The part of the form that it goes as."""

    @property
    def filename(self) -> str:
        """What it is called in messages."""

    @property
    def data(self) -> bytes:
        """Its bytes."""


def check(fields: Fields, *, operation: str, shutdowns: bool = True) -> None:
    """Refuse what the model of `fields` does not take; a field that is absent or None is not judged.

    Not `shutdowns`: a model that OpenAI shut down passes, as other servers may use its name for their own.

    `fields` are the service's own field names, `operation` is "generations" or "edits".
    Raises: RefusedError naming the field, the value and what is allowed.
    """
    spec, model = spec_of(fields), fields.get("model")
    if model and shutdowns:
        refuse_ended(str(model))
    for rule in RULES:
        rule(spec, fields)
    if operation == "generations" and fields.get("input_fidelity"):
        message = "input_fidelity is about pictures, and none is connected. Connect an image or set it back to auto."
        raise _refusal("input_fidelity", message, code="unknown_parameter")
    if operation not in spec.endpoints:
        lacking = "cannot edit pictures" if operation == "edits" else "cannot make a picture from a prompt alone"
        raise _refusal("model", f"Model {model} {lacking}. Choose another model.", code="model_not_found")


def check_files(model: str, files: Sequence[InputFile]) -> None:
    """Refuse files that are larger than the service takes. Raises: RefusedError with both sizes in bytes."""
    spec = catalog.find(model) or catalog.unknown_model(model)
    for file in files:
        limit = spec.mask_max_bytes if file.name == "mask" else spec.max_input_image_bytes
        if len(file.data) > limit:
            name = file.name.removesuffix("[]")
            message = f"{file.filename} has {len(file.data):,} bytes as PNG, at most {limit:,} are allowed."
            advice = "Make the mask simpler (no noise) or smaller." if name == "mask" else "Make the picture smaller."
            raise _refusal(name, f"{message} {advice}")


def spec_of(fields: Fields) -> ModelSpec:
    """Return the catalog's entry for `fields["model"]`, or general rules for an id that it does not know."""
    model = fields.get("model")
    spec = catalog.find(str(model)) if model else None
    return spec or catalog.unknown_model(str(model or "this model"))


def refuse_ended(model: str) -> None:
    """Refuse a model that OpenAI shut down. Raises: RefusedError that names its successors."""
    spec = catalog.find(model)
    if spec is not None and spec.ended():
        instead = " or ".join(spec.replacement) or "a live model"
        message = f"Model {model} was shut down on {spec.shutdown_date}. Choose {instead} instead."
        raise _refusal("model", message, code="model_not_found")


def gif_sheet_fault(spec: ModelSpec, size: str, frame_count: int) -> str | None:
    """Return why the service is likely to refuse a GIF, or None.

    All frames are drawn on one sheet that must keep the model's limits: derived from third-party measurements
    (docs/service.md, "GIF"), so it is a warning and never a refusal.
    """
    parsed = parse_size(size)
    sheets = gif_sheets(spec, *parsed, frame_count) if parsed else []
    most = spec.sizes
    if not sheets or any(max(sheet) <= most.max_edge and math.prod(sheet) <= most.max_pixels for sheet in sheets):
        return None
    return f"{frame_count} frames of {size} are likely to be too large for {spec.id}: fewer or smaller frames work."


def gif_sheets(spec: ModelSpec, width: int, height: int, frame_count: int) -> list[tuple[int, int]]:
    """Return the sizes in pixels that the sheet of a GIF can have, its grid upright or turned; [] if unknown."""
    grids = (spec.gif.sheet_grids if spec.gif else {}).items()
    fitting = [grid for most, grid in sorted(grids) if frame_count <= most][:1]
    return [(width * a, height * b) for columns, rows in fitting for a, b in ((columns, rows), (rows, columns))]


def out_of_range(name: str, value: object, low: int, high: int) -> str:
    """Return what to say of a number outside its limits."""
    return f"{name} is {value}, but must be from {low} to {high}."


def parse_size(size: str) -> tuple[int, int] | None:
    """Return (width, height) in pixels of "WIDTHxHEIGHT", or None for anything else, "auto" included."""
    match = SIZE_PATTERN.fullmatch(size)
    return (int(match[1]), int(match[2])) if match else None


def size_fault(sizes: Sizes, width: int, height: int) -> str | None:
    """Return what is wrong with a size in pixels under these rules, with both values, or None."""
    long, short, pixels = max(width, height), min(width, height), width * height
    if sizes.kind == "fixed":
        return None if f"{width}x{height}" in sizes.allowed else f"is not one of {', '.join(sizes.allowed)}"
    if width % sizes.multiple_of or height % sizes.multiple_of:
        return f"must have both sides divisible by {sizes.multiple_of}"
    if short < sizes.min_side:
        return f"has a side of {short}, the smallest is {sizes.min_side}"
    if long > sizes.max_edge:
        return f"has a side of {long}, the longest is {sizes.max_edge}"
    if long > sizes.max_aspect_ratio * short:
        return f"has a ratio of {long / short:.2f}:1, the widest is {sizes.max_aspect_ratio:g}:1"
    if not sizes.min_pixels <= pixels <= sizes.max_pixels:
        return f"has {pixels:,} pixels, allowed are {sizes.min_pixels:,} to {sizes.max_pixels:,}"
    return None


def nearest_size(sizes: Sizes, width: int, height: int) -> tuple[int, int]:
    """Return the legal size in pixels that is nearest to a picture's: first in shape, then in area."""

    def distance(size: tuple[int, int]) -> float:
        shape = math.log(size[0] * height / (size[1] * width))
        area = math.log(size[0] * size[1] / (width * height))
        return SHAPE_WEIGHT * abs(shape) + abs(area)

    legal = [size for size in _candidates(sizes, width, height) if size_fault(sizes, *size) is None]
    return min(legal, key=distance, default=(width, height))


def _candidates(sizes: Sizes, width: int, height: int) -> list[tuple[int, int]]:
    if sizes.kind != "arbitrary":
        return [size for size in map(parse_size, sizes.allowed) if size]
    step, ratio = sizes.multiple_of, width / height
    found = [(width, height)]
    for side in range(step, sizes.max_edge + 1, step):
        for other in (side / ratio, side / sizes.max_aspect_ratio, side * sizes.max_aspect_ratio):
            found += [(side, step * max(1, round(other / step) + more)) for more in (-1, 0, 1)]
    return found


def _texts(spec: ModelSpec, fields: Fields) -> None:
    # half a character, as a text that was cut in the middle of an emoji has it: no request can carry it
    for name, value in fields.items():
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as exc:
                place = f"U+{ord(value[exc.start]):04X} at character {exc.start + 1}"
                message = (
                    f"The {name} holds half of a character ({place}), perhaps of an emoji. Delete it or type it again."
                )
                raise _refusal(name, message) from None
    prompt = fields.get("prompt")
    if prompt is None:
        return
    length = len(str(prompt).strip())
    if length == 0:
        raise _refusal("prompt", "The prompt is empty. Say what the picture should show.", code="empty_prompt")
    if length > spec.prompt_max_chars:
        message = f"The prompt has {length:,} characters, at most {spec.prompt_max_chars:,} are allowed. Shorten it."
        raise _refusal("prompt", message, code="prompt_too_long")


def _size(spec: ModelSpec, fields: Fields) -> None:
    size = fields.get("size")
    if size is None or size == "auto":
        return
    parsed = parse_size(str(size))
    if parsed and fields.get("output_format") == "gif":
        return  # frames are smaller than pictures; the service's own limits for them are not published
    fault = size_fault(spec.sizes, *parsed) if parsed else "is neither auto nor WIDTHxHEIGHT"
    if fault:
        raise _refusal("size", f"Size {size} {fault} ({spec.id}). Choose another size or model.")


def _choice(field: str, allowed: Callable[[ModelSpec], Sequence[str] | None]) -> Callable[[ModelSpec, Fields], None]:
    """Return a rule for a field that takes one of a closed set; None as the set means the model has no such field."""

    def rule(spec: ModelSpec, fields: Fields) -> None:
        value, values = fields.get(field), allowed(spec)
        if value is None or (values and value in values):
            return
        if not values:
            raise _refusal(field, f"Model {spec.id} has no {field}. Set it back to auto.")
        message = f"{field} {value} is not available for {spec.id}. Choose one of {', '.join(values)}."
        if able := [other.id for other in catalog.listed() if value in (allowed(other) or ())]:
            message += f" These models have it: {', '.join(able)}."
        raise _refusal(field, message)

    return rule


def _range(field: str, limits: Callable[[ModelSpec], tuple[int, int] | None]) -> Callable[[ModelSpec, Fields], None]:
    """Return a rule for a field that takes whole numbers within limits; None as the limits means nobody knows any."""

    def rule(spec: ModelSpec, fields: Fields) -> None:
        value, found = fields.get(field), limits(spec)
        if value is not None and found and not found[0] <= value <= found[1]:
            raise _refusal(field, out_of_range(field, value, *found))

    return rule


_known_format = _choice("output_format", lambda spec: spec.output_formats)


def _output_format(spec: ModelSpec, fields: Fields) -> None:
    if spec.known:  # of others nobody knows what else they make
        _known_format(spec, fields)
    if fields.get("background") == "transparent" and fields.get("output_format") == "jpeg":
        message = "background transparent needs output_format png or webp, not jpeg. Change one of the two."
        raise _refusal("background", message)


def _output_compression(spec: ModelSpec, fields: Fields) -> None:
    value, output_format = fields.get("output_compression"), fields.get("output_format") or "png"
    high = spec.output_compression[1]
    if output_format not in COMPRESSED and value not in (None, high):
        message = (
            f"output_compression {value} works with jpeg and webp only, output_format is {output_format}."
            f" Choose webp or jpeg, or set output_compression to {high}."
        )
        raise _refusal("output_compression", message)


def _gif_and_svg(_spec: ModelSpec, fields: Fields) -> None:
    output_format, n = fields.get("output_format"), fields.get("n")
    if output_format == "svg" and n not in (None, 1):
        raise _refusal("n", f"SVG output makes one picture a request, n is {n}. Set n to 1.")
    for name in ("frame_count", "frame_duration_ms"):
        if output_format != "gif" and fields.get(name) is not None:
            raise _refusal(name, f"{name} needs output_format gif.")
    if output_format != "svg" and fields.get("svg") is not None:
        raise _refusal("svg", "svg needs output_format svg.")
    for name in ("stream", "partial_images", "output_compression", *(["mask"] if output_format == "gif" else [])):
        if output_format in ("gif", "svg") and fields.get(name):
            raise _refusal(name, f"output_format {output_format} does not work with {name}.")


def _pictures(spec: ModelSpec, fields: Fields) -> None:
    """Refuse markup, a mask and pictures that do not go together, and more of them than it takes."""
    if fields.get("markup") and not spec.markup:
        able = ", ".join(other.id for other in catalog.listed() if other.markup)
        raise _refusal("markup", f"Model {spec.id} does not read markup. Choose one of {able}.")
    if fields.get("markup") and fields.get("mask"):
        raise _refusal("markup", "markup and mask cannot go together. Disconnect one of the two.")
    count = fields.get("image_count")
    if count is not None and count > spec.max_input_images:
        message = f"{count} images are connected, {spec.id} takes at most {spec.max_input_images}. Connect fewer."
        raise _refusal("image", message)
    if count == 0 and (fields.get("mask") or fields.get("markup")):
        name = "mask" if fields.get("mask") else "markup"
        raise _refusal(name, f"A {name} is connected, but no image. Connect the image it belongs to.")


def _refusal(param: str, message: str, *, code: str = "invalid_value") -> RefusedError:
    return RefusedError(message, param=param, code=code)


RULES: list[Callable[[ModelSpec, Fields], None]] = [
    _texts,
    _choice("quality", lambda spec: spec.quality),
    _choice("background", lambda spec: spec.background),
    _choice("moderation", lambda spec: spec.moderation),
    _choice("input_fidelity", lambda spec: spec.input_fidelity),
    _choice("complexity", lambda spec: spec.complexity),
    _size,
    _output_format,
    _range("output_compression", lambda spec: spec.output_compression),
    _output_compression,
    _range("n", lambda spec: spec.n),
    _gif_and_svg,
    _range("frame_count", lambda spec: spec.gif.frame_count if spec.gif else None),
    _range("frame_duration_ms", lambda spec: spec.gif.frame_duration_ms if spec.gif else None),
    _pictures,
    _range("partial_images", lambda spec: spec.partial_images),
]
