"""What a prompt leaves behind in a ComfyUI that runs for weeks: neither its pictures nor its event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from openai_image_nodes.api.errors import OpenAIImageError
from openai_image_nodes.api.jobs.manager import JOBS
from support.asker import Asker, Server, until, until_quiet
from support.node_calls import GPTImage, asked, photo


class Interrupted(Exception):
    """What ComfyUI raises in a node when the person presses Cancel."""


@pytest.fixture
def asker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asker]:
    with Server() as server:
        asker = Asker.fresh(server, "openai", monkeypatch)
        asker.jobs = JOBS
        yield asker


def run(**inputs: object) -> tuple[weakref.ref[object], weakref.ref[object]]:
    """Run the node on a loop of its own, as ComfyUI runs a prompt; what remains of its picture and its loop."""
    picture = photo(16, 16)
    seen = []

    async def prompt() -> None:
        seen.append(weakref.ref(asyncio.get_running_loop()))
        await GPTImage().api_call(**asked({"image": picture, **inputs}))

    with contextlib.suppress(OpenAIImageError, Interrupted):
        asyncio.run(prompt())
    return weakref.ref(picture), seen[0]


@pytest.mark.parametrize("ending", ["well", "refused", "cancelled"])
def test_picture_is_let_go_when_the_run_has_ended(asker: Asker, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """However it ends: what is raised to a run knows the frames it came through, so nobody keeps it."""
    stopped = threading.Event()

    def throw() -> None:
        if stopped.is_set():
            raise Interrupted

    management = SimpleNamespace(throw_exception_if_processing_interrupted=throw)
    monkeypatch.setitem(sys.modules, "comfy.model_management", management)
    gate = asker.faults.hold() if ending == "cancelled" else threading.Event()
    if ending == "refused":
        asker.faults.status(400, code="moderation_blocked")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, unique_id="7")
        until(lambda: asker.faults.posts)
        if ending == "cancelled":
            stopped.set()
        picture, _ = running.result(30)
        del running
    stopped.clear()
    gate.set()
    until_quiet()
    gc.collect()
    assert picture() is None


def test_loop_of_a_prompt_is_let_go(asker: Asker) -> None:
    """With all that waited in it."""
    loops = [run(seed=seed)[1] for seed in range(4)]
    until_quiet()
    gc.collect()
    assert [loop() for loop in loops] == [None] * 4
    assert asker.faults.posts == 4
