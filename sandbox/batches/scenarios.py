"""How batches go: well, unless somebody outside passes in a scenario in which they do not."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .line_results import ResultLine

Step = Literal["go on", "wait", "expire"]


class Scenario:
    """The course of one batch: all goes well. A subclass overrides what is to go otherwise.

    It is made when its batch is, and its methods are called on the batch's threads.
    """

    def validation_error(self, _custom_ids: Collection[str]) -> str | None:
        """Return the message with which the batch fails before any of its lines is worked, or None."""
        return None

    def next_step(self, _begun: int) -> Step:
        """Tell what to do when so many lines were begun; asked again and again while it says "wait"."""
        return "go on"

    def line(self, _custom_id: str, work: Callable[[], ResultLine]) -> ResultLine:
        """Return the line of a request in the result files; `work` draws what it asks for and bills it."""
        return work()
