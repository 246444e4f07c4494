"""One batch: what it is asked for, how it goes, and the steps of its life as the service tells of them.

Source: SDK, batch_create_params.py and batch.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ...api.catalog import catalog
from ...api.errors import RefusedError
from .. import errors
from ..requests.form import json_object, known_object, typed
from ..state import Clock
from .file_store import FileStore, life_of

NEEDED = ("input_file_id", "endpoint", "completion_window")
FIELDS = (*NEEDED, "metadata", "output_expires_after")
ENDPOINTS = (
    *("/v1/responses", "/v1/chat/completions", "/v1/embeddings", "/v1/completions", "/v1/moderations"),
    *("/v1/images/generations", "/v1/images/edits", "/v1/videos"),
)
MAX_PAIRS, MAX_KEY_CHARS, MAX_VALUE_CHARS = 16, 64, 512
TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
ENDS = ("completed", "failed", "expired", "cancelled")
BatchError = dict[str, Any]
Step = Literal["go on", "wait", "expire"]


@dataclass(frozen=True)
class BatchRequest:
    """A batch that may be made. `output_life_s` None leaves the life of its output to the service."""

    input_file_id: str
    endpoint: str
    metadata: dict[str, str] | None
    output_life_s: int | None


def parse_batch_request(body: bytes, files: FileStore) -> BatchRequest:
    """Return what a body asks for. Raises: RefusedError for a field or value that the service does not take."""
    sent = json_object(body)
    errors.refuse_unknown(sent, FIELDS)
    for name in NEEDED:
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


@dataclass(frozen=True)
class ResultLine:
    """A line of the output file, or, without `tokens`, of the error file."""

    text: bytes
    tokens: dict[str, Any] | None = None


class Scenario:
    """The course of one batch: all goes well. A subclass overrides what is to go otherwise.

    It is made when its batch is, and its methods are called on the batch's threads.
    """

    def validation_error(self, _custom_ids: Collection[str]) -> str | None:
        """Return the message with which the batch fails before any of its lines is worked, or None."""
        return None

    def next_step(self, _begun: int) -> Step:
        """Tell what to do when so many lines were begun; asked again and again while it says "wait"."""
        return "go on"

    def line(self, _custom_id: str, work: Callable[[], ResultLine]) -> ResultLine:
        """Return the line of a request in the result files; `work` draws what it asks for and bills it."""
        return work()


def batch_error(error: RefusedError, line: int | None = None) -> BatchError:
    """Return what `errors.data` holds of a fault, with the number of its line (SDK, batch_error.py)."""
    return {"code": error.code, "line": line, "message": str(error), "param": error.param}


@dataclass
class Batch:
    """A batch. Read and written by several threads: its methods hold the lock."""

    id: str
    request: BatchRequest
    scenario: Scenario
    clock: Clock
    status: str = "validating"
    model: str | None = None
    errors: Sequence[BatchError] = ()
    files: tuple[str | None, str | None] = (None, None)  # output, errors
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("total", "completed", "failed"), 0))
    tokens: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"), 0)
    )
    times: dict[str, int] = field(default_factory=dict)
    interrupted: threading.Event = field(default_factory=threading.Event)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.created_at = int(self.clock())
        self.expires_at = self.created_at + catalog.BATCH_WINDOW_S

    def object(self) -> dict[str, Any]:
        """Return what the service tells of it."""
        with self.lock:
            return {
                "id": self.id,
                "object": "batch",
                "endpoint": self.request.endpoint,
                "model": self.model,
                "errors": {"object": "list", "data": list(self.errors)} if self.errors else None,
                "input_file_id": self.request.input_file_id,
                "completion_window": "24h",
                "status": self.status,
                "output_file_id": self.files[0],
                "error_file_id": self.files[1],
                "created_at": self.created_at,
                "expires_at": self.expires_at,
                **{f"{status}_at": self.times.get(status) for status in TIMES},
                "request_counts": dict(self.counts),
                "usage": {
                    **self.tokens,
                    "input_tokens_details": {"cached_tokens": 0},
                    "output_tokens_details": {"reasoning_tokens": 0},
                },
                "metadata": self.request.metadata,
            }

    def is_late(self) -> bool:
        """Tell whether the window of 24 hours is over."""
        return self.clock() >= self.expires_at

    def begin(self, model: str, total: int) -> None:
        """Its lines are in order and are being worked."""
        with self.lock:
            self.model, self.counts["total"] = model, total
            self._turn("in_progress")

    def reject(self, faults: Sequence[BatchError]) -> None:
        """Its input is not in order: nothing was worked."""
        with self.lock:
            self.errors = faults
            self._turn("failed")

    def count(self, tokens: dict[str, Any] | None) -> None:
        """A line is done: with tokens used, or failed."""
        with self.lock:
            self.counts["failed" if tokens is None else "completed"] += 1
            for kind in self.tokens if tokens else ():
                self.tokens[kind] += tokens[kind] if tokens else 0

    def finalize(self) -> None:
        """Its lines are done."""
        with self.lock:
            self._turn("finalizing")

    def finish(self, status: str, files: tuple[str | None, str | None]) -> None:
        """Its files are there, so it has ended."""
        with self.lock:
            self.files = files
            self._turn("cancelled" if self.status == "cancelling" else status)

    def cancel(self) -> bool:
        """Ask it to stop; tell whether it had not ended yet."""
        with self.lock:
            if self.status in ENDS:
                return False
            if self.status != "cancelling":
                self._turn("cancelling")
            self.interrupted.set()
            return True

    def _turn(self, status: str) -> None:
        """Take a status, unless it is about to be cancelled and the status is not an end."""
        if self.status != "cancelling" or status in ENDS:
            self.status = status
            self.times[status] = int(self.clock())
