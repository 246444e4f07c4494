"""Calls of the main node, as ComfyUI makes them, and pictures to call it with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from openai_image_nodes import NODE_CLASS_MAPPINGS
from openai_image_nodes.api.catalog import catalog

from support.capture import Capture

GPTImage = NODE_CLASS_MAPPINGS["OIN_GPTImage"]
References = NODE_CLASS_MAPPINGS["OIN_References"]
KEY = "sk-planted-0123456789abcdef"
Run = tuple[torch.Tensor, torch.Tensor, dict[str, Any]]
Result = TypeVar("Result")


def awaited(call: Coroutine[Any, Any, Result]) -> Result:
    """Run a call on a loop of its own; `asyncio.run` itself prints a result, pixels and all, for no one to read."""
    found: list[Result] = []

    async def kept() -> None:
        found.append(await call)

    asyncio.run(kept())
    return found[0]


def node(**inputs: Any) -> Run:
    """Run the main node and return image, alpha and the report's content; prompt and connection have a default."""
    image, alpha, report, _ = awaited(GPTImage().api_call(**asked(inputs)))
    return image, alpha, json.loads(report)


def together(*calls: dict[str, Any]) -> list[Any]:
    """Run the main node several times at once; an error comes back in place of a result."""

    async def all_of_them() -> list[Any]:
        runs = (GPTImage().api_call(**asked(inputs)) for inputs in calls)
        return await asyncio.gather(*runs, return_exceptions=True)

    return awaited(all_of_them())


def asked(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return inputs with a prompt and a connection, where they have none."""
    return {"prompt": "a red fox", "connection": "openai", **inputs}


def validated(**inputs: Any) -> bool | str:
    """Ask the main node whether a run may start, with every other widget at its default."""
    declared = GPTImage.INPUT_TYPES()
    widgets = {**declared["required"], **declared["optional"]}
    defaults = {name: spec[1]["default"] for name, spec in widgets.items() if "default" in spec[1]}
    return GPTImage.VALIDATE_INPUTS(**{**defaults, **asked(inputs)})


def use_openai(monkeypatch: pytest.MonkeyPatch, server: Capture, key: str = KEY) -> None:
    """Point the connection openai at a server."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.base_url}/v1")


def photo(height: int = 48, width: int = 64, channels: int = 3, *, seed: int = 7) -> torch.Tensor:
    """Return a batch of one picture, float32 [1,H,W,C], of values that eight bits hold exactly."""
    values = np.random.default_rng(seed).integers(0, 256, (1, height, width, channels), dtype=np.uint8)
    return torch.from_numpy(values.astype(np.float32) / 255)


def scribble(height: int = 48, width: int = 64) -> torch.Tensor:
    """Return a markup, float32 [1,H,W,4]: a red bar on a transparent ground."""
    markup = torch.zeros(1, height, width, 4)
    markup[:, 10:20, :, 0] = markup[:, 10:20, :, 3] = 1.0
    return markup


def half_mask(height: int = 48, width: int = 64) -> torch.Tensor:
    """Return a mask, float32 [1,H,W], that opens the left half."""
    mask = torch.zeros(1, height, width)
    mask[:, :, : width // 2] = 1.0
    return mask


def as_bytes(image: torch.Tensor) -> np.ndarray:
    """Return a picture [H,W,C] in 0..1 as uint8, as it should go out."""
    return (image.double() * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def newest(**facts: Any) -> str:
    """Return the newest live model with these facts, such as `markup=True`."""
    able = [spec for spec in catalog.listed() if all(getattr(spec, name) == fact for name, fact in facts.items())]
    return able[0].id
