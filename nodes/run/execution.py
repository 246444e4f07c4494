"""One run of a node: prepare and decode on threads, wait without blocking, stop at once when asked."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import SecretStr

from ...api import JOBS, BadAnswerError, Connection, FilePart, HostSecrets, Job, JobHandle, StoredAnswer, originals_of
from ...api.catalog import validation
from ...api.connections import resolve as connections
from ...api.jobs.report import broken_notes, model_notes, outcome, received_notes, report
from ...api.jobs.threads import run_in_thread
from ...api.store.records import unreadable
from ...api.store.store import BROKEN, put_back
from ...utils import comfyui
from ...utils.c2pa import credentials_of
from ...utils.errors import BrokenPictureError
from ...utils.tensors import parallel_map
from .framing import Framing, alternatives, frame, unframed
from .input_images import EncodedInputs, InputImages, encode_inputs
from .large_sums import Share, expected_usd, prompt_costs
from .parameters import ALWAYS_SAID, CUSTOM, ImageParameters, refuse_kinds, refuse_widgets, takes_kept, without_previews
from .progress import FITTING, ProgressReporter, prompt_monitor, work_out

if TYPE_CHECKING:
    from ..base import ServiceNode

LOG = logging.getLogger(__name__)
comfyui.at_exit(JOBS.end, JOBS.go_on)
RECENT_KEPT = 500
SANDBOX_EDITS_VARIABLE = "OPENAI_IMAGE_NODES_SANDBOX_EDITS"


class Outputs(NamedTuple):
    """What a node gives out, notes and further fields for the report, and words for the end of the node's last line."""

    values: tuple[Any, ...]
    notes: list[str]
    told: Mapping[str, Any] = {}
    words: str = ""


@dataclass
class PreparedJob:
    """What goes out for a run: the job, and the pictures in it, which `make_inputs` makes once more."""

    job: Job
    encoded: EncodedInputs
    make_inputs: Callable[[], EncodedInputs]

    def let_pixels_go(self) -> None:
        """Hold no pixels: of a list thousands of rows may be kept. If the answer is gone, they are made once more."""
        made_again = cache(self.make_inputs)

        def data(index: int) -> bytes:
            return made_again().files[index].data

        files = [replace(file, source=partial(data, index)) for index, file in enumerate(self.encoded.files)]
        self.encoded.files, self.job = files, replace(self.job, files=files)

    def report(self, answer: StoredAnswer, outputs: Outputs) -> str:
        """Return the report on the answer, of which a node or a command made its outputs."""
        c2pa = [found and found._asdict() for found in map(credentials_of, answer.pictures)]
        about_model = model_notes(answer.record.model, self.job.connection)
        notes = [*about_model, *self.encoded.framing.notes, *self.encoded.notes, *outputs.notes]
        return report(answer, self.job.connection, notes, c2pa, outputs.told)


def sandbox_url() -> str:
    """Return the address of the sandbox inside this process, started on first use."""
    from ...sandbox import running  # most people never need it, and every start of ComfyUI would pay for it

    return running(os.environ.get(SANDBOX_EDITS_VARIABLE, "")).base_url


def connection_of(name: str, secrets: HostSecrets | None = None) -> Connection:
    """Return the connection of a name; outside a prompt ComfyUI hands over no secrets.

    Raises: NoKeyError, RefusedError.
    """
    return connections.resolve(name, secrets or HostSecrets(), sandbox_url)


def not_decoded(answer: StoredAnswer, exc: BrokenPictureError) -> BadAnswerError:
    """Return the error for an answer whose pictures cannot be read, and have another one asked for with reuse off."""
    put_back(answer, BROKEN)
    fault = " ".join([*received_notes(answer), *(broken_notes(answer.record) or [str(exc)])])
    return unreadable(answer.record.model_copy(update={"fault": fault}), answer.folder)


@dataclass
class NodeRun:
    """One run of a node over one connection; `node_id` is where progress is shown."""

    connection: Connection
    seed: int = 0
    reuse: bool = True
    node_id: str | None = None

    @classmethod
    def connected(cls, values: Mapping[str, Any]) -> NodeRun:
        """Return a run of a node with these inputs, over the connection that they name.

        Raises: NoKeyError, RefusedError.
        """
        token, key, connection = (values[name] for name in ("auth_token", "api_key", "connection"))
        secrets = HostSecrets(
            comfy_token=SecretStr(token) if token else None,
            comfy_key=SecretStr(key) if key else None,
            comfy_base_url=comfyui.comfy_api_base(),
            comfy_headers=comfyui.comfy_headers(),
        )
        refuse_kinds(values, always=("seed",))
        reuse, node_id = takes_kept(values["reuse"]), values["unique_id"]
        return cls(connection_of(connection, secrets), int(values["seed"]), reuse, node_id)

    async def outputs(self, node: ServiceNode, parameters: ImageParameters, images: InputImages) -> tuple[Any, ...]:
        """Return the outputs of a node: what it decodes of the answer, the report, and the originals.

        While the job waits for a batch, the branch behind the node ends without an error.

        Raises: OpenAIImageError by kind, ImageInputError, ComfyUI's interruption.
        """
        monitor, costs = prompt_monitor(), prompt_costs()
        monitor.begin(self.node_id)
        share = costs.begin(self.node_id, expected_usd(self.connection, parameters, images))
        try:
            asked = await work_out(lambda _: self.prepared(parameters, images), self.node_id)
            encoded = asked.encoded
            note_recent(comfyui.running_prompt_id(), self.node_id, parameters, asked.job)
            for note in encoded.framing.notes[:1]:
                monitor.show(self.node_id, note)
            if self.connection.batch:
                from ...api.batch.enqueue import answered_or_planned

                planned = await work_out(lambda _: answered_or_planned(asked.job), self.node_id)
                if isinstance(planned, str):
                    monitor.end(self.node_id, planned)
                    return tuple(comfyui.blocker() for _ in node.RETURN_TYPES)
                answer = planned
            else:
                answer = await self._answered(parameters, asked, share)
            stage = FITTING if encoded.framing.is_fitted else None
            try:
                outputs = await work_out(partial(node.decode, answer, encoded), self.node_id, stage)
            except BrokenPictureError as exc:
                raise not_decoded(answer, exc) from exc
            except BaseException:
                JOBS.put_back(asked.job, answer)
                raise
            with JOBS.delivering(answer) as mine:
                is_changed = bool(outputs.notes or outputs.told)
                originals = originals_of(mine, is_sandbox=self.connection.kind == "sandbox", is_changed_here=is_changed)
                told = asked.report(mine, outputs)
                done = ", ".join(words for words in (outcome(mine, self.connection), outputs.words) if words)
                monitor.end(self.node_id, "; ".join([done, *model_notes(mine.record.model, self.connection)]))
            if mine is answer and not answer.was_had:
                pictures = answer.pictures if answer.folder is None else []  # a list may be long
                monitor.had(self.node_id, partial(JOBS.take_back, bare(asked.job), replace(answer, pictures=pictures)))
            return *outputs.values, told, originals
        finally:
            costs.leave(share)

    async def _answered(self, parameters: ImageParameters, asked: PreparedJob, share: Share) -> StoredAnswer:
        if parameters.live_preview and (reason := without_previews(self.connection, parameters.n)):
            asked.encoded.notes.append(f"No sketches were shown while waiting: {reason}.")
        await prompt_costs().allow(share, lambda: JOBS.is_kept(asked.job))
        submitted = run_in_thread(lambda: JOBS.submit(asked.job))
        try:
            handle = await prompt_monitor().wait(submitted, self.node_id)
        except BaseException:  # stopped in this very moment: nobody waits for it
            submitted.add_done_callback(self._give_up)
            raise
        try:
            reporter = ProgressReporter(handle, self.node_id)
            answer = await prompt_monitor().wait(handle.future, self.node_id, handle.stage, reporter.show)
            await reporter.finish(answer.pictures)
        except BaseException:
            self._give_up(submitted)
            raise
        share.is_sent = not answer.reused
        handle.leave()
        return answer

    def prepared(self, parameters: ImageParameters, images: InputImages) -> PreparedJob:
        """Return what goes out, its files encoded; where the answer is kept none is.

        Raises: RefusedError, ImageInputError.
        """
        asked = self._chosen(parameters, images)
        if JOBS.is_kept(asked.job):
            asked.let_pixels_go()
        else:
            parallel_map(lambda file: file.data, asked.encoded.files)
            validation.check_files(asked.job.request.model, asked.encoded.files)
        return asked

    def _chosen(self, parameters: ImageParameters, images: InputImages) -> PreparedJob:
        """Return what was asked before for the same, in whatever way it went out, else what is asked for as set now."""
        images, values = images.checked(), vars(parameters)
        refuse_widgets(values, always=(*ALWAYS_SAID, *(CUSTOM if values["size"] == "custom" else ())))
        picture = images.known(parameters.mask_mode)
        own = unframed(parameters.mask_mode or "guide") if picture is None else frame(values, picture)
        asked = self._framed(parameters, images, own)
        others = [] if picture is None or not self.reuse else list(alternatives(values, picture, own))
        ways = [(other, False) for other in others]
        if asked.encoded.is_new and self.reuse:
            ways += [(other, True) for other in (own, *others)]
        if not ways or self._was_asked(asked.job):
            return asked
        for other, as_before in ways:
            before = self._framed(parameters, images, other, None if as_before else asked.encoded, as_before=as_before)
            if self._was_asked(before.job):
                before.encoded.notes.append(
                    "This is what you already have for another mask_mode or from an earlier version: it was asked for"
                    f" with size {before.job.fields.get('size')}, and is not bought again."
                )
                return before
        return asked

    def _framed(
        self,
        parameters: ImageParameters,
        images: InputImages,
        framing: Framing,
        encoded: EncodedInputs | None = None,
        *,
        as_before: bool = False,
    ) -> PreparedJob:
        """Return the job for a framing; `encoded` is used again where the same pictures go out."""
        make_inputs = partial(
            encode_inputs,
            images,
            framing,
            max_pixels=self.connection.max_image_pixels,
            transparent_pixels=parameters.transparent_pixels,
            as_before=as_before,
        )
        if encoded is not None and not (encoded.framing.is_cut or framing.is_cut):
            encoded = replace(encoded, framing=framing, notes=list(encoded.notes))
        else:
            encoded = make_inputs()
        request = encoded.request(parameters, self.connection)
        job = Job(self.connection, request, encoded.files, seed=self.seed, reuse=self.reuse)
        return PreparedJob(job, encoded, make_inputs)

    def _was_asked(self, job: Job) -> bool:
        if not self.connection.batch:
            return JOBS.was_asked(job)
        from ...api.batch.enqueue import was_asked

        return was_asked(job)

    def _give_up(self, submitted: Future[JobHandle]) -> None:
        if submitted.exception() is not None:
            return
        JOBS.give_up(handle := submitted.result())
        if handle.sent and not handle.future.done():
            LOG.info("A paid request goes on in the background; its picture is kept for the next run.")
            comfyui.show_text(
                "stopped; the request was already sent, its picture is saved and used by the next run", self.node_id
            )


@dataclass(frozen=True)
class Recent:
    """How a node was set lately, and the job that came of it; its files have digests and no bytes.

    So what else is kept of the same can be shown for a node.
    """

    parameters: ImageParameters
    job: Job


_recent_lock = threading.Lock()
_recent: OrderedDict[tuple[str, str], Recent] = OrderedDict()
_accounts: set[tuple[str, str]] = set()  # by service: whoever ran something since the start


def bare(job: Job) -> Job:
    """Return a job whose files have their digests and no bytes: it is the same, and can be held for long."""
    return replace(job, files=[FilePart(file.name, file.filename, b"", file.digest) for file in job.files])


def note_recent(prompt_id: str, node_id: str | None, parameters: ImageParameters, job: Job) -> None:
    """Remember what a node of a prompt asked for; of a list the last."""
    if job.connection.account:
        _accounts.add((job.connection.service, job.connection.account))
    if not prompt_id or node_id is None:
        return
    with _recent_lock:
        _recent[prompt_id, str(node_id)] = Recent(parameters, bare(job))
        _recent.move_to_end((prompt_id, str(node_id)))
        while len(_recent) > RECENT_KEPT:
            _recent.popitem(last=False)


def find_recent(prompt_ids: Iterable[str], node_id: str) -> Recent | None:
    """Return what a node asked for in the first of these prompts in which it ran."""
    with _recent_lock:
        return next((_recent[one, node_id] for one in prompt_ids if (one, node_id) in _recent), None)


def has_run(service: str, account: str) -> bool:
    """Tell whether an account asked a service for something since the start."""
    return (service, account) in _accounts
