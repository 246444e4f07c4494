"""What a batch is asked for: the body of POST /v1/batches (SDK, batch_create_params.py)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .. import errors as refusals
from ..requests.form import called, known_object
from .expiry import life_of
from .file_store import Files

FIELDS = ("input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after")
ENDPOINTS = (
    "/v1/responses",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/videos",
)
MAX_PAIRS, MAX_KEY_CHARS, MAX_VALUE_CHARS = 16, 64, 512


@dataclass(frozen=True)
class Wish:
    """A batch that may be made. `output_life_s` None leaves the life of its output to the service."""

    input_file_id: str
    endpoint: str
    metadata: dict[str, str] | None
    output_life_s: int | None


def wish_of(body: bytes, files: Files) -> Wish:
    """Return what a body asks for.

    Raises: RefusedError for a field or value that the service does not take.
    """
    sent = _object(body)
    for name in ("input_file_id", "endpoint", "completion_window"):
        _text(sent, name)
    _one_of(sent, "endpoint", ENDPOINTS)
    _one_of(sent, "completion_window", ("24h",))
    expiry = sent.get("output_expires_after")
    life_s = None
    if expiry is not None:
        life_s = life_of("output_expires_after", known_object("output_expires_after", expiry, {"anchor", "seconds"}))
    metadata = _metadata(sent.get("metadata"))
    _input_file(sent["input_file_id"], files)
    return Wish(sent["input_file_id"], sent["endpoint"], metadata, life_s)


def _object(body: bytes) -> dict[str, Any]:
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise refusals.unparsable("JSON") from exc
    if not isinstance(sent, dict):
        raise refusals.unparsable("JSON")
    for name in sent:
        if name not in FIELDS:
            raise refusals.unknown(name)
    return sent


def _text(sent: dict[str, Any], name: str) -> None:
    if name not in sent:
        raise refusals.missing(name)
    if not isinstance(sent[name], str):
        raise refusals.wrong_type(name, "a string", called(type(sent[name])))


def _one_of(sent: dict[str, Any], name: str, values: tuple[str, ...]) -> None:
    if sent[name] not in values:
        known = ", ".join(f"'{value}'" for value in values)
        raise refusals.invalid(name, f"Invalid value: '{sent[name]}'. Supported values are: {known}.")


def _metadata(value: object) -> dict[str, str] | None:
    """Return metadata: at most 16 pairs of a key of 64 and a value of 512 characters (SDK, shared/metadata.py)."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise refusals.wrong_type("metadata", "an object", called(type(value)))
    if len(value) > MAX_PAIRS:
        raise refusals.invalid("metadata", f"Invalid 'metadata': {len(value)} pairs, at most {MAX_PAIRS} are allowed.")
    for key, text in value.items():
        if not isinstance(text, str):
            raise refusals.wrong_type(f"metadata.{key}", "a string", called(type(text)))
        if len(key) > MAX_KEY_CHARS or len(text) > MAX_VALUE_CHARS:
            limits = f"a key has at most {MAX_KEY_CHARS} characters, a value {MAX_VALUE_CHARS}"
            message = f"Invalid 'metadata.{key}': string too long: {limits}."
            raise refusals.refused(message, param=f"metadata.{key}", code="string_above_max_length")
    return value


def _input_file(file_id: str, files: Files) -> None:
    file = files.find(file_id)
    if file is None:
        raise refusals.invalid("input_file_id", f"Invalid 'input_file_id': no such File object: {file_id}")
    if file.purpose != "batch":
        message = f"Invalid 'input_file_id': the purpose of {file_id} is '{file.purpose}', it must be 'batch'."
        raise refusals.invalid("input_file_id", message)
