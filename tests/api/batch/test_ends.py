"""How a batch can end: each job is answered, named as failed, or planned again, and nothing paid is lost."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from openai_image_nodes.api.backends.atomic_files import make_private_folder
from openai_image_nodes.api.batch import records
from openai_image_nodes.api.batch.manager import BatchManager, refusal_of
from openai_image_nodes.api.batch.plan import JobPlan
from openai_image_nodes.api.errors import RefusedError
from openai_image_nodes.api.store.store import Store
from openai_image_nodes.cli import main
from support.batch_plans import (
    MODEL,
    answering,
    collected,
    direct_posts,
    edit,
    faults,
    finish,
    manager,
    plan,
    planned,
    run,
    sandbox,
    store,
    submit,
)
from support.faults import Fault, Faults
from support.scenarios import BatchPlan, ScriptedSandbox

pytestmark = pytest.mark.slow

__all__ = ["faults", "sandbox"]


def over() -> tuple[BatchManager, records.BatchRecord]:
    """Return the only batch once the service has done all of it."""
    counter = manager()
    (record,) = counter.overview().open
    while not counter.look(record).is_over:
        pass
    return counter, record


def came(sandbox: ScriptedSandbox, record: records.BatchRecord) -> tuple[Path, list[bytes]]:
    """Return where the answers of a batch are kept while they are read, and their lines."""
    content = f"{sandbox.base_url}/v1/files/{record.output_file_id}/content"
    path = records.BatchLedger(store()).folder(record.id) / "output.jsonl"
    return path, requests.get(content, timeout=30).content.splitlines(keepends=True)


def test_failed_validation_names_its_reason_and_frees_the_jobs(sandbox: ScriptedSandbox) -> None:
    """Nothing ran; the service's words are kept with the batch."""
    plan()
    sandbox.scenarios.plan(BatchPlan(fail_validation="The model is not supported in batches."), times=1)
    submit()
    (record,) = finish()
    assert (record.status, record.answered, record.unfinished) == ("failed", 0, 2)
    assert "The model is not supported in batches." in str(refusal_of(record))
    assert len(manager().overview().ready) == 2
    submit()
    collected(2)


def test_moderated_lines_are_named_and_not_sent_again(sandbox: ScriptedSandbox) -> None:
    """The others are answered; what the safety system refused stays refused until somebody says otherwise."""
    plan(4)
    sandbox.scenarios.plan(BatchPlan(fail=0.5, failure="moderation_blocked"), times=1)
    submit()
    (record,) = finish()
    assert (record.answered, record.failed) == (2, 2)
    seen = manager().overview()
    assert (len(seen.ready), len(seen.failed)) == (0, 2)
    assert all("content moderation" in str(one.fault) for one in seen.failed)
    blocked = [seed for seed in range(4) if planned(seed=seed)]
    assert sorted(blocked) == sorted(one.seed for one in seen.failed)
    assert len(manager().overview().failed) == 2  # the run has not planned them again
    manager().plan_again(seen.failed)
    submit()
    assert finish()[0].answered == 2
    assert all(run(seed=seed)[0] is not None for seed in range(4))


def test_lines_that_the_service_failed_are_named_and_sent_again(sandbox: ScriptedSandbox) -> None:
    """A failure of the service costs nothing, and may be gone the next time."""
    plan(4)
    sandbox.scenarios.plan(BatchPlan(fail=0.5), times=1)
    submit()
    assert finish()[0].failed == 2
    ready = manager().overview().ready
    assert [bool(one.fault) for one in ready] == [True, True]
    submit()
    assert finish()[0].answered == 2
    assert len(sandbox.billing.entries) == 4
    assert all(run(seed=seed)[0] is not None for seed in range(4))


def test_expired_batch_keeps_what_was_finished(sandbox: ScriptedSandbox) -> None:
    """The rest is planned again, as it was, and not as failed."""
    plan(5)
    sandbox.scenarios.plan(BatchPlan(expire_after=2), times=1)
    submit()
    (record,) = finish()
    assert (record.status, record.answered, record.failed, record.unfinished) == ("expired", 2, 0, 3)
    assert [one.fault for one in manager().overview().ready] == [None] * 3
    submit()
    assert finish()[0].answered == 3
    assert len(sandbox.billing.entries) == 5


def test_cancelled_batch_keeps_what_was_finished(sandbox: ScriptedSandbox) -> None:
    """What is done by then is charged and comes back; the rest is planned again."""
    plan(4)
    sandbox.scenarios.plan(BatchPlan(hold_after=2), times=1)
    (record,) = submit()
    counter = manager()
    while counter.look(record).counts.completed < 2:
        assert not record.is_over
    assert counter.cancel(record).status in ("cancelling", "cancelled")
    (record,) = finish()
    assert (record.status, record.answered, record.unfinished) == ("cancelled", 2, 2)
    assert len(manager().overview().ready) == 2
    assert len(sandbox.billing.entries) == 2


def test_broken_download_goes_on(sandbox: ScriptedSandbox, faults: Faults) -> None:
    """The files of a finished batch are fetched until they are whole."""
    plan()
    submit()
    over()
    faults.add(answering(503), method="GET")  # the look of collect is not needed any more: this hits the download
    collected(2)


@pytest.mark.parametrize(
    "odd", [answering(416), Fault(status=206, body=b"{}", headers={"Content-Range": "bytes 0-1/2"})]
)
def test_half_a_download_that_does_not_go_on_begins_again(sandbox: ScriptedSandbox, faults: Faults, odd: Fault) -> None:
    """It came whole and the process died, so there is no more; or a service gives another part than asked for."""
    plan()
    submit()
    _, record = over()
    path, lines = came(sandbox, record)
    path.with_name(f"{path.name}.part").write_bytes(b"".join(lines))
    faults.add(odd, method="GET")
    assert not collected(2).unreadable


def test_answer_that_the_service_counts_and_its_file_lacks_is_not_bought_again(sandbox: ScriptedSandbox) -> None:
    """A file that breaks off looks whole: who counts sees it, and a person decides."""
    plan(3)
    submit()
    counter, record = over()
    path, lines = came(sandbox, record)
    path.write_bytes(b"".join(lines[:2]))
    done = counter.collect(record)
    assert (done.answered, done.failed, done.unfinished) == (2, 1, 0)
    seen = manager().overview()
    assert not seen.ready
    assert "no answer came; it may have been billed" in str(seen.failed[0].fault)


def test_full_disk_loses_no_answer_of_a_batch(sandbox: ScriptedSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """What the store cannot take is fetched and read again later: nobody has it in memory."""
    plan()
    submit()
    over()
    store().jobs.write_bytes(b"")  # no folder can be made there
    assert main(["batch", "collect"]) == 1
    assert str(store().jobs) in capsys.readouterr().err
    store().jobs.unlink()
    collected(2)
    assert len(sandbox.billing.entries) == 2


@pytest.mark.parametrize("words", [["collect"], ["watch", "--yes"]])
def test_batch_whose_folder_is_damaged_does_not_hold_up_the_others(sandbox: ScriptedSandbox, words: list[str]) -> None:
    """The oldest comes first, and would for ever."""
    plan(1)
    (damaged,) = submit()
    assert planned(seed=7)
    submit()
    counter = manager()
    while not all(counter.look(record).is_over for record in counter.overview().open):
        pass
    (records.BatchLedger(store()).folder(damaged.id) / records.JOBS).unlink()
    assert main(["batch", *words]) == 1
    assert len(sandbox.batches.listed()) == 2
    assert [one.state for one in counter.overview().batches] == [records.SUBMITTED, records.COLLECTED]


def test_look_that_began_before_a_collect_does_not_undo_it(sandbox: ScriptedSandbox) -> None:
    """Shell and browser may look after one batch at once: what is collected is not fetched again, perhaps in vain."""
    plan()
    submit()
    counter, record = over()
    earlier = record.model_copy(update={"status": "in_progress"})
    counter.collect(record)
    assert counter.look(earlier).state == records.COLLECTED
    assert [one.state for one in counter.overview().batches] == [records.COLLECTED]


def test_line_that_is_no_picture_fails_alone(sandbox: ScriptedSandbox, faults: Faults) -> None:
    """Its bytes are kept, for they may have been paid; all others are answered."""
    plan(3)
    submit()
    counter, record = over()
    path, lines = came(sandbox, record)
    path.write_bytes(lines[0].replace(b'"b64_json"', b'"sketch"') + lines[1][:-20] + b"\n" + lines[2] + b"not JSON\n")
    done = counter.collect(record)
    assert (done.answered, done.failed, done.unfinished) == (2, 1, 0)
    kept = [record for _, record in store().records()]
    assert sorted(bool(record.fault) for record in kept) == [False, True]
    assert sorted(file.read_bytes() for file in path.parent.glob("unreadable_*")) == sorted(
        [lines[1][:-20] + b"\n", b"not JSON\n"]
    )
    assert "may have been billed" in str(manager().overview().failed[0].fault)


def test_batch_whose_answers_are_gone_can_be_given_up(sandbox: ScriptedSandbox) -> None:
    """On purpose and by its id, as the error says: the jobs are planned again."""
    plan()
    submit()
    counter, record = over()
    sandbox.files.delete(str(record.output_file_id))
    with pytest.raises(RefusedError, match=rf"No such File object.* openai-image batch cancel {record.id} --give-up"):
        counter.collect(record)
    assert main(["batch", "cancel", "--give-up"]) == 1
    assert main(["batch", "cancel", record.id, "--give-up"]) == 0
    assert len(manager().overview().ready) == 2


def test_edits_with_large_pictures_upload_each_content_once(sandbox: ScriptedSandbox) -> None:
    """Three jobs with the same picture: one upload, and none for the next batch."""
    for prompt in ("a hat", "a coat", "a dog"):
        assert planned(**{**edit(1, 192, 192), "prompt": prompt})
    submit()
    assert sandbox.posts["/v1/files"] == 2  # the picture and the lines
    finish()
    assert planned(**{**edit(1, 192, 192), "prompt": "a cat"})
    submit()
    assert sandbox.posts["/v1/files"] == 3
    assert finish()[0].answered == 1
    assert direct_posts(sandbox) == 0


def test_planned_picture_that_is_gone_stops_no_other_job(sandbox: ScriptedSandbox) -> None:
    """The job says what it lacks, and the next run of the workflow plans it with its picture again."""
    assert planned(**edit(seed=1))
    before = set((store().root / "batch" / "inputs").iterdir())
    assert planned(**edit(seed=2))
    for path in set((store().root / "batch" / "inputs").iterdir()) - before:
        path.unlink()
    (record,) = submit()
    (failed,) = manager().overview().failed
    assert (record.count, failed.seed, failed.fault) == (1, 2, "image_0.png is missing")
    assert planned(**edit(seed=2))
    (record,) = submit()
    assert record.count == 1


def test_picture_that_was_deleted_at_the_service_is_sent_again(sandbox: ScriptedSandbox) -> None:
    """What was uploaded once need not be there for ever."""
    assert planned(**edit(1, 192, 192))
    submit()
    finish()
    for file in sandbox.files.listed():
        sandbox.files.delete(file.id)
    assert planned(**{**edit(1, 192, 192), "prompt": "a cat"})
    submit()
    assert [record.answered for record in finish()] == [1]


def test_what_is_long_over_is_forgotten(tmp_path: Path) -> None:
    """Batches after half a year and notes on uploads after a month; never one that is open, or has lines to be read."""
    kept, then = Store(tmp_path), time.time() - 200 * 86_400
    ledger, plan = records.BatchLedger(kept), JobPlan(kept)
    fields = {"connection": "openai batch", "service": "s", "model": MODEL, "operation": "edits", "count": 1}
    told: dict[str, dict[str, Any]] = {
        "old": {"state": records.COLLECTED},
        "refused": {"state": records.REFUSED},
        "open": {"state": records.SUBMITTED},
        "odd": {"state": records.COLLECTED, "unreadable": ["a file"]},
        "new": {"state": records.COLLECTED},
    }
    for name, more in told.items():
        ledger.begin(records.BatchRecord(id=name, **fields, **more), ["a" * 64])
        if name != "new":
            os.utime(ledger.folder(name) / "record.json", (then, then))
    uploads = [make_private_folder(plan.root / "uploads" / "account") / f"{digit * 64}.json" for digit in "ab"]
    for path in uploads:
        path.write_text("{}")
    os.utime(uploads[0], (then, then))
    ledger.tidy()
    plan.tidy()
    assert {record.id for record in ledger.all()} == {"open", "odd", "new"}
    assert [path.exists() for path in uploads] == [False, True]
