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
from collections.abc import Iterable, Mapping
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
WAIT_NAME = re.compile(
    r"(.*_)?(retry_(after|in|delay)|wait(_time)?|cool_?down|back_?off)(_(ms|milli\w*|s|secs?|seconds?))?"
)
RESET_NAME = re.compile(r"(.*_)?resets?(_.*)?")  # when a window is over; many send it with every answer
IN_MILLISECONDS = re.compile(r"_(ms|milli)")
WORDS_OF_NAME = re.compile(r"(?<=[a-z])(?=[A-Z])|-")
WINDOW_HEADERS = (  # that matter most; after them any other of a limit
    "x-ratelimit-reset-images", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens",
    "x-ratelimit-reset-after", "ratelimit-reset", "ratelimit", "x-ratelimit-reset",
)  # fmt: skip
RESET_FIELD = re.compile(r"(?:.*[;,\s])?(?:reset|t)=")  # of RateLimit, which has other numbers as well
SINCE_1970_S, SINCE_1970_MS = 1e9, 1e12  # from here on a number is a moment
TOLD_MAX_CHARS, WINDOW_MAX_CHARS = 40, 200
NUMBER, UNIT = r"\d+(?:\.\d+)?", r"(?:ms|milli\w*|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)"
MOMENT = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?"
HOW_LONG = rf"{MOMENT}|(?:{NUMBER}\s?{UNIT}(?![a-z])\s?)+|{NUMBER}\s?{UNIT}(?:{NUMBER}{UNIT})*"
TRY_AGAIN_PATTERN = re.compile(
    r"\b(?:retry[ _-]?after\W{1,3}|(?:try|retry|retrying|wait|available|reset\w*)"
    r"(?: (?:again|your|request\w*|at(?: least)?|is|in|after|for|about)\b)* )"
    rf"({HOW_LONG}|{NUMBER}(?![\d:-]|\s?[ap]\.?m))"
    rf"|\b({NUMBER}\s?{UNIT}) (?:remaining|left)\b",
    re.IGNORECASE,
)
WAIT = re.compile(rf"{NUMBER}|(?:{NUMBER}\s?{UNIT}\s?)+", re.IGNORECASE)
CHINESE_PATTERN = re.compile(  # so many seconds or minutes, or after them
    rf"(?:\u7b49\u5f85?|\u51b7\u5374)\s?({NUMBER})\s?(\u79d2|\u5206|s|m)"
    rf"|({NUMBER})\s?(\u79d2|\u5206|s|m)\u949f?\u4e4b?\u540e"
)
DURATION_PATTERN = re.compile(rf"({NUMBER})\s?(ms|milli|s|m|h)?", re.IGNORECASE)
CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d\d)|PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?")  # or as ISO 8601 has it
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

    `body_s` is what the fields of the answer's body say. Without `windows` only what is said of this request counts.
    Source: docs/service.md, "Rate limits".
    """
    said, chinese = TRY_AGAIN_PATTERN.search(message), CHINESE_PATTERN.search(message)
    amount, unit = (chinese[1] or chinese[3], chinese[2] or chinese[4]) if chinese else ("", "")
    in_chinese = float(amount) * (60.0 if unit in "\u5206m" else 1.0) if amount else None
    waits = [wait_in(headers.items()), body_s, _wait_s(said[1] or said[2]) if said else None, in_chinese]
    others = (name for name in headers if "limit" in name.lower() and RESET_NAME.fullmatch(_plain(name)))
    resets = (RESET_FIELD.sub("", headers.get(name, "")[:WINDOW_MAX_CHARS]) for name in (*WINDOW_HEADERS, *others))
    # one that is over is not the full one
    waits += [wait for wait in map(_wait_s, resets if windows else ()) if wait and wait > 0]
    return next((max(0.0, wait) for wait in waits if wait is not None and math.isfinite(wait)), None)


def wait_in(fields: Iterable[tuple[str, object]], name: re.Pattern[str] = WAIT_NAME) -> float | None:
    """Return the longest wait that stands in fields, or headers, of such a name, first of those in milliseconds."""
    told = [(_plain(key), value) for key, value in fields]
    found = [(IN_MILLISECONDS.search(key) is not None, value) for key, value in told if name.fullmatch(key)]
    waits = [(is_small, _seconds(value, 0.001 if is_small else 1.0)) for is_small, value in found]
    read = [(is_small, wait) for is_small, wait in waits if wait is not None and math.isfinite(wait)]
    return max(read)[1] if read else None


def _plain(name: str) -> str:
    return WORDS_OF_NAME.sub("_", name[:TOLD_MAX_CHARS]).lower()


def _seconds(value: object, unit_s: float) -> float | None:
    """Return the seconds that the value of a field means: a wait, or a moment, as a number or in words."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    with contextlib.suppress(ValueError, OverflowError):
        return _from_now(float(value) * unit_s)
    return _wait_s(str(value))


def _wait_s(text: str) -> float | None:
    """Return the seconds that "12", "1m2.5s", "20 seconds", "PT20S" or "0:20" are, or that are left until a moment."""
    told = text[:TOLD_MAX_CHARS].strip(" \"'.")
    if WAIT.fullmatch(told) or WAIT.fullmatch(told.partition(",")[0]):  # the same header may have come twice
        wait = _duration_s(told.partition(",")[0])
        return None if wait is None else _from_now(wait)
    if clock := CLOCK.fullmatch(told):
        hours, minutes, seconds = (float(clock[at] or clock[at + 3] or 0) for at in (1, 2, 3))
        return hours * 3600 + minutes * 60 + seconds
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        return (parsedate_to_datetime(told) - datetime.now(timezone.utc)).total_seconds()
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(re.sub(r"\.\d+", "", told).replace("Z", "+00:00").replace("z", "+00:00"))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return (moment - datetime.now(timezone.utc)).total_seconds()
    return None


def _from_now(wait: float) -> float:
    """Return the seconds that a number means: one too large for a wait is a moment since 1970."""
    if wait < SINCE_1970_S:
        return wait
    return (wait / 1000 if wait >= SINCE_1970_MS else wait) - time.time()


def _duration_s(text: str) -> float | None:
    """Return the seconds of "240ms", "12 seconds", "12" or "1m30.5s", or None."""
    parts = DURATION_PATTERN.findall(text)
    return sum(float(number) * UNITS_S[unit.lower()] for number, unit in parts) if parts else None
