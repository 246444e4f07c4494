"""What may be planned and submitted, what it costs, and how batches and direct runs keep out of each other's way."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from openai_image_nodes.api import config as home
from openai_image_nodes.api.backends.leases import acquire
from openai_image_nodes.api.batch import jsonl
from openai_image_nodes.api.batch.plan import JobPlan, PlannedFile, PlannedJob
from openai_image_nodes.api.catalog import pricing as prices
from openai_image_nodes.api.catalog.catalog import utc_today
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.errors import (
    BadAnswerError,
    OutcomeUnknownError,
    OutOfCreditError,
    RefusedError,
    StillRunningError,
)
from openai_image_nodes.api.store.journal import again
from openai_image_nodes.nodes.run import answers
from openai_image_nodes.utils.errors import BrokenPictureError
from support.batch_plans import (
    BATCH,
    MODEL,
    SMALL,
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
from support.node_calls import GPTImage, node, scribble, validated
from support.scenarios import BatchPlan, ScriptedSandbox

__all__ = ["faults", "sandbox"]
DIRECT = {**SMALL, "connection": "openai"}


def ending(days: int) -> None:
    """Let the catalog say that the model ends in so many days."""
    day = utc_today() + timedelta(days=days)
    override({"id": MODEL, "shutdown_date": day.isoformat(), "replacement": ["gpt-image-2.5-flare"]})


def override(entry: dict[str, object]) -> None:
    """Write a user's own entry of a model."""
    home.folder().mkdir(parents=True, exist_ok=True)
    (home.folder() / "models.json").write_text(json.dumps({"models": [entry]}))


@pytest.mark.parametrize("days", [0, 1])
def test_model_that_ends_before_the_batch_is_done_is_refused(sandbox: ScriptedSandbox, days: int) -> None:
    """At the run, and at the submit of what was planned before."""
    assert planned(seed=1)
    ending(days)
    with pytest.raises(RefusedError, match=r"gpt-image-2"):
        run(seed=2)
    with pytest.raises(RefusedError, match=r"gpt-image-2 is shut down on .* a batch may take 24 hours"):
        submit()
    assert sandbox.posts == {}
    ending(2)
    assert len(submit()) == 1


def test_model_that_no_batch_takes_is_refused(sandbox: ScriptedSandbox) -> None:
    """The catalog decides, and the message names a model that is known to work."""
    override({"id": "gpt-image-2.5-flare", "batch": {"supported": False}})
    with pytest.raises(RefusedError, match=r"gpt-image-2.5-flare cannot be asked for in a batch.*gpt-image-2\."):
        run(model="gpt-image-2.5-flare")
    assert manager().overview().ready == []
    assert "cannot be asked for in a batch" in str(validated(connection=BATCH, model="gpt-image-2.5-flare"))
    assert validated(connection="openai", model="gpt-image-2.5-flare") is True


def test_unconfirmed_model_may_be_tried(sandbox: ScriptedSandbox) -> None:
    """No source says whether batches take it: the service will."""
    assert planned(model="gpt-image-2.6-flare")
    assert len(submit()) == 1


def test_plan_that_the_disk_does_not_take_is_told_in_words(sandbox: ScriptedSandbox) -> None:
    """What is wrong, and what to look at: not a number of the system's."""
    store().root.mkdir(parents=True)
    (store().root / "batch").write_bytes(b"")
    with pytest.raises(RefusedError, match=r"^The store cannot be read or written: .*\. Check its disk and rights\.$"):
        run()


def test_markup_is_refused(sandbox: ScriptedSandbox) -> None:
    """The form of a batch has no place for it."""
    with pytest.raises(RefusedError, match="markup"):
        run(**{**edit(1), "mask": None}, markup=scribble(), model="gpt-image-2.6-flare")
    told = validated(connection=BATCH, model="gpt-image-2.6-flare", image=None, markup=None)
    assert "a batch takes no markup" in str(told)


def test_price_is_half(sandbox: ScriptedSandbox) -> None:
    """As the service lists it for gpt-image-2, and by its rule for a model without a list price of its own."""
    fields = {"model": MODEL, "prompt": "a fox", "size": "1024x1024", "quality": "high"}
    links = [Connection("openai", "https://api.openai.com/v1", batch=batch) for batch in (False, True)]
    for model in (MODEL, "gpt-image-2.5-flare"):
        direct, batch = (prices.estimate(link, {**fields, "model": model}, 0) for link in links)
        assert direct is not None
        assert batch is not None
        assert batch.high_usd == pytest.approx(direct.high_usd / 2)


def test_direct_run_does_not_pay_for_what_a_batch_works_on(sandbox: ScriptedSandbox) -> None:
    """It says so and sends nothing; with reuse off it is paid now, and both pictures are kept."""
    sandbox.scenarios.plan(BatchPlan(hold_after=0))
    assert planned(seed=1)
    submit()
    with pytest.raises(OutcomeUnknownError, match=r"already in a batch .* Collect the batch"):
        node(**DIRECT, seed=1)
    assert direct_posts(sandbox) == 0
    assert planned(seed=1)  # nor is it planned a second time
    assert manager().overview().ready == []
    node(**DIRECT, seed=1, reuse=False)
    assert direct_posts(sandbox) == 1
    sandbox.scenarios.release()
    assert finish()[0].answered == 1
    assert len(list(store().records())) == 2


def test_job_that_was_answered_directly_leaves_the_plan(sandbox: ScriptedSandbox) -> None:
    """Planned today, needed at once after all: the batch does not pay for it again."""
    assert planned(seed=1)
    assert planned(seed=2)
    node(**DIRECT, seed=1)
    assert [one.seed for one in manager().overview().ready] == [2]
    submit()
    assert finish()[0].count == 1
    assert len(sandbox.billing.entries) == 2


@pytest.mark.slow
@pytest.mark.parametrize("step", ["find", "lacks"])
def test_job_that_is_answered_directly_during_a_submit_is_bought_once(
    sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """To look through a large plan takes minutes: what was answered meanwhile went out all the same."""
    assert planned(seed=1)
    assert planned(seed=2)
    (part,), looked = manager().overview().parts, getattr(JobPlan, step)

    def meanwhile(plan: JobPlan, asked: object) -> object:
        monkeypatch.setattr(JobPlan, step, looked)
        with suppress(OutcomeUnknownError):  # "already in a batch"
            node(**DIRECT, seed=1)
        return looked(plan, asked)

    monkeypatch.setattr(JobPlan, step, meanwhile)
    assert manager().submit([part])
    assert finish()[0].answered + direct_posts(sandbox) == 2
    assert len(sandbox.billing.entries) == 2


@pytest.mark.parametrize("name", [str, again])
def test_what_was_sent_directly_and_got_lost_is_not_planned(
    sandbox: ScriptedSandbox, name: Callable[[str], str]
) -> None:
    """It may have been billed: planning it would pay for it again."""
    assert planned(seed=1)
    one = manager().overview().ready[0]
    manager().forget([one])
    folder = store().journal.folder(name(one.identity))
    record = {"state": "unknown", "identity": one.identity, "connection": "openai", "sent_at": 1.0}
    record |= {"service": one.service, "operation": one.operation, "model": one.model}
    folder.joinpath("record.json").write_text(json.dumps(record))
    with pytest.raises(OutcomeUnknownError, match="may have been billed"):
        run(seed=1)
    assert manager().overview().ready == []


def broken(*_given: object, **_named: object) -> None:
    raise BrokenPictureError("no picture")


@pytest.mark.slow
def test_reuse_off_plans_what_the_store_has(sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for again on purpose: what comes of it is given out once, or cannot be read; then another is planned."""
    node(**DIRECT, seed=1)
    assert run(seed=1)[0] is not None
    assert planned(seed=1, reuse=False)
    submit()
    assert finish()[0].answered == 1
    assert len(list(store().records())) == 2
    assert json.loads(run(seed=1, reuse=False)[2])["connection"] == "openai batch"
    assert planned(seed=1, reuse=False)
    assert json.loads(run(seed=1)[2])["connection"] == "openai batch"
    submit()
    finish()
    with monkeypatch.context() as patched:
        patched.setattr(answers, "pngs_to_image", broken)
        with pytest.raises(BadAnswerError, match="switch reuse off"):
            run(seed=1, reuse=False)
    assert planned(seed=1, reuse=False)
    for path in store().jobs.glob("*/record.json"):
        path.write_text("{")
    assert planned(seed=1, reuse=False)


def test_budget_is_asked_before_a_submit(sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would pass the day's sum is not sent."""
    assert planned(seed=1)
    monkeypatch.setenv("OPENAI_IMAGE_NODES_BUDGET_USD_PER_DAY", "0.0001")
    with pytest.raises(OutOfCreditError, match="Nothing was sent"):
        submit()
    assert sandbox.posts == {}
    assert len(manager().overview().ready) == 1


def test_nobody_works_on_a_batch_that_somebody_else_has(sandbox: ScriptedSandbox) -> None:
    """Two people, one store: who is second is told, and nothing happens twice."""
    assert planned(seed=1)
    (record,) = submit()
    ours = acquire(store().root / "batch" / "batches" / record.id)
    assert ours is not None
    with pytest.raises(StillRunningError, match="Another process"):
        manager().collect(record)
    ours.release()
    assert finish()[0].answered == 1


def test_other_address_is_not_given_the_plan(sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that were planned for one service do not go to another."""
    assert planned(seed=1)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(RefusedError, match="jobs were planned for"):
        submit()


def test_node_looks_again_after_collecting_and_not_before(sandbox: ScriptedSandbox) -> None:
    """IS_CHANGED moves when answers may have come, and only over a batch connection."""
    assert planned(seed=1)
    before = GPTImage.IS_CHANGED(connection="openai batch")
    assert GPTImage.IS_CHANGED(connection="openai batch") == before
    submit()
    finish()
    assert GPTImage.IS_CHANGED(connection="openai batch") != before
    assert GPTImage.IS_CHANGED(connection="openai") == ""


def job(number: int, model: str = MODEL, operation: str = "generations", size: int = 0) -> PlannedJob:
    """Return a planned job, with a picture of so many bytes."""
    picture = PlannedFile(name="image", filename="a.png", digest="0", sha256=f"{number:064}", size=size)
    return PlannedJob(
        identity=f"{number:064}",
        connection="openai batch",
        service="https://api.openai.com/v1",
        operation=operation,
        model=model,
        fields={"prompt": "x"},
        files=[picture] if size else [],
    )


def test_plan_is_cut_by_model_and_endpoint() -> None:
    """One model and one endpoint a file."""
    jobs = [job(1), job(2, "gpt-image-2.5-flare"), job(3), job(4, operation="edits", size=9)]
    cut = [(part.model, part.operation, len(part.jobs)) for part in jsonl.parts_of(jobs)]
    assert cut == [(MODEL, "generations", 2), ("gpt-image-2.5-flare", "generations", 1), (MODEL, "edits", 1)]


@pytest.mark.slow
def test_plan_is_cut_by_count_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """50,000 requests or 190 MB a file; no file is larger than was counted."""
    assert [len(part.jobs) for part in jsonl.parts_of(map(job, range(50_001)))] == [50_000, 1]
    monkeypatch.setattr(jsonl, "MAX_FILE_BYTES", 1_000_000)
    cut = jsonl.parts_of(job(number, operation="edits", size=60_000) for number in range(30))
    assert [len(part.jobs) for part in cut] == [12, 12, 6]
    assert all(part.size <= 1_000_000 for part in cut)


def test_sums_of_a_plan_are_those_of_its_jobs_and_keep_none() -> None:
    """A panel shows a hundred thousand jobs: it counts them as they are read, and shows the first that failed."""
    asked = [job(number, operation="edits", size=70_000 + number) for number in range(30)]
    known = {"model": MODEL, "prompt": "x", "size": "1024x1024", "quality": "low"}
    asked += [job(100 + number).model_copy(update={"fields": known}) for number in range(3)]
    failed = [job(200 + number).model_copy(update={"fault": "no", "fault_is_final": True}) for number in range(60)]
    for one in (*asked, *failed):
        manager().plan.write(one.model_copy(update={"planned_at": -int(one.identity)}))
    whole, sums = manager().overview(), manager().sums(shown=2)
    facts = [
        [(part.model, part.count, part.size, part.low_usd, part.high_usd, part.uploads) for part in parts]
        for parts in (whole.parts, sums.parts)
    ]
    assert facts[0] == facts[1]
    assert [(count, bool(low)) for _, count, _, low, *_ in facts[0]] == [(3, True), (30, False)]
    assert [part.jobs for part in sums.parts] == [[], []]
    assert (sums.failed_count, sums.failed) == (60, whole.failed[:2])
    assert [int(one.identity) for one in sums.failed] == [259, 258]


def test_bytes_of_a_line_are_never_less_than_it_has(sandbox: ScriptedSandbox, tmp_path: Path) -> None:
    """The count that a file is cut by, against the lines that go out, inline and by reference."""
    assert planned(prompt='a fox \u72d0 "quoted"\n', seed=1)
    assert planned(**edit(2))
    assert planned(**edit(3, 256, 256))
    counter = manager()
    for one in counter.overview().ready:
        ids = {file.sha256: "file-0123456789abcdef0123456789abcdef" for file in one.files}
        line = jsonl.request_line(one, counter.plan, ids)
        assert jsonl.line_bytes(one) - 200 <= len(line) <= jsonl.line_bytes(one)
