"""The prompt list in a real ComfyUI, over HTTP: every row runs once, and its name, size and picture stay its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.comfyui import ROOT, ComfyUI

PHOTOS = ROOT / "example_workflows" / "input"
CSV = """\
prompt;seed;size;image;mask;name;note
a lighthouse in a storm;;1024x640;;;plain;made from the prompt alone
a cat as a watercolour;3;match image;e2e/cat.png;;list/cat;an edit
a heart of milk foam;;match image;e2e/masked.png;;hole;the holes of the picture are the mask
"a fox, red";;1024x640;e2e/cat.png;e2e/mask.png;mask;a mask of its own
a lighthouse in a storm;;1024x640;;;again;the same once more: another picture
"""


def prepared(comfyui: ComfyUI) -> Path:
    """Put a list and its pictures into the input folder."""
    folder = comfyui.base / "input" / "e2e"
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in (("cat.png", "oin-example-cat.png"), ("masked.png", "oin-example-coffee-masked.png")):
        (folder / name).write_bytes((PHOTOS / source).read_bytes())
    with Image.open(folder / "cat.png") as cat:
        mask = np.zeros((cat.height, cat.width), np.uint8)
    mask[:40] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    (folder.parent / "e2e.csv").write_text(CSV, encoding="utf-8-sig")
    return folder.parent


def prompt(**values: Any) -> dict[str, Any]:
    """Return list, image node, Save Image and what shows the reports, linked as on the canvas."""
    outputs = {name: ["1", slot] for slot, name in enumerate(("prompt", "seed", "size", "quality", "image", "mask"))}
    return {
        "1": {"class_type": "OIN_PromptList", "inputs": values},
        "2": {"class_type": "OIN_GPTImage", "inputs": {**outputs, "connection": "sandbox"}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": ["1", 6]}},
        "4": {"class_type": "PreviewAny", "inputs": {"source": ["2", 2]}},
    }


def sizes(comfyui: ComfyUI, images: list[dict[str, str]]) -> list[tuple[int, int]]:
    """Return the (width, height) of saved pictures."""
    return [picture(comfyui, image).size for image in images]


def picture(comfyui: ComfyUI, image: dict[str, str]) -> Image.Image:
    with Image.open(comfyui.saved(image)) as opened:
        return opened.convert("RGB")


@pytest.mark.short
def test_a_list_runs_row_by_row(comfyui: ComfyUI) -> None:
    """Generations and edits in one run; five rows are five pictures, each under its own name."""
    prepared(comfyui)
    run = comfyui.run(prompt(file="e2e.csv", first_seed=50))
    assert run.end == "execution_success", run.failure
    saved = run.outputs["3"]["images"]
    names = ["plain_00001_.png", "cat_00001_.png", "hole_00001_.png", "mask_00001_.png", "again_00001_.png"]
    assert [image["filename"] for image in saved] == names
    assert [image["subfolder"] for image in saved] == ["", "list", "", "", ""]
    assert [size == (1024, 640) for size in sizes(comfyui, saved)] == [True, False, False, True, True]


def test_rows_that_are_the_same_are_two_pictures(comfyui: ComfyUI) -> None:
    """And what a list has bought once, it gets from the store."""
    prepared(comfyui)
    first = comfyui.run(prompt(text="a fox\na fox\na hare", size="1024x640", first_seed=60))
    assert first.end == "execution_success", first.failure
    assert len(first.outputs["3"]["images"]) == 3
    again = comfyui.run(prompt(text="a bear\na fox\na fox\na hare", size="1024x640", first_seed=60))
    assert again.end == "execution_success", again.failure
    reused = [json.loads(text)["reused"] for text in again.outputs["4"]["text"]]
    assert reused == [False, True, True, True]


def test_a_portion_runs_alone(comfyui: ComfyUI) -> None:
    """The second two of five rows."""
    prepared(comfyui)
    run = comfyui.run(prompt(file="e2e.csv", first_seed=70, limit=2, portion=2))
    assert run.end == "execution_success", run.failure
    assert [image["filename"].split("_")[0] for image in run.outputs["3"]["images"]] == ["hole", "mask"]


def test_a_picture_is_the_one_of_load_image(comfyui: ComfyUI) -> None:
    """Both nodes give the same pixels and the same mask."""
    (prepared(comfyui) / "one.csv").write_text("prompt,image\nfox,oin-example-coffee-masked.png\n", encoding="utf-8")
    nodes: dict[str, Any] = {
        "1": {"class_type": "OIN_PromptList", "inputs": {"file": "one.csv"}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "oin-example-coffee-masked.png"}},
    }
    for number, (source, slot) in enumerate((("1", 4), ("2", 0), ("1", 5), ("2", 1)), 3):
        origin = [source, slot]
        if number > 4:
            nodes[f"{number}m"] = {"class_type": "MaskToImage", "inputs": {"mask": origin}}
            origin = [f"{number}m", 0]
        nodes[str(number)] = {"class_type": "SaveImage", "inputs": {"images": origin, "filename_prefix": "same"}}
    run = comfyui.run(nodes)
    assert run.end == "execution_success", run.failure
    pixels = [np.asarray(picture(comfyui, run.outputs[str(number)]["images"][0])) for number in range(3, 7)]
    assert np.array_equal(pixels[0], pixels[1])
    assert np.array_equal(pixels[2], pixels[3])


def test_an_edited_list_runs_anew_and_an_untouched_one_does_not(comfyui: ComfyUI) -> None:
    """ComfyUI asks for what changed on the disk."""
    file = prepared(comfyui) / "edited.csv"
    nodes = prompt(file="edited.csv", size="1024x640", first_seed=80)
    file.write_text("prompt\na fox\n", encoding="utf-8")
    assert comfyui.run(nodes).end == "execution_success"
    cached = comfyui.run(nodes).messages["execution_cached"]["nodes"]
    assert {"1", "2"} <= set(cached)
    file.write_text("prompt\na fox\na hare\n", encoding="utf-8")
    run = comfyui.run(nodes)
    assert "1" not in run.messages["execution_cached"]["nodes"]
    assert len(run.outputs["3"]["images"]) == 2


def test_a_list_that_cannot_run_is_refused_when_it_is_queued(comfyui: ComfyUI) -> None:
    """With the line, and before any node has run."""
    (prepared(comfyui) / "bad.csv").write_text("prompt,image\nfox,../../secret.png\n", encoding="utf-8")
    answer = comfyui.post("/prompt", {"prompt": prompt(file="bad.csv")})
    assert answer.status_code == 400
    assert "bad.csv, line 2: image '../../secret.png' leads outside" in answer.text


def test_a_list_can_be_sent_to_the_upload_of_pictures(comfyui: ComfyUI) -> None:
    """It takes any file; then the node offers it."""
    files = {"image": ("sent.csv", b"prompt\na fox\n", "text/csv")}
    answer = comfyui._http.post(f"{comfyui.address}/upload/image", files=files, timeout=60)
    assert answer.status_code == 200
    offered = comfyui.json("/object_info/OIN_PromptList")["OIN_PromptList"]["input"]["optional"]["file"][0]
    assert offered[0] == "none"
    assert answer.json()["name"] in offered
