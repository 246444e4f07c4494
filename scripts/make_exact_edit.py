"""Makes the pictures that show an exact edit: the photograph, its edit as models return it, and what is made of that.

No model made the edit: see example_workflows/input/SOURCES.md. The third picture is what the node makes of the two.
Another one shows a region of a large picture, edited by the sandbox as it answers when it is told to reframe.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pack
import standins
from PIL import Image, ImageDraw

drawing = pack.part("sandbox.rendering.primitives")
BEFORE, EDIT = "oin-example-coffee.jpg", "oin-example-coffee-edited.jpg"
TARGETS = {
    pack.ROOT / "docs" / "screenshots" / "exact_edit.jpg": ("before", "what comes back", "ours"),
    pack.ROOT / "web" / "docs" / "OIN_FitEdit" / "fit.jpg": ("original", "edited", "image"),
}
LARGE = "oin-example-earth-masked.webp"
REGION = pack.ROOT / "web" / "docs" / "OIN_GPTImage" / "region.jpg"
AROUND = (3450, 1265, 4450, 2015)  # of the large picture
WIDTH, HEIGHT, GAP, BAR = 400, 267, 8, 30
PAPER, INK = "#14161d", "#f4f5f8"


def main() -> None:
    """Write both pictures."""
    load = standins.LoadImage(pack.PHOTOS)
    before, edit = (load.load_image(name)[0] for name in (BEFORE, EDIT))
    fitted: Any = asyncio.run(pack.load().NODE_CLASS_MAPPINGS["OIN_FitEdit"]().fit_edit(before, edit))
    pictures = [_picture(tensor) for tensor in (before, edit, fitted[0])]
    for path, captions in TARGETS.items():
        _save(path, pictures, captions)
    _save_region(load)


def _save_region(load: standins.LoadImage) -> None:
    """Write the whole picture, and beside it the part around its mask before and after."""
    image, mask = load.load_image(LARGE)
    asked = {"prompt": "A large green island, seen from space", "mask_mode": "region", "connection": "sandbox"}
    with tempfile.TemporaryDirectory() as home:
        os.environ["OPENAI_IMAGE_NODES_HOME"] = home
        os.environ["OPENAI_IMAGE_NODES_SANDBOX_EDITS"] = "reframed"
        node = pack.load().NODE_CLASS_MAPPINGS["OIN_GPTImage"]()
        answer: Any = asyncio.run(node.api_call(image=image, mask=mask, **asked))
    after = _picture(answer[0])
    left, top, right, bottom = (round(value * 600 / after.width) for value in AROUND)
    whole = after.resize((600, 300), Image.Resampling.LANCZOS)
    ImageDraw.Draw(whole).rectangle((left, top, right, bottom), outline=INK)
    sheet = Image.new("RGB", (600 + GAP + 400, 300), PAPER)
    sheet.paste(whole, (0, 0))
    sheet.paste(after.crop(AROUND).resize((400, 300), Image.Resampling.LANCZOS), (600 + GAP, 0))
    sheet.save(REGION, quality=86, optimize=True)
    print(f"{REGION.name}: {REGION.stat().st_size / 1e3:.0f} kB")


def _picture(tensor: Any) -> Image.Image:
    return Image.fromarray(np.rint(tensor[0].numpy() * 255).astype(np.uint8))


def _save(path: Path, pictures: list[Image.Image], captions: tuple[str, ...]) -> None:
    """Write the pictures side by side, with lines that show how far the edit is from its place."""
    sheet = Image.new("RGB", (3 * WIDTH + 2 * GAP, HEIGHT + BAR), PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left = column * (WIDTH + GAP)
        sheet.paste(picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS), (left, BAR))
        draw.text((left + WIDTH // 2, BAR // 2), caption, font=drawing.font_of(17), fill=INK, anchor="mm")
        edge = left + round(0.795 * WIDTH)  # the saucer's edge in the photograph
        draw.line((edge, BAR, edge, BAR + HEIGHT), fill=INK)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=86, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
