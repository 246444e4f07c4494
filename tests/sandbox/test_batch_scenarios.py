"""The sandbox's batches go wrong as they are told to: lines fail, batches expire, wait, or are not taken."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from support.asker import plain
from support.batch_client import HOUR_S, Client, client_of, counts, entries, entry
from support.sandbox_client import SlowRender
from support.scenarios import BatchPlan


@pytest.fixture
def client() -> Iterator[Client]:
    with client_of(plain) as made:
        yield made


def worked(client: Client) -> set[str | None]:
    """Return the custom_ids that were worked, and so are on the bill."""
    return {one.custom_id for one in client.sandbox.billing.entries}


def test_share_of_the_lines_fails(client: Client) -> None:
    """To the line, always the same ones, and they cost nothing."""
    batch = client.run(entries(100), BatchPlan(fail=0.03))
    assert (batch.status, counts(batch)) == ("completed", (100, 97, 3))
    errors = client.results(batch.error_file_id)
    for line in errors.values():
        assert line["response"]["status_code"] == 500
        assert line["response"]["body"]["error"]["type"] == "server_error"
    assert worked(client) == set(client.results(batch.output_file_id))
    again = client.run(entries(100), BatchPlan(fail=0.03))
    assert set(client.results(again.error_file_id)) == set(errors)


def test_chosen_lines_are_moderated(client: Client) -> None:
    """A function of the custom_id chooses; the form is the one of the safety system."""
    batch = client.run(entries(4), BatchPlan(fail=lambda name: name in {"j1", "j3"}, failure="moderation_blocked"))
    errors = client.results(batch.error_file_id)
    assert set(errors) == {"j1", "j3"}
    response = errors["j1"]["response"]
    assert (response["status_code"], response["body"]["error"]["code"]) == (400, "moderation_blocked")
    assert response["body"]["error"]["type"] == "image_generation_user_error"


def test_batch_without_a_line_that_works_has_no_output(client: Client) -> None:
    """All lines fail, and the batch is completed."""
    batch = client.run(entries(3), BatchPlan(fail=1.0))
    assert (batch.status, batch.output_file_id, counts(batch)) == ("completed", None, (3, 0, 3))
    assert client.sandbox.billing.usd == 0


def test_expired_batch_has_what_was_done(client: Client) -> None:
    """The finished lines are there and paid, the others are batch_expired."""
    batch = client.run(entries(10), BatchPlan(expire_after=4))
    assert (batch.status, counts(batch)) == ("expired", (10, 4, 6))
    assert batch.expired_at is not None
    done, rest = client.results(batch.output_file_id), client.results(batch.error_file_id)
    assert set(done) == worked(client)
    assert set(done) | set(rest) == {f"j{number}" for number in range(10)}
    message = "This request could not be executed before the completion window expired."
    for line in rest.values():
        assert (line["response"], line["error"]) == (None, {"code": "batch_expired", "message": message})


def test_batch_that_expires_at_once_has_no_output(client: Client) -> None:
    """Nothing was done, nothing is paid."""
    batch = client.run(entries(3), BatchPlan(expire_after=0))
    assert (batch.status, batch.output_file_id, client.sandbox.billing.entries) == ("expired", None, [])
    assert len(client.results(batch.error_file_id)) == 3


def test_batch_expires_by_the_clock(client: Client) -> None:
    """24 hours after it was made."""
    client.sandbox.scenarios.plan(BatchPlan(hold_after=2))
    batch = client.held(client.submit(entries(5)), 2)
    client.sandbox.clock.advance(24 * HOUR_S)
    assert (client.ended(batch).status, counts(client.now(batch))) == ("expired", (5, 2, 3))


def test_cancelled_batch_has_what_was_done(client: Client) -> None:
    """cancelling, then cancelled; the others are batch_cancelled. Cancelling twice is once."""
    client.sandbox.scenarios.plan(BatchPlan(hold_after=3))
    batch = client.held(client.submit(entries(8)), 3)
    assert client.official.batches.cancel(batch.id).status in {"cancelling", "cancelled"}
    ended = client.ended(batch)
    assert (ended.status, counts(ended)) == ("cancelled", (8, 3, 5))
    assert None not in (ended.cancelling_at, ended.cancelled_at)
    assert set(client.results(ended.output_file_id)) == worked(client)
    codes = {line["error"]["code"] for line in client.results(ended.error_file_id).values()}
    assert codes == {"batch_cancelled"}


def test_cancelled_while_drawing_keeps_what_is_drawn() -> None:
    """The lines that are on the easel are finished and paid."""
    slow = SlowRender()
    with client_of(slow) as client:
        batch = client.submit(entries(20))
        assert slow.begun.wait(30)
        assert client.official.batches.cancel(batch.id).status == "cancelling"
        assert client.official.batches.cancel(batch.id).status == "cancelling"
        slow.let.set()
        ended = client.ended(batch)
        assert ended.status == "cancelled"
        done, rest = client.results(ended.output_file_id), client.results(ended.error_file_id)
        assert set(done) == worked(client)
        assert set(done) | set(rest) == {f"j{number}" for number in range(20)}
        assert 1 <= len(done) <= 2


def test_held_batch_waits_for_its_release(client: Client) -> None:
    """It stays in_progress with so many lines done, others go on beside it."""
    client.sandbox.scenarios.plan(BatchPlan(hold_after=2), times=1)
    batch = client.held(client.submit(entries(6)), 2)
    assert client.ended(client.submit(entries(6))).status == "completed"
    assert (client.now(batch).status, counts(client.now(batch))) == ("in_progress", (6, 2, 0))
    client.sandbox.scenarios.release()
    assert counts(client.ended(batch)) == (6, 6, 0)


def test_release_is_for_those_that_are_held(client: Client) -> None:
    """A later batch of the same plan is held again."""
    client.sandbox.scenarios.plan(BatchPlan(hold_after=0))
    first = client.held(client.submit(entries(1)), 0)
    client.sandbox.scenarios.release()
    client.ended(first)
    second = client.submit(entries(1))
    assert counts(client.held(second, 0)) == (1, 0, 0)
    client.sandbox.scenarios.release()
    assert counts(client.ended(second)) == (1, 1, 0)


def test_failed_validation_is_told(client: Client) -> None:
    """The message is in `errors`, and nothing is worked."""
    batch = client.run(entries(3), BatchPlan(fail_validation="The model is not for batches."))
    assert (batch.status, client.sandbox.billing.entries) == ("failed", [])
    assert batch.errors is not None
    assert [error.message for error in batch.errors.data or []] == ["The model is not for batches."]


def test_plan_is_for_so_many_batches(client: Client) -> None:
    """Then all goes well again."""
    client.sandbox.scenarios.plan(BatchPlan(fail=1.0), times=2)
    done = [counts(client.ended(client.submit(entries(1)))) for _ in range(3)]
    assert done == [(1, 0, 1), (1, 0, 1), (1, 1, 0)]


def test_delay_holds_each_line_back(client: Client) -> None:
    """Nothing is worked before it is over; a cancelled batch does not wait for it."""
    client.sandbox.scenarios.plan(BatchPlan(delay_s=600))
    batch = client.held(client.submit(entries(6)), 0)
    assert client.sandbox.billing.entries == []
    client.official.batches.cancel(batch.id)
    assert client.ended(batch).status == "cancelled"
    assert client.sandbox.billing.entries == []


def test_bug_in_drawing_is_a_server_error_of_its_line(caplog: pytest.LogCaptureFixture) -> None:
    """The other lines are worked."""

    def broken(request: Any, index: int) -> bytes:
        if request.prompt == "bug":
            raise RuntimeError("bug")
        return plain(request, index)

    with client_of(broken) as client, caplog.at_level(logging.CRITICAL):
        batch = client.run([entry("good"), entry("bad", prompt="bug")])
        assert counts(batch) == (2, 1, 1)
        assert client.results(batch.error_file_id)["bad"]["response"]["status_code"] == 500
