"""What the person set in the widgets, in the service's own terms; refused here before anything runs or is sent."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import TYPE_CHECKING, Any

from ...api import OpenAIImageError, RefusedError
from ...api.catalog import catalog, validation

if TYPE_CHECKING:  # and where it is used: this module is loaded at the start, for the defaults of the widgets
    from ...api import Connection
    from ...utils.input_tensors import Size

ANY_MODEL = catalog.unknown_model("any")  # what some model takes; each has its own rules besides
SIZES = (
    *("auto", "1024x1024", "1024x1536", "1536x1024", "2048x2048", "2048x1152", "1152x2048", "3840x2160", "2160x3840"),
    *("match image", "custom"),
)
FITTED = ("blend", "region")  # the mask modes that put the answer back in place
MASK_MODES = ("guide", "lock", *FITTED)
CONTEXT_RANGE = (0, 200)  # percent of the mask's size
# else the service chooses, and dearly
ALWAYS_SAID = ("prompt", "model", "quality", "size", "n", "frame_count", "frame_duration_ms")
CUSTOM = ("custom_width", "custom_height")
TRANSPARENT_PIXELS = ("filled white", "own colours")
SOCKETS = ("image", "references", "mask", "markup")
SET_AGAIN = "Set it again: after an update, the values of a saved workflow may stand in the wrong places."
MORE_NUMBERS = ("frame_count", "frame_duration_ms")  # the service's own fields of other nodes


@dataclass(frozen=True)
class ImageParameters:
    """The widgets of one run that say what is asked for; `extra` are the service's own fields of other nodes.

    The defaults are those of the widgets, and typed nowhere else.
    """

    prompt: str
    model: str = "gpt-image-2.6-flare"
    quality: str = "low"
    background: str = "opaque"
    size: str = "auto"
    n: int = 1
    custom_width: int = 1024
    custom_height: int = 1024
    output_format: str = "png"
    output_compression: int = 100
    moderation: str = "auto"
    input_fidelity: str = "auto"
    complexity: str = "auto"
    mask_mode: str = "guide"
    live_preview: int = 0
    region_context: int = 50  # percent of the mask's size
    transparent_pixels: str = "filled white"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take whole numbers of every kind: nodes of other packs hand over 2.0 or numpy's."""
        for name in WHOLE_NUMBERS & vars(self).keys():
            if is_whole(value := getattr(self, name)):
                object.__setattr__(self, name, int(value))
        more = {name: int(self.extra[name]) for name in MORE_NUMBERS if is_whole(self.extra.get(name))}
        object.__setattr__(self, "extra", {**self.extra, **more})


WIDGET_FIELDS = {one.name: one.type for one in fields(ImageParameters) if one.name != "extra"}
WHOLE_NUMBERS = {name for name, kind in WIDGET_FIELDS.items() if kind == "int"} | {"seed"}
NUMBERS = {*WHOLE_NUMBERS, *MORE_NUMBERS}
TEXTS = {name for name, kind in WIDGET_FIELDS.items() if kind == "str"} | {"connection", "svg_model", "svg_effort"}


def refusal(values: Mapping[str, Any]) -> bool | str:
    """Return True, or why the run must not start; linked inputs are None, inputs that are absent are missing.

    `values` are a node's inputs by name, and `extra` as in ImageParameters.
    """
    from ...api.connections import resolve as connections

    try:
        refuse_widgets(values)
        name = values.get("connection")
        if name is not None and name not in connections.names():
            raise connections.unknown(name)
        connected = {name for name in SOCKETS if name in values}
        edits = bool(connected & {"image", "references"})
        fields = service_fields(values, edits=edits)
        if edits and "mask" in connected and values.get("mask_mode") in FITTED:
            fields.pop("size", None)  # another one is asked for
        sources = {"image_count": None if edits else 0, "mask": "mask" in connected, "markup": "markup" in connected}
        ends = values.get("connection", "auto") in connections.BUILT_IN and values.get("connection") != "azure"
        validation.check({**fields, **sources}, operation="edits" if edits else "generations", shutdowns=ends)
        refuse_nothing_to_match(values.get("size"), edits=edits)
        _refuse_in_batch(values, markup="markup" in connected)
    except OpenAIImageError as exc:
        return str(exc)
    return True


def service_fields(values: Mapping[str, Any], *, asked: Size | None = None, edits: bool) -> dict[str, Any]:
    """Return widget values as the service's fields; what the service should decide itself is left out.

    asked: the size that is asked for in place of the widget's.
    """
    same = ("prompt", "model", "quality", "background", "n", "output_format")
    fields = {name: values[name] for name in same if values.get(name) is not None}
    if "prompt" in fields:
        fields["prompt"] = str(fields["prompt"]).strip()
    for name in ("input_fidelity", "complexity"):
        if values.get(name) not in (None, "auto"):
            fields[name] = values[name]
    # The official client has no moderation for edits: there it only goes out when somebody asks for it.
    if values.get("moderation") is not None and (not edits or values["moderation"] != "auto"):
        fields["moderation"] = values["moderation"]
    compression = values.get("output_compression")
    is_default = compression == ImageParameters.output_compression
    if compression is not None and (not is_default or values.get("output_format") in validation.COMPRESSED):
        fields["output_compression"] = compression
    fields.update(values.get("extra") or {})
    size = values.get("size")
    if asked is not None or size == "custom":
        width, height = asked or map(values.get, CUSTOM)
        size = None if width is None or height is None else f"{width}x{height}"
    return {**fields, "size": size} if size and size != "match image" else fields


def priced_fields(
    values: Mapping[str, Any], connection: Connection, *, asked: Size | None = None, edits: bool
) -> dict[str, Any]:
    """Return what the price of a run depends on: the service's fields, and the sketches that are billed besides."""
    fields = service_fields(values, asked=asked, edits=edits)
    sketches = int(values.get("live_preview") or 0)
    can_be = sketches and without_previews(connection, int(values.get("n") or 1)) is None
    return {**fields, "partial_images": sketches} if can_be else fields


def without_previews(connection: Connection, n: int) -> str | None:
    """Return why sketches of `n` pictures cannot be shown while waiting, or None."""
    if connection.kind == "comfy.org":
        return "comfy.org does not send sketches"
    if connection.batch:
        return "a batch does not send sketches"
    return "sketches come for one picture at a time, and n is more" if n > 1 else None


def refuse_widgets(values: Mapping[str, Any], *, always: Collection[str] = ()) -> None:
    """Refuse values of another kind, and those that are ours alone, which the catalog has nothing to say about.

    `always`: as in `refuse_kinds`. Raises: RefusedError naming the input and the value.
    """
    refuse_kinds({**values, **(values.get("extra") or {})}, always=always)
    model, size = values.get("model"), values.get("size")
    if model is not None and not str(model).strip():
        raise RefusedError("The model is empty. Choose one from the list.")
    if size is not None and size not in SIZES and validation.parse_size(str(size)) is None:
        raise RefusedError(f"Size {size!r} is not known. Choose one of {', '.join(SIZES)}.")
    output_format, formats = values.get("output_format"), ANY_MODEL.output_formats
    if output_format not in (None, *formats):
        raise RefusedError(f"output_format {output_format} is not known. Choose one of {', '.join(formats)}.")
    if values.get("mask_mode") not in (None, *MASK_MODES):
        raise RefusedError(f"mask_mode {values['mask_mode']!r} is not known. Choose one of {', '.join(MASK_MODES)}.")
    if values.get("transparent_pixels") not in (None, *TRANSPARENT_PIXELS):
        told = f"transparent_pixels {values['transparent_pixels']!r} is not known. Choose filled white or own colours."
        raise RefusedError(told)
    ranges = {"live_preview": ANY_MODEL.partial_images, "region_context": CONTEXT_RANGE}
    for name, (low, high) in {**ranges, "seed": (0, validation.SEED_MAX)}.items():
        value = values.get(name)
        if value is not None and not low <= value <= high:
            raise RefusedError(validation.out_of_range(name, value, low, high))


def refuse_kinds(values: Mapping[str, Any], *, always: Collection[str] = ()) -> None:
    """Refuse a number in the place of a text, and the reverse: what ComfyUI itself checks only in some places.

    `always`: the inputs of which None is refused too, as a link may give it.
    Raises: RefusedError naming the input and the value.
    """
    for name, value in values.items():
        is_asked = name in NUMBERS | TEXTS and (value is not None or name in always)
        if is_asked and (fault := kind_fault(name, value, is_number=name in NUMBERS)):
            raise RefusedError(fault)
    seed, (low, high) = values.get("seed") or 0, validation.LINKED_SEEDS
    if not low <= seed <= high:
        raise RefusedError(validation.out_of_range("seed", seed, low, high))


def kind_fault(name: str, value: Any, *, is_number: bool) -> str | None:
    """Return what to say of a value that is no whole number, or no text, or None."""
    if is_whole(value) if is_number else isinstance(value, str):
        return None
    if is_number:
        return f"{name} is {reprlib.repr(value)}, which is no whole number. {SET_AGAIN}"
    return f"{name} is {reprlib.repr(value)}, which is no text. {SET_AGAIN}"


def is_whole(value: Any) -> bool:
    """Tell whether a value is a whole number, however it is written."""
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and float(value).is_integer()
    except OverflowError:
        return isinstance(value, int)


def takes_kept(reuse: Any) -> bool:
    """Tell whether a node's `reuse` lets an answer that is kept be taken.

    A link may give None, an empty text or a list: only what clearly says no has the same asked, and paid, again.
    """
    is_flag = isinstance(reuse, Real) or type(reuse).__name__ in ("bool_", "bool")  # numpy's by both of its names
    return not is_flag or bool(reuse)


def refuse_nothing_to_match(size: str | None, *, edits: bool) -> None:
    """Refuse a size that follows a picture where there is none. Raises: RefusedError."""
    if size == "match image" and not edits:
        raise RefusedError("Size match image needs a picture, and none is connected. Connect one or choose a size.")


def _refuse_in_batch(values: Mapping[str, Any], *, markup: bool) -> None:
    from ...api.batch.enqueue import no_markup
    from ...api.connections import resolve as connections
    from ...api.connections.connection import Connection

    name, model = values.get("connection"), values.get("model")
    if name is None or not connections.is_batch(name):
        return
    if markup:
        raise no_markup(name)
    if model is not None:
        Connection(name=name, base_url="", batch=True).check_batch(model)
