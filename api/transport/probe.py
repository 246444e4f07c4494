"""Is a connection reachable: one cheap GET of its list of models, which costs nothing."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from requests.utils import get_environ_proxies

from ..connections.connection import Connection, is_loopback
from ..errors import OpenAIImageError
from . import client

SILENCE_TIMEOUT_S = 20.0
SKEW_WORTH_TELLING_S = 60.0


@dataclass
class Probe:
    """What a connection's list of models said: `fault` None if all is well, the clock's skew in seconds."""

    fault: str | None = None
    skew_s: float | None = None
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
            listed = response.checked().read()
    except OpenAIImageError as exc:
        result.fault = str(exc)
        return result
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        for model in json.loads(listed)["data"]:
            result.models.append(str(model["id"]))
            if model.get("shutdown_date"):
                result.ending[str(model["id"])] = str(model["shutdown_date"])
    return result


def proxy_of(connection: Connection) -> str | None:
    """Return the host of the proxy that a connection's requests go through, without its password, or None."""
    if is_loopback(connection.base_url):
        return None
    proxies = get_environ_proxies(connection.base_url)
    proxy = proxies.get(connection.base_url.split(":", 1)[0]) or proxies.get("all")
    return proxy.rpartition("@")[2] if proxy else None
