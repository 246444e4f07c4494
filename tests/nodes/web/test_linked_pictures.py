"""The price of what follows a picture: its size and its painted mask are looked up before anything runs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from openai_image_nodes.utils.image_files import read_image
from PIL import Image, ImageDraw
from support.drifting import DriftingService
from support.node_calls import node as call_node
from support.route_client import ask

KEY = "sk-planted-0123456789"
MODEL = "gpt-image-2"
SET = {"model": MODEL, "quality": "low", "size": "auto", "n": 1, "connection": "openai"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ComfyUI's input folder."""
    inputs = tmp_path / "input"
    (inputs / "clipspace").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "folder_paths", SimpleNamespace(get_input_directory=lambda: str(inputs)))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return inputs


def paint(path: Path, size: tuple[int, int], *hole: int) -> None:
    """Write a picture with an ellipse of it transparent, or all of it opaque."""
    alpha = Image.new("L", size, 255)
    if hole:
        ImageDraw.Draw(alpha).ellipse(hole, fill=0)
    picture = Image.new("RGB", size, (90, 120, 60))
    picture.putalpha(alpha)
    picture.save(path)


def priced(name: str | None, mask_mode: str, *, mask: str | None = None, **values: Any) -> dict[str, Any]:
    """Return the price of an edit of a file with its own mask, as the badge asks for it."""
    files = {} if name is None else {"image": name, "mask": mask or name}
    body = {"node": "OIN_GPTImage", "connected": ["image", "mask"], "image_count": 1, "files": files}
    return dict(ask("POST", "estimate", **body, values={**SET, "mask_mode": mask_mode, **values}).body)


@pytest.mark.slow
def test_price_is_that_of_what_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the region and of the whole picture: the run asks for the very size that was priced."""
    paint(folder / "large.png", (1800, 1200), 240, 240, 540, 480)
    image, alpha = read_image(folder / "large.png")
    with DriftingService() as service:
        service.point(monkeypatch)
        for mode in ("region", "blend"):
            told = priced("large.png [input]", mode)
            call_node(image=image, mask=alpha, mask_mode=mode, model=MODEL)
            width, height = service.asked[-1].size
            same = priced(None, "guide", size="custom", custom_width=width, custom_height=height)
            assert told == same
        assert service.asked[0].size != service.asked[1].size


@pytest.mark.slow
def test_price_follows_a_mask_that_is_painted_again(folder: Path) -> None:
    """The mask editor writes the file again, or another one."""
    paint(folder / "clipspace" / "painted.png", (2400, 1800), 100, 100, 300, 300)
    small = priced("clipspace/painted.png [input]", "region")
    paint(folder / "clipspace" / "painted.png", (2400, 1800), 100, 100, 1100, 1000)
    assert priced("clipspace/painted.png [input]", "region")["high_usd"] > small["high_usd"]


@pytest.mark.parametrize(
    ("hole", "words"),
    [((20, 20, 1180, 780), "% of the picture: all of it is sent"), ((-900, -900, 2100, 1700), "covers the whole")],
)
def test_what_is_done_instead_is_told(folder: Path, hole: tuple[int, ...], words: str) -> None:
    """Before anything is paid, beside the price."""
    paint(folder / "photo.png", (1200, 800), *hole)
    told = priced("photo.png", "region")
    assert told["state"] == "known"
    assert words in told["words"]
    assert "words" not in priced("photo.png", "blend")


def test_missing_mask_is_told_as_it_would_be_refused(folder: Path) -> None:
    """Somebody forgot to paint: nothing of that is paid for."""
    paint(folder / "photo.png", (1200, 800))
    Image.new("RGB", (1200, 800)).save(folder / "photo.jpg")
    for name in ("photo.png", "photo.jpg"):
        for mode in ("blend", "region"):
            told = priced(name, mode)
            assert told["state"] == "impossible"
            assert told["reason"].startswith("The mask is empty, so nothing would change.")
        assert priced(name, "guide")["state"] == "known"


@pytest.mark.parametrize("mode", ["lock", "blend", "region"])
def test_mode_without_a_mask_or_a_picture_is_told(folder: Path, mode: str) -> None:
    """The run goes on as with guide; somebody may have forgotten a link."""
    for what, connected in {"mask": ["image"], "picture": []}.items():
        body = {"node": "OIN_GPTImage", "connected": connected, "image_count": len(connected)}
        told = ask("POST", "estimate", **body, values={**SET, "mask_mode": mode}).body
        assert told["words"].startswith(f"There is no {what} for mask_mode {mode}:")
        assert "words" not in ask("POST", "estimate", **body, values={**SET, "mask_mode": "guide"}).body


def test_unknown_picture_has_a_range(folder: Path) -> None:
    """What comes from other nodes, is not there, or lies elsewhere: from the smallest to the largest region."""
    (folder.parent / "secret.png").write_bytes(b"no picture")
    (folder / "broken.png").write_bytes(b"no picture")
    names = (None, "gone.png", "broken.png", "../secret.png", "/etc/passwd", "x [output]", "\0")
    for told in [priced(name, "region") for name in names]:
        assert told["state"] == "known"
        assert told["low_usd"] < told["high_usd"]


def test_match_image_has_the_price_of_its_size(folder: Path) -> None:
    """It was a range as long as nobody looked at the picture."""
    paint(folder / "photo.png", (2048, 1152))
    files = {"image": "photo.png"}
    body = {"node": "OIN_GPTImage", "connected": ["image"], "image_count": 1}
    values = {**SET, "size": "match image"}
    known = ask("POST", "estimate", **body, values=values, files=files).body
    fixed = ask("POST", "estimate", **body, values={**SET, "size": "2048x1152"}).body
    assert known == fixed
