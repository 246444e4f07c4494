"""Reads JSON bodies: types are checked, nulls count as absent (the SDK's optional fields may be null)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re

from . import refusals
from .forms import BOOLEANS, EDIT_JSON_FIELDS, GENERATION_FIELDS, INTEGERS, File, Form, called, known_object, svg_object

MAX_URL_CHARS = 20_971_520  # OAS ImageRefParam


def json_form(operation: str, body: bytes) -> Form:
    """Return the form in a JSON body.

    Raises: RefusedError for a field, type or reference that the endpoint does not take.
    """
    allowed = EDIT_JSON_FIELDS if operation == "edits" else GENERATION_FIELDS
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise refusals.unparsable("JSON") from exc
    if not isinstance(sent, dict):
        raise refusals.unparsable("JSON")
    form = Form()
    for name, value in sent.items():
        if name not in allowed:
            raise refusals.unknown(name)
        if name == "images":
            form.images = _references(value)
        elif name == "mask":
            form.mask = _reference("mask", value) if value is not None else None
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


def _references(value: object) -> list[File]:
    if not isinstance(value, list):
        raise refusals.wrong_type("images", "an array", called(type(value)))
    return [_reference(f"images[{number}]", entry) for number, entry in enumerate(value)]


def _reference(param: str, value: object) -> File:
    """Return the file of a data URL. File ids and web addresses are refused: the sandbox keeps and fetches nothing."""
    entry = known_object(param, value, {"image_url", "file_id"})
    url = entry.get("image_url")
    if (url is None) == (entry.get("file_id") is None):
        raise refusals.invalid(param, f"Invalid '{param}': exactly one of image_url and file_id is needed.")
    if not isinstance(url, str):
        raise refusals.invalid(f"{param}.file_id", "The sandbox keeps no files. Send a data URL in image_url.")
    if len(url) > MAX_URL_CHARS:
        message = (
            f"Invalid '{param}.image_url': string too long. The maximum length is {MAX_URL_CHARS}, got {len(url)}."
        )
        raise refusals.refused(message, param=f"{param}.image_url", code="string_above_max_length")
    return _from_data_url(param, url)


def _from_data_url(param: str, url: str) -> File:
    match = re.match(r"data:([\w.+-]+/[\w.+-]+);base64,", url)
    if match:
        with contextlib.suppress(binascii.Error):
            return File(param, base64.b64decode(url[match.end() :], validate=True), match[1])
    message = "expected a data URL like 'data:image/png;base64,...'; the sandbox fetches nothing."
    raise refusals.invalid(f"{param}.image_url", f"Invalid '{param}.image_url': {message}")
