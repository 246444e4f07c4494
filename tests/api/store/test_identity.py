"""What makes two requests the same job: all that the service sees, and the seed; nothing else."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from openai_image_nodes.api.jobs.job import Job
from openai_image_nodes.api.transport.bodies import FilePart
from openai_image_nodes.utils import encode as images
from PIL import Image
from pydantic import SecretStr
from support.asker import Asker, Server, connection, job, picture_part
from support.node_calls import half_mask, node, photo, scribble


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker.fresh(server, "openai", monkeypatch)


def named(part: FilePart, name: str) -> FilePart:
    return replace(part, name=name)


SMALL, LARGE = picture_part(8, 8), picture_part(8, 16)
FULL: dict[str, Any] = {
    "size": "1024x1024",
    "quality": "high",
    "background": "opaque",
    "output_format": "webp",
    "output_compression": 80,
    "moderation": "auto",
    "n": 2,
}
CHANGED: dict[str, Any] = {
    "model": "gpt-image-2.5-flare",
    "size": "1024x1536",
    "quality": "low",
    "background": "auto",
    "output_format": "png",
    "output_compression": 81,
    "moderation": "low",
    "n": 3,
    "complexity": "high",
}


def full(**changes: Any) -> Job:
    """Return a job with every parameter set, but for changes."""
    fields = {**FULL, **changes}
    if fields["output_format"] == "png":
        del fields["output_compression"]
    return job(connection("openai"), fields.pop("prompt", "a red fox"), **fields)


def test_same_request_is_the_same_job(asker: Asker) -> None:
    """Over and over, and in every process: a name on the disk."""
    assert full().identity == full().identity
    assert len(full().identity) == 64


@pytest.mark.parametrize("same", [{"stream": True}, {"stream": True, "partial_images": 3}, {"reuse": False}])
def test_transport_is_no_part_of_a_job(asker: Asker, same: dict[str, Any]) -> None:
    """Streamed or plain: the same picture was paid."""
    assert full(**same).identity == full().identity


def test_key_is_no_part_of_a_job(asker: Asker) -> None:
    """Neither the key nor the headers nor the connection's name: the service is the same."""
    link = replace(connection("openai"), name="mine", key=SecretStr("sk-other"), headers={"OpenAI-Project": "p"})
    assert job(link).identity == job(connection("openai")).identity


@pytest.mark.parametrize("name", CHANGED)
def test_every_parameter_is_part_of_a_job(asker: Asker, name: str) -> None:
    """Another value is another picture."""
    assert full(**{name: CHANGED[name]}).identity != full().identity


def test_prompt_seed_and_service_are_part_of_a_job(asker: Asker) -> None:
    """To the letter."""
    jobs = [full(), full(prompt="a red fox "), full(prompt="A red fox"), full(seed=1)]
    jobs += [
        job(connection("comfy.org"), **FULL),
        job(replace(connection("openai"), base_url="https://x.y/v1"), **FULL),
    ]
    assert len({one.identity for one in jobs}) == len(jobs)


def test_pictures_are_part_of_a_job_by_what_they_are_for(asker: Asker) -> None:
    """Their pixels, their order, and whether one is a picture, a mask or a markup."""
    link = connection("openai")
    pictures = [
        [],
        [SMALL],
        [LARGE],
        [named(SMALL, "image[]"), named(LARGE, "image[]")],
        [named(LARGE, "image[]"), named(SMALL, "image[]")],
        [SMALL, named(SMALL, "mask")],
        [SMALL, named(LARGE, "mask")],
        [SMALL, named(SMALL, "markup")],
        [named(SMALL, "image[]"), named(SMALL, "image[]")],
    ]
    assert len({job(link, files=files).identity for files in pictures}) == len(pictures)


def test_only_the_pixels_of_a_picture_count(asker: Asker) -> None:
    """Not the file that an encoder made of them, nor its name."""
    other = replace(SMALL, source=picture_part(8, 8, compress_level=0).data, filename="other.png")
    assert other.data != SMALL.data
    assert job(connection("openai"), files=[other]).identity == job(connection("openai"), files=[SMALL]).identity


def pillow_png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_other_png_encoder_asks_for_nothing_again(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version of the pack may pack the same pixels otherwise."""
    inputs = {"image": photo(), "mask": half_mask()}
    assert node(**inputs)[2]["reused"] is False
    monkeypatch.setattr(images, "encode_png", pillow_png)
    assert node(**inputs)[2]["reused"] is True
    assert asker.faults.posts == 1


def test_one_level_of_one_pixel_is_another_job(asker: Asker) -> None:
    """In the picture, in the mask, in the markup."""
    picture, mask, markup = photo(), half_mask(), scribble()
    touched = picture.clone()
    touched[0, 0, 0, 0] = (touched[0, 0, 0, 0] + 1 / 255) % 1.0
    other_mask, other_markup = mask.clone(), markup.clone()
    other_mask[0, 0, 0] = 0.5
    other_markup[0, 10, 0, 1] = 0.5
    calls = [{"image": picture, "mask": mask}, {"image": touched, "mask": mask}, {"image": picture, "mask": other_mask}]
    calls += [{"image": picture, "markup": markup}, {"image": picture, "markup": other_markup}]
    for inputs in [*calls, *calls]:
        node(**inputs)
    assert asker.faults.posts == len(calls)
