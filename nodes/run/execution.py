"""One run of a node: prepare and decode on threads, wait without blocking, stop at once when asked."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr

from ...api import JOBS, Connection, HostSecrets, Job, JobHandle, OpenAIImageError, StoredAnswer
from ...api.batch import enqueue
from ...api.batch.enqueue import Deferred
from ...api.catalog import validation as rules
from ...api.connections import resolve as connections
from ...api.jobs.report import model_notes, outcome, report
from ...api.jobs.threads import run_bounded, run_in_thread
from ...api.store.records import unreadable
from ...utils import comfyui as host
from ...utils import decode as pictures
from ...utils.errors import BrokenPictureError
from ...utils.mask_composite import lock_outside_mask
from .input_images import Sources, Upload, upload_of
from .parameters import Wish
from .progress import Waiter, room

if TYPE_CHECKING:
    from torch import Tensor

LOG = logging.getLogger(__name__)
NAMES_TOLD = 16

T = TypeVar("T")


async def connect(name: str, auth_token: str | None, api_key: str | None) -> Connection:
    """Return the connection of a name, with what ComfyUI handed to the node.

    Raises: NoKeyError, RefusedError.
    """
    # ComfyUI writes a node's inputs, our token and key among them, into its history when the node fails before it
    # waits for the first time (0.20.1 execution.py, get_output_data): so wait before anything can fail.
    await asyncio.sleep(0)
    secrets = HostSecrets(
        comfy_token=SecretStr(auth_token) if auth_token else None,
        comfy_key=SecretStr(api_key) if api_key else None,
        comfy_base_url=host.comfy_api_base(),
        comfy_headers=host.comfy_headers(),
    )
    return connections.resolve(name, secrets, sandbox_url)


def blocked_while_planned(
    call: Callable[..., Coroutine[Any, Any, T | Deferred]],
) -> Callable[..., Coroutine[Any, Any, T]]:
    """Have a node's branch end without an error, with a word in the node, while its job waits for a batch."""

    @functools.wraps(call)
    async def api_call(self: Any, *args: Any, **values: Any) -> Any:
        outputs = await call(self, *args, **values)
        if not isinstance(outputs, Deferred):
            return outputs
        room().end(values.get("unique_id"), outputs.words)
        return tuple(host.blocker() for _ in self.RETURN_TYPES)

    return api_call


def changed(connection: str | None) -> str:
    """Return what IS_CHANGED answers: a text that changes when the store may have the answer of a planned job."""
    try:
        if connection is not None and not connections.is_batch(connection):
            return ""
    except OpenAIImageError:
        return ""  # the run will tell
    return enqueue.generation()


def sandbox_url() -> str:
    """Return the address of the sandbox inside this process, started on first use."""
    from ...sandbox import running  # most people never need it, and every start of ComfyUI would pay for it

    return running().base_url


@dataclass
class Run:
    """One run over one connection; `node_id` is where progress is shown."""

    connection: Connection
    seed: int = 0
    reuse: bool = True
    node_id: str | None = None

    async def picture(self, wish: Wish, sources: Sources) -> tuple[Tensor, Tensor, str] | Deferred:
        """Return (image [n,H,W,3|4], alpha [n,H,W], report), or that a batch has the job.

        Raises: OpenAIImageError by kind, ImageInputError, ComfyUI's interruption.
        """
        answer, upload = await self.answer(wish, sources)
        if isinstance(answer, Deferred):
            return answer
        decoded = await self.on_thread(lambda: _decoded(answer, wish, upload))
        return decoded.image, decoded.alpha, self.report(answer, [*upload.notes, *decoded.notes])

    async def answer(self, wish: Wish, sources: Sources) -> tuple[StoredAnswer | Deferred, Upload]:
        """Return the answer, not yet decoded, and what went out for it.

        Raises: as `picture`.
        """
        room().begin(self.node_id)
        upload = await self.on_thread(lambda: upload_of(sources, max_pixels=self.connection.max_image_pixels))
        if self.connection.batch:
            return await self.on_thread(lambda: enqueue.answered_or_planned(self._job(wish, upload))), upload
        if wish.live_preview and (reason := wish.without_previews(self.connection)):
            upload.notes.append(f"No sketches were shown while waiting: {reason}.")
        submitted = run_in_thread(lambda: JOBS.submit(self._job(wish, upload)))
        try:
            running = await self._finished(submitted, lambda: "preparing")
        except BaseException:
            submitted.add_done_callback(self._leave)  # stopped in this very moment: nobody waits for it
            raise
        try:
            watch = Watch(running, self.node_id)
            return await self._finished(running.future, running.stage, watch.show), upload
        except BaseException:
            self._tell_what_goes_on(running)
            raise
        finally:
            running.leave()

    def report(self, answer: StoredAnswer, notes: list[str]) -> str:
        """Return the report of a decoded answer; from here on the store may forget it when it is full."""
        answer = JOBS.mark_delivered(answer)
        room().end(self.node_id, "; ".join([outcome(answer, self.connection), *model_notes(answer.record.model)]))
        return report(answer, self.connection, [*model_notes(answer.record.model), *notes])

    async def on_thread(self, work: Callable[[], T]) -> T:
        """Return what work gives, done on a thread of our own.

        Raises: what work raises, ComfyUI's interruption.
        """
        return await self._finished(run_bounded(work), lambda: "preparing")

    def _job(self, wish: Wish, upload: Upload) -> Job:
        request = wish.request(
            image_size=upload.image_size,
            image_count=upload.count,
            mask=upload.mask is not None,
            markup=upload.markup,
            previews=wish.live_preview > 0 and wish.without_previews(self.connection) is None,
        )
        rules.check_files(request.model, upload.files)
        return Job(self.connection, request, upload.files, seed=self.seed, reuse=self.reuse)

    async def _finished(
        self, future: Future[T], stage: Callable[[], str], meanwhile: Callable[[], Awaitable[None]] | None = None
    ) -> T:
        """Wait for a future, showing the stage each second; ends at once when the person cancels."""
        waiting = asyncio.wrap_future(future)
        try:
            with room().joined(Waiter(self.node_id, stage, meanwhile)) as stopped:
                first: list[asyncio.Future[Any]] = [waiting, stopped]
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                stopped.result()  # raises
            return waiting.result()
        finally:
            waiting.cancel()  # only this wrapper: else asyncio complains of an error that nobody fetched

    def _leave(self, submitted: Future[JobHandle]) -> None:
        if submitted.exception() is None:
            self._tell_what_goes_on(submitted.result())
            submitted.result().leave()

    def _tell_what_goes_on(self, running: JobHandle) -> None:
        if running.sent and not running.future.done():
            LOG.info("A paid request goes on in the background; its picture is kept for the next run.")
            host.show_text(
                "stopped; the request was already sent, its picture is saved and used by the next run", self.node_id
            )


class Watch:
    """Moves a node's progress bar by how long this usually takes, and shows the sketches that came, each once."""

    def __init__(self, running: JobHandle, node_id: str | None) -> None:
        self._running, self._node_id = running, node_id
        self._sketches = self._percent = 0

    async def show(self) -> None:
        """Show what is new; a sketch is decoded off the loop."""
        partials, percent = self._running.partials, int(100 * (self._running.progress or 0))
        if len(partials) > self._sketches:
            self._sketches, newest = len(partials), partials[-1]
            with contextlib.suppress(BrokenPictureError):
                preview = await asyncio.wrap_future(run_in_thread(lambda: pictures.preview_image(newest)))
                host.show_progress(max(percent, 1), 100, self._node_id, preview)
        elif percent > self._percent:
            host.show_progress(percent, 100, self._node_id)
        self._percent = max(percent, self._percent)


def readable(answer: StoredAnswer, decode: Callable[[], T]) -> T:
    """Return what decode makes of an answer.

    Raises: BadAnswerError that says where the bytes are, if decode raises ValueError.
    """
    try:
        return decode()
    except ValueError as exc:
        raise unreadable(answer.record.model_copy(update={"fault": str(exc)}), answer.folder) from exc


def _decoded(answer: StoredAnswer, wish: Wish, upload: Upload) -> pictures.Decoded:
    """Return the answer's pictures as tensors, with everything outside the mask put back if that was asked for."""
    decoded = readable(answer, lambda: pictures.pngs_to_image(answer.pictures, at_most=wish.n))
    if answer.folder and decoded.broken:
        names = [answer.record.pictures[index] for index in decoded.broken]
        told = ", ".join([*names[:NAMES_TOLD], *(["..."] if len(names) > NAMES_TOLD else [])])
        decoded.notes.append(f"The bytes of what could not be read are kept in {answer.folder}: {told}.")
    if wish.mask_mode != "lock":
        return decoded
    if upload.mask is None or upload.first is None:
        return decoded._replace(notes=[*decoded.notes, "mask_mode lock: there is no mask, so nothing was put back."])
    locked = lock_outside_mask(decoded.image, upload.first, upload.mask)
    notes = [*decoded.notes, "Every pixel outside the mask is from your picture."]
    return decoded._replace(image=locked, alpha=pictures.alpha_of(locked), notes=notes)
