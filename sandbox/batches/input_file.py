"""Checks the file of a batch line by line, as the service does while a batch is `validating`.

What it says is third-party recollection where the SDK is silent: the codes and messages are not documented.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ...api.catalog import catalog
from ...api.errors import RefusedError
from .. import errors
from ..requests.form import typed
from .batch import BatchError, batch_error

WORKED = ("/v1/images/generations", "/v1/images/edits")
KEYS = ("custom_id", "method", "url", "body")


@dataclass(frozen=True)
class InputLine:
    """Where a request stands in the file: its offset and length in bytes."""

    custom_id: str
    offset: int
    length: int


@dataclass
class InputIndex:
    """The requests of a file, the model of them all, and what is wrong with the file."""

    endpoint: str
    lines: dict[str, InputLine] = field(default_factory=dict)
    model: str = ""
    errors: list[BatchError] = field(default_factory=list)

    def refuse(self, error: RefusedError, line: int | None = None) -> None:
        """Note what is wrong, with the number of its line."""
        self.errors.append(batch_error(error, line))


def index_lines(file: BinaryIO, endpoint: str) -> InputIndex:
    """Return what is in a file, read one line at a time."""
    index = InputIndex(endpoint)
    if endpoint not in WORKED:
        index.refuse(_wrong("unsupported_endpoint", "endpoint", f"The sandbox does not work on {endpoint}."))
        return index
    number = offset = 0
    for number, raw in enumerate(file, start=1):
        try:
            custom_id = _checked(raw, index)
            index.lines[custom_id] = InputLine(custom_id, offset, len(raw))
        except RefusedError as exc:
            index.refuse(exc, number)
        offset += len(raw)
    if number == 0:
        index.refuse(_wrong("empty_file", None, "The batch input file is empty."))
    if number > catalog.BATCH_MAX_REQUESTS:
        allowed = f"at most {catalog.BATCH_MAX_REQUESTS:,} are allowed"
        index.refuse(_wrong("too_many_tasks", None, f"The batch input file has {number:,} requests, {allowed}."))
    return index


def _checked(raw: bytes, index: InputIndex) -> str:
    """Return the custom_id of a line that is in order. Raises: RefusedError."""
    entry = _entry(raw)
    custom_id = entry["custom_id"]
    if custom_id in index.lines:
        raise _wrong("duplicate_custom_id", "custom_id", f"The custom_id '{custom_id}' is not unique in the file.")
    if entry["method"] != "POST":
        raise _wrong("invalid_method", "method", f"The method must be POST, not '{entry['method']}'.")
    if entry["url"] != index.endpoint:
        message = f"The URL '{entry['url']}' of this request does not match the batch endpoint '{index.endpoint}'."
        raise _wrong("invalid_url", "url", message)
    if "stream" in entry["body"]:
        raise errors.invalid("body.stream", "Invalid 'body.stream': a batch has no streams. Leave it out.")
    _model(entry["body"], index)
    return str(custom_id)


def _entry(raw: bytes) -> dict[str, Any]:
    """Return the object of a line, if its members are there, of the right type, and no others are."""
    try:
        entry = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as exc:
        raise _wrong("invalid_json_line", None, "This line is not parseable as valid JSON.") from exc
    if not isinstance(entry, dict):
        raise _wrong("invalid_json_line", None, "This line is not a JSON object.")
    errors.refuse_unknown(entry, KEYS)
    for name in KEYS:
        if name not in entry:
            raise errors.missing(name)
        typed(name, entry[name], dict if name == "body" else str)
    if not entry["custom_id"]:
        raise errors.invalid("custom_id", "Invalid 'custom_id': empty string.")
    return entry


def _model(body: dict[str, Any], index: InputIndex) -> None:
    """Refuse a model that is another than the first line's, or that the catalog says no batch takes."""
    if body.get("model") is None:
        raise errors.missing("body.model")
    model: str = typed("body.model", body["model"], str)
    index.model = index.model or model
    if model != index.model:
        message = f"The model for each request of a batch must be the same: '{model}' is not '{index.model}'."
        raise _wrong("mismatched_model", "body.model", message)
    spec = catalog.find(model)
    if spec is None or spec.ended():
        raise _wrong("model_not_found", "body.model", str(errors.no_model(model)))
    if spec.batch.supported is False:
        raise _wrong("model_not_found", "body.model", f"The model '{model}' is not supported by the Batch API.")


def _wrong(code: str, param: str | None, message: str) -> RefusedError:
    return errors.refused(message, param=param, code=code)
