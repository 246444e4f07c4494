"""Everybody who waits in one event loop, that is in one prompt of ComfyUI: one look at Cancel, one line per node."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from ...utils import comfyui as host

STOP_POLL_S = 0.1
TEXT_EVERY_S = 1.0


@dataclass(eq=False)
class Waiter:
    """One run that waits: where its text is shown, at which stage it is, and what to do ten times a second."""

    node_id: str | None
    stage: Callable[[], str]
    meanwhile: Callable[[], Awaitable[None]] | None = None
    since: float = field(default_factory=time.monotonic)
    shown_s: int = 0

    def show(self) -> None:
        """Show the stage and the seconds whenever one more has passed."""
        elapsed_s = int(time.monotonic() - self.since)
        if elapsed_s > self.shown_s:
            self.shown_s = elapsed_s
            host.show_text(f"{self.stage()}, {elapsed_s} s", self.node_id)


@dataclass
class _Runs:
    """The runs of one node: how many were begun, and how they ended."""

    begun: int = 0
    ended: Counter[str] = field(default_factory=Counter)

    def outcome(self, newest: str) -> str:
        """Return how a list ended; what the newest run says belongs to all where all ended alike."""
        if len(self.ended) == 1 and not newest.startswith("done"):
            return f"{self.begun} {newest}"
        return _counted(self.ended)


class Room:
    """The waiters of one event loop. The one who looks at Cancel clears ComfyUI's flag, so he tells all others."""

    def __init__(self) -> None:
        self._waiters: dict[Waiter, None] = {}
        self._runs: dict[str | None, _Runs] = {}
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
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
            host.show_text(said, node_id)
        elif runs.begun == runs.ended.total():
            host.show_text(runs.outcome(said), node_id)

    def alone(self, node_id: str | None) -> bool:
        """Tell whether a node has one run, which then has the node's text and progress bar for itself."""
        return self._runs.get(node_id, _Runs(1)).begun == 1

    @contextmanager
    def joined(self, waiter: Waiter) -> Iterator[asyncio.Future[None]]:
        """Wait together with the others; the future gets ComfyUI's interruption when the person cancels."""
        self._look()
        self._waiters[waiter] = None
        if self._ticker is None or self._ticker.done():
            self._ticker = asyncio.get_running_loop().create_task(self._tick())
        try:
            yield self._stopped
        finally:
            self._waiters.pop(waiter, None)

    def _look(self) -> None:
        if self._stopped.done() or time.monotonic() - self._looked < STOP_POLL_S / 2:
            return
        self._looked = time.monotonic()
        try:
            host.raise_if_stopped()
        except BaseException as exc:  # noqa: BLE001 - handed over to everybody who waits
            self._stop(exc)

    def _stop(self, exc: BaseException) -> None:
        self._stopped.set_exception(exc)
        self._stopped.exception()  # somebody asked: else asyncio complains where nobody waits

    async def _tick(self) -> None:
        try:
            while self._waiters and not self._stopped.done():
                self._look()
                self._show()
                own = [each.meanwhile for each in self._waiters if each.meanwhile and self.alone(each.node_id)]
                await asyncio.gather(*(meanwhile() for meanwhile in own))
                await asyncio.sleep(STOP_POLL_S)
        except asyncio.CancelledError:
            raise
        except BaseException as exc:  # noqa: BLE001 - ComfyUI's progress bar raises its interruption too
            if not self._stopped.done():
                self._stop(exc)

    def _show(self) -> None:
        """Show each node's line once a second: a single run's own, or for a list how far all its rows are."""
        lists: dict[str | None, list[Waiter]] = {}
        for waiter in self._waiters:
            if self.alone(waiter.node_id):
                waiter.show()
            else:
                lists.setdefault(waiter.node_id, []).append(waiter)
        if time.monotonic() - self._shown >= TEXT_EVERY_S:
            self._shown = time.monotonic()
            for node_id, waiters in lists.items():
                self._show_list(node_id, waiters)

    def _show_list(self, node_id: str | None, waiters: list[Waiter]) -> None:
        begun, ended = self._runs[node_id].begun, self._runs[node_id].ended.total()
        stages = Counter(waiter.stage() for waiter in waiters)
        host.show_text(f"{ended} of {begun} done; {_counted(stages)}", node_id)
        host.show_progress(ended, begun, node_id)


def _counted(words: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in words.items())


_ROOMS: WeakKeyDictionary[asyncio.AbstractEventLoop, Room] = WeakKeyDictionary()


def room() -> Room:
    """Return the room of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _ROOMS:
        _ROOMS[loop] = Room()
    return _ROOMS[loop]
