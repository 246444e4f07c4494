"""What an answer says of a task: work that a service began in place of making the picture at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .loose_json import entries
from .page_words import PAGE_MAX_CHARS, clean

PLACES_DEEP, ALONE_MAX = 3, 2
TASK_KEY = re.compile(
    r"((task|job|prediction|inference|(workflow_)?run|event|operation|prompt|ticket|queue|execution)[_-]?(uu)?id"
    r"|generationid|request[_-]?uuid|invocation_?arn)",
    re.I,
)
WEAK_KEYS = ("id", "request_id", "requestId", "generation_id")  # many answers have one
STATE_PREFIX = re.compile(r"^((task|job|run|status|state)_)+", re.I)  # Novita's TASK_STATUS_, Google's JOB_STATE_
STATE_DETAIL = re.compile(r"\s*[(:].*|\.{2,}$|\u2026$", re.S)
STATE_KEYS = (
    "status",
    "state",
    "task_status",
    "taskStatus",
    "task_state",
    "taskState",
    "job_status",
    "jobStatus",
    "phase",
    "runtimeStatus",
)
TASK_STATES = re.compile(  # the first is all that is being done: processing, queuing, rendering, warming up
    r"(?!missing|warning)[a-z]+ing([ _-]up)?|(en)?queued?|pending\w*|in[ _-]?(progress|queue|line)|submitted|created"
    r"|start(ed)?|not_?(start(ed)?|running)|run|accepted|wait|scheduled|suspended|throttled|backlogged|requested|received"
    r"|dispatched|assigned|allocated|delayed|deferred|on[ _-]?hold|initial|\d{1,2}(\.\d+)?%"
    r"|.{1,4}[\u4e2d\uc911]|(\u7b49|\u5f85|\u6b63\u5728).{0,4}"
    r"|\u5df2(\u63d0\u4ea4|\u6392\u961f)",  # Chinese, Japanese and Korean
    re.I,
)
DONE_STATES = re.compile(
    r"succe(ss|ssful|ed|eded)|complete(d(_ok)?)?|done|finish(ed)?|ready|generated|rendered|100%"
    r"|\u5df2?(\u5b8c\u6210|\u751f\u6210)|[^\u672a\u4e0d]{0,2}\u6210\u529f|\u5b8c\u4e86|\uc644\ub8cc",
    re.I,
)
FAILED_STATES = re.compile(
    r"fail(ed|ure)?(_\w+)?|timed?_?out|error(ed)?|rejected|blocked|cancell?ed|expired|abort(ed)?|incomplete|terminated"
    r"|killed|denied|dead|revoked|refused|unsuccessful|crashed|banned|faulted|user_?cancell?ed|\u5f02\u5e38|.{0,2}\u5931\u8d25|[\u672a\u4e0d]\u6210\u529f|\u5df2?\u53d6\u6d88|\u30a8\u30e9\u30fc"
    r"|\uc2e4\ud328",
    re.I,
)
KNOWN_STATES = (TASK_STATES, DONE_STATES, FAILED_STATES)
END_KEYS = ("done", "final", "is_final", "isFinal", "finished", "is_finished")
TASK_PLACES = (
    "data", "output", "result", "task", "task_info", "job", "jobs", "header", "Response", "Result", "sdGenerationJob",
    "generations_by_pk",
)  # fmt: skip
WAITING_KEYS = (
    "status_url", "statusUrl", "statusURL", "polling_url", "poll_url", "pollingUrl", "pollUrl", "pollURL",
    "fetch_result", "fetch_url", "task_url", "check_url", "query_url", "progress_url", "status_endpoint",
    "statusQueryGetUri",
)  # fmt: skip
TASK_ADDRESS_KEYS = (*WAITING_KEYS, "response_url", "result_url", "get", "self", "href")
OF_ANSWERS = {
    "data", "images", "image", "output", "outputs", "results", "result", "choices", "candidates", "artifacts",
    "predictions", "object", "model", "usage", "created", "url", "b64_json", "error", "errors", "message",
}  # fmt: skip
OPERATION = re.compile(r"\S*\boperations/\S+")
ID_TEXT = re.compile(r"(?=\D*\d)[A-Za-z0-9][\w.:-]{5,63}", re.ASCII)  # as a text in the place of the picture
SENTENCE = re.compile(r"\s[^\W\d]|[^\x00-\x7f]")
USER = re.compile(r"//[^/\s]*@")
ADDRESS = re.compile(r"(https?:\\?/)?\\?/\S+")


def begun_task(task: str, address: str = "") -> str:
    """Return what to say of a task that a service began instead of making the picture, and where it tells of it."""
    where = f"{task} ({address})" if address not in ("", task) else task
    return (
        f"it began the task {task} and gave no picture yet: this service works asynchronously, and the next run asks"
        f" for it again, for nothing; or look there for the task {where}"
    )


BEGUN = begun_task("\n").partition("\n")[0]


def has_failed(answer: Mapping[str, Any]) -> bool:
    """Tell whether a state in an object is that of a failure."""
    return any(FAILED_STATES.fullmatch(state) for state in _own_states(answer))


def is_unfinished(answer: Mapping[str, Any]) -> bool:
    """Tell whether an object says of itself that it comes before the end; what was created is there."""
    goes_on = (state.lower() != "created" and TASK_STATES.fullmatch(state) for state in _own_states(answer))
    return any(answer.get(key) is False for key in END_KEYS) or any(goes_on)


def is_finished(answer: Mapping[str, Any]) -> bool:
    """Tell whether an object says of itself that it is the end."""
    return any(answer.get(key) is True for key in END_KEYS) or any(map(DONE_STATES.fullmatch, _own_states(answer)))


def state_of(answer: object) -> str:
    """Return the state of the task in an answer, or nothing: the innermost, as what is around it may be of the look.

    What failed inside of a task that goes on is a part of it.
    """
    states = [state for inside in _with_places(answer) for state in _own_states(inside)]
    known = [state for state in states if any(kind.fullmatch(state) for kind in KNOWN_STATES)]
    if known and FAILED_STATES.fullmatch(known[-1]):
        return next(filter(TASK_STATES.fullmatch, known), known[-1])
    return (known or states or [""])[-1]


def is_waiting(answer: object) -> bool:
    """Tell whether an answer says of a task that it goes on: by a state, or by where it is to be asked for."""
    return any(map(_is_waiting, _with_places(answer)))


def task_of(answer: Mapping[str, Any]) -> str | None:
    """Return the id of a task that the service began, or None; an id that many answers have is one where the task
    goes on, or where there is nothing else.
    """
    for inside in _with_places(answer):
        named = [
            value
            for key, value in inside.items()
            if TASK_KEY.fullmatch(key) or (key == "name" and isinstance(value, str) and OPERATION.fullmatch(value))
        ]
        waits = _is_waiting(inside)
        is_alone = len(inside) <= ALONE_MAX and not (any(map(inside.get, STATE_KEYS)) or OF_ANSWERS & inside.keys())
        is_alone = is_alone and not any(map(_tells_of_more, inside.values()))
        if waits or is_alone:
            named += map(inside.get, WEAK_KEYS)
        if waits or "code" in inside or inside.get("success"):
            told = map(inside.get, TASK_PLACES)
            named += [each for each in told if isinstance(each, str) and ID_TEXT.fullmatch(each)]
        named += [task_address(inside)] if waits else []
        for each in named:
            if isinstance(each, str | int) and not isinstance(each, bool) and each:
                return clean(str(each))[:PAGE_MAX_CHARS]
    return None


def names_task(answer: object) -> bool:
    """Tell whether an answer names a task by what is no other thing's name: refusals have ids and states as well."""
    told = (key for key, value in entries(answer) if value and not isinstance(value, dict | list))
    return any(TASK_KEY.fullmatch(key) or key in (*WAITING_KEYS, "get") for key in told)


def is_running_task(answer: object) -> bool:
    """Tell whether an answer names a task and says of it, by a state, that it goes on."""
    return TASK_STATES.fullmatch(state_of(answer)) is not None and names_task(answer)


def task_addresses(answer: object) -> list[str]:
    """Return where an answer says that its task can be asked for, what tells of its state first."""
    told = [(key, value) for key, value in entries(answer) if isinstance(value, str) and ADDRESS.fullmatch(value)]
    return [value for wanted in TASK_ADDRESS_KEYS for key, value in told if key == wanted]


def task_address(answer: object) -> str:
    """Return where a task can be asked for, without what may be a key to it, or nothing."""
    place = next(iter(task_addresses(answer)), "").partition("?")[0]
    return clean(USER.sub("//", place))[:PAGE_MAX_CHARS]


def _tells_of_more(value: object) -> bool:
    """Tell whether a value beside an id tells of something else than a task: words, or that it did not succeed."""
    return value is False or (isinstance(value, str) and SENTENCE.search(value) is not None)


def _is_waiting(answer: Mapping[str, Any]) -> bool:
    told = answer.get("done") is False or any(map(answer.get, WAITING_KEYS))
    return told or any(map(TASK_STATES.fullmatch, _own_states(answer)))


def _own_states(answer: Mapping[str, Any]) -> Iterator[str]:
    told = (STATE_DETAIL.sub("", state) for key in STATE_KEYS if isinstance(state := answer.get(key), str))
    return (STATE_PREFIX.sub("", state) for state in told)


def _with_places(answer: object, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield an object and what lies in it where tasks are told."""
    answer = answer[0] if isinstance(answer, list) and answer else answer
    if isinstance(answer, dict):
        yield answer
        for key in TASK_PLACES if depth < PLACES_DEEP else ():
            yield from _with_places(answer.get(key), depth + 1)
