"""Turns what the service or the network says into one of our errors: the only place where that happens."""

from __future__ import annotations

import math
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from itertools import takewhile
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError, LocationParseError

from ..catalog.schemas import OpenAIImageEditRequest
from ..connections.connection import Connection, is_loopback
from ..connections.extra_fields import OWN_FIELDS
from ..errors import (
    ModeratedError,
    OpenAIImageError,
    OutcomeUnknownError,
    RateLimitError,
    RefusedError,
    ServiceDownError,
    StillRunningError,
)
from .error_rules import (
    CHANGE_WHAT_IT_NAMES,
    CUT_SHORT,
    EARLY,
    FAILED,
    FAILED_HARMLESS,
    GATEWAY_HARMLESS,
    GAVE_UP_ADVICE,
    GONE,
    LESS_AT_ONCE,
    LOST,
    NO_BATCHES,
    NO_SKETCHES,
    NOT_AN_API,
    OF_BATCHES,
    PAY_AGAIN_ADVICE,
    RULES,
    RUNNING,
    SPENT_KEY_CODES,
    UNCLEAR,
    Rule,
)
from .loose_json import utf8
from .network_words import reason_of
from .page_words import READ_MAX_BYTES, clean
from .retry import retry_after_s
from .service_words import ServiceWords, service_words
from .task_words import BEGUN

CODE_MAX_CHARS = 100
BAD_ADDRESS_MARKS = ("Failed to parse", "label empty or too long")
CERTIFICATE_MARKS = ("CERTIFICATE_VERIFY_FAILED", "CA certificate bundle")
WORDS_MAX_CHARS = 600
SENTENCE_ENDS = ("!", "?", "\u2026", "\u3002", "\uff01", "\uff1f")  # ... and the full stops of Chinese and Japanese
SHOWN_MAX_CHARS = 200
MAYBE_BILLED = "it may have been billed, so it is not sent again by itself"
RUN_AGAIN_ADVICE = "Run again: the same request is repeated, and you are billed only once."
BILLED = {  # by whether a key of ours lets the same be asked for again
    False: (MAYBE_BILLED, PAY_AGAIN_ADVICE),
    True: ("it may have been billed", RUN_AGAIN_ADVICE),
}
KEY_ADVICE = {
    "comfy": "Sign in again under Settings > User in ComfyUI, then run again.",
    "own": "Check the key of the connection {name} (openai-image doctor), then run again.",
}
CREDIT_ADVICE = {
    "comfy": "Add credits under Settings > Credits in ComfyUI, then run again.",
    "own": "Add credit or raise the limit on the billing page of your account, then run again.",
}
SEVERAL = " If one picture alone works, it is that several go out as image[], which not every server reads."
NEEDED_FIELDS = ("model", "prompt", "image", "images", "mask", "markup")
WAITS_429 = re.compile(  # what a 429 is called where nothing was begun
    r"rate_?limit|too_?many|throttl|quota|limit|overload|slow_?down|busy|concurren|capacity|resource_?exhausted|requests|"
    r"tokens|images|^429$|unavailable"
)
WAITS_429_WORDS = re.compile(
    r"rate.?(limit|exceeded)|too many|throttl|limit (exceeded|reached)|reached .{0,20}limit|limited to \d"
    r"|overload|slow down|busy|concurren|capacity|error code: 1015"
    r"|queue.{0,20}(full|limit|exceed|maximum)|(full|maximum|exceed\w*|limit) .{0,20}queue"
    r"|error 1015|\u5e76\u53d1|\u9650\u6d41|\u901f\u7387|\u9971\u548c|\u9891\u7e41|\u7a0d\u540e|\u8bf7\u6c42\u6570"
)
OF_DAYS = re.compile(r"\b(daily|weekly|monthly|(per|a) (day|week|month))\b")
CLEARLY_NAMED = re.compile(r"['\"`]([a-z_]+)(?:\[[^\]]*\])?['\"`]|(?<![\w-])([a-z]+(?:_[a-z]+)+)(?![\w-])")
FIELD_NAMED = re.compile(  # by where a word stands, which may be one of the sentence as well
    r"(?:^/?|[:;,(] |\(|\b(?:body|instance|request|params|input)[./]"
    r"|\b(?i:(?:un)?support(?:ed)?|supplied|invalid|selected|errors? for \w+"
    r"|(?:param|parameter|field|argument|option|property|propertie|key)s?(?: (?:is |are )?not \w+)?):? \[?"
    r"|(?:\u53c2\u6570|\u5b57\u6bb5|\u4e0d\u652f\u6301\u7684?)\W*)(?=([a-z]+)(?![a-z0-9_]))"
    r"|\.([a-z_]+) of type\b|\b([a-z_]+):?(?= (?:must be|unknown variant|[Ii]nvalid option|field|parameter|argument)\b)"
)
BATCH_PATH = re.compile(r"(files|batches)(/|$)")
ECHO_CHARS, ECHO_MIN_BYTES = 24, 12  # by which the prompt is known in what a service says
EXTRA_FIELD = re.compile(r"[a-z]+(_[a-z]+)*")
NETWORK_ADVICE = "Check the network, the proxy settings and the address, then run again."
HERE_ADVICE = (
    "Start the server there or correct its port, then run again. In a container, localhost is the container itself:"
    " name the machine instead."
)
CERTIFICATE_ADVICE = (
    "If the service has a certificate of its own (self-signed, or of a company), put the file of its authority into the"
    " environment variable REQUESTS_CA_BUNDLE and restart ComfyUI. Else something on the way may be reading along:"
    " check the network and this machine's clock."
)

OF_ANOTHER = ("ismatch, certificate", "has expired", "not yet valid")  # of a name or an address, or of another time
OF_ANOTHER_ADVICE = (
    "The certificate there is of another name or out of date: check the address and this machine's clock, or ask who"
    " runs the service."
)


@dataclass(frozen=True)
class Asked:
    """What was asked when an error came: the path below the base address, the bytes that went out, and the prompt.

    Not `may_cost`: nothing is lost if nobody knows what became of it. Not `complete`: the service cannot have all of
    it. `final`: the answer is the service's own last word on it, as a line of a batch is. `begun`: sketches or
    progress came before the error, so the work was begun. `streamed`: a stream was asked for.
    """

    path: str = ""
    sent_bytes: int = 0
    prompt: str = field(default="", repr=False)
    may_cost: bool = True
    complete: bool = True
    final: bool = False
    begun: bool = False
    streamed: bool = False


def says(words: str) -> str:
    """Return the sentence that tells a service's own words behind another one, nothing where there are none."""
    said = words.rstrip(" .")
    told = f" The service says: {said}." if said else ""
    return told[:-1] if said.endswith(SENTENCE_ENDS) else told


def error_from_response(
    connection: Connection,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    subject: str,
    asked: Asked | None = None,
) -> OpenAIImageError:
    """Return the error for an HTTP answer that is no success, about `subject`: a model, or a path.

    `asked` says more of the request.
    """
    asked = asked or Asked()
    words = service_words(_clean(connection, body))
    message, _, task = words.message.partition(BEGUN) if words.is_task else (words.message, "", "")
    words = replace(words, message=message.rstrip(": "), code=headers.get("x-comfy-error-type") or words.code)
    if task and words.from_service and status in UNCLEAR:  # an error beside a task that goes on
        asked = replace(asked, begun=True)
        words = replace(words, message=f"{words.message}: {task.partition(' ')[0]}".lstrip(": "))
    meant = status
    if 200 <= status < 300 and words.from_service and re.fullmatch(r"[45]\d\d", words.code or ""):
        meant = int(words.code or status)  # relays write that of another server into the body of a 200
    is_elsewhere = bool(headers.get("location", "").strip())
    rule = _rule(connection, meant, _without_prompt(words, asked.prompt), asked, redirects=is_elsewhere)
    facts = _facts(connection, subject, words, headers, asked)
    happened, advice = (text.format(**facts) for text in (rule.happened, rule.advice))
    said = says(connection.redacted(words.page or words.message)[:WORDS_MAX_CHARS])
    code = connection.redacted(words.code or "")[:CODE_MAX_CHARS] or None
    request_id = headers.get("x-request-id")
    named = "".join(f", {what} {name}" for what, name in (("code", code), ("request", request_id)) if name)
    return rule.error(
        f"{happened} (HTTP {status}{named}).{said} {advice}",
        status=None if rule is EARLY else status,
        code=code,
        param=connection.redacted(words.param or "") or None,
        request_id=request_id,
        retry_after_s=retry_after_s(headers, words.message, words.retry_after_s, windows=rule.error is RateLimitError),
        replayed=headers.get("idempotent-replayed", "").lower() == "true",
        key_is_spent=words.code in SPENT_KEY_CODES,
        may_be_billed=asked.begun,
        may_retry=headers.get("x-should-retry", "").lower() != "false" and _may_wait(rule, connection, headers, words),
    )


def _without_prompt(words: ServiceWords, prompt: str) -> ServiceWords:
    """Return a service's words without the prompt that some say back, whole or its beginning: it means nothing."""
    said = clean(prompt)
    begin = said[:ECHO_CHARS]
    if len(begin.encode()) < ECHO_MIN_BYTES:
        return words  # a word of its own, perhaps
    told = []
    for text in (words.message, words.page):
        while begin in text:
            before, _, after = text.partition(begin)
            same = takewhile(lambda pair: pair[0] == pair[1], zip(after, said[len(begin) :], strict=False))
            text = f"{before} {after[len(list(same)) :]}"
        told.append(text)
    return replace(words, message=told[0], page=told[1])


def _rule(connection: Connection, status: int, words: ServiceWords, asked: Asked, *, redirects: bool = False) -> Rule:
    """Return what an answer means."""
    rule = next(rule for rule in RULES if rule.holds(status, words, connection, redirects=redirects))
    if rule.error is StillRunningError and not connection.idempotent:
        rule = RUNNING  # only under a key of ours could the same be asked for again without being paid twice
    if asked.begun and rule.error not in (ModeratedError, StillRunningError, OutcomeUnknownError):
        rule = LOST  # whatever it is called: words that mean that nothing was paid are of what was not begun
    if BATCH_PATH.match(asked.path):
        rule = _of_batches(rule, status, asked.path)
    if rule.error is not OutcomeUnknownError:
        return rule
    if asked.final:
        return FAILED
    if not asked.may_cost:
        return FAILED_HARMLESS if words.from_service else GATEWAY_HARMLESS
    return rule if asked.complete else EARLY


def _of_batches(rule: Rule, status: int, path: str) -> Rule:
    """Return what an answer about files or batches means, of which a rule tells as of a picture."""
    if rule.happened == NOT_AN_API:
        return GONE if "/" in path and status in (404, 410) else NO_BATCHES
    return replace(rule, advice=OF_BATCHES.get(rule.advice, rule.advice))


def _may_wait(rule: Rule, connection: Connection, headers: Mapping[str, str], words: ServiceWords) -> bool:
    """Tell whether a request that was refused as one too many may go out again by itself.

    A 429 that says nothing known, and no time to come back, may be another server's failure passed on; for a limit of
    days nobody waits here.
    """
    is_relay = connection.kind == "compatible"
    if rule.error is not RateLimitError or connection.idempotent or (words.code is None and not is_relay):
        return True
    said = (words.page or words.message).lower()
    known = WAITS_429.search((words.code or "").lower()) or WAITS_429_WORDS.search(said)
    is_soon = known is not None and OF_DAYS.search(said) is None
    return is_soon or retry_after_s(headers, words.message, words.retry_after_s, windows=False) is not None


def _facts(
    connection: Connection, subject: str, words: ServiceWords, headers: Mapping[str, str], asked: Asked
) -> dict[str, str]:
    """Return what the texts of a rule may name."""
    own = "comfy" if connection.kind == "comfy.org" else "own"
    billed, unknown = BILLED[connection.idempotent]
    key, credit = (advice[own].format(name=connection.name) for advice in (KEY_ADVICE, CREDIT_ADVICE))
    model = subject if subject != asked.path else None
    address = connection.url(asked.path, model) if asked.path else connection.base_url
    return {
        "name": connection.name,
        "subject": subject,
        "billed": billed,
        "unknown": unknown,
        "key": key,
        "credit": credit,
        "address": address,
        "setting": connection.address_from or f"base_url of {connection.name} in connections.json",
        "version": connection.query.get("api-version", "v1"),
        "sent": _size(asked.sent_bytes),
        "multipart": _multipart(connection),
        "target": _target(connection, address, headers.get("location", "")),
        "leave_out": _leave_out(connection, words),
        "change": _leave_out(connection, words, perhaps=True),
        "whole": _whole(connection, asked.path, words),
        "add_field": _add_field(connection, words),
        "form": _other_form(connection, asked.path),
        "gave_up": LESS_AT_ONCE if asked.streamed or connection.kind == "comfy.org" else GAVE_UP_ADVICE,
        "no_sketches": f" {NO_SKETCHES}" if asked.streamed else "",
    }


def _multipart(connection: Connection) -> str:
    return ', or set "edits": "multipart" (a quarter less)' if connection.edits == "json" else ""


def _size(sent_bytes: int) -> str:
    """Return how much went out, as the end of a sentence; nothing where that is not known."""
    size = f"{sent_bytes / 1e6:.1f} MB" if sent_bytes >= 1e5 else f"{math.ceil(sent_bytes / 1e3)} kB"
    return f", {size} went out" if sent_bytes else ""


def _target(connection: Connection, address: str, location: str) -> str:
    """Return the host and the path that a redirect names, without its query, in which a key may be."""
    try:
        parts = urlsplit(urljoin(address, location.strip()))
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        place = ""
    return (
        connection.redacted(place)[:SHOWN_MAX_CHARS] if location.strip() and place else "a place that it does not name"
    )


def _other_form(connection: Connection, path: str) -> str:
    """Return how to send pictures in the other form, where a service does not find them in this one."""
    if connection.kind in ("comfy.org", "sandbox") or not path.endswith("edits"):
        return CHANGE_WHAT_IT_NAMES  # the rest goes out as JSON everywhere
    other = "multipart" if connection.edits == "json" else "json"
    told = (
        f'Set "edits": "{other}" for {connection.name} in connections.json, or run: openai-image connect'
        f" {connection.name} --edits {other}. Then run again."
    )
    return told if connection.edits == "json" else told + SEVERAL


def _whole(connection: Connection, path: str, words: ServiceWords) -> str:
    """Return what to do where a request could not be read: one in parts, where JSON was looked for, is sent as JSON."""
    wanted = "json" if re.search(r"json|minus|'-|--", words.message, re.I) else "multipart"
    is_other = wanted != connection.edits and _other_form(connection, path) != CHANGE_WHAT_IT_NAMES
    return _other_form(connection, path) if is_other else CUT_SHORT.format(multipart=_multipart(connection))


def _fields_named(words: ServiceWords, *patterns: re.Pattern[str]) -> list[str]:
    """Return the fields that the words of a refusal name, or what looks like one."""
    told = [groups for pattern in patterns for groups in pattern.findall(words.message)]
    named = [words.param or "", *map("".join, told)]
    parts = [re.split(r"[.\[]", name.removeprefix("body.")) for name in named]
    return [found[0] for found in parts] + [found[-1] for found in parts]  # as in tools[0].n


def _add_field(connection: Connection, words: ServiceWords) -> str:
    """Return how to send the field that a server wants, if it is none that the nodes have."""
    if connection.kind in ("comfy.org", "sandbox"):
        return CHANGE_WHAT_IT_NAMES
    missing = next((name for name in _fields_named(words, CLEARLY_NAMED) if EXTRA_FIELD.fullmatch(name)), "")
    is_form = "response_format" in words.message or "b64_json" in words.message
    if is_form:
        missing, value = "response_format", "b64_json"
    elif missing and missing not in OWN_FIELDS:
        value = "VALUE"
    else:
        return CHANGE_WHAT_IT_NAMES
    return (
        f"Have it sent: openai-image connect {connection.name} --send {missing}={value}, or add it to"
        f' "send" of {connection.name} in connections.json. Then run again.'
    )


def _leave_out(connection: Connection, words: ServiceWords, *, perhaps: bool = False) -> str:
    """Return how to leave out the field that a server does not know, or `perhaps` its value, if it may be left out."""
    fields = _fields_named(words, CLEARLY_NAMED, FIELD_NAMED)
    if (added := next((name for name in fields if name in connection.send), None)) is not None:
        return f'Take "{added}" out of "send" of {connection.name} in connections.json, and run again.'
    field = next((name for name in fields if name in OpenAIImageEditRequest.model_fields), "")
    if connection.kind in ("comfy.org", "sandbox") or field in NEEDED_FIELDS or not field:
        return CHANGE_WHAT_IT_NAMES
    if perhaps and (connection.is_openai or "require" in words.message):
        return CHANGE_WHAT_IT_NAMES
    if field in ("stream", "partial_images"):
        return NO_SKETCHES
    if perhaps:
        return (
            f'Change what it names, or leave the field out: "omit": ["{field}"] for {connection.name} in'
            f" connections.json, or run: openai-image connect {connection.name} --omit {field}. Then run again."
        )
    return (
        f'Leave the field out: "omit": ["{field}"] for {connection.name} in connections.json, or run: openai-image'
        f" connect {connection.name} --omit {field}. Then run again."
    )


def cause_of(connection: Connection, exc: Exception) -> Exception | None:
    """Return what an error of ours came from, None where that repeats our key: hosts print it with all before it."""
    told = "".join(traceback.format_exception(exc))
    return exc if connection.without_secrets_in(told) == told else None


def error_from_exception(connection: Connection, exc: Exception, *, complete: bool, sent_at: str) -> OpenAIImageError:
    """Return the error for a request without an answer; `complete` tells whether the service may have all of it.

    Any exception will do: what is none of the network's is told as what could not be sent.
    """
    reason = connection.redacted(reason_of(exc))
    if complete:
        billed, unknown = BILLED[connection.idempotent]
        return OutcomeUnknownError(
            f"{connection.name}: the request went out at {sent_at} and the connection was lost before the whole"
            f" answer came ({reason}); {billed}. {unknown}"
        )
    if _is_ours(exc):
        return RefusedError(
            f"{connection.name}: the request cannot be sent ({reason}), so nothing was billed. Check the address"
            f" ({connection.address_from or 'base_url in connections.json'}), the key, the headers and the proxy"
            " settings for characters that do not belong there.",
            param="connection",
        )
    # not trusted, or the file of those that are cannot be read
    is_certificate = any(mark in str(exc) for mark in CERTIFICATE_MARKS)
    is_here = is_loopback(connection.base_url) and "connection refused" in reason
    advice = CERTIFICATE_ADVICE if is_certificate else HERE_ADVICE if is_here else NETWORK_ADVICE
    advice = OF_ANOTHER_ADVICE if is_certificate and any(mark in str(exc) for mark in OF_ANOTHER) else advice
    return ServiceDownError(
        f"{connection.name}: {connection.host} could not be reached ({reason}). The request was not sent"
        f" completely, so nothing was billed. {advice}",
        may_retry=not is_certificate,
    )


def _is_ours(exc: Exception) -> bool:
    """Tell whether an exception is about the request as it was to be, and not about the network."""
    foreign = (
        requests.exceptions.ConnectionError,
        requests.exceptions.Timeout,
        requests.exceptions.ChunkedEncodingError,
    )
    if isinstance(exc, foreign):
        return any(mark in str(exc) for mark in BAD_ADDRESS_MARKS)
    if isinstance(exc, requests.RequestException):
        return isinstance(exc, ValueError)  # InvalidURL, InvalidHeader, InvalidSchema, ...
    return not isinstance(exc, (OSError, HTTPError, HTTPException)) or isinstance(exc, LocationParseError)


def _clean(connection: Connection, body: bytes) -> bytes:
    """Return what a service says without our key in any form, before words of it are cut to a length."""
    if len(body) > READ_MAX_BYTES:
        return body
    text = utf8(body).decode(errors="surrogateescape")
    return connection.without_secrets_in(text).encode(errors="surrogateescape")
