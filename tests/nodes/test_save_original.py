"""Save Original: the bytes of the service reach ComfyUI's output folder as they came, and nothing is encoded."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from openai_image_nodes import NODE_CLASS_MAPPINGS
from openai_image_nodes.api import Originals, RefusedError
from openai_image_nodes.utils import comfyui
from openai_image_nodes.utils.errors import ImageInputError
from PIL import Image
from support.capture import Capture, success
from support.node_calls import GPTImage, asked, awaited, half_mask, photo, use_openai
from support.signed_pictures import CREDENTIALS, signed, unsigned

SaveOriginal = NODE_CLASS_MAPPINGS["OIN_SaveOriginal"]
GRAPH = {"1": {"class_type": "OIN_GPTImage", "inputs": {"prompt": "a red fox"}}}
WORKFLOW = {"nodes": [{"id": 1, "type": "OIN_GPTImage"}]}
HIDDEN = {"prompt": GRAPH, "extra_pnginfo": {"workflow": WORKFLOW, "auth_token": "planted-token"}}
SCRIPT = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><path d="M0 0h8v8z"/></svg>'


def save_image_path(prefix: str, output: str, width: int, height: int) -> tuple[str, str, int, str, str]:
    """Name and count as ComfyUI's `folder_paths.get_save_image_path` does."""
    prefix = prefix.replace("%width%", str(width)).replace("%height%", str(height))
    subfolder, name = os.path.split(os.path.normpath(prefix))
    folder = os.path.join(output, subfolder)
    if os.path.commonpath([output, os.path.abspath(folder)]) != output:
        raise Exception("outside")
    os.makedirs(folder, exist_ok=True)
    taken = [one[len(name) + 1 :].split("_")[0] for one in os.listdir(folder) if one.startswith(f"{name}_")]
    return folder, name, 1 + max((int(one) for one in taken if one.isdigit()), default=0), subfolder, prefix


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ComfyUI's output folder."""
    folder = tmp_path / "output"
    folder.mkdir()
    told = {"get_output_directory": lambda: str(folder), "get_temp_directory": lambda: str(tmp_path / "temp")}
    monkeypatch.setitem(sys.modules, "folder_paths", SimpleNamespace(get_save_image_path=save_image_path, **told))
    return folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    """A service of our own."""
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


def originals(server: Capture, *pictures: bytes, **inputs: Any) -> Originals:
    """Run a node of which the service answers with these files, and return its last output."""
    server.reply(200, success(*pictures))
    found: Originals = awaited(GPTImage().api_call(**asked({"n": len(pictures), **inputs})))[-1]
    return found


def save(reference: Originals, **inputs: Any) -> list[dict[str, str]]:
    """Run Save Original and return what ComfyUI shows."""
    shown: list[dict[str, str]] = SaveOriginal().save(reference, **{**HIDDEN, **inputs})["ui"]["images"]
    return shown


@pytest.mark.parametrize("metadata", ["sidecar", "none"])
@pytest.mark.parametrize("form", ["png", "jpg", "webp"])
def test_file_is_what_the_service_sent(server: Capture, output: Path, form: str, metadata: str) -> None:
    """Byte for byte, Content Credentials and all, in the format in which it came."""
    reference = originals(server, signed(form))
    assert save(reference, metadata=metadata) == [
        {"filename": f"ComfyUI_00001_.{form}", "subfolder": "", "type": "output"}
    ]
    assert (output / f"ComfyUI_00001_.{form}").read_bytes() == signed(form)
    assert (output / "ComfyUI_00001_.json").exists() is (metadata == "sidecar")


@pytest.mark.parametrize("metadata", ["x", None, b"none"])
def test_metadata_that_nobody_knows_is_written_beside_the_file(
    server: Capture, output: Path, monkeypatch: pytest.MonkeyPatch, metadata: Any
) -> None:
    """A link may give anything: nothing is left out for it, and the node says so."""
    shown: list[str] = []
    monkeypatch.setattr(comfyui, "show_text", lambda text, _unique_id: shown.append(text))
    save(originals(server, signed("png")), metadata=metadata)
    assert (output / "ComfyUI_00001_.png").read_bytes() == signed("png")
    assert json.loads((output / "ComfyUI_00001_.json").read_text())["workflow"] == WORKFLOW
    assert f"because metadata {metadata!r} is not known" in shown[-1]


def test_sidecar_says_what_made_the_file(server: Capture, output: Path) -> None:
    """Workflow, prompt, model, size, quality, request, cost, identity and digest; no key, and nothing else's."""
    reference = originals(server, signed("png"), size="1024x1024", seed=5)
    save(reference)
    text = (output / "ComfyUI_00001_.json").read_text()
    told = json.loads(text)
    assert (told["prompt"], told["workflow"]) == (GRAPH, WORKFLOW)
    assert (told["model"], told["size"], told["quality"], told["seed"]) == (
        "gpt-image-2.6-flare",
        "1024x1024",
        "low",
        5,
    )
    assert told["sha256"] == hashlib.sha256(signed("png")).hexdigest()
    assert told["c2pa"] == CREDENTIALS._asdict()
    assert len(told["identity"]) == 64
    assert {"request_id", "cost_usd", "credits", "connection"} <= set(told)
    assert "planted" not in text


def test_file_with_its_workflow_keeps_its_pixels(server: Capture, output: Path) -> None:
    """The workflow is in it, nothing beside it."""
    save(originals(server, signed("png")), metadata="in file")
    with Image.open(output / "ComfyUI_00001_.png") as after, Image.open(io.BytesIO(signed("png"))) as before:
        assert after.tobytes() == before.tobytes()
        assert json.loads(after.info["workflow"]) == WORKFLOW
        assert json.loads(after.info["prompt"]) == GRAPH
    assert [path.name for path in output.iterdir()] == ["ComfyUI_00001_.png"]


def test_what_a_changed_file_loses_is_told(server: Capture, output: Path, said: list[str]) -> None:
    """A signature does not cover what was put in afterwards."""
    reference = originals(server, signed("webp"))
    save(reference, metadata="in file", unique_id="7")
    assert "C2PA signature no longer covers" in said[-1]
    save(reference, metadata="sidecar", unique_id="7")
    assert said[-1] == "saved ComfyUI_00002_.webp"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said in nodes."""
    lines: list[str] = []
    server = SimpleNamespace(client_id="c", send_progress_text=lambda text, _node, sid: lines.append(text))
    monkeypatch.setitem(sys.modules, "server", SimpleNamespace(PromptServer=SimpleNamespace(instance=server)))
    return lines


def test_format_without_a_place_gets_a_file_beside_it(server: Capture, output: Path, said: list[str]) -> None:
    """A GIF stays as it came, and that its workflow lies beside it is told."""
    shown = SaveOriginal().save(originals(server, unsigned("gif")), metadata="in file", unique_id="7", **HIDDEN)
    assert shown["ui"]["animated"] == (True,)
    assert (output / "ComfyUI_00001_.gif").read_bytes() == unsigned("gif")
    assert json.loads((output / "ComfyUI_00001_.json").read_text())["workflow"] == WORKFLOW
    assert "beside the file, because a GIF has no place" in said[-1]


def test_local_change_is_told(server: Capture, output: Path, said: list[str]) -> None:
    """With mask_mode lock the output is no longer what came; the file is."""
    reference = originals(server, unsigned("png"), image=photo(16, 24), mask=half_mask(16, 24), mask_mode="lock")
    save(reference, unique_id="7")
    assert "as the service sent it: what was done to the output here" in said[-1]
    assert (output / "ComfyUI_00001_.png").read_bytes() == unsigned("png")


def test_several_pictures_and_their_placeholders(server: Capture, output: Path) -> None:
    """Each file has its own format, number and place in the answer."""
    reference = originals(server, unsigned("png"), unsigned("webp"), unsigned("jpg"))
    shown = save(reference, filename_prefix="%width%/fox_%batch_num%", metadata="none")
    assert [one["filename"] for one in shown] == ["fox_0_00001_.png", "fox_1_00001_.webp", "fox_2_00001_.jpg"]
    assert {one["subfolder"] for one in shown} == {"24"}


def test_no_file_is_ever_replaced(server: Capture, output: Path) -> None:
    """A number that is taken, by a picture or by what lies beside one, is passed over."""
    reference = originals(server, unsigned("png"))
    for name in ("fox_00001_.json", "fox_00002_.png"):
        (output / name).write_text("mine")
    real = sys.modules["folder_paths"].get_save_image_path
    sys.modules["folder_paths"].get_save_image_path = lambda *asked: (*real(*asked)[:2], 1, "", "")
    assert save(reference, filename_prefix="fox")[0]["filename"] == "fox_00003_.png"
    assert (output / "fox_00001_.json").read_text() == (output / "fox_00002_.png").read_text() == "mine"
    assert sorted(path.name for path in output.iterdir()) == [
        "fox_00001_.json", "fox_00002_.png", "fox_00003_.json", "fox_00003_.png"
    ]  # fmt: skip


@pytest.mark.parametrize("prefix", ["../fox", "/tmp/fox", "a/../../fox"])  # noqa: S108
def test_place_outside_the_output_folder_is_refused(server: Capture, output: Path, prefix: str) -> None:
    """With what to do; nothing is written."""
    with pytest.raises(RefusedError, match="leads out of ComfyUI's output folder"):
        save(originals(server, unsigned("png")), filename_prefix=prefix)
    assert list(output.parent.rglob("*fox*")) == []


def test_drawing_with_scripts_is_saved_as_it_came_and_shown_without(
    server: Capture, output: Path, said: list[str]
) -> None:
    """The page gets a copy from the temporary folder; that the file may run scripts is told."""
    svg = NODE_CLASS_MAPPINGS["OIN_GPTImageSVG"]
    server.reply(200, success(SCRIPT))
    reference = awaited(svg().api_call(**asked({})))[-1]
    (shown,) = save(reference, unique_id="7")
    assert (output / "ComfyUI_00001_.svg").read_bytes() == SCRIPT
    assert shown["type"] == "temp"
    assert b"alert" not in (output.parent / "temp" / shown["filename"]).read_bytes()
    assert "may run scripts" in said[-1]


def test_harmless_drawing_is_shown_itself(server: Capture, output: Path) -> None:
    """Nothing is copied."""
    server.reply(200, success(unsigned("svg")))
    reference = awaited(NODE_CLASS_MAPPINGS["OIN_GPTImageSVG"]().api_call(**asked({})))[-1]
    assert save(reference) == [{"filename": "ComfyUI_00001_.svg", "subfolder": "", "type": "output"}]


def test_reference_is_small_and_outlives_the_process(server: Capture, output: Path) -> None:
    """It holds no bytes of the picture and can be written down; a run from the store gives the same."""
    first = originals(server, signed("png"))
    packed = pickle.dumps(first)
    assert len(packed) < 2000
    again = awaited(GPTImage().api_call(**asked({"n": 1})))[-1]
    assert again.digests == first.digests
    save(pickle.loads(packed))  # noqa: S301
    assert (output / "ComfyUI_00001_.png").read_bytes() == signed("png")


def test_file_that_is_gone_or_exchanged_is_told(server: Capture, output: Path, tmp_path: Path) -> None:
    """Nothing else is written in its place."""
    reference = originals(server, unsigned("png"))
    (folder,) = (Path(os.environ["OPENAI_IMAGE_NODES_HOME"]) / "store" / "jobs").iterdir()
    (folder / "picture_0.png").write_bytes(signed("png"))
    with pytest.raises(RefusedError, match="no longer kept"):
        save(reference)
    shutil.rmtree(folder)
    with pytest.raises(RefusedError, match="no longer kept"):
        save(reference)
    assert list(output.iterdir()) == []


def test_paid_file_that_no_disk_took_is_saved(server: Capture, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the reference holds the bytes."""

    def full(*_args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("openai_image_nodes.api.store.store.Store._save", full)
    reference = originals(server, signed("png"))
    save(reference)
    assert (output / "ComfyUI_00001_.png").read_bytes() == signed("png")


def test_metadata_is_left_out_where_comfyui_was_told_so(
    server: Capture, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--disable-metadata holds for workflow and prompt."""
    arguments = SimpleNamespace(args=SimpleNamespace(disable_metadata=True))
    monkeypatch.setitem(sys.modules, "comfy.cli_args", arguments)
    reference = originals(server, unsigned("png"))
    save(reference)
    assert not {"prompt", "workflow"} & set(json.loads((output / "ComfyUI_00001_.json").read_text()))
    save(reference, metadata="in file")
    assert (output / "ComfyUI_00002_.png").read_bytes() == unsigned("png")


@pytest.mark.parametrize("pnginfo", [[], "x", 7, {"workflow": None}, None])
def test_odd_graphs_of_a_posted_prompt_withhold_no_file(server: Capture, output: Path, pnginfo: Any) -> None:
    """Whoever posts a prompt says what goes along with it."""
    save(originals(server, signed("png")), prompt={"1": {}}, extra_pnginfo=pnginfo)
    assert sorted(path.suffix for path in output.iterdir()) == [".json", ".png"]


@pytest.mark.parametrize("value", [None, 7, "a reference", []])
def test_what_is_no_reference_is_told(value: Any) -> None:
    """An output of any type can be linked."""
    with pytest.raises(ImageInputError, match="originals cannot use a value of the kind"):
        save(value)


def test_without_comfyui_there_is_no_place(server: Capture) -> None:
    """It is said in words."""
    with pytest.raises(RefusedError, match="there is no ComfyUI here"):
        save(originals(server, unsigned("png")))


@pytest.mark.slow
def test_hundred_files_and_nothing_is_encoded(server: Capture, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ComfyUI maps a list: one call each, in order. No encoder of Pillow's or ours is called, no decoder either."""
    references = [originals(server, unsigned("png"), seed=seed) for seed in range(100)]
    calls: list[str] = []
    for name in ("PIL.Image.Image.save", "PIL.Image.open", "openai_image_nodes.utils.png.encode_png"):
        monkeypatch.setattr(name, lambda *_args, _name=name, **_options: calls.append(_name))
    for number, reference in enumerate(references):
        save(reference, filename_prefix=f"row_{number:03}", metadata="in file" if number % 2 else "sidecar")
    assert calls == []
    assert sorted(path.name for path in output.glob("*.png")) == [
        f"row_{number:03}_00001_.png" for number in range(100)
    ]


def test_report_says_whether_there_are_credentials(server: Capture) -> None:
    """Presence, issuer and program as stated, for each file."""
    server.reply(200, success(signed("png"), unsigned("png")))
    report = json.loads(awaited(GPTImage().api_call(**asked({"n": 2})))[2])
    assert report["c2pa"] == [CREDENTIALS._asdict(), None]
