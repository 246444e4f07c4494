"""The sandbox answers as the service does: asked by the official client and over plain HTTP."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np
import openai
import pytest
from openai_image_nodes.api.catalog import catalog
from openai_image_nodes.api.catalog import pricing as prices
from openai_image_nodes.sandbox import Sandbox
from PIL import Image
from support.official_client import official
from support.sandbox_client import ASK, MODEL, PRICED, file, mask, photo, picture, png, post


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[openai.OpenAI]:
    with official(sandbox, api_key="unused") as made:
        yield made


@pytest.fixture
def azure(sandbox: Sandbox) -> Iterator[openai.AzureOpenAI]:
    with openai.AzureOpenAI(
        api_key="unused", azure_endpoint=sandbox.base_url, api_version="2025-04-01-preview", max_retries=0
    ) as made:
        yield made


def test_generation(client: openai.OpenAI) -> None:
    """The official client gets a picture of the size asked, the settings and the usage."""
    answer = client.images.generate(**ASK, size="1536x1024", quality="low", background="opaque")
    assert answer.data is not None
    assert picture(answer.data[0].b64_json).shape == (1024, 1536, 3)
    assert (answer.size, answer.quality, answer.background, answer.output_format) == (
        "1536x1024",
        "low",
        "opaque",
        "png",
    )
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_auto_is_settled(client: openai.OpenAI) -> None:
    """auto becomes 1024x1024 and medium, and the answer says so."""
    answer = client.images.generate(**ASK, size="auto", quality="auto", background="auto")
    assert (answer.size, answer.quality, answer.background) == ("1024x1024", "medium", "opaque")


def test_auto_is_the_one_quality_that_a_model_takes_for_it(client: openai.OpenAI) -> None:
    """docs/service.md, "Output tokens": 2.6 Sunburst takes high, so its tokens are those that the badge tells."""
    ask = {**ASK, "model": "gpt-image-2.6-sunburst", "size": "1024x1024"}
    auto, high = (client.images.generate(**ask, quality=quality) for quality in ("auto", "high"))
    assert (auto.quality, auto.usage) == ("high", high.usage)


def test_n_pictures(client: openai.OpenAI) -> None:
    """n pictures come, all different."""
    answer = client.images.generate(**ASK, n=3)
    assert answer.data is not None
    assert len({item.b64_json for item in answer.data}) == 3


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_output_formats(client: openai.OpenAI, output_format: Any) -> None:
    """The picture is of the format asked."""
    answer = client.images.generate(**ASK, output_format=output_format)
    assert answer.data is not None
    with Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json or ""))) as image:
        assert image.format == output_format.upper()


def test_transparent_background(client: openai.OpenAI) -> None:
    """A transparent picture has an alpha that is 0 somewhere."""
    answer = client.images.generate(**ASK, background="transparent")
    assert answer.data is not None
    assert answer.background == "transparent"
    assert picture(answer.data[0].b64_json)[0, 0, 3] == 0


def test_edit_keeps_the_size_of_the_image(client: openai.OpenAI) -> None:
    """With size auto an edit has the first image's own size, even one that could not be asked for."""
    answer = client.images.edit(**ASK, image=file(png(photo(333, 77))))
    assert answer.data is not None
    assert picture(answer.data[0].b64_json).shape == (77, 333, 3)
    assert answer.size == "333x77"


def test_masked_edit_leaves_other_pixels_exact(client: openai.OpenAI) -> None:
    """Where the mask is opaque no pixel changes; where it is not, the picture does."""
    image, alpha = photo(), mask()
    answer = client.images.edit(**ASK, image=file(png(image)), mask=file(png(alpha)))
    assert answer.data is not None
    result, kept = picture(answer.data[0].b64_json), alpha[:, :, 3] == 255
    assert np.array_equal(result[kept], image[kept])
    assert (result[~kept] != image[~kept]).any(axis=1).mean() > 0.99


def test_several_images_and_a_mask(client: openai.OpenAI) -> None:
    """The mask belongs to the first of several images, each of its own size."""
    others = [file(png(photo(64, 64))), file(png(photo(100, 50)))]
    answer = client.images.edit(**ASK, image=[file(png(photo())), *others], mask=file(png(mask())))
    assert answer.size == "320x240"
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 3 * 1024


def test_markup_is_accepted(client: openai.OpenAI) -> None:
    """A markup of the image's size with transparent pixels is drawn over it."""
    markup = np.zeros((240, 320, 4), np.uint8)
    markup[5:10, 5:10] = (255, 0, 0, 255)
    answer = client.images.edit(**ASK, image=file(png(photo())), markup=file(png(markup)))
    assert answer.data is not None
    assert (picture(answer.data[0].b64_json)[5:10, 5:10] == (255, 0, 0)).all()


def test_image_may_be_repeated_without_brackets(sandbox: Sandbox) -> None:
    """Three parts called `image` are three images."""
    files = [("image", file(png(photo()))) for _ in range(3)]
    answer = post(sandbox, "/v1/images/edits", data=ASK, files=files)
    assert answer.json()["usage"]["input_tokens_details"]["image_tokens"] == 3 * 1024


def test_edit_as_json_is_the_same_as_multipart(sandbox: Sandbox) -> None:
    """Data URLs in JSON and files in a form give the same bytes."""
    image, hole = png(photo()), png(mask())
    links = [f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in (image, hole)]
    body = {**ASK, "n": 2, "images": [{"image_url": links[0]}], "mask": {"image_url": links[1]}}
    as_json = post(sandbox, "/v1/images/edits", json=body)
    as_form = post(
        sandbox, "/v1/images/edits", data={**ASK, "n": "2"}, files={"image": file(image), "mask": file(hole)}
    )
    assert as_json.status_code == 200
    assert as_json.content == as_form.content


def test_same_request_same_bytes(sandbox: Sandbox) -> None:
    """An answer does not depend on when or how often it was asked for."""
    first, second = (post(sandbox, "/v1/images/generations", json=ASK) for _ in range(2))
    assert first.content == second.content
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_answer_names_its_time_and_the_limits(client: openai.OpenAI) -> None:
    """In the headers that clients read beside the answer; only OpenAI's own paths have them."""
    raw = client.images.with_raw_response.generate(**ASK)
    assert int(raw.headers["openai-processing-ms"]) >= 0
    limits = {name: raw.headers[f"x-ratelimit-{name}-requests"] for name in ("limit", "remaining", "reset")}
    assert limits == {"limit": "250", "remaining": "249", "reset": "240ms"}
    assert raw.parse()._request_id == raw.headers["x-request-id"]


def test_usage_is_by_the_published_formula(client: openai.OpenAI) -> None:
    """Output tokens are the formula's times n; a prompt of 28 bytes is 7 tokens and 6 more."""
    answer = client.images.generate(**{**ASK, "model": PRICED}, n=2, size="2048x1152", quality="high")
    spec = catalog.find(PRICED)
    assert spec is not None
    assert answer.usage is not None
    tokens, _ = prices.output_tokens(spec, "high", 2048, 1152) or (0, 0)
    assert answer.usage.output_tokens == 2 * tokens > 0
    assert answer.usage.input_tokens == 7 + 6


def test_usage_of_2_6_is_by_its_own_formula(client: openai.OpenAI) -> None:
    """824 tokens at low and 1024x1024 were seen by two sources (docs/service.md, "Output tokens")."""
    answer = client.images.generate(**{**ASK, "model": "gpt-image-2.6-flare"}, size="1024x1024", quality="low")
    assert answer.usage is not None
    assert answer.usage.output_tokens == 824


@pytest.mark.slow
def test_large_oblong_reference_counts_1536_tokens(client: openai.OpenAI) -> None:
    """Above 1024x1024 a reference that is not square costs half as much again."""
    answer = client.images.edit(**ASK, image=[file(png(photo(1200, 1000))), file(png(photo(1024, 1024)))])
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 1536 + 1024


def test_safety_identifier_comes_back(client: openai.OpenAI) -> None:
    """The identifier in effect is the request's own, else its `user`."""
    assert client.images.generate(**ASK, user="u").safety_identifier == "u"
    assert client.images.generate(**ASK, user="u", safety_identifier="s").safety_identifier == "s"


def test_models_tell_when_they_end(client: openai.OpenAI) -> None:
    """The list has every live model and none that is gone; shutdown_date is a day or null."""
    listed = {model.id: model for model in client.models.list()}
    assert MODEL in listed
    assert "gpt-image-1" not in listed
    assert {model.model_dump()["shutdown_date"] for model in listed.values()} >= {None}
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-image-1")


def test_azure_deployment_is_the_model(azure: openai.AzureOpenAI) -> None:
    """The classic Azure path names the model; its files go the same way."""
    made = azure.images.generate(**ASK)
    edited = azure.images.edit(**ASK, image=file(png(photo())))
    assert (made.size, edited.size) == ("1024x1024", "320x240")


def test_azure_tells_of_a_deployment_that_is_not_there(azure: openai.AzureOpenAI) -> None:
    """In its own words, which the pack's message for it says once more."""
    with pytest.raises(openai.NotFoundError, match="The API deployment for this resource does not exist") as told:
        azure.images.generate(**{**ASK, "model": "nobody"})
    assert told.value.code == "DeploymentNotFound"


def test_azure_has_no_webp(azure: openai.AzureOpenAI) -> None:
    """Azure makes png and jpeg only."""
    with pytest.raises(openai.BadRequestError) as refusal:
        azure.images.generate(**ASK, output_format="webp")
    assert refusal.value.param == "output_format"


def test_stream_of_a_generation(client: openai.OpenAI) -> None:
    """Partial images come in order, then the picture that an answer without a stream has, with its usage."""
    *partials, last = client.images.generate(**ASK, stream=True, partial_images=3)
    assert [event.type for event in partials] == ["image_generation.partial_image"] * 3
    assert [event.partial_image_index for event in partials] == [0, 1, 2]  # type: ignore[union-attr]
    assert last.type == "image_generation.completed"
    whole = client.images.generate(**ASK)
    assert whole.data is not None
    assert whole.usage is not None
    assert last.b64_json == whole.data[0].b64_json
    assert last.usage.output_tokens == whole.usage.output_tokens + 3 * 100  # type: ignore[union-attr]


def test_stream_of_an_edit_without_partials(client: openai.OpenAI) -> None:
    """partial_images 0 leaves one event."""
    (only,) = client.images.edit(**ASK, image=file(png(photo())), stream=True, partial_images=0)
    assert only.type == "image_edit.completed"
    assert only.size == "320x240"


def test_stream_of_several_pictures(client: openai.OpenAI) -> None:
    """Each picture has its own `completed`; their usages add up to the one of a plain answer."""
    events = [event for event in client.images.generate(**ASK, n=3, stream=True) if "completed" in event.type]
    whole = client.images.generate(**ASK, n=3)
    assert whole.data is not None
    assert whole.usage is not None
    assert [event.b64_json for event in events] == [item.b64_json for item in whole.data]
    assert sum(event.usage.total_tokens for event in events) == whole.usage.total_tokens  # type: ignore[union-attr]


def test_events_are_named_on_the_wire(sandbox: Sandbox) -> None:
    """`event:` and the `type` in `data:` say the same."""
    answer = post(sandbox, "/v1/images/generations", json={**ASK, "stream": True, "partial_images": 1})
    assert answer.headers["Content-Type"] == "text/event-stream"
    blocks = [block.split("\n") for block in answer.text.strip().split("\n\n")]
    names = [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))["type"]) for name, data in blocks]
    assert names == [("image_generation.partial_image",) * 2, ("image_generation.completed",) * 2]


def test_gif(client: openai.OpenAI) -> None:
    """A GIF has the frames, the timing (rounded to 10 ms) and the size asked."""
    answer = client.images.generate(
        **ASK, output_format="gif", size="384x384", frame_count=4, frame_duration_ms=123, background="transparent"
    )
    assert answer.data is not None
    with Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json or ""))) as image:
        assert (image.format, image.size, image.n_frames, image.info["duration"]) == ("GIF", (384, 384), 4, 120)
    assert answer.output_format == "gif"


@pytest.mark.slow
def test_gif_of_an_image(client: openai.OpenAI) -> None:
    """Edits make GIFs too: 9 frames unless said otherwise, the longer side 512 when the size is auto."""
    answer = client.images.edit(**ASK, image=file(png(photo())), output_format="gif")
    assert answer.data is not None
    with Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json or ""))) as image:
        assert (image.size, image.n_frames) == ((512, 384), 9)


def test_svg(client: openai.OpenAI) -> None:
    """SVG is text with the prompt in it; its author is billed apart."""
    author = {"model": "gpt-6-luna", "reasoning": {"effort": "low"}}
    answer = client.images.generate(model=MODEL, prompt='A "fox" & <snow>', output_format="svg", svg=author)  # type: ignore[arg-type]
    assert answer.data is not None
    text = base64.b64decode(answer.data[0].b64_json or "").decode()
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own text
    assert "&amp; &lt;snow&gt;" in text
    assert answer.svg_usage is not None
    assert answer.svg_usage.model == "gpt-6-luna"


def test_svg_of_an_edit_by_nested_form_fields(client: openai.OpenAI) -> None:
    """Forms carry svg[model] and svg[reasoning][effort]."""
    author = {"model": "gpt-6-luna", "reasoning": {"effort": "low"}}
    answer = client.images.edit(**ASK, image=file(png(photo())), output_format="svg", svg=author)  # type: ignore[arg-type]
    assert answer.svg_usage is not None
    assert answer.svg_usage.model == "gpt-6-luna"
