"""The batches of one sandbox: made, looked at, cancelled."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from .. import errors
from .batch import Batch, BatchRequest, batch_error
from .worker import BatchContext, work

LOG = logging.getLogger(__name__)
WORKERS = 2
CLOSE_TIMEOUT_S = 20.0  # less than a sandbox takes to stop


class Batches:
    """The batches by their ids, each worked in the background. Thread-safe."""

    def __init__(self, context: BatchContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._batches: dict[str, Batch] = {}
        self._threads: list[threading.Thread] = []
        self._pool: ThreadPoolExecutor | None = None

    def create(self, request: BatchRequest) -> Batch:
        """Begin a batch and return at once."""
        with self._lock:
            scenario, clock = self._context.scenario(), self._context.clock
            batch = Batch(f"batch_{secrets.token_hex(16)}", request, scenario, clock)
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

    def _work(self, batch: Batch, pool: ThreadPoolExecutor) -> None:
        try:
            work(batch, self._context, pool)
        except Exception:
            LOG.exception("the sandbox failed")
            batch.reject([batch_error(errors.server_error("batch"))])
