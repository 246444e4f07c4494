"""Fields that a connection's entry adds to every request: what one server wants and no other knows.

Source: docs/contract.md, "Connections". They come from the user's own connections.json and from nowhere else.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from ..catalog.schemas import OpenAIImageEditRequest
from ..errors import RefusedError

MAX_FIELDS, MAX_CHARS = 32, 1000
FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
OWN_FIELDS = {*OpenAIImageEditRequest.model_fields, "image", "images", "image_url", "input_image"}
KEY_NAME = re.compile(
    r"(?<![a-z])(x[-_])?(api[-_]?key|(access|auth|bearer|api)[-_]?token|authorization|secret|password)", re.I
)
KEY_TEXT = re.compile(r"(?<![A-Za-z0-9])(sk|comfyui|xai|gsk|hf|AIza)[-_]?[A-Za-z0-9_-]{16,}|\bBearer\s", re.I)


def extra_fields(told: object, place: str, key: str = "") -> dict[str, Any]:
    """Return the fields of `send` of an entry with a key, names to texts, numbers or booleans.

    Raises: RefusedError for what cannot be sent so: a field that the nodes have, a list, null, or a key.
    """
    if not isinstance(told, dict) or len(told) > MAX_FIELDS:
        raise RefusedError(f'"send" of {place} must be an object of at most {MAX_FIELDS} fields and their values.')
    for name, value in told.items():
        is_key = _holds_key(name, key)
        if fault := _name_fault(name, is_key=is_key) or _value_fault(value, key):
            raise RefusedError(f'"send" of {place} cannot hold {nameable(None if is_key else name)}: {fault}.')
    return dict(told)


def fields_of_texts(told: list[str]) -> dict[str, Any]:
    """Return fields that were typed as NAME=VALUE: numbers, true and false as such, all else as text.

    Raises: RefusedError for what is not of this form.
    """
    found: dict[str, Any] = {}
    for each in filter(None, told):
        name, equals, text = each.partition("=")
        if not equals:
            raise RefusedError(f"{nameable(each)} is not of the form NAME=VALUE, as response_format=b64_json.")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found[name.strip()] = text if isinstance(value, (dict, list)) or value is None else value
    return found


def nameable(value: object) -> str:
    """Return a value as it may stand in a message: a word. What is none may hold a key in the wrong place."""
    is_word = isinstance(value, str) and FIELD.fullmatch(value) and not KEY_TEXT.search(value)
    return ascii(value) if is_word else "'...'"


def shown(fields: Mapping[str, Any]) -> str:
    """Return fields and their values for people."""
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())


def _holds_key(text: str, key: str) -> bool:
    return KEY_TEXT.search(text) is not None or bool(key and key in text)


def _name_fault(name: str, *, is_key: bool) -> str | None:
    if not FIELD.fullmatch(name):
        return "that is no name of a field"
    if name in OWN_FIELDS:
        return "the nodes have this field: choose it there"
    return "a key goes into the entry's own key, which is not shown" if is_key or KEY_NAME.search(name) else None


def _value_fault(value: object, key: str) -> str | None:
    if not isinstance(value, (str, int, float)) or (isinstance(value, float) and not math.isfinite(value)):
        return "its value must be a text, a number, true or false"
    text = str(value)
    if len(text) > MAX_CHARS or not text.isprintable() or "\ufffd" in text.encode(errors="replace").decode():
        return f"its value must be one line of at most {MAX_CHARS} characters"
    if _holds_key(text, key):
        return "its value looks like a key, which goes into the entry's own key and is not shown"
    return None
