"""Services that begin a task in place of the picture: it is asked for until it is there. To ask costs nothing."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from ..connections.connection import Connection
from .answer import RawAnswer, Reading, addresses_in
from .base64_json import is_picture, is_whole_picture
from .downloads import AGAIN, MAX_PICTURES, REFUSED_FROM, RefusedDownloadError, address_of, fetched_once
from .find_pictures import IS_PAGE, UP_TO_SUFFIX
from .loose_json import entries
from .page_words import MESSAGE_MAX_CHARS
from .service_words import MODERATED
from .task_words import (
    DONE_STATES,
    FAILED_STATES,
    OPERATION,
    TASK_PLACES,
    TASK_STATES,
    names_task,
    task_addresses,
    task_of,
)

FIRST_PAUSE_S, LONGEST_PAUSE_S, GROWTH, TOTAL_S = 1.0, 5.0, 1.5, 600.0
LAST_LOOK_S = 60.0  # for a look that begins when the time is nearly up
UNCLEAR_MAX = 5  # looks in a row that tell nothing: a task may be told of later than it is begun
BUSY_MAX, TOO_MANY, FAILURE = 2, 429, 500  # looks in a row at a guessed place that tell nothing of what is there
NAMED_MAX = 30  # that name the task, in a state that nobody knows
PLACES_MAX, OUTLINE_MAX_BYTES = 8, 1 << 20
FAILED_FOR_SURE = re.compile(r"failed|failure|cancell?ed|rejected", re.I)  # an error may be that of the look
TOLD_BY = {*range(400, 500)} - {*AGAIN}  # statuses of a look that tells of a failed task; 5xx is the look's own
OVER = ("complete", "done", "finish")  # well or not; what else is well may be said of the look
ID = re.compile(r"[\w.:-]{1,80}", re.ASCII)
GUESSED = (  # docs/service.md, "What real servers do"
    "tasks/{id}", "images/{operation}/{id}", "images/tasks/{id}", "jobs/{id}", "predictions/{id}", "async-result/{id}",
    "/mj/task/{id}/fetch", "generations/{id}", "images/{id}", "task/{id}", "status/{id}", "tasks/{id}/creations",
    "jobs/recordInfo?taskId={id}", "async/task-result?task_id={id}",
    "tasks/{id}",  # where most have it: it may be told of later than it is begun
)  # fmt: skip


class TaskGoesOnError(Exception):
    """A task was told to go on each time that it was asked for, or there was no time to ask."""


def task_answer(
    raw: RawAnswer, connection: Connection, *, operation: str, sent: Sequence[bytes] = (), is_last: bool = False
) -> RawAnswer | None:
    """Return how the task ended that an answer without a picture tells of, or None where that is not to be had yet.

    Only the connection's own origin gets its key. Where the answer names no place, those are tried that such services
    have below the connection's address. Waits ten minutes at most. `sent` is what went out, which is no answer.
    Of several, as where several pictures were asked for, it is how each ended, one below the other. Where one goes on
    all are asked for once more later, unless this `is_last`: then it is what came of the others, if that is a picture.
    Raises: TaskGoesOnError, with which an address that the answer names is that of no picture yet.
    """
    ends = time.monotonic() + TOTAL_S  # of all together: while one is waited for, the others are worked on
    told, ended, goes_on = _several(raw)[:MAX_PICTURES] or [raw], list[RawAnswer](), False
    for one in told:
        try:
            ended += filter(None, [_ended_task(one, connection, operation, sent, ends)])
        except TaskGoesOnError:
            goes_on = True
    has_picture = any(one.holds_picture for one in ended)
    if goes_on and not (is_last and has_picture):
        raise TaskGoesOnError
    if len(told) == 1:
        return ended[0] if ended else None
    if len(ended) < len(told) and not has_picture:
        return None  # one that failed says nothing of another
    elapsed_s = raw.elapsed_s + sum(one.elapsed_s for one in ended)
    return RawAnswer(b"\n".join(_as_json(one.body) for one in ended), raw.headers, elapsed_s, len(ended))


def _as_json(body: bytes) -> bytes:
    """Return an answer as it came, or one that is a picture as JSON, so that others can stand below it."""
    told = {"data": [{"b64_json": base64.b64encode(body).decode()}]} if is_picture(body) else None
    return json.dumps(told).encode() if told else body


def _several(raw: RawAnswer) -> list[RawAnswer]:
    """Return what an answer says of each of the tasks that it lists, or nothing where it does not tell of several."""
    values = raw.values
    inner = [value.get(key) for value in values if isinstance(value, dict) for key in TASK_PLACES]
    for told in filter(lambda each: isinstance(each, list), [*values, *inner]):
        tasks = {task_of(each): each for each in told if isinstance(each, dict) and names_task(each)}
        if len(tasks) > 1 and None not in tasks:
            return [RawAnswer(json.dumps(each).encode(), {}, 0.0) for each in tasks.values()]
    return []


def _ended_task(
    raw: RawAnswer, connection: Connection, operation: str, sent: Sequence[bytes], ends: float
) -> RawAnswer | None:
    """Return how one task ended, as `task_answer`."""
    began = time.monotonic()
    is_task, values = raw.words.is_task, raw.values
    places = addresses_in(raw.headers)
    places += _told(values) if is_task else []
    ids = [named for value in values if isinstance(value, dict) and (named := task_of(value))]
    watch = _Watch(connection, ends, sent, {*ids, *filter(None, map(_last_part, places))})
    if is_task and not places and not connection.is_openai:
        watch.guessed = list(_guessed(ids, operation))
        places = [*watch.guessed, *_addresses(raw)]
    found: Reading | None = None  # by a guess, which may be where the picture is told
    for at, place in enumerate(places, 1):  # grows while it is walked through
        if found is not None and place in watch.guessed:
            break
        told = watch.ended(place)
        if told is not None and (watch.has_picture(told, guess=False) or watch.has_failed(told)):
            found = told
            break
        if told is not None and found is None and watch.has_picture(told):
            found = told
        new = [each for each in _told(told.values if told else []) if each not in places]
        places[at:at] = new[: max(0, PLACES_MAX + len(watch.guessed) - len(places))]  # before what is guessed
    if found is None and watch.goes_on:
        raise TaskGoesOnError
    return None if found is None else RawAnswer(found.body, raw.headers, raw.elapsed_s + time.monotonic() - began)


def _told(values: Sequence[Any]) -> list[str]:
    return [place for value in values for place in task_addresses(value)][:PLACES_MAX]


def _last_part(place: str) -> str:
    """Return what a place ends with, which is mostly the task's id."""
    with contextlib.suppress(ValueError):
        return urlsplit(place).path.rstrip("/").rpartition("/")[2]
    return ""


def _guessed(ids: Sequence[str], operation: str) -> Iterator[str]:
    """Yield where a task may be asked for of which only the id is told."""
    if ids and OPERATION.fullmatch(ids[0]) and ".." not in ids[0]:
        yield ids[0].lstrip("/")  # Google's names are paths
    if ids and ID.fullmatch(ids[0]) and ids[0].strip("."):
        for path in GUESSED:
            yield path.format(id=quote(ids[0], safe=""), operation=operation)


def _addresses(told: Reading) -> list[str]:
    """Return the one address in the place of a picture that is not told as a file's: its state may be told there."""
    response = told.response(guess=False)
    found = [image.url for image in (response.data if response else []) if image.url]
    return [each for each in found if len(found) == 1 and not UP_TO_SUFFIX.fullmatch(each)]


@dataclass
class _Watch:
    """Looks at a task until `ends`; `ids` are by what a place means it.

    Of the `guessed` places nobody told; those that named it are `proven`. `is_busy`: the last look got no answer;
    `is_accepted`: nothing but that it goes on, as 202 says; `part` is what came of a picture that was cut off.
    """

    connection: Connection
    ends: float
    sent: Sequence[bytes] = field(repr=False)
    ids: set[str]
    guessed: list[str] = field(default_factory=list)
    proven: set[str] = field(default_factory=set)
    goes_on: bool = False
    is_busy: bool = False
    is_accepted: bool = False
    part: bytes = field(default=b"", repr=False)

    def ended(self, place: str) -> Reading | None:
        """Return what a place tells once the task ended, or has a picture and does not say that it goes on; else None.

        A failure counts only where it names the task: any other may be that of the look, while the task still runs.
        """
        is_guess = place in self.guessed
        pause_s, unclear, unclear_max, told = FIRST_PAUSE_S, 0, 0 if is_guess else UNCLEAR_MAX, Reading(b"")
        is_pending, ends = False, self.ends + LAST_LOOK_S  # for one look, if others took all the time
        while unclear <= unclear_max:
            if time.monotonic() + pause_s >= ends:
                self.goes_on = True  # as far as anybody knows
                break
            time.sleep(max(0.0, min(pause_s, self.ends - time.monotonic())))
            ends, pause_s, told = self.ends, min(pause_s * GROWTH, LONGEST_PAUSE_S), self._look(place)
            state = told.state
            is_told = is_guess or state or self.has_picture(told)  # else the status tells
            is_pending = TASK_STATES.fullmatch(state) is not None or (self.is_accepted and not is_told)
            self.proven |= {place} if self._is_named(told) else set()
            self.goes_on |= is_pending and (not is_guess or place in self.proven)
            if self.has_failed(told) or (not is_pending and self._is_end(told, state, place)):
                return told
            unclear = 0 if is_pending else unclear + 1
            unclear_max = max(unclear_max, self._patience(told, is_pending=is_pending))
        has_picture = not is_pending and self.has_picture(told, guess=False)  # while it goes on it is a placeholder's
        return told if has_picture and self._is_its_own(told, place) else None

    def has_picture(self, told: Reading, *, guess: bool = True) -> bool:
        """Tell whether there is a picture that did not go out itself."""
        response = told.response(sent=self.sent, guess=guess)
        return response is not None and any(image.has_picture for image in response.data)

    def has_failed(self, told: Reading) -> bool:
        """Tell whether the task itself has failed; some call that completed, with an error in place of the picture."""
        state = told.state
        if DONE_STATES.fullmatch(state):
            is_over = state.lower().startswith(OVER)
            return is_over and self._is_named(told) and told.words.from_service and not self.has_picture(told)
        return (FAILED_STATES.fullmatch(state) or MODERATED.fullmatch(state)) is not None and self._is_named(told)

    def _is_end(self, told: Reading, state: str, place: str) -> bool:
        if DONE_STATES.fullmatch(state):
            return self.has_picture(told) or any(each != place for each in _told(told.values))
        return not state and self._is_its_own(told, place) and self.has_picture(told)

    def _patience(self, told: Reading, *, is_pending: bool) -> int:
        if self.is_busy:
            return BUSY_MAX
        if is_pending or not self._is_named(told):
            return UNCLEAR_MAX if is_pending else 0
        is_known = DONE_STATES.fullmatch(told.state) or self.has_picture(told)
        return UNCLEAR_MAX if is_known or told.words.from_service else NAMED_MAX

    def _is_its_own(self, told: Reading, place: str) -> bool:
        """Tell whether what is told is of the task: at a guessed place may be anything."""
        return place not in self.guessed or place in self.proven or bool(told.state)

    def _is_named(self, told: Reading) -> bool:
        inside = (each for value in told.values for _, each in entries(value))
        return any(isinstance(each, str | int) and str(each) in self.ids for each in inside)

    def _look(self, place: str) -> Reading:
        body, left_s = b"", max(LAST_LOOK_S, self.ends - time.monotonic())
        self.is_busy = self.is_accepted = False
        try:
            address = address_of(place, self.connection)
            body = fetched_once(address, self.connection, total_s=left_s, is_asked=True)
            if is_picture(body) and not is_whole_picture(body) and body != self.part:
                self.part, self.is_busy, body = body, True, b""
        except RefusedDownloadError as exc:  # some tell so of a task that failed
            status = exc.response.status_code
            is_over = status in TOLD_BY and FAILED_FOR_SURE.fullmatch(Reading(exc.said).state)
            self.is_accepted = status == HTTPStatus.ACCEPTED
            body = exc.said if is_over or self.is_accepted else b""
            self.is_busy = status == TOO_MANY or (not body.strip() and not REFUSED_FROM <= status < FAILURE)
        except (requests.RequestException, OSError):
            self.is_busy = True
        except ValueError:
            pass
        told = Reading(body)
        is_page = body.lstrip()[:1] == b"<" and IS_PAGE.search(body[:MESSAGE_MAX_CHARS].decode("latin-1"))
        is_large = not is_picture(body) and len(told.lifted[0]) > OUTLINE_MAX_BYTES  # more than tells of a task
        is_useless = is_page or (is_large and not self.has_picture(told, guess=False))  # a page has its own pictures
        return Reading(b"") if is_useless else told
