"""Who stops a run gets his node back at once; what is paid goes on, is kept, and is had by the next run."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import logging
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from openai_image_nodes.api.errors import ModeratedError, OutcomeUnknownError, RefusedError
from openai_image_nodes.api.jobs.job import Job, JobHandle
from openai_image_nodes.api.jobs.manager import JOBS, JobManager
from openai_image_nodes.api.store.journal import RequestJournal
from openai_image_nodes.api.store.records import prompt_of
from openai_image_nodes.api.store.store import NOT_HAD, Store, why_unread
from openai_image_nodes.nodes.run import answers
from support.asker import Asker, Server, painted, until, until_quiet
from support.faults import Fault
from support.node_calls import GPTImage, asked, node

SLOW_S = 0.6


class Interrupted(BaseException):
    """What ComfyUI raises in a node when the person presses Cancel."""

    @classmethod
    def stop(cls, *_given: object, **_named: object) -> None:
        raise cls


class Host:
    """ComfyUI's Cancel and progress texts, as far as a node sees them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stopped = threading.Event()
        self.texts: list[str] = []
        server = SimpleNamespace(client_id="me", send_progress_text=lambda text, *_node, **_to: self.texts.append(text))
        management = SimpleNamespace(throw_exception_if_processing_interrupted=self.throw)
        monkeypatch.setitem(sys.modules, "comfy.model_management", management)
        monkeypatch.setitem(sys.modules, "server", SimpleNamespace(PromptServer=SimpleNamespace(instance=server)))

    def throw(self) -> None:
        if self.stopped.is_set():
            raise Interrupted


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    asker = Asker.fresh(server, "openai", monkeypatch)
    asker.jobs = JOBS  # the nodes'
    return asker


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


def stop(host: Host, run: Future[Any]) -> None:
    """Press Cancel and wait until the run has ended with it."""
    host.stopped.set()
    with pytest.raises(Interrupted):
        run.result(30)
    host.stopped.clear()


@pytest.mark.slow
def test_cancel_while_queued_sends_nothing(
    asker: Asker, host: Host, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run of the same job pays for it, once."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_MAX_IN_FLIGHT", "1")
    gate = asker.faults.hold()
    first = asker.submit("the first")
    until(lambda: asker.faults.posts)
    queued = pool.submit(node, unique_id="7")
    until(lambda: any("its turn" in text for text in host.texts))
    stop(host, queued)
    gate.set()
    assert first.future.result(30).pictures == [painted("the first")]
    until_quiet()
    assert asker.faults.posts == 1
    assert node()[2]["reused"] is False
    assert asker.faults.posts == 2


@pytest.mark.slow
def test_cancel_while_backing_off_sends_nothing_more(asker: Asker, host: Host, pool: ThreadPoolExecutor) -> None:
    """A wait of minutes ends at once, and nothing is left behind."""
    asker.faults.status(429, headers={"Retry-After": "120"})
    run = pool.submit(node, unique_id="7")
    until(lambda: any("next try in 120 s" in text for text in host.texts))
    stop(host, run)
    until_quiet()
    assert (asker.faults.posts, asker.records) == (1, [])
    node()
    assert asker.faults.posts == 2


@pytest.mark.parametrize("name", ["openai", "comfy.org"])
def test_cancel_while_the_request_is_out_keeps_its_answer(
    asker: Asker, host: Host, pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """The node ends while the service works; text and log say that the picture is kept; the next run has it."""
    caplog.set_level(logging.INFO)
    gate = asker.faults.hold()
    run = pool.submit(node, connection=name, unique_id="7")
    until(lambda: asker.faults.posts)
    stop(host, run)
    assert not gate.is_set()
    until(lambda: any("saved and used by the next run" in text for text in host.texts))
    until(lambda: any("goes on in the background" in line for line in caplog.messages))
    gate.set()
    until_quiet()
    assert any("is kept for the next run" in line and "jobs" in line for line in caplog.messages)
    assert node(connection=name)[2]["reused"] is True
    assert (asker.faults.posts, asker.faults.billed) == (1, 1)


def test_cancel_in_the_moment_of_sending_is_told_too(
    asker: Asker, host: Host, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request was out before the node knew of it."""
    gate, submitting = asker.faults.hold(), threading.Event()
    submit = JobManager.submit

    def slow(jobs: JobManager, job: Job) -> JobHandle:
        running = submit(jobs, job)
        assert submitting.wait(30)
        return running

    monkeypatch.setattr(JobManager, "submit", slow)
    run = pool.submit(node, unique_id="7")
    until(lambda: asker.faults.posts)
    stop(host, run)
    submitting.set()
    until(lambda: any("saved and used by the next run" in text for text in host.texts))
    gate.set()
    until_quiet()
    assert node()[2]["reused"] is True
    assert asker.faults.posts == 1


def test_cancelled_run_is_asked_for_again_under_its_key(asker: Asker) -> None:
    """What was paid at comfy.org and lost on the wire is had in the background too."""
    asker.name, gate = "comfy.org", threading.Event()
    asker.faults.add(Fault(gate=gate, drop="after_work"))
    running = asker.submit()
    until(lambda: asker.faults.posts)
    running.leave()
    gate.set()
    until_quiet()
    assert (asker.faults.posts, asker.faults.billed) == (2, 1)
    assert asker.next_run()[0] == 0


def test_cancelled_run_that_ends_badly_is_told_in_the_log(
    asker: Asker, host: Host, pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits any more, but nobody should believe that a picture will be there."""
    gate = threading.Event()
    asker.faults.add(Fault(gate=gate, drop="after_work"))
    run = pool.submit(node, unique_id="7")
    until(lambda: asker.faults.posts)
    stop(host, run)
    gate.set()
    until_quiet()
    assert any("ended without a picture: OutcomeUnknownError" in line for line in caplog.messages)
    with pytest.raises(OutcomeUnknownError):
        node()
    assert asker.faults.posts == 1


@pytest.mark.slow
def test_cancel_while_the_answer_downloads_keeps_it(asker: Asker) -> None:
    """The answer is read to its end."""
    asker.faults.slow(SLOW_S)
    running = asker.submit()
    until(lambda: running.stage().startswith("downloading"))
    running.leave()
    until_quiet()
    again, answer = asker.next_run()
    assert (again, answer.pictures) == (0, [painted("a red fox")])


def test_end_of_the_process_waits_for_what_is_out_and_sends_nothing_more(
    asker: Asker, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ctrl+C in ComfyUI's window: what is paid is kept; neither who waits for a place nor who comes later is sent."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_MAX_IN_FLIGHT", "1")
    asker.jobs = JobManager()
    gate = asker.faults.hold()
    running, queued = asker.submit(), asker.submit("another")
    until(lambda: asker.faults.posts)
    ending = pool.submit(asker.jobs.end)
    until(lambda: any("1 answers that may be billed" in line for line in caplog.messages))
    late = asker.submit("a third")
    assert not ending.done()
    gate.set()
    ending.result(30)
    assert running.future.result(0).pictures == [painted("a red fox")]
    for unsent in (queued, late):
        with pytest.raises(CancelledError):
            unsent.future.result(30)
    assert asker.faults.posts == 1


ENDINGS: dict[str, tuple[str, dict[str, Any]]] = {  # whose it is, and how what is out ends
    "refused as one too many": ("openai", {"status": 429, "headers": {"Retry-After": "0"}}),
    "broken at the service": ("comfy.org", {"status": 500, "body": b'{"error": {"message": "boom"}}'}),
    "lost under a key": ("comfy.org", {"drop": "after_work"}),
    "still running": ("comfy.org", {"status": 409, "headers": {"X-Comfy-Error-Type": "idempotency_in_flight"}}),
}


@pytest.mark.parametrize(("name", "fault"), ENDINGS.values(), ids=ENDINGS)
def test_end_of_the_process_sends_nothing_a_second_time(
    asker: Asker, pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture, name: str, fault: dict[str, Any]
) -> None:
    """What is out fails while the end waits for it: it is left to the next run, which pays no second time."""
    asker.name, asker.jobs, gate = name, JobManager(), threading.Event()
    asker.faults.add(Fault(gate=gate, **fault))
    running = asker.submit()
    until(lambda: asker.faults.posts)
    ending = pool.submit(asker.jobs.end)
    until(lambda: any("1 answers that may be billed" in line for line in caplog.messages))
    gate.set()
    ending.result(30)
    with pytest.raises(CancelledError):
        running.future.result(0)
    assert asker.faults.posts == 1
    asker.jobs = JobManager()
    assert asker.ask().pictures == [painted("a red fox")]
    assert (asker.faults.posts, asker.faults.billed) == (2, 1)


@pytest.mark.parametrize("name", ["openai", "comfy.org"])
def test_end_of_the_process_does_not_wait_for_a_next_try(
    asker: Asker, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """What waits for minutes to be sent again is out no more."""
    asker.name, asker.jobs = name, JobManager()
    if name == "comfy.org":
        asker.faults.drop("after_work")
    asker.faults.status(429, headers={"Retry-After": "120"})
    posts = asker.faults.waiting
    running = asker.submit()
    until(lambda: "next try in 120 s" in running.stage())
    asker.jobs.end()
    with pytest.raises(CancelledError):
        running.future.result(30)
    assert asker.faults.posts == posts
    assert not any("Waiting" in line for line in caplog.messages)


def test_end_of_an_idle_process_waits_for_nothing(asker: Asker, caplog: pytest.LogCaptureFixture) -> None:
    """As it was before."""
    asker.jobs = JobManager()
    asker.ask()
    asker.jobs.end()
    assert not any("Waiting" in line for line in caplog.messages)


def test_cancel_while_pictures_are_fetched_keeps_them(asker: Asker, host: Host, pool: ThreadPoolExecutor) -> None:
    """The same where the answer tells only where they lie."""
    gate = threading.Event()
    asker.faults.urls().add(Fault(gate=gate), method="GET")
    run = pool.submit(node)
    until(lambda: asker.faults.gets)
    stop(host, run)
    gate.set()
    until_quiet()
    assert node()[2]["reused"] is True
    assert (asker.faults.posts, len(asker.faults.gets)) == (1, 1)


@pytest.mark.parametrize("is_out", [True, False])
@pytest.mark.parametrize("reuse", [True, False])
def test_stopped_run_with_reuse_off_is_what_the_next_run_gets(
    asker: Asker, host: Host, pool: ThreadPoolExecutor, is_out: bool, reuse: bool
) -> None:
    """Whether its answer is still to come or nobody had it: the node says so, and another was bought."""
    gate = asker.faults.hold()
    run = pool.submit(node, reuse=False, unique_id="7")
    until(lambda: asker.faults.posts)
    stop(host, run)
    if not is_out:
        gate.set()
        until_quiet()
    later = pool.submit(node, reuse=reuse)
    gate.set()
    later.result(30)
    assert asker.faults.posts == 1
    node(reuse=False)
    assert asker.faults.posts == 2


def test_run_that_begins_as_a_stopped_one_is_answered_has_its_answer(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no moment at which it is neither on its way nor kept for the next run."""
    gate, later = asker.faults.hold(), list[JobHandle]()
    running = asker.submit(reuse=False)
    until(lambda: asker.faults.posts)
    asker.jobs.give_up(running)
    told = "openai_image_nodes.api.jobs.manager._tell_the_log"
    monkeypatch.setattr(told, lambda _outcome: later.append(asker.submit(reuse=False)))
    gate.set()
    until(lambda: later)
    assert later[0].future.result(30).reused is True
    assert asker.faults.posts == 1


def test_run_with_reuse_off_that_is_stopped_while_it_decodes_is_what_the_next_run_gets(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is paid by then, and nobody had it."""
    with monkeypatch.context() as patched:
        patched.setattr(answers, "pngs_to_image", Interrupted.stop)
        with pytest.raises(Interrupted):
            node(reuse=False)
    assert node(reuse=False)[2]["reused"] is True
    assert node(reuse=False)[2]["reused"] is False
    assert asker.faults.posts == 2


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize("kept", [True, False])
def test_row_of_a_list_that_failed_is_what_the_next_run_gets(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, kept: bool, reuse: bool
) -> None:
    """ComfyUI drops what the other rows gave, so nobody had it: with reuse off, or a full disk, it was paid again."""

    async def prompt() -> None:
        first = await GPTImage().api_call(**asked({"prompt": "paid", "reuse": reuse, "unique_id": "7"}))
        assert json.loads(first[2])["reused"] is False
        asker.faults.status(400, code="moderation_blocked")
        await GPTImage().api_call(**asked({"prompt": "refused", "reuse": reuse, "unique_id": "7"}))

    with monkeypatch.context() as patched:
        if not kept:
            patched.setattr(Store, "save", Mock(side_effect=OSError(errno.ENOSPC, "full")))
            patched.setattr(RequestJournal, "receiving", lambda *_: nullcontext(len))
        with pytest.raises(ModeratedError):
            asyncio.run(prompt())
    assert node(prompt="paid", reuse=reuse)[2]["reused"] is True
    assert asker.faults.posts == 2
    assert kept or reuse or node(prompt="paid", reuse=False)[2]["reused"] is False


@pytest.mark.parametrize("fault", [{"connection": "nowhere"}, {"seed": "x"}, {"quality": 7}])
def test_row_of_a_list_that_failed_before_it_was_prepared_gives_back_the_others(
    asker: Asker, fault: dict[str, Any]
) -> None:
    """A list may name a connection or a seed for each row: the one that is none dropped what the others had paid."""

    async def prompt() -> None:
        await GPTImage().api_call(**asked({"prompt": "paid", "reuse": False, "unique_id": "7"}))
        await GPTImage().api_call(**asked({"prompt": "refused", "reuse": False, "unique_id": "7", **fault}))

    with pytest.raises(RefusedError):
        asyncio.run(prompt())
    assert node(prompt="paid", reuse=False)[2]["reused"] is True
    assert asker.faults.posts == 1


def test_row_of_a_list_that_failed_leaves_alone_what_was_had_before(asker: Asker) -> None:
    """Its picture was seen in an earlier run: as one that nobody had, it would never be forgotten again."""
    node(prompt="paid")

    async def prompt() -> None:
        await GPTImage().api_call(**asked({"prompt": "paid", "unique_id": "7"}))
        await GPTImage().api_call(**asked({"prompt": "new", "unique_id": "7"}))
        asker.faults.status(400, code="moderation_blocked")
        await GPTImage().api_call(**asked({"prompt": "refused", "unique_id": "7"}))

    with pytest.raises(ModeratedError):
        asyncio.run(prompt())
    assert {prompt_of(record.fields): why_unread(folder) for folder, record in asker.store.records()} == {
        "paid": None,
        "new": NOT_HAD,
    }
    node(prompt="new")
    assert [why_unread(folder) for folder, _ in asker.store.records()] == [None, None]


def test_failing_sibling_does_not_cost_a_finished_picture(asker: Asker) -> None:
    """One node is refused, ComfyUI ends the prompt's loop: the other one's picture is there for the next run."""
    gate = asker.faults.hold()

    async def prompt() -> None:
        paid = asyncio.create_task(GPTImage().api_call(**asked({"prompt": "paid"})))
        while not asker.faults.posts:
            await asyncio.sleep(0.005)
        asker.faults.status(400, code="moderation_blocked")
        try:
            await GPTImage().api_call(**asked({"prompt": "refused"}))
        finally:
            assert not paid.done()

    with pytest.raises(ModeratedError):
        asyncio.run(prompt())
    assert not gate.is_set()
    gate.set()
    until_quiet()
    assert node(prompt="paid")[2]["reused"] is True
    assert asker.faults.posts == 2


def test_cancelled_node_does_not_stop_another_that_waits_for_the_same(asker: Asker) -> None:
    """Both asked for one job: one request, and the one who stays gets the picture."""
    gate = asker.faults.hold()

    async def prompt() -> Any:
        leaving, staying = (asyncio.create_task(GPTImage().api_call(**asked({}))) for _ in range(2))
        while not asker.faults.posts:
            await asyncio.sleep(0.005)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        gate.set()
        return await staying

    assert asyncio.run(prompt())[0].shape == (1, 8, 8, 3)
    assert asker.faults.posts == 1


def test_cancelled_future_of_one_waiter_stays_a_future_for_the_others(asker: Asker) -> None:
    """asyncio hands a cancelled wrapper on to what it wraps: that must not end the job."""
    gate = asker.faults.hold()
    running = asker.submit()
    until(lambda: asker.faults.posts)
    assert running.future.cancel() is False
    gate.set()
    assert running.future.result(30).pictures == [painted("a red fox")]


@pytest.mark.slow
def test_error_that_nobody_waits_for_is_no_noise_in_the_log(asker: Asker, caplog: pytest.LogCaptureFixture) -> None:
    """One line of ours tells of it; asyncio, whose loop may go on, has nothing to complain about."""
    gate = threading.Event()
    asker.faults.add(Fault(gate=gate, status=400))

    async def prompt() -> None:
        leaving = asyncio.create_task(GPTImage().api_call(**asked({})))
        while not asker.faults.posts:
            await asyncio.sleep(0.005)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        del leaving
        gate.set()
        while any(thread.name == "openai-image-request" for thread in threading.enumerate()):
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.01)
        gc.collect()

    asyncio.run(prompt())
    gc.collect()
    assert [line.partition(":")[0] for line in caplog.messages if "stopped" in line or "never" in line] == [
        "A run that was stopped ended without a picture"
    ]
