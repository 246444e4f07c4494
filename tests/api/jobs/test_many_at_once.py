"""Many at once: they queue for a few places, and when one fails the others are safe."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from openai_image_nodes.api.errors import ModeratedError
from support.asker import Asker, Server, painted, until, until_quiet
from support.faults import Fault
from support.node_calls import GPTImage, asked, node

MANY = 200


class Meter(Server):
    """Counts how many POSTs are with the server at a time, and at most."""

    now = most = 0

    async def __call__(self, request: Any, handler: Any) -> Any:
        self.now += request.method == "POST"
        self.most = max(self.most, self.now)
        try:
            return await super().__call__(request, handler)
        finally:
            self.now -= request.method == "POST"


@pytest.fixture(scope="module")
def server() -> Iterator[Meter]:
    with Meter() as started:
        yield started


@pytest.fixture
def asker(server: Meter, monkeypatch: pytest.MonkeyPatch) -> Asker:
    server.most = 0
    return Asker.fresh(server, "openai", monkeypatch)


def all_of(asker: Asker, count: int) -> None:
    """Ask for so many pictures at once and check each."""
    prompts = [f"fox {index}" for index in range(count)]
    running = [asker.submit(prompt) for prompt in prompts]
    for prompt, one in zip(prompts, running, strict=True):
        assert one.future.result(60).pictures == [painted(prompt)]
        one.leave()


@pytest.mark.slow
@pytest.mark.parametrize(("told", "places"), [(None, 4), ("7", 7), ("1", 1), ("0", 1)])
def test_so_many_are_in_flight_and_no_more(
    asker: Asker, server: Meter, monkeypatch: pytest.MonkeyPatch, told: str | None, places: int
) -> None:
    """Four, or as the environment says; all are billed once."""
    if told is not None:
        monkeypatch.setenv("OPENAI_IMAGE_NODES_MAX_IN_FLIGHT", told)
    count = MANY if told is None else 20
    gates = [asker.faults.hold() for _ in range(places)]
    running = [asker.submit(f"held {index}") for index in range(places)]
    until(lambda: server.now == places)
    waiting = [asker.submit(f"fox {index}") for index in range(count - places)]
    for gate in gates:
        gate.set()
    assert len({one.future.result(60).pictures[0] for one in [*running, *waiting]}) == count
    assert (server.most, asker.faults.posts, asker.faults.billed) == (places, count, count)
    assert len(asker.records) == count


@pytest.mark.slow
@pytest.mark.parametrize("teacher", [Fault(), Fault(status=429)])
def test_limit_of_the_service_is_respected(server: Meter, monkeypatch: pytest.MonkeyPatch, teacher: Fault) -> None:
    """comfy.org tells how many it takes at a time, with pictures and with refusals."""
    asker = Asker.fresh(server, "comfy.org", monkeypatch)
    asker.faults.add(Fault(status=teacher.status, headers={"X-Concurrency-Limit": "1", "Retry-After": "0.01"}))
    asker.ask("the first")
    server.most = 0
    all_of(asker, 12)
    assert server.most == 1


def test_services_do_not_wait_for_each_other(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The places are those of one service."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_MAX_IN_FLIGHT", "1")
    gate = asker.faults.hold()
    held = asker.submit("held")
    until(lambda: asker.faults.posts)
    asker.name = "comfy.org"
    assert asker.ask().pictures == [painted("a red fox")]
    gate.set()
    held.future.result(30)


def test_same_job_many_times_at_once_is_one_request(asker: Asker) -> None:
    """All who ask get the one picture."""
    gate = asker.faults.hold()
    running = [asker.submit() for _ in range(20)]
    until(lambda: asker.faults.posts)
    gate.set()
    assert {one.future.result(30).pictures[0] for one in running} == {painted("a red fox")}
    assert asker.faults.posts == 1


def listed(prompts: list[str]) -> None:
    """Map the node over a list of prompts, as ComfyUI does; the first error ends the prompt and its loop."""

    async def prompt() -> None:
        await asyncio.gather(*[GPTImage().api_call(**asked({"prompt": each})) for each in prompts])

    asyncio.run(prompt())


def test_list_of_prompts_with_one_refused_pays_only_for_that_one_again(asker: Asker) -> None:
    """Four prompts, one is refused while the others are out: the next run sends exactly one request."""
    prompts = ["a fox", "a hare", "a hen", "an owl"]
    gates = [asker.faults.hold() for _ in range(3)]
    asker.faults.status(400, code="moderation_blocked")
    with pytest.raises(ModeratedError):
        listed(prompts)
    assert (asker.faults.posts, asker.faults.billed) == (4, 0)
    for gate in gates:
        gate.set()
    until_quiet()
    assert asker.faults.billed == 3
    listed(prompts)
    assert (asker.faults.posts, asker.faults.billed) == (5, 4)
    assert all(node(prompt=each)[2]["reused"] for each in prompts)
    assert asker.faults.posts == 5
