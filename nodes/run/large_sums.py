"""A question before a prompt that may cost much: a list of a stranger's must not spend thousands without a word.

What the runs of one prompt may cost is added up before any of them is sent. Above a sum they are all refused, once, and
the page asks; whoever says yes there runs the same nodes once up to that sum.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ...api import Connection, LargeSumError
from ...api.catalog import pricing
from ...api.config import tell_once
from ...api.connections.connection import is_loopback
from ...api.jobs.threads import run_bounded
from ...utils import comfyui
from .framing import dearest_size
from .parameters import ImageParameters, priced_fields
from .progress import of_this_loop

if TYPE_CHECKING:
    from .input_images import InputImages

VARIABLE = "OPENAI_IMAGE_NODES_ASK_ABOVE_USD"
ASK_ABOVE_USD = 5.0
QUIET_TURNS = 3  # of the loop without another run: ComfyUI begins the rows of a list one a turn
YES_HOLDS_S = 600.0
QUESTIONS_KEPT = 100
UNKNOWN_USD = 1.0


@dataclass(frozen=True)
class Question:
    """What a prompt may cost in USD, in how many requests of which nodes."""

    usd: float
    count: int
    nodes: frozenset[str | None]


@dataclass(eq=False)
class Share:
    """What one run may add to what its prompt costs; `is_sure` once it is known that nobody has its picture yet."""

    node_id: str | None
    usd: float
    is_sure: bool = False
    is_sent: bool = False


@dataclass
class PromptCosts:
    """What the runs in one event loop may cost, that is those of one prompt; a list may have very many.

    usd: the sum of the shares. sure_usd: of those that are sure to be paid, or were sent.
    """

    shares: dict[Share, None] = field(default_factory=dict)
    usd: float = 0.0
    sure_usd: float = 0.0
    allowed_usd: float = 0.0
    refusal: str = ""
    _settling: asyncio.Task[None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, node_id: str | None, usd: float) -> Share:
        """Count a run that may cost so much."""
        share = Share(node_id, usd)
        self.shares[share] = None
        self.usd += usd
        return share

    async def allow(self, share: Share, is_kept: Callable[[], bool]) -> None:
        """Wait until it is known that all runs together may be sent; one whose picture `is_kept` costs nothing.

        Raises: LargeSumError if they may not without a yes.
        """
        if not share.usd:
            return
        if self._settling is None or self._settling.done():
            self._settling = asyncio.get_running_loop().create_task(self._settle())
        await asyncio.shield(self._settling)
        if self.refusal or self._is_large(self.usd):
            if await asyncio.wrap_future(run_bounded(is_kept)):
                return self.leave(share)
            self._note_sure(share)
            self._tell()
            while not self.refusal and self._is_large(self.usd):
                if self._is_large(self.sure_usd):
                    self._ask()
                else:
                    await self._changed.wait()
            if self.refusal:  # the others of this prompt too, however few are left
                raise LargeSumError(self.refusal)
        self._note_sure(share)
        share.is_sent = True

    def leave(self, share: Share) -> None:
        """Count a run no more that nothing was sent for."""
        if not share.is_sent and share in self.shares:
            del self.shares[share]
            self.usd -= share.usd
            self.sure_usd -= share.usd if share.is_sure else 0.0
            self._tell()

    def _note_sure(self, share: Share) -> None:
        self.sure_usd += 0.0 if share.is_sure else share.usd
        share.is_sure = True

    def _ask(self) -> None:
        question = Question(self.usd, len(self.shares), frozenset(one.node_id for one in self.shares))
        allowed = QUESTIONS.answered(question.nodes, self.sure_usd)
        if allowed is not None:
            self.allowed_usd = allowed
        else:
            QUESTIONS.ask(comfyui.running_prompt_id(), question)
            self.refusal = refusal_of(question, max(ask_above_usd(), self.allowed_usd))
        self._tell()

    def _is_large(self, usd: float) -> bool:
        return round(usd, 9) > max(ask_above_usd(), self.allowed_usd)  # what was taken away again leaves a little

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _settle(self) -> None:
        """Wait until no more runs begin: which those are is known only when they do."""
        quiet = 0
        while quiet < QUIET_TURNS:
            before = len(self.shares)
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self.shares) == before else 0


class Questions:
    """What was asked lately, by the prompt it was asked of, and what was said yes to and not run since."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, Question] = OrderedDict()
        self._said_yes: dict[Question, float] = {}

    def ask(self, prompt_id: str, question: Question) -> None:
        """Note what is asked of a prompt."""
        with self._lock:
            self._asked[prompt_id] = question
            while len(self._asked) > QUESTIONS_KEPT:
                self._asked.popitem(last=False)

    def asked(self, prompt_id: str) -> Question | None:
        """Return what is asked of a prompt and not answered, or None."""
        with self._lock:
            return self._asked.get(prompt_id)

    def say_yes(self, prompt_id: str) -> Question | None:
        """Let what was asked of a prompt run once; None where nothing was asked of it, or it was answered already."""
        with self._lock:
            question = self._asked.pop(prompt_id, None)
            if question is not None:
                self._said_yes[question] = time.monotonic()
            return question

    def answered(self, nodes: frozenset[str | None], usd: float) -> float | None:
        """Return up to how many USD a yes lets nodes go that cost so much, and forget the yes; None without one."""
        now = time.monotonic()
        with self._lock:
            self._said_yes = {one: at for one, at in self._said_yes.items() if now - at < YES_HOLDS_S}
            fits = [one for one in self._said_yes if nodes <= one.nodes and usd <= cents(one.usd)]
            if not fits:
                return None
            del self._said_yes[fits[0]]
            return cents(fits[0].usd)


QUESTIONS = Questions()
prompt_costs = partial(of_this_loop, PromptCosts)


def ask_above_usd() -> float:
    """Return above what sum in USD somebody is asked; a text that is no sum is told in the log and not used."""
    text = os.environ.get(VARIABLE, "").strip()
    with contextlib.suppress(ValueError):
        told = float(text or ASK_ABOVE_USD)
        if told >= 0:
            return told
    tell_once(f"{VARIABLE} is {text!r} and should be a sum in USD: {ASK_ABOVE_USD:g} is used.")
    return ASK_ABOVE_USD


def refusal_of(question: Question, limit_usd: float) -> str:
    """Return what is said of a sum: the first line is all that the page's question needs, which has the answers."""
    asked = (
        f"This run may cost up to {cents(question.usd):.2f} USD in {question.count} requests."
        f" You are asked before a run costs more than {pricing.in_words(limit_usd)} USD."
    )
    answer = (
        "Run it in ComfyUI's page and say yes there."
        f" To be asked at another sum, set {VARIABLE} and start ComfyUI again."
    )
    return f"{asked}\n{answer}"


def cents(usd: float) -> float:
    """Return a sum rounded up as it is shown, so that a yes is to what was seen."""
    return math.ceil(round(usd * 100, 6)) / 100


def expected_usd(connection: Connection, parameters: ImageParameters, images: InputImages) -> float:
    """Return what a run may cost at most in USD; 0 on the sandbox, in a plan, and on this machine at unknown prices."""
    if connection.batch:
        return 0.0
    try:
        shapes = _shapes([images.image, images.references])
        count = sum(shape[0] if len(shape) == 4 else 1 for shape in shapes)
        values = vars(parameters)
        size = (int(shapes[0][-2]), int(shapes[0][-3])) if shapes else None
        asked = dearest_size(values, size, has_mask=images.mask is not None) if size else None
        fields: Mapping[str, object] = priced_fields(values, connection, asked=asked, edits=count > 0)
        return most_usd(connection, fields, count)
    except Exception:  # noqa: BLE001 - of values that cannot be: they are refused in words when the request is made
        return UNKNOWN_USD


def most_usd(connection: Connection, fields: Mapping[str, object], image_count: int) -> float:
    """Return what a request may cost at most in USD; 0 on this machine at unknown prices."""
    known = pricing.estimate(connection, fields, image_count)
    if known is None and connection.kind == "compatible" and is_loopback(connection.base_url):
        return 0.0
    return pricing.cautious_usd(connection, fields, image_count) if known is None else known.high_usd


def _shapes(pictures: Any) -> list[tuple[int, ...]]:
    """Return the shapes of pictures that are not checked yet: tensors, or lists of them."""
    if isinstance(pictures, (list, tuple)):
        return [shape for picture in pictures for shape in _shapes(picture)]
    return [] if pictures is None else [tuple(pictures.shape)]
