"""Test pictures: the repository's example photographs, scaled, with seeded noise, or as flat artwork."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

Pixels = NDArray[np.uint8]

ROOT = Path(__file__).resolve().parent.parent
PHOTOS = sorted((ROOT / "example_workflows" / "input").glob("*-cat.png")) + sorted(
    (ROOT / "example_workflows" / "input").glob("*.jpg")
)
NOISE_LEVELS = 6.0  # standard deviation: a photograph at a high ISO


def photograph(width: int, height: int, number: int = 0) -> Pixels:
    """Return an example photograph [H,W,3], cropped to the ratio and scaled."""
    with Image.open(PHOTOS[number % len(PHOTOS)]) as picture:
        fitted = ImageOps.fit(picture.convert("RGB"), (width, height), Image.Resampling.LANCZOS)
    return np.asarray(fitted)


def noisy(width: int, height: int, number: int = 0) -> Pixels:
    """Return a photograph with the noise of a sensor."""
    noise = np.random.default_rng(number).normal(0.0, NOISE_LEVELS, (height, width, 3))
    return np.clip(photograph(width, height, number) + noise, 0, 255).astype(np.uint8)


def flat(width: int, height: int, number: int = 0) -> Pixels:
    """Return artwork of even areas with sharp edges."""
    random, picture = np.random.default_rng(number), Image.new("RGB", (width, height), (240, 236, 228))
    draw = ImageDraw.Draw(picture)
    for _ in range(60):
        x, y, r = (int(value) for value in random.integers(0, min(width, height), 3))
        colour = tuple(int(level) for level in random.integers(0, 256, 3))
        (draw.ellipse if r % 2 else draw.rectangle)((x, y, x + r // 3, y + r // 3), fill=colour)
    return np.asarray(picture)


def rgba(width: int, height: int, number: int = 0) -> Pixels:
    """Return a photograph [H,W,4] that fades out downwards."""
    alpha = np.repeat(np.linspace(255, 0, height).astype(np.uint8)[:, None], width, axis=1)
    return np.dstack([photograph(width, height, number), alpha])


def png(pixels: Pixels) -> bytes:
    """Return pixels as a PNG file."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def answer(pictures: list[bytes]) -> bytes:
    """Return the service's answer with pictures as base64."""
    data = [{"b64_json": base64.b64encode(picture).decode()} for picture in pictures]
    return json.dumps({"created": 1, "data": data, "usage": USAGE}).encode()


def answer_with_addresses(names: list[str], address: str) -> bytes:
    """Return the service's answer with the addresses of pictures."""
    return json.dumps({"created": 1, "data": [{"url": f"{address}/{name}"} for name in names], "usage": USAGE}).encode()


USAGE = {
    "input_tokens": 50,
    "output_tokens": 1000,
    "total_tokens": 1050,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
}
