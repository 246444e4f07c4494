"""`python -m bench.command HOW URL FOLDER`: one picture from the shell, and the processor's seconds that it takes.

HOW is `command`, or `node`, which is how the command worked before it copied the service's bytes: it loads torch,
decodes the picture to floats and encodes it again.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "openai_image_nodes"
PROMPT = "how quick the command is"
asked_at: list[float] = []


def main() -> None:
    """Make the picture and print the seconds until the request and in all, and the peak of memory in bytes."""
    how, url, folder = sys.argv[1:]
    os.environ.update(OPENAI_API_KEY="bench", OPENAI_BASE_URL=url, OPENAI_IMAGE_NODES_HOME=f"{folder}/{how} home")
    sys.addaudithook(_note_connect)
    WAYS[how](Path(folder) / f"{how}.png")
    print(json.dumps({"until_request_s": asked_at[0], "in_all_s": time.process_time(), "peak_bytes": _peak_bytes()}))


def _peak_bytes() -> float:
    """Return the peak of this process alone; what the system has for a child begins with its parent's."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) * 1024 if found else math.nan


def _note_connect(event: str, _arguments: Any) -> None:
    if event == "socket.connect" and not asked_at:
        asked_at.append(time.process_time())


def _command(path: Path) -> None:
    pack = ModuleType(PACKAGE)
    pack.__path__ = [str(ROOT)]
    sys.modules[PACKAGE] = pack
    sys.stdout, printed = sys.stderr, sys.stdout
    code = import_module(f"{PACKAGE}.cli").main(
        [PROMPT, "--connection", "openai", "--size", "1024x1024", "-o", str(path)]
    )
    sys.stdout = printed
    sys.exit(code) if code else None


def _node(path: Path) -> None:
    import torch
    from PIL import Image

    from . import ours

    node = ours.load().NODE_CLASS_MAPPINGS["OIN_GPTImage"]()
    image = asyncio.run(node.api_call(prompt=PROMPT, connection="openai", size="1024x1024"))[0]
    Image.fromarray((image[0] * 255).round().to(torch.uint8).numpy()).save(path)


WAYS: dict[str, Callable[[Path], None]] = {"command": _command, "node": _node}

if __name__ == "__main__":
    main()
