"""Refusals by pictures, masks and markups: what is wrong, both values, what to do; nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from openai_image_nodes.api.errors import RefusedError
from openai_image_nodes.nodes.run import execution
from support.capture import Capture, pixels
from support.node_calls import KEY, References, half_mask, newest, node, photo, scribble, use_openai, validated

MODEL = newest(markup=True)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


def sixteen() -> torch.Tensor:
    return photo(8, 8).repeat(16, 1, 1, 1)


def random_mask(side: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).random((1, side, side), dtype=np.float32))


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "mask without image": ({"mask": half_mask()}, ["mask", "no image", "Connect the image"]),
    "markup without image": ({"markup": scribble()}, ["markup", "no image", "Connect the image"]),
    "list without pictures": ({"image": []}, ["image", "list", "Connect another output"]),
    "markup without pictures": ({"image": photo(), "markup": []}, ["markup", "list", "Connect another output"]),
    "mask of another size": ({"image": photo(), "mask": half_mask(50, 60)}, ["60x50", "64x48", "mask"]),
    "64x64 mask with a hole": ({"image": photo(), "mask": half_mask(64, 64)}, ["64x64", "64x48", "mask"]),
    "empty mask of another size": ({"image": photo(), "mask": torch.zeros(1, 32, 32)}, ["32x32", "64x48"]),
    "64x64 white mask": ({"image": photo(), "mask": torch.ones(1, 64, 64)}, ["64x64", "64x48", "mask"]),
    "mask with four axes": ({"image": photo(), "mask": torch.zeros(1, 3, 48, 64)}, ["mask", "[1, 3, 48, 64]"]),
    "mask over 4 MB": (
        {"image": torch.zeros(1, 1, 1, 3).expand(1, 2100, 2100, 3), "mask": random_mask(2100)},
        ["mask.png", "4,000,000", "simpler", "smaller"],
    ),
    "17 images": ({"image": photo(8, 8).repeat(17, 1, 1, 1)}, ["17 images", "at most 16", "Connect fewer"]),
    "17 with references": ({"image": sixteen(), "references": [photo()[0]]}, ["17", "16", "Connect fewer"]),
    "image with two channels": ({"image": photo(channels=3)[..., :2]}, ["[1, 48, 64, 2]", "1, 3 or 4 channels"]),
    "image with five channels": ({"image": torch.zeros(1, 8, 8, 5)}, ["[1, 8, 8, 5]", "1, 3 or 4 channels"]),
    "image of whole numbers": ({"image": torch.zeros(1, 8, 8, 3, dtype=torch.int32)}, ["int32", "0 to 1"]),
    "image of 0 and 1": ({"image": torch.ones(1, 8, 8, 3, dtype=torch.uint8)}, ["input image", "0 and 1 only"]),
    "latent in the place of an image": ({"image": {"samples": 1}}, ["input image", "kind dict", "another output"]),
    "text in the place of a mask": ({"image": photo(), "mask": "white"}, ["input mask", "kind str"]),
    "number among references": ({"references": [photo()[0], 5]}, ["input references", "kind int"]),
    "mask in the place of an image": ({"image": torch.zeros(1, 8, 9)}, ["[1, 8, 9]", "Convert Mask to Image"]),
    "channels first": ({"image": torch.zeros(1, 3, 8, 9)}, ["[1, 3, 8, 9]", "channels first"]),
    "image in the place of a mask": ({"image": photo(), "mask": photo()}, ["[1, 48, 64, 3]", "Convert Image to Mask"]),
    "mask without a pixel": ({"image": photo(), "mask": torch.zeros(0, 48, 64)}, ["[0, 48, 64]", "connect a MASK"]),
    "image with two axes": ({"image": torch.zeros(8, 8)}, ["[8, 8]", "[batch, height, width, channels]"]),
    "image without pixels": ({"image": torch.zeros(1, 0, 8, 3)}, ["[1, 0, 8, 3]", "at least one picture"]),
    "empty batch": ({"image": torch.zeros(0, 8, 8, 3)}, ["[0, 8, 8, 3]", "at least one picture"]),
    "markup without alpha": ({"image": photo(), "markup": scribble()[..., :3]}, ["markup", "channels", "transparent"]),
    "markup without a clear pixel": ({"image": photo(), "markup": torch.ones(1, 48, 64, 4)}, ["markup", "transparent"]),
    "markup of another size": ({"image": photo(), "markup": scribble(50, 60)}, ["markup", "60x50", "64x48"]),
    "markup with mask": (
        {"image": photo(), "markup": scribble(), "mask": half_mask()},
        ["markup and mask", "Disconnect one"],
    ),
    "markup on another model": (
        {"image": photo(), "markup": scribble(), "model": "gpt-image-2"},
        ["gpt-image-2", "markup", MODEL, "Choose"],
    ),
}


@pytest.mark.parametrize(("inputs", "told"), CASES.values(), ids=CASES)
def test_pictures_that_do_not_fit_are_refused(server: Capture, inputs: dict[str, Any], told: list[str]) -> None:
    """The message names what does not fit and both values; the server hears nothing."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the message is what is judged
        node(**{"model": MODEL, **inputs})
    message = str(caught.value)
    assert server.requests == []
    assert type(caught.value).__name__ in ("RefusedError", "ImageInputError")
    assert [piece for piece in told if piece not in message] == []
    assert KEY not in message


BEFORE = {
    "mask without image": ({"mask": None}, ["A mask is connected, but no image"]),
    "markup without image": ({"markup": None}, ["A markup is connected, but no image"]),
    "markup with mask": ({"image": None, "markup": None, "mask": None}, ["markup and mask", "Disconnect one"]),
    "markup on another model": ({"image": None, "markup": None, "model": "gpt-image-2"}, ["gpt-image-2", MODEL]),
}


@pytest.mark.parametrize(("inputs", "told"), BEFORE.values(), ids=BEFORE)
def test_sockets_are_judged_before_the_run(server: Capture, inputs: dict[str, Any], told: list[str]) -> None:
    """What is connected is known before the run, what it holds is not."""
    message = validated(**{"model": MODEL, **inputs})
    assert [piece for piece in told if piece not in str(message)] == []


def sent_mask(server: Capture) -> np.ndarray | None:
    """Return the alpha of the mask that went out, or None."""
    masks = [part for part in server.last.files() if part.name == "mask"]
    return pixels(masks[0].data)[..., 3] if masks else None


def sent_pictures(server: Capture) -> list[np.ndarray]:
    """Return the pictures that went out, in order."""
    return [pixels(part.data) for part in server.last.files() if part.name.startswith("image")]


WHOLE = (photo() * 255).round().to(torch.uint8)
SAME_PICTURE: dict[str, Any] = {
    "without a batch": photo()[0],
    "in a list": [photo()],
    "in a list, without a batch": [photo()[0]],
    "as levels": WHOLE,
    "as an array": WHOLE.numpy(),
    "in half precision": photo().to(torch.float16),
}


@pytest.mark.parametrize("picture", SAME_PICTURE.values(), ids=SAME_PICTURE)
def test_picture_is_taken_in_every_form_that_means_one_thing(server: Capture, picture: Any) -> None:
    """Other packs hand over more than ComfyUI's own form; the same pixels go out."""
    node(image=picture)
    [sent] = sent_pictures(server)
    assert np.array_equal(sent, WHOLE[0].numpy())


def test_list_of_pictures_goes_out_in_its_order_before_references(server: Capture) -> None:
    """Each in its own size; the mask still belongs to the first."""
    pictures = [photo(), photo(24, 32)[0], photo(16, 16)]
    node(image=pictures[:2], references=pictures[2:], mask=half_mask())
    assert [picture.shape[:2] for picture in sent_pictures(server)] == [(48, 64), (24, 32), (16, 16)]
    assert sent_mask(server) is not None


MASK = half_mask()
SAME_MASK: dict[str, torch.Tensor | list[torch.Tensor]] = {
    "[H,W]": MASK[0],
    "[1,1,H,W]": MASK[None],
    "[1,H,W,1]": MASK[..., None],
    "bool": MASK > 0.5,
    "levels": (MASK * 255).to(torch.uint8),
    "in a list": [MASK],
}


@pytest.mark.parametrize("mask", SAME_MASK.values(), ids=SAME_MASK)
def test_mask_is_taken_in_every_form_that_means_one_thing(
    server: Capture, mask: torch.Tensor | list[torch.Tensor]
) -> None:
    """The same mask goes out."""
    node(image=photo(), mask=mask)
    alpha = sent_mask(server)
    assert alpha is not None
    assert np.array_equal(alpha, 255 - (MASK[0] * 255).to(torch.uint8).numpy())


def test_references_node_takes_single_pictures_and_skips_what_is_null() -> None:
    """A picture [H,W,C] is one picture, not as many as it has rows."""
    [collected] = References().collect(image_1=photo()[0], image_2=None, image_3=[photo(24, 32)])
    assert [picture.shape[:2] for picture in collected] == [(48, 64), (24, 32)]


def test_mask_with_two_axes_is_accepted(server: Capture) -> None:
    """A mask [H,W] is as good as [1,H,W]."""
    node(image=photo(), mask=half_mask()[0])
    alpha = sent_mask(server)
    assert alpha is not None
    assert alpha[0, 0] == 0
    assert alpha[0, 63] == 255


def test_batched_masks_use_the_first_and_say_so(server: Capture) -> None:
    """One mask for each image: only the first is used, and the report tells."""
    masks = torch.cat([half_mask(), torch.ones(1, 48, 64)])
    report = node(image=torch.cat([photo(), photo(seed=2)]), mask=masks)[2]
    alpha = sent_mask(server)
    assert alpha is not None
    assert alpha[0, 63] == 255
    assert any("2 masks" in note and "only the first" in note for note in report["notes"])


@pytest.mark.parametrize("picture", [(48, 64), (64, 64)])
@pytest.mark.parametrize("level", [0.0, 1 / 255])
@pytest.mark.parametrize("is_full_size", [True, False])
def test_mask_that_opens_nothing_is_not_sent(
    server: Capture, picture: tuple[int, int], level: float, is_full_size: bool
) -> None:
    """Load Image gives 64x64 zeros, newer ones the full size, at 1/255 for grey and CMYK; the report tells."""
    mask = torch.full((1, *(picture if is_full_size else (64, 64))), level)
    report = node(image=photo(*picture), mask=mask)[2]
    assert sent_mask(server) is None
    assert any("opens nothing" in note and "no mask was sent" in note for note in report["notes"])


def test_mask_that_opens_one_pixel_a_little_is_sent(server: Capture) -> None:
    """Two levels are no stand-in: somebody painted them."""
    mask = torch.zeros(1, 48, 64)
    mask[0, 5, 7] = 2 / 255
    node(image=photo(), mask=mask)
    alpha = sent_mask(server)
    assert alpha is not None
    assert (alpha[5, 7], alpha.max()) == (253, 255)


@pytest.mark.slow
def test_mask_of_an_enlarged_image_is_scaled_with_it(server: Capture) -> None:
    """A picture larger than the model uses is scaled down, its mask to exactly the same size; the report tells."""
    report = node(image=torch.zeros(1, 2200, 4400, 1), mask=torch.ones(1, 2200, 4400), size="1024x1024")[2]
    image, mask = (pixels(part.data) for part in server.last.files())
    assert image.shape[:2] == mask.shape[:2]
    assert image.shape[0] * image.shape[1] <= 8_294_400
    assert any("4400x2200" in note and f"{image.shape[1]}x{image.shape[0]}" in note for note in report["notes"])


@pytest.mark.slow
def test_comfy_gets_smaller_pictures_than_an_own_account(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its proxy takes 4,194,304 pixels, where an own key may send 8,294,400; the report tells."""
    monkeypatch.setenv("COMFY_API_BASE", server.base_url)
    large = torch.zeros(1, 2000, 3000, 1)
    notes = [node(image=large, connection=name, api_key="comfyui-x")[2]["notes"] for name in ("openai", "comfy.org")]
    own, comfy = (pixels(request.files()[0].data).shape for request in server.posts)
    assert own[:2] == (2000, 3000)
    assert 4_100_000 < comfy[0] * comfy[1] <= 4_194_304
    assert notes[0] == []
    assert "3000x2000" in notes[1][0]


def test_references_node_refuses_more_than_sixteen() -> None:
    """Chained collections count together."""
    with pytest.raises(RefusedError, match=r"17 pictures .* at most 16"):
        References().collect(references=[photo()[0]] * 10, image_1=photo().repeat(7, 1, 1, 1))


def test_references_come_in_the_order_of_their_sockets() -> None:
    """First the chained ones, then ours by number; a batch counts as several."""
    sizes = [(4, 5), (6, 7), (8, 9)]
    chained, one, two = (photo(*size) for size in sizes)
    (collected,) = References().collect(image_2=two.repeat(2, 1, 1, 1), image_1=one, references=[chained[0]])
    assert [tuple(each.shape[:2]) for each in collected] == [(4, 5), (6, 7), (8, 9), (8, 9)]


def see_through(height: int = 48, width: int = 64) -> torch.Tensor:
    """Return a picture whose right half is fully transparent, above colours of its own."""
    alpha = torch.ones(1, height, width, 1)
    alpha[:, :, width // 2 :] = 0
    return torch.cat([photo(height, width), alpha], dim=3)


def test_what_is_transparent_goes_out_white_and_is_told(server: Capture) -> None:
    """The model sees the colours under it; what is seen of the picture stays as it is, half transparent pixels too."""
    picture = see_through()
    picture[:, :4, :, 3] = 0.5
    report = node(image=picture)[2]
    [sent] = sent_pictures(server)
    before = (picture[0] * 255).round().to(torch.uint8).numpy()
    assert (sent[4:, 32:, :3] == 255).all()
    assert np.array_equal(sent[:, :32], before[:, :32])
    assert np.array_equal(sent[:4], before[:4])
    assert np.array_equal(sent[..., 3], before[..., 3])
    assert any("was sent white" in note and "own colours" in note for note in report["notes"])


def test_own_colours_go_out_where_they_are_asked_for(server: Capture) -> None:
    """Also of a picture that is scaled down, where scaling by alpha would leave black."""
    report = node(image=see_through(), transparent_pixels="own colours")[2]
    assert np.array_equal(sent_pictures(server)[0][..., :3], (photo()[0] * 255).round().to(torch.uint8).numpy())
    assert report["notes"] == []


@pytest.mark.slow
@pytest.mark.parametrize(("under", "level"), [("filled white", 255), ("own colours", 77)])
def test_scaled_pictures_have_the_same_colours_under_what_is_transparent(
    server: Capture, under: str, level: int
) -> None:
    """The colour is put in after scaling, which knows none where nothing is seen."""
    picture = torch.full((1, 2200, 4400, 4), 77 / 255)
    picture[..., 3] = 0
    node(image=picture, size="1024x1024", transparent_pixels=under)
    [sent] = sent_pictures(server)
    assert sent.shape[0] * sent.shape[1] <= 8_294_400
    assert (sent[..., :3] == level).all()


def test_opaque_pictures_and_white_ones_are_not_noted(server: Capture) -> None:
    """Nothing was changed on the way."""
    white = see_through()
    white[:, :, 32:, :3] = 1
    for picture in (photo(), white, torch.cat([photo(), torch.full((1, 48, 64, 1), 0.5)], dim=3)):
        assert node(image=picture)[2]["notes"] == []


def test_transparent_pixels_unknown_is_refused(server: Capture) -> None:
    """With what there is."""
    with pytest.raises(
        RefusedError, match=r"transparent_pixels .black. is not known\. Choose filled white or own colours"
    ):
        node(image=photo(), transparent_pixels="black")


EARLIER: dict[str, dict[str, torch.Tensor]] = {
    "hidden colours": {"image": see_through()},
    "a mask that opens nothing": {"image": photo(), "mask": torch.zeros(1, 48, 64)},
    "both": {"image": see_through(), "mask": torch.zeros(1, 48, 64)},
}


@pytest.mark.parametrize("inputs", EARLIER.values(), ids=EARLIER)
def test_what_an_earlier_version_paid_for_is_not_bought_again(
    server: Capture, monkeypatch: pytest.MonkeyPatch, inputs: dict[str, torch.Tensor]
) -> None:
    """It sent hidden colours and empty masks as they were: the same inputs find its answer, another seed asks again."""
    encode = execution.encode_inputs
    with monkeypatch.context() as earlier:
        earlier.setattr(execution, "encode_inputs", lambda *args, **more: encode(*args, **{**more, "as_before": True}))
        assert node(**inputs)[2]["reused"] is False
    report = node(**inputs)[2]
    assert (report["reused"], len(server.posts)) == (True, 1)
    assert any("what you already have" in note for note in report["notes"])
    assert node(**inputs, seed=1)[2]["reused"] is False
