"""Jobs asked through the store, of a sandbox that misbehaves as told, and what the next run costs.

def test_something(server: Server, own_key: Asker) -> None:
    server.faults.drop("after_body")
    with pytest.raises(OutcomeUnknownError):
        own_key.ask()
    assert own_key.posts_of_next_run() == 0
"""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.api.catalog.schemas import OpenAIImageEditRequest, OpenAIImageGenerationRequest
from openai_image_nodes.api.connections import resolve as connections
from openai_image_nodes.api.connections.connection import Connection, HostSecrets
from openai_image_nodes.api.errors import OpenAIImageError
from openai_image_nodes.api.jobs.job import Job, JobHandle
from openai_image_nodes.api.jobs.manager import JobManager
from openai_image_nodes.api.store import store
from openai_image_nodes.api.store.records import JobRecord, StoredAnswer
from openai_image_nodes.api.store.store import Store
from openai_image_nodes.api.transport import downloads
from openai_image_nodes.api.transport import retry as retries
from openai_image_nodes.api.transport.bodies import FilePart
from openai_image_nodes.api.transport.sessions import session_for
from PIL import Image

from support.faults import Faults
from support.scenarios import ScriptedSandbox

MODEL = "gpt-image-2.6-flare"
KEY = "sk-planted-0123456789abcdef"
PATIENCE_S = 60.0  # for what a broken test would wait for in vain


def plain(request: Any, index: int) -> bytes:
    """Draw a small picture of one colour, another for each prompt and index: fast, and told apart."""
    return painted(request.prompt, index)


@lru_cache(maxsize=1024)
def painted(prompt: str, index: int = 0) -> bytes:
    """Return the picture of a prompt: a PNG of 8x8 pixels."""
    color = tuple(hashlib.sha256(f"{index} {prompt}".encode()).digest()[:3])
    out = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(out, "PNG")
    return out.getvalue()


class Server:
    """A sandbox with faults, which each test begins again: use `faults` of tests/faults.py."""

    __middleware_version__ = 1  # what aiohttp's @web.middleware sets

    def __init__(self, render: Any = plain) -> None:
        self.faults = Faults()
        self.sandbox = ScriptedSandbox(render=render, middlewares=[self])

    async def __call__(self, request: Any, handler: Any) -> Any:
        return await self.faults(request, handler)

    def __enter__(self) -> Server:
        self.sandbox.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        session_for(self.sandbox.base_url).close()
        self.sandbox.stop()

    @property
    def keys(self) -> list[str | None]:
        """The Idempotency-Key of each POST, in order."""
        return [seen.headers.get("Idempotency-Key") for seen in self.faults.requests]

    def point(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Point the connections openai and comfy.org here."""
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point a process here."""
        return {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{self.sandbox.base_url}/v1",
            "COMFY_API_KEY": KEY,
            "COMFY_API_BASE": self.sandbox.base_url,
        }


def connection(name: str) -> Connection:
    """Return a connection by its name, as the environment has it."""
    return connections.resolve(name, HostSecrets(), lambda: "")


def job(
    connection: Connection,
    prompt: str = "a red fox",
    *,
    files: Sequence[FilePart] = (),
    seed: int = 0,
    reuse: bool = True,
    **fields: Any,
) -> Job:
    """Return a job; with files it is an edit."""
    asked = {"model": MODEL, "prompt": prompt, **fields}
    if not files:
        return Job(connection, OpenAIImageGenerationRequest(**asked), seed=seed, reuse=reuse)
    names = [file.name for file in files]
    count, mask, markup = sum(name.startswith("image") for name in names), "mask" in names, "markup" in names
    request = OpenAIImageEditRequest(**asked, image_count=count, mask=mask, markup=markup)
    return Job(connection, request, list(files), seed=seed, reuse=reuse)


@dataclass
class Asker:
    """Somebody who runs one job over one connection, again and again."""

    server: Server
    name: str = "openai"
    jobs: JobManager = field(default_factory=JobManager)

    @classmethod
    def fresh(cls, server: Server, name: str, monkeypatch: pytest.MonkeyPatch) -> Asker:
        """Return an asker of a server that has seen nothing and is to do nothing wrong yet."""
        server.faults = Faults()
        server.point(monkeypatch)
        hurry(monkeypatch)
        return cls(server, name)

    @property
    def faults(self) -> Faults:
        """What the server is to do wrong, and what it saw."""
        return self.server.faults

    def submit(self, prompt: str = "a red fox", **options: Any) -> JobHandle:
        """Submit a job and return at once."""
        return self.jobs.submit(job(connection(self.name), prompt, **options))

    def ask(self, prompt: str = "a red fox", **options: Any) -> StoredAnswer:
        """Run a job to its end, as a node does. Raises: the job's error."""
        running = self.submit(prompt, **options)
        try:
            answer = running.future.result(PATIENCE_S)
        finally:
            running.leave()
        with self.jobs.delivering(answer):
            return answer

    def restart(self) -> None:
        """Forget everything that is not on the disk, as a new process has."""
        store._store.cache_clear()
        self.jobs = JobManager()

    def next_run(self, prompt: str = "a red fox", **options: Any) -> tuple[int, StoredAnswer | OpenAIImageError]:
        """Run a job once more after a restart, the server healthy; return its POSTs and how it ended."""
        assert self.faults.waiting == 0, "the first run did not meet all its faults"
        before = self.faults.posts
        self.restart()
        try:
            outcome: StoredAnswer | OpenAIImageError = self.ask(prompt, **options)
        except OpenAIImageError as exc:
            outcome = exc
        return self.faults.posts - before, outcome

    @property
    def store(self) -> Store:
        """Where the answers are kept."""
        return store.store_of(connection(self.name))

    @property
    def kept(self) -> set[str]:
        """The names of the answers' folders."""
        return {path.name for path in self.store.jobs.iterdir()}

    @property
    def records(self) -> list[JobRecord]:
        """The records of everything that is kept or on its way."""
        return [record for _, record in self.store.records()]

    def folder(self) -> Path:
        """The folder of the one thing that is kept."""
        ((path, _),) = self.store.records()
        return path


def name_of(answer: StoredAnswer) -> str:
    """Return the name of an answer's folder."""
    assert answer.folder is not None
    return answer.folder.name


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries come quickly where the service does not say when."""
    monkeypatch.setattr(retries, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(retries, "STILL_RUNNING_FIRST_S", 0.01)
    monkeypatch.setattr(downloads, "DOWNLOAD_PAUSES_S", (0.01,) * len(downloads.DOWNLOAD_PAUSES_S))


def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def until_quiet() -> None:
    """Wait until no request is on its way in this process."""
    until(lambda: not any(thread.name == "openai-image-request" for thread in threading.enumerate()))


def picture_part(width: int = 8, height: int = 8, *, name: str = "image", compress_level: int = 6) -> FilePart:
    """Return a picture of noise as it goes out."""
    pixels = hashlib.shake_128(f"{width}x{height}".encode()).digest(width * height * 3)
    out = io.BytesIO()
    Image.frombytes("RGB", (width, height), pixels).save(out, "PNG", compress_level=compress_level)
    return FilePart(name, f"{name.removesuffix('[]')}.png", out.getvalue(), hashlib.sha256(pixels).hexdigest())


def large_part() -> FilePart:
    """Return a picture that is far larger than what a socket takes in advance."""
    return picture_part(2400, 2400, compress_level=0)
