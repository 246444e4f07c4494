"""How a command ends that failed: an exit code and a name for each kind of error, for scripts."""

from __future__ import annotations

import json

from ..api import (
    BadAnswerError,
    ModeratedError,
    NoKeyError,
    OpenAIImageError,
    OutcomeUnknownError,
    OutOfCreditError,
    RateLimitError,
    ServiceDownError,
    SharedStoreError,
    StillRunningError,
)
from ..utils.errors import ImageInputError

# The first that fits; docs/contract.md, "Command line", lists them.
CODES: dict[type[Exception], tuple[int, str]] = {
    NoKeyError: (3, "no_key"),
    ModeratedError: (4, "moderated"),
    RateLimitError: (5, "rate_limit"),
    OutOfCreditError: (6, "out_of_credit"),
    ServiceDownError: (7, "service_down"),
    OutcomeUnknownError: (8, "outcome_unknown"),
    StillRunningError: (8, "still_running"),
    BadAnswerError: (9, "bad_answer"),
    SharedStoreError: (10, "shared_store"),
    OpenAIImageError: (1, "refused"),
    ImageInputError: (1, "refused"),
    OSError: (1, "file"),
}


def exit_code(error: Exception) -> int | None:
    """Return the exit code of an error, or None for one that is a fault of ours."""
    found = _kind(error)
    return found[0] if found else None


def words_of(error: Exception) -> str:
    """Return what an error says; one of a file as `FILE: what happened`, without Python's number of it."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def failure_json(error: Exception, code: int) -> str:
    """Return an error as JSON: kind, message, exit_code, and what the service said of it."""
    found = _kind(error)
    told = {"kind": found[1] if found else "unknown", "message": words_of(error), "exit_code": code}
    more = {name: getattr(error, name, None) for name in ("status", "code", "request_id")}
    return json.dumps({"error": {**told, **{name: value for name, value in more.items() if value is not None}}})


def _kind(error: Exception) -> tuple[int, str] | None:
    return next((told for kind, told in CODES.items() if isinstance(error, kind)), None)
