"""When a request may go out once more, each rule with its reason.

What kind of error an answer is stands in error_rules.py. Two things are asked before, where the error is made
(`may_retry` in error_mapping.py): a 429 that names no reason known to pass is not repeated, nor is what failed
because a certificate is not trusted.
"""

from __future__ import annotations

import contextlib
import math
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from ..errors import OpenAIImageError, OutcomeUnknownError, RateLimitError, ServiceDownError, StillRunningError

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
WAIT_HEADERS = (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0), ("x-retry-after", 1.0))
WINDOW_HEADERS = (  # many send them with every answer, so that they alone are no word to come back
    "x-ratelimit-reset-images", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens",
    "x-ratelimit-reset-after", "ratelimit-reset", "ratelimit", "x-ratelimit-reset",
)  # fmt: skip
RESET_FIELD = re.compile(r"(?:.*[;,\s])?(?:reset|t)=")  # of RateLimit, which has other numbers as well
SINCE_1970_S, SINCE_1970_MS = 1e9, 1e12  # from here on a number is a moment
TOLD_MAX_CHARS, WINDOW_MAX_CHARS = 40, 200
NUMBER, UNIT = r"\d+(?:\.\d+)?", r"(?:ms|milli\w*|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)"
TRY_AGAIN_PATTERN = re.compile(
    rf"\b(?:try|retry|retrying|wait|available|reset\w*)\b(?: again| request\w*| at least| is)*"
    rf"(?: in| after| for)? ((?:{NUMBER}\s?{UNIT}(?![a-z])\s?)+|{NUMBER}\s?{UNIT}(?:{NUMBER}{UNIT})*|{NUMBER})",
    re.IGNORECASE,
)
WAIT = re.compile(rf"{NUMBER}|(?:{NUMBER}\s?{UNIT}\s?)+", re.IGNORECASE)
CHINESE_PATTERN = re.compile(rf"({NUMBER})\s?(\u79d2|\u5206)\u949f?\u4e4b?\u540e")  # after so many seconds or minutes
DURATION_PATTERN = re.compile(rf"({NUMBER})\s?(ms|milli|s|m|h)?", re.IGNORECASE)
UNITS_S = {"ms": 0.001, "milli": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class RetryPolicy:
    """Counts one job's failures and tells how long to wait before the next try, if there may be one."""

    def __init__(self, *, idempotent: bool) -> None:
        self._idempotent = idempotent
        self._tries: Counter[str] = Counter()
        self._waited_s: defaultdict[str, float] = defaultdict(float)

    def delay_after(self, error: OpenAIImageError) -> float | None:
        """Return the seconds to wait before the request is sent again, or None if it never may be."""
        if not error.may_retry or error.key_is_spent:
            return None  # x-should-retry: false, which the official client obeys too; a new key would pay once more
        if isinstance(error, StillRunningError) and self._idempotent:
            # The service works on it under our key: asking again with that key costs nothing, so be patient.
            growing = STILL_RUNNING_FIRST_S * STILL_RUNNING_GROWTH ** self._tries["still running"]
            return self._patient("still running", min(growing, STILL_RUNNING_STEP_S), error, STILL_RUNNING_TOTAL_S)
        if isinstance(error, RateLimitError):
            # Refused before any work was done; the service says itself when to come back.
            growing = FIRST_DELAY_S * 2 ** self._tries["rate limit"]
            return self._patient("rate limit", min(growing, RATE_LIMIT_STEP_S), error, RATE_LIMIT_TOTAL_S)
        if self._idempotent and error.replayed and isinstance(error, (ServiceDownError, OutcomeUnknownError)):
            # An old failure, told again: it is no try of its own, and a new key asks for the first time.
            return self._up_to("replayed", KEYED_TRIES, error)
        if isinstance(error, ServiceDownError) and error.status is None:
            # Never arrived whole, so it cannot have been billed.
            return self._up_to("never sent", NEVER_SENT_TRIES, error)
        if isinstance(error, ServiceDownError):
            # OpenAI's own documented overload, comfy.org under its key: it is known that no picture was made.
            return self._up_to("failed", FAILED_TRIES, error)
        if isinstance(error, OutcomeUnknownError) and self._idempotent:
            # The same Idempotency-Key gives the answer that was paid, or runs it for the first time.
            return self._up_to("keyed", KEYED_TRIES, error)
        # All else: the same request would be refused again, or could be billed a second time.
        return None

    def _up_to(self, kind: str, tries: int, error: OpenAIImageError) -> float | None:
        if self._tries[kind] >= tries:
            return None
        own = jittered(FIRST_DELAY_S * 2 ** self._tries[kind])
        self._tries[kind] += 1
        delay = max(own, error.retry_after_s or 0.0)
        return delay if delay <= RATE_LIMIT_TOTAL_S else None

    def _patient(self, kind: str, own_delay_s: float, error: OpenAIImageError, total_s: float) -> float | None:
        told, first = error.retry_after_s, self._tries[kind] == 0
        own = jittered(own_delay_s)
        # Who was told too short a time, or none, must not come back at once for ever.
        delay = own if told is None else told if first else max(told, own)
        self._tries[kind] += 1
        self._waited_s[kind] += delay
        return delay if self._waited_s[kind] <= total_s else None


def jittered(delay_s: float) -> float:
    """Return a delay shortened by up to a quarter, so that many clients do not come back at once."""
    return delay_s * (1 - JITTER * random.random())  # noqa: S311 - no secret depends on it


def retry_after_s(
    headers: Mapping[str, str], message: str, body_s: float | None = None, *, windows: bool = True
) -> float | None:
    """Return the seconds that the service asks us to wait, finite and not negative, or None.

    `body_s` is what a field of the answer's body says, which may be a moment since 1970. Without `windows` only what
    is said of this request counts.
    Source: docs/service.md, "Rate limits".
    """
    said, chinese = TRY_AGAIN_PATTERN.search(message), CHINESE_PATTERN.search(message)
    in_chinese = float(chinese[1]) * (60.0 if chinese[2] == "\u5206" else 1.0) if chinese else None
    told = None if body_s is None else _from_now(body_s)
    waits = [_from_headers(headers), told, _duration_s(said[1]) if said else None, in_chinese]
    resets = (RESET_FIELD.sub("", headers.get(name, "")[:WINDOW_MAX_CHARS]) for name in WINDOW_HEADERS if windows)
    waits += [wait for wait in map(_wait_s, resets) if wait and wait > 0]  # one that is over is not the full one
    return next((max(0.0, wait) for wait in waits if wait is not None and math.isfinite(wait)), None)


def _from_headers(headers: Mapping[str, str]) -> float | None:
    for name, unit_s in WAIT_HEADERS:
        with contextlib.suppress(ValueError):
            return _from_now(float(headers.get(name, "")) * unit_s)
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        date = parsedate_to_datetime(headers.get("retry-after", ""))
        return (date - datetime.now(timezone.utc)).total_seconds()
    return _wait_s(headers.get("retry-after", ""))


def _wait_s(text: str) -> float | None:
    """Return the seconds that "12", "1m2.5s" or "20 seconds" are, or that are left until a moment since 1970."""
    told = text[:TOLD_MAX_CHARS].strip(" \"'")
    wait = _duration_s(told) if WAIT.fullmatch(told) else None
    return None if wait is None else _from_now(wait)


def _from_now(wait: float) -> float:
    """Return the seconds that a number means: one too large for a wait is a moment since 1970."""
    if wait < SINCE_1970_S:
        return wait
    return (wait / 1000 if wait >= SINCE_1970_MS else wait) - time.time()


def _duration_s(text: str) -> float | None:
    """Return the seconds of "240ms", "12 seconds", "12" or "1m30.5s", or None."""
    parts = DURATION_PATTERN.findall(text)
    return sum(float(number) * UNITS_S[unit.lower()] for number, unit in parts) if parts else None
