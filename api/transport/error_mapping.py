"""Turns what the service or the network says into one of our errors: the only place where that happens."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from ..connections.connection import Connection
from ..errors import (
    RUN_ANYWAY,
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
from .base64_json import extract_base64

WORDS_MAX_CHARS = 600
SPENT_KEY_CODES = ("idempotency_consumed", "idempotency_mismatch")
RATE_LIMIT_RESET_HEADERS = ("x-ratelimit-reset-images", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
TRY_AGAIN_PATTERN = re.compile(r"try again in ([\d.]+\s?(?:ms|s|m)[\d.ms]*)", re.IGNORECASE)
DURATION_PATTERN = re.compile(r"([\d.]+)\s?(ms|s|m|h)")
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
SECRET_PATTERN = re.compile(r"(sk-|comfyui-|org-|Bearer\s+|api[-_]key[=: ]+)[^\s'\",.;)]+", re.IGNORECASE)
MAYBE_BILLED = "it may have been billed, so it is not sent again by itself"
PAY_AGAIN_ADVICE = f"Look at the usage page of your account first. {RUN_ANYWAY}"
MAYBE_BILLED_KEYED = "it may have been billed"
RUN_AGAIN_ADVICE = "Run again: the same request is repeated, and you are billed only once."


KEY_ADVICE = {
    "comfy": "Sign in again under Settings > User in ComfyUI, then run again.",
    "own": "Check the key of the connection {name} (openai-image doctor), then run again.",
}
CREDIT_ADVICE = {
    "comfy": "Add credits under Settings > Credits in ComfyUI, then run again.",
    "own": "Add credit or raise the limit on the billing page of your account, then run again.",
}


@dataclass(frozen=True)
class ServiceWords:
    """What an error answer says of itself; everything may be missing."""

    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    from_service: bool = False


@dataclass(frozen=True)
class Rule:
    """What an answer means: an error, what happened and what to do next; it holds where all that it names fits.

    `codes` is looked for in the service's code and type, `words` in its message, both in lower case. The texts may
    name {name} (the connection), {subject}, {billed}, {unknown}, {key} and {credit}.
    """

    error: type[OpenAIImageError]
    happened: str
    advice: str
    statuses: Container[int] = range(1000)
    codes: str = ""
    words: str = ""
    only_from_service: bool = False

    def holds(self, status: int, said: ServiceWords) -> bool:
        """Tell whether this is what an answer means."""
        return (
            status in self.statuses
            and re.search(self.codes, f"{said.code or ''} {said.type or ''}".lower()) is not None
            and re.search(self.words, said.message.lower()) is not None
            and (said.from_service or not self.only_from_service)
        )


FLAGGED = "Your request was flagged by our content moderation system ({name})"  # gets a card of its own in ComfyUI
CHANGE_IT = "Change the prompt or the pictures; asking again will not help."
USED_UP = "{name}: quota, credit or a spend limit is used up"
ASK_FOR_ACCESS = (
    "Ask the owner of the account for access to {subject} (OpenAI may first want the organization verified), or choose"
    " another model."
)
NOT_FOUND = "{name}: {subject} or the address was not found"
MODERATION_CODES = r"\b(moderation_blocked|content_?filter|content_policy_violation)\b"
MODERATION_WORDS = "safety system|content management policy|generated image was filtered"
CREDIT_CODES = "insufficient_quota|billing|spend_limit|usage_limit|credit_balance|exhausted"

RULES = (  # the first that holds
    Rule(ModeratedError, FLAGGED, CHANGE_IT, codes=MODERATION_CODES),
    Rule(ModeratedError, FLAGGED, CHANGE_IT, words=MODERATION_WORDS),
    Rule(OutOfCreditError, USED_UP, "{credit}", {402}),
    Rule(OutOfCreditError, USED_UP, "{credit}", {400, 403, 429}, codes=CREDIT_CODES),
    Rule(RateLimitError, "{name}: too many requests at the moment", "Wait a little and run again.", {429}),
    Rule(NoKeyError, "{name}: the key or sign-in was not accepted", "{key}", {401}),
    Rule(NoKeyError, "{name}: this account has no access to {subject}", ASK_FOR_ACCESS, {403}),
    Rule(RefusedError, NOT_FOUND, "Choose another model or connection.", {404}),
    Rule(RefusedError, NOT_FOUND, "Choose another model or connection.", codes=r"\bmodel_not_found\b"),
    Rule(
        StillRunningError,
        "{name}: the same request is still running there",
        "Nothing to do: the pack waits for it.",
        codes=r"\bidempotency_in_flight\b",
    ),
    Rule(
        OutcomeUnknownError,
        "{name}: this request was made before and its answer is gone",
        PAY_AGAIN_ADVICE,
        codes=rf"\b({'|'.join(SPENT_KEY_CODES)})\b",
    ),
    Rule(RefusedError, "{name}: the pictures are too large together", "Connect fewer or smaller pictures.", {413}),
    Rule(
        ServiceDownError,
        "{name}: the service failed",
        "Nothing was made; run again later.",
        {500, 503},
        only_from_service=True,
    ),
    Rule(
        OutcomeUnknownError,
        "{name}: a gateway gave up before the answer came; {billed}",
        "{unknown}",
        {*range(100, 200), 408, *range(500, 1000)},
    ),
    Rule(RefusedError, "{name}: the service refused the request", "Change what it names and run again."),
)
GATEWAY_HARMLESS = Rule(
    ServiceDownError,
    "{name}: a gateway gave up before the service answered",
    "Nothing is lost by it; do it again in a while.",
)


def service_words(body: bytes) -> ServiceWords:
    """Read the error forms of OpenAI, Azure, comfy.org and relays (docs/service.md, "Errors"), or plain text."""
    try:
        answer = json.loads(extract_base64(body)[0])
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


def error_from_response(
    connection: Connection,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    subject: str,
    may_cost: bool = True,
) -> OpenAIImageError:
    """Return the error for an HTTP answer that is no success, about `subject`: a model, or a path.

    Not `may_cost`: nothing is lost if nobody knows what became of the request.
    """
    words = service_words(body)
    words = replace(words, code=headers.get("x-comfy-error-type") or words.code)
    rule = next(rule for rule in RULES if rule.holds(status, words))
    if rule.error is OutcomeUnknownError and not may_cost:
        rule = GATEWAY_HARMLESS
    happened, advice = (_filled(text, connection, subject) for text in (rule.happened, rule.advice))
    said = redacted(connection, words.message)[:WORDS_MAX_CHARS]
    request_id = headers.get("x-request-id")
    tail = f" (HTTP {status}{_named(', code ', words.code)}{_named(', request ', request_id)})"
    return rule.error(
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


def error_from_exception(connection: Connection, exc: Exception, *, complete: bool, sent_at: str) -> OpenAIImageError:
    """Return the error for a request without an answer; `complete` tells whether the service may have all of it."""
    reason = redacted(connection, _reason(exc))
    if complete:
        return OutcomeUnknownError(
            f"{connection.name}: the request went out at {sent_at} and the connection was lost before the whole"
            f" answer came ({reason}); {_filled('{billed}. {unknown}', connection, '')}"
        )
    return ServiceDownError(
        f"{connection.name}: {connection.host} could not be reached ({reason}). The request was not sent"
        " completely, so nothing was billed. Check the network, the proxy settings and the address, then run again."
    )


def redacted(connection: Connection, text: str) -> str:
    """Return a text without this connection's key and without anything that looks like one."""
    key = connection.key.get_secret_value() if connection.key else ""
    clean = text.replace(key, "[key]") if key else text
    return SECRET_PATTERN.sub("[key]", clean)


def _filled(text: str, connection: Connection, subject: str) -> str:
    own = "comfy" if connection.kind == "comfy.org" else "own"
    billed, unknown = (
        (MAYBE_BILLED_KEYED, RUN_AGAIN_ADVICE) if connection.idempotent else (MAYBE_BILLED, PAY_AGAIN_ADVICE)
    )
    key, credit = (advice[own].format(name=connection.name) for advice in (KEY_ADVICE, CREDIT_ADVICE))
    return text.format(name=connection.name, subject=subject, billed=billed, unknown=unknown, key=key, credit=credit)


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
