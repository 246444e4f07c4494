"""The command `openai-image`: the same node from the shell, the doctor, the store of paid pictures, and batches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from io import TextIOWrapper

from ..utils.end_of_process import take_sigterm_as_ctrl_c
from .failures import exit_code, failure_json, words_of
from .terminal import tell

COMMANDS = {  # by module and function: each loads only what it needs
    "doctor": ("setup", "doctor"),
    "connect": ("setup", "connect"),
    "jobs": ("store", "jobs"),
    "batch": ("batch", "batch"),
    "sandbox": ("setup", "serve_sandbox"),
}
PICTURE = ("picture", "picture")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 2 wrong usage, 130 stopped, others by the kind of failure."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a Windows console has cp1252: a prompt's other letters become "?"
            stream.reconfigure(errors="replace")
    take_sigterm_as_ctrl_c()
    words = list(sys.argv[1:] if argv is None else argv)
    known = COMMANDS.get(words[0]) if words else None
    module, name = known or PICTURE
    try:
        command: Callable[[Sequence[str]], int] = getattr(import_module(f".{module}", __name__), name)
        return command(words[1:] if known else words)
    except (KeyboardInterrupt, EOFError):  # nobody answers a question any more
        print("openai-image: stopped", file=sys.stderr)
        return 130
    except Exception as exc:
        code = exit_code(exc)
        if code is None:
            raise
        if "--json" in words:
            print(failure_json(exc, code))
        tell(f"openai-image: {words_of(exc)}", is_aside=True)
        return code
