"""What a batch is asked for: the body of POST /v1/batches (SDK, batch_create_params.py)."""

from __future__ import annotations

from dataclasses import dataclass

from .. import errors
from ..requests.form import json_object, known_object, typed
from .file_store import FileStore, life_of

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
class BatchRequest:
    """A batch that may be made. `output_life_s` None leaves the life of its output to the service."""

    input_file_id: str
    endpoint: str
    metadata: dict[str, str] | None
    output_life_s: int | None


def parse_batch_request(body: bytes, files: FileStore) -> BatchRequest:
    """Return what a body asks for.

    Raises: RefusedError for a field or value that the service does not take.
    """
    sent = json_object(body)
    for name in sent:
        if name not in FIELDS:
            raise errors.unknown(name)
    for name in ("input_file_id", "endpoint", "completion_window"):
        if name not in sent:
            raise errors.missing(name)
        typed(name, sent[name], str)
    for name, values in (("endpoint", ENDPOINTS), ("completion_window", ("24h",))):
        if sent[name] not in values:
            raise errors.not_one_of(name, sent[name], values)
    expiry, life_s = sent.get("output_expires_after"), None
    if expiry is not None:
        life_s = life_of("output_expires_after", known_object("output_expires_after", expiry, {"anchor", "seconds"}))
    metadata = _metadata(sent.get("metadata"))
    _check_input_file(sent["input_file_id"], files)
    return BatchRequest(sent["input_file_id"], sent["endpoint"], metadata, life_s)


def _metadata(value: object) -> dict[str, str] | None:
    """Return metadata: at most 16 pairs of a key of 64 and a value of 512 characters (SDK, shared/metadata.py)."""
    if value is None:
        return None
    pairs: dict[str, str] = typed("metadata", value, dict)
    if len(pairs) > MAX_PAIRS:
        raise errors.invalid("metadata", f"Invalid 'metadata': {len(pairs)} pairs, at most {MAX_PAIRS} are allowed.")
    for key, text in pairs.items():
        typed(f"metadata.{key}", text, str)
        if len(key) > MAX_KEY_CHARS or len(text) > MAX_VALUE_CHARS:
            limits = f"A key has at most {MAX_KEY_CHARS} characters, a value {MAX_VALUE_CHARS}."
            raise errors.too_long(f"metadata.{key}", limits)
    return pairs


def _check_input_file(file_id: str, files: FileStore) -> None:
    file = files.find(file_id)
    if file is None:
        raise errors.invalid("input_file_id", f"Invalid 'input_file_id': no such File object: {file_id}")
    if file.purpose != "batch":
        message = f"Invalid 'input_file_id': the purpose of {file_id} is '{file.purpose}', it must be 'batch'."
        raise errors.invalid("input_file_id", message)
