"""The command `openai-image`: the same node from the shell, the doctor, the store of paid pictures, and batches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from ..api import OpenAIImageError
from ..utils.errors import ImageInputError
from .batch import batch
from .picture import picture
from .setup import connect, doctor, serve_sandbox
from .store import jobs

COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "doctor": doctor,
    "connect": connect,
    "jobs": jobs,
    "batch": batch,
    "sandbox": serve_sandbox,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 1 refused or failed with a message, 2 wrong usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    command = COMMANDS.get(words[0]) if words else None
    try:
        return command(words[1:]) if command else picture(words)
    except (OpenAIImageError, ImageInputError, OSError) as exc:
        print(f"openai-image: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("openai-image: stopped", file=sys.stderr)
        return 130
