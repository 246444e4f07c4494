"""Checks the file of a batch line by line, as the service does while a batch is `validating`.

What it says is third-party recollection where the SDK is silent: the codes and messages are not documented.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ...api.catalog import catalog as catalogue
from ...api.errors import RefusedError
from .. import errors as refusals
from ..requests.form import called
from .batch import Fault

MAX_REQUESTS = 50_000
WORKED = ("/v1/images/generations", "/v1/images/edits")
KEYS = ("custom_id", "method", "url", "body")


@dataclass(frozen=True)
class Line:
    """Where a request stands in the file: its offset and length in bytes."""

    custom_id: str
    offset: int
    length: int


@dataclass
class Index:
    """The requests of a file, the model of them all, and what is wrong with the file."""

    endpoint: str
    lines: dict[str, Line] = field(default_factory=dict)
    model: str = ""
    faults: list[Fault] = field(default_factory=list)


def indexed(file: BinaryIO, endpoint: str) -> Index:
    """Return what is in a file, read one line at a time."""
    index = Index(endpoint)
    if endpoint not in WORKED:
        index.faults.append(fault("unsupported_endpoint", f"The sandbox does not work on {endpoint}.", "endpoint"))
        return index
    number = 0
    for number, (offset, raw) in enumerate(_raw_lines(file), start=1):
        try:
            custom_id = _checked(raw, index)
            index.lines[custom_id] = Line(custom_id, offset, len(raw))
        except RefusedError as exc:
            index.faults.append(fault(exc.code, str(exc), exc.param, number))
    if number == 0:
        index.faults.append(fault("empty_file", "The batch input file is empty.", None))
    if number > MAX_REQUESTS:
        message = f"The batch input file has {number:,} requests, at most {MAX_REQUESTS:,} are allowed."
        index.faults.append(fault("too_many_tasks", message, None))
    return index


def fault(code: str | None, message: str, param: str | None, line: int | None = None) -> Fault:
    """Return what `errors.data` holds of a fault (SDK, batch_error.py)."""
    return {"code": code, "line": line, "message": message, "param": param}


def _raw_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    offset = 0
    for raw in file:
        yield offset, raw
        offset += len(raw)


def _checked(raw: bytes, index: Index) -> str:
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
        raise refusals.invalid("body.stream", "Invalid 'body.stream': a batch has no streams. Leave it out.")
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
    for name in entry:
        if name not in KEYS:
            raise refusals.unknown(name)
    for name in KEYS:
        kind = dict if name == "body" else str
        if name not in entry:
            raise refusals.missing(name)
        if not isinstance(entry[name], kind):
            raise refusals.wrong_type(name, called(kind), called(type(entry[name])))
    if not entry["custom_id"]:
        raise refusals.invalid("custom_id", "Invalid 'custom_id': empty string.")
    return entry


def _model(body: dict[str, Any], index: Index) -> None:
    """Refuse a model that is another than the first line's, or that the catalogue says no batch takes."""
    model = body.get("model")
    if model is None:
        raise refusals.missing("body.model")
    if not isinstance(model, str):
        raise refusals.wrong_type("body.model", "a string", called(type(model)))
    index.model = index.model or model
    if model != index.model:
        message = f"The model for each request of a batch must be the same: '{model}' is not '{index.model}'."
        raise _wrong("mismatched_model", "body.model", message)
    spec = catalogue.find(model)
    if spec is None or spec.ended():
        raise _wrong("model_not_found", "body.model", str(refusals.no_model(model)))
    if spec.batch.supported is False:
        raise _wrong("model_not_found", "body.model", f"The model '{model}' is not supported by the Batch API.")


def _wrong(code: str, param: str | None, message: str) -> RefusedError:
    return refusals.refused(message, param=param, code=code)
