"""The batches of one sandbox: made, looked at, cancelled, and told to go wrong."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from .batch import Batch
from .creation import Wish
from .input_file import fault
from .line_results import Shop
from .scenarios import Plan
from .worker import work

LOG = logging.getLogger(__name__)
WORKERS = 2
CLOSE_TIMEOUT_S = 20.0  # less than a sandbox takes to stop


class Batches:
    """The batches by their ids, each worked in the background. Thread-safe.

    For tests: `plan` says how the batches go that are made from then on, `release` lets those go on that a plan
    holds.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._lock = threading.Lock()
        self._batches: dict[str, Batch] = {}
        self._threads: list[threading.Thread] = []
        self._pool: ThreadPoolExecutor | None = None
        self._plan, self._times = Plan(), 0

    def plan(self, plan: Plan | None = None, *, times: int | None = None) -> None:
        """Let the next `times` batches go so, or all that are made until the next call; None is back to normal."""
        with self._lock:
            self._plan, self._times = plan or Plan(), -1 if times is None else times

    def release(self) -> None:
        """Let all go on that are held now."""
        for batch in self.listed():
            batch.released.set()

    def create(self, wish: Wish) -> Batch:
        """Begin a batch and return at once."""
        with self._lock:
            batch = Batch(f"batch_{secrets.token_hex(16)}", wish, self._next_plan(), self._shop.clock)
            pool = self._pool = self._pool or ThreadPoolExecutor(WORKERS, "openai-image-sandbox-draw")
            thread = threading.Thread(
                target=self._work, args=(batch, pool), name="openai-image-sandbox-batch", daemon=True
            )
            self._batches[batch.id] = batch
            self._threads = [*(one for one in self._threads if one.is_alive()), thread]
            thread.start()
        return batch

    def find(self, batch_id: str) -> Batch | None:
        """Return a batch, or None."""
        with self._lock:
            return self._batches.get(batch_id)

    def listed(self) -> list[Batch]:
        """Return all batches, the newest first."""
        with self._lock:
            return list(self._batches.values())[::-1]

    def close(self) -> None:
        """Break off what is being worked and forget all batches; wait at most 20 s for it."""
        deadline = time.monotonic() + CLOSE_TIMEOUT_S
        with self._lock:
            batches, threads, pool = list(self._batches.values()), self._threads, self._pool
            self._batches, self._threads, self._pool = {}, [], None
        for batch in batches:
            batch.interrupted.set()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if pool is not None:
            pool.shutdown(wait=not any(thread.is_alive() for thread in threads), cancel_futures=True)

    def _next_plan(self) -> Plan:
        plan = self._plan
        if self._times == 0:
            plan = Plan()
        elif self._times > 0:
            self._times -= 1
        return plan

    def _work(self, batch: Batch, pool: ThreadPoolExecutor) -> None:
        try:
            work(batch, self._shop, pool)
        except Exception:
            LOG.exception("the sandbox failed")
            batch.reject([fault("server_error", "The server had an error while processing your batch.", None)])
