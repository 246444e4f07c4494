"""What is done before this process ends: by itself, by Ctrl+C, by SIGTERM, or as another program takes its place."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn


def before_end(work: Callable[[], object], undo: Callable[[], object]) -> None:
    """Do work before this process ends, whichever of these ways; `undo` where no other program could take its place.

    A child that was forked does not: what is out is its parent's.
    """
    own = os.getpid()

    def worked() -> None:
        if os.getpid() == own:
            work()

    def replaced(replace: Callable[..., NoReturn], *arguments: Any, **options: Any) -> NoReturn:
        worked()
        try:
            replace(*arguments, **options)
        except BaseException:
            undo()
            raise

    atexit.register(worked)
    for name in ("execv", "execve"):  # ComfyUI-Manager restarts by the first, and nothing of Python's is told of it
        setattr(os, name, partial(replaced, getattr(os, name)))


def take_sigterm_as_ctrl_c() -> None:
    """Have a SIGTERM end this process as Ctrl+C does, unless something else is done with it already.

    Call it from the main thread: on no other one can this be had.
    """
    own = os.getpid()

    def interrupted(number: int, _frame: object) -> None:
        if os.getpid() == own:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)  # a child that was forked ends as it did before
        os.kill(os.getpid(), number)

    with contextlib.suppress(ValueError):  # on another thread
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, interrupted)
