"""The nodes for animations and vector drawings, on the sandbox."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from openai_image_nodes import NODE_CLASS_MAPPINGS
from openai_image_nodes.api.errors import BadAnswerError, RefusedError
from PIL import Image
from support.capture import Capture, picture, success
from support.node_calls import awaited, photo, use_openai

GIF = NODE_CLASS_MAPPINGS["OIN_GPTImageGIF"]
SVG = NODE_CLASS_MAPPINGS["OIN_GPTImageSVG"]


@pytest.fixture
def server() -> Iterator[Capture]:
    with Capture() as capture:
        yield capture


def run(node: Any, **inputs: Any) -> Any:
    """Run a node on the sandbox, unless told otherwise."""
    return awaited(node().api_call(**{"prompt": "a red fox", "connection": "sandbox", **inputs}))


def test_gif_gives_its_frames_and_their_rate() -> None:
    """Frames come as a batch, five a second by default."""
    frames, alpha, fps, _, _ = run(GIF, frame_count=4, size="384x384")
    assert frames.shape == (4, 384, 384, 3)
    assert (alpha.shape, fps) == ((4, 384, 384), 5.0)
    assert len({frame.numpy().tobytes() for frame in frames}) == 4


def test_gif_with_transparent_ground_has_four_channels() -> None:
    """What is see-through is in the frames and in alpha."""
    frames, alpha, *_ = run(GIF, frame_count=2, background="transparent", size="384x384")
    assert frames.shape[-1] == 4
    assert torch.equal(alpha, 1 - frames[..., 3])


def test_gif_is_made_from_pictures_too() -> None:
    """With a picture it is an edit."""
    report = json.loads(run(GIF, frame_count=2, image=photo(), size="384x384")[3])
    assert report["operation"] == "edits"


def test_gif_duration_becomes_the_rate() -> None:
    """100 ms a frame are ten frames a second."""
    assert run(GIF, frame_count=2, frame_duration_ms=100, size="384x384")[2] == 10.0


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"frame_count": 17}, "frame_count is 17, but must be from 2 to 16"),
        ({"frame_count": 1}, "frame_count is 1, but must be from 2 to 16"),
        ({"frame_duration_ms": 700_000}, "frame_duration_ms is 700000, but must be from 10 to 655350"),
        ({"prompt": " "}, "prompt is empty"),
        ({"model": "gpt-image-1.5"}, "output_format gif is not available for gpt-image-1.5"),
    ],
)
def test_gif_refuses_before_the_run(values: dict[str, Any], told: str) -> None:
    """With the value and what is allowed."""
    asked = {"prompt": "a fox", "model": "gpt-image-2.6-flare", "frame_count": 9, "frame_duration_ms": 200, **values}
    assert told in str(GIF.VALIDATE_INPUTS(**asked))


def test_gif_fields_go_out_and_no_compression(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service refuses GIFs with output_compression, so it is never among the fields."""
    use_openai(monkeypatch, server)
    run(GIF, connection="openai", frame_count=3, frame_duration_ms=120)
    sent = server.requests[0].fields()
    assert {name: sent[name] for name in ("output_format", "frame_count", "frame_duration_ms")} == {
        "output_format": "gif",
        "frame_count": 3,
        "frame_duration_ms": 120,
    }
    assert "output_compression" not in sent


def test_svg_gives_a_drawing_and_its_text() -> None:
    """The drawing has the `data` that ComfyUI's Save SVG reads."""
    drawing, text, report, _ = run(SVG, size="1024x1024")
    assert drawing.data[0].read().decode() == text
    assert text.startswith("<svg")
    assert json.loads(report)["model"] == "gpt-image-2.6-flare"


def test_svg_author_goes_out_only_when_named(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The object `svg` is omitted where the project may not choose the author."""
    use_openai(monkeypatch, server)
    for author in ({}, {"svg_model": "gpt-5.5", "svg_effort": "low"}):
        with pytest.raises(BadAnswerError):
            run(SVG, connection="openai", **author)
    plain, authored = (request.fields() for request in server.requests)
    assert "svg" not in plain
    assert authored["svg"] == {"model": "gpt-5.5", "reasoning": {"effort": "low"}}


@pytest.mark.parametrize(
    ("node", "inputs"),
    [
        (GIF, {"frame_count": None}),
        (GIF, {"frame_duration_ms": None}),
        (GIF, {"seed": None}),
        (SVG, {"svg_model": 5}),
        (SVG, {"svg_model": torch.zeros(3)}),
        (SVG, {"svg_model": "gpt-5.5", "svg_effort": ["low"]}),
        (SVG, {"svg_model": "", "svg_effort": "high"}),
    ],
)
def test_what_a_link_gives_is_refused_before_anything_is_paid(
    server: Capture, monkeypatch: pytest.MonkeyPatch, node: Any, inputs: dict[str, Any]
) -> None:
    """A GIF of any number of frames was paid for, and its picture lost to a fault of ours."""
    use_openai(monkeypatch, server)
    with pytest.raises(RefusedError, match=next(reversed(inputs))):
        run(node, connection="openai", **inputs)
    assert server.requests == []


STRANGE = [None, "", -1, 1e308, [], {}, b"x", torch.zeros(3), np.zeros(2), object(), "\ud800", "x" * 100_000]


@pytest.mark.parametrize("node", [GIF, SVG, NODE_CLASS_MAPPINGS["OIN_GPTImage"]])
def test_node_waits_before_it_can_fail(node: Any) -> None:
    """ComfyUI writes the inputs of one that fails at once, its token among them, into its history."""
    declared = node.INPUT_TYPES()
    for name in [*declared["required"], *declared["optional"], *declared["hidden"]]:
        for value in STRANGE:
            call = node().api_call(**{"prompt": "a fox", "connection": "sandbox", name: value})
            call.send(None)  # raises here what is raised at once
            call.close()


def test_svg_effort_without_author_is_refused() -> None:
    """It would be silently ignored otherwise."""
    told = SVG.VALIDATE_INPUTS(prompt="a fox", svg_model="", svg_effort="high", model="gpt-image-2.6-flare")
    assert "svg_effort high needs svg_model" in str(told)


@pytest.mark.parametrize("node", [GIF, SVG])
def test_every_input_and_output_has_a_tooltip(node: Any) -> None:
    """In the words of a person who makes pictures."""
    declared = node.INPUT_TYPES()
    inputs = {**declared["required"], **declared["optional"]}
    assert all(len(spec[1]["tooltip"]) > 10 for spec in inputs.values())
    assert len(node.OUTPUT_TOOLTIPS) == len(node.RETURN_TYPES)


DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script><path d="M0 0"/></svg>'


def test_svg_reaches_save_svg_without_what_runs(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drawing and its text are harmless, the report tells it, and the store has the drawing as it came."""
    use_openai(monkeypatch, server)
    server.reply(200, success(DRAWING.encode()))
    for _ in range(2):  # asked for, then from the store
        drawing, text, report, _ = run(SVG, connection="openai")
        assert drawing.data[0].read().decode() == text
        assert "alert" not in text
        assert '<path d="M0 0">' in text
        notes = "\n".join(json.loads(report)["notes"])
        assert "Taken out of the SVG" in notes
        assert "1 onload, 1 script" in notes
    folder = notes.rpartition(" is kept in ")[2].strip().rstrip(".")
    assert Path(folder, "picture_0.svg").read_bytes() == DRAWING.encode()
    assert len(server.posts) == 1


@pytest.mark.parametrize("broken", ["<svg><g>", f'<!DOCTYPE svg [<!ENTITY a "{"b" * 200}">]><svg>&a;</svg>'])
def test_svg_that_cannot_be_drawn_is_told_and_kept(
    server: Capture, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """In words, with the place of its bytes; it was paid, and is not bought again."""
    use_openai(monkeypatch, server)
    server.reply(200, success(broken.encode()))
    for _ in range(2):
        with pytest.raises(BadAnswerError, match=r"the SVG (is not well formed|defines an entity)") as caught:
            run(SVG, connection="openai")
    folder = Path(str(caught.value).partition("It is kept in ")[2].partition(". It may")[0])
    assert [path.read_bytes() for path in folder.glob("picture_0.*")] == [broken.encode()]
    assert len(server.posts) == 1


def frames_of(count: int, *, alpha: int = 255, side: int = 384) -> bytes:
    """Return a GIF of so many frames of different colours."""
    frames = [Image.new("RGBA", (side, side), (40 * number, 99, 0, alpha)) for number in range(count)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=200, disposal=2)
    return out.getvalue()


ODD_GIFS: dict[str, tuple[dict[str, Any], list[bytes | None], str]] = {
    "fewer frames": ({"frame_count": 4}, [frames_of(2)], "4 frames were asked for, 2 came"),
    "more frames": ({"frame_count": 2}, [frames_of(3)], "2 frames were asked for, 3 came"),
    "another picture": ({"frame_count": 2}, [picture(384, 384)], "gif was asked for, png came"),
    "a jpeg": ({"frame_count": 2}, [picture(384, 384, kind="JPEG")], "gif was asked for, jpeg came"),
    "opaque": ({"frame_count": 2, "background": "transparent"}, [frames_of(2)], "an opaque picture came"),
    "another size": ({"frame_count": 2}, [frames_of(2, side=64)], "The size 384x384 was asked for, 64x64 came"),
    "more pictures": ({"frame_count": 2}, [frames_of(2), frames_of(2)], "1 picture was asked for, 2 came"),
    "a png before it": ({"frame_count": 2}, [picture(), frames_of(2)], "gif was asked for, gif and png came"),
    "nothing before it": ({"frame_count": 2}, [None, frames_of(2)], "in place of a picture came"),
}


@pytest.mark.parametrize(("asked", "came", "words"), ODD_GIFS.values(), ids=ODD_GIFS)
def test_gif_that_is_not_as_asked_is_given_and_said(
    server: Capture, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], came: list[bytes | None], words: str
) -> None:
    """What was paid is given as frames, and the report says in words what differs; nothing is asked for again."""
    use_openai(monkeypatch, server)
    data = [each and {"b64_json": base64.b64encode(each).decode()} for each in came]
    server.reply(200, {"data": data})
    for _ in range(2):
        frames, _, _, report, _ = run(GIF, connection="openai", size="384x384", **asked)
        assert frames.shape[0] >= 1
        assert words in "\n".join(json.loads(report)["notes"])
    assert len(server.posts) == 1


def test_gif_as_asked_needs_no_note() -> None:
    """Nothing is said where frames, size and background are as asked."""
    report = json.loads(run(GIF, frame_count=2, background="transparent", size="384x384")[3])
    assert not [note for note in report["notes"] if "came" in note]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_picture_in_place_of_an_svg_is_said_in_words(
    server: Capture, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """There is no drawing to give: what came, where it is kept, and nothing is asked for again."""
    use_openai(monkeypatch, server)
    server.reply(200, success(picture(kind=kind)))
    for _ in range(2):
        with pytest.raises(BadAnswerError, match=rf"svg was asked for, {kind.lower()} came.*kept in"):
            run(SVG, connection="openai")
    assert len(server.posts) == 1


def test_drawing_behind_another_picture_is_given(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of the wanted kind counts, wherever it stands."""
    use_openai(monkeypatch, server)
    server.reply(200, success(picture(), DRAWING.encode()))
    _, text, report, _ = run(SVG, connection="openai")
    assert text.startswith("<svg")
    assert "svg was asked for, png and svg came" in "\n".join(json.loads(report)["notes"])
