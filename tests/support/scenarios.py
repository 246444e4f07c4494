"""Batches that go wrong and time that goes by, for the sandbox; none of it is in the sandbox itself.

with ScriptedSandbox() as sandbox:
    sandbox.scenarios.plan(BatchPlan(fail=0.5), times=1)
    sandbox.clock.advance(3600)
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from openai_image_nodes.sandbox import Sandbox, Scenario
from openai_image_nodes.sandbox import errors as refusals
from openai_image_nodes.sandbox.batches.batch import ResultLine, Step
from openai_image_nodes.sandbox.batches.worker import failed, shuffled

FAILURES = {
    "server_error": refusals.server_error(),
    "moderation_blocked": refusals.refused(
        "Your request was rejected by the safety system.", param=None, code="moderation_blocked"
    ),
}


@dataclass
class BatchPlan(Scenario):
    """The course of a batch. What is left out goes well; parts can be combined.

    `fail`: the share 0..1 of lines that fail (rounded to whole lines, always the same ones for the same
    custom_ids), or a function that tells by a custom_id; they fail in the form of `failure`.
    `expire_after`: the batch expires when so many lines are done. `hold_after`: it stays in_progress when so many
    lines are done, until `Batches.release`; 0 holds it before the first. `delay_s`: a pause before each line.
    `fail_validation`: the message with which the whole batch fails.
    """

    fail: float | Callable[[str], bool] = 0.0
    failure: Literal["server_error", "moderation_blocked"] = "server_error"
    expire_after: int | None = None
    hold_after: int | None = None
    delay_s: float = 0.0
    fail_validation: str | None = None
    released: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        self._failing: set[str] = set()
        self._begun_at = (0, time.monotonic())

    def validation_error(self, custom_ids: Collection[str]) -> str | None:
        chosen = shuffled(custom_ids, "fail")
        if callable(self.fail):
            self._failing = set(filter(self.fail, chosen))
        else:
            self._failing = set(chosen[: round(self.fail * len(chosen))])
        return self.fail_validation

    def next_step(self, begun: int) -> Step:
        if begun != self._begun_at[0]:
            self._begun_at = (begun, time.monotonic())
        if self.expire_after is not None and begun >= self.expire_after:
            return "expire"
        held = self.hold_after is not None and begun >= self.hold_after and not self.released.is_set()
        early = time.monotonic() - self._begun_at[1] < self.delay_s
        return "wait" if held or early else "go on"

    def line(self, custom_id: str, work: Callable[[], ResultLine]) -> ResultLine:
        return failed(custom_id, FAILURES[self.failure]) if custom_id in self._failing else work()


class Batches:
    """How a sandbox's batches go: each takes the plan that holds when it is made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: list[BatchPlan] = []
        self.plan()

    def plan(self, plan: BatchPlan | None = None, *, times: int | None = None) -> None:
        """Let the next `times` batches go so, or all that are made until the next call; None is back to normal."""
        with self._lock:
            self._plan, self._times = plan or BatchPlan(), times

    def release(self) -> None:
        """Let all go on that are held now."""
        for plan in self._made:
            plan.released.set()

    def __call__(self) -> BatchPlan:
        """Return the plan of a batch that is being made."""
        with self._lock:
            if self._times is not None:
                self._times -= 1
            plan = replace(self._plan) if self._times is None or self._times >= 0 else BatchPlan()
            self._made.append(plan)
            return plan


class Clock:
    """The sandbox's time: a test may move it forward."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead_s

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self._ahead_s += seconds


class Posts(Counter[str]):
    """A middleware that counts the POSTs by their path, whatever else happens to them."""

    __middleware_version__ = 1  # what aiohttp's @web.middleware sets
    __hash__ = object.__hash__  # aiohttp keeps middlewares as keys

    async def __call__(self, request: Any, handler: Any) -> Any:
        if request.method == "POST":
            self[request.path] += 1
        return await handler(request)


class ScriptedSandbox(Sandbox):
    """A sandbox whose POSTs are counted, with batches that can be told how to go, and a clock that can be moved."""

    def __init__(self, *, middlewares: Sequence[Any] = (), **options: Any) -> None:
        self.posts, self.scenarios, self.clock = Posts(), Batches(), Clock()
        options = {"scenario": self.scenarios, "clock": self.clock, **options}
        super().__init__(middlewares=[self.posts, *middlewares], **options)
