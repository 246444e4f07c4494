"""Is a connection reachable: one cheap GET of its list of models, which costs nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from requests.utils import get_environ_proxies

from ..connections.connection import Connection, is_loopback
from ..errors import OpenAIImageError
from . import client
from .answer import Reading

SILENCE_TIMEOUT_S = 20.0
SKEW_WORTH_TELLING_S = 60.0
NO_LIST = (404, 405, 501)
LISTS, NAMES = ("data", "models", "result", "items"), ("id", "name", "model")  # as servers call them


@dataclass
class Probe:
    """What a connection's list of models said: `fault` None if all is well, the clock's skew in seconds.

    Not `has_list`: there is none, of which many that make pictures have none.
    """

    fault: str | None = None
    skew_s: float | None = None
    has_list: bool = True
    models: list[str] = field(default_factory=list)
    ending: dict[str, str] = field(default_factory=dict)


def probe(connection: Connection) -> Probe:
    """Ask a connection for its models; nothing is paid. comfy.org and classic Azure have no such list."""
    result = Probe()
    try:
        with client.request(connection, "GET", "models", silence_s=SILENCE_TIMEOUT_S) as response:
            with contextlib.suppress(TypeError, ValueError):
                there = parsedate_to_datetime(response.headers.get("date", ""))
                result.skew_s = (datetime.now(timezone.utc) - there).total_seconds()
            result.has_list = response.status not in NO_LIST
            listed = response.checked().read() if result.has_list else b""
            told = Reading(listed)
            models = [model for value in told.values for model in _models(value)]
            if not models and (told.words.from_service or told.words.page):
                raise response.refused(listed)  # an error told with 200, or the service's website
    except OpenAIImageError as exc:
        result.fault = str(exc)
        return result
    result.has_list = any(isinstance(value, dict | list) for value in told.values)
    result.models = [name for name, _ in models]
    result.ending = {name: str(day) for name, day in models if day}
    return result


def _models(answer: object) -> Iterator[tuple[str, object]]:
    """Yield the names of models that an answer lists, and when each is shut down, where it says so."""
    listed = next(filter(None, map(answer.get, LISTS)), None) if isinstance(answer, dict) else answer
    for item in listed if isinstance(listed, list | dict) else ():
        told = item if isinstance(item, dict) else {"id": item}
        if name := next((each for each in map(told.get, NAMES) if isinstance(each, str) and each), None):
            yield name, told.get("shutdown_date")


def proxy_of(connection: Connection) -> str | None:
    """Return the host of the proxy that a connection's requests go through, without its password, or None."""
    if is_loopback(connection.base_url):
        return None
    proxies = get_environ_proxies(connection.base_url)
    proxy = proxies.get(connection.base_url.split(":", 1)[0]) or proxies.get("all")
    return proxy.rpartition("@")[2] if proxy else None
