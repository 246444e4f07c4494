"""The sandbox works batches as the service does, asked by the official client: their life, their files, their bill."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from openai.types import Batch
from openai_image_nodes.api.catalog import catalog
from openai_image_nodes.sandbox.rendering.painter import render
from support.asker import plain
from support.batch_client import (
    EDITS,
    GENERATIONS,
    HOUR_S,
    MODEL,
    Client,
    client_of,
    counts,
    entries,
    entry,
    refusal_of,
)
from support.sandbox_client import mask, photo, png
from support.scenarios import BatchPlan, ScriptedSandbox


@pytest.fixture(scope="module")
def shared() -> Iterator[Client]:
    with client_of(plain) as made:
        yield made


@pytest.fixture
def client(shared: Client) -> Client:
    shared.sandbox.scenarios.plan()
    shared.sandbox.billing.entries.clear()
    shared.sandbox.posts.clear()
    return shared


def test_new_batch_has_exactly_what_the_client_reads(client: Client) -> None:
    """Every field of the SDK's Batch is there, and no other."""
    client.sandbox.scenarios.plan(BatchPlan(hold_after=0))
    batch = client.submit(entries(2), metadata={"uuid": "1"})
    assert set(batch.to_dict()) == set(Batch.model_fields)
    assert (batch.object, batch.endpoint, batch.completion_window) == ("batch", GENERATIONS, "24h")
    assert (batch.metadata, batch.expires_at) == ({"uuid": "1"}, batch.created_at + 24 * HOUR_S)
    assert (batch.output_file_id, batch.error_file_id, batch.errors) == (None, None, None)
    held = client.held(batch, 0)
    assert (held.model, counts(held), held.in_progress_at is not None) == (MODEL, (2, 0, 0), True)
    client.sandbox.scenarios.release()
    assert client.ended(batch).status == "completed"


def test_output_has_a_line_for_each_request(client: Client) -> None:
    """By custom_id, in an order of its own, each with the answer of its endpoint."""
    batch = client.run(entries(20))
    assert (batch.status, counts(batch), batch.error_file_id) == ("completed", (20, 20, 0), None)
    results = client.results(batch.output_file_id)
    assert set(results) == {f"j{number}" for number in range(20)}
    assert list(results) != sorted(results, key=lambda name: int(name[1:]))
    one = results["j7"]
    assert set(one) == {"id", "custom_id", "response", "error"}
    assert (one["id"][:10], one["error"], one["response"]["status_code"]) == ("batch_req_", None, 200)
    assert one["response"]["request_id"].startswith("req_")
    stamps = [batch.created_at, batch.in_progress_at, batch.finalizing_at, batch.completed_at]
    assert stamps == sorted(stamp or 0 for stamp in stamps)


def test_output_is_an_ordinary_file(client: Client) -> None:
    """Listed, with a purpose and a life of its own, and deleted like others."""
    batch = client.run(entries(1), output_expires_after={"anchor": "created_at", "seconds": HOUR_S})
    assert batch.output_file_id is not None
    file = client.official.files.retrieve(batch.output_file_id)
    assert (file.purpose, file.expires_at) == ("batch_output", file.created_at + HOUR_S)
    assert file.id in [listed.id for listed in client.official.files.list(purpose="batch_output")]
    assert client.official.files.delete(file.id).deleted


def test_output_lives_for_30_days_by_itself(client: Client) -> None:
    """The documented life of results."""
    batch = client.run(entries(1))
    file = client.official.files.retrieve(batch.output_file_id or "")
    assert file.expires_at == file.created_at + 30 * 24 * HOUR_S


def test_usage_is_the_sum_of_the_lines(client: Client) -> None:
    """Tokens of all lines, in the batch's own form."""
    batch = client.run(entries(3))
    used = [line["response"]["body"]["usage"] for line in client.results(batch.output_file_id).values()]
    assert batch.usage is not None
    assert batch.usage.total_tokens == sum(one["total_tokens"] for one in used)
    assert batch.usage.output_tokens == 3 * 196
    assert batch.usage.output_tokens_details.reasoning_tokens == 0


def test_bill_is_at_the_batch_price(client: Client) -> None:
    """Half of the direct price, request by request; refused ones cost nothing."""
    wrong = entry("wrong", size="1x1")
    batch = client.run([*entries(2), wrong])
    client.official.images.generate(model=MODEL, prompt="fox j0", quality="low")
    billing = client.sandbox.billing
    *batched, direct = billing.entries
    assert {one.custom_id for one in batched} == {"j0", "j1"}
    assert {(one.batch_id, one.path, one.model) for one in batched} == {(batch.id, GENERATIONS, MODEL)}
    assert (direct.batch_id, direct.custom_id) == (None, None)
    spec = catalog.find(MODEL)
    assert spec is not None
    assert spec.batch.usd_per_m is not None
    tokens = direct.usage["input_tokens"]
    assert direct.usd == pytest.approx((tokens * 5 + 196 * 30) / 1e6)
    assert batched[0].usd == pytest.approx((tokens * 2.5 + 196 * 15) / 1e6)
    assert billing.usd == pytest.approx(2 * (direct.usd or 0))


def test_posts_are_counted_by_path(client: Client) -> None:
    """A batch needs an upload and a creation, and not one direct request."""
    client.run(entries(5))
    assert dict(client.sandbox.posts) == {"/v1/files": 1, "/v1/batches": 1}


def test_refused_lines_are_in_the_error_file(client: Client) -> None:
    """With the status and the error that the endpoint answers; the others are worked."""
    batch = client.run([entry("good"), entry("bad", n=11), entry("odd", seed=1)])
    assert (batch.status, counts(batch)) == ("completed", (3, 1, 2))
    assert set(client.results(batch.output_file_id)) == {"good"}
    errors = client.results(batch.error_file_id)
    answer = requests.post(f"{client.sandbox.base_url}{GENERATIONS}", json=entry("bad", n=11)["body"], timeout=30)
    assert errors["bad"]["error"] is None
    assert errors["bad"]["response"]["status_code"] == answer.status_code == 400
    assert errors["bad"]["response"]["body"] == answer.json()
    assert errors["odd"]["response"]["body"]["error"]["code"] == "unknown_parameter"


def test_no_output_file_where_all_lines_fail(client: Client) -> None:
    """The batch is completed all the same."""
    batch = client.run([entry("a", n=11), entry("b", n=12)])
    assert (batch.status, counts(batch), batch.output_file_id) == ("completed", (2, 0, 2), None)
    assert len(client.results(batch.error_file_id)) == 2


@pytest.fixture(scope="module")
def painted() -> Iterator[Client]:
    with client_of(render) as made:
        yield made


@pytest.mark.parametrize(
    "fields", [{}, {"size": "1536x1024", "n": 2, "output_format": "webp"}, {"output_format": "svg"}]
)
def test_pictures_are_those_of_the_direct_path(painted: Client, fields: dict[str, Any]) -> None:
    """The same fields give the same answer, byte for byte."""
    request = entry("a", **fields)
    line = painted.results(painted.run([request]).output_file_id)["a"]
    direct = requests.post(f"{painted.sandbox.base_url}{GENERATIONS}", json=request["body"], timeout=60)
    assert line["response"]["body"] == direct.json()


def test_edit_by_file_ids_is_the_edit_of_the_files(painted: Client) -> None:
    """Images and mask uploaded once give what the same files give in a form, or as data URLs."""
    image, other, hole = png(photo()), png(photo(64, 64)), png(mask())
    ids = [painted.upload(data, "x.png", purpose) for data, purpose in ((image, "vision"), (other, "user_data"))]
    hole_id = painted.upload(hole, "mask.png", "vision")
    links = {"images": [{"file_id": each} for each in ids], "mask": {"file_id": hole_id}}
    urls = {
        "images": [{"image_url": _data_url(each)} for each in (image, other)],
        "mask": {"image_url": _data_url(hole)},
    }
    fields = {"prompt": "fox"}
    request, inline = entry("ids", EDITS, **fields, **links), entry("urls", EDITS, **fields, **urls)
    results = painted.results(painted.run([request, inline], endpoint=EDITS).output_file_id)
    files: Any = [("x.png", each, "image/png") for each in (image, other)]
    formed = painted.official.images.edit(
        model=MODEL, prompt="fox", quality="low", image=files, mask=("m.png", hole, "image/png")
    )
    direct = requests.post(f"{painted.sandbox.base_url}{EDITS}", json=request["body"], timeout=60).json()
    for answer in (results["ids"]["response"]["body"], results["urls"]["response"]["body"], direct):
        assert answer == formed.to_dict()


def _data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def test_edits_of_files_that_are_not_there_fail_alone(client: Client) -> None:
    """Unknown, deleted, expired, of another purpose, no picture: each is a failed line that names the field."""
    image = png(photo(64, 64))
    gone = client.upload(image, "a.png", "vision")
    client.official.files.delete(gone)
    late = client.upload(image, "a.png", "vision", expires_after={"anchor": "created_at", "seconds": HOUR_S})
    client.sandbox.clock.advance(HOUR_S)
    good = client.upload(image, "a.png", "vision")
    ids = {"none": "file-none", "gone": gone, "late": late, "other": client.upload(image, "a.png", "evals")}
    lines = [entry(name, EDITS, images=[{"file_id": good}, {"file_id": each}]) for name, each in ids.items()]
    text = client.upload(b"text", "a.png", "vision")
    more = [
        entry("good", EDITS, images=[{"file_id": good}]),
        entry("text", EDITS, images=[{"file_id": text}]),
        entry("mask", EDITS, images=[{"file_id": good}], mask={"file_id": gone}),
    ]
    batch = client.run([*lines, *more], endpoint=EDITS)
    assert set(client.results(batch.output_file_id)) == {"good"}
    errors = {name: line["response"] for name, line in client.results(batch.error_file_id).items()}
    assert {response["status_code"] for response in errors.values()} == {400}
    params = {name: response["body"]["error"]["param"] for name, response in errors.items()}
    named = dict.fromkeys(ids, "images[1].file_id")
    assert params == {**named, "text": "images[0]", "mask": "mask.file_id"}


def test_input_file_may_be_deleted_once_work_has_begun(client: Client) -> None:
    """The requests were read."""
    client.sandbox.scenarios.plan(BatchPlan(hold_after=1))
    batch = client.held(client.submit(entries(3)), 1)
    client.official.files.delete(batch.input_file_id)
    client.sandbox.scenarios.release()
    assert counts(client.ended(batch)) == (3, 3, 0)


def test_list_is_in_pages_newest_first() -> None:
    """The official client walks through all of them."""
    with client_of(plain) as own:
        assert own.official.batches.list().data == []
        ids = [own.submit(entries(1)).id for _ in range(5)]
        page = own.official.batches.list(limit=2)
        assert ([batch.id for batch in page.data], page.has_more) == (ids[:2:-1], True)
        assert [batch.id for batch in page] == ids[::-1]
        raw = requests.get(f"{own.sandbox.base_url}/v1/batches?after={ids[2]}", timeout=30).json()
        assert (raw["first_id"], raw["last_id"], raw["has_more"]) == (ids[1], ids[0], False)
        assert refusal_of(lambda: own.official.batches.list(limit=101)) == (400, "invalid_value", "limit")


def test_unknown_batch_is_not_found(client: Client) -> None:
    """Neither to look at nor to cancel."""
    for call in (client.official.batches.retrieve, client.official.batches.cancel):
        assert refusal_of(lambda call=call: call("batch_none")) == (404, None, "batch_id")


def test_others_are_answered_while_a_batch_is_worked(client: Client) -> None:
    """Batches have threads of their own."""
    client.sandbox.scenarios.plan(BatchPlan(delay_s=30))
    batch = client.submit(entries(4))
    assert client.official.images.generate(model=MODEL, prompt="fox").data
    assert client.official.batches.cancel(batch.id).status == "cancelling"
    assert client.ended(batch).status == "cancelled"


def test_stop_breaks_off_what_is_worked() -> None:
    """No thread is left, whether a batch is held, waits or draws."""
    before = set(threading.enumerate())
    sandbox = ScriptedSandbox(render=plain)
    with sandbox:
        client = Client(sandbox)
        with client.official:
            for plan in (BatchPlan(hold_after=1), BatchPlan(delay_s=60), BatchPlan()):
                sandbox.scenarios.plan(plan)
                client.submit(entries(99))
    assert set(threading.enumerate()) <= before
    assert sandbox.batches.listed() == []
