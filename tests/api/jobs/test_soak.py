"""Five hundred requests with random faults: whatever was billed is kept, and nothing is billed twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from openai_image_nodes.api.errors import BadAnswerError, OpenAIImageError, OutcomeUnknownError
from openai_image_nodes.api.store.records import StoredAnswer
from support.asker import Asker, Server, connection, job, painted
from support.faults import Faults

pytestmark = [pytest.mark.slow, pytest.mark.longest]

SEED = 20261123
COUNT = 150  # for each of the two kinds of connection
NUMBER = "X-Number"

WAITS: dict[str, Callable[[Faults], Any]] = {
    "429": lambda faults: faults.status(429, headers={"Retry-After": "0.002"}),
    "500": lambda faults: faults.status(500),
    "503": lambda faults: faults.status(503, code="server_is_overloaded"),
}
LOSES: dict[str, Callable[[Faults], Any]] = {
    "before_body": lambda faults: faults.drop("before_body"),
    "after_body": lambda faults: faults.drop("after_body"),
    "after_work": lambda faults: faults.drop("after_work"),
    "in_answer": lambda faults: faults.drop("in_answer"),
    "502": lambda faults: faults.answer(502, "<html>Bad Gateway</html>"),
    "504": lambda faults: faults.answer(504),
}
REFUSES: dict[str, Callable[[Faults], Any]] = {
    "400": lambda faults: faults.status(400, code="moderation_blocked"),
    "402": lambda faults: faults.status(402),
    "quota": lambda faults: faults.status(429, code="insufficient_quota"),
}
SPOILS: dict[str, Callable[[Faults], Any]] = {
    "broken_json": lambda faults: faults.broken_json(),
    "no_data": lambda faults: faults.no_data(),
    "broken_picture": lambda faults: faults.broken_picture(),
    "late": lambda faults: faults.delay(before_s=0.01),
    "slow": lambda faults: faults.slow(0.01),
}
ALL = {**WAITS, **LOSES, **REFUSES, **SPOILS}
BILLED_AND_LOST = {"after_work", "in_answer"}
OWN_LOSES = {*LOSES, "500", "503"}  # a failure of a host that is not OpenAI's own may have been billed


class Numbered(Server):
    """A server with faults for each job: jobs tell their number in a header, so that threads change nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.by_number: dict[str, Faults] = {}

    async def __call__(self, request: Any, handler: Any) -> Any:
        faults = self.by_number.get(request.headers.get(NUMBER, ""), self.faults)
        return await faults(request, handler)


@pytest.fixture
def server() -> Iterator[Numbered]:
    with Numbered() as started:
        yield started


def plans(kinds: dict[str, Any]) -> list[list[str]]:
    """Return the faults of each job, the same ones each time; a third of the jobs has none."""
    dice = random.Random(SEED)
    plans = [dice.choices(sorted(kinds), k=dice.choice([0, 1, 1, 2, 3])) for _ in range(COUNT)]
    for plan in plans:
        while sum(fault in ("500", "503") for fault in plan) > 2:  # patience with these ends at two
            plan.remove("500" if "500" in plan else "503")
    return plans


def end_of(plan: list[str]) -> str | None:
    """Return the fault that ends a job without idempotency, or None."""
    return next((fault for fault in plan if fault != "429"), None)


def run_all(asker: Asker, server: Numbered, plans: list[list[str]]) -> list[StoredAnswer | OpenAIImageError]:
    """Run the jobs all at once, each with its plan of faults; return how each ended."""
    server.by_number = {str(number): Faults() for number in range(len(plans))}
    for faults, plan in zip(server.by_number.values(), plans, strict=True):
        for fault in plan:
            ALL[fault](faults)
    link = connection(asker.name)
    running = [
        asker.jobs.submit(job(replace(link, headers={**link.headers, NUMBER: str(number)}), f"fox {number}"))
        for number in range(len(plans))
    ]
    return [outcome(one.future) for one in running]


def outcome(future: Future[StoredAnswer]) -> StoredAnswer | OpenAIImageError:
    try:
        return future.result(120)
    except OpenAIImageError as exc:
        return exc


def counted(server: Numbered, what: str) -> list[int]:
    return [getattr(faults, what) for faults in server.by_number.values()]


def test_without_idempotency_all_that_came_is_kept_and_nothing_is_sent_twice(
    server: Numbered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was billed and lost on the wire can be had by nobody: exactly those jobs are known as lost."""
    asker = Asker.fresh(server, "openai", monkeypatch)
    monkeypatch.setenv("OPENAI_IMAGE_NODES_MAX_IN_FLIGHT", "16")
    planned = plans(ALL)
    first = run_all(asker, server, planned)
    lost = {number for number, plan in enumerate(planned) if end_of(plan) in OWN_LOSES}
    refused = {number for number, plan in enumerate(planned) if end_of(plan) in REFUSES}
    billed = counted(server, "billed")
    billed_and_lost = {number for number in lost if end_of(planned[number]) in BILLED_AND_LOST}
    assert max(billed) == 1
    assert {number for number, end in enumerate(first) if isinstance(end, OutcomeUnknownError)} == lost
    assert Counter(record.state for record in asker.records) == {"unknown": len(lost), "answered": len(asker.kept)}
    assert len(asker.kept) == sum(billed) - len(billed_and_lost) == COUNT - len(lost) - len(refused)

    asker.restart()
    second = run_all(asker, server, [[]] * COUNT)
    assert {number for number, posts in enumerate(counted(server, "posts")) if posts} == refused
    assert {number for number, end in enumerate(second) if isinstance(end, OutcomeUnknownError)} == lost
    assert len(asker.kept) == COUNT - len(lost)
    check_pictures(planned, second)


def test_with_idempotency_the_service_bills_what_the_store_holds(
    server: Numbered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every job is billed once and kept once, whatever was dropped on the way."""
    asker = Asker.fresh(server, "comfy.org", monkeypatch)
    monkeypatch.setenv("OPENAI_IMAGE_NODES_MAX_IN_FLIGHT", "16")
    monkeypatch.setattr("openai_image_nodes.api.transport.retry.KEYED_TRIES", 1)  # so that some jobs end on the way
    planned = plans({**WAITS, **LOSES, **SPOILS})
    first, billed = run_all(asker, server, planned), []
    assert any(isinstance(end, OutcomeUnknownError) for end in first)
    billed.append(counted(server, "billed"))
    assert len(asker.kept) == sum(isinstance(end, StoredAnswer | BadAnswerError) for end in first)

    asker.restart()
    second = run_all(asker, server, [[]] * COUNT)
    billed.append(counted(server, "billed"))
    assert [sum(both) for both in zip(*billed, strict=True)] == [1] * COUNT
    assert len(asker.kept) == COUNT
    assert {record.state for record in asker.records} == {"answered"}
    check_pictures(planned, second)


def check_pictures(planned: list[list[str]], ends: list[StoredAnswer | OpenAIImageError]) -> None:
    """Every answer is its own job's, but for what the server spoiled."""
    for number, (plan, end) in enumerate(zip(planned, ends, strict=True)):
        if isinstance(end, StoredAnswer) and "broken_picture" not in plan:
            assert end.pictures == [painted(f"fox {number}")]
        if isinstance(end, BadAnswerError):
            assert {"broken_json", "no_data"} & set(plan)
