"""Sketches while the picture is made: shown in their own node, never taken for the picture."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from openai_image_nodes.api.errors import ModeratedError, OutcomeUnknownError, RefusedError
from openai_image_nodes.nodes.run import progress
from openai_image_nodes.sandbox import Sandbox
from PIL import Image
from support.faults import Fault, Faults
from support.node_calls import KEY, node, photo, together

STREAM = {"Content-Type": "text/event-stream"}
Shown = list[tuple[str, int, int, Image.Image]]


@pytest.fixture
def faults() -> Faults:
    """What the service is told to do."""
    return Faults()


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch, faults: Faults) -> Iterator[Sandbox]:
    """A service that streams, as the connection openai."""
    with Sandbox(middlewares=[faults]) as running:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{running.base_url}/v1")
        yield running


@pytest.fixture(autouse=True)
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """The previews that ComfyUI was asked to show: node, value, total, picture."""
    previews: Shown = []

    class ProgressBar:
        def __init__(self, total: int, node_id: str) -> None:
            self.total, self.node_id = total, node_id

        def update_absolute(self, value: int, total: int, preview: Any) -> None:
            assert preview is None or preview[0] == "JPEG"
            previews.append((self.node_id, value, total, preview and preview[1]))

    monkeypatch.setitem(sys.modules, "comfy", ModuleType("comfy"))
    monkeypatch.setitem(sys.modules, "comfy.utils", SimpleNamespace(ProgressBar=ProgressBar))
    return previews


def ask(**inputs: Any) -> Any:
    """Ask for a picture with two sketches."""
    return node(**{"live_preview": 2, "size": "1024x1024", "unique_id": "7", **inputs})


@pytest.mark.parametrize("error", [RefusedError("no thread"), MemoryError(), RuntimeError("another pack's fault")])
def test_sketch_that_cannot_be_shown_keeps_no_picture_back(
    faults: Faults, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """It ended the run, after the request was paid."""

    def fail(_data: bytes) -> Image.Image:
        raise error

    monkeypatch.setattr(progress, "preview_image", fail)
    final = {**partial("blue"), "type": "image_generation.completed", "usage": {"output_tokens": 5}}
    faults.add(Fault(status=200, body=events(partial(), final), headers=STREAM, slow_s=0.4))
    assert ask()[0][0, 0, 0].tolist() == [0, 0, 1]


@pytest.mark.slow
def test_sketches_are_shown_in_their_node_and_the_final_picture_is_the_answer(faults: Faults, shown: Shown) -> None:
    """The request asks for a stream; the answer is that of a plain request."""
    final = {**partial("blue"), "type": "image_generation.completed", "usage": {"output_tokens": 5}}
    faults.add(Fault(status=200, body=events(partial(), partial(), final), headers=STREAM, slow_s=1.5))
    image, _, report = ask()
    sent = faults.requests[0].json()
    assert (sent["stream"], sent["partial_images"]) == (True, 2)
    *sketches, finished = shown
    assert [(node_id, value, total) for node_id, value, total, _ in sketches] == [("7", 1, 100), ("7", 1, 100)]
    assert {picture.getpixel((0, 0)) for *_, picture in sketches} == {(255, 0, 0)}
    assert finished[:3] == ("7", 100, 100)
    assert finished[3].getpixel((0, 0)) == (0, 0, 255)  # it stays in the node, where the last sketch would
    assert image[0, 0, 0].tolist() == [0, 0, 1]
    assert report["tokens"]["output_tokens"] == 5


def test_picture_without_sketches_is_not_shown_as_one(faults: Faults, shown: Shown) -> None:
    """Who asked for none sees none in the node, also where the picture comes from the store."""
    ask(live_preview=0)
    faults.answer(200, json.dumps(plain_answer()).encode(), headers={"Content-Type": "application/json"})
    ask(seed=1)
    ask(seed=1)
    assert [picture for *_, picture in shown if picture is not None] == []


def test_stream_of_the_sandbox_is_understood(faults: Faults) -> None:
    """The sandbox streams as the service does."""
    image, _, report = ask()
    assert (image.shape, faults.posts) == ((1, 1024, 1024, 3), 1)
    assert report["tokens"]["output_tokens"] > 0


def test_streamed_and_plain_are_the_same_job(faults: Faults) -> None:
    """What was paid with sketches comes back for nothing without them."""
    streamed, plain = ask(), ask(live_preview=0)
    assert (faults.posts, plain[2]["reused"]) == (1, True)
    assert bool((streamed[0] == plain[0]).all())


def test_several_nodes_show_their_own_sketches(shown: Shown) -> None:
    """Two nodes at once do not mix them up."""
    calls = [{"unique_id": str(n), "seed": n, "live_preview": 3, "size": "1024x1024"} for n in (1, 2)]
    assert all(not isinstance(result, Exception) for result in together(*calls))
    assert {node_id for node_id, *_ in shown} <= {"1", "2"}


def test_edits_stream_too(faults: Faults) -> None:
    """In a form, stream is written in lower case."""
    ask(image=photo())
    assert b'name="stream"\r\n\r\ntrue\r\n' in faults.requests[0].body


def test_server_that_does_not_stream_is_understood(faults: Faults) -> None:
    """A relay may ignore the field and answer plainly."""
    faults.answer(200, json.dumps(plain_answer()).encode(), headers={"Content-Type": "application/json"})
    assert ask()[0].shape[0] == 1


def test_end_without_a_final_picture_is_an_error_and_keeps_the_sketches(faults: Faults) -> None:
    """It may have been billed, so it is not sent again, and what came is kept."""
    faults.answer(200, events(partial()), headers=STREAM)
    with pytest.raises(OutcomeUnknownError, match="without its final event"):
        ask()
    with pytest.raises(OutcomeUnknownError):
        ask()
    assert faults.posts == 1
    assert len(list(Path(os.environ["OPENAI_IMAGE_NODES_HOME"]).rglob("partial_0.png"))) == 1


def test_error_event_is_the_services_own_error(faults: Faults) -> None:
    """With its words, also after sketches came."""
    error = {"type": "error", "error": {"message": "Not this.", "code": "moderation_blocked"}}
    faults.answer(200, events(partial(), error), headers=STREAM)
    with pytest.raises(ModeratedError, match="Not this"):
        ask()
    assert faults.posts == 1


def test_key_in_an_error_event_is_taken_out(faults: Faults) -> None:
    """Streams are answers as well."""
    error = {"type": "error", "error": {"message": f"Bad key {KEY}", "code": "invalid_value"}}
    faults.answer(200, events(error), headers={**STREAM, "x-request-id": KEY})
    with pytest.raises(RefusedError) as refused:
        ask()
    assert KEY not in f"{refused.value} {refused.value.request_id}"


def test_several_pictures_are_asked_for_plainly(faults: Faults) -> None:
    """Which sketch belongs to which picture is not told by the service."""
    _, _, report = ask(n=2)
    assert "stream" not in faults.requests[0].json()
    assert any("No sketches were shown" in note for note in report["notes"])


def test_comfy_is_asked_plainly(monkeypatch: pytest.MonkeyPatch, faults: Faults, service: Sandbox) -> None:
    """Its proxy does not declare streams, and a stream cannot be replayed."""
    monkeypatch.setenv("COMFY_API_BASE", service.base_url)
    _, _, report = ask(connection="comfy.org", api_key="comfyui-test-key")
    assert "stream" not in faults.requests[0].json()
    assert any("comfy.org does not send sketches" in note for note in report["notes"])


def plain_answer() -> dict[str, Any]:
    """Return an answer without a stream."""
    return {"data": [{"b64_json": partial()["b64_json"]}]}


def partial(colour: str = "red") -> dict[str, Any]:
    """Return the event of a sketch."""
    file = BytesIO()
    Image.new("RGB", (16, 16), colour).save(file, "PNG")
    return {
        "type": "image_generation.partial_image",
        "b64_json": base64.b64encode(file.getvalue()).decode(),
        "partial_image_index": 0,
    }


def events(*data: dict[str, Any]) -> bytes:
    """Return events as a server writes them."""
    return "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in data).encode()


@pytest.mark.slow
def test_bar_moves_by_how_long_it_took_before(faults: Faults, shown: Shown) -> None:
    """The second picture of a kind knows the time of the first; only the picture itself is the end."""
    faults.delay(before_s=0.6)
    ask(live_preview=0)
    assert shown == []
    faults.delay(before_s=0.9)
    ask(live_preview=0, seed=1)
    values = [value for _, value, _, _ in shown]
    assert values == sorted(set(values))
    assert 0 < values[-1] <= 95
