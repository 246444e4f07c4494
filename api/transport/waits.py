"""How long the service asks us to wait, from its headers, its words or its body."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

RATE_LIMIT_RESET_HEADERS = ("x-ratelimit-reset-images", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
NUMBER, UNIT = r"\d+(?:\.\d+)?", r"(?:ms|milli\w*|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)"
TRY_AGAIN_PATTERN = re.compile(
    rf"\b(?:try|retry|retrying|wait|available|reset\w*)\b(?: again| request\w*| at least| is)*"
    rf"(?: in| after| for)? ((?:{NUMBER}\s?{UNIT}(?![a-z])\s?)+|{NUMBER}\s?{UNIT}(?:{NUMBER}{UNIT})*|{NUMBER})",
    re.IGNORECASE,
)
DURATION_PATTERN = re.compile(rf"({NUMBER})\s?(ms|milli|s|m|h)?", re.IGNORECASE)
UNITS_S = {"ms": 0.001, "milli": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def retry_after_s(headers: Mapping[str, str], message: str, body_s: float | None = None) -> float | None:
    """Return the seconds that the service asks us to wait, finite and not negative, or None.

    `body_s` is what a field of the answer's body says. Source: docs/service.md, "Rate limits".
    """
    waits = (_from_headers(headers), body_s, _from_words(message), _from_resets(headers))
    return next((max(0.0, wait) for wait in waits if wait is not None and math.isfinite(wait)), None)


def _from_headers(headers: Mapping[str, str]) -> float | None:
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(ValueError):
            return float(headers.get(name, "")) * unit_s
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        date = parsedate_to_datetime(headers.get("retry-after", ""))
        return (date - datetime.now(timezone.utc)).total_seconds()
    return None


def _from_words(message: str) -> float | None:
    said = TRY_AGAIN_PATTERN.search(message)
    return _duration_s(said[1]) if said else None


def _from_resets(headers: Mapping[str, str]) -> float | None:
    resets = (headers.get(name) for name in RATE_LIMIT_RESET_HEADERS)
    return next((_duration_s(reset) for reset in resets if reset and reset[-1:] in "sSmMhH"), None)


def _duration_s(text: str) -> float | None:
    """Return the seconds of "240ms", "12 seconds", "12" or "1m30.5s", or None."""
    parts = DURATION_PATTERN.findall(text)
    return sum(float(number) * UNITS_S[unit.lower()] for number, unit in parts) if parts else None
