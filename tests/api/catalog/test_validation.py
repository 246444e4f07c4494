"""The rules by themselves: what the main node never sends, other nodes and callers may."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from openai_image_nodes.api.catalog import catalog
from openai_image_nodes.api.catalog import validation as rules
from openai_image_nodes.api.errors import RefusedError
from openai_image_nodes.api.transport.bodies import FilePart

MODEL = "gpt-image-2.6-sunburst"
DAY = date(2026, 11, 23)
GIF = {"output_format": "gif"}
SVG = {"output_format": "svg"}
REFUSED: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "frames without gif": ({"frame_count": 4}, "frame_count", ["output_format gif"]),
    "duration without gif": ({"frame_duration_ms": 100}, "frame_duration_ms", ["output_format gif"]),
    "too few frames": ({**GIF, "frame_count": 1}, "frame_count", ["frame_count is 1", "from 2 to 16"]),
    "too many frames": ({**GIF, "frame_count": 17}, "frame_count", ["frame_count is 17", "from 2 to 16"]),
    "frames too short": ({**GIF, "frame_duration_ms": 9}, "frame_duration_ms", ["9", "from 10 to 655350"]),
    "frames too long": ({**GIF, "frame_duration_ms": 655_351}, "frame_duration_ms", ["655351", "from 10 to 655350"]),
    "gif as a stream": ({**GIF, "stream": True}, "stream", ["gif", "stream"]),
    "gif with previews": ({**GIF, "partial_images": 1}, "partial_images", ["gif", "partial_images"]),
    "gif with compression": ({**GIF, "output_compression": 100}, "output_compression", ["gif"]),
    "gif with a mask": ({**GIF, "image_count": 1, "mask": True}, "mask", ["gif", "mask"]),
    "gif of another model": ({**GIF, "model": "gpt-image-1.5"}, "output_format", ["gif", "png, webp, jpeg"]),
    "svg of another model": ({**SVG, "model": "gpt-image-1-mini"}, "output_format", ["svg", "png, webp, jpeg"]),
    "several svg": ({**SVG, "n": 2}, "n", ["one picture", "n is 2", "Set n to 1"]),
    "svg as a stream": ({**SVG, "stream": True}, "stream", ["svg", "stream"]),
    "svg with previews": ({**SVG, "partial_images": 2}, "partial_images", ["svg"]),
    "svg with compression": ({**SVG, "output_compression": 100}, "output_compression", ["svg"]),
    "author without svg": ({"svg": {"model": "gpt-5.6"}}, "svg", ["output_format svg"]),
    "too many previews": ({"partial_images": 4}, "partial_images", ["partial_images is 4", "from 0 to 3"]),
    "fewer than no previews": ({"partial_images": -1}, "partial_images", ["partial_images is -1", "from 0 to 3"]),
    "17 images": ({"image_count": 17}, "image", ["17 images", "16"]),
    "mask without image": ({"image_count": 0, "mask": True}, "mask", ["no image"]),
    "markup without image": ({"image_count": 0, "markup": True}, "markup", ["no image"]),
    "markup and mask": ({"image_count": 1, "markup": True, "mask": True}, "markup", ["markup and mask"]),
    "no size": ({"size": "1024"}, "size", ["1024", "auto nor WIDTHxHEIGHT"]),
    "size with blanks": ({"size": "1024 x 1024"}, "size", ["1024 x 1024"]),
    "size with zeros": ({"size": "01024x1024"}, "size", ["01024x1024"]),
    "ending model on its last day": ({"model": "gpt-image-1.5"}, "model", ["2026-12-01", "Choose"]),
    "retired model": ({"model": "dall-e-3"}, "model", ["dall-e-3", "2026-05-12", "gpt-image-2.6-flare"]),
}


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "utc_today", lambda: DAY)


def check(operation: str = "edits", **fields: Any) -> None:
    rules.check({"model": MODEL, "prompt": "a red fox", **fields}, operation=operation)


@pytest.mark.parametrize(("fields", "param", "told"), REFUSED.values(), ids=REFUSED)
def test_what_a_model_does_not_take_is_refused(
    fields: dict[str, Any], param: str, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal names the field, as the service does, and both values."""
    if "2026-12-01" in told:
        monkeypatch.setattr(catalog, "utc_today", lambda: date(2026, 12, 1))
    with pytest.raises(RefusedError) as caught:
        check(**fields)
    assert caught.value.param == param
    assert [piece for piece in told if piece not in str(caught.value)] == []


ALLOWED: dict[str, dict[str, Any]] = {
    "nothing but the prompt": {},
    "shortest gif": {**GIF, "frame_count": 2, "frame_duration_ms": 10},
    "longest gif": {**GIF, "frame_count": 16, "frame_duration_ms": 655_350},
    "small gif": {**GIF, "size": "384x384"},
    "svg": {**SVG, "n": 1, "svg": {"model": "gpt-5.6"}},
    "previews": {"stream": True, "partial_images": 3},
    "sixteen images and a mask": {"image_count": 16, "mask": True},
    "markup": {"image_count": 1, "markup": True},
    "ending model": {"model": "gpt-image-1.5", "size": "1536x1024"},
    "full compression of png": {"output_compression": 100},
}


@pytest.mark.parametrize("fields", ALLOWED.values(), ids=ALLOWED)
def test_what_a_model_takes_passes(fields: dict[str, Any]) -> None:
    """The limits themselves are allowed."""
    check(**fields)


def test_fidelity_belongs_to_edits() -> None:
    """Without a picture there is nothing to be true to; with one it passes."""
    check(input_fidelity="high")
    with pytest.raises(RefusedError, match="input_fidelity"):
        check(operation="generations", input_fidelity="high")


@pytest.mark.parametrize(("name", "limit"), [("image", 50_000_000), ("image[]", 50_000_000), ("mask", 4_000_000)])
def test_files_may_be_as_large_as_the_service_takes_them(name: str, limit: int) -> None:
    """At the limit a file passes, one byte more is refused with both sizes."""
    rules.check_files(MODEL, [FilePart(name, "x.png", bytes(limit), "")])
    with pytest.raises(RefusedError) as caught:
        rules.check_files(MODEL, [FilePart(name, "x.png", bytes(limit + 1), "")])
    assert f"{limit + 1:,}" in str(caught.value)
    assert f"{limit:,}" in str(caught.value)
    assert caught.value.param == name.removesuffix("[]")
