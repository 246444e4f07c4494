"""What the service refuses: final at once in its own words, or waited for as it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai_image_nodes.api.connections import connection
from openai_image_nodes.api.errors import (
    ModeratedError,
    NoKeyError,
    OpenAIImageError,
    OutOfCreditError,
    RateLimitError,
    RefusedError,
    ServiceDownError,
    StillRunningError,
)
from openai_image_nodes.api.transport import retry as retries
from openai_image_nodes.api.transport.retry import RetryPolicy
from support.asker import Asker, Server, until
from support.faults import Faults

Script = Callable[[Faults], Any]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker.fresh(server, "openai", monkeypatch)


REFUSED: dict[str, tuple[Script, type[OpenAIImageError], str]] = {
    "quota": (
        lambda faults: faults.status(429, message="You exceeded your current quota", code="insufficient_quota"),
        OutOfCreditError,
        "You exceeded your current quota",
    ),
    "quota by type": (
        lambda faults: faults.status(429, message="No more", type="insufficient_quota", headers={"Retry-After": "1"}),
        OutOfCreditError,
        "No more",
    ),
    "billing limit": (
        lambda faults: faults.status(
            400, message="Billing hard limit has been reached", code="billing_hard_limit_reached"
        ),
        OutOfCreditError,
        "Billing hard limit has been reached",
    ),
    "spend limit": (
        lambda faults: faults.status(429, message="Project limit", code="project_spend_limit_exceeded"),
        OutOfCreditError,
        "Project limit",
    ),
    "402": (lambda faults: faults.status(402, message="No credits"), OutOfCreditError, "No credits"),
    "429 too long": (lambda faults: faults.status(429, headers={"Retry-After": "301"}), RateLimitError, "scripted"),
    "moderation": (
        lambda faults: faults.status(400, message="Rejected by the safety system.", code="moderation_blocked"),
        ModeratedError,
        "moderation_blocked",
    ),
    "400": (
        lambda faults: faults.status(400, message="Unknown parameter: 'x'.", code="unknown_parameter"),
        RefusedError,
        "Unknown parameter: 'x'",
    ),
    "401": (lambda faults: faults.status(401, code="invalid_api_key"), NoKeyError, "invalid_api_key"),
    "403": (lambda faults: faults.status(403, message="must be verified"), NoKeyError, "must be verified"),
    "404": (lambda faults: faults.status(404, code="model_not_found"), RefusedError, "model_not_found"),
    "409": (lambda faults: faults.status(409, message="account problem"), RefusedError, "account problem"),
    "413": (lambda faults: faults.answer(413, "<h1>Request Entity Too Large</h1>"), RefusedError, "Too Large"),
    "422": (lambda faults: faults.status(422), RefusedError, "HTTP 422"),
    "200 with an error": (
        lambda faults: faults.answer(200, {"error": {"message": "upstream said no", "code": "upstream_error"}}),
        RefusedError,
        "upstream said no",
    ),
}


@pytest.mark.parametrize(("script", "kind", "words"), REFUSED.values(), ids=REFUSED)
def test_refusals_are_final_and_leave_nothing_behind(
    asker: Asker, script: Script, kind: type[OpenAIImageError], words: str
) -> None:
    """One POST, the service's words and the request's id; the next run asks again."""
    script(asker.faults)
    with pytest.raises(kind, match=words) as caught:
        asker.ask()
    assert caught.type is kind
    assert asker.faults.posts == 1
    assert caught.value.request_id
    assert caught.value.request_id in str(caught.value)
    assert asker.records == []
    assert asker.next_run()[0] == 1


EXHAUSTED: dict[str, tuple[Script, int, type[OpenAIImageError]]] = {
    "500": (lambda faults: faults.status(500, code="slow_down", times=3), 3, ServiceDownError),
    "503": (lambda faults: faults.status(503, code="server_is_overloaded", times=3), 3, ServiceDownError),
    "503 that wants a long wait": (
        lambda faults: faults.status(503, code="server_is_overloaded", headers={"Retry-After": "999"}),
        1,
        ServiceDownError,
    ),
}


@pytest.mark.parametrize(("script", "posts", "kind"), EXHAUSTED.values(), ids=EXHAUSTED)
def test_patience_ends(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, script: Script, posts: int, kind: type[OpenAIImageError]
) -> None:
    """What OpenAI itself says to have failed is tried twice more; the next run asks again."""
    monkeypatch.setattr(connection, "OPENAI_HOSTS", ("127.0.0.1",))
    script(asker.faults)
    with pytest.raises(kind):
        asker.ask()
    assert asker.faults.posts == posts
    assert asker.next_run()[0] == 1


def test_rate_limits_are_waited_for_at_most_so_long_in_all(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three waits of 0.04 s fit into 0.1 s no longer."""
    monkeypatch.setattr(retries, "RATE_LIMIT_TOTAL_S", 0.1)
    asker.faults.status(429, headers={"Retry-After": "0.04"}, times=3)
    with pytest.raises(RateLimitError):
        asker.ask()
    assert asker.faults.posts == 3
    assert asker.next_run()[0] == 1


@pytest.mark.parametrize("kind", [RateLimitError, StillRunningError])
def test_patience_with_a_service_that_wants_no_wait_ends_too(kind: type[OpenAIImageError]) -> None:
    """Told to come back at once, again and again, we come back ever more slowly, and then no more."""
    told = RetryPolicy(idempotent=True)
    delays = [told.delay_after(kind("come back", retry_after_s=0.0)) for _ in range(200)]
    assert delays[0] == 0.0
    assert delays[-1] is None
    assert sum(delay is not None for delay in delays) < 150


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"Retry-After": "12"}, "", 12),
        ({"retry-after-ms": "12000", "Retry-After": "99"}, "", 12),
        ({"x-ratelimit-reset-images": "12s"}, "", 12),
        ({}, "Please try again in 12s.", 12),
        ({}, "Please try again in 1m30s.", 90),
    ],
)
def test_rate_limit_waits_as_told(asker: Asker, headers: dict[str, str], message: str, seconds: int) -> None:
    """The node shows for how long; who leaves meanwhile sends nothing."""
    asker.faults.status(429, message=message, headers=headers)
    running = asker.submit()
    until(lambda: f"next try in {seconds} s" in running.stage())
    running.leave()
    until(running.future.done)
    assert asker.faults.posts == 1
    assert asker.records == []
    assert asker.next_run()[0] == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_service_that_says_not_to_retry_is_obeyed(asker: Asker, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """`x-should-retry: false`, as the official client reads it: one request, then the error."""
    monkeypatch.setattr(connection, "OPENAI_HOSTS", ("127.0.0.1",))
    asker.faults.status(status, code="server_is_overloaded", headers={"x-should-retry": "false"})
    with pytest.raises((RateLimitError, ServiceDownError)):
        asker.ask()
    assert asker.faults.posts == 1
