"""What files and batches send is what the official client sends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai_image_nodes.api.batch.client import OUR_ID, BatchService
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.transport.bodies import FilePart
from pydantic import SecretStr
from support.capture import Capture, Captured
from support.official_client import official

KEY = "sk-planted-0123456789abcdef"
FILE = {"id": "file-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "x", "purpose": "batch"}
BATCH = {"id": "batch_1", "object": "batch", "status": "validating", "created_at": 1, "endpoint": "/v1/images/edits"}
BATCH |= {"input_file_id": "file-1", "completion_window": "24h"}
OURS = ("Authorization", "Content-Type")


@pytest.fixture
def server() -> Iterator[Capture]:
    with Capture() as server:
        yield server


def ours(server: Capture) -> BatchService:
    return BatchService(Connection(name="openai", base_url=f"{server.base_url}/v1", key=SecretStr(KEY)))


@pytest.fixture
def theirs(server: Capture) -> Iterator[openai.OpenAI]:
    with official(server, api_key=KEY) as client:
        yield client


def head(request: Captured) -> tuple[Any, ...]:
    """Return method, path, query, key and the kind of the body."""
    kind = request.headers.get_content_type() if request.body else None
    return request.method, request.path, request.query, request.headers["Authorization"], kind


@pytest.mark.parametrize(
    ("purpose", "filename", "kind", "lifetime_s"),
    [("batch", "requests.jsonl", "application/octet-stream", 604_800), ("vision", "a.png", "image/png", 3600)],
)
def test_upload(
    server: Capture, theirs: openai.OpenAI, purpose: Any, filename: str, kind: str, lifetime_s: int
) -> None:
    """Purpose, lifetime, file name and content, the nested field in brackets."""
    server.reply(200, FILE)
    server.reply(200, FILE)
    data = b'{"a": 1}\n'
    ours(server).upload(FilePart("file", filename, data, "0" * 64, kind), purpose=purpose, lifetime_s=lifetime_s)
    mine = server.last
    theirs.files.create(
        file=(filename, data, kind), purpose=purpose, expires_after={"anchor": "created_at", "seconds": lifetime_s}
    )
    assert head(mine) == head(server.last)
    assert mine.fields() == server.last.fields()
    assert mine.files() == server.last.files()


def test_create(server: Capture, theirs: openai.OpenAI) -> None:
    """The JSON of a batch."""
    server.reply(200, BATCH)
    server.reply(200, BATCH)
    ours(server).create("file-1", "/v1/images/edits", "20261123-1")
    mine = server.last
    theirs.batches.create(
        input_file_id="file-1", endpoint="/v1/images/edits", completion_window="24h", metadata={OUR_ID: "20261123-1"}
    )
    assert head(mine) == head(server.last)
    assert mine.fields() == server.last.fields()


def test_cancel(server: Capture, theirs: openai.OpenAI) -> None:
    """A POST without a body."""
    server.reply(200, BATCH)
    server.reply(200, BATCH)
    ours(server).cancel("batch_1")
    mine = server.last
    theirs.batches.cancel("batch_1")
    assert (head(mine), mine.body) == (head(server.last), server.last.body)
