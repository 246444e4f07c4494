"""Reads JSON bodies: types are checked, nulls count as absent (the SDK's optional fields may be null)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
from collections.abc import Callable
from typing import Any

from .. import errors as refusals
from .form import BOOLEANS, EDIT_JSON_FIELDS, GENERATION_FIELDS, INTEGERS, File, Form, called, known_object, svg_object

MAX_URL_CHARS = 20_971_520  # OAS ImageRefParam


Lookup = Callable[[str, str], File]


def json_form(operation: str, body: bytes, lookup: Lookup | None = None) -> Form:
    """Return the form in a JSON body; `lookup` gives the file for a field and a file id, where files are kept.

    Raises: RefusedError for a field, type or reference that the endpoint does not take.
    """
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise refusals.unparsable("JSON") from exc
    if not isinstance(sent, dict):
        raise refusals.unparsable("JSON")
    return form_of(operation, sent, lookup)


def form_of(operation: str, sent: dict[str, Any], lookup: Lookup | None) -> Form:
    """Return the form in an object of JSON.

    Raises: RefusedError as `json_form` does.
    """
    allowed = EDIT_JSON_FIELDS if operation == "edits" else GENERATION_FIELDS
    form = Form()
    for name, value in sent.items():
        if name not in allowed:
            raise refusals.unknown(name)
        if name == "images":
            form.images = _references(value, lookup)
        elif name == "mask":
            form.mask = _reference("mask", value, lookup) if value is not None else None
        elif value is not None or name == "prompt":
            form.fields[name] = svg_object(value) if name == "svg" else _typed(name, value)
    return form


def _typed(name: str, value: object) -> object:
    """Return a scalar of JSON if it has the type of its field; a bool is no integer."""
    wanted = int if name in INTEGERS else bool if name in BOOLEANS else str
    if type(value) is not wanted:
        raise refusals.wrong_type(name, called(wanted), called(type(value)))
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise refusals.invalid(name, f"Invalid '{name}': half a surrogate pair is no text.")
    return value


def _references(value: object, lookup: Lookup | None) -> list[File]:
    if not isinstance(value, list):
        raise refusals.wrong_type("images", "an array", called(type(value)))
    return [_reference(f"images[{number}]", entry, lookup) for number, entry in enumerate(value)]


def _reference(param: str, value: object, lookup: Lookup | None) -> File:
    """Return the file of a data URL or a file id. Web addresses are refused: the sandbox fetches nothing."""
    entry = known_object(param, value, {"image_url", "file_id"})
    url, file_id = entry.get("image_url"), entry.get("file_id")
    if (url is None) == (file_id is None):
        raise refusals.invalid(param, f"Invalid '{param}': exactly one of image_url and file_id is needed.")
    for name, given in (("image_url", url), ("file_id", file_id)):
        if given is not None and not isinstance(given, str):
            raise refusals.wrong_type(f"{param}.{name}", "a string", called(type(given)))
    if isinstance(file_id, str):
        if lookup is None:
            raise refusals.invalid(f"{param}.file_id", "There are no files here. Send a data URL in image_url.")
        return lookup(param, file_id)
    return _from_url(param, str(url))


def _from_url(param: str, url: str) -> File:
    if len(url) > MAX_URL_CHARS:
        message = (
            f"Invalid '{param}.image_url': string too long. The maximum length is {MAX_URL_CHARS}, got {len(url)}."
        )
        raise refusals.refused(message, param=f"{param}.image_url", code="string_above_max_length")
    match = re.match(r"data:([\w.+-]+/[\w.+-]+);base64,", url)
    if match:
        with contextlib.suppress(binascii.Error):
            return File(param, base64.b64decode(url[match.end() :], validate=True), match[1])
    message = "expected a data URL like 'data:image/png;base64,...'; the sandbox fetches nothing."
    raise refusals.invalid(f"{param}.image_url", f"Invalid '{param}.image_url': {message}")
