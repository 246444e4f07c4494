"""One job's way to the service and back: claimed, written down, sent, tried again where that is safe, kept."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager

from ..backends.leases import Lease
from ..catalog import pricing as prices
from ..errors import (
    BadAnswerError,
    ModeratedError,
    OpenAIImageError,
    OutcomeUnknownError,
    RateLimitError,
    ServiceDownError,
    StillRunningError,
)
from ..store import spending as budget
from ..store.journal import BATCHED
from ..store.records import JobRecord, StoredAnswer, unreadable
from ..store.store import Store
from ..transport.error_mapping import MAYBE_BILLED, PAY_AGAIN_ADVICE, RUN_AGAIN_ADVICE
from ..transport.operation import RawAnswer
from ..transport.retry import RetryPolicy
from . import durations as history
from .job import JobAbandoned, JobHandle
from .recorder import AnswerRecorder

FINAL_STATUSES = (400, 422)
EARLIER_TRY = "An earlier try of it may have been billed."
NO_ANSWER = "no answer came"
REASONS: dict[type[OpenAIImageError], str] = {
    RateLimitError: "the service asks for patience",
    ServiceDownError: "the service could not be reached, or failed",
    StillRunningError: "the service still works on it",
}


class ClaimLost(Exception):
    """Another process took the job over before it was sent."""


class JobRunner:
    """Asks for one job on the calling thread. `service_limit` is what the service said of requests at a time."""

    def __init__(self, running: JobHandle, store: Store, *, known: Callable[[], StoredAnswer | None]) -> None:
        self.service_limit: int | None = None
        self._running = running
        self._job = running.job
        self._name = running.name
        self._pending = store.journal
        self._keeping = AnswerRecorder(store, running.name)
        self._known = known
        self._claim: Lease | None = None
        self._may_be_billed = False  # an earlier try, perhaps of a process that died, and its answer was not seen

    def answer(self) -> StoredAnswer:
        """Return the answer, from the service or from whoever was faster.

        Raises: Unwanted if everybody left before it was sent, OpenAIImageError by kind.
        """
        while True:
            try:
                return self._claimed_by_others() or self._exchanged(self._resumed())
            except ClaimLost:
                continue  # another process took over while this one slept: join it
            finally:
                if self._claim is not None:
                    self._claim.release()

    def _claimed_by_others(self) -> StoredAnswer | None:
        """Take the job for us, or wait for the answer of the process that has it."""
        while True:
            if self._running.unwanted.is_set():
                raise JobAbandoned
            try:
                self._claim = self._keeping.store.claim(self._name)
            except FileNotFoundError:
                self._claim = None  # whoever had it finished and cleared the folder this moment
            except OSError:
                self._claim = None
                return self._known()  # no other process can write there either
            known = self._known()
            if known is not None and self._claim is not None:
                self._pending.drop(self._name)
            if known is not None or self._claim is not None:
                return known
            self._running.wait(self._keeping.store.poll_s, "another process asks for the same")

    def _resumed(self) -> JobRecord:
        """Return the record to go on with: a new one, or that of a process that died on the way.

        Raises: OutcomeUnknownError if it was sent and cannot safely be sent again.
        """
        record, old = self._job.record(self._running.identity), self._left_behind()
        if old is not None and old.fault:
            raise unreadable(old, None)
        if old is not None and self._keeping.fetched_before(old) is not None:
            self._may_be_billed = True
            return old
        if old is not None and not _may_go_on(old):
            raise _already_batched(old) if old.state == BATCHED else outcome_unknown(old)
        if old is not None and old.idempotency_key:
            record.idempotency_key, record.sent_at = old.idempotency_key, old.sent_at
            self._may_be_billed = old.state != "prepared"
        record.state = "sent" if self._may_be_billed else "prepared"
        self._pending.write(self._name, record)
        return record

    def _left_behind(self) -> JobRecord | None:
        try:
            return self._pending.read(self._name) or (self._pending.adopt(self._name) if self._job.reuse else None)
        except OSError as exc:
            raise OutcomeUnknownError(
                f"{self._job.connection.name}: the record of this request in {self._pending.root} cannot be read"
                f" ({exc.strerror}), so it may have been sent before. Fix the folder, or switch reuse off."
            ) from exc

    def _exchanged(self, record: JobRecord) -> StoredAnswer:
        retries = RetryPolicy(idempotent=self._job.connection.idempotent)
        try:
            while True:
                try:
                    return self._kept(record)
                except BadAnswerError:
                    raise
                except OpenAIImageError as error:
                    self._wait_after(error, record, retries)
        except JobAbandoned:
            if not self._may_be_billed:
                self._pending.drop(self._name)
            raise

    def _kept(self, record: JobRecord) -> StoredAnswer:
        raw = self._keeping.fetched_before(record)
        with self._in_budget() if raw is None else contextlib.nullcontext():  # what was paid before is had in any case
            raw = raw or self._sent(record)
            operation = self._running.operation or self._job.operation({})
            answer = self._keeping.answer(record, raw, operation)
        history.note(self._keeping.store, answer.record)
        if not self._job.reuse:
            self._pending.forget(self._running.identity)
        return answer

    def _in_budget(self) -> AbstractContextManager[None]:
        connection, images = self._job.connection, [file for file in self._job.files if file.name.startswith("image")]
        if connection.kind == "sandbox":
            return contextlib.nullcontext()
        amount = prices.cautious_usd(connection, self._job.request.wire_fields(), len(images))
        return budget.reserved(self._keeping.store.root, amount, self._keeping.store.backend)

    def _sent(self, record: JobRecord) -> RawAnswer:
        operation = self._job.operation({"Idempotency-Key": record.idempotency_key} if record.idempotency_key else {})
        self._running.operation = operation
        self._refuse_lost_claim()
        self._running.median_duration_s = history.median_duration_s(self._keeping.store, record)
        self._running.about_to_send()
        record.state, record.sent_at = "sent", time.time()
        self._pending.announce(self._name, record)
        self._refuse_lost_claim()  # this process may have slept while it wrote
        try:
            return operation.exchange()
        finally:
            with contextlib.suppress(ValueError):
                self.service_limit = int(operation.answered_headers.get("x-concurrency-limit", ""))

    def _refuse_lost_claim(self) -> None:
        if self._claim is not None and not self._claim.held:
            self._running.not_sent_after_all()
            raise ClaimLost

    def _wait_after(self, error: OpenAIImageError, record: JobRecord, retries: RetryPolicy) -> None:
        """Wait until the request may be sent again.

        Raises: OpenAIImageError if it never may be, Unwanted if everybody left meanwhile.
        """
        if isinstance(error, (OutcomeUnknownError, StillRunningError)):
            self._may_be_billed = True
        delay = retries.delay_after(error)
        if delay is None:
            raise self._given_up(error, record)
        if error.replayed and record.idempotency_key:
            # The old key would only replay the old failure, which cost nothing.
            record.idempotency_key, self._may_be_billed = uuid.uuid4().hex, False
        if not self._may_be_billed:
            record.state = "prepared"
            self._running.not_sent_after_all()
        self._pending.write(self._name, record)
        self._running.wait(delay, REASONS.get(type(error), NO_ANSWER))

    def _given_up(self, error: OpenAIImageError, record: JobRecord) -> OpenAIImageError:
        """Write down how it ended and return the error to raise: a key that may have paid for something is kept."""
        if not self._may_be_billed or _is_final(error, record):
            self._pending.drop(self._name)
            return error
        record.state = "sent" if record.idempotency_key and not error.key_is_spent else "unknown"
        record.request_id = error.request_id
        self._pending.write(self._name, record)
        self._pending.write_partials(self._name, self._running.partials)
        if isinstance(error, (OutcomeUnknownError, StillRunningError)):
            return error
        return OutcomeUnknownError(
            f"{error} {EARLIER_TRY} {RUN_AGAIN_ADVICE}",
            status=error.status,
            code=error.code,
            request_id=error.request_id,
        )


def _may_go_on(old: JobRecord) -> bool:
    """Tell whether a job may be asked for once more: it was not sent, or was handed over, or its key is at hand."""
    return old.state in ("prepared", "answered") or (old.state == "sent" and old.idempotency_key is not None)


def _is_final(error: OpenAIImageError, record: JobRecord) -> bool:
    """Tell whether an error is the service's last word on all tries under the key, not only on the newest one."""
    replayed = error.replayed and record.idempotency_key is not None
    return replayed or isinstance(error, ModeratedError) or error.status in FINAL_STATUSES


def outcome_unknown(old: JobRecord) -> OutcomeUnknownError:
    """Return the error for a job that was sent before, without an answer and without a key to ask for it again."""
    sent = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(old.sent_at or old.prepared_at))
    return OutcomeUnknownError(
        f"{old.connection}: this request was sent at {sent} and no answer was seen; {MAYBE_BILLED}. {PAY_AGAIN_ADVICE}",
        request_id=old.request_id,
    )


def _already_batched(old: JobRecord) -> OutcomeUnknownError:
    sent = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(old.sent_at or old.prepared_at))
    return OutcomeUnknownError(
        f"{old.connection}: this request is already in a batch (since {sent}), so it is not sent again."
        " Collect the batch when it is done (openai-image batch watch). To get it now and pay for it, switch reuse off"
        " or change the seed."
    )
