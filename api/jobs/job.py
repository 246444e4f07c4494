"""A job, what makes it the same as another, and where it is on its way."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..catalog.schemas import OpenAIImageGenerationRequest, OpenAIImageGenerationResponse
from ..connections.connection import Connection
from ..store.records import JobRecord, Owner, StoredAnswer, owner_over, payer_over
from ..transport.bodies import FilePart
from ..transport.operation import EDITS, GENERATIONS, SynchronousOperation

PROGRESS_MAX = 0.95  # only the picture itself is the rest
TRANSPORT_FIELDS = ("stream", "partial_images")


class JobAbandoned(Exception):
    """Nobody waits for the job any more and it was not sent: it ends without a word."""


@dataclass(frozen=True)
class Job:
    """One paid request with an identity. `seed` picks which paid result it is and is never sent."""

    connection: Connection
    request: OpenAIImageGenerationRequest
    files: Sequence[FilePart] = field(default=(), repr=False)
    seed: int = 0
    reuse: bool = True

    @cached_property
    def identity(self) -> str:
        """SHA-256 over what is asked and of whom; not over the key, the transport or the PNG encoder."""
        what: list[Any] = [self.connection.service, self.request.operation, self.fields, self.digests, self.seed]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    @property
    def fields(self) -> dict[str, Any]:
        """What is asked, in the service's own fields, whatever the transport; those that the connection adds too."""
        return {k: v for k, v in self._all_fields.items() if k not in TRANSPORT_FIELDS}

    @property
    def _all_fields(self) -> dict[str, Any]:
        return {**self.connection.send, **self.request.wire_fields()}

    @property
    def digests(self) -> list[str]:
        """The digests of the pixels that go out, each with the part that it goes as."""
        return [f"{file.name.removesuffix('[]')}:{file.digest}" for file in self.files]

    @property
    def owner(self) -> Owner:
        """Whose answers and requests somebody sees who asks for it."""
        return owner_over(self.connection)

    def operation(self, headers: dict[str, str]) -> SynchronousOperation[Any, OpenAIImageGenerationResponse]:
        """Return the exchange that asks for this job."""
        endpoint = EDITS if self.request.operation == "edits" else GENERATIONS
        return SynchronousOperation(endpoint, self.request, self.files, connection=self.connection, headers=headers)

    def record(self, identity: str) -> JobRecord:
        """Return the record of this job before anything happened to it."""
        return JobRecord.model_construct(  # ours: what another may have written is judged when it is read
            identity=identity,
            service=self.connection.service,
            connection=self.connection.name,
            operation=self.request.operation,
            model=self.request.model,
            fields=self._all_fields,
            seed=self.seed,
            input_digests=self.digests,
            idempotency_key=uuid.uuid4().hex if self.connection.idempotent else None,
            prepared_at=time.time(),
            account=payer_over(self.connection),
        )


class JobHandle:
    """A job of an owner's on its way and everybody who waits for it; `future` holds the answer or the error."""

    def __init__(self, job: Job, name: str) -> None:
        self.job, self.identity, self.owner = job, job.identity, job.owner
        self.name = name  # in the journal
        self.future: Future[StoredAnswer] = Future()
        self.future.set_running_or_notify_cancel()  # a waiter that is cancelled must not cancel it for the others
        self.abandoned = threading.Event()
        self.operation: SynchronousOperation[Any, Any] | None = None
        self.waiting_for: str | None = "its turn"
        self.sent = False
        self.is_put_back = False
        self.on_deserted: Callable[[], object] = lambda: None
        self.median_duration_s: float | None = None
        self._sent_at = 0.0
        self._is_ending = False
        self._waiters = 1
        self._lock = threading.Lock()

    def join(self) -> bool:
        """Wait for it as well; False if it is being given up."""
        with self._lock:
            if self.abandoned.is_set():
                return False
            self._waiters += 1
            return True

    @property
    def is_deserted(self) -> bool:
        """Whether nobody waits for it any more."""
        with self._lock:
            return self._waiters <= 0

    def leave(self) -> None:
        """Wait no longer. A job that nobody waits for is given up, unless it was sent: then it is finished and kept.

        Others need not wait for its place meanwhile.
        """
        with self._lock:
            self._waiters -= 1
            if self._waiters > 0:
                return
            if not self.sent:
                self.abandoned.set()
        if self.sent:
            self.on_deserted()

    def give_up_unless_sent(self) -> bool:
        """Have the job send nothing from now on, and end without a word unless it is out; tell whether it is.

        What was sent, failed and waits for its next try is not out.
        """
        with self._lock:
            self._is_ending = True
            if not self.sent or self.waiting_for is not None:
                self.abandoned.set()
            return not self.abandoned.is_set()

    def about_to_send(self) -> None:
        """Pass the point of no return.

        Raises: JobAbandoned if everybody left before, or nothing may be sent any more.
        """
        with self._lock:
            if self.abandoned.is_set() or self._is_ending:
                raise JobAbandoned
            self.sent, self.waiting_for, self._sent_at = True, None, time.monotonic()

    def not_sent_after_all(self) -> None:
        """Go back before the point of no return: the try failed without having been paid."""
        with self._lock:
            self.sent = False
            if self._waiters <= 0 or self._is_ending:
                self.abandoned.set()

    def wait(self, seconds: float, what: str) -> None:
        """Wait before the next try.

        Raises: JobAbandoned if everybody left meanwhile, or nothing may be sent any more.
        """
        with self._lock:
            self.waiting_for = what if seconds < 1 else f"{what}, next try in {seconds:.0f} s"
            if self._is_ending:
                self.abandoned.set()
        if self.abandoned.wait(seconds):
            raise JobAbandoned
        self.waiting_for = None

    @property
    def partials(self) -> list[bytes]:
        """The sketches that came so far, encoded."""
        return self.operation.partials if self.operation else []

    @property
    def progress(self) -> float | None:
        """How much of the usual time has passed, 0..0.95, or None where nobody knows."""
        if not self.sent or not self.median_duration_s:
            return None
        return min(PROGRESS_MAX, (time.monotonic() - self._sent_at) / self.median_duration_s)

    def stage(self) -> str:
        """Tell in a few words where it is."""
        operation = self.operation
        if self.waiting_for or operation is None:
            return f"waiting: {self.waiting_for}" if self.waiting_for else "preparing"
        if operation.stage == "uploading" and not operation.body.complete:
            return f"uploading {operation.body.handed / 1e6:.1f} of {len(operation.body) / 1e6:.1f} MB"
        if operation.stage == "streaming" and (count := len(operation.partials)):
            return "drawing, 1 sketch so far" if count == 1 else f"drawing, {count} sketches so far"
        if operation.stage == "downloading":
            return f"downloading, {operation.received / 1e6:.1f} MB"
        if not self.median_duration_s:
            return "waiting for the picture"
        return f"waiting for the picture (usually {self.median_duration_s:.0f} s here)"
