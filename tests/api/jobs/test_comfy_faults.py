"""The fault table of comfy.org: an Idempotency-Key per job makes it safe to ask again, now and after a crash."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai_image_nodes.api.errors import (
    BadAnswerError,
    ModeratedError,
    NoKeyError,
    OpenAIImageError,
    OutcomeUnknownError,
    OutOfCreditError,
    RateLimitError,
    RefusedError,
    ServiceDownError,
    StillRunningError,
)
from openai_image_nodes.api.jobs.job import JobHandle
from openai_image_nodes.api.store.records import StoredAnswer
from openai_image_nodes.api.transport import client
from openai_image_nodes.sandbox.state import KEPT_S
from support.asker import Asker, Server, large_part, painted, plain, until
from support.faults import Fault, Faults

Script = Callable[[Faults], Any]
REPLAYED = {"Idempotent-Replayed": "true"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker.fresh(server, "comfy.org", monkeypatch)


def conflict(faults: Faults, kind: str, **headers: str) -> Faults:
    """Answer as comfy.org's proxy does where a key was seen before (ComfyUI PR #16220)."""
    body = {"error": kind, "message": "This Idempotency-Key was seen before."}
    return faults.answer(409, body, headers={"X-Comfy-Error-Type": kind, **headers})


RECOVERED: dict[str, tuple[Script, int]] = {  # what is scripted, POSTs until the picture is there
    "nothing wrong": (lambda faults: None, 1),
    "drop after the body": (lambda faults: faults.drop("after_body"), 2),
    "drop after the work": (lambda faults: faults.drop("after_work"), 2),
    "drop in the middle of the answer": (lambda faults: faults.drop("in_answer"), 2),
    "three drops": (lambda faults: faults.drop("after_work", times=3), 4),
    "502": (lambda faults: faults.answer(502, "<html>Bad Gateway</html>"), 2),
    "504 after the work": (lambda faults: faults.drop("after_work").answer(504), 3),
    "500": (lambda faults: faults.status(500), 2),
    "503 without a word": (lambda faults: faults.answer(503), 2),
    "503 of the key store": (lambda faults: faults.status(503, headers={"Retry-After": "0.01"}), 2),
    "408": (lambda faults: faults.status(408), 2),
    "429": (lambda faults: faults.status(429, headers={"Retry-After": "0.01"}), 2),
    "409 in flight": (lambda faults: conflict(faults, "idempotency_in_flight", **{"Retry-After": "0.01"}), 2),
    "409 in flight, by its body": (lambda faults: faults.answer(409, {"error_type": "idempotency_in_flight"}), 2),
    "drop, then 429": (lambda faults: faults.drop("after_work").status(429, headers={"Retry-After": "0.01"}), 3),
}


@pytest.mark.parametrize(("script", "posts"), RECOVERED.values(), ids=RECOVERED)
def test_request_is_asked_again_under_one_key_and_billed_once(asker: Asker, script: Script, posts: int) -> None:
    """The picture comes; the next run costs nothing."""
    script(asker.faults)
    answer = asker.ask()
    assert answer.pictures == [painted("a red fox")]
    assert (asker.faults.posts, asker.faults.billed) == (posts, 1)
    assert len(set(asker.server.keys)) == 1
    assert asker.server.keys[0]
    again, kept = asker.next_run()
    assert (again, kept.pictures, kept.reused) == (0, answer.pictures, True)


def test_each_job_has_a_key_of_its_own(asker: Asker) -> None:
    """Another prompt, another seed and asking again on purpose are other keys."""
    for options in ({}, {"prompt": "a hare"}, {"seed": 1}, {"reuse": False}):
        asker.ask(**options)
    assert len(set(asker.server.keys)) == asker.faults.billed == 4


@pytest.mark.parametrize(
    "failure", [Fault(status=500, body=b'{"error": {"message": "boom"}}'), Fault(status=502), Fault(status=429)]
)
def test_replayed_failure_is_asked_again_under_a_new_key(asker: Asker, failure: Fault) -> None:
    """The old key would only tell the old failure again."""
    asker.faults.drop("after_body").add(Fault(status=failure.status, body=failure.body, headers=REPLAYED))
    assert asker.ask().pictures == [painted("a red fox")]
    assert (asker.faults.posts, asker.faults.billed) == (3, 1)
    assert len(set(asker.server.keys)) == 2
    assert asker.next_run()[0] == 0


def test_nothing_old_can_be_told_again_under_a_key_that_is_new(asker: Asker) -> None:
    """A gateway that marks every failure so has another key pay for the same once more."""
    asker.faults.add(Fault(status=502, headers=REPLAYED))
    assert asker.ask().pictures == [painted("a red fox")]
    assert (asker.faults.posts, len(set(asker.server.keys))) == (2, 1)


def test_request_that_still_runs_keeps_its_key_whatever_is_told_again(asker: Asker) -> None:
    """A new key would pay for the same once more."""
    headers = {**REPLAYED, "X-Comfy-Error-Type": "idempotency_in_flight", "Retry-After": "0.01"}
    asker.faults.answer(409, {"message": "This Idempotency-Key was seen before."}, headers=headers)
    assert asker.ask().pictures == [painted("a red fox")]
    assert (asker.faults.posts, len(set(asker.server.keys))) == (2, 1)


def test_replayed_failure_does_not_count_as_a_try(asker: Asker) -> None:
    """A fresh 500, its replay, and so on: the service itself still gets its three tries."""
    failure = {"error": {"message": "boom", "type": "server_error"}}
    asker.faults.answer(500, failure).answer(500, failure, headers=REPLAYED)
    asker.faults.answer(500, failure).answer(500, failure, headers=REPLAYED)
    assert asker.ask().pictures == [painted("a red fox")]
    assert asker.faults.posts == 5


@pytest.mark.parametrize("kind", ["idempotency_consumed", "idempotency_mismatch"])
def test_key_whose_answer_is_gone_is_not_replaced_by_itself(asker: Asker, kind: str) -> None:
    """It was billed and cannot be had again: only who asks for it pays once more."""
    conflict(asker.faults, kind)
    with pytest.raises(OutcomeUnknownError, match=kind):
        asker.ask()
    assert asker.faults.posts == 1
    again, outcome = asker.next_run()
    assert again == 0
    assert isinstance(outcome, OutcomeUnknownError)
    paid, answer = asker.next_run(reuse=False)
    assert (paid, answer.pictures) == (1, [painted("a red fox")])
    assert asker.next_run()[0] == 0
    assert len(set(asker.server.keys)) == 2


SPENT: dict[str, tuple[int, dict[str, str]]] = {
    "an old failure told again": (409, REPLAYED),
    "a refusal for good": (422, {}),
    "a bad request": (400, REPLAYED),
    "one too many": (429, REPLAYED),
    "one too many, once": (429, {"Retry-After": "0"}),
    "a failure": (500, REPLAYED),
}


@pytest.mark.parametrize("kind", ["idempotency_consumed", "idempotency_mismatch"])
@pytest.mark.parametrize(("status", "headers"), SPENT.values(), ids=SPENT)
def test_spent_key_is_not_replaced_whatever_stands_beside_it(
    asker: Asker, kind: str, status: int, headers: dict[str, str]
) -> None:
    """Neither a status that is final otherwise nor the mark of a replay makes a second purchase of it."""
    error = {"error": kind, "message": "This Idempotency-Key was seen before."}
    asker.faults.answer(status, error, headers={"X-Comfy-Error-Type": kind, **headers})
    with pytest.raises(OutcomeUnknownError, match=kind):
        asker.ask()
    assert asker.faults.posts == 1
    again, outcome = asker.next_run()
    assert again == 0
    assert isinstance(outcome, OutcomeUnknownError)


def test_key_whose_time_has_lapsed_is_not_replaced_by_itself(asker: Asker) -> None:
    """The same from the proxy's own mouth: the answer was lost, and then its replay was forgotten."""
    asker.faults.drop("after_work", times=4)
    with pytest.raises(OutcomeUnknownError):
        asker.ask()
    asker.server.sandbox.clock.advance(KEPT_S)
    posts, outcome = asker.next_run()
    assert posts == 1
    assert isinstance(outcome, OutcomeUnknownError)
    assert outcome.code == "idempotency_consumed"
    assert asker.next_run()[0] == 0
    assert asker.faults.billed == 1


LATER: dict[str, tuple[Script, type[OpenAIImageError]]] = {  # four tries or a last word, after one that was billed
    "drops": (lambda faults: faults.drop("after_work", times=4), OutcomeUnknownError),
    "gateway": (lambda faults: faults.drop("after_work").answer(502, times=3), OutcomeUnknownError),
    "401": (lambda faults: faults.drop("after_work").status(401), OutcomeUnknownError),
    "402": (lambda faults: faults.drop("after_work").status(402), OutcomeUnknownError),
    "403": (lambda faults: faults.drop("after_work").status(403), OutcomeUnknownError),
    "500": (lambda faults: faults.drop("after_work").status(500, times=3), OutcomeUnknownError),
    "409 too long": (
        lambda faults: conflict(faults.drop("after_work"), "idempotency_in_flight", **{"Retry-After": "9999"}),
        StillRunningError,
    ),
    "429 too long": (
        lambda faults: faults.drop("after_work").status(429, headers={"Retry-After": "999"}),
        OutcomeUnknownError,
    ),
}


@pytest.mark.parametrize(("script", "kind"), LATER.values(), ids=LATER)
def test_what_was_billed_and_not_had_is_had_by_the_next_run(
    asker: Asker, script: Script, kind: type[OpenAIImageError]
) -> None:
    """However the run ends: its key is kept, and the next run gets the picture that was paid."""
    script(asker.faults)
    with pytest.raises(kind) as caught:
        asker.ask()
    assert "not sent again" not in str(caught.value)
    assert "reuse" not in str(caught.value)
    posts, answer = asker.next_run()
    assert (posts, answer.pictures) == (1, [painted("a red fox")])
    assert (asker.faults.billed, len(set(asker.server.keys))) == (1, 1)
    assert asker.next_run()[0] == 0


def test_cancelled_run_does_not_forget_the_key_of_an_earlier_one(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the moment before it asks again: the paid picture is still there for the run after that."""
    asker.faults.drop("after_work", times=4)
    with pytest.raises(OutcomeUnknownError):
        asker.ask()
    about_to_send = JobHandle.about_to_send

    def left_before(running: JobHandle) -> None:
        running.leave()
        about_to_send(running)

    with monkeypatch.context() as stopped:
        stopped.setattr(JobHandle, "about_to_send", left_before)
        running = asker.submit()
        until(running.future.done)
    posts, answer = asker.next_run()
    assert (posts, answer.pictures) == (1, [painted("a red fox")])
    assert (asker.faults.billed, len(set(asker.server.keys))) == (1, 1)


@pytest.mark.slow
def test_upload_that_breaks_after_a_lost_answer_keeps_the_key(asker: Asker) -> None:
    """The newest try was never whole, but an older one may have been paid."""
    asker.faults.drop("after_work").drop("before_body", times=4)
    with pytest.raises(OutcomeUnknownError, match=r"An earlier try of it may have been billed\. Run again"):
        asker.ask(files=[large_part()])
    posts, answer = asker.next_run(files=[large_part()])
    assert (posts, answer.pictures) == (1, [painted("a red fox")])
    assert (asker.faults.billed, len(set(asker.server.keys))) == (1, 1)


REFUSED: dict[str, tuple[Script, type[OpenAIImageError]]] = {
    "402": (lambda faults: faults.status(402, message="Payment Required"), OutOfCreditError),
    "401": (lambda faults: faults.answer(401, {"message": "expired"}), NoKeyError),
    "quota": (lambda faults: faults.status(429, code="insufficient_quota"), OutOfCreditError),
    "429 too long": (lambda faults: faults.status(429, headers={"Retry-After": "301"}), RateLimitError),
    "409 of another kind": (lambda faults: faults.answer(409, {"message": "Contact support"}), RefusedError),
    "moderation": (lambda faults: faults.status(400, code="moderation_blocked"), ModeratedError),
    "400": (lambda faults: faults.answer(400, {"error": "bad_request", "message": "no"}), RefusedError),
    "replayed refusal": (
        lambda faults: faults.add(
            Fault(status=400, body=b'{"error": {"message": "no", "code": "moderation_blocked"}}', headers=REPLAYED)
        ),
        ModeratedError,
    ),
    "refusal after a drop": (
        lambda faults: faults.drop("after_body").status(400, code="moderation_blocked"),
        ModeratedError,
    ),
    "500 three times": (lambda faults: faults.status(500, times=3), ServiceDownError),
}


@pytest.mark.parametrize(("script", "kind"), REFUSED.values(), ids=REFUSED)
def test_refusals_are_final_and_the_next_run_has_a_new_key(
    asker: Asker, script: Script, kind: type[OpenAIImageError]
) -> None:
    """A key whose outcome is known is of no more use."""
    script(asker.faults)
    posts = asker.faults.waiting
    with pytest.raises(kind) as caught:
        asker.ask()
    assert caught.type is kind
    assert asker.faults.posts == posts
    assert asker.records == []
    assert asker.next_run()[0] == 1
    assert len(set(asker.server.keys)) == 2


@pytest.mark.parametrize("fault", [Faults.broken_json, Faults.no_data])
def test_answer_without_a_readable_picture_is_kept(asker: Asker, fault: Callable[[Faults], Any]) -> None:
    """It was paid, so it is not asked for again, not even under its key."""
    fault(asker.faults)
    with pytest.raises(BadAnswerError, match="kept in"):
        asker.ask()
    again, outcome = asker.next_run()
    assert again == 0
    assert isinstance(outcome, BadAnswerError)


@pytest.mark.slow
def test_timed_out_request_is_joined_at_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy answers 409 in flight while it works, and then gives the picture: billed once."""
    let = threading.Event()

    def slow(request: Any, index: int) -> bytes:
        assert let.wait(30)
        return plain(request, index)

    with Server(slow) as server:
        asker = Asker.fresh(server, "comfy.org", monkeypatch)
        monkeypatch.setattr(client, "SILENCE_TIMEOUT_S", 0.2)
        running = asker.submit()
        until(lambda: "still works on it" in running.stage())
        monkeypatch.setattr(client, "SILENCE_TIMEOUT_S", 30.0)
        let.set()
        assert running.future.result(30).pictures == [painted("a red fox")]
        running.leave()
        assert asker.faults.posts > 2
        assert (asker.faults.billed, len(set(server.keys))) == (1, 1)
        assert isinstance(asker.next_run()[1], StoredAnswer)
