"""Answers that drift as the models' do, made of the photographs of the examples, where what is right is known.

Made with Pillow and numpy, which share nothing with the code under test.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from .pack import ROOT

PHOTOGRAPHS = ("cat.png", "coffee.jpg", "galaxies.jpg", "rocket.jpg")
SUPERSAMPLED = 3  # Pillow's cubic shows slopes up to 0.1 px off; in the mean of three places that is gone
Map = NDArray[np.float64]  # [2,3], centred coordinates, unit half the long side


@lru_cache
def photograph(name: str) -> Tensor:
    """Return one of the examples' photographs as [H,W,3]; it is not to be written to."""
    with Image.open(ROOT / "example_workflows" / "input" / f"oin-example-{name}") as image:
        return tensor(image.convert("RGB"))


def tensor(image: Image.Image) -> Tensor:
    """Return an image as floats 0..1 [H,W,C]."""
    return torch.from_numpy(np.array(image)).float() / 255


def picture(pixels: Tensor) -> Image.Image:
    """Return floats 0..1 [H,W,C] as an image."""
    return Image.fromarray((pixels.clamp(0, 1) * 255).round().byte().numpy())


@dataclass(frozen=True)
class Drift:
    """What a model does to the frame and the colours."""

    scale: tuple[float, float] = (1.0, 1.0)
    shift: tuple[float, float] = (0.0, 0.0)  # of half the long side
    turn: tuple[float, float] = (0.0, 0.0)  # the affine map's other two numbers
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gamma: float = 1.0
    noise: float = 0.0  # of 255
    jpeg: int | None = None
    size: tuple[int, int] | None = None  # of the answer; the picture's own if None
    seed: int = field(default=0, compare=False)

    @property
    def map(self) -> Map:
        """The affine map from the picture to the answer."""
        (x, y), (right, down), (across, along) = self.scale, self.shift, self.turn
        return np.array([[x, across, right], [along, y, down]])

    def answer(self, pixels: Tensor, supersampled: int = SUPERSAMPLED) -> Tensor:
        """Return what comes back for a picture [H,W,3]."""
        drifted = (
            self._moved(pixels, supersampled) if self.size or not np.array_equal(self.map, np.eye(2, 3)) else pixels
        )
        coloured = drifted**self.gamma * torch.tensor(self.gain) + torch.tensor(self.offset)
        noise = torch.randn(coloured.shape, generator=torch.Generator().manual_seed(self.seed)) * self.noise / 255
        noisy = (coloured + noise).clamp(0, 1)
        if self.jpeg is None:
            return noisy
        buffer = io.BytesIO()
        picture(noisy).save(buffer, "JPEG", quality=self.jpeg)
        with Image.open(buffer) as image:
            return tensor(image)

    def _moved(self, pixels: Tensor, supersampled: int) -> Tensor:
        """Move the content; beyond its edges it is mirrored, as a stand-in for what a model invents there."""
        height, width = pixels.shape[:2]
        columns, rows = self.size or (width, height)
        border, half = max(height, width) // 4, max(height, width) / 2
        # Whole pixels of an answer's pixel: Pillow's box would round them, by up to 0.08 px of the answer.
        fine = (supersampled * columns * -(-width // columns), supersampled * rows * -(-height // rows))
        scale = (width / fine[0], height / fine[1])
        to_frame = np.array([[scale[0] / half, 0, -width / 2 / half], [0, scale[1] / half, -height / 2 / half]])
        back = np.linalg.inv(np.vstack([self.map, [0, 0, 1]]))
        to_pixels = np.array([[half, 0, width / 2 + border], [0, half, height / 2 + border], [0, 0, 1]])
        whole = to_pixels @ back @ np.vstack([to_frame, [0, 0, 1]])
        mirrored = np.pad(pixels.numpy() * 255, ((border, border), (border, border), (0, 0)), mode="symmetric")
        moved = [
            Image.fromarray(np.ascontiguousarray(mirrored[..., channel]))  # in floats: Pillow rounds bytes down
            .transform(fine, Image.Transform.AFFINE, tuple(whole[:2].ravel()), Image.Resampling.BICUBIC)
            .resize((columns, rows), Image.Resampling.BOX)
            for channel in range(mirrored.shape[2])
        ]
        return torch.from_numpy(np.stack(moved, axis=2) / 255).clamp(0, 1)


def corner_error(found: Sequence[Sequence[float]], drift: Drift, size: tuple[int, int]) -> float:
    """Return by how many pixels, at a long side of 1024, a map [2,3] misses a corner of a picture (width, height)."""
    width, height = size[0] / max(size), size[1] / max(size)
    corners = np.array([[x, y, 1] for x in (-width, width) for y in (-height, height)]).T
    return float(np.linalg.norm((np.array(found) - drift.map) @ corners, axis=0).max()) * 512


def ellipse(pixels: Tensor, middle: tuple[float, float], radius: float) -> Tensor:
    """Return a mask [H,W], 1 in a circle; middle of width and height, radius of the long side."""
    height, width = pixels.shape[:2]
    x, y, r = middle[0] * width, middle[1] * height, radius * max(width, height)
    image = Image.new("L", (width, height))
    ImageDraw.Draw(image).ellipse((x - r, y - r, x + r, y + r), fill=255)
    return tensor(image)


def rectangle(pixels: Tensor, left: float, top: float, right: float, bottom: float) -> Tensor:
    """Return a mask [H,W], 1 in a rectangle; of width and height."""
    height, width = pixels.shape[:2]
    mask = torch.zeros(height, width)
    mask[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = 1
    return mask


def edited(pixels: Tensor, mask: Tensor, spill: int = 0) -> Tensor:
    """Return the picture with other colours in the mask, grown by so many pixels at a long side of 1024 or shrunk."""
    grown = picture(mask)
    for _ in range(round(abs(spill) * max(mask.shape) / 1024)):  # small steps: Pillow sorts whole windows
        grown = grown.filter((ImageFilter.MaxFilter if spill > 0 else ImageFilter.MinFilter)(3))
    share = tensor(grown.filter(ImageFilter.GaussianBlur(1.5)))[..., None]
    other = torch.stack([pixels[..., 2], pixels[..., 0] * 0.6 + 0.1, pixels[..., 1]], dim=2)
    return pixels * (1 - share) + other * share


def blurred(pixels: Tensor, radius: float) -> Tensor:
    """Return [H,W,C] under a Gaussian blur."""
    return tensor(picture(pixels).filter(ImageFilter.GaussianBlur(radius)))


def across_border(pixels: Tensor, mask: Tensor) -> float:
    """Return the mean difference, of 255, of the luminances on the two sides of a mask's border."""
    light, inside = pixels @ torch.tensor([0.299, 0.587, 0.114]), mask > 0.5
    sideways = (light[:, 1:] - light[:, :-1])[inside[:, 1:] != inside[:, :-1]]
    down = (light[1:] - light[:-1])[inside[1:] != inside[:-1]]
    return float(torch.cat([sideways, down]).abs().mean()) * 255
