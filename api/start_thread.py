"""Starts a thread, or says in words that none can be had: the process is at a limit, or comes to its end."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .errors import RefusedError


def start_thread(work: Callable[..., object], *args: object, name: str) -> threading.Thread:
    """Start a daemon thread and return it.

    Raises: RefusedError if none can be started; whoever wanted it puts back what was taken for it.
    """
    thread = threading.Thread(target=work, args=args, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as exc:
        raise RefusedError(
            f"No thread could be started ({exc}), so nothing was sent. Wait until less runs on this machine, or restart"
            " ComfyUI, then run again."
        ) from exc
    return thread
