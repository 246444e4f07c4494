"""One batch as the service tells of it (SDK, batch.py), and the steps of its life."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...api.catalog import catalog
from ...api.errors import RefusedError
from ..state import Clock
from .creation import BatchRequest
from .scenarios import Scenario

TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
ENDS = ("completed", "failed", "expired", "cancelled")
BatchError = dict[str, Any]


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

    def reject(self, errors: Sequence[BatchError]) -> None:
        """Its input is not in order: nothing was worked."""
        with self.lock:
            self.errors = errors
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
