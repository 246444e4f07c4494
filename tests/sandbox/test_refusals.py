"""The sandbox refuses what the service refuses: status, code, param and the error's shape."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests
from openai_image_nodes.sandbox import Sandbox
from openai_image_nodes.sandbox.requests.image_checks import read_image
from PIL import Image

MODEL = "gpt-image-2.6-flare"
ASK = {"model": MODEL, "prompt": "A red fox"}
Refusal = tuple[int, str | None, str | None]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


def file_of(mode: str = "RGB", size: tuple[int, int] = (64, 48), kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    colour = (0, 0, 0, 0) if mode == "RGBA" else 0
    Image.new(mode, size, colour).save(out, kind, **options)
    return out.getvalue()


def noise(mode: str, size: tuple[int, int]) -> bytes:
    array = np.random.default_rng(1).integers(0, 256, (size[1], size[0], len(mode)), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def part(name: str, data: bytes, kind: str = "image/png") -> tuple[str, tuple[str, bytes, str]]:
    return (name, (f"{name}.png", data, kind))


def generate(sandbox: Sandbox, **fields: Any) -> requests.Response:
    body = {name: value for name, value in {**ASK, **fields}.items() if value is not ...}
    return requests.post(f"{sandbox.base_url}/v1/images/generations", json=body, timeout=60)


def edit(sandbox: Sandbox, files: list[Any], **fields: Any) -> requests.Response:
    data = {name: value for name, value in {**ASK, **fields}.items() if value is not ...}
    return requests.post(f"{sandbox.base_url}/v1/images/edits", data=data, files=files, timeout=60)


def edit_json(sandbox: Sandbox, **fields: Any) -> requests.Response:
    return requests.post(f"{sandbox.base_url}/v1/images/edits", json={**ASK, **fields}, timeout=60)


def refusal(answer: requests.Response) -> Refusal:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert answer.headers["x-request-id"]
    return (answer.status_code, error["code"], error["param"])


GENERATIONS = {
    "seed": ({"seed": 1}, (400, "unknown_parameter", "seed")),
    "response_format": ({"response_format": "b64_json"}, (400, "unknown_parameter", "response_format")),
    "style": ({"style": "vivid"}, (400, "unknown_parameter", "style")),
    "input_fidelity is for edits": ({"input_fidelity": "low"}, (400, "unknown_parameter", "input_fidelity")),
    "images are for edits": ({"images": []}, (400, "unknown_parameter", "images")),
    "no model": ({"model": ...}, (400, "missing_required_parameter", "model")),
    "no prompt": ({"prompt": ...}, (400, "missing_required_parameter", "prompt")),
    "null prompt": ({"prompt": None}, (400, "invalid_type", "prompt")),
    "half a surrogate pair": ({"prompt": "\ud800"}, (400, "invalid_value", "prompt")),
    "empty prompt": ({"prompt": " "}, (400, "empty_prompt", "prompt")),
    "long prompt": ({"prompt": "x" * 32_001}, (400, "prompt_too_long", "prompt")),
    "n as text": ({"n": "2"}, (400, "invalid_type", "n")),
    "n as a fraction": ({"n": 2.0}, (400, "invalid_type", "n")),
    "n as true": ({"n": True}, (400, "invalid_type", "n")),
    "n 0": ({"n": 0}, (400, "invalid_value", "n")),
    "n 11": ({"n": 11}, (400, "invalid_value", "n")),
    "stream as text": ({"stream": "true"}, (400, "invalid_type", "stream")),
    "size as a list": ({"size": [1024, 1024]}, (400, "invalid_type", "size")),
    "size off the grid": ({"size": "1000x1000"}, (400, "invalid_value", "size")),
    "size too small": ({"size": "512x512"}, (400, "invalid_value", "size")),
    "size too large": ({"size": "3840x3840"}, (400, "invalid_value", "size")),
    "size too long": ({"size": "3840x1024"}, (400, "invalid_value", "size")),
    "size as words": ({"size": "large"}, (400, "invalid_value", "size")),
    "quality of another age": ({"quality": "hd"}, (400, "invalid_value", "quality")),
    "quality not of the model": ({"model": "gpt-image-2", "quality": "max"}, (400, "invalid_value", "quality")),
    "background": ({"background": "green"}, (400, "invalid_value", "background")),
    "transparent jpeg": ({"background": "transparent", "output_format": "jpeg"}, (400, "invalid_value", "background")),
    "moderation": ({"moderation": "none"}, (400, "invalid_value", "moderation")),
    "complexity": ({"complexity": "max"}, (400, "invalid_value", "complexity")),
    "output_format": ({"output_format": "bmp"}, (400, "invalid_value", "output_format")),
    "compressed png": ({"output_compression": 50}, (400, "invalid_value", "output_compression")),
    "compression 101": (
        {"output_format": "webp", "output_compression": 101},
        (400, "invalid_value", "output_compression"),
    ),
    "partial_images 4": ({"stream": True, "partial_images": 4}, (400, "invalid_value", "partial_images")),
    "retired model": ({"model": "gpt-image-1"}, (404, "model_not_found", "model")),
    "dall-e-3": ({"model": "dall-e-3"}, (404, "model_not_found", "model")),
    "unknown model": ({"model": "gpt-image-99"}, (404, "model_not_found", "model")),
    "streamed gif": ({"output_format": "gif", "stream": True}, (400, "invalid_value", "stream")),
    "compressed gif": ({"output_format": "gif", "output_compression": 9}, (400, "invalid_value", "output_compression")),
    "gif of one frame": ({"output_format": "gif", "frame_count": 1}, (400, "invalid_value", "frame_count")),
    "gif of 17 frames": ({"output_format": "gif", "frame_count": 17}, (400, "invalid_value", "frame_count")),
    "frames without gif": ({"frame_count": 4}, (400, "invalid_value", "frame_count")),
    "gif sheet too large": (
        {"output_format": "gif", "size": "1024x1024", "frame_count": 6},
        (400, "invalid_value", "size"),
    ),
    "gif size as words": ({"output_format": "gif", "size": "big"}, (400, "invalid_value", "size")),
    "two svgs": ({"output_format": "svg", "n": 2}, (400, "invalid_value", "n")),
    "streamed svg": ({"output_format": "svg", "stream": True}, (400, "invalid_value", "stream")),
    "svg author without svg": ({"svg": {"model": "m"}}, (400, "invalid_value", "svg")),
    "svg without a model": ({"output_format": "svg", "svg": {}}, (400, "missing_required_parameter", "svg.model")),
    "svg as text": ({"output_format": "svg", "svg": "m"}, (400, "invalid_type", "svg")),
    "svg with more": ({"output_format": "svg", "svg": {"model": "m", "x": 1}}, (400, "unknown_parameter", "svg.x")),
    "svg effort": (
        {"output_format": "svg", "svg": {"model": "m", "reasoning": {"effort": "huge"}}},
        (400, "invalid_value", "svg.reasoning.effort"),
    ),
}


@pytest.mark.parametrize(("fields", "expected"), GENERATIONS.values(), ids=GENERATIONS)
def test_generation_is_refused(sandbox: Sandbox, fields: dict[str, Any], expected: Refusal) -> None:
    """Each wrong field is named, with the service's code."""
    assert refusal(generate(sandbox, **fields)) == expected


IMAGE = part("image", file_of())
EDITS = {
    "seed": ([IMAGE], {"seed": "1"}, (400, "unknown_parameter", "seed")),
    "response_format": ([IMAGE], {"response_format": "url"}, (400, "unknown_parameter", "response_format")),
    "n as words": ([IMAGE], {"n": "two"}, (400, "invalid_type", "n")),
    "n as a fraction": ([IMAGE], {"n": "2.0"}, (400, "invalid_type", "n")),
    "python's True": ([IMAGE], {"stream": "True"}, (400, "invalid_type", "stream")),
    "n twice": ([IMAGE], {"n": ["1", "1"]}, (400, "duplicate_parameter", "n")),
    "n 11": ([IMAGE], {"n": "11"}, (400, "invalid_value", "n")),
    "no prompt": ([IMAGE], {"prompt": ...}, (400, "missing_required_parameter", "prompt")),
    "no model": ([IMAGE], {"model": ...}, (400, "missing_required_parameter", "model")),
    "no image": ([part("mask", file_of("RGBA"))], {}, (400, "missing_required_parameter", "image")),
    "17 images": ([part("image[]", file_of())] * 17, {}, (400, "invalid_value", "image")),
    "no content type": (
        [("image", ("x", file_of()))],
        {},
        (400, "missing_file_mimetype", "image"),
    ),
    "octet-stream": (
        [part("image", file_of(), "application/octet-stream")],
        {},
        (400, "unsupported_file_mimetype", "image"),
    ),
    "gif": ([part("image", file_of(kind="GIF"), "image/gif")], {}, (400, "unsupported_file_mimetype", "image")),
    "no picture": ([part("image", b"no picture")], {}, (400, "invalid_image_file", "image")),
    "half a picture": ([part("image", noise("RGB", (64, 64))[:5000])], {}, (400, "invalid_image_file", "image")),
    "fidelity": ([IMAGE], {"input_fidelity": "medium"}, (400, "invalid_value", "input_fidelity")),
    "retired model": ([IMAGE], {"model": "gpt-image-1"}, (404, "model_not_found", "model")),
    "size": ([IMAGE], {"size": "64x48"}, (400, "invalid_value", "size")),
    "mask without alpha": ([IMAGE, part("mask", file_of())], {}, (400, "invalid_mask_image_format", "mask")),
    "mask of another size": (
        [IMAGE, part("mask", file_of("RGBA", (48, 64)))],
        {},
        (400, "invalid_mask_image_format", "mask"),
    ),
    "mask as webp": (
        [IMAGE, part("mask", file_of("RGBA", kind="WEBP"), "image/webp")],
        {},
        (400, "unsupported_file_mimetype", "mask"),
    ),
    "mask that is no png": (
        [IMAGE, part("mask", file_of("RGBA", kind="WEBP"))],
        {},
        (400, "invalid_mask_image_format", "mask"),
    ),
    "mask cut off": ([IMAGE, part("mask", noise("RGBA", (64, 48))[:5000])], {}, (400, "invalid_image_file", "mask")),
    "two masks": (
        [IMAGE, part("mask", file_of("RGBA")), part("mask", file_of("RGBA"))],
        {},
        (400, "duplicate_parameter", "mask"),
    ),
    "mask with gif": (
        [IMAGE, part("mask", file_of("RGBA"))],
        {"output_format": "gif"},
        (400, "invalid_value", "mask"),
    ),
    "markup with mask": (
        [IMAGE, part("mask", file_of("RGBA")), part("markup", file_of("RGBA"))],
        {},
        (400, "invalid_value", "markup"),
    ),
    "markup without transparency": ([IMAGE, part("markup", file_of())], {}, (400, "invalid_value", "markup")),
    "markup of another size": (
        [IMAGE, part("markup", file_of("RGBA", (48, 64)))],
        {},
        (400, "invalid_value", "markup"),
    ),
    "markup not of the model": (
        [IMAGE, part("markup", file_of("RGBA"))],
        {"model": "gpt-image-2"},
        (400, "invalid_value", "markup"),
    ),
    "unknown file": ([IMAGE, part("picture", file_of())], {}, (400, "unknown_parameter", "picture")),
    "svg as text": ([IMAGE], {"svg": "{}", "output_format": "svg"}, (400, "unknown_parameter", "svg")),
}


@pytest.mark.parametrize(("files", "fields", "expected"), EDITS.values(), ids=EDITS)
def test_edit_is_refused(sandbox: Sandbox, files: list[Any], fields: dict[str, Any], expected: Refusal) -> None:
    """Each wrong part is named, with the service's code."""
    assert refusal(edit(sandbox, files, **fields)) == expected


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


LINK = {"image_url": data_url(file_of())}
JSON_EDITS: dict[str, tuple[dict[str, Any], Refusal]] = {
    "no images": ({}, (400, "missing_required_parameter", "image")),
    "no image in images": ({"images": []}, (400, "missing_required_parameter", "image")),
    "images as an object": ({"images": LINK}, (400, "invalid_type", "images")),
    "image as text": ({"images": ["x"]}, (400, "invalid_type", "images[0]")),
    "the form's name": ({"image": data_url(file_of())}, (400, "unknown_parameter", "image")),
    "neither url nor id": ({"images": [{}]}, (400, "invalid_value", "images[0]")),
    "both url and id": ({"images": [{**LINK, "file_id": "f"}]}, (400, "invalid_value", "images[0]")),
    "more in a reference": ({"images": [{**LINK, "detail": "low"}]}, (400, "unknown_parameter", "images[0].detail")),
    "file id": ({"images": [LINK, {"file_id": "f"}]}, (400, "invalid_value", "images[1].file_id")),
    "web address": ({"images": [{"image_url": "https://x/y.png"}]}, (400, "invalid_value", "images[0].image_url")),
    "bad base64": (
        {"images": [{"image_url": "data:image/png;base64,****"}]},
        (400, "invalid_value", "images[0].image_url"),
    ),
    "long url": (
        {"images": [{"image_url": "x" * 20_971_521}]},
        (400, "string_above_max_length", "images[0].image_url"),
    ),
    "text as image": (
        {"images": [{"image_url": data_url(b"hello", "text/plain")}]},
        (400, "unsupported_file_mimetype", "images[0]"),
    ),
    "no picture": ({"images": [{"image_url": data_url(b"hello")}]}, (400, "invalid_image_file", "images[0]")),
    "mask without alpha": ({"images": [LINK], "mask": LINK}, (400, "invalid_mask_image_format", "mask")),
    "markup": ({"images": [LINK], "markup": LINK}, (400, "unknown_parameter", "markup")),
    "17 images": ({"images": [LINK] * 17}, (400, "invalid_value", "image")),
}


@pytest.mark.parametrize(("fields", "expected"), JSON_EDITS.values(), ids=JSON_EDITS)
def test_edit_as_json_is_refused(sandbox: Sandbox, fields: dict[str, Any], expected: Refusal) -> None:
    """References in JSON are as strict as files."""
    assert refusal(edit_json(sandbox, **fields)) == expected


def test_nulls_in_json_count_as_absent(sandbox: Sandbox) -> None:
    """The SDK's types allow null for optional fields."""
    assert generate(sandbox, n=None, size=None, quality=None, stream=None, svg=None).ok


def test_sixteen_images_and_n_ten_are_allowed(sandbox: Sandbox) -> None:
    """The limits themselves are in."""
    answer = edit(sandbox, [part("image[]", file_of())] * 16, n="10", output_format="jpeg")
    assert len(answer.json()["data"]) == 10


@pytest.mark.slow
def test_image_over_50_mb_is_refused(sandbox: Sandbox) -> None:
    """Length is looked at before the picture."""
    files = [part("image", b"\x89PNG" + bytes(50_000_000))]
    assert refusal(edit(sandbox, files)) == (400, "file_too_large", "image")


@pytest.mark.slow
def test_mask_over_4_mb_is_refused(sandbox: Sandbox) -> None:
    """A mask of noise is quickly too large; the same bytes are fine as an image."""
    large = noise("RGBA", (1100, 1100))
    files = [part("image", large), part("mask", large)]
    assert refusal(edit(sandbox, files)) == (400, "file_too_large", "mask")


def test_mask_with_a_transparent_palette_colour_has_alpha(sandbox: Sandbox) -> None:
    """A tRNS chunk counts as alpha."""
    assert edit(sandbox, [IMAGE, part("mask", file_of("P", transparency=0))]).ok


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"{", "application/json", None),
        (b"[]", "application/json", None),
        (b"\xff", "application/json", None),
        (b"[" * 100_000, "application/json", None),
        (b"prompt=x", "application/x-www-form-urlencoded", "unsupported_content_type"),
        (b"--b\r\n", "multipart/form-data; boundary=b", "unsupported_content_type"),
        (b"{}", "", "unsupported_content_type"),
    ],
)
def test_unreadable_body_is_refused(sandbox: Sandbox, body: bytes, kind: str, code: str | None) -> None:
    """Generations are JSON, an object, and nothing else."""
    url = f"{sandbox.base_url}/v1/images/generations"
    answer = requests.post(url, data=body, headers={"Content-Type": kind} if kind else {}, timeout=30)
    assert refusal(answer) == (400, code, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b\r\n",
        b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n',
        b"--b\r\nContent-Type: text/plain\r\n\r\n1\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="n"\r\n--b--\r\n',
    ],
    ids=["empty", "only a delimiter", "not closed", "no name", "no blank line"],
)
def test_broken_form_is_refused(sandbox: Sandbox, body: bytes) -> None:
    """A form must be whole."""
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = requests.post(f"{sandbox.base_url}/v1/images/edits", data=body, headers=headers, timeout=30)
    assert refusal(answer) == (400, None, None)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/images/variations", 404),
        ("GET", "/v1/images/generations", 405),
        ("GET", "/", 404),
        ("GET", "/assets/none", 404),
        ("GET", "/v1/models/none", 404),
    ],
)
def test_wrong_address_is_told_in_the_services_shape(sandbox: Sandbox, method: str, path: str, status: int) -> None:
    """Also what the router answers has the shape and a request id."""
    answer = requests.request(method, sandbox.base_url + path, timeout=30)
    assert refusal(answer)[0] == status


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"seed": 1}, "invalid_request_error"),
        ({"background": "transparent", "output_format": "jpeg"}, "image_generation_user_error"),
    ],
)
def test_error_types(sandbox: Sandbox, fields: dict[str, Any], kind: str) -> None:
    """What is wrong with the wish for a picture has a type of its own."""
    assert generate(sandbox, **fields).json()["error"]["type"] == kind


def test_failure_of_the_sandbox_is_a_server_error() -> None:
    """A bug in what draws is a 500 in the service's shape, not a dead connection."""

    def broken(_request: Any, _index: int) -> bytes:
        raise RuntimeError("bug")

    with Sandbox(render=broken) as own:
        answer = generate(own)
        assert refusal(answer)[0] == 500
        assert answer.json()["error"]["type"] == "server_error"


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        (file_of("RGB", (5, 7)), "RGB"),
        (file_of("LA", (5, 7)), "RGBA"),
        (file_of("P", (5, 7), transparency=3), "RGBA"),
        (file_of("L", (5, 7), transparency=3), "RGBA"),
        (file_of("RGB", (5, 7), kind="JPEG"), "RGB"),
    ],
)
def test_alpha_is_a_channel_or_a_transparent_colour(data: bytes, mode: str) -> None:
    """Size and alpha are those of the file: of its alpha channel or its tRNS chunk."""
    image = read_image(data)
    assert (image.size, image.mode) == ((5, 7), mode)


def test_chunk_that_lies_is_unreadable() -> None:
    """A length beyond the end of the file is found out."""
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    lie = struct.pack(">I", 0xFFFFFFFF) + b"tEXt"
    for data in (b"", b"\x89PNG\r\n\x1a\n" + chunk + lie):
        with pytest.raises(ValueError, match="unreadable image"):
            read_image(data)


def test_a_path_that_azure_has_not_is_refused_as_there(sandbox: Sandbox) -> None:
    """Clients that leave the deployment out of an edit's path meet this; no field of it is OpenAI's."""
    answer = requests.post(f"{sandbox.base_url}/openai/images/edits", timeout=60)
    assert answer.status_code == 404
    assert answer.json() == {"error": {"code": "404", "message": "Resource not found"}}
