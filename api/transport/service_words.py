"""Reads what an error answer says of itself, in whatever form: the one reader for the words of strangers' servers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .base64_json import extract_base64
from .loose_json import documents, entries, has_too_many_values, is_large, utf8
from .page_words import IS_PAGE, MESSAGE_MAX_CHARS, READ_MAX_BYTES, clean, is_text, plain
from .retry import RESET_NAME, wait_in
from .task_words import (
    DONE_STATES,
    ID_TEXT,
    SENTENCE,
    STATE_KEYS,
    TASK_PLACES,
    begun_task,
    has_failed,
    is_running_task,
    is_waiting,
    task_address,
    task_of,
)

CODE_MAX_CHARS = 80
LINES_MAX = 2000
DEPTH_MAX = 8
MESSAGE_KEYS = (
    "raw_message", "message", "messege", "msg", "errmsg", "error_message", "error_msg", "errorMessage",
    "error_description", "Message", "detail", "reason", "title", "err", "description", "fail_reason", "failReason",
    "failure_reason", "failureReason", "status_msg", "task_status_msg", "faultstring", "failMsg", "fail_msg",
    "errMsg", "err_msg", "status_message", "statusMessage", "JobErrorMsg",
)  # fmt: skip
CODE_KEYS = (
    "code", "error_code", "errcode", "errorCode", "err_code", "Code", "error_type", "status_code", "errorcode",
    "statusCode", "failCode", "fail_code", "JobErrorCode",
)  # fmt: skip
TYPE_KEYS = ("type", "status", "error_type")
ERROR_KEYS = ("error", "errors", "Error", "errorMessage", "errorType")
PARAM_KEYS = ("param", "parameter", "field")
INSIDE_KEYS = (
    "error", "errors", "Error", "innererror", "inner_error", "metadata", "raw", "response", "incomplete_details",
    "details", "detail", "base_resp", "fieldErrors", "issues", "Response", "fault", "header", "failedInfo",
)  # fmt: skip
CHATS = ("choices", "output", "candidates")
ITEM_KEYS = ("data", *CHATS, "results", "images")
BLOCKED_KEYS = ("blockReason", "block_reason", "finishReason", "finish_reason", "finish_reasons")
BLOCKED = re.compile(r".*(safety|prohibited|block|content_?filter|filter reason|spii|recitation|moderat).*", re.I)
FILTER_KEYS = ("raiFilteredReason", "rai_filtered_reason")  # whatever they say
SAFE_KEYS = ("respect_moderation", "is_image_safe")  # where they are false
MODERATED = re.compile(r"(request|content|input|output)?[ _]?moderated|nsfw", re.I)
ENDED = re.compile(r"stop|length|end_turn|completed?|success", re.I)
GOOD_CODES = ("0", "200", "201", "202", "success", "ok", "true")
SUCCESSFUL = re.compile(
    r"\W*((submit(ted)?|request) )?(succe(ss(ful(ly)?)?|ed(ed)?)\b|submitted|queued|ok\W*$|(\u63d0\u4ea4)?\u6210\u529f"
    r"|\u6392\u961f\u4e2d|\u4efb\u52a1\u5df2\u5b58\u5728)",
    re.I,
)
INNER_ERROR = re.compile(r"\{\s*[\"'](error|detail|message)[\"']\s*:")  # of another server, with more words behind it
OBJECT_START = re.compile(r"(\[\s*)?\{")  # alone or in a list
PLACE = re.compile(r"(?<='loc': )\(([^()]*)\)")  # Pydantic's own writing, where JSON has a list
JSON_START = re.compile(r"\{|\[\s*[\[{\"]")
UNNAMED = re.compile(r"(this )?(field |value )?(is )?(required|missing)\W*", re.I)
NO_WORDS = ([], "", *map(str, range(10)))  # what is no fault of a field, as counts beside an error
NAME_KEY = re.compile(  # whose words say nothing to people
    rf"(.*_)?(id|uuid|object|model|role|version|fingerprint|provider)|\w+Id|{'|'.join(BLOCKED_KEYS)}"
)
FIELD_OF_STREAM = re.compile(r"(data|event|id|retry)\s*:")
STATUS_IN = re.compile(r"(?<!\d)[45]\d\d$")
LIMIT_KEY = re.compile(r"max|min|limit|allow|wait|retry|remain", re.I)  # whose numbers say what to do
CODE_BLOCK = re.compile(r"```.*?(```|\Z)", re.S)  # in the text of a chat
IDENTIFIER = re.compile(r"[A-Za-z0-9_.:-]+")
LONG_TEXT = re.compile(rb"[0-9a-f]{32}\.\d+")  # the names that `extract_base64` gives


@dataclass(frozen=True)
class ServiceWords:
    """What an error answer says of itself; everything may be missing.

    `from_service` tells that it is an error in a form that services use, `page` holds the title and the text of a web
    page, `codes` every code and type that was met, `retry_after_s` the seconds to wait that the body names, `is_task`
    that it is work that was begun, perhaps with an error beside it.
    """

    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    from_service: bool = False
    page: str = ""
    codes: str = ""
    retry_after_s: float | None = None
    is_task: bool = False


FAILED = ServiceWords("the request failed there, without a reason", from_service=True, codes="internal")


def service_words(body: bytes, values: Sequence[Any] | None = None) -> ServiceWords:
    """Read the error forms of OpenAI, Azure, comfy.org and relays (docs/service.md, "What real servers do").

    `values` are those in it, where they were read before. Whatever the bytes are, nothing is raised.
    """
    values = list(values_in(*extract_base64(utf8(body)))) if values is None else values
    told = [words for document in values if (words := _told(document)) is not None]
    clear = [words for words in told if words.from_service]
    message, page = plain(body)
    if told:
        return _with_around((clear or told)[-1], "" if page else message)
    is_json = JSON_START.match(message) is not None and any(values)
    return ServiceWords(clean("; ".join(_sentences(values))) if is_json else message, page=page)


def _with_around(words: ServiceWords, text: str) -> ServiceWords:
    """Return words with those that stand around the JSON in a plain text, if this begins with such."""
    before, *inside = re.split(r"[{\[]", text, maxsplit=1)
    if words.is_task or not inside or FIELD_OF_STREAM.match(text) or SENTENCE.search(f" {before}") is None:
        return words
    after = re.split(r"[}\]]", inside[0])[-1]
    parts = (part.strip(" .,;:-\"'()") for part in (before, words.message, after))
    return replace(words, message=clean(": ".join(filter(None, parts))))


def _sentences(values: Sequence[Any]) -> list[str]:
    """Return what JSON says in places that nobody knows: its sentences, then words and limits; no ids and names."""
    found = [(key, each if isinstance(each, list) else [each]) for value in values for key, each in entries(value)]
    told = [(key, text) for key, texts in found for text in texts[:20] if isinstance(text, str | int | float) and text]
    sentences = [f"{key}: {text}" for key, text in told if isinstance(text, str) and SENTENCE.search(text)]
    words = [f"{key}: {text}" for key, text in told if text is not True and _is_word(key, str(text))]
    return list(dict.fromkeys(sentences + words))


def _is_word(key: str, text: str) -> bool:
    """Tell whether what stands under a key may be of what went wrong, as a word or a limit."""
    is_id = ID_TEXT.fullmatch(text) and not STATUS_IN.search(text)
    is_name = is_id or NAME_KEY.fullmatch(key) or DONE_STATES.fullmatch(text)
    return LIMIT_KEY.search(key) is not None or not (is_name or re.search(r"[^\W\d]", text) is None)


def values_in(outline: bytes, long_texts: Mapping[str, memoryview]) -> Iterator[Any]:
    """Yield the JSON values in a body: the whole, or what comes between heartbeats, as events, or among other text.

    Both are what `extract_base64` makes of it.
    """
    if long_texts:
        outline = LONG_TEXT.sub(lambda name: bytes(long_texts.get(name[0].decode(), name[0])[:CODE_MAX_CHARS]), outline)
    whole = None if is_large(outline) else _parsed(outline)
    if whole is not None:
        yield whole
        return
    text = outline[:READ_MAX_BYTES].decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines()]
    said = [re.sub(r"^data:\s*", "", line) for line in lines if line and not re.match(r":|(event|id|retry):", line)]
    joined = _parsed("\n".join(said))
    if joined is not None:
        yield joined
        return
    told = [value for line in said[-LINES_MAX:] if isinstance(value := _parsed(line), dict | list)]
    yield from told
    if not told and not IS_PAGE.search(text[:MESSAGE_MAX_CHARS]) and is_text(text):
        yield from (value for value in documents(text) if isinstance(value, dict | list))


def _read(text: str) -> Any:
    """Return the value that a text is, in JSON or as Python writes its own."""
    whole = _parsed(text)
    text = PLACE.sub(r"[\1]", text)
    return next(documents(text), None) if whole is None and len(text) <= MESSAGE_MAX_CHARS else whole


def _parsed(text: str | bytes) -> Any:
    """Return a JSON value, or None for what is none."""
    try:
        return None if has_too_many_values(text) else json.loads(text)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None


def _told(value: Any, depth: int = 0) -> ServiceWords | None:
    """Return what a JSON value says of an error, or None if it says nothing."""
    if depth > DEPTH_MAX:
        return None
    if isinstance(value, str):
        return _from_text(value, depth)
    if isinstance(value, list):
        found = [words for each in value[:20] if (words := _told(each, depth + 1)) is not None]
        return _joined(found)
    if not isinstance(value, dict):
        return None
    own = _own_words(value, depth)
    for inside in _inside(value):
        words = None if inside == own.code else _told(inside, depth + 1) or _by_field(inside)
        own = _merged(own, words) if words is not None and not words.is_task else own
    is_error = own.from_service or any(map(value.get, ERROR_KEYS))
    is_denied = any(value.get(key) is False for key in ("success", "ok"))
    is_error = is_error or is_denied or has_failed(value)
    if not is_error and (blocked := _withheld(value, own.message)) is not None:
        return blocked
    is_good = SUCCESSFUL.match(own.message) if own.message else _is_good(own.code)
    is_begun = is_running_task(value) and not is_denied  # whatever error stands beside it
    if (is_begun or (not is_error and (is_good or is_waiting(value)))) and (
        begun := _without_error(value, depth)
    ) is not None:
        said = "" if is_good or not own.message else f"{own.message.rstrip(' .:')}: "
        code = own.code if is_error else None  # an error beside it is told by what it is called
        return replace(begun, message=said + begun.message, code=code, from_service=begun.from_service or is_error)
    if own.message or own.code:
        failed = None if is_error else _failed_task(value, depth)
        own = _merged(own, failed) if failed is not None else own
        return replace(own, from_service=is_error or failed is not None, codes=own.codes[:MESSAGE_MAX_CHARS])
    return _without_error(value, depth) or (
        replace(own, from_service=is_error) if own.retry_after_s is not None else None
    )


def _inside(answer: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what stands in an object where more is said of an error."""
    yield from map(answer.get, INSIDE_KEYS)
    yield answer.get("meta") if isinstance(answer.get("meta"), list) else None
    yield answer.get("body") if "statusCode" in answer else None  # of a function behind Amazon's gateway
    data = answer.get("data")
    yield data.get("error") if isinstance(data, dict) else None


def _is_good(code: str | None) -> bool:
    return code is not None and code.lower() in GOOD_CODES


def _by_field(value: Any) -> ServiceWords | None:
    """Return what is said of single fields, as {"prompt": ["is too long"]} or as Zod does, or None."""
    if not isinstance(value, dict):
        return None
    inner = [(field, told.get("_errors", told) if isinstance(told, dict) else told) for field, told in value.items()]
    each = {field: told if isinstance(told, list) else [told] for field, told in inner[:20] if told not in NO_WORDS}
    if not each or not all(told and all(isinstance(one, str) for one in told) for told in each.values()):
        return None
    return ServiceWords(clean("; ".join(f"{field}: {' '.join(told)}" for field, told in each.items())))


def _from_text(text: str, depth: int) -> ServiceWords | None:
    """Return what a text says; one that holds JSON, alone or at its end, or an error, says what that says."""
    start = OBJECT_START.search(text)
    if start and (text.rstrip().endswith(("}", "]")) or INNER_ERROR.match(text, start.start())):
        words = _told(_read(text[start.start() :]), depth + 1)
        if words is not None and words.message:
            return _with_around(words, text)
    is_page = IS_PAGE.search(text[:MESSAGE_MAX_CHARS]) is not None  # passed on in a message
    said = plain(text.encode(errors="replace"))[1] if is_page else clean(text)
    return ServiceWords(said) if said else None


def _own_words(answer: Mapping[str, Any], depth: int) -> ServiceWords:
    """Return what an object says itself, without what stands inside of it."""
    code, kind, param = (_first(answer, keys) for keys in (CODE_KEYS, TYPE_KEYS, PARAM_KEYS))
    error = answer.get("error")
    if isinstance(error, str) and IDENTIFIER.fullmatch(error) and (code is None or any(map(answer.get, MESSAGE_KEYS))):
        code = clean(error)[:CODE_MAX_CHARS]
    message = ServiceWords()
    for key in MESSAGE_KEYS:
        words = _told(answer.get(key), depth + 1)
        if words is not None and words.message:
            message = words
            break
    place = answer.get("loc") or answer.get("path")
    if isinstance(place, list) and place and message.message:  # FastAPI's and Zod's lists of what does not fit
        param = str(place[-1])[:CODE_MAX_CHARS]
        where = ".".join(str(part) for part in place[:8])
        message = replace(message, message=f"{where}: {message.message}")
    elif param and UNNAMED.fullmatch(message.message):
        message = replace(message, message=f"{param}: {message.message}")
    is_bad = (
        code is not None
        and not _is_good(code)
        and bool(message.message or "error_type" in answer)
        and SUCCESSFUL.match(message.message) is None
        and not any(answer.get(key) for key in ("data", "choices", "images", "output"))
    )
    told = () if "@type" in answer else (message.message, answer.get("reason"))
    named = [each for each in told if isinstance(each, str) and IDENTIFIER.fullmatch(each)]  # codes, as words are
    met = " ".join(filter(None, (code, kind, message.codes, *named)))
    return ServiceWords(
        message.message,
        message.code or code,
        message.type or kind,
        message.param or param,
        from_service=is_bad or message.from_service or answer.get("type") == "error",
        codes=met,
        retry_after_s=message.retry_after_s if message.retry_after_s is not None else _wait_in(answer),
    )


def _wait_in(answer: Mapping[str, Any]) -> float | None:
    """Return the seconds to wait that the fields of an object name, wherever they stand in it, or None."""
    found = list(entries(answer))
    own = wait_in(found)
    return wait_in(found, RESET_NAME) if own is None else own


def _merged(outer: ServiceWords, inner: ServiceWords) -> ServiceWords:
    """Return both words in one: what stands deeper is nearer to the cause."""
    same = inner.message in outer.message or not inner.message
    before = outer.message.rstrip(" .:")
    message = outer.message if same else f"{before}: {inner.message}" if before else inner.message
    return ServiceWords(
        message[:MESSAGE_MAX_CHARS],
        inner.code or outer.code,
        inner.type or outer.type,
        inner.param or outer.param,
        from_service=inner.from_service or outer.from_service,
        codes=f"{outer.codes} {inner.codes}".strip(),
        retry_after_s=inner.retry_after_s if inner.retry_after_s is not None else outer.retry_after_s,
    )


def _joined(found: list[ServiceWords]) -> ServiceWords | None:
    if not found:
        return None
    message = "; ".join(words.message for words in found if words.message)[:MESSAGE_MAX_CHARS]
    waits = [words.retry_after_s for words in found if words.retry_after_s is not None]
    codes = " ".join(words.codes for words in found).strip()
    return replace(found[0], message=message, codes=codes, retry_after_s=max(waits, default=None))


def _without_error(answer: Mapping[str, Any], depth: int) -> ServiceWords | None:
    """Return what an answer says that is no error and no picture: a task to wait for, or the text of a chat."""
    if (failed := _failed_task(answer, depth)) is not None:
        return failed
    is_over = has_failed(answer) and not is_waiting(answer)
    items = _failed_items(answer, depth)
    if not is_over and (task := task_of(answer)) and (items is None or is_waiting(answer)):
        return ServiceWords(begun_task(task, task_address(answer)), is_task=True)
    if items is not None:
        return items
    said = " ".join(_chat_texts(answer))
    if said.strip():
        said = CODE_BLOCK.sub(" ", said).strip() or said
        return ServiceWords(f"a text in place of a picture: {clean(said)}")
    if has_failed(answer):
        return FAILED
    return next(filter(None, (_ended(key, value) for key, value in entries(answer))), None)


def _failed_items(answer: Mapping[str, Any], depth: int) -> ServiceWords | None:
    """Return what an answer says of those in its list of results that failed, or None where there are none."""
    for inside in (answer, *(each for each in map(answer.get, TASK_PLACES) if isinstance(each, dict))):
        for items in (each for each in map(inside.get, ITEM_KEYS) if isinstance(each, list)):
            told = [each for each in items if isinstance(each, dict) and _is_failure(each)]
            if (found := _told(told, depth + 1)) is not None:
                return replace(found, from_service=True)
    return None


def _is_failure(item: Mapping[str, Any]) -> bool:
    return bool(item.get("error")) or bool(item.get("code") and item.get("message"))


def _failed_task(answer: Mapping[str, Any], depth: int) -> ServiceWords | None:
    """Return what an answer says of a task in it that has failed, or None."""
    for key in TASK_PLACES:
        inside = answer.get(key)
        inside = inside[0] if isinstance(inside, list) and inside else inside
        if isinstance(inside, dict) and has_failed(inside):
            told = _told(inside, depth + 1)
            return replace(told, from_service=True) if told is not None and told.message else FAILED
    return None


def _ended(key: str, value: object) -> ServiceWords | None:
    """Return the reason for which a reply ended early, such as NO_IMAGE, or None where it is none."""
    if key not in BLOCKED_KEYS or not isinstance(value, str) or not value or ENDED.fullmatch(value):
        return None
    return ServiceWords(f"it ended without a picture: {clean(value)[:CODE_MAX_CHARS]}")


def _withheld(answer: Mapping[str, Any], message: str) -> ServiceWords | None:
    """Return what a reply says that was withheld by a filter, or None."""
    blocked = _blocked(answer)
    if blocked is None:
        return None
    said = next((value for key, value in entries(answer) if key == "finishMessage" and isinstance(value, str)), message)
    told = ": ".join(filter(None, (blocked, clean(said))))
    return ServiceWords(f"a filter withheld it: {told}", "content_filter", from_service=True, codes="content_filter")


def _blocked(answer: Mapping[str, Any]) -> str | None:
    """Return by which word a reply says that it was withheld, anywhere in it: a reason, or the result of a filter."""
    for key, value in [("", answer), *entries(answer)]:
        value = next(filter(None, value), None) if key in BLOCKED_KEYS and isinstance(value, list) else value
        if key in SAFE_KEYS and value is False:
            return key
        if isinstance(value, str) and (
            (key in BLOCKED_KEYS and BLOCKED.fullmatch(value))
            or (key in STATE_KEYS and MODERATED.fullmatch(value))
            or (key in FILTER_KEYS and value.strip())
        ):
            return clean(value)[:MESSAGE_MAX_CHARS]
        told = value if isinstance(value, dict) else {}
        kinds = [str(kind) for kind, one in told.items() if isinstance(one, dict) and one.get("filtered") is True]
        if kinds:
            return clean(", ".join(kinds))[:CODE_MAX_CHARS]
    return None


def _chat_texts(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of a reply in the form of a chat, of OpenAI's responses or of Google's candidates."""
    for key in CHATS:
        items = answer.get(key)
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict):
                yield from _texts(item.get("message") or item.get("delta") or item.get("content") or item.get("text"))


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth < DEPTH_MAX:
        for each in value[:20]:
            yield from _texts(each, depth + 1)
    elif isinstance(value, dict) and depth < DEPTH_MAX:
        for key in ("content", "text", "refusal", "parts"):
            yield from _texts(value.get(key), depth + 1)


def _first(answer: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    """Return the first of some fields that is a short name: a text or a number, perhaps alone in a list."""
    for key in keys:
        value = answer.get(key)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, bool) or not isinstance(value, str | int | float) or value in (math.inf, -math.inf):
            continue
        text = clean(f"{value}" if isinstance(value, str | float) or abs(value) < 10**30 else "a number")
        if text:
            return text[:CODE_MAX_CHARS]
    return None
