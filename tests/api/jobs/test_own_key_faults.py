"""The fault table of a connection without idempotency: what the server sees, and what the next run costs.

A request whose body went out whole is never sent a second time, but where the service itself says that it made
nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai_image_nodes.api.connections import connection
from openai_image_nodes.api.errors import OutcomeUnknownError, RateLimitError
from openai_image_nodes.api.transport import client
from support.asker import Asker, Server, painted, until
from support.faults import Faults

Script = Callable[[Faults], Any]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker.fresh(server, "openai", monkeypatch)


RECOVERED: dict[str, tuple[Script, int]] = {  # what is scripted, POSTs until the picture is there
    "nothing wrong": (lambda faults: None, 1),
    "429 with Retry-After": (lambda faults: faults.status(429, headers={"Retry-After": "0.01"}), 2),
    "429 with retry-after-ms": (lambda faults: faults.status(429, headers={"retry-after-ms": "5"}), 2),
    "429 with x-ratelimit-reset": (lambda faults: faults.status(429, headers={"x-ratelimit-reset-images": "5ms"}), 2),
    "429 in words": (lambda faults: faults.status(429, message="Limit 5, Used 5. Please try again in 240ms."), 2),
    "429 without a word": (lambda faults: faults.answer(429), 2),
    "429 four times": (lambda faults: faults.status(429, headers={"Retry-After": "0"}, times=4), 5),
}


@pytest.mark.parametrize(("script", "posts"), RECOVERED.values(), ids=RECOVERED)
def test_picture_comes_when_the_service_said_that_it_made_none(asker: Asker, script: Script, posts: int) -> None:
    """Billed once, and the next run costs nothing."""
    script(asker.faults)
    answer = asker.ask()
    assert (answer.pictures, answer.reused) == ([painted("a red fox")], False)
    assert (asker.faults.posts, asker.faults.billed) == (posts, 1)
    again, kept = asker.next_run()
    assert (again, kept.pictures, kept.reused) == (0, answer.pictures, True)


OVERLOADED: dict[str, tuple[Script, int]] = {
    "503 twice": (lambda faults: faults.status(503, code="server_is_overloaded", times=2), 3),
    "503 by its type": (lambda faults: faults.status(503, type="service_unavailable_error"), 2),
    "500 slow_down": (lambda faults: faults.status(500, code="slow_down"), 2),
}


@pytest.mark.parametrize(("script", "posts"), OVERLOADED.values(), ids=OVERLOADED)
def test_openais_own_overload_made_nothing(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, script: Script, posts: int
) -> None:
    """Its documented overload is waited for, at its own host only; see LOST for the same words of others."""
    monkeypatch.setattr(connection, "OPENAI_HOSTS", ("127.0.0.1",))
    script(asker.faults)
    assert asker.ask().pictures == [painted("a red fox")]
    assert (asker.faults.posts, asker.faults.billed) == (posts, 1)


@pytest.mark.parametrize("host", ["api.openai.com.evil.example", "api-openai.com", "openai.com.relay.example"])
def test_look_alikes_of_openai_are_relays(host: str) -> None:
    """The host is compared as a whole."""
    assert not connection.Connection(name="x", kind="openai", base_url=f"https://{host}/v1").is_openai


def test_429_with_a_code_that_nobody_knows_goes_out_once(asker: Asker) -> None:
    """It may be another server's failure passed on; the person decides."""
    asker.faults.status(429, code="channel_weird_state")
    with pytest.raises(RateLimitError):
        asker.ask()
    assert asker.faults.posts == 1


LOST: dict[str, tuple[Script, int]] = {  # what is scripted, how often the service billed it
    "drop of a small request, unread": (lambda faults: faults.drop("before_body"), 0),
    "drop after the body": (lambda faults: faults.drop("after_body"), 0),
    "drop after the work": (lambda faults: faults.drop("after_work"), 1),
    "drop in the middle of the answer": (lambda faults: faults.drop("in_answer"), 1),
    "500 of a gateway": (lambda faults: faults.answer(500, "<html>oops</html>"), 0),
    "502": (lambda faults: faults.answer(502, "<html>Bad Gateway</html>"), 0),
    "502 with words": (lambda faults: faults.status(502), 0),
    "503 of a gateway": (lambda faults: faults.answer(503), 0),
    "504": (lambda faults: faults.answer(504, "<html>Gateway Timeout</html>"), 0),
    "408": (lambda faults: faults.status(408), 0),
    "429, then a drop": (lambda faults: faults.answer(429).drop("after_work"), 1),
    "429, then 500": (lambda faults: faults.answer(429).status(500), 0),
    "500 in the words of a relay": (
        lambda faults: faults.status(500, message="read response body failed", code="read_response_body_failed"),
        0,
    ),
    "500 that wants to be repeated": (lambda faults: faults.status(500, headers={"x-should-retry": "true"}), 0),
    "503 of a relay over OpenAI": (lambda faults: faults.status(503, code="server_is_overloaded"), 0),
    "503 with a time to come back": (lambda faults: faults.status(503, headers={"Retry-After": "0"}), 0),
    "520 as JSON": (lambda faults: faults.answer(520, {"error": "upstream connect error"}), 0),
    "529 as FastAPI says it": (lambda faults: faults.answer(529, {"detail": [{"loc": ["x"], "msg": "busy"}]}), 0),
    "200 that means a failure": (
        lambda faults: faults.answer(200, {"error": {"message": "Request timed out.", "type": "upstream_error"}}),
        0,
    ),
    "200 that means a 502": (lambda faults: faults.answer(200, {"error": {"message": "no", "code": 502}}), 0),
    "409 of a key that we never sent": (lambda faults: faults.status(409, code="idempotency_in_flight"), 0),
    "400 of a request that still runs": (
        lambda faults: faults.status(400, message="This request is already being processed."),
        0,
    ),
    "422 of a server behind that took too long": (lambda faults: faults.status(422, message="upstream timed out"), 0),
    "424": (lambda faults: faults.answer(424, {"message": "Failed Dependency"}), 0),
    "429 of a picture that was made": (
        lambda faults: faults.status(429, message="Image was generated but is lost", code="rate_limit_exceeded"),
        0,
    ),
    "404 of a picture that was made": (lambda faults: faults.status(404, message="result has expired"), 0),
    "504 with a code": (lambda faults: faults.status(504, code="do_request_failed", message="upstream"), 0),
}


@pytest.mark.parametrize(("script", "billed"), LOST.values(), ids=LOST)
def test_what_may_be_billed_is_never_sent_again(asker: Asker, script: Script, billed: int) -> None:
    """Not in this run and not in the next: that one says when it was sent and how to pay again. Paying clears it."""
    script(asker.faults)
    posts = asker.faults.waiting
    with pytest.raises(OutcomeUnknownError, match="may have been billed"):
        asker.ask()
    assert (asker.faults.posts, asker.faults.billed) == (posts, billed)
    for _ in range(2):
        again, outcome = asker.next_run()
        assert again == 0
        assert isinstance(outcome, OutcomeUnknownError)
        assert "was sent at 20" in str(outcome)
        assert "switch reuse off or change the seed" in str(outcome)
    paid, answer = asker.next_run(reuse=False)
    assert (paid, answer.pictures) == (1, [painted("a red fox")])
    assert asker.next_run()[0] == 0
    assert [record.state for record in asker.records] == ["answered"]


def test_read_timeout_may_be_billed(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that works too long is not asked again."""
    monkeypatch.setattr(client, "SILENCE_TIMEOUT_S", 0.2)
    gate = asker.faults.hold()
    with pytest.raises(OutcomeUnknownError, match="time ran out"):
        asker.ask()
    assert asker.faults.posts == 1
    gate.set()
    until(lambda: asker.faults.billed)
    again, outcome = asker.next_run()
    assert again == 0
    assert isinstance(outcome, OutcomeUnknownError)


def test_lost_request_can_be_asked_with_another_seed(asker: Asker) -> None:
    """Another seed is another job."""
    asker.faults.drop("after_body")
    with pytest.raises(OutcomeUnknownError):
        asker.ask()
    assert asker.next_run(seed=1)[0] == 1
    assert asker.next_run()[0] == 0


def test_lost_request_that_was_asked_again_on_purpose_is_remembered_too(asker: Asker) -> None:
    """After reuse=false was lost, an ordinary run does not send it a second time."""
    asker.faults.drop("after_work")
    with pytest.raises(OutcomeUnknownError):
        asker.ask(reuse=False)
    for _ in range(2):
        again, outcome = asker.next_run()
        assert again == 0
        assert isinstance(outcome, OutcomeUnknownError)
    assert asker.next_run(reuse=False)[0] == 1
    assert [record.state for record in asker.records] == ["answered"]


def test_lost_request_does_not_hide_an_older_answer(asker: Asker) -> None:
    """What was paid before is still given."""
    asker.ask()
    asker.faults.drop("after_body")
    with pytest.raises(OutcomeUnknownError):
        asker.ask(reuse=False)
    again, answer = asker.next_run()
    assert (again, answer.pictures) == (0, [painted("a red fox")])


def test_record_that_cannot_be_read_is_forgotten_once_it_is_paid_again(asker: Asker) -> None:
    """It says nothing of an answer, and would keep from the next run what came to another one."""
    asker.faults.drop("after_body")
    with pytest.raises(OutcomeUnknownError):
        asker.ask()
    (lost,) = (asker.store.root / "pending").iterdir()
    (lost / "record.json").write_text('{"identity": "another"}')
    asker.ask(reuse=False)
    assert not lost.exists()


def test_answer_that_came_is_found_beside_a_record_that_cannot_be_read(asker: Asker) -> None:
    """It is paid, and nobody had it."""
    asker.faults.drop("after_body")
    with pytest.raises(OutcomeUnknownError):
        asker.ask(reuse=False)
    (lost,) = (asker.store.root / "pending").iterdir()
    told = {"data": [{"b64_json": base64.b64encode(painted("late")).decode()}]}
    (lost / "answer.json").write_text(json.dumps(told))
    damaged = lost.with_name(f"{lost.name.partition('-')[0]}-00000000")
    damaged.mkdir()
    (damaged / "record.json").write_text('{"identity": "another"}')
    posts, answer = asker.next_run(reuse=False)
    assert (posts, answer.pictures) == (0, [painted("late")])
