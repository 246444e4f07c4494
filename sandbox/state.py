"""What the sandbox remembers for a while: pictures that it gave an address, and answers under an Idempotency-Key."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from .errors import shape

KEPT_BYTES = 256 * 1024 * 1024
KEPT_S = 24 * 3600.0  # how long comfy.org keeps them is not documented
RETRY_AFTER_S = 2
Clock = Callable[[], float]  # -> Unix time in seconds


@dataclass(frozen=True)
class CachedResponse:
    """An answer that can be given again."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class ResponseCache:
    """Answers by name, for a day; beyond 256 MiB the oldest are forgotten. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, CachedResponse]] = OrderedDict()

    def keep(self, name: str, response: CachedResponse) -> None:
        """Keep an answer; its time begins again."""
        with self._lock:
            self._kept.pop(name, None)
            self._kept[name] = (self._clock() + KEPT_S, response)
            while len(self._kept) > 1 and sum(len(kept.body) for _, kept in self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)

    def find(self, name: str) -> CachedResponse | None:
        """Return an answer, or None."""
        with self._lock:
            ends, response = self._kept.get(name, (0.0, None))
            return response if ends > self._clock() else None


class IdempotencyCache:
    """Answers by Idempotency-Key, as comfy.org's proxy keeps them (ComfyUI PR #16220). For the loop's thread only.

    A key is known for good; its answer can be given again for as long as `ResponseCache` has it.
    """

    def __init__(self, clock: Clock) -> None:
        self._digests: dict[str, str] = {}
        self._running: set[str] = set()
        self._answers = ResponseCache(clock)

    def begin(self, key: str, digest: str) -> CachedResponse | None:
        """Return what a known key is answered with, or None for a new one, which is then in flight."""
        if key not in self._digests:
            self._digests[key] = digest
            self._running.add(key)
            return None
        if self._digests[key] != digest:
            return _conflict("idempotency_mismatch", "This key was used for another request.")
        if key in self._running:
            return _conflict("idempotency_in_flight", "The first request with this key is still running.")
        answer = self._answers.find(key)
        if answer is None:
            return _conflict("idempotency_consumed", "This key was used, and its answer can no longer be given.")
        return CachedResponse(answer.status, answer.body, {**answer.headers, "Idempotent-Replayed": "true"})

    def finish(self, key: str, answer: CachedResponse | None) -> None:
        """Keep an answer under its key; None: there was one, but it cannot be given again (a stream)."""
        self._running.discard(key)
        if answer is not None:
            self._answers.keep(key, answer)

    def drop(self, key: str) -> None:
        """Forget a key whose request came to nothing."""
        self._running.discard(key)
        del self._digests[key]


def _conflict(code: str, message: str) -> CachedResponse:
    headers = {"X-Comfy-Error-Type": code, "Content-Type": "application/json"}
    if code == "idempotency_in_flight":
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return CachedResponse(409, json.dumps(shape(message, "idempotency_error", None, code)).encode(), headers)
