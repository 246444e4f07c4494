"""Runs inside ComfyUI's interpreter: the built-in node once for each line on its input, no server started."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

FOLDER = Path(sys.argv.pop(1))

import comfy.options  # noqa: E402
import utils.install_util  # noqa: E402, F401 - first, as main.py does: later another `utils` would be found

comfy.options.enable_args_parsing()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from comfy_api.latest import IO  # noqa: E402
from comfy_api_nodes import nodes_openai  # noqa: E402
from server import PromptServer  # noqa: E402 - ComfyUI's own module

UNIT = 1 if sys.platform == "darwin" else 1024


def most_bytes() -> int:
    status = Path("/proc/self/status")  # where ru_maxrss is handed down from the process that started this one
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def node() -> type:
    """Return the node's class with the hidden inputs that a person who is signed in has."""
    values = {IO.Hidden.auth_token_comfy_org: "token", IO.Hidden.api_key_comfy_org: None, IO.Hidden.unique_id: "1"}
    return nodes_openai.OpenAIGPTImage1.PREPARE_CLASS_CLONE({"hidden_inputs": values})


def run(count: int, batch: torch.Tensor | None) -> float:
    start = time.perf_counter()
    result = asyncio.run(
        node().execute(
            prompt="a red fox", model="gpt-image-2", quality="low", background="opaque", size="auto", seed=0, n=1,
            image=batch,
        )
    )  # fmt: skip
    taken = time.perf_counter() - start
    del result
    return taken


def main() -> None:
    # The node shows text over the server: one that is not started stands in, and what is sent goes nowhere.
    PromptServer.instance = PromptServer(asyncio.new_event_loop())
    PromptServer.instance.send_progress_text = lambda *_arguments, **_options: None
    picture = torch.from_numpy(np.load(FOLDER / "photo.npy"))[None]
    before = most_bytes()
    for line in sys.stdin:
        count = int(line)
        taken = run(count, picture.expand(count, -1, -1, -1) if count else None)
        print("measured", taken, most_bytes() - before, flush=True)


main()
