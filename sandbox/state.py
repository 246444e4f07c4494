"""What the sandbox remembers: pictures that it gave an address, and answers under an Idempotency-Key."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from .errors import shape

KEPT_BYTES = 256 * 1024 * 1024
RETRY_AFTER_S = 2


class Assets:
    """Pictures by the SHA-256 of their bytes; beyond 256 MiB the oldest are forgotten. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[bytes, str]] = OrderedDict()

    def keep(self, data: bytes, mime_type: str) -> str:
        """Return the name under which the picture can be got."""
        name = hashlib.sha256(data).hexdigest()
        with self._lock:
            self._kept[name] = (data, mime_type)
            while len(self._kept) > 1 and sum(len(kept) for kept, _ in self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)
        return name

    def find(self, name: str) -> tuple[bytes, str] | None:
        """Return a picture and its MIME type, or None."""
        with self._lock:
            return self._kept.get(name)

    def forget(self) -> None:
        """Drop all pictures: their addresses answer 404."""
        with self._lock:
            self._kept.clear()


@dataclass
class Answer:
    """An answer that can be given again."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class _Entry:
    digest: str
    running: bool = True
    answer: Answer | None = None


class Replays:
    """Answers by Idempotency-Key, as comfy.org's proxy keeps them (ComfyUI PR #16220).

    Used on the loop's thread only, but for `forget`. Beyond 256 MiB the oldest answers can no longer be given.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def begin(self, key: str, digest: str) -> Answer | None:
        """Return what a known key is answered with, or None for a new one, which is then in flight."""
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = _Entry(digest)
            return None
        if entry.digest != digest:
            return _conflict("idempotency_mismatch", "This key was used for another request.")
        if entry.running:
            return _conflict("idempotency_in_flight", "The first request with this key is still running.")
        if entry.answer is None:
            return _conflict("idempotency_consumed", "This key was used, and its answer can no longer be given.")
        return Answer(entry.answer.status, entry.answer.body, {**entry.answer.headers, "Idempotent-Replayed": "true"})

    def finish(self, key: str, answer: Answer | None) -> None:
        """Keep an answer under its key; None: there was one, but it cannot be given again (a stream)."""
        self._entries[key].running = False
        self._entries[key].answer = answer
        total = 0
        for entry in reversed(self._entries.values()):
            total += len(entry.answer.body) if entry.answer else 0
            if total > KEPT_BYTES:
                entry.answer = None

    def drop(self, key: str) -> None:
        """Forget a key whose request came to nothing."""
        self._entries.pop(key, None)

    def forget(self) -> None:
        """Drop all answers but not their keys, as when the time to replay has lapsed."""
        for entry in list(self._entries.values()):
            entry.answer = None


def _conflict(code: str, message: str) -> Answer:
    headers = {"X-Comfy-Error-Type": code}
    if code == "idempotency_in_flight":
        headers["Retry-After"] = str(RETRY_AFTER_S)
    body = shape(message, "idempotency_error", None, code)
    return Answer(409, json.dumps(body).encode(), headers)
