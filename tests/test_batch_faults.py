"""What can go wrong with a batch on the way: it is begun at most once, and every job ends where it belongs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from faults import Faults
from openai_image_nodes.api.batch import ledger, planning, submitting
from openai_image_nodes.api.batch.ledger import BatchRecord
from openai_image_nodes.api.batch.office import refusal_of
from openai_image_nodes.api.batch.planning import Deferred
from openai_image_nodes.api.errors import (
    NoKeyError,
    OpenAIImageError,
    OutcomeUnknownError,
    RateLimitError,
    ServiceDownError,
)
from openai_image_nodes.api.running import Job
from openai_image_nodes.api.sandbox import BatchPlan, Sandbox
from openai_image_nodes.api.schemas import OpenAIImageGenerationRequest
from openai_image_nodes.utils.painter import SandboxPainter
from planning_kit import BATCH, MODEL, direct_posts, edit, finish, office, planned, resolved, run, store, submit, use


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, faults: Faults) -> Iterator[Sandbox]:
    monkeypatch.setattr(submitting, "SETTLES_AFTER_S", 0.2)
    monkeypatch.setattr(submitting, "LOOK_EVERY_S", 0.05)
    with Sandbox(SandboxPainter(), middlewares=[faults]) as sandbox:
        use(monkeypatch, sandbox)
        yield sandbox


def plan(count: int = 2) -> None:
    """Plan generations, which need two POSTs: their file, and the batch."""
    assert all(planned(seed=seed) for seed in range(count))


def job(seed: int) -> Job:
    """Return a job as the node makes it."""
    fields = {"model": MODEL, "prompt": "a red fox", "size": "1024x640", "quality": "low", "background": "opaque"}
    return Job(resolved(BATCH), OpenAIImageGenerationRequest(**fields), seed=seed)


def states() -> list[str]:
    return [record.state for record in office().overview().batches]


def collected(count: int) -> BatchRecord:
    """Finish the only batch and return it; its jobs are answered, and no picture was bought twice."""
    (record,) = finish()
    assert (record.state, record.answered) == (ledger.COLLECTED, count)
    assert all(run(seed=seed)[0] is not None for seed in range(count))
    return record


def test_lost_answer_of_a_batch_that_was_begun(sandbox: Sandbox, faults: Faults) -> None:
    """The list of the service has it: it is taken from there, and none is begun anew."""
    plan()
    faults.normal().drop("after_work")
    (record,) = submit()
    assert record.state == ledger.SUBMITTED
    assert sandbox.posts["/v1/batches"] == len(sandbox.batches.listed()) == 1
    collected(2)


def test_lost_request_for_a_batch_is_not_repeated_by_itself(sandbox: Sandbox, faults: Faults) -> None:
    """Nobody can tell at first: it is said, and the next submit searches again before it begins it."""
    plan()
    faults.normal().drop("after_body")
    with pytest.raises(OutcomeUnknownError, match="no answer came, and the service's list does not show it"):
        submit()
    assert sandbox.posts["/v1/batches"] == 1
    submit()
    assert (sandbox.posts["/v1/batches"], len(sandbox.batches.listed())) == (2, 1)
    assert sandbox.posts["/v1/files"] == 1
    collected(2)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_failure_of_the_service_is_not_taken_for_a_no(sandbox: Sandbox, faults: Faults, status: int) -> None:
    """It may have begun the batch all the same: the list decides."""
    plan()
    faults.normal().status(status)
    with pytest.raises(OpenAIImageError):
        submit()
    assert sandbox.posts["/v1/batches"] == 1
    submit()
    assert len(sandbox.batches.listed()) == 1
    collected(2)


def test_list_that_cannot_be_read_keeps_the_question_open(sandbox: Sandbox, faults: Faults) -> None:
    """Without the list nobody may begin the batch again."""
    plan()
    faults.normal().drop("after_work")
    faults.add(_answering(503), times=20, method="GET")
    with pytest.raises(ServiceDownError):
        submit()
    assert states() == [ledger.CREATING]
    faults.clear()
    submit()
    assert sandbox.posts["/v1/batches"] == 1
    collected(2)


def _answering(status: int) -> Any:
    faults = Faults().status(status)
    return faults._queues["POST"].popleft()


def test_refused_batch_gives_its_jobs_back(sandbox: Sandbox, faults: Faults) -> None:
    """A no is a no: the service's words, and all jobs planned as before."""
    plan()
    faults.normal().status(400, message="Billing hard limit has been reached", code="billing_hard_limit_reached")
    with pytest.raises(OpenAIImageError, match="Billing hard limit has been reached"):
        submit()
    seen = office().overview()
    assert (len(seen.ready), [record.state for record in seen.batches]) == (2, [ledger.REFUSED])
    assert not list(store().pending.root.glob("*/record.json"))
    submit()
    collected(2)


def test_wrong_key_sends_nothing_on(sandbox: Sandbox, faults: Faults) -> None:
    """The file is refused already, the batch can be submitted again with a better key."""
    plan()
    faults.status(401)
    with pytest.raises(NoKeyError):
        submit()
    assert sandbox.posts["/v1/batches"] == 0
    submit()
    collected(2)


def test_upload_is_repeated_until_it_goes_through(sandbox: Sandbox, faults: Faults) -> None:
    """A file costs nothing, so it may be sent again."""
    plan()
    faults.drop("after_body").status(503).drop("in_answer")
    submit()
    assert sandbox.posts["/v1/files"] == 4
    collected(2)


def test_failed_validation_names_its_reason_and_frees_the_jobs(sandbox: Sandbox) -> None:
    """Nothing ran; the service's words are kept with the batch."""
    plan()
    sandbox.batches.plan(BatchPlan(fail_validation="The model is not supported in batches."), times=1)
    submit()
    (record,) = finish()
    assert (record.status, record.answered, record.unfinished) == ("failed", 0, 2)
    assert "The model is not supported in batches." in str(refusal_of(record))
    assert len(office().overview().ready) == 2
    submit()
    collected(2)


def test_moderated_lines_are_named_and_not_sent_again(sandbox: Sandbox) -> None:
    """The others are answered; what the safety system refused stays refused until somebody says otherwise."""
    plan(4)
    sandbox.batches.plan(BatchPlan(fail=0.5, failure="moderation_blocked"), times=1)
    submit()
    (record,) = finish()
    assert (record.answered, record.failed) == (2, 2)
    seen = office().overview()
    assert (len(seen.ready), len(seen.failed)) == (0, 2)
    assert all("content moderation" in str(one.fault) for one in seen.failed)
    blocked = [seed for seed in range(4) if planned(seed=seed)]
    assert sorted(blocked) == sorted(one.seed for one in seen.failed)
    assert len(office().overview().failed) == 2  # the run has not planned them again
    office().plan_again(seen.failed)
    submit()
    assert finish()[0].answered == 2
    assert all(run(seed=seed)[0] is not None for seed in range(4))


def test_lines_that_the_service_failed_are_named_and_sent_again(sandbox: Sandbox) -> None:
    """A failure of the service costs nothing, and may be gone the next time."""
    plan(4)
    sandbox.batches.plan(BatchPlan(fail=0.5), times=1)
    submit()
    assert finish()[0].failed == 2
    ready = office().overview().ready
    assert [bool(one.fault) for one in ready] == [True, True]
    submit()
    assert finish()[0].answered == 2
    assert len(sandbox.ledger.entries) == 4
    assert all(run(seed=seed)[0] is not None for seed in range(4))


def test_expired_batch_keeps_what_was_finished(sandbox: Sandbox) -> None:
    """The rest is planned again, as it was, and not as failed."""
    plan(5)
    sandbox.batches.plan(BatchPlan(expire_after=2), times=1)
    submit()
    (record,) = finish()
    assert (record.status, record.answered, record.failed, record.unfinished) == ("expired", 2, 0, 3)
    assert [one.fault for one in office().overview().ready] == [None] * 3
    submit()
    assert finish()[0].answered == 3
    assert len(sandbox.ledger.entries) == 5


def test_cancelled_batch_keeps_what_was_finished(sandbox: Sandbox) -> None:
    """What is done by then is charged and comes back; the rest is planned again."""
    plan(4)
    sandbox.batches.plan(BatchPlan(hold_after=2), times=1)
    (record,) = submit()
    counter = office()
    while counter.look(record).counts.completed < 2:
        assert not record.is_over
    assert counter.cancel(record).status in ("cancelling", "cancelled")
    (record,) = finish()
    assert (record.status, record.answered, record.unfinished) == ("cancelled", 2, 2)
    assert len(office().overview().ready) == 2
    assert len(sandbox.ledger.entries) == 2


def test_batch_that_was_not_begun_can_be_given_up(sandbox: Sandbox, faults: Faults) -> None:
    """Its jobs are planned again and nothing was asked for."""
    plan()
    faults.status(401)
    with pytest.raises(NoKeyError):
        submit()
    (record,) = office().overview().open
    assert office().cancel(record).state == ledger.REFUSED
    assert len(office().overview().ready) == 2
    assert sandbox.posts["/v1/batches"] == 0


def test_broken_download_goes_on(sandbox: Sandbox, faults: Faults) -> None:
    """The files of a finished batch are fetched until they are whole."""
    plan()
    submit()
    counter = office()
    (record,) = counter.overview().open
    while not counter.look(record).is_over:
        pass
    faults.add(_answering(503), method="GET")  # the look of collect is not needed any more: this hits the download
    collected(2)


def test_line_that_is_no_picture_fails_alone(sandbox: Sandbox, faults: Faults) -> None:
    """Its bytes are kept, for they may have been paid; all others are answered."""
    plan(3)
    submit()
    counter = office()
    (record,) = counter.overview().open
    while not counter.look(record).is_over:
        pass
    path = ledger.Ledger(store()).folder(record.id) / "output.jsonl"
    content = f"{sandbox.base_url}/v1/files/{record.output_file_id}/content"
    lines = requests.get(content, timeout=30).content.splitlines(keepends=True)
    path.write_bytes(lines[0].replace(b'"b64_json"', b'"b64"') + lines[1][:-20] + b"\n" + lines[2] + b"not JSON\n")
    done = counter.collect(record)
    assert (done.answered, done.failed, done.unfinished) == (2, 1, 0)
    kept = [record for _, record in store().records()]
    assert sorted(bool(record.fault) for record in kept) == [False, True]
    assert sorted(file.read_bytes() for file in path.parent.glob("unreadable_*")) == sorted(
        [lines[1][:-20] + b"\n", b"not JSON\n"]
    )
    assert "may have been billed" in str(office().overview().failed[0].fault)


def test_edits_with_large_pictures_upload_each_content_once(sandbox: Sandbox) -> None:
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


def test_batch_that_cannot_be_submitted_does_not_hold_up_the_others(sandbox: Sandbox, faults: Faults) -> None:
    """What went well is begun; the error is told all the same, and the rest begun the next time."""
    plan(1)
    assert planned(**edit(1))
    faults.normal().status(429).normal()
    with pytest.raises(RateLimitError):
        submit()
    assert sorted(states()) == [ledger.PREPARING, ledger.SUBMITTED]
    submit()
    assert [record.answered for record in finish()] == [1, 1]
    assert len(sandbox.batches.listed()) == 2


def test_tally_counts_what_a_submit_would_send(sandbox: Sandbox) -> None:
    """Not what is in a batch by now."""
    sandbox.batches.plan(BatchPlan(hold_after=0))
    plan(2)
    submit()
    with pytest.raises(Deferred, match=r"^planned, 1 in the plan, about 0\.0016 USD$"):
        planning.answered_or_planned(job(7))
