"""Takes a batch through its life: its lines checked, worked by a few threads, and its files written."""

from __future__ import annotations

import contextlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Literal

from .batch import Batch
from .input_file import Index, Line, fault, indexed
from .line_results import Done, Shop, answer, failed_on_purpose, unworked
from .results import Results
from .scenarios import shuffled

AHEAD = 4  # lines in memory: two being drawn, two waiting
POLL_S = 0.02


def work(batch: Batch, shop: Shop, pool: ThreadPoolExecutor) -> None:
    """Work a batch to its end; break off where `batch.interrupted` is set: it was cancelled, or the sandbox stops."""
    stored = shop.files.find(batch.wish.input_file_id)
    if stored is None:
        batch.reject([fault("file_not_found", "The input file is no longer there.", "input_file_id")])
        return
    with stored.path.open("rb") as file:
        index = indexed(file, batch.wish.endpoint)
        if batch.plan.fail_validation is not None:
            index.faults.append(fault("invalid_request", batch.plan.fail_validation, None))
        if index.faults:
            batch.reject(index.faults)
            return
        batch.begin(index.model, len(index.lines))
        with contextlib.closing(Results(shop.files, batch)) as results:
            _Run(batch, shop, pool, results).through(file, index)


class _Run:
    """The lines of one batch on their way, in an order of their own that is the same each time."""

    def __init__(self, batch: Batch, shop: Shop, pool: ThreadPoolExecutor, results: Results) -> None:
        self._batch, self._shop, self._pool, self._results = batch, shop, pool, results
        self._left: deque[Line] = deque()
        self._ahead: deque[tuple[Line, Future[Done | None]]] = deque()
        self._done = 0

    def through(self, file: BinaryIO, index: Index) -> None:
        """Work the lines of a file and finish the batch."""
        failing = self._batch.plan.failing(index.lines)
        self._left.extend(index.lines[name] for name in shuffled(index.lines, "order"))
        while (self._left or self._ahead) and self._why_stop() is None:
            while self._left and self._may_begin(len(index.lines)):
                self._begin(file, failing)
            if self._ahead:
                self._settle(*self._ahead.popleft())
            else:
                self._batch.interrupted.wait(POLL_S)  # held
        why = self._why_stop()
        while self._ahead:
            self._settle(*self._ahead.popleft())
        if why != "stopped":
            self._finish(why)

    def _why_stop(self) -> Literal["stopped", "cancelled", "expired"] | None:
        batch, expire_after = self._batch, self._batch.plan.expire_after
        if batch.interrupted.is_set():
            return "cancelled" if batch.status == "cancelling" else "stopped"
        return "expired" if batch.is_late() or (expire_after is not None and self._done >= expire_after) else None

    def _may_begin(self, total: int) -> bool:
        begun, released = self._done + len(self._ahead), self._batch.released.is_set()
        return len(self._ahead) < AHEAD and begun < self._batch.plan.most(total, released=released)

    def _begin(self, file: BinaryIO, failing: set[str]) -> None:
        line = self._left.popleft()
        file.seek(line.offset)
        raw = file.read(line.length)
        self._ahead.append((line, self._pool.submit(self._worked, line, raw, line.custom_id in failing)))

    def _worked(self, line: Line, raw: bytes, fails: bool) -> Done | None:
        """Answer a line, on a thread of the pool; None if it was not begun because all is to stop."""
        if self._batch.interrupted.wait(self._batch.plan.delay_s):
            return None
        if fails:
            return failed_on_purpose(line.custom_id, self._batch.plan.failure)
        return answer(raw, self._batch, self._shop)

    def _settle(self, line: Line, future: Future[Done | None]) -> None:
        done = future.result()
        if done is None:
            self._left.append(line)
            return
        self._results.write(done)
        self._batch.count(done.tokens)
        self._done += 1

    def _finish(self, why: Literal["cancelled", "expired"] | None) -> None:
        for line in self._left:
            self._results.write(unworked(line.custom_id, why or "expired"))
            self._batch.count(None)
        ended_early = why if self._left else None
        if ended_early is None:
            self._batch.finalize()
        self._batch.finish(ended_early or "completed", self._results.keep())
