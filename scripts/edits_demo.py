"""One edit of each kind that models return: the answer, today's paste by the mask, and what fits it to the picture."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pack
from PIL import Image, ImageDraw
from sheets import CARD, EDGE, GAP, INK, PAPER, QUIET, drawing

PHOTO = pack.PHOTOS / "oin-example-coffee-masked.png"
PROMPT = "a latte with a leaf of foam"
WIDGETS = {"prompt": PROMPT, "model": "gpt-image-2", "size": "1536x1024", "quality": "low"}
HEADINGS = ("your picture", "the answer", "pasted by the mask", "fitted", "pasted, 200 %", "fitted, 200 %")
TILE, ZOOM, HEAD, TEXT = (300, 200), 2, 96, 58


@dataclass(frozen=True)
class Edit:
    """An edit of a kind: picture, answer, paste and fit [H,W,3] as images, the place of the seam, and what was said."""

    kind: str
    pictures: tuple[Image.Image, ...]
    seam: tuple[int, int]
    said: str


def run_edits() -> Iterator[Edit]:
    """Ask a sandbox of each kind for the same edit, over a connection of its own, and yield what becomes of it."""
    sandbox, keys = pack.part("sandbox"), pack.part("api.connections.keys")
    original, mask = _photo()
    for kind in sandbox.KINDS:
        with sandbox.Sandbox(render=sandbox.drifting(kind)) as served:
            keys.store(kind, "sk-not-needed", f"{served.base_url}/v1")
            answer, pasted = (_asked(kind, original, mask, mode) for mode in ("guide", "lock"))
        fitted = pack.part("utils.edits.fit").fit(original[0], answer, mask[0])
        pictures = tuple(_image(pixels) for pixels in (original[0], answer, pasted, fitted.image))
        yield Edit(kind, pictures, _seam(*(np.asarray(picture) for picture in pictures[2:])), fitted.summary)


def edits_sheet(heading: str, edits: Sequence[Edit]) -> Image.Image:
    """Return a row for each edit: its pictures, and the seam of paste and fit at 200 %."""
    height = TILE[1] + TEXT
    size = (2 * EDGE + len(HEADINGS) * (TILE[0] + GAP) - GAP, HEAD + 30 + len(edits) * (height + GAP) + EDGE - GAP)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((EDGE, 32), heading, font=drawing.font_of(34), fill=INK)
    lefts = [EDGE + column * (TILE[0] + GAP) for column in range(len(HEADINGS))]
    for left, words in zip(lefts, HEADINGS, strict=True):
        draw.text((left, HEAD), words, font=drawing.font_of(17), fill=QUIET)
    for number, edit in enumerate(edits):
        top = HEAD + 30 + number * (height + GAP)
        draw.rectangle((EDGE - 8, top - 8, size[0] - EDGE + 8, top + height), fill=CARD)
        shown = [picture.resize(TILE, Image.Resampling.LANCZOS) for picture in edit.pictures]
        shown += [_zoomed(picture, edit.seam) for picture in edit.pictures[2:]]
        for left, tile in zip(lefts, shown, strict=True):
            sheet.paste(tile, (left, top))
        draw.text((EDGE, top + TILE[1] + 10), edit.kind, font=drawing.font_of(22), fill=INK)
        draw.text((lefts[1], top + TILE[1] + 13), edit.said, font=drawing.font_of(18), fill=QUIET)
    return sheet


def _photo() -> tuple[Any, Any]:
    """Return the photograph [1,H,W,3] and its mask [1,H,W], as Load Image gives them."""
    import torch

    with Image.open(PHOTO) as image:
        pixels = torch.from_numpy(np.array(image.convert("RGBA"))).float() / 255
    return pixels[None, ..., :3].contiguous(), 1 - pixels[None, ..., 3]


def _asked(connection: str, original: Any, mask: Any, mode: str) -> Any:
    """Return what the node gives [h,w,3]; a second mode of the same edit is made of the answer that is there."""
    node = pack.load().NODE_CLASS_MAPPINGS["OIN_GPTImage"]()
    outputs = asyncio.run(node.api_call(connection=connection, image=original, mask=mask, mask_mode=mode, **WIDGETS))
    return outputs[0][0]


def _image(pixels: Any) -> Image.Image:
    return Image.fromarray(pixels.mul(255).round().byte().numpy())


def _seam(pasted: np.ndarray[Any, Any], fitted: np.ndarray[Any, Any]) -> tuple[int, int]:
    """Return the left top corner of the part of a tile's size where paste and fit differ most."""
    width, height = TILE[0] // ZOOM, TILE[1] // ZOOM
    differences = np.abs(pasted.astype(np.float32) - fitted).sum(axis=2)
    total = np.pad(differences.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(left), int(top)


def _zoomed(picture: Image.Image, corner: tuple[int, int]) -> Image.Image:
    left, top = corner
    box = (left, top, left + TILE[0] // ZOOM, top + TILE[1] // ZOOM)
    return picture.crop(box).resize(TILE, Image.Resampling.BICUBIC)
