"""What the tests of batches share: a sandbox behind the connection "openai batch", jobs to plan, and the counter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai_image_nodes.api.batch import records
from openai_image_nodes.api.batch import submit as submitting
from openai_image_nodes.api.batch.manager import BatchManager
from openai_image_nodes.api.batch.records import BatchRecord
from openai_image_nodes.api.connections import resolve as connections
from openai_image_nodes.api.connections.connection import Connection, HostSecrets
from openai_image_nodes.api.store.store import Store, stores

from support.faults import Fault, Faults
from support.node_calls import KEY, GPTImage, asked, awaited, half_mask, photo
from support.scenarios import ScriptedSandbox

BATCH = "openai batch"
MODEL = "gpt-image-2"
SMALL = {"model": MODEL, "size": "custom", "custom_width": 1024, "custom_height": 640, "quality": "low"}


@pytest.fixture
def faults() -> Faults:
    """What goes wrong on the way to the sandbox."""
    return Faults()


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, faults: Faults) -> Iterator[ScriptedSandbox]:
    """A sandbox that is what `openai` and `openai batch` reach; its list shows a batch soon."""
    monkeypatch.setattr(submitting, "SETTLES_AFTER_S", 0.2)
    monkeypatch.setattr(submitting, "LOOK_EVERY_S", 0.05)
    with ScriptedSandbox(middlewares=[faults]) as sandbox:
        use(monkeypatch, sandbox)
        yield sandbox


def use(monkeypatch: pytest.MonkeyPatch, sandbox: ScriptedSandbox) -> None:
    """Let `openai` and `openai batch` reach a sandbox."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{sandbox.base_url}/v1")


def run(**inputs: Any) -> Any:
    """Run the main node over the batch connection; None for each output where the job has no answer yet."""
    return awaited(GPTImage().api_call(**asked({"connection": BATCH, **SMALL, **inputs})))


def planned(**inputs: Any) -> bool:
    """Run the node and tell whether its branch was blocked."""
    return run(**inputs) == (None,) * 4


def edit(seed: int = 0, height: int = 48, width: int = 64) -> dict[str, Any]:
    """Return the inputs of an edit with a mask; pictures of 192x192 and more are too large to stand in a line."""
    image, mask = photo(height, width, seed=seed), half_mask(height, width)
    return {"seed": seed, "prompt": f"a hat, {seed}", "image": image, "mask": mask}


def store() -> Store:
    """Return the store of paid answers."""
    return stores()[0]


def resolved(name: str) -> Connection:
    """Return the connection of a name."""
    return connections.resolve(name, HostSecrets(), lambda: "")


def manager() -> BatchManager:
    """Return a counter for the paid store."""
    return BatchManager(store(), resolved)


def submit() -> list[Any]:
    """Submit all that was left half-way and all that is planned."""
    counter = manager()
    return counter.submit([*counter.left_half_way(), *counter.overview().parts])


def finish() -> list[Any]:
    """Go on with batches that were left half-way, wait for all, and collect them."""
    manager().submit(manager().left_half_way())
    return manager().watch(lambda _record: None, look_every_s=0.05)


def direct_posts(sandbox: ScriptedSandbox) -> int:
    """Return how many pictures were asked for directly."""
    return sum(count for path, count in sandbox.posts.items() if "/images/" in path)


def plan(count: int = 2) -> None:
    """Plan generations, which need two POSTs: their file, and the batch."""
    assert all(planned(seed=seed) for seed in range(count))


def collected(count: int) -> BatchRecord:
    """Finish the only batch and return it; its jobs are answered, and no picture was bought twice."""
    (record,) = finish()
    assert (record.state, record.answered) == (records.COLLECTED, count)
    assert all(run(seed=seed)[0] is not None for seed in range(count))
    return record


def answering(status: int) -> Fault:
    """Return a fault that answers with a status instead of the service."""
    return Fault(status=status, body=b"{}", headers={"Content-Type": "application/json"})
