"""Strokes in ComfyUI's own mask editor, by the mouse, on a picture of 24 megapixels: what they miss stays as it is."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests
import torch
from PIL import Image
from support.comfyui import ROOT, ComfyUI, named_with_frontend

try:
    from playwright.sync_api import Locator, expect
    from support.browser import SCREENSHOTS, Canvas, Opened, chromium, opened
except ModuleNotFoundError as exc:
    pytest.exit(f"The browser tests need Playwright for Python: pip install playwright ({exc})", returncode=2)

__all__ = ["chromium", "opened"]  # pytest finds them here

MODES = ("classic", "vue")
WIDTH, HEIGHT = 6000, 4000
LOADING_MS = 240_000  # four canvases of 24 megapixels, drawn without a graphics card
BAND_PER_1024 = 20  # pixels of the border's band for each 1024 of the region's longer side
BRUSH = 60  # as its thickness is shown
STROKES = [  # from and to, in shares of the picture as it is shown
    [(0.44, 0.40), (0.50, 0.36), (0.56, 0.41), (0.52, 0.47), (0.46, 0.45)],
    [(0.47, 0.52), (0.54, 0.53)],
]


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """A photograph of that many pixels, [H,W,3]."""
    with Image.open(ROOT / "example_workflows" / "input" / "oin-example-earth-masked.webp") as photo:
        return np.asarray(photo.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray) -> Iterator[ComfyUI]:
    """ComfyUI with the picture among its inputs, whose sandbox returns edits 3 to 9 % smaller, as gpt-image-2 does."""
    told = {"OPENAI_IMAGE_NODES_SANDBOX_EDITS": "reframed", "OPENAI_IMAGE_NODES_ASK_ABOVE_USD": "inf"}
    with named_with_frontend(tmp_path_factory.mktemp("strokes"), **told) as running:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG", compress_level=1)
        file = {"image": ("large.png", out.getvalue(), "image/png")}
        requests.post(f"{running.address}/upload/image", files=file, timeout=120).raise_for_status()
        yield running


def painted(canvas: Canvas) -> str:
    """Open the mask editor at Load Image, paint the strokes and save; return the name of the file that it loads now."""
    before = canvas.widget("image", "LoadImage")
    canvas.select("LoadImage")
    canvas.command("Comfy.MaskEditor.OpenMaskEditor")
    picture = canvas.page.locator("#maskEditorCanvasContainer canvas").first
    panel = canvas.page.locator(".maskEditor_sidePanel, #maskEditor_sidePanel").first
    expect(panel).to_be_visible(timeout=LOADING_MS)
    expect(canvas.page.get_by_text(f"{WIDTH}x{HEIGHT}").first).to_be_visible(timeout=LOADING_MS)  # when it is drawn
    canvas.settle(3000)
    canvas.shot("editor")
    thickness = panel.locator("input[type=number]")
    (thickness if thickness.count() else panel.locator("input[type=range]")).first.fill(
        str(BRUSH)
    )  # as frontends have it
    canvas.page.keyboard.press("Tab")
    for stroke in STROKES:
        draw(canvas, picture, stroke)
    canvas.settle(1500)
    canvas.shot("painted")
    canvas.page.locator("button:visible", has_text=re.compile(r"^\s*Save\s*$")).first.click()
    canvas.until(lambda: canvas.widget("image", "LoadImage") != before, within_s=LOADING_MS / 1000)
    expect(picture).to_be_hidden()
    canvas.settle(1500)
    return str(canvas.widget("image", "LoadImage"))


def draw(canvas: Canvas, picture: Locator, stroke: list[tuple[float, float]]) -> None:
    """Draw one line with the mouse, its button held."""
    box = picture.bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
    canvas.page.mouse.move(*places[0])
    canvas.page.mouse.down()
    for place in places[1:]:
        canvas.page.mouse.move(*place, steps=12)
    canvas.page.mouse.up()


def opened_by(studio: ComfyUI, name: str) -> np.ndarray:
    """Return what the strokes opened, [H,W], of the file that the mask editor saved."""
    with Image.open(studio.base / "input" / name.removesuffix(" [input]")) as picture:
        assert picture.size == (WIDTH, HEIGHT)
        return np.asarray(picture.convert("RGBA"))[..., 3] < 255


def widened(mask: np.ndarray, by: int) -> np.ndarray:
    """Return a mask [H,W] with all that is at most so many pixels beside it, across and down."""
    grown = torch.from_numpy(mask)[None, None].to(torch.uint8).float()
    for kernel in ((2 * by + 1, 1), (1, 2 * by + 1)):
        grown = torch.nn.functional.max_pool2d(grown, kernel, stride=1, padding=(kernel[0] // 2, kernel[1] // 2))
    return grown[0, 0].bool().numpy()


@pytest.mark.parametrize("mode", MODES)
def test_picture_stays_bit_for_bit_beside_painted_strokes(
    opened: Opened, studio: ComfyUI, pixels: np.ndarray, mode: str
) -> None:
    """Painted, run and saved by a person's own ways; only the strokes and the border's band are another picture."""
    canvas = opened(mode)
    canvas.drop(ROOT / "example_workflows" / "Region edit.png")
    canvas.set("image", "large.png", "LoadImage")
    canvas.settle(3000)
    mask = opened_by(studio, painted(canvas))
    assert 0.001 < mask.mean() < 0.2
    canvas.shot("loaded")
    canvas.run_button().click()
    ran = len(studio.json("/history"))
    canvas.until(lambda: len(studio.json("/history")) > ran, within_s=400)
    run = studio.newest_run()
    assert run.end == "execution_success", run.failure
    canvas.shows_picture()
    canvas.shot("ran")
    edit = json.loads(next(told["text"][0] for told in run.outputs.values() if "text" in told))["edit"]
    with Image.open(studio.saved(run.images[0])) as saved:
        result = np.asarray(saved.convert("RGB"))
        show(saved, mask, mode)
    assert result.shape == pixels.shape
    left, top, right, bottom = box_of(edit)
    band = round(BAND_PER_1024 * max(right - left, bottom - top) / 1024) + 1
    beside = ~widened(mask, band)
    assert np.array_equal(result[beside], pixels[beside])
    inside = np.abs(result[mask].astype(int) - pixels[mask]).mean()
    assert inside > 10


def box_of(edit: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what was sent."""
    left, top, width, height = (edit["box"][name] for name in ("left", "top", "width", "height"))
    return left, top, left + width, top + height


def show(saved: Image.Image, mask: np.ndarray, mode: str) -> None:
    """Keep what is around the strokes, to be looked at."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    around = saved.crop((columns[0] - 400, rows[0] - 300, columns[-1] + 400, rows[-1] + 300))
    around.thumbnail((1400, 1000))
    around.save(SCREENSHOTS / f"mask_editor {mode} region.png")
