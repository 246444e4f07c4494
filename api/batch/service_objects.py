"""Batches and files as the service tells them, read loosely: what does not fit is None, and only the id is needed.

Gateways write ids as numbers, counts as texts, errors as a list or a word, and states of their own.
Source: openai-python 3.54.0, types/batch.py, types/batch_error.py, types/file_object.py; docs/service.md, "What real
servers do".
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError

from ..errors import visible
from ..store.records import Moment
from ..transport.loose_json import documents, utf8

WORD_MAX_CHARS, TEXT_MAX_CHARS = 200, 4000
COUNT_MAX = 10**9
MILLISECONDS_FROM = 10**11  # as seconds that would be the year 5138
OVER = ("completed", "failed", "expired", "cancelled")
SAME_STATES = {
    "cancelled": ("canceled", "aborted"),
    "completed": (
        *("complete", "succeeded", "success", "done", "finished", "ended", "partial_success"),
        *("completed_with_errors", "completed_with_failures", "partially_completed", "partially_succeeded"),
    ),
    "failed": ("error", "errored"),
    "expired": ("timeout", "timed_out"),
}
OTHER_NAMES = {name: state for state, names in SAME_STATES.items() for name in names}

Model = TypeVar("Model", bound=BaseModel)


def _word(value: object) -> object:
    """Return a name: a text, a number, or the id of an object that stands in its place."""
    value = value.get("id") if isinstance(value, dict) else value
    if isinstance(value, list):
        return _word(value[0]) if len(value) == 1 else None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip() if not isinstance(value, int) or abs(value) < 10**30 else ""
    return visible(text[:WORD_MAX_CHARS]) or None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    with contextlib.suppress(ValueError, OverflowError):
        number = float(value)
        return number if math.isfinite(number) else None
    return None


def _count(value: object) -> int:
    number = _number(value)
    return round(number) if number is not None and 0 <= number <= COUNT_MAX else 0


def _moment(value: object) -> float | None:
    """Return seconds since 1970 of a number of seconds or milliseconds, or of a date."""
    number = _number(value)
    if number is None and isinstance(value, str):
        with contextlib.suppress(ValueError, OverflowError):
            number = datetime.fromisoformat(value.strip().replace("Z", "+00:00")).timestamp()
    return number / 1000 if number is not None and number >= MILLISECONDS_FROM else number


def _status(value: object) -> str:
    word = re.sub(r"[\s-]+", "_", str(_word(value) or "unknown").lower()).removeprefix("job_state_")
    return OTHER_NAMES.get(word, word)


def _faults(value: object) -> object:
    """Return faults as the service writes them, from a list, a word or one object as well."""
    value = value.get("data", [value]) if isinstance(value, dict) else value
    told = value if isinstance(value, list) else [value] if value else []
    return [each if isinstance(each, dict) else {"message": each} for each in told if each]


Word = Annotated[str | None, BeforeValidator(_word)]
Text = Annotated[
    str | None, BeforeValidator(lambda said: None if said is None else visible(str(said)[:TEXT_MAX_CHARS]))
]
Names = Annotated[
    dict[str, str] | None,
    BeforeValidator(lambda said: {str(k): str(v) for k, v in said.items()} if isinstance(said, dict) else None),
]
Count = Annotated[int, BeforeValidator(_count)]
Time = Annotated[Moment, BeforeValidator(_moment)]


class BatchCounts(BaseModel):
    """How many requests of a batch are done, by the service's own count."""

    total: Count = 0
    completed: Count = 0
    failed: Count = 0


class BatchFault(BaseModel):
    """Why a batch was not begun: the service's words, for one line (from 1) or for all."""

    code: Word = None
    line: Annotated[int | None, BeforeValidator(lambda value: _count(value) or None)] = None
    message: Text = None
    param: Word = None

    @property
    def words(self) -> str:
        """What is wrong, and where."""
        place = f"line {self.line}: " if self.line else ""
        code = f" ({self.code})" if self.code else ""
        return f"{place}{self.message or 'no reason was given'}{code}"


class BatchObject(BaseModel):
    """A batch as the service tells it; times in seconds since 1970. `status` is one of ours where it means the same."""

    id: Annotated[str, BeforeValidator(_word)]
    status: Annotated[str, BeforeValidator(_status)] = "unknown"
    created_at: Time = None
    expires_at: Time = None
    input_file_id: Word = None
    output_file_id: Word = None
    error_file_id: Word = None
    errors: Annotated[list[BatchFault], BeforeValidator(_faults)] = []
    request_counts: Annotated[
        BatchCounts | None, BeforeValidator(lambda value: value if isinstance(value, dict) else None)
    ] = None
    metadata: Names = None


class FileObject(BaseModel):
    """A file as the service tells it; times in seconds since 1970."""

    id: Annotated[str, BeforeValidator(_word)]
    filename: Word = None
    created_at: Time = None
    expires_at: Time = None


class BatchPage(BaseModel):
    """A part of the list of batches; `unread` counts the entries that are none as far as anybody can tell."""

    data: list[BatchObject]
    has_more: bool = False
    unread: int = 0


def told_as(model: type[Model], body: bytes) -> Model:
    """Return what an answer says, whatever stands before it or around it.

    Raises: ValueError if it says nothing of the kind.
    """
    read: Callable[[object], Model] = _page if model is BatchPage else model.model_validate  # type: ignore[assignment]
    for document in reversed(list(documents(utf8(body).decode("utf-8", errors="replace")))):
        inner = document.get("data", document.get("batch")) if isinstance(document, dict) else None
        for value in (document, inner):
            with contextlib.suppress(ValidationError, TypeError):
                return read(value)
    raise ValueError("nothing of the kind")


def _page(value: Any) -> BatchPage:
    """Return a page of the list. Raises: TypeError if a value is none."""
    told = value if isinstance(value, dict) else {"data": value}
    entries = next((told[name] for name in ("data", "batches", "items") if isinstance(told.get(name), list)), None)
    if entries is None:
        raise TypeError("no list")
    found: list[BatchObject] = []
    for entry in entries:
        with contextlib.suppress(ValidationError):
            found.append(BatchObject.model_validate(entry))
    has_more = str(told.get("has_more")).lower() in ("true", "1")
    return BatchPage(data=found, has_more=has_more, unread=len(entries) - len(found))
