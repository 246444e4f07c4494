"""mask_mode region and Fit Edit in a real ComfyUI: a large picture, a painted mask, and a service that reframes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image, ImageDraw
from support.comfyui import ComfyUI, named
from support.drifting import scene

WIDTH, HEIGHT = 6000, 4000
HOLE = (2600, 1500, 3400, 2100)  # left, top, right, bottom of the painted ellipse
BAND = 60  # pixels: 20 for each 1024 of the region's longer side, and some


@pytest.fixture(scope="module")
def reframing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    """ComfyUI with the pack, whose sandbox returns edits 3 to 9 % smaller, as gpt-image-2 does."""
    folder = tmp_path_factory.mktemp("reframing")
    with named(folder, OPENAI_IMAGE_NODES_SANDBOX_EDITS="reframed", OPENAI_IMAGE_NODES_ASK_ABOVE_USD="inf") as running:
        yield running


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    small = Image.fromarray((scene(WIDTH // 4, HEIGHT // 4).numpy() * 255).round().astype(np.uint8))
    return np.asarray(small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def painted(reframing: ComfyUI, pixels: np.ndarray) -> str:
    """The name of the picture with a painted mask, put together by ComfyUI as its mask editor has it do that."""
    alpha = Image.new("L", (WIDTH, HEIGHT), 255)
    ImageDraw.Draw(alpha).ellipse(HOLE, fill=0)
    strokes = Image.new("RGBA", alpha.size)
    strokes.putalpha(alpha)
    upload(reframing, "image", "large.png", Image.fromarray(pixels), type="input")
    reference = json.dumps({"filename": "large.png", "subfolder": "", "type": "input"})
    told = upload(reframing, "mask", "painted.png", strokes, type="input", original_ref=reference)
    return f"{told['name']} [input]"


def upload(comfyui: ComfyUI, kind: str, name: str, picture: Image.Image, **fields: str) -> dict[str, Any]:
    """Upload a picture, or the strokes of the mask editor, as the page does; return where ComfyUI put it."""
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    answer = requests.post(
        f"{comfyui.address}/upload/{kind}",
        files={"image": (name, out.getvalue(), "image/png")},
        data=fields,
        timeout=120,
    )
    answer.raise_for_status()
    return dict(answer.json())


def prompt(painted: str, **widgets: Any) -> dict[str, Any]:
    """Return the workflow: Load Image, our node, Save Image."""
    asked = {"prompt": "a red boat", "connection": "sandbox", "image": ["1", 0], "mask": ["1", 1], **widgets}
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": painted}},
        "2": {"class_type": "OIN_GPTImage", "inputs": asked},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "exact"}},
        "4": {"class_type": "PreviewAny", "inputs": {"source": ["2", 2]}},
    }


def saved(comfyui: ComfyUI, asked: dict[str, Any]) -> tuple[np.ndarray, Path]:
    """Run a workflow and return the pixels of the file that Save Image wrote."""
    run = comfyui.ended(comfyui.queue(asked), within_s=400)
    assert run.end == "execution_success", run.failure
    path = comfyui.saved(run.images[0])
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")), path


def outside() -> np.ndarray:
    """Return [H,W], true where the mask and its border are not."""
    left, top, right, bottom = HOLE
    far = np.ones((HEIGHT, WIDTH), bool)
    far[top - BAND : bottom + BAND, left - BAND : right + BAND] = False
    return far


def test_large_picture_keeps_every_pixel_outside_the_mask(reframing: ComfyUI, painted: str, pixels: np.ndarray) -> None:
    """The saved PNG is the input, but for the mask and its border; there the answer is in place."""
    result, path = saved(reframing, prompt(painted, mask_mode="region"))
    assert result.shape == (HEIGHT, WIDTH, 3)
    far = outside()
    assert np.array_equal(result[far], pixels[far])
    left, top, right, bottom = HOLE
    middle = slice(top + 100, bottom - 100), slice(left + 100, right - 100)
    assert np.abs(result[middle].astype(int) - pixels[middle]).mean() > 10
    output = Path(__file__).resolve().parents[2] / "e2e_output"
    output.mkdir(exist_ok=True)
    shown = Image.open(path).crop((left - 500, top - 400, right + 500, bottom + 400))
    shown.resize((900, 700)).save(output / "exact_edit_region.png")


def test_blend_of_the_same_picture_keeps_its_size(reframing: ComfyUI, painted: str, pixels: np.ndarray) -> None:
    """The whole picture went out smaller, and comes back at its own size."""
    result, _ = saved(reframing, prompt(painted, mask_mode="blend"))
    band = round(21 * WIDTH / 1024)
    left, top, right, bottom = HOLE
    far = np.ones((HEIGHT, WIDTH), bool)
    far[top - band : bottom + band, left - band : right + band] = False
    assert result.shape == (HEIGHT, WIDTH, 3)
    assert np.array_equal(result[far], pixels[far])


@pytest.mark.short
def test_edit_is_fitted_without_a_connection(reframing: ComfyUI) -> None:
    """The example runs as it is; what the edit did not change is the photograph's."""
    asked = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "oin-example-coffee.jpg"}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "oin-example-coffee-edited.jpg"}},
        "3": {"class_type": "OIN_FitEdit", "inputs": {"original": ["1", 0], "edited": ["2", 0], "mode": "blend"}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "fitted"}},
    }
    result, _ = saved(reframing, asked)
    inputs = Path(__file__).resolve().parents[2] / "example_workflows" / "input"
    with Image.open(inputs / "oin-example-coffee.jpg") as photo:
        same = (result == np.asarray(photo.convert("RGB"))).all(axis=2)
    assert same.mean() > 0.7
    assert not same.all()


@pytest.mark.short
@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_region_of_a_painted_picture_is_the_paints(reframing: ComfyUI, kind: str) -> None:
    """Whatever ComfyUI makes of a file's alpha: 0.33 reads what is opaque in a WebP as 255/256."""
    small = Image.fromarray((scene(960, 640).numpy() * 255).round().astype(np.uint8))
    alpha = Image.new("L", small.size, 255)
    ImageDraw.Draw(alpha).ellipse((500, 300, 580, 360), fill=0)
    small.putalpha(alpha)
    name = f"brushed.{kind.lower()}"
    small.save(reframing.base / "input" / name, kind)
    run = reframing.ended(reframing.queue(prompt(name, mask_mode="region")), within_s=400)
    assert run.end == "execution_success", run.failure
    (text,) = run.outputs["4"]["text"]
    box = json.loads(text)["edit"]["box"]
    assert box["width"] < 700
    assert box["left"] <= 500 - 20
    assert box["left"] + box["width"] >= 580 + 20
    files = reframing.saved(run.images[0]), reframing.base / "input" / name
    written, read = (np.asarray(Image.open(file).convert("RGB")).astype(int) for file in files)
    assert np.abs(written - read)[:200].max() <= 3  # ComfyUI reads a WebP's colours a little otherwise than Pillow


def test_what_is_done_instead_is_told_before_it_is_paid(reframing: ComfyUI, painted: str) -> None:
    """The badge's route knows the picture that Load Image shows: its region, and that a mask is missing."""
    values = {"model": "gpt-image-2", "quality": "low", "size": "auto", "n": 1, "connection": "comfy.org"}
    state = {"node": "OIN_GPTImage", "connected": ["image", "mask"], "image_count": 1}

    def told(mode: str, file: str) -> dict[str, Any]:
        files = {"image": file, "mask": file}
        asked = {**state, "values": {**values, "mask_mode": mode}, "files": files}
        return dict(reframing.post("/openai_image_nodes/estimate", asked).json())

    region, blend = told("region", painted), told("blend", painted)
    assert region["state"] == blend["state"] == "known"
    assert region["high_usd"] < blend["high_usd"]
    empty = told("region", "large.png")
    assert empty["state"] == "impossible"
    assert empty["reason"].startswith("The mask is empty")
