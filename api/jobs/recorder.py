"""From an answer as it came to one that is kept, and from one that is kept to all that can still be had of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ..backends.leases import signature
from ..catalog import pricing
from ..catalog.schemas import OpenAIImageGenerationResponse
from ..connections.connection import Connection
from ..connections.resolve import BUILT_IN
from ..errors import BadAnswerError, OpenAIImageError, SharedStoreError
from ..store import spending
from ..store.journal import AGAIN
from ..store.records import JobRecord, StoredAnswer, suffix_of, unreadable
from ..store.store import BROKEN, STOPPED, Store
from ..transport.answer import ADDRESS_HEADERS, RawAnswer, parse_answer
from ..transport.bodies import FilePart
from ..transport.downloads import MAX_PICTURES, Pictures, fetched, from_text, pictures_of
from ..transport.find_pictures import unzipped
from ..transport.network_words import reason_of
from ..transport.tasks import TaskGoesOnError, task_answer

KEPT_HEADERS = ("x-request-id", "idempotent-replayed", "openai-processing-ms", "date", *ADDRESS_HEADERS)
KEPT_PREFIXES = ("x-comfy-", "x-concurrency-", "x-committed-spend-", "x-ratelimit-")
NOT_KEPT = "The answer could not be kept on disk ({}). Save the picture: running it again may cost again."


class AnswerRecorder:
    """Keeps answers over one connection. Their bytes are written down before: see `RequestJournal.receiving`.

    `or_else_raise`: where no disk takes one, nobody has it in memory either, and it is to be had again.
    """

    def __init__(
        self, store: Store, connection: Connection, *, files: Sequence[FilePart] = (), or_else_raise: bool = False
    ) -> None:
        self._store, self._connection, self._or_else_raise = store, connection, or_else_raise
        self._sent = [file.data for file in files]  # a service may say it back

    def record(self, name: str, record: JobRecord, raw: RawAnswer) -> StoredAnswer:
        """Read the answer to the request that is called `name` in the journal, and keep it.

        Raises: BadAnswerError if it holds no picture, when it is kept all the same; OpenAIImageError if the service
        says 200 and means an error.
        """
        record.answered_at, record.elapsed_s = time.time(), raw.elapsed_s
        kept = (*KEPT_HEADERS, *(header for header in raw.headers if header.startswith(KEPT_PREFIXES)))
        record.headers = {header: raw.headers[header] for header in kept if header in raw.headers}
        record.request_id = raw.request_id
        record.credits = None
        if self._connection.kind == "comfy.org":
            with contextlib.suppress(ValueError):
                record.credits = pricing.amount(float(raw.headers.get("x-comfy-credits-used", "")))

        def will_download() -> None:
            self._store.journal.write(name, record)
            self._store.journal.sync_answer(name)

        try:
            response, pictures = self._read(raw, record, will_download)
        except Exception as exc:  # whatever is wrong with it, it may have been paid
            if isinstance(exc, OpenAIImageError) and not isinstance(exc, BadAnswerError):
                raise
            fault = exc.fault if isinstance(exc, BadAnswerError) else reason_of(exc)
            raise self.keep_unreadable(name, record, raw.body, fault, goes_on=raw.leads_on) from exc
        return _with_picture(self.keep(name, record, response, pictures))

    def _read(
        self,
        raw: RawAnswer,
        record: JobRecord,
        will_download: Callable[[], object] = lambda: None,
        *,
        is_last: bool = False,
    ) -> tuple[OpenAIImageGenerationResponse, Pictures]:
        """Return what an answer says and its pictures; what is only guessed counts only if it is a picture.

        `is_last`: of several tasks no other run asks again, see `task_answer`.
        Raises: OpenAIImageError, as `parse_answer`.
        """
        parsed = partial(
            parse_answer,
            connection=self._connection,
            model=record.model,
            asked=record.fields.get("n") or 1,
            prompt=str(record.fields.get("prompt") or ""),
            sent=self._sent,
        )
        ended_of = partial(task_answer, operation=record.operation, sent=self._sent, is_last=is_last)
        is_followed = bool(record.batch)
        for guess in (True, False):
            try:
                response = parsed(raw, guess=guess, waits=not is_followed)
            except BadAnswerError as exc:
                if is_followed:
                    raise
                try:
                    is_followed = True
                    will_download()
                    ended = ended_of(raw, self._connection)
                except TaskGoesOnError:
                    raise exc from None
                raw = ended or raw
                record.elapsed_s = raw.elapsed_s
                try:
                    response = parsed(raw, guess=guess)
                except OpenAIImageError as exc:
                    exc.may_retry = False  # what was begun may have been billed: only a person begins another
                    raise
            if any(image.url and not image.b64_json for image in response.data):
                will_download()
            pictures = pictures_of(response, self._connection, body=raw.body, sent=self._sent)
            if pictures.data:
                break
        return response, pictures

    def keep(
        self, name: str, record: JobRecord, response: OpenAIImageGenerationResponse, pictures: Pictures
    ) -> StoredAnswer:
        """Keep an answer that was read."""
        self._note_contents(record, response, pictures)
        is_elsewhere = all(suffix_of(data) == "url" for data in pictures.data)
        folder, notes = self._saved(name, record, pictures.data, goes_on=is_elsewhere)
        return StoredAnswer(record, pictures.data, folder, reused=False, notes=notes)

    def keep_unreadable(
        self, name: str, record: JobRecord, body: bytes, fault: str, *, goes_on: bool = False
    ) -> BadAnswerError:
        """Keep an answer without a picture that can be read, which may have been paid; return the error to raise.

        `goes_on`: it tells of a task whose picture may come yet. The next run looks for that, with reuse off too, once.
        """
        record.fault = fault.rstrip(" .")
        folder, _ = self._saved(name, record, [body], goes_on=goes_on)
        return unreadable(record, folder)

    def completed(self, answer: StoredAnswer) -> StoredAnswer:
        """Return a kept answer with all that can be had of it by now, for nothing; what is new is kept as well.

        Raises: BadAnswerError if it still holds no picture.
        """
        if answer.record.fault:
            record = answer.record
            try:
                raw = RawAnswer(answer.pictures[0], record.headers, record.elapsed_s or 0.0)
                response, pictures = self._read(raw, record, is_last=True)
            except Exception as exc:
                if isinstance(exc, OpenAIImageError) and not isinstance(exc, BadAnswerError):
                    record.fault = str(exc).rstrip(" .")  # a task that failed meanwhile
                raise unreadable(record, answer.folder) from exc
            record.fault = None
            self._note_contents(record, response, pictures)
            answer.pictures = pictures.data
            with contextlib.suppress(OSError, SharedStoreError):
                self._store.amend(answer)
                spending.note_cost_known(self._store.root, record, self._store.backend)
        for index, data in enumerate(answer.pictures[:MAX_PICTURES]):  # one more is the whole answer
            found, is_address = unzipped(data), suffix_of(data) == "url"
            try:
                link = self._connection
                came = fetched(data.decode(errors="replace"), link) if is_address else from_text(data, link)
                found = found if came is None else unzipped(came) or [came]
            except (OSError, ValueError) as exc:
                answer.record.faults[index] = str(exc)  # as it is by now: what was busy then may have expired since
            if found:
                answer.pictures[index : index + 1] = found[:1]
                answer.pictures += found[1:]
                answer.record.faults.pop(index, None)
                with contextlib.suppress(OSError):
                    self._store.amend(answer)
        return _with_picture(answer)

    def _note_contents(self, record: JobRecord, response: OpenAIImageGenerationResponse, pictures: Pictures) -> None:
        clean = self._connection.without_secrets_in
        record.usage, record.svg_usage, record.faults = response.usage, response.svg_usage, pictures.faults
        fields = {name: getattr(response, name) for name in ("size", "quality", "background", "output_format")}
        record.answer_fields = {name: clean(value) for name, value in fields.items() if value}
        record.revised_prompts = [
            clean(image.revised_prompt) for image in response.data[:MAX_PICTURES] if image.revised_prompt
        ]
        payer = pricing.PaidAs(self._connection.kind, batch=bool(record.batch))
        record.cost_usd = pricing.cost_usd(payer, record.model, record.usage, record.credits)

    def _saved(
        self, name: str, record: JobRecord, pictures: list[bytes], *, goes_on: bool
    ) -> tuple[Path | None, list[str]]:
        record.state, unread = "answered", b""
        if AGAIN in name:
            unread = STOPPED if goes_on else BROKEN if record.fault else signature()
        try:
            folder = self._store.save(record, pictures, unread=unread)
        except OSError as exc:
            if self._or_else_raise:
                raise
            self._note_spent(record)
            self._store.journal.write(name, record)
            return None, [NOT_KEPT.format(exc.strerror or type(exc).__name__)]
        self._note_spent(record)  # before nothing is held for it any more
        self._store.journal.drop(name)
        return folder, self._store.notes_on(folder)

    def _note_spent(self, record: JobRecord) -> None:
        with contextlib.suppress(OSError):  # of one that nobody can read its estimate: it may have been billed
            spending.note_spent(self._store.root, record)


def _with_picture(answer: StoredAnswer) -> StoredAnswer:
    """Return an answer. Raises: BadAnswerError if all of its pictures are still somewhere else."""
    if any(suffix_of(data) != "url" for data in answer.pictures):
        return answer
    record = answer.record
    told = (
        f"{record.connection}: the picture was made, and {'; '.join(record.faults.values())}. Run again in a while."
        " If the file is gone there for good, another seed has a new picture made."
    )
    inside = (
        "If its files can never be fetched, have it send pictures in the answer itself: openai-image connect"
        f" {record.connection} --send response_format=b64_json."
    )
    raise BadAnswerError(
        told if record.connection in BUILT_IN else f"{told} {inside}",
        status=200,
        request_id=record.request_id,
    )
