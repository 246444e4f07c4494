"""Stopping a long computation from outside."""

from __future__ import annotations

from collections.abc import Callable

ShouldStop = Callable[[], bool]


class FitStoppedError(Exception):
    """The caller asked to stop: nothing was changed."""


def raise_if_stopped(should_stop: ShouldStop | None) -> None:
    """Raise FitStoppedError if the caller's hook says so; every loop of this room asks at least each 0.2 s."""
    if should_stop is not None and should_stop():
        raise FitStoppedError
