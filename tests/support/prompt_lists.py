"""Lists of prompts for the tests: an input folder as ComfyUI has it, and the node called as ComfyUI calls it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from openai_image_nodes import NODE_CLASS_MAPPINGS
from PIL import Image

PromptList = NODE_CLASS_MAPPINGS["OIN_PromptList"]


class Lists(NamedTuple):
    """The outputs by name."""

    prompt: list[str]
    seed: list[int]
    size: list[str]
    quality: list[str]
    image: list[torch.Tensor | None]
    mask: list[torch.Tensor | None]
    name: list[str]
    count: int


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ComfyUI's input folder."""
    folder = tmp_path / "input"
    folder.mkdir()
    monkeypatch.setitem(sys.modules, "folder_paths", SimpleNamespace(get_input_directory=lambda: str(folder)))
    return folder


def lists(**values: Any) -> Lists:
    """Run the node."""
    return Lists(*PromptList().lists(**values))


def write(folder: Path, name: str, content: str | bytes) -> str:
    """Write a file and return its name."""
    data = content.encode() if isinstance(content, str) else content
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return name


def picture(folder: Path, name: str, mode: str = "RGB", size: tuple[int, int] = (8, 6), **options: Any) -> str:
    """Write a picture of random levels and return its name."""
    pixels = np.random.default_rng(7).integers(0, 256, (size[1], size[0], len(mode)), dtype=np.uint8)
    (folder / name).parent.mkdir(exist_ok=True)
    Image.fromarray(pixels.squeeze(2) if mode == "L" else pixels, mode).save(folder / name, **options)
    return name
