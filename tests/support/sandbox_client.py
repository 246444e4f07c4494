"""What the tests of the sandbox share: pictures to send, ways to ask, and one that draws only when let."""

from __future__ import annotations

import base64
import io
import threading
from typing import Any

import numpy as np
import requests
from openai_image_nodes.sandbox import Sandbox
from openai_image_nodes.sandbox.rendering.painter import render
from PIL import Image

MODEL = "gpt-image-2.6-flare"
PRICED = "gpt-image-2.5-flare"
ASK = {"model": MODEL, "prompt": "A red fox asleep in the snow"}


def png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def photo(width: int = 320, height: int = 240) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def mask(width: int = 320, height: int = 240) -> np.ndarray:
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[:, : width // 2, 3] = 255
    return rgba


def file(data: bytes, kind: str = "image/png") -> tuple[str, bytes, str]:
    return ("image.png", data, kind)


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def picture(b64_json: str | None) -> np.ndarray:
    assert b64_json is not None
    return pixels(base64.b64decode(b64_json))


def post(sandbox: Sandbox, path: str, **kwargs: Any) -> requests.Response:
    return requests.post(f"{sandbox.base_url}{path}", timeout=30, **kwargs)


class SlowRender:
    """Draws only when let."""

    def __init__(self) -> None:
        self.begun, self.let = threading.Event(), threading.Event()

    def __call__(self, request: Any, index: int) -> bytes:
        self.begun.set()
        assert self.let.wait(30)
        return render(request, index)
