"""One job's way to the service and back: claimed, written down, sent, tried again where that is safe, kept."""

from __future__ import annotations

import contextlib
import errno
import os
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager

from ..backends.leases import Lease, acquire
from ..catalog import pricing
from ..errors import (
    BadAnswerError,
    ModeratedError,
    OpenAIImageError,
    OutcomeUnknownError,
    RateLimitError,
    RefusedError,
    ServiceDownError,
    SharedStoreError,
    StillRunningError,
    store_fault,
)
from ..store import spending
from ..store.journal import BATCHED
from ..store.records import JobRecord, StoredAnswer, unreadable
from ..store.store import BROKEN, STOPPED, STORE_VARIABLE, Store, put_back
from ..transport.answer import RawAnswer, addresses_in
from ..transport.error_mapping import MAYBE_BILLED, RUN_AGAIN_ADVICE, cause_of, error_from_exception
from ..transport.error_rules import PAY_AGAIN_ADVICE
from ..transport.retry import RetryPolicy
from . import past_runs
from .job import JobAbandoned, JobHandle
from .recorder import AnswerRecorder

LOOK_AGAIN_S = (0.05, 0.2, 0.5)  # a disk that fails for a moment
NOBODY_CAN_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR)  # in that folder, whoever it is
FINAL_STATUSES = (400, 422)
EARLIER_TRY = "An earlier try of it may have been billed."
NO_ANSWER = "no answer came"
REASONS: dict[type[OpenAIImageError], str] = {
    RateLimitError: "the service asks to wait",
    ServiceDownError: "the service could not be reached, or failed",
    StillRunningError: "the service still works on it",
}


class LeaseLost(Exception):
    """Another process took the job over before it was sent."""


class JobRunner:
    """Asks for one job on the calling thread. `service_limit` is what the service said of requests at a time."""

    def __init__(self, handle: JobHandle, store: Store, *, known: Callable[[], StoredAnswer | None]) -> None:
        self.service_limit: int | None = None
        self._handle = handle
        self._job = handle.job
        self._name = handle.name
        self._owner = handle.owner
        self._store = store
        self._journal = store.journal
        self._recorder = AnswerRecorder(store, handle.job.connection, files=handle.job.files)
        self._known = known
        self._lease: Lease | None = None
        self._keys: set[str | None] = set()  # that went out before
        self._may_be_billed = False  # an earlier try, perhaps of a process that died, and its answer was not seen

    def answer(self) -> StoredAnswer:
        """Return the answer, from the service or from whoever was faster.

        Raises: JobAbandoned if everybody left before it was sent, OpenAIImageError by kind.
        """
        while True:
            try:
                known = self._leased_or_known()
                return self._exchanged(*self._resumed()) if known is None else self._completed(known)
            except LeaseLost:
                continue  # another process took over while this one slept: join it
            finally:
                if self._lease is not None:
                    self._lease.release()

    def _completed(self, known: StoredAnswer) -> StoredAnswer:
        try:
            return self._recorder.completed(known)
        except BadAnswerError:
            if (
                not self._job.reuse
            ):  # what is still at an address is had again there, for nothing; the rest was looked at
                put_back(known, BROKEN if known.record.fault else STOPPED)
            raise

    def _leased_or_known(self) -> StoredAnswer | None:
        """Take the job for us, or wait for the answer of the process that has it."""
        while True:
            if self._handle.abandoned.is_set():
                raise JobAbandoned
            self._lease = None
            known = self._fetched()
            if known is not None:
                return known
            try:
                self._lease = self._acquired()
            except FileNotFoundError as exc:  # whoever had it finished and cleared the folder this moment
                if not self._journal.root.is_dir():  # it cannot be made, as on a drive that is not there
                    return self._known_without_lease(exc)
            except OSError as exc:
                return self._known_without_lease(exc)
            if self._lease is not None:
                self._store.look_again()
                known = self._fetched()  # whoever had it until this moment may have answered it
            known = known or self._known()
            if known is not None and self._lease is not None:
                self._journal.drop(self._name)
            if known is not None or self._lease is not None:
                return known
            self._handle.wait(self._store.poll_s, "another process asks for the same")

    def _acquired(self) -> Lease | None:
        for pause_s in LOOK_AGAIN_S:
            try:
                return acquire(self._journal.place(self._name, is_made=True))
            except OSError as exc:
                if exc.errno in (errno.ENOENT, *NOBODY_CAN_WRITE):
                    raise
            time.sleep(pause_s)
        return acquire(self._journal.place(self._name, is_made=True))

    def _known_without_lease(self, exc: OSError) -> StoredAnswer | None:
        """Return what is kept of the job, or None if it may be sent although nobody can be told.

        Raises: RefusedError where other machines may write what this one cannot, and so ask for the same.
        """
        known = self._known()
        is_shared = bool(os.environ.get(STORE_VARIABLE)) and self._job.connection.kind != "sandbox"
        if known is None and is_shared and exc.errno not in NOBODY_CAN_WRITE:
            raise RefusedError(store_fault(exc)) from exc
        return known

    def _fetched(self) -> StoredAnswer | None:
        """Return the answer that another machine has paid for, or None.

        Raises: SharedStoreError, also where it does not stay here: it is not to be paid once more.
        """
        if not (self._job.reuse and self._store.fetch(self._handle.identity, self._owner)):
            return None
        known = self._known()
        if known is None:
            root, why = self._store.root, os.strerror(errno.ENOENT)
            raise SharedStoreError(f"The picture is in the shared store, but {root} cannot take it ({why}). Make room.")
        return known

    def _resumed(self) -> tuple[JobRecord, RawAnswer | None]:
        """Return the record to go on with, a new one or that of a process that died on the way, and what came to it.

        Raises: OutcomeUnknownError if it was sent and cannot safely be sent again.
        """
        record = self._job.record(self._handle.identity)
        try:
            old = self._journal.read(self._name)
            if old is None and self._job.reuse:
                old = self._journal.adopt(self._name, self._owner)
            elif old is None:  # asked again on purpose: what came to a process that died is another picture, too
                with contextlib.suppress(OSError):  # whatever lies there, reuse is off
                    old = self._journal.adopt(self._name, self._owner, is_answered=self._store.is_answered)
            body = self._journal.answer(self._name)  # once: what is not read a second time would be paid a second time
        except OSError as exc:
            raise OutcomeUnknownError(
                f"{self._job.connection.name}: the record of this request in {self._journal.root} cannot be read"
                f" ({exc.strerror}), so it may have been sent before. Fix the folder, or switch reuse off."
            ) from exc
        if old is not None and old.fault:
            raise unreadable(old, None)
        came = old or record
        is_told = body or addresses_in(came.headers)  # where its task is, and nothing else
        raw = RawAnswer(body or b"", came.headers, came.elapsed_s or 0.0) if is_told else None
        if old is not None and old.state != "prepared":
            self._keys.add(old.idempotency_key)
        if old is not None and raw is not None:
            self._may_be_billed = True
            return old, raw
        has_key = old is not None and old.state == "sent" and old.idempotency_key is not None
        if old is not None and old.state not in ("prepared", "answered") and not has_key:
            raise _already_batched(old) if old.state == BATCHED else outcome_unknown(old)
        if old is not None and old.idempotency_key:
            record.idempotency_key, record.sent_at = old.idempotency_key, old.sent_at
            self._may_be_billed = old.state != "prepared"
        record.state = "sent" if self._may_be_billed else "prepared"
        self._journal.write(self._name, record)
        return record, raw

    def _exchanged(self, record: JobRecord, raw: RawAnswer | None) -> StoredAnswer:
        retries = RetryPolicy(idempotent=self._job.connection.idempotent)
        try:
            while True:
                try:
                    if raw is not None:  # it is paid already
                        return self._recorded(record, raw)
                    at = time.time()  # once: over midnight it must count for the day that it is held for
                    with self._in_budget(at):
                        return self._recorded(record, self._sent(record, at))
                except BadAnswerError:
                    raise
                except OpenAIImageError as error:
                    raw = None
                    self._wait_after(error, record, retries)
        except JobAbandoned:
            if not self._may_be_billed:
                self._journal.drop(self._name)
            raise

    def _recorded(self, record: JobRecord, raw: RawAnswer) -> StoredAnswer:
        try:
            answer = self._recorder.record(self._name, record, raw)
        except BadAnswerError:
            raise
        except OpenAIImageError:
            self._journal.discard_answer(self._name)
            record.headers = {}  # they are the answer's, too
            raise
        past_runs.note(self._store, answer.record)
        if not self._job.reuse:
            self._journal.forget(self._owner.name(self._handle.identity), self._owner)
        return answer

    def _in_budget(self, at: float) -> AbstractContextManager[None]:
        connection, images = self._job.connection, [file for file in self._job.files if file.name.startswith("image")]
        if connection.kind == "sandbox":
            return contextlib.nullcontext()
        amount = pricing.cautious_usd(connection, self._job.request.wire_fields(), len(images))
        return spending.reserved(self._store.root, amount, self._store.backend, name=self._name, at=at)

    def _sent(self, record: JobRecord, at: float) -> RawAnswer:
        operation = self._job.operation({"Idempotency-Key": record.idempotency_key} if record.idempotency_key else {})
        self._handle.operation = operation
        operation.on_slow = lambda: self._handle.on_deserted()
        self._refuse_lost_lease()
        self._handle.median_duration_s = past_runs.median_duration_s(self._store, record)
        self._handle.about_to_send()
        record.state, record.sent_at = "sent", at
        self._journal.write(self._name, record, goes_out=True)
        self._refuse_lost_lease()  # this process may have slept while it wrote
        try:
            with self._journal.receiving(self._name) as keep:
                return operation.exchange(keep)
        except OpenAIImageError as error:
            if error.status is not None:  # what came was the refusal itself
                self._journal.discard_answer(self._name)
            raise
        except JobAbandoned:
            raise
        except Exception as exc:  # noqa: BLE001 - none of Python's reaches a person, and the record says what is known
            sent_at = time.strftime("%H:%M:%S UTC", time.gmtime(record.sent_at))
            complete = operation.body.complete
            lost = error_from_exception(self._job.connection, exc, complete=complete, sent_at=sent_at)
            raise lost from cause_of(self._job.connection, exc)
        finally:
            with contextlib.suppress(ValueError):
                self.service_limit = int(operation.answered_headers.get("x-concurrency-limit", ""))

    def _refuse_lost_lease(self) -> None:
        is_held = self._lease is None
        for pause_s in (*LOOK_AGAIN_S, 0.0):  # what cannot be looked at may be somebody else's by now
            with contextlib.suppress(OSError):
                is_held = is_held or (self._lease is not None and self._lease.held)
                break
            time.sleep(pause_s)
        if not is_held:
            self._handle.not_sent_after_all()
            raise LeaseLost

    def _wait_after(self, error: OpenAIImageError, record: JobRecord, retries: RetryPolicy) -> None:
        """Wait until the request may be sent again.

        Raises: OpenAIImageError if it never may be, JobAbandoned if everybody left meanwhile.
        """
        error.replayed = error.replayed and record.idempotency_key in self._keys  # else nothing can be old
        self._keys.add(record.idempotency_key)
        if isinstance(error, (OutcomeUnknownError, StillRunningError)) or error.key_is_spent or error.may_be_billed:
            self._may_be_billed = True
        delay = retries.delay_after(error)
        if delay is None:
            raise self._given_up(error, record)
        if _is_old_failure(error) and record.idempotency_key:
            # The old key would only replay the old failure, which cost nothing.
            record.idempotency_key, self._may_be_billed = uuid.uuid4().hex, False
        if not self._may_be_billed:
            record.state = "prepared"
            self._handle.not_sent_after_all()
        self._journal.write(self._name, record)
        self._handle.wait(delay, REASONS.get(type(error), NO_ANSWER))

    def _given_up(self, error: OpenAIImageError, record: JobRecord) -> OpenAIImageError:
        """Write down how it ended and return the error to raise: a key that may have paid for something is kept."""
        if not self._may_be_billed or _is_final(error, record):
            self._journal.drop(self._name)
            return error
        record.state = "sent" if record.idempotency_key and not error.key_is_spent else "unknown"
        record.request_id = error.request_id
        self._journal.write(self._name, record)
        self._journal.write_partials(self._name, self._handle.partials)
        if isinstance(error, (OutcomeUnknownError, StillRunningError)) or error.may_be_billed:
            return error
        return OutcomeUnknownError(
            f"{error} {EARLIER_TRY} {RUN_AGAIN_ADVICE}",
            status=error.status,
            code=error.code,
            request_id=error.request_id,
        )


def _is_old_failure(error: OpenAIImageError) -> bool:
    """Tell whether an error is how all that was done under a key ended, told again; what still runs has no end yet."""
    return error.replayed and not isinstance(error, StillRunningError)


def _is_final(error: OpenAIImageError, record: JobRecord) -> bool:
    """Tell whether an error is the service's last word on all tries under the key, not only on the newest one."""
    if error.key_is_spent or error.may_be_billed:
        return False  # what was paid is not to be had, and only a person pays for it again
    replayed = _is_old_failure(error) and record.idempotency_key is not None
    is_refusal = error.status in FINAL_STATUSES and not isinstance(error, (OutcomeUnknownError, StillRunningError))
    return replayed or is_refusal or isinstance(error, ModeratedError)


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
