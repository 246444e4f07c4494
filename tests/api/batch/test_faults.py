"""What can go wrong with a batch on the way: it is begun at most once, and every job ends where it belongs."""

from __future__ import annotations

from typing import Any

import pytest
from openai_image_nodes.api.batch import enqueue, records
from openai_image_nodes.api.batch.submit import BatchSubmitter
from openai_image_nodes.api.catalog.schemas import OpenAIImageGenerationRequest
from openai_image_nodes.api.errors import (
    NoKeyError,
    OpenAIImageError,
    OutcomeUnknownError,
    RateLimitError,
    RefusedError,
    ServiceDownError,
    StillRunningError,
)
from openai_image_nodes.api.jobs.job import Job
from support.batch_plans import (
    BATCH,
    MODEL,
    answering,
    collected,
    edit,
    faults,
    finish,
    manager,
    plan,
    planned,
    resolved,
    sandbox,
    store,
    submit,
)
from support.faults import Fault, Faults
from support.scenarios import BatchPlan, ScriptedSandbox

pytestmark = pytest.mark.slow

__all__ = ["faults", "sandbox"]


def job(seed: int) -> Job:
    """Return a job as the node makes it."""
    fields = {"model": MODEL, "prompt": "a red fox", "size": "1024x640", "quality": "low", "background": "opaque"}
    return Job(resolved(BATCH), OpenAIImageGenerationRequest(**fields), seed=seed)


def states() -> list[str]:
    return [record.state for record in manager().overview().batches]


def test_lost_answer_of_a_batch_that_was_begun(sandbox: ScriptedSandbox, faults: Faults) -> None:
    """The list of the service has it: it is taken from there, and no other one is begun."""
    plan()
    faults.normal().drop("after_work")
    (record,) = submit()
    assert record.state == records.SUBMITTED
    assert sandbox.posts["/v1/batches"] == len(sandbox.batches.listed()) == 1
    collected(2)


def test_lost_request_for_a_batch_is_not_repeated_by_itself(sandbox: ScriptedSandbox, faults: Faults) -> None:
    """Nobody can tell at first: it is said, and the next submit searches again before it begins it."""
    plan()
    faults.normal().drop("after_body")
    with pytest.raises(OutcomeUnknownError, match="no answer came, and the service's list does not show it") as caught:
        submit()
    assert "Submit again in a minute" in str(caught.value)
    assert "reuse" not in str(caught.value)  # which is of pictures that are asked for one by one
    assert sandbox.posts["/v1/batches"] == 1
    submit()
    assert (sandbox.posts["/v1/batches"], len(sandbox.batches.listed())) == (2, 1)
    assert sandbox.posts["/v1/files"] == 1
    collected(2)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_failure_of_the_service_is_not_taken_for_a_no(sandbox: ScriptedSandbox, faults: Faults, status: int) -> None:
    """It may have begun the batch all the same: the list decides."""
    plan()
    faults.normal().status(status)
    with pytest.raises(OpenAIImageError):
        submit()
    assert sandbox.posts["/v1/batches"] == 1
    submit()
    assert len(sandbox.batches.listed()) == 1
    collected(2)


def test_list_that_cannot_be_read_keeps_the_question_open(sandbox: ScriptedSandbox, faults: Faults) -> None:
    """Without the list nobody may begin the batch again."""
    plan()
    faults.normal().drop("after_work")
    faults.add(answering(503), times=20, method="GET")
    with pytest.raises(ServiceDownError):
        submit()
    assert states() == [records.CREATING]
    faults.clear()
    submit()
    assert sandbox.posts["/v1/batches"] == 1
    collected(2)


def test_refused_batch_gives_its_jobs_back(sandbox: ScriptedSandbox, faults: Faults) -> None:
    """A no is a no: the service's words, and all jobs planned as before."""
    plan()
    faults.normal().status(400, message="Billing hard limit has been reached", code="billing_hard_limit_reached")
    with pytest.raises(OpenAIImageError, match="Billing hard limit has been reached"):
        submit()
    seen = manager().overview()
    assert (len(seen.ready), [record.state for record in seen.batches]) == (2, [records.REFUSED])
    assert not list(store().journal.root.glob("*/record.json"))
    submit()
    collected(2)


def test_wrong_key_sends_nothing_on(sandbox: ScriptedSandbox, faults: Faults) -> None:
    """The file is refused already, the batch can be submitted again with a better key."""
    plan()
    faults.status(401)
    with pytest.raises(NoKeyError):
        submit()
    assert sandbox.posts["/v1/batches"] == 0
    submit()
    collected(2)


def test_upload_is_repeated_until_it_goes_through(sandbox: ScriptedSandbox, faults: Faults) -> None:
    """A file costs nothing, so it may be sent again."""
    plan()
    faults.drop("after_body").status(503).drop("in_answer")
    submit()
    assert sandbox.posts["/v1/files"] == 4
    collected(2)


@pytest.mark.parametrize("status", [405, 403, 501])
def test_picture_that_cannot_be_looked_at_is_uploaded_again(
    sandbox: ScriptedSandbox, faults: Faults, status: int
) -> None:
    """A gateway has no route for it, or the key no right: no other job of the picture could be submitted."""
    assert planned(**edit(height=256, width=256))
    submit()
    assert planned(**{**edit(height=256, width=256), "prompt": "another hat"})
    faults.add(Fault(status=status), method="GET")
    before = sandbox.posts["/v1/files"]
    submit()
    assert sandbox.posts["/v1/files"] == before + 2  # the picture and the requests


def test_batch_that_was_not_begun_can_be_given_up(sandbox: ScriptedSandbox, faults: Faults) -> None:
    """Its jobs are planned again and nothing was asked for."""
    plan()
    faults.status(401)
    with pytest.raises(NoKeyError):
        submit()
    (record,) = manager().overview().open
    assert manager().cancel(record).state == records.REFUSED
    assert len(manager().overview().ready) == 2
    assert sandbox.posts["/v1/batches"] == 0


def test_batch_that_cannot_be_submitted_does_not_hold_up_the_others(sandbox: ScriptedSandbox, faults: Faults) -> None:
    """What went well is begun; the error is told all the same, and the rest begun the next time."""
    plan(1)
    assert planned(**edit(1))
    faults.normal().status(429).normal()
    with pytest.raises(RateLimitError):
        submit()
    assert sorted(states()) == [records.PREPARING, records.SUBMITTED]
    submit()
    assert [record.answered for record in finish()] == [1, 1]
    assert len(sandbox.batches.listed()) == 2


def test_batch_that_another_took_over_meanwhile_is_begun_once(
    sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine may sleep while it uploads: after a minute its claim is nobody's, and another goes on with it."""
    plan()
    upload = BatchSubmitter._with_files_sent

    def slept(self: BatchSubmitter, record: records.BatchRecord, jobs: Any) -> Any:
        sent = upload(self, record, jobs)
        monkeypatch.setattr(BatchSubmitter, "_with_files_sent", upload)
        BatchSubmitter(store(), resolved(BATCH), lambda _words: None).go_on(record.model_copy())
        return sent

    monkeypatch.setattr(BatchSubmitter, "_with_files_sent", slept)
    with pytest.raises(StillRunningError, match="Another process works on batch"):
        submit()
    assert sandbox.posts["/v1/batches"] == 1
    collected(2)


def test_job_that_left_the_plan_is_not_bought_with_the_file_of_before(sandbox: ScriptedSandbox, faults: Faults) -> None:
    """The requests were uploaded, the batch was not begun, and then somebody took one of them out."""
    plan(3)
    faults.normal().add(answering(429))
    with pytest.raises(RateLimitError):
        submit()
    manager().plan.remove([next(manager().plan.each()).identity])
    submit()
    (record,) = finish()
    assert record.answered == record.counts.total == len(sandbox.billing.entries) == 2
    assert not list(store().journal.root.glob("*/record.json"))  # nor does it wait for that batch for ever


def test_tally_counts_what_a_submit_would_send(sandbox: ScriptedSandbox) -> None:
    """Not what is in a batch by now."""
    sandbox.scenarios.plan(BatchPlan(hold_after=0))
    plan(2)
    submit()
    assert enqueue.answered_or_planned(job(7)) == "planned, 1 in the plan, about 0.0016 USD"


def test_question_whether_a_batch_was_begun_needs_the_key_that_asked(
    sandbox: ScriptedSandbox, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another account's list does not show it: it would be begun, and paid, a second time."""
    plan()
    faults.normal().drop("after_body")
    with pytest.raises(OutcomeUnknownError):
        submit()
    with monkeypatch.context() as other:
        other.setenv("OPENAI_API_KEY", "sk-of-another-account")
        with pytest.raises(RefusedError, match="only be seen with the key that asked"):
            submit()
    assert sandbox.posts["/v1/batches"] == 1
    submit()
    collected(2)


def test_batch_that_the_list_shows_late_is_not_begun_twice(sandbox: ScriptedSandbox, faults: Faults) -> None:
    """The answer got lost and the list lags: the next submit finds it."""
    plan()
    faults.normal().drop("after_work")
    empty = Fault(status=200, body=b'{"object":"list","data":[],"has_more":false}')
    faults.add(empty, times=100, method="GET")
    with pytest.raises(OutcomeUnknownError, match="the service's list does not show it"):
        submit()
    faults.clear()
    submit()
    assert sandbox.posts["/v1/batches"] == 1
    collected(2)
