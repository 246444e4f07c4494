"""What the person set in the widgets, in the service's own terms; refused here before anything runs or is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ...api import Connection, OpenAIImageError, RefusedError
from ...api.batch.enqueue import no_markup
from ...api.catalog import validation as rules
from ...api.catalog.schemas import OpenAIImageEditRequest, OpenAIImageGenerationRequest
from ...api.connections import resolve as connections
from ..inputs import OUTPUT_FORMATS, SIZES

PREVIEWS_MAX = 3
SOCKETS = ("image", "references", "mask", "markup")


@dataclass(frozen=True)
class Wish:
    """The widgets of one run that say what is asked for; `extra` are the service's own fields of other nodes."""

    prompt: str
    model: str
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
    extra: Mapping[str, Any] = field(default_factory=dict)

    def without_previews(self, connection: Connection) -> str | None:
        """Return why sketches cannot be shown while waiting, or None."""
        if connection.kind == "comfy.org":
            return "comfy.org does not send sketches"
        if connection.batch:
            return "a batch does not send sketches"
        if self.n > 1:
            return "sketches come for one picture at a time, and n is more"
        return None

    def request(
        self, *, image_size: tuple[int, int] | None, image_count: int, mask: bool, markup: bool, previews: bool = False
    ) -> OpenAIImageGenerationRequest:
        """Return the request. `image_size` is the first picture's (width, height), `previews` asks for a stream.

        Raises: RefusedError for what the model does not take.
        """
        _refuse_widgets(asdict(self))
        _refuse_nothing_to_match(self.size, edits=image_count > 0)
        fields = service_fields(asdict(self), image_size=image_size, edits=image_count > 0)
        if previews:
            fields.update(stream=True, partial_images=self.live_preview)
        if image_count == 0:
            rules.check({**fields, "image_count": 0, "mask": mask, "markup": markup}, operation="generations")
            return OpenAIImageGenerationRequest(**fields)
        return OpenAIImageEditRequest(**fields, image_count=image_count, mask=mask, markup=markup)


def validated(values: Mapping[str, Any], refused: str | None = None) -> bool | str:
    """Return what VALIDATE_INPUTS answers: True, or why the run must not start (`refused`, if the node knows already).

    Raises: RefusedError in place of a text when ComfyUI asks, which alone fills in unique_id: it writes a text once for
    every input, over twenty times, and an error once.
    """
    told = refused or refusal(values)
    if told is not True and "unique_id" in values:
        raise RefusedError(str(told))
    return told


def refusal(values: Mapping[str, Any]) -> bool | str:
    """Return True, or why the run must not start; linked inputs are None, inputs that are absent are missing.

    `values` are a node's inputs by name, and `extra` as in Wish.
    """
    try:
        _refuse_widgets(values)
        _refuse_connection(values.get("connection"))
        connected = {name for name in SOCKETS if name in values}
        edits = bool(connected & {"image", "references"})
        fields = service_fields(values, image_size=None, edits=edits)
        sources = {"image_count": None if edits else 0, "mask": "mask" in connected, "markup": "markup" in connected}
        rules.check({**fields, **sources}, operation="edits" if edits else "generations")
        _refuse_nothing_to_match(values.get("size"), edits=edits)
        _refuse_in_batch(values, markup="markup" in connected)
    except OpenAIImageError as exc:
        return str(exc)
    return True


def service_fields(values: Mapping[str, Any], *, image_size: tuple[int, int] | None, edits: bool) -> dict[str, Any]:
    """Return widget values as the service's fields; what the service should decide itself is left out."""
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
    if compression is not None and (compression != 100 or values.get("output_format") in ("jpeg", "webp")):
        fields["output_compression"] = compression
    fields.update(values.get("extra") or {})
    size = _size(values, image_size)
    return {**fields, "size": size} if size else fields


def _size(values: Mapping[str, Any], image_size: tuple[int, int] | None) -> str | None:
    size = values.get("size")
    if size == "custom":
        width, height = values.get("custom_width"), values.get("custom_height")
        return f"{width}x{height}" if width is not None and height is not None else None
    if size != "match image":
        return size
    if image_size is None:
        return None
    width, height = rules.nearest_size(rules.spec_of(values).sizes, *image_size)
    return f"{width}x{height}"


def _refuse_widgets(values: Mapping[str, Any]) -> None:
    """Refuse values that are ours alone, so that the catalogue has nothing to say about them."""
    size, mode, preview = values.get("size"), values.get("mask_mode"), values.get("live_preview")
    model, output_format = values.get("model"), values.get("output_format")
    if model is not None and not str(model).strip():
        raise RefusedError("The model is empty. Choose one from the list.", param="model")
    if size is not None and size not in SIZES and rules.parse_size(str(size)) is None:
        raise RefusedError(f"Size {size!r} is not known. Choose one of {', '.join(SIZES)}.", param="size")
    if output_format not in (None, *OUTPUT_FORMATS):
        formats = ", ".join(OUTPUT_FORMATS)
        raise RefusedError(
            f"output_format {output_format} is not known. Choose one of {formats}.", param="output_format"
        )
    if mode not in (None, "guide", "lock"):
        raise RefusedError(f"mask_mode {mode!r} is not known. Choose guide or lock.", param="mask_mode")
    if preview is not None and not 0 <= preview <= PREVIEWS_MAX:
        raise RefusedError(rules.out_of_range("live_preview", preview, 0, PREVIEWS_MAX), param="live_preview")
    seed = values.get("seed")
    if seed is not None and not 0 <= seed <= rules.SEED_MAX:
        raise RefusedError(rules.out_of_range("seed", seed, 0, rules.SEED_MAX), param="seed")


def _refuse_nothing_to_match(size: str | None, *, edits: bool) -> None:
    if size == "match image" and not edits:
        raise RefusedError(
            "Size match image needs a picture, and none is connected. Connect one or choose a size.", param="size"
        )


def _refuse_in_batch(values: Mapping[str, Any], *, markup: bool) -> None:
    name, model = values.get("connection"), values.get("model")
    if name is None or not connections.is_batch(name):
        return
    if markup:
        raise no_markup(name)
    if model is not None:
        Connection(name=name, base_url="", batch=True).check_batch(model)


def _refuse_connection(name: str | None) -> None:
    if name is not None and name not in connections.names():
        known = ", ".join(connections.names())
        raise RefusedError(f"There is no connection called {name!r}. Known are {known}.", param="connection")
