"""A request as it came, whatever the encoding of its body was, and the readers of what JSON and forms share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import errors

# openai 3.54.0 types/image_generate_params.py without response_format and style, which no live model takes.
STRINGS = frozenset(
    {"model", "prompt", "background", "complexity", "moderation", "output_format", "quality", "size"}
    | {"input_fidelity", "safety_identifier", "user"}
)
INTEGERS = frozenset({"n", "output_compression", "partial_images", "frame_count", "frame_duration_ms"})
BOOLEANS = frozenset({"stream"})
SCALARS = STRINGS | INTEGERS | BOOLEANS
GENERATION_FIELDS = SCALARS - {"input_fidelity"} | {"svg"}
# image_edit_params.py has no moderation, but comfy.org's proxy and the JSON form (OAS EditImageBodyJsonParam) have:
# whether the direct multipart form takes it is unconfirmed (docs/service.md, "Parameters"), so it is let through.
EDIT_FIELDS = SCALARS | {"svg"}
EDIT_JSON_FIELDS = EDIT_FIELDS | {"images", "mask"}
JSON_TYPES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a decimal number",
    bool: "a boolean",
    dict: "an object",
    list: "an array",
    type(None): "null",
}


@dataclass(frozen=True)
class ReceivedFile:
    """A picture that came in. `param` is the name that a refusal gives it."""

    param: str
    data: bytes
    content_type: str


@dataclass
class ParsedRequest:
    """A request: typed fields without nulls, and its files in the order of arrival."""

    fields: dict[str, Any] = field(default_factory=dict)
    images: list[ReceivedFile] = field(default_factory=list)
    mask: ReceivedFile | None = None
    markup: ReceivedFile | None = None

    def digest(self) -> str:
        """Return a SHA-256 of what is asked, whatever the encoding of the body was."""
        total = hashlib.sha256(json.dumps(self.fields, sort_keys=True).encode())
        for file in [*self.images, self.mask, self.markup]:
            total.update(hashlib.sha256(file.data).digest() if file else b"-")
        return total.hexdigest()

    def facts(self) -> Mapping[str, Any]:
        """Return the fields as `api.catalog.validation.check` takes them: with what is known of the files."""
        files = {"image_count": len(self.images), "mask": self.mask is not None, "markup": self.markup is not None}
        return {**self.fields, **files}


def typed(name: str, value: object, kind: type) -> Any:
    """Return a value of JSON if it has exactly this type: a boolean is no integer.

    Raises: RefusedError naming the field.
    """
    if type(value) is not kind:
        raise errors.wrong_type(name, JSON_TYPES[kind], JSON_TYPES[type(value)])
    return value


def json_object(body: bytes) -> dict[str, Any]:
    """Return the object in a body of JSON. Raises: RefusedError if there is none."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise errors.unparsable("JSON") from exc
    if not isinstance(sent, dict):
        raise errors.unparsable("JSON")
    return sent


def known_object(name: str, value: object, known: set[str]) -> dict[str, Any]:
    """Return an object of JSON if all its keys are known.

    Raises: RefusedError naming the field, or the key as `name.key`.
    """
    sent: dict[str, Any] = typed(name, value, dict)
    errors.refuse_unknown(sent, known, within=f"{name}.")
    return sent


def svg_object(value: object) -> dict[str, Any]:
    """Return the object of `svg` if it holds what the SDK's `Svg` holds, and nothing else.

    Raises: RefusedError naming the key.
    """
    svg = known_object("svg", value, {"model", "reasoning"})
    if svg.get("reasoning") is not None:
        effort = known_object("svg.reasoning", svg["reasoning"], {"effort"}).get("effort")
        if effort is not None:
            typed("svg.reasoning.effort", effort, str)
    if not isinstance(svg.get("model"), str):
        raise errors.missing("svg.model")
    return svg
