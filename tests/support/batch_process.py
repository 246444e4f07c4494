"""A process of its own for test_kills.py: submits and collects, and waits at a step, to be killed there.

    python batch_process.py MODULE CLASS METHOD CALL    the step that it does not begin, and at which call of it

It says when it is there, and "done" at the end.
"""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "openai_image_nodes"

pack = ModuleType(PACKAGE)  # the floor `api` alone: it needs no torch, and starts in a fraction of the time
pack.__path__ = [str(ROOT)]
sys.modules[PACKAGE] = pack

from openai_image_nodes.api.batch.manager import BatchManager  # noqa: E402
from openai_image_nodes.api.connections import resolve as connections  # noqa: E402
from openai_image_nodes.api.connections.resolve import HostSecrets  # noqa: E402
from openai_image_nodes.api.store.store import stores  # noqa: E402


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def wait_at(module: str, owner_name: str, name: str, at: int) -> None:
    """Let this process stand still before a step."""
    owner = getattr(importlib.import_module(f"{PACKAGE}.api.{module}"), owner_name)
    step, lock, calls = getattr(owner, name), threading.Lock(), 0

    def waiting(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        with lock:
            calls += 1
            if calls == at:
                say("there")
                sys.stdin.readline()
        return step(*arguments, **options)

    setattr(owner, name, waiting)


def main() -> None:
    manager = BatchManager(stores()[0], lambda name: connections.resolve(name, HostSecrets(), lambda: ""))
    manager.submit(manager.overview().parts)
    manager.watch(lambda _record: None, look_every_s=0.05)
    say("done")


if __name__ == "__main__":
    wait_at(*sys.argv[1:4], int(sys.argv[4]))
    main()
