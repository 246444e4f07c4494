"""Answers of the service: every form that a picture can come in, and what becomes of it."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from openai_image_nodes.api.errors import BadAnswerError
from openai_image_nodes.api.jobs.report import received_notes
from openai_image_nodes.api.store.records import StoredAnswer
from openai_image_nodes.nodes.run.answers import pictures_of
from openai_image_nodes.nodes.run.input_images import EncodedInputs
from PIL import Image
from support.asker import painted
from support.capture import Capture, picture, success
from support.machines import record
from support.node_calls import as_bytes, half_mask, node, photo, use_openai

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


def test_pictures_of_a_batch_whose_plan_was_lost_are_all_shown() -> None:
    """Its record does not say how many were asked for, and they are paid."""
    answer = StoredAnswer(record(), [painted("a fox", 0), painted("a fox", 1)])
    assert pictures_of(answer, EncodedInputs(), lambda: False).values[0].shape[0] == 2
    assert received_notes(answer) == []


def colour(image: torch.Tensor, y: int, x: int) -> tuple[int, ...]:
    return tuple(as_bytes(image)[y, x].tolist())


def test_opaque_pictures_with_an_alpha_channel_have_three_channels(server: Capture) -> None:
    """Four channels only where some pixel is transparent."""
    server.reply(200, success(picture(color=(1, 2, 3, 255))))
    image, alpha, _ = node()
    assert image.shape[-1] == 3
    assert float(alpha.max()) == 0


def jpeg_of_left_half() -> bytes:
    out = io.BytesIO()
    both = Image.new("RGB", (32, 16), BLUE)
    both.paste(RED, (0, 0, 16, 16))
    both.save(out, "JPEG", quality=100)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [picture(color=RED), picture(kind="WEBP", color=RED), jpeg_of_left_half()],
    ids=["png", "webp", "jpeg"],
)
@pytest.mark.parametrize("form", ["b64_json", "data url in b64_json", "data url", "url"])
def test_every_form_of_an_answer_is_understood(server: Capture, data: bytes, form: str) -> None:
    """base64, with or without a data: prefix, and addresses."""
    text = base64.b64encode(data).decode()
    server.files["/made/1"] = data
    forms = {
        "b64_json": {"b64_json": text},
        "data url in b64_json": {"b64_json": f"data:image/png;base64,{text}"},
        "data url": {"url": f"data:image/png;base64,{text}"},
        "url": {"url": f"{server.base_url}/made/1"},
    }
    server.reply(200, {"data": [forms[form]]})
    image = node()[0]
    assert np.abs(np.array(colour(image[0], 4, 4)) - RED).max() <= 5


def test_sizes_that_differ_a_little_are_resized_to_the_first(server: Capture) -> None:
    """Up to 16 pixels; said in the report."""
    server.reply(200, success(picture(64, 48, color=RED), picture(60, 64, color=BLUE)))
    image, _, report = node(n=2)
    assert image.shape == (2, 48, 64, 3)
    assert (colour(image[1], 0, 0), colour(image[1], 47, 63)) == (BLUE, BLUE)
    assert any("60x64" in note and "64x48" in note for note in report["notes"])


def test_sizes_that_differ_a_lot_are_centred_on_one_canvas(server: Capture) -> None:
    """Never cropped: every pixel of both pictures is there; said in the report."""
    server.reply(200, success(picture(64, 48, color=RED), picture(40, 100, color=BLUE)))
    image, _, report = node(n=2)
    assert image.shape[:3] == (2, 100, 64)
    shown = zip(image, (RED, BLUE), strict=True)
    assert [int((as_bytes(each)[..., :3] == wanted).all(-1).sum()) for each, wanted in shown] == [64 * 48, 40 * 100]
    assert any("64x100" in note for note in report["notes"])


def test_one_broken_picture_of_several_does_not_lose_the_others(server: Capture) -> None:
    """What was paid and can be read is returned; the report tells of the rest."""
    server.reply(200, success(picture(color=RED), b"no picture at all", picture(color=BLUE)))
    image, _, report = node(n=3)
    shown = {colour(each, 0, 0)[:3] for each in image}
    assert {RED, BLUE} <= shown
    assert any("1" in note and report["kept_in"] in note for note in report["notes"])


def test_answer_without_any_picture_is_an_error_and_never_a_blank_image(server: Capture) -> None:
    """It may have been billed: the message says where the bytes are and how to ask again."""
    server.reply(200, success(b"no picture at all"))
    with pytest.raises(BadAnswerError, match=r"kept in .* switch reuse off or change the seed"):
        node()


def test_lock_puts_back_every_pixel_outside_the_mask(server: Capture) -> None:
    """Where the mask is 0 the input's 8-bit values come out exactly, where it is 1 the answer's."""
    image = photo()
    server.reply(200, success(picture(64, 48, color=RED)))
    locked, _, report = node(image=image, mask=half_mask(), mask_mode="lock")
    assert np.array_equal(as_bytes(locked[0])[:, 32:], as_bytes(image[0])[:, 32:])
    assert (as_bytes(locked[0])[:, :32] == RED).all()
    assert any("outside the mask" in note for note in report["notes"])


def test_lock_works_when_the_answer_has_another_size(server: Capture) -> None:
    """The answer is resized to the input, which keeps its own pixels."""
    image = photo()
    server.reply(200, success(picture(1024, 768, color=RED), picture(100, 100, color=BLUE)))
    locked = node(image=image, mask=half_mask(), mask_mode="lock", n=2)[0]
    assert locked.shape == (2, 48, 64, 3)
    for each in locked:
        assert np.array_equal(as_bytes(each)[:, 32:], as_bytes(image[0])[:, 32:])


@pytest.mark.parametrize("channels", [3, 4])
def test_lock_gives_the_alpha_of_what_it_made(server: Capture, channels: int) -> None:
    """Both outputs have one size, and what is put back of a transparent picture is transparent in both."""
    image = photo(channels=channels)
    server.reply(200, success(picture(128, 96, color=(9, 9, 9, 128))))
    locked, alpha, _ = node(image=image, mask=half_mask(), mask_mode="lock")
    assert locked.shape == (1, 48, 64, 4)
    assert torch.equal(alpha, 1 - locked[..., 3])
    assert np.array_equal(as_bytes(locked[0])[:, 32:, :channels], as_bytes(image[0])[:, 32:])


def test_lock_blends_soft_edges(server: Capture) -> None:
    """A mask of one half gives half of each."""
    server.reply(200, success(picture(64, 48, color=(200, 200, 200))))
    locked = node(image=torch.zeros(1, 48, 64, 3), mask=torch.full((1, 48, 64), 0.5), mask_mode="lock")[0]
    assert np.abs(as_bytes(locked[0]).astype(int) - 100).max() <= 1


@pytest.mark.parametrize("mode", ["lock", "blend", "region"])
def test_mask_mode_without_a_mask_or_a_picture_is_told(server: Capture, mode: str) -> None:
    """Nothing is silently ignored, and nothing is told twice."""
    for what, inputs in {"mask": {"image": photo()}, "picture": {}}.items():
        notes = node(**inputs, mask_mode=mode)[2]["notes"]
        assert [note.split(":")[0] for note in notes if "mask" in note] == [f"There is no {what} for mask_mode {mode}"]


@pytest.mark.parametrize("count", [17, 5_000])
def test_an_answer_writes_few_files_however_many_pictures_it_holds(server: Capture, count: int) -> None:
    """A million items of `data` were a million synced files; the surplus stays inside the answer as it came."""
    server.reply(200, success(*[picture(color=(shade % 256, 0, 0)) for shade in range(3)] * (count // 3 + 1)))
    for _ in range(2):  # asked for, then from the store
        image, _, report = node()
        assert image.shape[0] == 1
        notes = "\n".join(report["notes"])
        assert "and 1 can be shown: the others were left out." in notes
        folder = Path(report["kept_in"])
        assert sorted(path.suffix for path in folder.glob("picture_*")) == [".bin", *[".png"] * 16]
        [whole] = folder.glob("picture_*.bin")
        assert len(json.loads(whole.read_bytes())["data"]) >= count
        assert whole.name in notes
        assert len(notes) < 2000
    assert len(server.posts) == 1


def test_twenty_pictures_for_one_are_one_picture(server: Capture) -> None:
    """The first of the largest, the others are kept as they came: 12 GB are not taken for them."""
    server.reply(200, success(*[picture(color=BLUE)] * 2, *[picture(200, 100, color=RED)] * 8))
    image, _, report = node()
    assert image.shape == (1, 100, 200, 3)
    assert len(list(Path(report["kept_in"]).glob("picture_*.png"))) == 10
