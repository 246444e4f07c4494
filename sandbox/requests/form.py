"""A request as the sandbox understands it, whatever the encoding of its body was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import errors as refusals

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


@dataclass(frozen=True)
class File:
    """A picture that came in. `param` is the name that a refusal gives it."""

    param: str
    data: bytes
    content_type: str


@dataclass
class Form:
    """A request: typed fields without nulls, and its files in the order of arrival."""

    fields: dict[str, Any] = field(default_factory=dict)
    images: list[File] = field(default_factory=list)
    mask: File | None = None
    markup: File | None = None

    def digest(self) -> str:
        """Return a SHA-256 of what is asked, whatever the encoding of the body was."""
        sum_ = hashlib.sha256(json.dumps(self.fields, sort_keys=True).encode())
        for file in [*self.images, self.mask, self.markup]:
            sum_.update(hashlib.sha256(file.data).digest() if file else b"-")
        return sum_.hexdigest()

    def judged(self) -> Mapping[str, Any]:
        """Return the fields as `api.rules.check` takes them: with what is known of the files."""
        files = {"image_count": len(self.images), "mask": self.mask is not None, "markup": self.markup is not None}
        return {**self.fields, **files}


def called(kind: type) -> str:
    """Return the service's word for a type of JSON."""
    names = {str: "a string", int: "an integer", float: "a decimal number", bool: "a boolean", dict: "an object"}
    return {**names, list: "an array", type(None): "null"}[kind]


def svg_object(value: object) -> dict[str, Any]:
    """Return the object of `svg` if it holds what the SDK's `Svg` holds, and nothing else."""
    svg = known_object("svg", value, {"model", "reasoning"})
    reasoning = svg.get("reasoning")
    if reasoning is not None:
        effort = known_object("svg.reasoning", reasoning, {"effort"}).get("effort")
        if effort is not None and not isinstance(effort, str):
            raise refusals.wrong_type("svg.reasoning.effort", "a string", called(type(effort)))
    if not isinstance(svg.get("model"), str):
        raise refusals.missing("svg.model")
    return svg


def known_object(name: str, value: object, known: set[str]) -> dict[str, Any]:
    """Return an object of JSON if all its keys are known."""
    if not isinstance(value, dict):
        raise refusals.wrong_type(name, "an object", called(type(value)))
    for key in value:
        if key not in known:
            raise refusals.unknown(f"{name}.{key}")
    return value
