"""What the nodes that ask the service have in common."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from ..api import OpenAIImageError, RefusedError, config
from ..utils import comfyui
from .run.parameters import SOCKETS, WIDGET_FIELDS, ImageParameters, refusal

if TYPE_CHECKING:
    from ..api import StoredAnswer
    from .run.execution import Outputs
    from .run.input_images import EncodedInputs

REPORT_TOOLTIP = "What was requested, what it cost and what was changed on the way, as JSON text."
ORIGINALS_TOOLTIP = "The files exactly as the service sent them, for Save Original."
LEFT_OUT: Mapping[str, Any] = {  # by ComfyUI: what an input is then that is not among the parameters of a request
    **{"seed": 0, "connection": "auto", "reuse": True},
    **dict.fromkeys((*SOCKETS, "auth_token", "api_key", "unique_id")),
}


class ServiceNode:
    """A node that asks the service, or plans a job for a batch; `values` are its inputs by name.

    `own_defaults` are those of inputs that it alone has, or has with another default.
    """

    CATEGORY = "image/OpenAI"
    FUNCTION = "api_call"
    RETURN_TYPES: ClassVar[tuple[str, ...]]
    own_defaults: ClassVar[Mapping[str, Any]] = {}

    @staticmethod
    def decode(answer: StoredAnswer, encoded: EncodedInputs, should_stop: Callable[[], bool]) -> Outputs:
        """Return what the node gives out of an answer before report and originals; on a thread, told when to stop.

        Here image float32 [n,H,W,3|4] in 0..1 and alpha float32 [n,H,W], 1 = transparent.
        Raises: BrokenPictureError if nothing in it can be read.
        """
        from .run.answers import pictures_of

        return pictures_of(answer, encoded, should_stop)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs as ComfyUI has them declared."""
        raise NotImplementedError

    @classmethod
    def own_fields(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the service's own fields that inputs stand for which only this node has."""
        return {}

    @classmethod
    def fault(cls, values: Mapping[str, Any]) -> str | None:
        """Return why the run must not start, of the inputs that only this node has, or None."""
        return None

    @classmethod
    def VALIDATE_INPUTS(cls, **values: Any) -> bool | str:
        """Refuse what can be known before anything runs; linked values are None here and are checked in the run."""
        told = cls.fault(values) or refusal({**values, "extra": cls.own_fields(values)})
        if told is not True and "unique_id" in values:  # ComfyUI asks, which writes a text once for every input
            raise RefusedError(str(told))
        return told

    @classmethod
    def IS_CHANGED(cls, connection: str | None = "auto", **_values: Any) -> str:
        """Look again over a batch connection whenever answers may have come; else only inputs matter.

        Where many people use ComfyUI its own cache must not hand one's picture to another.
        """
        from ..api.connections.resolve import is_batch

        try:
            if connection is not None and not is_batch(connection):
                return _person()
            from ..api.batch.enqueue import generation

            return _person() + generation()
        except OpenAIImageError:
            return ""  # the run will tell

    async def api_call(self, /, **inputs: Any) -> tuple[Any, ...]:
        """Return the outputs: what `decode` makes of the answer, the report as JSON text, and the files' references.

        `inputs` are those of INPUT_TYPES by name; one that is left out has its default.

        Raises: RefusedError and its siblings of `api.errors`, ImageInputError, ComfyUI's interruption on Cancel;
        TypeError for an input that the node does not have.
        """
        # ComfyUI writes a node's inputs, our token and key among them, into its history when the node fails before it
        # waits for the first time (0.20.1 execution.py, get_output_data): so wait before anything can fail, and take
        # every name, for a workflow may link something to an input of any.
        await asyncio.sleep(0)
        from .run.execution import NodeRun
        from .run.input_images import InputImages
        from .run.progress import prompt_monitor

        values, monitor = {**LEFT_OUT, **self.own_defaults, **inputs}, prompt_monitor()
        if unknown := inputs.keys() - _input_names(self.INPUT_TYPES):
            raise TypeError(f"{self.FUNCTION} has no input {', '.join(sorted(unknown))}")
        try:
            run = NodeRun.connected(values)
            if told := self.fault(values):
                raise RefusedError(told)
            widgets = {name: values[name] for name in WIDGET_FIELDS if name in values}
            parameters = ImageParameters(**widgets, extra=self.own_fields(values))
            images = InputImages(**{name: values.get(name) for name in SOCKETS})
            return await run.outputs(self, parameters, images)
        except BaseException:
            monitor.fail(values["unique_id"])
            raise


@cache  # a row of a list is a call
def _input_names(declared: Callable[[], dict[str, Any]]) -> frozenset[str]:
    return frozenset(name for group in declared().values() for name in group)


_persons: dict[str | None, str] = {}


def _person() -> str:
    """Return a word for who runs this prompt, or "". ComfyUI writes it down, so it is made up, and says nothing."""
    if not config.serves_many():
        return ""
    from ..api.connections.connection import user_of

    token, key = comfyui.signed_in()
    if not (token or key):
        return ""
    who = (user_of(token) or token) if token else key
    return _persons.setdefault(who, uuid.uuid4().hex[:8])
