"""Batches from plan to picture: nothing is sent by a run, and everything comes back into the store."""

from __future__ import annotations

import pytest
import torch
from openai_image_nodes.api.batch.plan import JobPlan
from openai_image_nodes.utils import png
from support.batch_plans import (
    BATCH,
    MODEL,
    direct_posts,
    edit,
    faults,
    finish,
    manager,
    planned,
    run,
    sandbox,
    store,
    submit,
)
from support.node_calls import node
from support.scenarios import ScriptedSandbox

__all__ = ["faults", "sandbox"]


def test_a_run_plans_and_sends_nothing(sandbox: ScriptedSandbox) -> None:
    """Three jobs, one of them twice: three in the plan, and not a single request."""
    assert planned(seed=1)
    assert planned(seed=2)
    assert planned(seed=2)
    assert planned(**edit(3))
    seen = manager().overview()
    assert [(part.operation, len(part.jobs)) for part in seen.parts] == [("generations", 2), ("edits", 1)]
    assert sandbox.posts == {}


def test_another_encoder_does_not_plan_the_pictures_once_more(
    sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same pixels in other bytes, as another version writes them: the plan keeps the files that it has."""
    assert planned(**edit(3))
    inputs = {path.name for path in (store().root / "batch" / "inputs").iterdir()}
    monkeypatch.setattr(png, "STRIPE_BYTES", 1)
    assert planned(**edit(3))
    assert {path.name for path in (store().root / "batch" / "inputs").iterdir()} == inputs
    (store().root / "batch" / "inputs" / min(inputs)).unlink()
    assert planned(**edit(3))
    assert all(JobPlan(store()).picture(file) for job in JobPlan(store()).each() for file in job.files)


@pytest.mark.slow
def test_answers_come_from_the_store_after_collecting(sandbox: ScriptedSandbox) -> None:
    """Equal to the direct path's pictures, without a direct request, at half the price."""
    jobs = [{"seed": 1, "prompt": "a fox"}, edit(2), edit(3)]
    assert all(planned(**job) for job in jobs)
    assert len(submit()) == 2
    done = finish()
    assert sorted(record.answered for record in done) == [1, 2]
    pictures = [run(**job)[0] for job in jobs]
    assert direct_posts(sandbox) == 0
    assert sum(record.usd for record in done) == pytest.approx(sandbox.billing.usd)
    for job, picture in zip(jobs, pictures, strict=True):
        again, _, report = node(**{"model": MODEL, "size": "custom", "custom_height": 640, **job}, reuse=False)
        assert torch.equal(again, picture)
        assert report["connection"] == "openai"
    assert direct_posts(sandbox) == 3
    assert BATCH in {record.connection for _, record in store().records()}
