"""Runs of the node: every kind of picture in and out, and what the report says of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from openai_image_nodes.api import JOBS, Job
from openai_image_nodes.utils import encode
from support.capture import Capture, picture, pixels, success
from support.node_calls import (
    NODE_CLASS_MAPPINGS,
    GPTImage,
    as_bytes,
    half_mask,
    newest,
    node,
    photo,
    scribble,
    together,
    use_openai,
)

SANDBOX: dict[str, Any] = {"connection": "sandbox"}
KEYS = {
    *("connection", "host", "model", "size", "quality", "n", "request_id", "elapsed_s", "tokens", "cost_usd"),
    *("credits", "reused", "notes"),
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


def test_text_gives_a_picture_of_the_size_asked() -> None:
    """float32 [1,H,W,3] in 0..1, nothing of it transparent."""
    image, alpha, report = node(size="1024x1536", **SANDBOX)
    assert (image.shape, image.dtype) == ((1, 1536, 1024, 3), torch.float32)
    assert (alpha.shape, alpha.dtype) == ((1, 1536, 1024), torch.float32)
    assert (float(image.min()) >= 0, float(image.max()) <= 1, float(alpha.max())) == (True, True, 0)
    assert (report["connection"], report["size"], report["n"]) == ("sandbox", "1024x1536", 1)


def test_same_inputs_give_the_same_picture() -> None:
    """The sandbox is deterministic, and a kept picture is the same as a new one."""
    first, again, other = (
        node(seed=seed, reuse=reuse, **SANDBOX)[0] for seed, reuse in ((1, True), (1, False), (1, True))
    )
    assert torch.equal(first, again)
    assert torch.equal(first, other)


def test_edit_keeps_what_the_mask_closes() -> None:
    """The sandbox redraws the open half and returns every other pixel as it was, all 256 levels."""
    image = photo(96, 128)
    edited = node(image=image, mask=half_mask(96, 128), **SANDBOX)[0]
    assert np.array_equal(as_bytes(edited[0])[:, 64:], as_bytes(image[0])[:, 64:])
    assert not np.array_equal(as_bytes(edited[0])[:, :64], as_bytes(image[0])[:, :64])


def test_lock_is_exact_whatever_size_comes_back() -> None:
    """The sandbox draws 1024x1024 for a picture of 128x96: outside the mask each pixel is the input's."""
    image = photo(96, 128)
    mask = half_mask(96, 128)
    locked, _, report = node(image=image, mask=mask, mask_mode="lock", size="1024x1024", **SANDBOX)
    assert locked.shape == image.shape
    assert np.array_equal(as_bytes(locked[0])[:, 64:], as_bytes(image[0])[:, 64:])
    assert not np.array_equal(as_bytes(locked[0])[:, :64], as_bytes(image[0])[:, :64])
    assert any("outside the mask" in note for note in report["notes"])


def test_references_may_have_any_sizes() -> None:
    """Several pictures of different sizes in one request; the first one decides what comes back."""
    references = [photo(30, 70)[0], photo(90, 20, 4)[0], photo(16, 16, 1)[0]]
    image, _, report = node(image=photo(64, 96), references=references, **SANDBOX)
    assert image.shape[1:3] == (64, 96)
    assert report["operation"] == "edits"


def test_markup_is_taken() -> None:
    """A model that reads markup gets it with its transparency."""
    assert node(image=photo(), markup=scribble(), model=newest(markup=True), **SANDBOX)[0].shape == (1, 48, 64, 3)


def test_transparent_background_gives_four_channels_and_alpha() -> None:
    """RGBA out; the mask output has Load Image's polarity: 1 is see-through."""
    image, alpha, _ = node(background="transparent", size="1024x1024", **SANDBOX)
    assert image.shape == (1, 1024, 1024, 4)
    assert torch.equal(alpha, 1 - image[..., 3])
    assert float(alpha.max()) == 1


def test_n_gives_a_batch() -> None:
    """Three pictures of one request, and three in the report."""
    image, alpha, report = node(n=3, size="1024x1024", **SANDBOX)
    assert (image.shape[0], alpha.shape[0], report["n"]) == (3, 3, 3)
    assert not torch.equal(image[0], image[1])


@pytest.mark.parametrize("output_format", ["png", "webp", "jpeg"])
def test_every_file_format_is_understood(output_format: str) -> None:
    """What was asked as webp or jpeg comes back as an image as well."""
    compression = 100 if output_format == "png" else 60
    image = node(output_format=output_format, output_compression=compression, size="1024x1024", **SANDBOX)[0]
    assert image.shape == (1, 1024, 1024, 3)


def test_report_has_everything_that_was_asked_and_answered(server: Capture) -> None:
    """All keys are always there; what the service did not say is null."""
    server.reply(200, success(quality="medium", size="1024x1024"), {"x-request-id": "req_1"})
    full, bare = node(quality="auto")[2], node(seed=1)[2]
    assert set(full) >= KEYS
    assert set(bare) == set(full)
    assert (full["quality"], full["size"], full["request_id"]) == ("medium", "1024x1024", "req_1")
    assert (bare["request_id"], bare["tokens"], bare["cost_usd"], bare["notes"]) == (None, None, None, [])
    assert (bare["connection"], bare["host"]) == ("openai", server.base_url.removeprefix("http://"))
    assert (bare["model"], bare["n"], bare["reused"]) == ("gpt-image-2.6-flare", 1, False)
    assert bare["elapsed_s"] >= 0


def test_sandbox_reports_tokens() -> None:
    """The usage of the answer, by kind."""
    tokens = node(model="gpt-image-2", quality="low", size="1024x1024", **SANDBOX)[2]["tokens"]
    assert tokens["output_tokens"] == 196


def test_sandbox_reports_that_nothing_was_paid() -> None:
    """No sum of costs may count it; what the service would ask is told beside it."""
    report = node(model="gpt-image-2.6-flare", size="1024x1024", quality="low", **SANDBOX)[2]
    assert report["cost_usd"] is None
    assert report["would_cost_usd"] == pytest.approx(824 * 30e-6, abs=1e-4)


def test_paid_picture_is_not_bought_twice(server: Capture) -> None:
    """The same inputs: free from the store. Another seed, or reuse off: asked again."""
    reports = [node(**inputs)[2] for inputs in ({}, {}, {"seed": 1}, {"reuse": False}, {})]
    assert [report["reused"] for report in reports] == [False, True, False, False, True]
    assert len(server.posts) == 3


def test_what_is_kept_is_not_encoded_again(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digests of the pixels find the answer: the files of picture and mask are of no use then."""
    inputs = {"image": photo(48, 64), "mask": half_mask(48, 64)}
    node(**inputs)
    monkeypatch.setattr(encode, "encode_png", None)
    assert node(**inputs)[2]["reused"]


def test_what_was_kept_and_is_gone_goes_out_as_before(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is deleted between the look and the run: its pictures are made again, the same bytes go out."""
    inputs = {"image": torch.cat([photo(48, 64), photo(48, 64) / 2]), "mask": half_mask(48, 64)}
    node(**inputs)
    newest_folder = Path(node(**inputs)[2]["kept_in"])
    is_kept, encoded = JOBS.is_kept, Mock(side_effect=encode.encode_png)
    monkeypatch.setattr(encode, "encode_png", encoded)

    def look_and_delete(job: Job) -> bool:
        found = is_kept(job)
        shutil.rmtree(newest_folder)
        return found

    monkeypatch.setattr(JOBS, "is_kept", look_and_delete)
    assert not node(**inputs)[2]["reused"]
    assert server.posts[0].body == server.posts[1].body
    assert encoded.call_count == 3


@pytest.mark.parametrize(
    ("reuse", "is_kept_taken"),
    [(None, True), ("", True), ([], True), ("false", True), (0, False), (np.False_, False), (1, True)],
    ids=repr,
)
def test_only_a_clear_no_has_the_same_paid_again(server: Capture, reuse: Any, is_kept_taken: bool) -> None:
    """A link may give anything for reuse, and most of it looks like no to Python."""
    node()
    assert node(reuse=reuse)[2]["reused"] is is_kept_taken


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tensors_of_any_kind_are_taken(server: Capture, dtype: torch.dtype, channels: int) -> None:
    """Any float type, grey, RGB or RGBA, with gradients; clamped, rounded, and grey as RGB."""
    image = (photo(channels=channels) * 3 - 1).to(dtype).requires_grad_()
    node(image=image, transparent_pixels="own colours")
    wanted = as_bytes(image[0].detach().float().clamp(0, 1))
    assert np.array_equal(pixels(server.last.files()[0].data), wanted.repeat(3, 2) if channels == 1 else wanted)


def test_inputs_are_not_written_to(server: Capture) -> None:
    """ComfyUI hands the same tensors to other nodes."""
    image, mask, markup = photo() * 2 - 0.5, half_mask(), scribble()
    copies = [each.clone() for each in (image, mask, markup)]
    server.reply(200, success(picture(64, 48)))
    node(image=image, mask=mask, mask_mode="lock")
    node(image=image, markup=markup)
    assert all(torch.equal(each, copy) for each, copy in zip((image, mask, markup), copies, strict=True))


def test_legacy_id_runs_workflows_of_the_old_node() -> None:
    """OpenAIGPTImage1 of a saved workflow: its eight inputs are enough."""
    assert NODE_CLASS_MAPPINGS["OpenAIGPTImage1"] is GPTImage
    old = {
        "seed": 5,
        "quality": "low",
        "background": "opaque",
        "size": "1024x1024",
        "n": 1,
        "image": None,
        "mask": None,
    }
    assert node(**old, **SANDBOX)[0].shape == (1, 1024, 1024, 3)


def test_of_two_who_wait_for_one_request_one_has_paid(server: Capture) -> None:
    """The sum of the costs of all reports that are not reused is the bill."""
    runs = together({"seed": 5}, {"seed": 5})
    assert len(server.requests) == 1
    assert sorted(json.loads(report)["reused"] for _, _, report, _ in runs) == [False, True]
