"""A service whose answers to edits drift as the models' do, and what it was asked.

with DriftingService() as service:
    service.point(monkeypatch)
    service.drift = Drift(scale=(0.95, 0.94))
    ... node(image=..., mask=..., mask_mode="blend")
    assert service.asked[0].size == (1536, 1024)
"""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .asker import Server
from .drift import Drift, edited, picture, tensor


class DriftingService(Server):
    """A sandbox that repaints what the mask opens and then lets the whole picture drift; `asked` keeps all requests."""

    def __init__(self) -> None:
        super().__init__(render=self._render)
        self.drift = Drift()
        self.redraws = False
        self.asked: list[Any] = []
        self.holes: list[float] = []  # how much of each picture its mask opened
        self._lock = threading.Lock()

    def sent(self, number: int = -1) -> Tensor:
        """Return the first picture of a request as it came: [H,W,C]."""
        return opened(self.asked[number].images[0])

    def _render(self, request: Any, index: int) -> bytes:
        with self._lock:
            self.asked.append(request)
        if not request.images:
            return file_of(Image.new("RGB", request.size, (40, 90, 160)))
        pixels = opened(request.images[0])[..., :3]
        if request.mask is not None:
            mask = 1 - opened(request.mask)[..., 3]
            self.holes.append(float(mask.mean()))
            pixels = edited(pixels, mask)
        if self.redraws:
            noise = np.random.default_rng(index).integers(0, 256, (32, 32, 3), dtype=np.uint8)
            small = Image.fromarray(noise).resize(request.size, Image.Resampling.BICUBIC)
            return file_of(small)
        if self.drift == Drift():
            same = picture(pixels)
            return file_of(same if same.size == request.size else same.resize(request.size, Image.Resampling.BICUBIC))
        drift = replace(self.drift, size=request.size)
        return file_of(picture(drift.answer(pixels, supersampled=1)))  # a twentieth of a pixel is no matter here


def opened(data: bytes) -> Tensor:
    """Return a file's picture as floats [H,W,C]."""
    with Image.open(io.BytesIO(data)) as image:
        return tensor(image)


def file_of(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def scene(width: int, height: int, *, seed: int = 3) -> Tensor:
    """Return a picture [H,W,3] with structure of all sizes, of values that eight bits hold exactly."""
    random, total = np.random.default_rng(seed), np.zeros((height, width, 3))
    for level in range(2, 9):
        side = 2**level
        small = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
        layer = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
        total += (np.asarray(layer, dtype=np.float64) - 128) / 1.5**level
    total = 128 + total * (90 / np.abs(total).max())
    return torch.from_numpy(total.clip(0, 255).astype(np.uint8)).float() / 255
