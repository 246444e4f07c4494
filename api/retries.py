"""When a request may go out once more: the whole policy, each rule with its reason."""

from __future__ import annotations

import random

from .errors import OpenAIImageError, OutcomeUnknownError, RateLimitError, ServiceDownError, StillRunningError

NEVER_SENT_TRIES = 3
FAILED_TRIES = 2
KEYED_TRIES = 3
RATE_LIMIT_TOTAL_S = 300.0
RATE_LIMIT_STEP_S = 30.0
STILL_RUNNING_TOTAL_S = 3600.0
STILL_RUNNING_FIRST_S = 2.0
STILL_RUNNING_GROWTH = 1.5
STILL_RUNNING_STEP_S = 30.0
FIRST_DELAY_S = 0.5
JITTER = 0.25


class Retries:
    """Counts one job's failures and tells how long to wait before the next try, if there may be one."""

    def __init__(self, *, idempotent: bool) -> None:
        self._idempotent = idempotent
        self._tries: dict[str, int] = {}
        self._waited_s = 0.0

    def delay_after(self, error: OpenAIImageError) -> float | None:
        """Return the seconds to wait before the request is sent again, or None if it never may be."""
        if isinstance(error, StillRunningError):
            # The service works on it under our key: asking again with that key costs nothing, so be patient.
            growing = STILL_RUNNING_FIRST_S * STILL_RUNNING_GROWTH ** self._next("still running")
            return self._within(min(growing, STILL_RUNNING_STEP_S), error, STILL_RUNNING_TOTAL_S)
        if isinstance(error, RateLimitError):
            # Refused before any work was done; the service says itself when to come back.
            growing = FIRST_DELAY_S * 2 ** self._next("rate limit")
            return self._within(min(growing, RATE_LIMIT_STEP_S), error, RATE_LIMIT_TOTAL_S)
        if isinstance(error, ServiceDownError) and error.status is None:
            # Never arrived whole, so it cannot have been billed.
            return self._up_to("never sent", NEVER_SENT_TRIES)
        if isinstance(error, ServiceDownError):
            # 500 or 503 with the service's own error body: it says itself that it made no picture.
            return self._up_to("failed", FAILED_TRIES)
        if isinstance(error, OutcomeUnknownError) and self._idempotent and not error.key_is_spent:
            # The same Idempotency-Key gives the answer that was paid, or runs it for the first time.
            return self._up_to("keyed", KEYED_TRIES)
        # All else: the same request would be refused again, or could be billed a second time.
        return None

    def _up_to(self, kind: str, tries: int) -> float | None:
        count = self._next(kind)
        return jittered(FIRST_DELAY_S * 2**count) if count < tries else None

    def _within(self, own_delay_s: float, error: OpenAIImageError, total_s: float) -> float | None:
        delay = error.retry_after_s if error.retry_after_s is not None else jittered(own_delay_s)
        self._waited_s += delay
        return delay if self._waited_s <= total_s else None

    def _next(self, kind: str) -> int:
        count = self._tries.get(kind, 0)
        self._tries[kind] = count + 1
        return count


def jittered(delay_s: float) -> float:
    """Return a delay shortened by up to a quarter, so that many clients do not come back at once."""
    return delay_s * (1 - JITTER * random.random())  # noqa: S311 - no secret depends on it
