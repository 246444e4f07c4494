"""How batches are to go wrong, for tests and for whoever tries things out. Set from Python alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

Failure = Literal["server_error", "moderation_blocked"]


@dataclass(frozen=True)
class Plan:
    """The course of a batch. What is left out goes well; parts can be combined.

    `fail`: the share 0..1 of lines that fail (rounded to whole lines, always the same ones for the same
    custom_ids), or a function that tells by a custom_id; they fail in the form of `failure`.
    `expire_after`: the batch expires when so many lines are done. `hold_after`: it stays in_progress when so many
    lines are done, until `Batches.release`; 0 holds it before the first. `delay_s`: a pause before each line.
    `fail_validation`: the message with which the whole batch fails.
    """

    fail: float | Callable[[str], bool] = 0.0
    failure: Failure = "server_error"
    expire_after: int | None = None
    hold_after: int | None = None
    delay_s: float = 0.0
    fail_validation: str | None = None

    def failing(self, custom_ids: Collection[str]) -> set[str]:
        """Return the lines that fail, by their custom_ids."""
        if callable(self.fail):
            return {name for name in custom_ids if self.fail(name)}
        return set(shuffled(custom_ids, "fail")[: round(self.fail * len(custom_ids))])

    def most(self, total: int, *, released: bool) -> int:
        """Return how many of all lines may be begun for now."""
        held = None if released else self.hold_after
        return min(total, *(stop for stop in (self.expire_after, held, total) if stop is not None))


def shuffled(names: Collection[str], salt: str) -> list[str]:
    """Return the names in an order that looks like chance and is always the same."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{salt} {name}".encode("utf-8", "surrogatepass")).digest())
