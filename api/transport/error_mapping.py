"""Turns what the service or the network says into one of our errors: the only place where that happens."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from ..connections.resolve import Connection
from ..errors import (
    ModeratedError,
    NoKeyError,
    OpenAIImageError,
    OutcomeUnknownError,
    OutOfCreditError,
    RateLimitError,
    RefusedError,
    ServiceDownError,
    StillRunningError,
)
from .base64_json import lifted

WORDS_MAX_CHARS = 600
MODERATION_CODES = {"moderation_blocked", "contentfilter", "content_filter", "content_policy_violation"}
MODERATION_WORDS = ("safety system", "content management policy", "generated image was filtered")
CREDIT_CODES = re.compile(r"insufficient_quota|billing|spend_limit|usage_limit|credit_balance|exhausted")
SPENT_KEY_CODES = ("idempotency_consumed", "idempotency_mismatch")
RATE_LIMIT_RESET_HEADERS = ("x-ratelimit-reset-images", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
TRY_AGAIN_PATTERN = re.compile(r"try again in ([\d.]+\s?(?:ms|s|m)[\d.ms]*)", re.IGNORECASE)
DURATION_PATTERN = re.compile(r"([\d.]+)\s?(ms|s|m|h)")
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
SECRET_PATTERN = re.compile(r"(sk-|comfyui-|org-|Bearer\s+|api[-_]key[=: ]+)[^\s'\",.;)]+", re.IGNORECASE)
MAYBE_BILLED = "it may have been billed, so it is not sent again by itself"
PAY_AGAIN_ADVICE = (
    "Look at the usage page of your account; to ask, and perhaps pay, once more, set reuse to false or change the seed."
)
MAYBE_BILLED_KEYED = "it may have been billed"
RUN_AGAIN_ADVICE = "Run again: it is asked for under the same key and billed once."


@dataclass(frozen=True)
class ServiceWords:
    """What an error answer says of itself; everything may be missing."""

    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    from_service: bool = False


def service_words(body: bytes) -> ServiceWords:
    """Read the error forms of OpenAI, Azure, comfy.org and relays (docs/service.md, "Errors"), or plain text."""
    try:
        answer = json.loads(lifted(body)[0])
    except ValueError:
        return ServiceWords(_plain(body))
    if not isinstance(answer, dict):
        return ServiceWords(_plain(body))
    inner = answer.get("error")
    if isinstance(inner, dict):
        code, kind, param = (_maybe(inner, key) for key in ("code", "type", "param"))
        return ServiceWords(_text(inner, "message"), code, kind, param, from_service=True)
    code = inner if isinstance(inner, str) else _maybe(answer, "error_type")
    message = _text(answer, "message") or _text(answer, "detail") or (code or "")
    return ServiceWords(message, code, from_service=code is not None)


def answered_failure(
    connection: Connection, status: int, headers: Mapping[str, str], body: bytes, *, model: str
) -> OpenAIImageError:
    """Return the error for an HTTP answer that is no success."""
    words = service_words(body)
    words = replace(words, code=headers.get("x-comfy-error-type") or words.code)
    kind, happened, advice = _sorted(connection, status, words, model)
    said = redacted(connection, words.message)[:WORDS_MAX_CHARS]
    request_id = headers.get("x-request-id")
    tail = f" (HTTP {status}{_named(', code ', words.code)}{_named(', request ', request_id)})"
    return kind(
        f"{happened}{tail}." + (f" The service says: {said.rstrip('.')}." if said else "") + f" {advice}",
        status=status,
        code=words.code,
        param=words.param,
        request_id=request_id,
        retry_after_s=retry_after_s(headers, words.message),
        replayed=headers.get("idempotent-replayed", "").lower() == "true",
        key_is_spent=words.code in SPENT_KEY_CODES,
        may_retry=headers.get("x-should-retry", "").lower() != "false",
    )


def retry_after_s(headers: Mapping[str, str], message: str) -> float | None:
    """Return the seconds that the service asks us to wait, from its headers or its words, or None.

    Source: docs/service.md, "Rate limits".
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(ValueError):
            return max(0.0, float(headers.get(name, "")) * unit_s)
    with contextlib.suppress(TypeError, ValueError):
        date = parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, (date - datetime.now(timezone.utc)).total_seconds())
    said = TRY_AGAIN_PATTERN.search(message)
    if said:
        return _duration_s(said[1])
    resets = (headers.get(name) for name in RATE_LIMIT_RESET_HEADERS)
    return next((_duration_s(reset) for reset in resets if reset), None)


def _duration_s(text: str) -> float | None:
    """Return the seconds of "240ms", "12s" or "1m30.5s", or None."""
    parts = DURATION_PATTERN.findall(text)
    return sum(float(number) * UNITS_S[unit] for number, unit in parts) if parts else None


def unanswered_failure(connection: Connection, exc: Exception, *, complete: bool, sent_at: str) -> OpenAIImageError:
    """Return the error for a request without an answer; `complete` tells whether the service may have all of it."""
    reason = redacted(connection, _reason(exc))
    if complete:
        billed, advice = _unknown_words(connection)
        return OutcomeUnknownError(
            f"{connection.name}: the request went out at {sent_at} and the connection was lost before the whole"
            f" answer came ({reason}); {billed}. {advice}"
        )
    return ServiceDownError(
        f"{connection.name}: {connection.host} could not be reached ({reason}). Nothing was sent whole, so nothing"
        " was billed. Check the network, the proxy settings and the address, then run again."
    )


def redacted(connection: Connection, text: str) -> str:
    """Return a text without this connection's key and without anything that looks like one."""
    key = connection.key.get_secret_value() if connection.key else ""
    clean = text.replace(key, "[key]") if key else text
    return SECRET_PATTERN.sub("[key]", clean)


def _sorted(
    connection: Connection, status: int, words: ServiceWords, model: str
) -> tuple[type[OpenAIImageError], str, str]:
    """Return the kind of error, what happened and what to do next."""
    name, code = connection.name, (words.code or "").lower()
    if code in MODERATION_CODES or any(phrase in words.message.lower() for phrase in MODERATION_WORDS):
        return (
            ModeratedError,
            f"Your request was flagged by our content moderation system ({name})",  # gets a card of its own in ComfyUI
            "Change the prompt or the pictures; asking again will not help.",
        )
    if status == 402 or (CREDIT_CODES.search(f"{code} {words.type or ''}") and status in (400, 403, 429)):
        return OutOfCreditError, f"{name}: quota, credit or a spend limit is used up", _credit_advice(connection)
    if status == 429:
        return RateLimitError, f"{name}: too many requests at the moment", "Wait a little and run again."
    if status == 401:
        return NoKeyError, f"{name}: the key or sign-in was not accepted", _key_advice(connection)
    if status == 403:
        return NoKeyError, f"{name}: this account has no access to {model}", "Mend the account as the service says."
    if status == 404 or code == "model_not_found":
        return RefusedError, f"{name}: {model} or the address was not found", "Choose another model or connection."
    if code == "idempotency_in_flight":
        return StillRunningError, f"{name}: the same request is still running there", "It is waited for."
    if code in SPENT_KEY_CODES:
        return OutcomeUnknownError, f"{name}: this request was made before and its answer is gone", PAY_AGAIN_ADVICE
    if status == 413:
        return RefusedError, f"{name}: the pictures are too large together", "Connect fewer or smaller pictures."
    if status in (500, 503) and words.from_service:
        return ServiceDownError, f"{name}: the service failed", "Nothing was made; run again later."
    if status >= 500 or status == 408:
        billed, advice = _unknown_words(connection)
        return OutcomeUnknownError, f"{name}: a gateway gave up before the answer came; {billed}", advice
    return RefusedError, f"{name}: the service refused the request", "Change what it names and run again."


def _unknown_words(connection: Connection) -> tuple[str, str]:
    """Return what to say of the bill and what to do next, where nobody knows whether the service did its work."""
    return (MAYBE_BILLED_KEYED, RUN_AGAIN_ADVICE) if connection.idempotent else (MAYBE_BILLED, PAY_AGAIN_ADVICE)


def _key_advice(connection: Connection) -> str:
    if connection.kind == "comfy.org":
        return "Sign in again under Settings > User in ComfyUI, then run again."
    return f"Check the key of the connection {connection.name} (openai-image doctor), then run again."


def _credit_advice(connection: Connection) -> str:
    if connection.kind == "comfy.org":
        return "Add credits under Settings > Credits in ComfyUI, then run again."
    return "Add credit or raise the limit on the billing page of your account, then run again."


def _reason(exc: Exception) -> str:
    if isinstance(exc, requests.exceptions.SSLError):
        return f"TLS: {exc}"[:WORDS_MAX_CHARS]
    if isinstance(exc, requests.exceptions.Timeout):
        return "time ran out"
    return re.sub(r"0x[0-9a-f]+", "", str(exc) or type(exc).__name__)[:WORDS_MAX_CHARS]


def _plain(body: bytes) -> str:
    text = body[:2000].decode("utf-8", errors="replace")
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def _text(answer: Mapping[str, Any], key: str) -> str:
    value = answer.get(key)
    return value if isinstance(value, str) else ""


def _maybe(answer: Mapping[str, Any], key: str) -> str | None:
    value = answer.get(key)
    return value if isinstance(value, str) and value else None


def _named(label: str, value: str | None) -> str:
    return f"{label}{value}" if value else ""
