"""Reads JSON bodies: types are checked, nulls count as absent (the SDK's optional fields may be null)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Callable
from typing import Any

from .. import errors
from .form import (
    BOOLEANS,
    EDIT_JSON_FIELDS,
    GENERATION_FIELDS,
    INTEGERS,
    ParsedRequest,
    ReceivedFile,
    known_object,
    svg_object,
    typed,
)

MAX_URL_CHARS = 20_971_520  # OAS ImageRefParam
Lookup = Callable[[str, str], ReceivedFile]  # a field and a file id -> the file


def parse_object(operation: str, sent: dict[str, Any], lookup: Lookup | None) -> ParsedRequest:
    """Return the request in an object of JSON; `lookup` finds files by id, where files are kept.

    Raises: RefusedError for a field, type or reference that the endpoint does not take.
    """
    allowed = EDIT_JSON_FIELDS if operation == "edits" else GENERATION_FIELDS
    parsed = ParsedRequest()
    for name, value in sent.items():
        if name not in allowed:
            raise errors.unknown(name)
        if name == "images":
            entries = typed("images", value, list)
            parsed.images = [_reference(f"images[{at}]", entry, lookup) for at, entry in enumerate(entries)]
        elif name == "mask":
            parsed.mask = _reference("mask", value, lookup) if value is not None else None
        elif value is not None or name == "prompt":
            parsed.fields[name] = svg_object(value) if name == "svg" else _scalar(name, value)
    return parsed


def _scalar(name: str, value: object) -> object:
    value = typed(name, value, int if name in INTEGERS else bool if name in BOOLEANS else str)
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise errors.invalid(name, f"Invalid '{name}': half a surrogate pair is no text.")
    return value


def _reference(param: str, value: object, lookup: Lookup | None) -> ReceivedFile:
    """Return the file of a data URL or a file id. Web addresses are refused: the sandbox fetches nothing."""
    entry = known_object(param, value, {"image_url", "file_id"})
    given = {name: typed(f"{param}.{name}", sent, str) for name, sent in entry.items() if sent is not None}
    if len(given) != 1:
        raise errors.invalid(param, f"Invalid '{param}': exactly one of image_url and file_id is needed.")
    if "image_url" in given:
        return _from_url(param, given["image_url"])
    if lookup is None:
        raise errors.invalid(f"{param}.file_id", "There are no files here. Send a data URL in image_url.")
    return lookup(param, given["file_id"])


def _from_url(param: str, url: str) -> ReceivedFile:
    name = f"{param}.image_url"
    if len(url) > MAX_URL_CHARS:
        raise errors.too_long(name, f"The maximum length is {MAX_URL_CHARS}, got {len(url)}.")
    match = re.match(r"data:([\w.+-]+/[\w.+-]+);base64,", url)
    if match:
        with contextlib.suppress(binascii.Error):
            return ReceivedFile(param, base64.b64decode(url[match.end() :], validate=True), match[1])
    message = "expected a data URL like 'data:image/png;base64,...'; the sandbox fetches nothing."
    raise errors.invalid(name, f"Invalid '{name}': {message}")
