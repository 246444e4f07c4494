"""The way of ComfyUI's built-in node, written again as the baseline: one picture after the other, on the event loop.

What it does besides (a log of each answer on the disk, a line of progress each second) is left out in its favour.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import math
from typing import Any

import aiohttp
import numpy as np
import torch
from PIL import Image
from pydantic import BaseModel
from torch import Tensor

MAX_PIXELS = 2048 * 2048


class Picture(BaseModel):
    """One picture of an answer."""

    b64_json: str | None = None
    url: str | None = None


class Response(BaseModel):
    """An answer."""

    data: list[Picture]


def encode(batch: Tensor) -> list[bytes]:
    """Return the PNG files of a batch [B,H,W,C]."""
    return [_png(_scaled(batch[index : index + 1]).squeeze()) for index in range(len(batch))]


def encode_mask(mask: Tensor) -> bytes:
    """Return the PNG file of a mask [1,H,W]."""
    rgba = torch.zeros(*mask.shape[1:], 4)
    rgba[:, :, 3] = 1 - mask.squeeze()
    return _png(_scaled(rgba[None]).squeeze())


def call(address: str, batch: Tensor | None) -> Tensor:
    """Return the picture that a service makes of a batch, on an event loop of its own."""
    return asyncio.run(called(address, batch))


async def called(address: str, batch: Tensor | None) -> Tensor:
    """Return the picture that a service makes of a batch."""
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in {"model": "gpt-image-2", "prompt": "a red fox", "n": "1", "size": "auto"}.items():
        form.add_field(name, value)
    for index, png in enumerate(encode(batch) if batch is not None else []):
        form.add_field("image[]", io.BytesIO(png), filename=f"image_{index}.png", content_type="image/png")
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{address}/v1/images/edits", data=form) as response:
            answered = await response.json()
        return await _decoded(Response.model_validate(answered), session)


def decode(body: bytes) -> Tensor:
    """Return the pictures of an answer as one batch [n,H,W,4]."""
    return asyncio.run(_decode(body))


async def _decode(body: bytes) -> Tensor:
    answered: Any = json.loads(body)
    async with aiohttp.ClientSession() as session:
        return await _decoded(Response.model_validate(answered), session)


async def _decoded(response: Response, session: aiohttp.ClientSession) -> Tensor:
    tensors: list[Tensor] = []
    for picture in response.data:
        file = io.BytesIO(base64.b64decode(picture.b64_json) if picture.b64_json else await _got(picture.url, session))
        pixels = np.asarray(Image.open(file).convert("RGBA")).astype(np.float32) / 255.0
        tensors.append(_as_large(torch.from_numpy(pixels), tensors))
    return torch.stack(tensors)


async def _got(url: str | None, session: aiohttp.ClientSession) -> bytes:
    async with session.get(str(url)) as response:
        return await response.read()


def _as_large(picture: Tensor, others: list[Tensor]) -> Tensor:
    if not others or picture.shape == others[0].shape:
        return picture
    size = others[0].shape[:2]
    scaled = torch.nn.functional.interpolate(picture[None].movedim(-1, 1), size=size, mode="bilinear")
    return scaled.movedim(1, -1)[0]


def _scaled(batch: Tensor) -> Tensor:
    height, width = batch.shape[1:3]
    if width * height <= MAX_PIXELS:
        return batch
    scale = math.sqrt(MAX_PIXELS / (width * height))
    size = (int(width * scale) // 2 * 2, int(height * scale) // 2 * 2)
    pixels = np.clip(255.0 * batch[0].numpy(), 0, 255).astype(np.uint8)
    resized = np.array(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
    return torch.from_numpy(resized.astype(np.float32) / 255.0)[None]


def _png(picture: Tensor) -> bytes:
    out = io.BytesIO()
    Image.fromarray((picture.numpy() * 255).astype(np.uint8)).save(out, format="PNG")
    return out.getvalue()
