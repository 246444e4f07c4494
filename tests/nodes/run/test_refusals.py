"""Refusals by widgets: what is wrong, both values, what to do; before the run where it can be known, and in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai_image_nodes.api.catalog import catalog
from openai_image_nodes.api.errors import OpenAIImageError, RefusedError
from support.capture import Capture, picture, success
from support.node_calls import KEY, node, photo, use_openai, validated

HOST_DIALOGS = (
    "Unauthorized: Please login first to use this node",
    "Payment Required: Please add credits to your account to use this node",
)
FIXED = "gpt-image-with-fixed-sizes"  # the shipped models of this kind end on 2026-12-01
Case = tuple[dict[str, Any], list[str]]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    entry = {"id": FIXED, "like": "gpt-image-1.5", "status": "live", "shutdown_date": None}
    Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "models.json").write_text(json.dumps({"models": [entry]}))
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


WIDGETS: dict[str, Case] = {
    "empty prompt": ({"prompt": ""}, ["The prompt is empty", "Say what"]),
    "blank prompt": ({"prompt": " \n\t "}, ["The prompt is empty", "Say what"]),
    "long prompt": ({"prompt": "x" * 32_001}, ["32,001", "32,000", "Shorten"]),
    "quality of other models": (
        {"model": "gpt-image-2", "quality": "max"},
        ["quality max", "gpt-image-2", "auto, low, medium, high", "Choose"],
    ),
    "quality unknown": ({"quality": "splendid"}, ["quality splendid", "low, medium, high, xhigh, max", "Choose"]),
    "size of other models": (
        {"model": FIXED, "size": "2048x2048"},
        ["2048x2048", FIXED, "auto, 1024x1024, 1536x1024, 1024x1536", "Choose"],
    ),
    "custom size of other models": (
        {"model": FIXED, "size": "custom", "custom_width": 1280, "custom_height": 720},
        ["1280x720", FIXED, "1024x1024", "Choose"],
    ),
    "size unknown": ({"size": "huge"}, ["'huge'", "1024x1024", "match image", "Choose"]),
    "n too small": ({"n": 0}, ["n is 0", "from 1 to 10"]),
    "n too large": ({"n": 11}, ["n is 11", "from 1 to 10"]),
    "compression with png": (
        {"output_compression": 50},
        ["output_compression 50", "png", "Choose webp or jpeg", "set output_compression to 100"],
    ),
    "compression too large": ({"output_format": "webp", "output_compression": 101}, ["101", "from 0 to 100"]),
    "compression too small": ({"output_format": "jpeg", "output_compression": -1}, ["-1", "from 0 to 100"]),
    "transparent jpeg": (
        {"background": "transparent", "output_format": "jpeg"},
        ["background transparent", "png or webp", "jpeg", "Change one"],
    ),
    "background unknown": ({"background": "green"}, ["background green", "auto, opaque, transparent", "Choose"]),
    "transparent where it ended": (
        {"model": "gpt-image-2", "background": "transparent"},
        ["background transparent", "gpt-image-2", "auto, opaque", "gpt-image-2.6-flare", "gpt-image-2.5-sunburst"],
    ),
    "format unknown": ({"output_format": "bmp"}, ["output_format", "bmp", "png, webp, jpeg", "Choose"]),
    "format of another node": ({"output_format": "svg"}, ["output_format", "svg", "png, webp, jpeg", "Choose"]),
    "moderation unknown": ({"moderation": "none"}, ["moderation none", "auto, low", "Choose"]),
    "complexity unknown": ({"complexity": "total"}, ["complexity total", "low, medium, high", "Choose"]),
    "mask mode unknown": ({"mask_mode": "strict"}, ["mask_mode 'strict'", "guide, lock, blend, region", "Choose"]),
    "live preview": ({"live_preview": 4}, ["live_preview is 4", "from 0 to 3"]),
    "text for a number": ({"n": "fixed"}, ["n is 'fixed'", "no whole number", "Set it again"]),
    "text for live_preview": ({"live_preview": "auto"}, ["live_preview is 'auto'", "no whole number"]),
    "text for compression": ({"output_compression": "png"}, ["output_compression is 'png'", "no whole number"]),
    "text for a side": ({"size": "custom", "custom_width": "low"}, ["custom_width is 'low'", "no whole number"]),
    "half a number": ({"n": 1.5}, ["n is 1.5", "no whole number"]),
    "yes for a number": ({"n": True}, ["n is True", "no whole number"]),
    "no number": ({"live_preview": float("nan")}, ["live_preview is nan", "no whole number"]),
    "number for a text": ({"quality": 183495656}, ["quality is 183495656", "no text", "Set it again"]),
    "number for a size": ({"size": 1024}, ["size is 1024", "no text"]),
    "number for a model": ({"model": 2}, ["model is 2", "no text"]),
    "number for a prompt": ({"prompt": 7}, ["prompt is 7", "no text"]),
    "number for a connection": ({"connection": 0}, ["connection is 0", "no text"]),
    "list for a background": ({"background": ["a"] * 99}, ["background is ['a', 'a'", "...", "no text"]),
    "text for a seed": ({"seed": "randomize"}, ["seed is 'randomize'", "no whole number"]),
    "model empty": ({"model": " "}, ["model", "Choose"]),
    "connection unknown": (
        {"connection": "nowhere"},
        ["'nowhere'", "auto, comfy.org, openai, azure, sandbox"],
    ),
    "match image without one": ({"size": "match image"}, ["match image", "none is connected", "choose a size"]),
    "fidelity without image": (
        {"input_fidelity": "high"},
        ["input_fidelity", "none is connected", "Connect an image or set it back to auto"],
    ),
    "retired model": (
        {"model": "gpt-image-1"},
        ["gpt-image-1", "2026-10-23", "gpt-image-2.5-sunburst or gpt-image-2.5-flare", "Choose"],
    ),
}
CUSTOM: dict[str, tuple[int, int, list[str]]] = {
    "no multiple": (1000, 1024, ["divisible by 16"]),
    "side too short": (464, 1392, ["464", "480"]),
    "side too long": (3856, 2160, ["3856", "3840"]),
    "too wide": (1536, 496, ["3.10:1", "3:1"]),
    "too tall": (480, 1456, ["3.03:1", "3:1"]),
    "too few pixels": (800, 800, ["640,000", "655,360"]),
    "too many pixels": (3840, 2176, ["8,355,840", "8,294,400"]),
}
ALL: dict[str, Case] = {
    **WIDGETS,
    **{
        name: (
            {"size": "custom", "custom_width": width, "custom_height": height},
            [f"{width}x{height}", *told, "Choose another size"],
        )
        for name, (width, height, told) in CUSTOM.items()
    },
}
CASES = pytest.mark.parametrize(("inputs", "told"), ALL.values(), ids=ALL)


def refused(server: Capture, **inputs: Any) -> OpenAIImageError:
    """Return the error of a run that must end before anything is sent."""
    with pytest.raises(OpenAIImageError) as caught:
        node(**inputs)
    assert server.requests == []
    assert not any(phrase in str(caught.value) for phrase in (KEY, *HOST_DIALOGS))
    return caught.value


@CASES
def test_a_run_is_refused_before_it_is_sent(server: Capture, inputs: dict[str, Any], told: list[str]) -> None:
    """Linked values are seen only in the run: there the same words stop it, and the server hears nothing."""
    error = refused(server, **inputs)
    assert isinstance(error, RefusedError)
    assert [piece for piece in told if piece not in str(error)] == []


@CASES
def test_a_run_is_refused_before_it_starts(server: Capture, inputs: dict[str, Any], told: list[str]) -> None:
    """VALIDATE_INPUTS says it first, so that no other node runs for nothing."""
    message = validated(**inputs)
    assert isinstance(message, str)
    assert [piece for piece in told if piece not in message] == []
    assert not any(phrase in message for phrase in (KEY, *HOST_DIALOGS))


@pytest.mark.parametrize("n", [2.0, np.int64(2), np.float32(2)])
def test_whole_number_of_another_kind_is_taken(server: Capture, n: Any) -> None:
    """Nodes of other packs hand over numbers in their own kind: the request has the plain one."""
    server.reply(200, success(picture(), picture()))
    node(n=n, seed=np.int64(5))
    assert repr(server.last.fields()["n"]) == "2"


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_seed_outside_its_widget_is_refused_before_the_run(server: Capture, seed: int) -> None:
    """The limits that ComfyUI no longer checks where a node checks by itself."""
    message = str(validated(seed=seed))
    assert f"seed is {seed}" in message
    assert "from 0 to 2147483647" in message


def test_linked_seed_may_be_any_whole_number(server: Capture) -> None:
    """Seeds of other nodes have 64 bits; ours is never sent, so each of them names a picture of its own."""
    seeds = (2**64 - 1, 2**64 - 2, -1, -(2**63))
    reports = [node(seed=seed)[2] for seed in (*seeds, *seeds)]
    assert [report["reused"] for report in reports] == [False] * 4 + [True] * 4


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1, 10**400])
def test_seed_that_no_record_could_hold_is_refused_before_it_is_paid(server: Capture, seed: int) -> None:
    """Its picture was paid, and could not be read again."""
    with pytest.raises(RefusedError, match="seed is"):
        node(seed=seed)
    assert server.requests == []


def test_defaults_pass(server: Capture) -> None:
    """With a prompt and nothing else, a run may start."""
    assert validated() is True


LINKED = [
    "prompt",
    "seed",
    "quality",
    "background",
    "size",
    "n",
    "model",
    "connection",
    "custom_width",
    "output_format",
]


@pytest.mark.parametrize("name", LINKED)
def test_linked_values_are_not_judged_before_the_run(server: Capture, name: str) -> None:
    """A linked input is None before the run: that is no reason to refuse it."""
    assert validated(**{name: None}) is True


def test_other_faults_are_found_beside_linked_values(server: Capture) -> None:
    """A linked model does not hide an empty prompt."""
    assert "The prompt is empty" in str(validated(model=None, prompt=""))


def test_longest_prompt_is_counted_after_stripping(server: Capture) -> None:
    """32,000 characters pass, whatever blanks are around them."""
    assert validated(prompt=" " * 9 + "x" * 32_000 + "\n") is True


@pytest.mark.parametrize(("width", "height"), [(480, 1440), (1440, 480), (3840, 2160), (2160, 3840), (1024, 640)])
def test_sizes_at_the_limits_pass(server: Capture, width: int, height: int) -> None:
    """Every limit of the size rules is itself allowed."""
    assert validated(size="custom", custom_width=width, custom_height=height) is True


def test_custom_sides_are_not_judged_without_size_custom(server: Capture) -> None:
    """The sides are widgets of size custom alone."""
    assert validated(custom_width=480, custom_height=3840) is True


@pytest.mark.parametrize("pictures", [{"image": None}, {"references": None}])
def test_match_image_and_fidelity_pass_with_a_linked_picture(server: Capture, pictures: dict[str, None]) -> None:
    """Before the run a linked picture is enough."""
    assert validated(size="match image", input_fidelity="high", **pictures) is True


@pytest.mark.slow
def test_match_image_finds_a_legal_size_for_every_model(server: Capture) -> None:
    """No picture, however thin, leads to a size that the model refuses."""
    for index, model in enumerate([*catalog.choices(), FIXED]):
        node(model=model, size="match image", image=photo(8, 640), seed=index)
    sent = [request.fields() for request in server.posts]
    assert {fields["size"] for fields in sent if fields["model"] == FIXED} == {"1536x1024"}
    assert {fields["size"] for fields in sent if fields["model"] == "gpt-image-2"} == {"1280x512"}


@pytest.mark.parametrize("name", ["prompt", "model", "quality", "size", "n", "custom_width", "custom_height"])
def test_link_that_gives_nothing_is_refused_before_it_is_paid(name: str) -> None:
    """Else the service would choose, dearly, or the picture that came could not be handed on."""
    with pytest.raises(RefusedError, match=f"{name} is None"):
        node(**{"connection": "sandbox", "size": "custom", name: None})


@pytest.mark.parametrize("name", ["quality", "background", "output_format", "moderation", "mask_mode"])
def test_workflow_writes_nothing_to_the_console_that_it_obeys(name: str) -> None:
    """ComfyUI logs what is refused: a stranger's value must not move the cursor, or hide the line above."""
    told = str(validated(**{name: "\x1b[2Jhigh\x9b1A\ud800"}))
    assert name in told
    assert told.isprintable()
