"""One job's way to the service and back: claimed, written down, sent, tried again where that is safe, kept."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from . import prices
from .answers import Pictures, pictures_of
from .claims import Claim, claim
from .errors import BadAnswerError, OpenAIImageError, OutcomeUnknownError, StillRunningError
from .failures import MAYBE_BILLED, PAY_AGAIN_ADVICE, answered_failure, service_words
from .operation import RawAnswer
from .records import Answer, Record, unreadable
from .retries import Retries
from .running import Running, Unwanted
from .schemas import OpenAIImageGenerationResponse
from .store import Store

OTHER_PROCESS_POLL_S = 0.25
KEPT_HEADERS = ("x-request-id", "x-comfy-credits-used", "idempotent-replayed", "openai-processing-ms", "date")
NOT_KEPT = "The answer could not be kept on disk ({}): save the picture, the next run would pay again."


class ClaimLost(Exception):
    """Another process took the job over before it was sent."""


class Asking:
    """Asks for one job on the calling thread. `service_limit` is what the service said of requests at a time."""

    def __init__(self, running: Running, store: Store, *, known: Callable[[], Answer | None]) -> None:
        self.service_limit: int | None = None
        self._running = running
        self._job = running.job
        self._store = store
        self._known = known
        self._claim: Claim | None = None
        self._notes: list[str] = []

    @property
    def is_written_down(self) -> bool:
        """Whether the disk knows how far the job is; else only this process does."""
        return not self._notes

    def answer(self) -> Answer:
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

    def _claimed_by_others(self) -> Answer | None:
        """Take the job for us, or wait for the answer of the process that has it."""
        while True:
            if self._running.unwanted.is_set():
                raise Unwanted
            try:
                self._claim = claim(self._store.pending_folder(self._running.name))
            except FileNotFoundError:
                continue  # whoever had it finished and cleared the folder this moment
            except OSError as exc:
                self._notes.append(NOT_KEPT.format(exc.strerror))
                return None
            known = self._known()
            if known is not None and self._claim is not None:
                self._store.drop_pending(self._running.name)
            if known is not None or self._claim is not None:
                return known
            self._running.wait(OTHER_PROCESS_POLL_S, "another process asks for the same")

    def _resumed(self) -> Record:
        """Return the record to go on with: a new one, or that of a process that died on the way.

        Raises: OutcomeUnknownError if it was sent and cannot safely be sent again.
        """
        record = self._job.record(self._running.identity)
        old = self._store.read_pending(self._running.name)
        if old is not None:
            record.idempotency_key = old.idempotency_key or record.idempotency_key
            if not self._may_go_on(old):
                sent = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(old.sent_at or old.prepared_at))
                raise OutcomeUnknownError(
                    f"{old.connection}: this very request was sent at {sent} and no answer was seen; {MAYBE_BILLED}."
                    f" {PAY_AGAIN_ADVICE}",
                    request_id=old.request_id,
                )
        self._write(record)
        return record

    def _may_go_on(self, old: Record) -> bool:
        """Tell whether asking costs nothing twice: it was not sent, or its key or its answer is at hand."""
        keyed = old.state == "sent" and old.idempotency_key is not None
        return old.state == "prepared" or keyed or self._store.read_raw_answer(self._running.name) is not None

    def _exchanged(self, record: Record) -> Answer:
        retries = Retries(idempotent=self._job.connection.idempotent)
        while True:
            try:
                return self._kept(record, self._fetched_before() or self._sent(record))
            except Unwanted:
                self._store.drop_pending(self._running.name)
                raise
            except BadAnswerError:
                raise
            except OpenAIImageError as error:
                delay = retries.delay_after(error)
                if delay is None:
                    self._given_up(record, error)
                    raise
                self._prepared_again(record, error)
                self._waited(delay, error)

    def _fetched_before(self) -> RawAnswer | None:
        body = self._store.read_raw_answer(self._running.name)
        return RawAnswer(body, {}, 0.0) if body else None

    def _sent(self, record: Record) -> RawAnswer:
        operation = self._job.operation({"Idempotency-Key": record.idempotency_key} if record.idempotency_key else {})
        self._running.operation = operation
        if self._claim is not None and not self._claim.held:
            raise ClaimLost
        self._running.about_to_send()
        record.state, record.sent_at = "sent", time.time()
        self._write(record)
        raw = operation.exchange()
        with contextlib.suppress(ValueError):
            self.service_limit = int(raw.headers.get("x-concurrency-limit", ""))
        return raw

    def _prepared_again(self, record: Record, error: OpenAIImageError) -> None:
        if error.replayed:
            record.idempotency_key = uuid.uuid4().hex  # the old key would only replay the old failure
        if not isinstance(error, (OutcomeUnknownError, StillRunningError)):
            record.state = "prepared"
            self._running.not_sent_after_all()
        self._write(record)

    def _waited(self, delay_s: float, error: OpenAIImageError) -> None:
        try:
            self._running.wait(delay_s, type(error).__name__.removesuffix("Error"))
        except Unwanted:
            self._store.drop_pending(self._running.name)
            raise

    def _given_up(self, record: Record, error: OpenAIImageError) -> None:
        if not isinstance(error, (OutcomeUnknownError, StillRunningError)):
            self._store.drop_pending(self._running.name)
            return
        record.state = "unknown" if error.key_is_spent or not record.idempotency_key else "sent"
        record.request_id = error.request_id
        self._write(record)

    def _kept(self, record: Record, raw: RawAnswer) -> Answer:
        """Write the answer down before anything looks at the pictures, then return it."""
        _note_answer(record, raw)
        try:
            response = self._parsed(raw)
            self._note_addresses(response, raw)
            pictures = pictures_of(response, said=service_words(raw.body).message)
        except BadAnswerError as exc:
            record.fault = str(exc)
            raise unreadable(record, self._saved(record, [raw.body])) from exc
        _note_contents(record, response, pictures)
        folder = self._saved(record, pictures.data)
        return Answer(record, pictures.data, folder, reused=False, notes=self._notes)

    def _parsed(self, raw: RawAnswer) -> OpenAIImageGenerationResponse:
        operation = self._running.operation or self._job.operation({})
        response: OpenAIImageGenerationResponse = operation.parse(raw)
        if not response.data and service_words(raw.body).from_service:
            raise answered_failure(self._job.connection, 200, raw.headers, raw.body, model=self._job.request.model)
        return response

    def _note_addresses(self, response: OpenAIImageGenerationResponse, raw: RawAnswer) -> None:
        if any(image.url and not image.b64_json for image in response.data or []):
            with contextlib.suppress(OSError):
                self._store.write_raw_answer(self._running.name, raw.body)

    def _saved(self, record: Record, pictures: list[bytes]) -> Path | None:
        record.state = "answered"
        try:
            folder = self._store.save(record, pictures)
        except OSError as exc:
            self._notes.append(NOT_KEPT.format(exc.strerror))
            return None
        self._store.drop_pending(self._running.name)
        if not self._job.reuse:
            self._forget_unknown()
        return folder

    def _forget_unknown(self) -> None:
        """Forget an earlier try of the same job whose outcome is unknown: the person paid again on purpose."""
        with contextlib.suppress(OSError):
            old = claim(self._store.pending_folder(self._running.identity))
            if old is not None:
                self._store.drop_pending(self._running.identity)
                old.release()

    def _write(self, record: Record) -> None:
        if self._claim is None:
            return
        try:
            self._store.write_pending(self._running.name, record)
        except OSError as exc:
            self._notes.append(NOT_KEPT.format(exc.strerror))


def _note_answer(record: Record, raw: RawAnswer) -> None:
    record.answered_at, record.elapsed_s = time.time(), raw.elapsed_s
    record.headers = {name: raw.headers[name] for name in KEPT_HEADERS if name in raw.headers}
    record.request_id = raw.request_id
    with contextlib.suppress(ValueError):
        record.credits = float(raw.headers.get("x-comfy-credits-used", ""))


def _note_contents(record: Record, response: OpenAIImageGenerationResponse, pictures: Pictures) -> None:
    record.usage, record.svg_usage, record.faults = response.usage, response.svg_usage, pictures.faults
    fields = {name: getattr(response, name) for name in ("size", "quality", "background", "output_format")}
    record.answer_fields = {name: value for name, value in fields.items() if value}
    record.revised_prompts = [image.revised_prompt for image in response.data or [] if image.revised_prompt]
    record.cost_usd = prices.cost_usd(record.model, record.usage, record.credits)
