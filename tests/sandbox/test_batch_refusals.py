"""The sandbox refuses batches as the service does: at creation, or as `failed` when it has read the file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import requests
from support.asker import plain
from support.batch_client import EDITS, GENERATIONS, MODEL, Client, client_of, counts, entries, entry, jsonl, refusal_of

Refusal = tuple[int, str | None, str | None]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with client_of(plain) as made:
        yield made


def create(client: Client, **fields: Any) -> Refusal | None:
    """Return how a creation with these fields is refused; `...` leaves one out."""
    asked = {"input_file_id": "", "endpoint": GENERATIONS, "completion_window": "24h", **fields}
    if asked["input_file_id"] == "":
        asked["input_file_id"] = client.upload(jsonl(entries(1)))
    body = {name: value for name, value in asked.items() if value is not ...}
    answer = requests.post(f"{client.sandbox.base_url}/v1/batches", json=body, timeout=30)
    error = answer.json().get("error")
    return (answer.status_code, error["code"], error["param"]) if error else None


def expiry(**fields: Any) -> dict[str, Any]:
    return {"output_expires_after": {"anchor": "created_at", "seconds": 3600, **fields}}


CREATIONS: dict[str, tuple[dict[str, Any], Refusal]] = {
    "another field": ({"model": MODEL}, (400, "unknown_parameter", "model")),
    "no file": ({"input_file_id": ...}, (400, "missing_required_parameter", "input_file_id")),
    "no endpoint": ({"endpoint": ...}, (400, "missing_required_parameter", "endpoint")),
    "no window": ({"completion_window": ...}, (400, "missing_required_parameter", "completion_window")),
    "null as window": ({"completion_window": None}, (400, "invalid_type", "completion_window")),
    "another window": ({"completion_window": "1h"}, (400, "invalid_value", "completion_window")),
    "another endpoint": ({"endpoint": "/v1/images/variations"}, (400, "invalid_value", "endpoint")),
    "endpoint without v1": ({"endpoint": "/images/edits"}, (400, "invalid_value", "endpoint")),
    "unknown file": ({"input_file_id": "file-none"}, (400, "invalid_value", "input_file_id")),
    "metadata as text": ({"metadata": "x"}, (400, "invalid_type", "metadata")),
    "17 pairs": ({"metadata": {str(key): "" for key in range(17)}}, (400, "invalid_value", "metadata")),
    "number as value": ({"metadata": {"k": 1}}, (400, "invalid_type", "metadata.k")),
    "long key": ({"metadata": {"k" * 65: ""}}, (400, "string_above_max_length", "metadata." + "k" * 65)),
    "long value": ({"metadata": {"k": "v" * 513}}, (400, "string_above_max_length", "metadata.k")),
    "expiry as number": ({"output_expires_after": 3600}, (400, "invalid_type", "output_expires_after")),
    "expiry with more": (expiry(days=1), (400, "unknown_parameter", "output_expires_after.days")),
    "expiry of another anchor": (expiry(anchor="now"), (400, "invalid_value", "output_expires_after.anchor")),
    "expiry too soon": (expiry(seconds=3599), (400, "invalid_value", "output_expires_after.seconds")),
    "expiry as text": (expiry(seconds="3600"), (400, "invalid_type", "output_expires_after.seconds")),
    "expiry as true": (expiry(seconds=True), (400, "invalid_type", "output_expires_after.seconds")),
}


@pytest.mark.parametrize(("fields", "expected"), CREATIONS.values(), ids=CREATIONS)
def test_creation_is_refused(client: Client, fields: dict[str, Any], expected: Refusal) -> None:
    """Each wrong field is named, and no batch is made."""
    before = len(client.sandbox.batches.listed())
    assert create(client, **fields) == expected
    assert len(client.sandbox.batches.listed()) == before


def test_limits_of_creation_are_in(client: Client) -> None:
    """16 pairs, a key of 64 and a value of 512 characters; nulls where the SDK allows them."""
    metadata = {"k" * 64: "v" * 512, **{str(key): "" for key in range(15)}}
    assert create(client, metadata=metadata, **expiry(seconds=2_592_000)) is None
    assert create(client, metadata=None) is None


def test_file_of_another_purpose_is_refused(client: Client) -> None:
    """A batch is made of files for batches."""
    file_id = client.upload(jsonl(entries(1)), purpose="user_data")
    assert create(client, input_file_id=file_id) == (400, "invalid_value", "input_file_id")


@pytest.mark.parametrize(
    ("body", "kind"), [(b"{", "application/json"), (b"[]", "application/json"), (b"{}", "text/plain")]
)
def test_body_that_is_no_object_is_refused(client: Client, body: bytes, kind: str) -> None:
    """JSON, an object, and nothing else."""
    answer = requests.post(
        f"{client.sandbox.base_url}/v1/batches", data=body, headers={"Content-Type": kind}, timeout=30
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def faults_of(client: Client, lines: Any, **options: Any) -> list[tuple[str | None, int | None, str | None]]:
    """Return code, line and param of what is wrong with a file; the batch has failed and nothing was worked."""
    batch = client.run(lines, **options)
    assert (batch.status, counts(batch)) == ("failed", (0, 0, 0))
    assert (batch.output_file_id, batch.error_file_id) == (None, None)
    assert batch.failed_at is not None
    assert batch.errors is not None
    assert batch.errors.object == "list"
    assert batch.id not in {one.batch_id for one in client.sandbox.billing.entries}
    assert all(error.message for error in batch.errors.data or [])
    return [(error.code, error.line, error.param) for error in batch.errors.data or []]


GOOD = entry("good")
LINES: dict[str, tuple[Any, tuple[str | None, str | None]]] = {
    "no json": ("{", ("invalid_json_line", None)),
    "blank line": ("", ("invalid_json_line", None)),
    "no utf-8": ('{"custom_id":"\udcff"}', ("invalid_json_line", None)),
    "too deep": ("[" * 100_000, ("invalid_json_line", None)),
    "no object": ("[]", ("invalid_json_line", None)),
    "another member": ({**entry(), "id": 1}, ("unknown_parameter", "id")),
    "no custom_id": ({**entry(), "custom_id": ...}, ("missing_required_parameter", "custom_id")),
    "number as custom_id": ({**entry(), "custom_id": 1}, ("invalid_type", "custom_id")),
    "empty custom_id": (entry(""), ("invalid_value", "custom_id")),
    "same custom_id": (entry("good"), ("duplicate_custom_id", "custom_id")),
    "no method": ({**entry(), "method": ...}, ("missing_required_parameter", "method")),
    "get": ({**entry(), "method": "GET"}, ("invalid_method", "method")),
    "no url": ({**entry(), "url": ...}, ("missing_required_parameter", "url")),
    "another url": (entry("a", EDITS), ("invalid_url", "url")),
    "no body": ({**entry(), "body": ...}, ("missing_required_parameter", "body")),
    "body as text": ({**entry(), "body": "{}"}, ("invalid_type", "body")),
    "stream": (entry(stream=True), ("invalid_value", "body.stream")),
    "no model": (entry(model=None), ("missing_required_parameter", "body.model")),
    "number as model": (entry(model=2), ("invalid_type", "body.model")),
    "another model": (entry(model="gpt-image-2.5-flare"), ("mismatched_model", "body.model")),
    "its snapshot": (entry(model="gpt-image-2-2026-04-21"), ("mismatched_model", "body.model")),
}


@pytest.mark.parametrize(("line", "expected"), LINES.values(), ids=LINES)
def test_one_wrong_line_fails_the_whole_batch(
    client: Client, line: Any, expected: tuple[str | None, str | None]
) -> None:
    """The fault has the number of its line; the good lines around it are not worked."""
    if isinstance(line, dict):
        line = {name: value for name, value in line.items() if value is not ...}
    code, param = expected
    assert faults_of(client, [GOOD, line, entry("other")]) == [(code, 2, param)]


def test_every_wrong_line_is_named(client: Client) -> None:
    """Not the first one only."""
    found = faults_of(client, ["{", GOOD, entry("good"), entry("a", EDITS)])
    assert [line for _, line, _ in found] == [1, 3, 4]


@pytest.mark.parametrize("model", ["gpt-image-9", "gpt-image-1", "dall-e-3"])
def test_model_that_is_not_there_fails_the_batch(client: Client, model: str) -> None:
    """Unknown and retired ones."""
    assert faults_of(client, [entry(model=model)]) == [("model_not_found", 1, "body.model")]


def test_catalog_decides_which_models_a_batch_takes(client: Client) -> None:
    """true and unconfirmed ones are taken, those with false fail at validation."""
    assert client.run([entry(model="gpt-image-2.6-flare")]).status == "completed"
    override = [{"id": "gpt-image-2.6-flare", "batch": {"supported": False}}]
    Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "models.json").write_text(json.dumps({"models": override}))
    assert faults_of(client, [entry(model="gpt-image-2.6-flare")]) == [("model_not_found", 1, "body.model")]


def test_empty_file_fails_the_batch(client: Client) -> None:
    """There is nothing to do."""
    assert faults_of(client, []) == [("empty_file", None, None)]


@pytest.mark.slow
def test_50_000_requests_are_the_most(client: Client) -> None:
    """One more fails the batch."""
    assert faults_of(client, entries(50_001)) == [("too_many_tasks", None, None)]


def test_last_line_needs_no_end(client: Client) -> None:
    """Nor does a line have to end as on one system only."""
    text = jsonl(entries(2)).replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    file_id = client.upload(text)
    batch = client.official.batches.create(input_file_id=file_id, endpoint=GENERATIONS, completion_window="24h")
    assert counts(client.ended(batch)) == (2, 2, 0)


def test_endpoints_of_others_are_known_but_not_worked(client: Client) -> None:
    """The sandbox makes pictures only, and says so."""
    assert faults_of(client, entries(1), endpoint="/v1/responses") == [("unsupported_endpoint", None, "endpoint")]


def test_batch_that_has_ended_cannot_be_cancelled(client: Client) -> None:
    """The refusal names its status."""
    batch = client.run(entries(1))
    assert refusal_of(lambda: client.official.batches.cancel(batch.id)) == (409, None, None)
    with pytest.raises(openai.ConflictError, match="completed"):
        client.official.batches.cancel(batch.id)
