"""Batches and the day's budget: they count from when they are submitted until they are collected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.api.batch import records
from openai_image_nodes.api.batch.records import BatchLedger, BatchRecord
from openai_image_nodes.api.errors import OutOfCreditError
from openai_image_nodes.api.store import spending
from support.batch_plans import faults, finish, manager, plan, planned, sandbox, store, submit
from support.scenarios import BatchPlan, ScriptedSandbox

__all__ = ["faults", "sandbox"]  # pytest finds them here
BUDGET = "OPENAI_IMAGE_NODES_BUDGET_USD_PER_DAY"


def held() -> float:
    return sum(spending._held(store().root, spending.today()).values())


def test_batch_counts_from_submit_until_it_is_collected(
    sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the day is another: what it costs is known only then."""
    sandbox.scenarios.plan(BatchPlan(hold_after=0), times=1)
    plan(2)
    (record,) = submit()
    assert held() == pytest.approx(record.high_usd)
    monkeypatch.setattr(spending, "today", lambda: "2031-01-01")
    assert held() == pytest.approx(record.high_usd)
    monkeypatch.setenv(BUDGET, f"{held():.6f}")
    plan(3)
    with pytest.raises(OutOfCreditError, match="on their way"):
        submit()
    monkeypatch.undo()


def test_collected_batch_holds_nothing(sandbox: ScriptedSandbox) -> None:
    """Nor one that is given up, or that the service refused."""
    plan(1)
    submit()
    assert held() > 0
    finish()
    assert held() == 0
    sandbox.scenarios.plan(BatchPlan(hold_after=0), times=1)
    assert planned(seed=5)
    (record,) = submit()
    assert held() > 0
    manager().give_up(record)
    assert held() == 0


def test_crash_as_a_batch_ends_holds_nothing_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is over then, so nobody would write it down once more, and each day's budget would be less by it."""
    ledger = BatchLedger(store())
    fields: dict[str, Any] = {
        "connection": "openai batch",
        "service": "s",
        "model": "m",
        "operation": "edits",
        "count": 1,
    }
    record = ledger.begin(BatchRecord(id="one", **fields, held_usd=1.0), [])
    assert held() == 1
    write = records.write_atomic

    def until_the_crash(path: Path, data: bytes) -> None:
        write(path, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(records, "write_atomic", until_the_crash)
    record.state = records.COLLECTED
    with pytest.raises(KeyboardInterrupt):
        ledger.write(record)
    assert held() == 0


def test_plan_of_unknown_price_counts_at_the_dearest_known(
    sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown is not free."""
    plan(1)
    (path,) = (store().root / "batch" / "planned").glob("*.json")
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "fields": {**fields["fields"], "output_format": "gif"}, "high_usd": None}))
    monkeypatch.setenv(BUDGET, "0.001")
    with pytest.raises(OutOfCreditError):
        submit()
    assert sandbox.posts == {}
