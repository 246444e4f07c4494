"""What the tests of files and batches share: lines to send, ways to wait, and how to read what comes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from openai.types import Batch

from support.asker import until
from support.official_client import official
from support.scenarios import BatchPlan, ScriptedSandbox

MODEL = "gpt-image-2"
GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
ENDS = {"completed", "failed", "expired", "cancelled"}
HOUR_S = 3600


def entry(custom_id: str = "a", url: str = GENERATIONS, **body: Any) -> dict[str, Any]:
    """Return one request of a batch."""
    asked = {"model": MODEL, "prompt": f"fox {custom_id}", "quality": "low", **body}
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": asked}


def entries(count: int) -> list[dict[str, Any]]:
    """Return requests with the custom_ids j0, j1 and so on."""
    return [entry(f"j{number}") for number in range(count)]


def jsonl(lines: Iterable[object]) -> bytes:
    """Return lines as a file; str and bytes stay as they are."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return "".join(f"{text}\n" for text in texts).encode("utf-8", "surrogateescape")


class Client:
    """The official client, and what tests often do with it."""

    def __init__(self, sandbox: ScriptedSandbox) -> None:
        self.sandbox = sandbox
        self.official = official(sandbox, api_key="unused")

    def upload(self, data: bytes, name: str = "in.jsonl", purpose: Any = "batch", **options: Any) -> str:
        """Upload a file and return its id."""
        return self.official.files.create(file=(name, io.BytesIO(data)), purpose=purpose, **options).id

    def submit(self, lines: Iterable[object], endpoint: Any = GENERATIONS, **options: Any) -> Batch:
        """Upload lines and create a batch of them."""
        file_id = self.upload(jsonl(lines))
        return self.official.batches.create(
            input_file_id=file_id, endpoint=endpoint, completion_window="24h", **options
        )

    def run(self, lines: Iterable[object], plan: BatchPlan | None = None, **options: Any) -> Batch:
        """Submit lines and wait for the batch to end."""
        self.sandbox.scenarios.plan(plan)
        return self.ended(self.submit(lines, **options))

    def now(self, batch: Batch) -> Batch:
        """Return a batch as it is now."""
        return self.official.batches.retrieve(batch.id)

    def ended(self, batch: Batch) -> Batch:
        """Return a batch when it has ended."""
        until(lambda: self.now(batch).status in ENDS)
        return self.now(batch)

    def held(self, batch: Batch, done: int) -> Batch:
        """Return a batch when a plan holds it after so many lines."""
        until(lambda: (now := self.now(batch)).status == "in_progress" and _done(now) == done)
        return self.now(batch)

    def content(self, file_id: str | None) -> bytes:
        """Return the content of a file."""
        assert file_id is not None
        return self.official.files.content(file_id).read()

    def results(self, file_id: str | None) -> dict[str, dict[str, Any]]:
        """Return the lines of an output or error file by their custom_ids."""
        lines = [json.loads(line) for line in self.content(file_id).splitlines()]
        assert len({line["custom_id"] for line in lines}) == len(lines)
        return {line["custom_id"]: line for line in lines}


def _done(batch: Batch) -> int:
    assert batch.request_counts is not None
    return batch.request_counts.completed + batch.request_counts.failed


@contextmanager
def client_of(render: Any) -> Iterator[Client]:
    """Start a sandbox and give a client of it."""
    with ScriptedSandbox(render=render) as sandbox:
        client = Client(sandbox)
        with client.official:
            yield client


def refused(error: openai.APIStatusError) -> tuple[int, str | None, str | None]:
    """Return status, code and param of a refusal."""
    return error.status_code, error.code, error.param


def counts(batch: Batch) -> tuple[int, int, int]:
    """Return how many requests there are in all, completed and failed."""
    assert batch.request_counts is not None
    return batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed


def refusal_of(call: Any) -> tuple[int, str | None, str | None]:
    """Return how a call is refused."""
    with pytest.raises(openai.APIStatusError) as caught:
        call()
    return refused(caught.value)
