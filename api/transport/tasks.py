"""Services that begin a task in place of the picture: it is asked for until it is there. To ask costs nothing."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from urllib.parse import quote

import requests

from ..connections.connection import Connection
from .answer import ADDRESS_HEADERS, RawAnswer, response_of
from .downloads import address_of, fetched_once
from .service_words import service_words, values_in
from .task_words import DONE_STATES, FAILED_STATES, TASK_STATES, states_of, task_addresses, task_of

FIRST_PAUSE_S, LONGEST_PAUSE_S, GROWTH, TOTAL_S = 1.0, 5.0, 1.5, 600.0
UNCLEAR_MAX = 5  # looks in a row that tell nothing: a task may be told of later than it is begun
PLACES_MAX = 8
ID = re.compile(r"[\w.:-]{1,80}", re.ASCII)
GUESSED = ("tasks/{id}", "images/{operation}/{id}")  # docs/service.md, "What real servers do"


def task_answer(raw: RawAnswer, connection: Connection, *, operation: str) -> RawAnswer | None:
    """Return how the task ended that an answer without a picture tells of, or None where that is not to be had yet.

    Only the connection's own origin gets its key. Where the answer names no place, those are tried that such services
    have below the connection's address. Waits ten minutes at most.
    """
    began = time.monotonic()
    is_task = service_words(raw.body).is_task
    places = [told for name in ADDRESS_HEADERS if (told := raw.headers.get(name, "").strip())]
    places += _told(raw.body) if is_task else []
    patience = UNCLEAR_MAX if places else 0
    if is_task and not places and not connection.is_openai:
        places = list(_guessed(raw.body, connection, operation))
    for place in places:  # grows while it is walked through
        body = _ended(place, connection, ends=began + TOTAL_S, unclear_max=patience)
        if body is not None and (_has_picture(body) or _matches(FAILED_STATES, body)):
            return RawAnswer(body, raw.headers, raw.elapsed_s + time.monotonic() - began)
        places += [each for each in _told(body or b"") if each not in places][: PLACES_MAX - len(places)]
    return None


def _told(body: bytes) -> list[str]:
    return [place for value in values_in(body) for place in task_addresses(value)][:PLACES_MAX]


def _guessed(body: bytes, connection: Connection, operation: str) -> Iterator[str]:
    """Yield where a task may be asked for of which only the id is told."""
    ids = [named for value in values_in(body) if isinstance(value, dict) and (named := task_of(value))]
    if ids and ID.fullmatch(ids[0]):
        for path in GUESSED:
            yield connection.url(path.format(id=quote(ids[0], safe=""), operation=operation))


def _ended(place: str, connection: Connection, *, ends: float, unclear_max: int) -> bytes | None:
    """Return what is told at a place once the task has ended, or holds a picture when the time is up; else None."""
    pause_s, unclear, body = FIRST_PAUSE_S, 0, b""
    while time.monotonic() + pause_s < ends:
        time.sleep(pause_s)
        pause_s, body = min(pause_s * GROWTH, LONGEST_PAUSE_S), b""
        with contextlib.suppress(ValueError, requests.RequestException, OSError):
            body = fetched_once(address_of(place, connection), connection)
        is_pending = not _matches(DONE_STATES, body) and _matches(TASK_STATES, body)
        if not is_pending and (_has_picture(body) or _matches(DONE_STATES, body) or _matches(FAILED_STATES, body)):
            return body
        unclear = 0 if is_pending else unclear + 1
        if unclear > unclear_max:
            return None
    return body if _has_picture(body) else None


def _matches(states: re.Pattern[str], body: bytes) -> bool:
    return any(states.fullmatch(state) for value in values_in(body) for state in states_of(value))


def _has_picture(body: bytes) -> bool:
    response = response_of(body)
    return response is not None and any(image.has_picture for image in response.data or [])
