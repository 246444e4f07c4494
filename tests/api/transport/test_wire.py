"""The wire, judged by a witness that none of us wrote: the official client sends the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from support.capture import Capture, Captured, pixels
from support.node_calls import KEY, as_bytes, half_mask, newest, node, photo, scribble, use_openai
from support.official_client import DEFAULTS, ask_as, official, seen

MODEL = newest(markup=True)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


def ours(server: Capture, **inputs: Any) -> Captured:
    """Return the one request of a run of the node."""
    node(**inputs)
    assert len(server.requests) == 1
    return server.last


def theirs(server: Capture, request: Captured, **arguments: Any) -> Captured:
    """Return the request of the official client for the same call."""
    with official(server, api_key=KEY) as client:
        ask_as(client, request, **{"prompt": "a red fox", "model": MODEL, **DEFAULTS, **arguments})
    return server.last


GENERATIONS = {
    "defaults": {},
    "unicode prompt": {"prompt": "Fuchs \u2013 \u72d0 \U0001f98a\n\"zitiert\" & 'so'; name=\\x"},
    "long prompt": {"prompt": "\u00e4" * 32_000},
    "quality": {"quality": "max"},
    "size": {"size": "2048x1152"},
    "transparent": {"background": "transparent"},
    "n": {"n": 10},
    "webp": {"output_format": "webp", "output_compression": 37},
    "jpeg": {"output_format": "jpeg", "output_compression": 0},
    "moderation": {"moderation": "low"},
    "complexity": {"complexity": "high"},
    "all at once": {
        "quality": "high",
        "size": "1536x1024",
        "background": "auto",
        "n": 3,
        "output_format": "webp",
        "output_compression": 80,
        "moderation": "low",
        "complexity": "low",
    },
}


@pytest.mark.parametrize("options", GENERATIONS.values(), ids=GENERATIONS)
def test_generation_is_what_the_official_client_sends(server: Capture, options: dict[str, Any]) -> None:
    """Path, fields, their JSON types and values are the client's."""
    request = ours(server, model=MODEL, **options)
    assert seen(request) == seen(theirs(server, request, **{"moderation": "auto", **options}))


PICTURES: dict[str, dict[str, Any]] = {
    "one image": {"image": photo()},
    "three images": {"image": torch.cat([photo(seed=each) for each in (1, 2, 3)])},
    "references": {"image": photo(), "references": [photo(30, 70, seed=2)[0], photo(90, 20, seed=3)[0]]},
    "references alone": {"references": [photo(30, 70)[0]]},
    "mask": {"image": photo(), "mask": half_mask()},
    "mask on the first of two": {"image": torch.cat([photo(), photo(seed=2)]), "mask": half_mask()},
    "markup": {"image": photo(), "markup": scribble()},
    "sixteen images": {"image": photo().repeat(16, 1, 1, 1)},
}


@pytest.mark.parametrize("pictures", PICTURES.values(), ids=PICTURES)
def test_edit_is_what_the_official_client_sends(server: Capture, pictures: dict[str, Any]) -> None:
    """Parts, their names, file names, content types and values are the client's, images in the same order."""
    request = ours(server, model=MODEL, **pictures)
    assert seen(request) == seen(theirs(server, request))


EDIT_OPTIONS = {
    "input_fidelity": {"input_fidelity": "high"},
    "complexity": {"complexity": "medium"},
    "moderation": {"moderation": "low"},
    "unicode prompt": {"prompt": "Fuchs \u2013 \u72d0 \U0001f98a\r\n\"zitiert\"; name='x'"},
    "scalars": {"quality": "xhigh", "size": "1024x1536", "background": "transparent", "n": 4},
    "webp": {"output_format": "webp", "output_compression": 5},
}


@pytest.mark.parametrize("options", EDIT_OPTIONS.values(), ids=EDIT_OPTIONS)
def test_options_of_an_edit_are_what_the_official_client_sends(server: Capture, options: dict[str, Any]) -> None:
    """Each scalar is a text part without file name and content type, of the client's value."""
    request = ours(server, model=MODEL, image=photo(), **options)
    assert seen(request) == seen(theirs(server, request, **options))


def test_one_image_is_called_image_and_several_image_with_brackets(server: Capture) -> None:
    """The names of the contract, whatever the client's version makes of them."""
    single = ours(server, image=photo()).files()
    server.clear()
    several = ours(server, image=torch.cat([photo(), photo(seed=2)]), mask=half_mask(), seed=1).files()
    assert [(part.name, part.filename, part.content_type) for part in [*single, *several]] == [
        ("image", "image_0.png", "image/png"),
        ("image[]", "image_0.png", "image/png"),
        ("image[]", "image_1.png", "image/png"),
        ("mask", "mask.png", "image/png"),
    ]


def test_images_go_out_in_order_with_every_pixel(server: Capture) -> None:
    """First the batch, then the references, each with its own size and its exact 8-bit values."""
    batch, references = torch.cat([photo(), photo(seed=2)]), [photo(30, 70, seed=3)[0], photo(9, 8, 4, seed=4)[0]]
    files = ours(server, image=batch, references=references).files()
    for part, picture in zip(files, [*batch, *references], strict=True):
        assert np.array_equal(pixels(part.data), as_bytes(picture))


def test_mask_opens_what_is_white(server: Capture) -> None:
    """The mask goes out as alpha = 1 - mask in a picture of the image's size."""
    files = ours(server, image=photo(), mask=half_mask()).files()
    alpha = pixels(files[-1].data)[..., 3]
    assert alpha.shape == (48, 64)
    assert np.array_equal(alpha, np.where(np.arange(64) < 32, 0, 255).astype(np.uint8)[None].repeat(48, 0))


def test_markup_keeps_its_transparency(server: Capture) -> None:
    """The markup goes out with four channels, its drawn and its clear pixels as they were."""
    files = ours(server, image=photo(), markup=scribble(), model=MODEL).files()
    assert files[-1].name == "markup"
    assert np.array_equal(pixels(files[-1].data)[..., 3], as_bytes(scribble()[0])[..., 3])


@pytest.mark.parametrize("pictures", [{}, {"image": photo()}], ids=["generation", "edit"])
def test_nothing_goes_out_that_the_service_does_not_know(server: Capture, pictures: dict[str, Any]) -> None:
    """Neither seed nor response_format, no widget of ours, no null."""
    request = ours(server, seed=123, mask_mode="guide", custom_width=1040, reuse=False, **pictures)
    known = {"model", "prompt", "n", "size", "quality", "background", "output_format", "moderation"}
    assert set(request.fields()) <= known
    assert not {None, "None", "null", "", 123, "123"} & set(request.fields().values())


def test_custom_size_and_matched_size_are_sent_as_sizes(server: Capture) -> None:
    """The service sees WIDTHxHEIGHT, never the words of our widget."""
    custom = ours(server, size="custom", custom_width=1280, custom_height=720).fields()["size"]
    server.clear()
    matched = ours(server, size="match image", image=photo(1536, 1024)).fields()["size"]
    assert (custom, matched) == ("1280x720", "1024x1536")


def test_prompt_is_stripped(server: Capture) -> None:
    """Blank lines around a prompt do not make it another paid picture."""
    assert ours(server, prompt="\n  a red fox \n").fields()["prompt"] == "a red fox"
