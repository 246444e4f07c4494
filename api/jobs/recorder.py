"""From an answer as it came to one that is kept: written down before anything decodes its pictures."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalog import pricing as prices
from ..catalog.schemas import OpenAIImageGenerationResponse
from ..errors import BadAnswerError, OpenAIImageError
from ..store import spending as budget
from ..store.records import JobRecord, StoredAnswer, unreadable
from ..store.store import Store
from ..transport.downloads import Pictures, pictures_of
from ..transport.error_mapping import error_from_response, service_words
from ..transport.operation import RawAnswer, SynchronousOperation

KEPT_HEADERS = ("x-request-id", "idempotent-replayed", "openai-processing-ms", "date")
KEPT_PREFIXES = ("x-comfy-", "x-concurrency-", "x-committed-spend-", "x-ratelimit-")
NOT_KEPT = "The answer could not be kept on disk ({}): save the picture, to ask again may cost again."

Operation = SynchronousOperation[Any, OpenAIImageGenerationResponse]


@dataclass(frozen=True)
class AnswerRecorder:
    """Keeps the answer of one job; `name` is what it is called among the jobs on their way."""

    store: Store
    name: str

    def answer(self, record: JobRecord, raw: RawAnswer, operation: Operation) -> StoredAnswer:
        """Write an answer down, then return it.

        Raises: BadAnswerError if it holds no picture, when it is kept all the same; OpenAIImageError if the service
        says 200 and means an error.
        """
        _note_answer(record, raw)

        def parsed() -> OpenAIImageGenerationResponse:
            response = _parsed(raw, operation)
            self._write_addresses(response, record, raw)
            return response

        return self.kept(record, parsed, raw.body)

    def kept(self, record: JobRecord, parsed: Callable[[], OpenAIImageGenerationResponse], body: bytes) -> StoredAnswer:
        """Write down an answer that `parsed` gives from its bytes, then return it.

        Raises: as `answer`.
        """
        try:
            response = parsed()
            pictures = pictures_of(response, said=service_words(body).message)
        except Exception as exc:  # whatever is wrong with it, it may have been paid
            if isinstance(exc, OpenAIImageError) and not isinstance(exc, BadAnswerError):
                raise
            record.fault = str(exc) or type(exc).__name__
            folder, _ = self._saved(record, [body])
            raise unreadable(record, folder) from exc
        _note_contents(record, response, pictures)
        folder, notes = self._saved(record, pictures.data)
        with contextlib.suppress(OSError):
            budget.note_spent(self.store.root, record)
        return StoredAnswer(record, pictures.data, folder, reused=False, notes=notes)

    def fetched_before(self, record: JobRecord) -> RawAnswer | None:
        """Return an answer whose pictures a process began to fetch, with what the record knows of it."""
        body = self.store.journal.read_raw_answer(self.name)
        return RawAnswer(body, record.headers, record.elapsed_s or 0.0) if body else None

    def _write_addresses(self, response: OpenAIImageGenerationResponse, record: JobRecord, raw: RawAnswer) -> None:
        if any(image.url and not image.b64_json for image in response.data or []):
            with contextlib.suppress(OSError):
                self.store.journal.write(self.name, record)
                self.store.journal.write_raw_answer(self.name, raw.body)

    def _saved(self, record: JobRecord, pictures: list[bytes]) -> tuple[Path | None, list[str]]:
        record.state = "answered"
        try:
            folder = self.store.save(record, pictures)
        except OSError as exc:
            self.store.journal.write(self.name, record)
            return None, [NOT_KEPT.format(exc.strerror or type(exc).__name__)]
        self.store.journal.drop(self.name)
        return folder, self.store.notes_on(folder)


def _parsed(raw: RawAnswer, operation: Operation) -> OpenAIImageGenerationResponse:
    response = operation.parse(raw)
    if not response.data and service_words(raw.body).from_service:
        raise error_from_response(operation.connection, 200, raw.headers, raw.body, subject=operation.request.model)
    return response


def _note_answer(record: JobRecord, raw: RawAnswer) -> None:
    record.answered_at, record.elapsed_s = time.time(), raw.elapsed_s
    kept = (*KEPT_HEADERS, *(name for name in raw.headers if name.startswith(KEPT_PREFIXES)))
    record.headers = {name: raw.headers[name] for name in kept if name in raw.headers}
    record.request_id = raw.request_id
    with contextlib.suppress(ValueError):
        record.credits = float(raw.headers.get("x-comfy-credits-used", ""))


def _note_contents(record: JobRecord, response: OpenAIImageGenerationResponse, pictures: Pictures) -> None:
    record.usage, record.svg_usage, record.faults = response.usage, response.svg_usage, pictures.faults
    fields = {name: getattr(response, name) for name in ("size", "quality", "background", "output_format")}
    record.answer_fields = {name: value for name, value in fields.items() if value}
    record.revised_prompts = [image.revised_prompt for image in response.data or [] if image.revised_prompt]
    record.cost_usd = prices.cost_usd(record.model, record.usage, record.credits, batch=bool(record.batch))
