"""The pack in a real ComfyUI, over HTTP."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import make_examples
import numpy as np
import pytest
from openai_image_nodes.sandbox import Sandbox
from PIL import Image
from support.comfyui import FOLDER, KEY, ROOT, ComfyUI
from support.faults import Fault, Faults

EXAMPLES = sorted(path.stem for path in (ROOT / "example_workflows").glob("*.json"))
INPUTS = [
    *("seed", "quality", "background", "size", "n", "image", "mask", "model", "connection", "custom_width"),
    *("custom_height", "output_format", "output_compression", "moderation", "input_fidelity", "complexity"),
    *("mask_mode", "live_preview", "reuse", "region_context", "references", "markup"),
]
BUILT_IN = "OpenAIGPTImage1"
OLDER = {"BatchImagesNode": "ImageBatch"}  # what an older ComfyUI has in its place
TEXT_EVENT = 3


def example(title: str) -> tuple[dict[str, Any], dict[str, Any], Image.Image]:
    """Return prompt, workflow and pixels of an example's picture, as somebody who drops it on the canvas gets them."""
    with Image.open(ROOT / "example_workflows" / f"{title}.png") as picture:
        picture.load()
        return json.loads(picture.text["prompt"]), json.loads(picture.text["workflow"]), picture


def asking(*connections: str) -> dict[str, Any]:
    """Return a prompt that was never asked before: one of our nodes per connection, each with its own Save Image."""
    prompt: dict[str, Any] = {}
    for number, connection in enumerate(connections):
        asked = {"prompt": f"picture {number} {time.time_ns()}", "connection": connection, "seed": number}
        prompt[f"ask{number}"] = {"class_type": "OIN_GPTImage", "inputs": asked}
        saved = {"images": [f"ask{number}", 0], "filename_prefix": "e2e"}
        prompt[f"save{number}"] = {"class_type": "SaveImage", "inputs": saved}
    return prompt


@pytest.mark.short
def test_the_pack_loads_without_a_complaint(comfyui: ComfyUI) -> None:
    """A folder whose name has a hyphen and a dot is no trouble."""
    assert f"custom_nodes/{FOLDER}" in comfyui.log.replace("\\", "/")
    assert "IMPORT FAILED" not in comfyui.log
    help_page = comfyui.file(
        "/extensions/my-pack/docs/OIN_GPTImage/en.md"
    )  # the page asks so, without what is behind the dot
    assert help_page.text.startswith("# OpenAI GPT Image")


@pytest.mark.short
def test_the_main_node_has_the_contracts_inputs_in_order(comfyui: ComfyUI) -> None:
    """Saved workflows store widget values by position."""
    node = comfyui.json("/object_info/OIN_GPTImage")["OIN_GPTImage"]
    assert node["input_order"]["required"] == ["prompt"]
    assert [name for name in node["input_order"]["optional"] if name in INPUTS] == INPUTS
    outputs = list(zip(node["output_name"], node["output"], strict=True))
    assert outputs[:3] == [("image", "IMAGE"), ("alpha", "MASK"), ("report", "STRING")]
    assert (node["category"], node["display_name"]) == ("image/OpenAI", "OpenAI GPT Image")
    assert not node.get("api_node")


def test_the_references_node_has_eight_sockets_and_a_chain(comfyui: ComfyUI) -> None:
    """Pictures of any sizes go in, one collection comes out."""
    node = comfyui.json("/object_info/OIN_References")["OIN_References"]
    assert node["input_order"]["optional"] == [*(f"image_{number}" for number in range(1, 9)), "references"]
    assert node["output"] == ["OIN_REFERENCES"]


def test_the_built_in_node_is_left_alone(comfyui: ComfyUI, without_us: ComfyUI) -> None:
    """With API nodes on, ComfyUI's own node keeps its id, its inputs and its display name."""
    path = f"/object_info/{BUILT_IN}"
    assert comfyui.json(path) == without_us.json(path)


def test_old_workflows_run_where_api_nodes_are_disabled(without_api_nodes: ComfyUI) -> None:
    """The built-in node's id is ours then, and the inputs that it had are enough."""
    node = without_api_nodes.json(f"/object_info/{BUILT_IN}")[BUILT_IN]
    assert node["python_module"].endswith(FOLDER)
    old = {"prompt": "a fox", "seed": 5, "quality": "low", "background": "opaque", "size": "1024x1024", "n": 1}
    run = without_api_nodes.run(
        {
            "1": {"class_type": BUILT_IN, "inputs": old},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "old"}},
        }
    )
    assert run.end == "execution_success", run.failure
    assert len(run.images) == 1


@pytest.mark.short
def test_the_examples_are_listed_and_served(comfyui: ComfyUI) -> None:
    """The template browser shows each with its thumbnail; the picture to drag is beside it."""
    assert sorted(comfyui.json("/workflow_templates")[FOLDER]) == EXAMPLES
    for title in EXAMPLES:
        place = f"/api/workflow_templates/{FOLDER}/{quote(title)}"
        assert comfyui.json(f"{place}.json")["nodes"]
        assert comfyui.file(f"{place}.jpg").content[:2] == b"\xff\xd8"
        assert comfyui.file(f"{place}.png").content[:4] == b"\x89PNG"


def test_the_examples_photographs_can_be_chosen(comfyui: ComfyUI) -> None:
    """Load Image lists them, so that no frontend calls them missing."""
    offered = comfyui.json("/object_info/LoadImage")["LoadImage"]["input"]["required"]["image"]
    names = offered[0] if isinstance(offered[0], list) else offered[1]["options"]
    files = {path.name for path in (ROOT / "example_workflows" / "input").glob("oin-example-*")}
    assert {name for name in files if not name.endswith(".csv")} <= set(names)
    lists = comfyui.json("/object_info/OIN_PromptList")["OIN_PromptList"]["input"]["optional"]["file"]
    assert {name for name in files if name.endswith(".csv")} <= set(lists[0])


@pytest.mark.short
@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_runs_and_saves_its_picture(comfyui: ComfyUI, title: str) -> None:
    """What runs in ComfyUI is what is in the repository: the same size, nearly the same pixels, the same metadata."""
    prompt, workflow, ours = example(title)
    run = comfyui.run(prompt, workflow)
    assert run.end == "execution_success", run.failure
    image = next(image for image in run.images if image["filename"].endswith(".png"))  # of a list the first row's
    with Image.open(comfyui.saved(image)) as saved:
        scale = min(1.0, make_examples.LONGEST_SIDE / max(saved.size))  # a large one is kept smaller in the repository
        assert ours.size == tuple(round(side * scale) for side in saved.size)
        shown = saved.convert("RGB").resize(ours.size, Image.Resampling.BOX)
        difference = np.abs(np.asarray(shown, np.int16) - np.asarray(ours.convert("RGB"), np.int16))
        assert difference.mean() < 2
        assert json.loads(saved.text["workflow"]) == workflow
        known = comfyui.json("/object_info")
        kinds = {node["class_type"] for node in prompt.values()}
        ran = {node["class_type"] for node in json.loads(saved.text["prompt"]).values()}
        assert ran == {kind if kind in known else OLDER[kind] for kind in kinds}


def test_three_nodes_at_once_take_about_the_time_of_one(comfyui: ComfyUI, service: Sandbox, faults: Faults) -> None:
    """Three answers of three seconds each are there together."""
    comfyui.connect(service=f"{service.base_url}/v1")
    faults.add(Fault(delay_before_s=3.0), times=4)
    one = comfyui.run(asking("service"))
    three = comfyui.run(asking("service", "service", "service"))
    assert (one.end, three.end) == ("execution_success", "execution_success"), (one.failure, three.failure)
    assert len(three.images) == 3
    assert three.seconds < 1.5 * one.seconds


@pytest.mark.short
def test_cancel_ends_the_node_within_half_a_second(comfyui: ComfyUI, service: Sandbox, faults: Faults) -> None:
    """It ends as interrupted, not as an error, although the answer is still to come."""
    comfyui.connect(service=f"{service.base_url}/v1")
    gate, before = faults.hold(), faults.posts
    prompt_id = comfyui.queue(asking("service"))
    until(lambda: faults.posts > before)
    cancelled_at_ms = time.time() * 1000
    comfyui.post("/interrupt", {})
    run = comfyui.ended(prompt_id, within_s=5)
    gate.set()
    assert run.end == "execution_interrupted", run.failure
    assert run.ended_at_ms - cancelled_at_ms < 500


def test_a_failing_sibling_is_reported_within_a_second(
    comfyui: ComfyUI, service: Sandbox, faults: Faults, failing: tuple[Sandbox, Faults]
) -> None:
    """The run does not wait for the node that is still waiting for its answer."""
    comfyui.connect(service=f"{service.base_url}/v1", failing=f"{failing[0].base_url}/v1")
    gate = faults.hold()
    body = json.dumps({"error": {"message": "scripted refusal", "type": "invalid_request_error"}}).encode()
    answer = {"Content-Type": "application/json"}
    failing[1].add(Fault(status=400, body=body, headers=answer, delay_before_s=0.5))
    run = comfyui.run(asking("service", "failing"))
    gate.set()
    assert run.end == "execution_error"
    assert "scripted refusal" in run.error
    assert run.seconds < 0.5 + 1.0


@pytest.mark.short
def test_a_refusal_comes_before_anything_runs(comfyui: ComfyUI) -> None:
    """An empty prompt is refused when it is queued, with our words, and no node has run."""
    prompt, _, _ = example("Image to image")
    asked = next(node for node in prompt.values() if node["class_type"] == "OIN_GPTImage")
    asked["inputs"]["prompt"] = "   "
    ran_before = len(comfyui.json("/history"))
    answer = comfyui.post("/prompt", {"prompt": prompt})
    assert answer.status_code == 400
    assert "prompt" in next(iter(answer.json()["node_errors"].values()))["errors"][0]["details"].lower()
    assert len(comfyui.json("/history")) == ran_before


def test_the_node_tells_how_long_it_has_waited(comfyui: ComfyUI, service: Sandbox, faults: Faults) -> None:
    """Once a second there is a line of text for the node."""
    comfyui.connect(service=f"{service.base_url}/v1")
    faults.add(Fault(delay_before_s=2.5))
    texts = texts_during(comfyui, asking("service"))
    assert [text for text in texts if text.endswith(", 1 s")]
    assert [text for text in texts if text.endswith(", 2 s")]


def test_no_key_is_in_anything_that_comfyui_shows(comfyui: ComfyUI, without_api_nodes: ComfyUI) -> None:
    """Not in the nodes, the history, the log, the pictures nor the state folder."""
    for running in (comfyui, without_api_nodes):
        for path in ("/object_info", "/history", "/queue", "/settings"):
            assert KEY not in running.file(path).text
        assert KEY not in running.log
        assert not [path for path in files_below(running.base, running.home) if KEY.encode() in path.read_bytes()]


def files_below(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".py"]


def until(happened: Any, *, within_s: float = 20.0) -> None:
    limit = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.01)


def texts_during(comfyui: ComfyUI, prompt: dict[str, Any]) -> list[str]:
    """Run a prompt and return the lines of text that ComfyUI sent to the browser for its nodes."""
    import asyncio

    import aiohttp

    async def listen() -> list[str]:
        texts = []
        address = f"{comfyui.address}/ws?clientId={comfyui.client_id}"
        async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
            prompt_id = await asyncio.to_thread(comfyui.queue, prompt)
            async for message in socket:
                if message.type == aiohttp.WSMsgType.BINARY and struct.unpack(">I", message.data[:4])[0] == TEXT_EVENT:
                    length = struct.unpack(">I", message.data[4:8])[0]
                    texts.append(message.data[8 + length :].decode())
                if message.type == aiohttp.WSMsgType.TEXT and ends(json.loads(message.data), prompt_id):
                    return texts
        return texts

    return asyncio.run(asyncio.wait_for(listen(), 30))


def ends(event: dict[str, Any], prompt_id: str) -> bool:
    data = event.get("data", {})
    return event.get("type") == "executing" and data.get("node") is None and data.get("prompt_id") == prompt_id
