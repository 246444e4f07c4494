"""The requests behind the golden store folder: what to ask to meet each thing that lies in it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import torch

from support.golden import pack

DATA = Path(__file__).with_name("data")
HOME = DATA / "home"
LEFT = DATA / "left"  # what died on its way: written by 45ddffb and 03fa38b, and not by write.py
PORT = 48611  # nobody listens there when the tests run: a request that goes out anyway fails
KEY = "sk-planted-0123456789abcdef"
ENVIRONMENT = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"http://127.0.0.1:{PORT}/v1"}
BATCH_MODEL = {"model": "gpt-image-2", "connection": "openai batch"}
SMALL = {"size": "custom", "custom_width": 1024, "custom_height": 640}


def image(height: int = 48, width: int = 64, channels: int = 3, *, step: int = 7) -> torch.Tensor:
    """Return one picture [1,H,W,C] of levels that eight bits hold exactly, the same on every machine."""
    count = height * width * channels
    return ((torch.arange(count) * step) % 256).reshape(1, height, width, channels).float() / 255


def mask(height: int = 48, width: int = 64) -> torch.Tensor:
    """Return a mask [1,H,W] that opens the left half."""
    opened = torch.zeros(1, height, width)
    opened[:, :, : width // 2] = 1.0
    return opened


ANSWERED: dict[str, dict[str, Any]] = {
    "text": {"prompt": "a red fox", "n": 2},
    "asked again": {"prompt": "a red fox, twice"},
    "edit with mask": {"prompt": "a hat", "image": image(), "mask": mask()},
}
COLLECTED: dict[str, dict[str, Any]] = {
    f"seed {seed}": {"prompt": "a collected fox", "seed": seed, **BATCH_MODEL} for seed in (1, 2)
}
UNDER_WAY: dict[str, dict[str, Any]] = {
    f"seed {seed}": {"prompt": "a fox under way", "seed": seed, **BATCH_MODEL} for seed in (1, 2)
}
PLANNED: dict[str, Any] = {"prompt": "a planned hat", "image": image(), "mask": mask(), **BATCH_MODEL}
UNKNOWN: dict[str, Any] = {"prompt": "a lost fox"}
SENT: dict[str, Any] = {"prompt": "a fox sent when the machine went down"}
CAME: dict[str, Any] = {"prompt": "a fox that came, PARTIAL", "model": "gpt-image-2"}
ELSEWHERE: dict[str, Any] = {"prompt": "a fox that lies elsewhere, GONEURL", "model": "gpt-image-2"}


def call(node_id: str, **inputs: Any) -> tuple[Any, ...]:
    """Run a node; the connection openai unless told otherwise."""
    node = pack.NODE_CLASS_MAPPINGS[node_id]()
    return tuple(asyncio.run(getattr(node, node.FUNCTION)(**{"connection": "openai", **inputs})))


def run(**inputs: Any) -> Any:
    """Run the main node and return the content of its report, None where its job is only planned."""
    report = call("OIN_GPTImage", **{**SMALL, **inputs})[2]
    return None if report is None else json.loads(report)
