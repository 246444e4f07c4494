"""Everybody who waits in one event loop, that is in one prompt of ComfyUI: one look at Cancel, one line per node."""

from __future__ import annotations

import asyncio
import copy
import re
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from ...api import JobHandle
from ...api.jobs.threads import run_bounded, run_in_thread
from ...utils import comfyui
from ...utils.decode import preview_image

FITTING = "fitting the answer"
STOP_POLL_S = 0.1
TEXT_EVERY_S = 1.0
LOOPS_NAME = "_openai_image_nodes"  # of what an event loop holds for us

T = TypeVar("T")


@dataclass(eq=False)
class _Waiter:
    """One run that waits: where its text is shown, at which stage it is, and what to do ten times a second."""

    node_id: str | None
    stage: Callable[[], str]
    on_tick: Callable[[], Awaitable[None]] | None
    stopped: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    since: float = field(default_factory=time.monotonic)
    shown_s: int = 0

    def show(self) -> None:
        """Show the stage and the seconds whenever one more has passed."""
        elapsed_s = int(time.monotonic() - self.since)
        if elapsed_s > self.shown_s:
            self.shown_s = elapsed_s
            comfyui.show_text(f"{self.stage()}, {elapsed_s} s", self.node_id)


@dataclass
class _Runs:
    """The runs of one node: how many were begun, how they ended, and what gives back the pictures that they had."""

    begun: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    give_backs: list[Callable[[], object]] = field(default_factory=list)
    has_failed: bool = False

    def outcome(self, newest: str) -> str:
        """Return how a list ended; what the newest run says belongs to all where all ended alike."""
        if len(self.ended) == 1 and not newest.startswith("done"):
            return f"{self.begun} {newest}"
        return _counted(self.ended)


class PromptMonitor:
    """The runs that wait in one event loop. Whoever looks at Cancel clears ComfyUI's flag, so all are told at once."""

    def __init__(self) -> None:
        self._waiters: dict[_Waiter, None] = {}  # in the order in which they came
        self._runs: dict[str | None, _Runs] = {}
        self._interruption: BaseException | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._looked = self._shown = 0.0

    def begin(self, node_id: str | None) -> None:
        """Count a run of a node: several of one node are the rows of a list."""
        self._runs.setdefault(node_id, _Runs()).begun += 1

    def end(self, node_id: str | None, said: str) -> None:
        """Count a run that came to something, and show what; for a list when all of it did.

        What is said begins with its kind, up to a comma or colon: "done, 0.0410 USD", "planned, 3 in the plan".
        """
        runs = self._runs.setdefault(node_id, _Runs(1))
        runs.ended[re.split("[,:;]", said)[0]] += 1
        if runs.begun == 1:
            comfyui.show_text(said, node_id)
        elif runs.begun == runs.ended.total():
            comfyui.show_text(runs.outcome(said), node_id)

    def had(self, node_id: str | None, give_back: Callable[[], object]) -> None:
        """Note what gives back the picture of a run, once another run of its node fails: see `fail`."""
        runs = self._runs.setdefault(node_id, _Runs(1))
        runs.give_backs.append(give_back)
        if runs.has_failed:
            self.fail(node_id)

    def fail(self, node_id: str | None) -> None:
        """Give back the pictures of a list of which a row failed, or was stopped: ComfyUI drops those of all rows."""
        runs = self._runs.setdefault(node_id, _Runs(1))
        runs.has_failed = node_id is not None  # else nobody knows what is a list
        while runs.has_failed and runs.give_backs:
            runs.give_backs.pop()()

    def show(self, node_id: str | None, said: str) -> None:
        """Show what a run does now, at once; the runs of a list are shown together."""
        if self._is_alone(node_id):
            comfyui.show_text(said, node_id)

    def _is_alone(self, node_id: str | None) -> bool:
        """Tell whether a node has one run, which then has the node's text and progress bar for itself."""
        return self._runs.get(node_id, _Runs(1)).begun == 1

    async def wait(
        self,
        future: Future[T],
        node_id: str | None,
        stage: Callable[[], str] = lambda: "preparing",
        on_tick: Callable[[], Awaitable[None]] | None = None,
    ) -> T:
        """Return what comes of a future, showing the stage each second; end at once when the person cancels.

        Raises: what comes of the future, ComfyUI's interruption.
        """
        self._look()
        waiter, waiting = _Waiter(node_id, stage, on_tick), asyncio.wrap_future(future)
        self._waiters[waiter] = None
        if self._ticker is None or self._ticker.done():
            self._ticker = asyncio.get_running_loop().create_task(self._tick())
        try:
            if self._interruption is None:
                first: list[asyncio.Future[Any]] = [waiting, waiter.stopped]  # of one for all each end looks through it
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if self._interruption is not None:
                raise _copied(self._interruption)
            return waiting.result()
        finally:
            del self._waiters[waiter]
            waiting.cancel()  # only this wrapper: else asyncio complains of an error that nobody fetched

    def _look(self) -> None:
        if self._interruption is not None or time.monotonic() - self._looked < STOP_POLL_S / 2:
            return
        self._looked = time.monotonic()
        try:
            comfyui.raise_if_stopped()
        except BaseException as exc:  # noqa: BLE001 - handed over to everybody who waits
            self._stop(exc)

    def _stop(self, exc: BaseException) -> None:
        self._interruption = exc.with_traceback(None)
        for waiter in self._waiters:
            waiter.stopped.set_result(None)

    async def _tick(self) -> None:
        try:
            while self._waiters and self._interruption is None:
                self._look()
                lists: dict[str | None, list[_Waiter]] = {}
                for waiter in self._waiters:
                    if self._is_alone(waiter.node_id):
                        waiter.show()
                    else:
                        lists.setdefault(waiter.node_id, []).append(waiter)
                if time.monotonic() - self._shown >= TEXT_EVERY_S:
                    self._shown = time.monotonic()
                    for node_id, waiters in lists.items():
                        begun, ended = self._runs[node_id].begun, self._runs[node_id].ended.total()
                        stages = Counter(waiter.stage() for waiter in waiters)
                        comfyui.show_text(f"{ended} of {begun} done; {_counted(stages)}", node_id)
                        comfyui.show_progress(ended, begun, node_id)
                own = [each.on_tick for each in self._waiters if each.on_tick and self._is_alone(each.node_id)]
                await asyncio.gather(*(on_tick() for on_tick in own))
                await asyncio.sleep(STOP_POLL_S)
        except asyncio.CancelledError:
            raise
        except BaseException as exc:  # noqa: BLE001 - ComfyUI's progress bar raises its interruption too
            if self._interruption is None:
                self._stop(exc)


def _copied(exc: BaseException) -> BaseException:
    """Return an exception for one run alone: raised, it knows the frames it came through, and so a run's pictures."""
    try:
        return copy.copy(exc)
    except Exception:  # noqa: BLE001 - of a class that cannot be copied
        return exc


def _counted(words: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in words.items())


class ProgressReporter:
    """Moves a node's progress bar by how long this usually takes, and shows the sketches that came, each once."""

    def __init__(self, handle: JobHandle, node_id: str | None) -> None:
        self._handle, self._node_id = handle, node_id
        self._sketches = self._percent = 0

    async def show(self) -> None:
        """Show what is new; a sketch is decoded off the loop."""
        partials, percent = self._handle.partials, int(100 * (self._handle.progress or 0))
        if len(partials) > self._sketches:
            self._sketches = len(partials)
            await self._show_picture(partials[-1], max(percent, 1))
        elif percent > self._percent:
            comfyui.show_progress(percent, 100, self._node_id)
        self._percent = max(percent, self._percent)

    async def finish(self, pictures: Sequence[bytes]) -> None:
        """Show the finished picture in the place of the last sketch, which would stay there after the run."""
        if self._sketches and pictures:
            await self._show_picture(pictures[0], 100)

    async def _show_picture(self, data: bytes, percent: int) -> None:
        try:
            preview = await asyncio.wrap_future(run_in_thread(lambda: preview_image(data)))
        except Exception:  # noqa: BLE001 - a broken sketch, no thread or no memory for it: the run goes on
            return
        comfyui.show_progress(percent, 100, self._node_id, preview)


def of_this_loop(make: Callable[[], T]) -> T:
    """Return the one thing that is made for the running event loop: ComfyUI runs each prompt in a loop of its own.

    It is kept in the loop: what waits in a loop knows it, so a table here would keep both for ever, weak keys or not.
    """
    held: dict[Callable[[], T], T] = vars(asyncio.get_running_loop()).setdefault(LOOPS_NAME, {})
    if make not in held:
        held[make] = make()
    return held[make]


prompt_monitor = partial(of_this_loop, PromptMonitor)


async def work_out(work: Callable[[Callable[[], bool]], T], node_id: str | None, stage: str | None = None) -> T:
    """Return what work on a thread comes to; it is told to stop once nobody waits for it any more.

    Raises: what comes of the work, ComfyUI's interruption.
    """
    monitor, deserted = prompt_monitor(), threading.Event()
    if stage:
        monitor.show(node_id, stage)
    try:
        working = run_bounded(lambda: work(deserted.is_set))
        return await monitor.wait(working, node_id, lambda: stage or "preparing")
    finally:
        deserted.set()
