"""Killed in the middle of each step of a batch: nothing is lost, nothing is paid twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from openai_image_nodes.api.batch import jsonl
from openai_image_nodes.api.store import spending as budget
from support.batch_plans import direct_posts, edit, faults, finish, manager, planned, run, sandbox, store, submit
from support.scenarios import ScriptedSandbox

pytestmark = pytest.mark.slow

__all__ = ["faults", "sandbox"]
CHILD = Path(__file__).resolve().parents[2] / "support" / "batch_process.py"
# The step before which the process is killed, and at which of its calls.
POINTS = {
    "written down": ("batch.submit", "BatchSubmitter", "_taken", 1),
    "half of the jobs taken": ("store.journal", "RequestJournal", "hand_over", 3),
    "pictures not sent": ("batch.client", "BatchService", "upload", 1),
    "half of the pictures sent": ("batch.client", "BatchService", "upload", 3),
    "not begun": ("batch.client", "BatchService", "create", 1),
    "begun, not written down": ("batch.submit", "BatchSubmitter", "_note", 1),
    "submitted": ("batch.manager", "BatchManager", "look", 1),
    "not downloaded": ("batch.client", "BatchService", "download", 1),
    "downloaded": ("batch.collect", "BatchCollector", "_keep_all", 1),
    "half of the answers kept": ("store.store", "Store", "save", 3),
    "answer kept, job not taken back": ("store.journal", "RequestJournal", "take_back", 3),
    "job taken back, still planned": ("batch.plan", "JobPlan", "remove", 3),
    "all kept": ("batch.records", "BatchLedger", "drop_large_files", 1),
}
JOBS = [edit(seed, 192, 192) for seed in range(4)]


def killed_at(point: str) -> None:
    """Let a process of its own submit and collect, and kill it before a step."""
    command = [sys.executable, str(CHILD), *map(str, POINTS[point])]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"there\n"
        child.kill()


@pytest.mark.parametrize("point", POINTS)
def test_killed_in_the_middle(sandbox: ScriptedSandbox, point: str) -> None:
    """One batch in all, each picture worked once, all of them in the store, and the bill is the store's sum."""
    assert all(planned(**job) for job in JOBS)
    big = [file for one in manager().overview().ready for file in one.files if not jsonl.is_inline(file)]
    assert len(big) == len(JOBS)  # so that pictures are uploaded
    killed_at(point)
    submit()
    finish()
    assert sandbox.posts["/v1/batches"] == 1
    assert sorted(entry.custom_id or "" for entry in sandbox.billing.entries) == sorted(
        record.identity for _, record in store().records()
    )
    kept = [record for _, record in store().records()]
    assert len(kept) == len(JOBS)
    assert sum(record.cost_usd or 0.0 for record in kept) == pytest.approx(sandbox.billing.usd)
    assert {record.state for record in kept} == {"answered"}
    assert manager().overview().ready == []
    assert all(run(**job)[0] is not None for job in JOBS)
    assert direct_posts(sandbox) == 0
    assert sum(sum(budget.spent(store().root, day).values()) for day in budget.days(store().root)) > 0
