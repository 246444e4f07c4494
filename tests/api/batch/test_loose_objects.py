"""Batches as gateways tell them: whatever the types, what fits is read, and nothing is begun or paid twice for it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_image_nodes.api.batch import submit as submitting
from openai_image_nodes.api.batch.client import OUR_ID, BatchService
from openai_image_nodes.api.batch.describe import progress
from openai_image_nodes.api.batch.manager import refusal_of
from openai_image_nodes.api.batch.records import COLLECTED, SUBMITTED, BatchLedger, BatchRecord
from openai_image_nodes.api.batch.service_objects import BatchObject, BatchPage, told_as
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.errors import SHOWN_MAX_CHARS, BadAnswerError
from openai_image_nodes.api.store.store import Store
from pydantic import SecretStr
from support.batch_plans import manager, planned, submit
from support.capture import Capture, Reply
from support.node_calls import KEY, photo


@pytest.fixture
def server() -> Iterator[Capture]:
    with Capture() as capture:
        yield capture


def read(**told: Any) -> BatchObject:
    return told_as(BatchObject, json.dumps({"id": "b", **told}).encode())


WHOLE: dict[str, bytes] = {
    "a number for its id": b'{"id": 17, "status": "in_progress"}',
    "inside of data": b'{"code": 0, "data": {"id": "17", "status": "in_progress"}}',
    "inside of batch": b'{"batch": {"id": "17", "status": "in_progress"}}',
    "behind heartbeats": b': hi\n\n{"id": "17", "status": "in_progress"}',
    "with a mark before it": b'\xef\xbb\xbf{"id": "17", "status": "in_progress"}',
    "with a comma too many": b'{"id": "17", "status": "in_progress",}',
    "with numbers that are none": b'{"id": "17", "status": "in_progress", "expires_at": NaN, "x": 1e999}',
    "with a state written otherwise": b'{"id": "17", "status": "In Progress"}',
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_batch_is_read_in_any_form(name: str) -> None:
    """The id and how far it is."""
    found = told_as(BatchObject, WHOLE[name])
    assert (found.id, found.status) == ("17", "in_progress")


@pytest.mark.parametrize(
    ("told", "field", "meant"),
    [
        ({"status": None}, "status", "unknown"),
        ({"status": "Canceled"}, "status", "cancelled"),
        ({"status": "SUCCEEDED"}, "status", "completed"),
        *(({"status": said}, "status", "completed") for said in ("JOB_STATE_SUCCEEDED", "completed with errors")),
        ({"status": "JOB_STATE_CANCELLED"}, "status", "cancelled"),
        ({"status": "teleporting"}, "status", "teleporting"),
        ({"created_at": "1700000000"}, "created_at", 1_700_000_000.0),
        ({"created_at": 1_700_000_000_000}, "created_at", 1_700_000_000.0),
        ({"created_at": "2023-11-14T22:13:20Z"}, "created_at", 1_700_000_000.0),
        ({"created_at": "soon"}, "created_at", None),
        ({"created_at": -1}, "created_at", None),
        ({"output_file_id": 5}, "output_file_id", "5"),
        ({"output_file_id": {"id": "file-1"}}, "output_file_id", "file-1"),
        ({"output_file_id": ["file-1"]}, "output_file_id", "file-1"),
        ({"output_file_id": ""}, "output_file_id", None),
        ({"output_file_id": True}, "output_file_id", None),
        ({"request_counts": None}, "request_counts", None),
        ({"request_counts": [1, 2]}, "request_counts", None),
        ({"errors": None}, "errors", []),
        ({"errors": {}}, "errors", []),
        ({"errors": {"data": None}}, "errors", []),
        ({"errors": []}, "errors", []),
        ({"metadata": "x"}, "metadata", None),
        ({"metadata": {OUR_ID: 5}}, "metadata", {OUR_ID: "5"}),
    ],
)
def test_a_field_that_does_not_fit_is_none(told: dict[str, Any], field: str, meant: object) -> None:
    """Or what it certainly means."""
    assert getattr(read(**told), field) == meant


def test_counts_are_numbers_in_range() -> None:
    """As texts, fractions, nulls, or beyond every range."""
    counts = read(request_counts={"total": "3", "completed": 2.0, "failed": None, "other": []}).request_counts
    assert counts is not None
    assert (counts.total, counts.completed, counts.failed) == (3, 2, 0)
    odd = read(request_counts={"total": -5, "completed": 10**400, "failed": "many"}).request_counts
    assert odd is not None
    assert (odd.total, odd.completed, odd.failed) == (0, 0, 0)


@pytest.mark.parametrize(
    "errors",
    [
        "the file is too large",
        ["the file is too large"],
        {"message": "the file is too large"},
        {"object": "list", "data": [{"message": "the file is too large", "line": "x", "code": 7, "param": None}]},
        [None, {"message": "the file is too large"}],
    ],
)
def test_faults_are_told_in_whatever_form_they_come(errors: object) -> None:
    """A word, a list, or one object."""
    faults = read(status="failed", errors=errors).errors
    assert "the file is too large" in faults[0].words


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"id": null}', b'{"id": ""}', b"<html>", b'"x"', b"[" * 9000])
def test_what_is_no_batch_is_said_to_be_none(body: bytes) -> None:
    """An id is all that is needed, and it is needed."""
    with pytest.raises(ValueError, match="nothing of the kind"):
        told_as(BatchObject, body)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(sorted(BatchObject.model_fields)), JSON))
def test_whatever_the_fields_hold_a_batch_with_an_id_is_read(told: dict[str, Any]) -> None:
    """Nothing beside the id can keep a batch that was begun from being known."""
    assert told_as(BatchObject, json.dumps({**told, "id": "b"}).encode()).id == "b"


@pytest.mark.parametrize(
    "page", [[{"id": 1}, {"id": "2"}], {"data": [{"id": 1}, {"id": "2"}]}, {"batches": [{"id": "1"}, {"id": 2}]}]
)
def test_a_list_is_read_in_whatever_form_it_comes(page: object) -> None:
    """Under its names, or alone."""
    assert [one.id for one in told_as(BatchPage, json.dumps(page).encode()).data] == ["1", "2"]


def test_an_entry_that_cannot_be_read_may_be_the_batch_that_is_looked_for(server: Capture) -> None:
    """It is not taken for absent: the batch would be begun, and paid, once more."""
    service = BatchService(Connection(name="relay", base_url=f"{server.base_url}/v1", key=SecretStr(KEY)))

    def listed(*entries: object) -> None:
        server.files["/v1/batches"] = Reply(200, json.dumps({"data": entries, "has_more": "false"}).encode(), {})

    listed({"id": None, "metadata": {OUR_ID: "ours"}})
    with pytest.raises(BadAnswerError, match="cannot be read"):
        service.found("ours", since=None)
    listed({"id": None, "metadata": {OUR_ID: "ours"}}, {"id": 3, "created_at": 2e9}, {"id": 4, "created_at": 1e9})
    with pytest.raises(BadAnswerError, match="cannot be read"):
        service.found("ours", since=2e9)
    listed({"id": None}, {"id": 5, "metadata": {OUR_ID: "ours"}})
    found = service.found("ours", since=None)
    assert found is not None
    assert found.id == "5"
    listed({"id": 3, "created_at": 1e9}, {"id": 4, "created_at": 2e9, "metadata": {OUR_ID: "ours"}})
    oldest_first = service.found("ours", since=2e9)
    assert oldest_first is not None
    assert oldest_first.id == "4"


def test_a_batch_is_found_by_its_file_where_what_was_noted_with_it_is_lost(server: Capture) -> None:
    """Not found, it would be begun, and paid, once more."""
    entries = [{"id": 1, "input_file_id": "file-1", "metadata": None}, {"id": 2, "input_file_id": "file-2"}]
    server.files["/v1/batches"] = Reply(200, json.dumps({"data": [*entries, {"id": 3}]}).encode(), {})
    service = BatchService(Connection(name="relay", base_url=f"{server.base_url}/v1", key=SecretStr(KEY)))
    found = service.found("ours", since=None, input_file_id="file-2")
    assert found is not None
    assert found.id == "2"
    assert service.found("ours", since=None) is None


@pytest.fixture
def relay(server: Capture, monkeypatch: pytest.MonkeyPatch) -> Capture:
    """A connection of one's own that plans, to a server that knows less."""
    monkeypatch.setattr(submitting, "SETTLES_AFTER_S", 0.0)
    entry = {"base_url": f"{server.base_url}/v1", "key": KEY, "batch": True}
    entry |= {"omit": ["moderation"], "send": {"steps": 4, "ratio": "auto"}}
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")
    file.touch(mode=0o600)
    file.write_text(json.dumps({"connections": {"relay": entry}}))
    return server


@pytest.mark.parametrize("pictures", [{}, {"image": photo()}], ids=["generation", "edit"])
def test_lines_leave_out_what_the_connection_leaves_out(relay: Capture, pictures: dict[str, Any]) -> None:
    """`omit`, `send`, and "auto" to a compatible service, hold for the lines of a batch as well."""
    assert planned(connection="relay", moderation="low", **pictures)
    relay.reply(200, {"id": 7})
    relay.reply(200, {"id": 8, "status": "validating", "request_counts": None, "errors": None})
    submit()
    upload = relay.posts[0].files()[0]
    body = json.loads(upload.data)["body"]
    assert body["quality"] == "low"
    assert "moderation" not in body
    assert (body.pop("steps"), body.pop("ratio")) == (4, "auto")
    assert "auto" not in body.values()
    assert relay.posts[1].fields()["input_file_id"] == "7"


def test_a_batch_that_is_done_and_names_no_file_is_not_planned_again(relay: Capture) -> None:
    """Its answers were paid: it is looked at until there is a file."""
    assert planned(connection="relay")
    relay.reply(200, {"id": 7})
    relay.reply(200, {"id": 8, "status": "queued"})
    (record,) = submit()
    done = {"id": 8, "status": "Completed", "request_counts": {"completed": "1"}}
    relay.files["/v1/batches/8"] = Reply(200, json.dumps(done).encode(), {})
    assert manager().collect(record).state == SUBMITTED
    assert not manager().overview().ready
    assert "names no file" in progress(manager().overview().open[0])


@pytest.mark.parametrize(
    ("status", "said"),
    [(409, "A batch for this input file already exists"), (400, "This request is already being processed")],
)
def test_a_batch_that_is_there_already_is_taken_from_the_list(relay: Capture, status: int, said: str) -> None:
    """Planned again, its jobs would be bought once more."""
    assert planned(connection="relay")
    relay.reply(200, {"id": 7})
    relay.reply(status, {"error": {"message": said}})
    listed = {"data": [{"id": 8, "input_file_id": "7", "status": "in_progress"}]}
    relay.files["/v1/batches"] = Reply(200, json.dumps(listed).encode(), {})
    (record,) = submit()
    assert (record.state, record.batch_id) == (SUBMITTED, "8")
    assert not manager().overview().ready


@pytest.mark.parametrize(("high_usd", "paid"), [(0.0, "free"), (0.05, "0.0124 USD"), (None, "0.0124 USD")])
def test_a_batch_of_the_sandbox_was_free(high_usd: float | None, paid: str) -> None:
    """Its answers tell what the service would ask; nobody paid it."""
    record = BatchRecord(id="b", connection="c", service="s", model="m", operation="generations", count=1)
    record = record.model_copy(update={"state": COLLECTED, "answered": 1, "usd": 0.0124, "high_usd": high_usd})
    assert progress(record).endswith(f"1 of 1 answered, {paid}")


def test_a_batch_can_be_read_again_whatever_was_said_of_it(tmp_path: Path) -> None:
    """A word about each of very many lines, halves of characters in it: else its jobs would wait for it for ever."""
    said = [{"line": line, "code": "\ud800", "message": 'no "such" model ' * 300} for line in range(1, 2_001)]
    ledger = BatchLedger(Store(tmp_path))
    asked = {"id": "b", "connection": "c", "service": "s", "model": "m", "operation": "edits", "count": 2_000}
    record = ledger.begin(BatchRecord.model_validate(asked), [])
    record.update(read(status="failed", output_file_id="f\ud800", errors={"data": said}))
    ledger.write(record)
    found = ledger.find("b")
    assert found is not None
    assert (len(found.line_faults), found.output_file_id) == (2_000, "f?")
    assert found.line_faults[2_000].startswith("line 2000: no")
    assert len(str(refusal_of(found))) < SHOWN_MAX_CHARS + 10
