"""ComfyUI's own nodes become ours: complete against their inputs, valid for ours, told by the route, kept in prompts.

What the built-in nodes take is written down here from ComfyUI 0.28's comfy_api_nodes/nodes_openai.py and, for V3, GIF
and SVG, from docs.comfy.org/built-in-nodes.
"""

from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from openai_image_nodes import NODE_CLASS_MAPPINGS
from openai_image_nodes.api.catalog import catalog, validation
from openai_image_nodes.api.errors import RefusedError
from openai_image_nodes.nodes.migration import prompts, replacements
from openai_image_nodes.utils import comfyui
from support.route_client import ask

SIZES = [
    *("auto", "1024x1024", "1024x1536", "1536x1024", "2048x2048", "2048x1152", "1152x2048", "3840x2160", "2160x3840"),
    "Custom",
]
BACKGROUNDS, QUALITIES = ["auto", "opaque", "transparent"], ["low", "medium", "high", "xhigh", "max"]
LEVELS = ["low", "medium", "high"]
SEED, SIDE = range(0, 2**31), range(480, 3841, 16)
PICTURES = {f"model.images.image_{number}": "IMAGE" for number in range(1, 17)}
V2_MODELS = ["gpt-image-2.5-flare", "gpt-image-2.5-sunburst", "gpt-image-2", "gpt-image-1.5", "gpt-image-1"]
V3_MODELS = ["gpt-image-2.6-flare", "gpt-image-2.6-sunburst", "gpt-image-2.5-flare", "gpt-image-2.5-sunburst"]
NEWEST = V3_MODELS[:2]
GIF_SIZES = [
    *("384x384", "512x512", "640x640", "720x720", "768x768", "960x960", "512x288", "288x512", "1024x576", "576x1024"),
    *("1280x720", "720x1280"),
]
SIZED = {
    **{"model.size": SIZES, "model.custom_width": SIDE, "model.custom_height": SIDE},
    **{"model.background": BACKGROUNDS, "model.quality": QUALITIES},
}
BUILT_IN: dict[str, dict[str, Any]] = {
    "OpenAIGPTImage1": {
        **{"prompt": "STRING", "seed": SEED, "quality": LEVELS, "background": BACKGROUNDS, "size": SIZES},
        **{"n": range(1, 9), "image": "IMAGE", "mask": "MASK", "custom_width": SIDE, "custom_height": SIDE},
        "model": ["gpt-image-1", "gpt-image-1.5", "gpt-image-2"],
    },
    "OpenAIGPTImageNodeV2": {
        **{"prompt": "STRING", "model": V2_MODELS, **SIZED, **PICTURES, "model.mask": "MASK"},
        **{"n": range(1, 9), "seed": SEED},
    },
    "OpenAIGPTImageNodeV3": {
        **{"model": V3_MODELS, "model.prompt": "STRING", **SIZED, "model.complexity": LEVELS, **PICTURES},
        **{"model.markup": "IMAGE", "model.markup_alpha": "MASK"},
    },
    "OpenAIGPTImageGIFNode": {
        **{"model": NEWEST, "model.prompt": "STRING", "model.size": GIF_SIZES, "model.frame_count": range(2, 17)},
        **{"model.frame_duration_ms": range(20, 2001, 10), "model.background": BACKGROUNDS[1:]},
        **{"model.quality": QUALITIES},
    },
    "OpenAIGPTImageSVGNode": {
        **{"model": NEWEST, "model.prompt": "STRING", "model.size": SIZES[1:4], "model.background": BACKGROUNDS},
        **{"model.quality": QUALITIES, "model.complexity": LEVELS, "model.seed": SEED},
    },
    "OpenAIDalle2": {
        **{"prompt": "STRING", "seed": SEED, "size": ["256x256", "512x512", "1024x1024"], "n": range(1, 9)},
        **{"image": "IMAGE", "mask": "MASK"},
    },
    "OpenAIDalle3": {
        **{"prompt": "STRING", "seed": SEED, "quality": ["standard", "hd"], "style": ["natural", "vivid"]},
        "size": ["1024x1024", "1024x1792", "1792x1024"],
    },
}
DALL_E = ("OpenAIDalle2", "OpenAIDalle3")
WITHOUT_PLACE = ("style",)
OUTPUTS = {
    **{old: ["IMAGE"] for old in ("OpenAIGPTImage1", "OpenAIGPTImageNodeV2", "OpenAIGPTImageNodeV3", *DALL_E)},
    **{"OpenAIGPTImageGIFNode": ["IMAGE", "FLOAT"], "OpenAIGPTImageSVGNode": ["SVG"]},
}
EACH = pytest.mark.parametrize("old", BUILT_IN)
V2 = "OpenAIGPTImageNodeV2"


def declared(old: str) -> dict[str, Any]:
    """Return the inputs of our node that takes the place of a built-in one."""
    inputs = NODE_CLASS_MAPPINGS[replacements.BY_OLD[old].new].INPUT_TYPES()
    return {**inputs["required"], **inputs["optional"]}


def translated(kind: str, has: bool = False, **inputs: Any) -> Any:
    """Return a prompt with a built-in node and one that takes its first output, as ours."""
    prompt = {"1": {"class_type": kind, "inputs": inputs}, "2": {"class_type": "Save", "inputs": {"images": ["1", 0]}}}
    return prompts.translated(prompt, lambda _name: has)


def test_every_built_in_node_is_described() -> None:
    """And no other."""
    assert set(replacements.BY_OLD) == set(BUILT_IN)
    assert {entry.new for entry in replacements.REPLACEMENTS} <= set(NODE_CLASS_MAPPINGS)


@EACH
def test_every_input_goes_somewhere(old: str) -> None:
    """By name, as a picture of several, or through a joining node."""
    entry = replacements.BY_OLD[old]
    joined = entry.join.inputs.values() if entry.join else ()
    grown = entry.pictures or "no prefix"
    placed = (*entry.inputs, *joined, *WITHOUT_PLACE)
    left = [name for name in BUILT_IN[old] if name not in placed and not name.startswith(grown)]
    assert left == []


@EACH
def test_every_target_is_an_input_of_ours(old: str) -> None:
    """Fixed values are among what the widget offers."""
    entry, ours = replacements.BY_OLD[old], declared(old)
    assert set(entry.inputs.values()) <= set(ours)
    assert not entry.join or entry.join.target in ours
    assert not entry.pictures or {"image", "references"} <= set(ours)
    for name, value in entry.fixed.items():
        assert value in ours[name][0]


@EACH
def test_every_value_is_one_of_ours(old: str) -> None:
    """Choices as they are or translated, numbers within our limits, retired models as their live ones."""
    entry, ours, renamed = replacements.BY_OLD[old], declared(old), replacements.renamed_models()
    for theirs, values in BUILT_IN[old].items():
        name = entry.inputs.get(theirs)
        if theirs in WITHOUT_PLACE:
            continue
        if isinstance(values, list):
            words = {**entry.values.get(str(name), {}), **(renamed if name == "model" else {})}
            assert {words.get(value, value) for value in values} <= set(ours[name][0]), theirs
        elif isinstance(values, range):
            assert ours[name][1]["min"] <= values.start
            assert values[-1] <= ours[name][1]["max"]
        elif name:
            assert ours[name][0] == values


@EACH
def test_outputs_keep_their_kind(old: str) -> None:
    """A link that left theirs leaves an output of ours of the same kind."""
    entry = replacements.BY_OLD[old]
    kinds = NODE_CLASS_MAPPINGS[entry.new].RETURN_TYPES
    assert [kinds[entry.outputs[slot]] for slot in range(len(OUTPUTS[old]))] == OUTPUTS[old]


@EACH
def test_saved_layouts_differ_in_length_and_name_known_inputs(old: str) -> None:
    """The number of saved values tells which layout it is; a seed's own entry follows it."""
    entry = replacements.BY_OLD[old]
    lengths = [len(layout) for layout in entry.layouts]
    assert len(set(lengths)) == len(lengths)
    for layout in entry.layouts:
        assert set(layout) <= {*entry.inputs, replacements.CONTROL, *WITHOUT_PLACE}
        assert layout[layout.index(replacements.CONTROL) - 1].endswith("seed")
        assert len(set(layout)) == len(layout)


def test_layouts_are_those_of_saved_workflows() -> None:
    """As ComfyUI 0.3.64, 0.20 and 0.28 saved them in the official templates."""
    first, second = replacements.BY_OLD["OpenAIGPTImage1"], replacements.BY_OLD[V2]
    assert [len(layout) for layout in first.layouts] == [7, 8, 10]
    saved = ["a", "gpt-image-2", "auto", 1024, 768, "opaque", "low", 1, 5, "fixed"]
    named = dict(zip(second.layouts[0], saved, strict=True))
    assert (named["model.custom_height"], named["model.background"], named["seed"]) == (768, "opaque", 5)
    shorter = dict(zip(second.layouts[1], ["a", "gpt-image-1", "auto", "opaque", "low", 1, 5, "fixed"], strict=True))
    assert (shorter["model.quality"], shorter["n"]) == ("low", 1)


def test_retired_models_become_what_the_catalog_names() -> None:
    """Each is refused, and its live one is not."""
    renamed = replacements.renamed_models()
    assert renamed["gpt-image-1"] == "gpt-image-2.5-sunburst"
    for retired, live in renamed.items():
        with pytest.raises(RefusedError, match=live):
            validation.refuse_ended(retired)
        assert live in catalog.choices()
        assert validation.spec_of({"model": live}).id == live


def test_route_tells_the_description() -> None:
    """The browser holds no second copy."""
    told = ask("GET", "replacements").body
    assert told == json.loads(json.dumps(replacements.described()))
    assert told["nodes"][V2]["inputs"]["model.quality"] == "quality"
    assert told["nodes"]["OpenAIGPTImageGIFNode"]["outputs"] == {"0": 0, "1": 2}
    assert told["models"]["gpt-image-1"] == "gpt-image-2.5-sunburst"


# ---- prompts


def test_prompt_is_translated_by_name() -> None:
    """Dotted names, our word for a custom size, links; what the prompt does not name is left to our defaults."""
    given = {"prompt": ["9", 0], "model": "gpt-image-2", "model.size": "Custom", "model.mask": ["8", 1], "n": 2}
    told = translated(V2, **given)
    assert told["1"]["class_type"] == "OIN_GPTImage"
    assert told["1"]["inputs"] == {
        **{"prompt": ["9", 0], "model": "gpt-image-2", "size": "custom", "mask": ["8", 1], "n": 2, "moderation": "low"},
    }
    assert told["2"]["inputs"] == {"images": ["1", 0]}


def test_sixteen_pictures_keep_their_order_in_a_prompt() -> None:
    """The first is the one to edit; the others are chained in the order that References collects them in."""
    sockets = {f"model.images.image_{number}": [str(100 + number), 0] for number in range(16, 0, -1)}
    told = translated(V2, prompt="a", **sockets)
    assert told["1"]["inputs"]["image"] == ["101", 0]
    collected = told[told["1"]["inputs"]["references"][0]]["inputs"]
    before = told[collected.pop("references")[0]]["inputs"]
    assert [*before.values(), *collected.values()] == [[str(100 + number), 0] for number in range(2, 17)]
    assert list(before) == [f"image_{number}" for number in range(1, 9)]


def test_markup_and_its_alpha_become_one_picture() -> None:
    """Through ComfyUI's own joining node; half a pair is left out."""
    pair = {"model.markup": ["7", 0], "model.markup_alpha": ["7", 1]}
    told = translated("OpenAIGPTImageNodeV3", **{"model.prompt": "a"}, **pair)
    joining = told[told["1"]["inputs"]["markup"][0]]
    assert (joining["class_type"], joining["inputs"]) == ("JoinImageWithAlpha", {"image": ["7", 0], "alpha": ["7", 1]})
    assert "markup" not in translated("OpenAIGPTImageNodeV3", **{"model.markup": ["7", 0]})["1"]["inputs"]


def test_links_to_moved_outputs_follow() -> None:
    """The frame rate of a GIF is our third output."""
    prompt = {
        "gif": {"class_type": "OpenAIGPTImageGIFNode", "inputs": {"model.prompt": "a"}},
        "video": {"class_type": "CreateVideo", "inputs": {"images": ["gif", 0], "fps": ["gif", 1]}},
    }
    told = prompts.translated(prompt, lambda _name: False)
    assert told["video"]["inputs"] == {"images": ["gif", 0], "fps": ["gif", 2]}
    assert prompt["video"]["inputs"]["fps"] == ["gif", 1]


def test_prompts_that_are_not_ours_to_change_stay_the_same() -> None:
    """ComfyUI has the node; ours under the old name; no built-in node; nothing like a prompt."""
    given = {"prompt": "a", "model": "gpt-image-2"}
    assert translated(V2, has=True, **given)["1"]["class_type"] == V2
    own = translated("OpenAIGPTImage1", prompt="a", connection="sandbox")["1"]
    assert own == {"class_type": "OpenAIGPTImage1", "inputs": {"prompt": "a", "connection": "sandbox"}}
    for prompt in ({}, {"1": {"class_type": "Save", "inputs": {}}}, {"1": 5}, {"1": {"class_type": V2, "inputs": 5}}):
        assert prompts.translated(prompt, lambda _name: False) is prompt
    body = {"prompt": [1], "client_id": "x"}
    assert prompts.translator(lambda _name: False)(body) is body


@pytest.mark.parametrize("kind", ["OIN_GPTImage", "OIN_References", "OpenAIGPTImage1"])
def test_null_is_what_is_not_there(kind: str) -> None:
    """Some programs write every input of a node: a mask that is null is none, and refuses nothing; links stay."""
    inputs = {"prompt": "a", "mask": None, "image": ["2", 0], "n": 1}
    other = {"class_type": "Other", "inputs": {"mask": None}}
    told = prompts.translator(lambda _name: True)({"prompt": {"1": {"class_type": kind, "inputs": inputs}, "2": other}})
    assert told["prompt"]["1"]["inputs"] == {"prompt": "a", "image": ["2", 0], "n": 1}
    assert told["prompt"]["2"] is other


def test_transparent_of_gpt_image_2_is_refused_in_replaced_prompts() -> None:
    """The service ended it on 2026-09-30: nothing of such a prompt runs, and the models that can are named."""
    node = translated(V2, prompt="a", model="gpt-image-2", **{"model.background": "transparent"})["1"]
    assert node["inputs"]["background"] == "transparent"
    told = NODE_CLASS_MAPPINGS[node["class_type"]].VALIDATE_INPUTS(**node["inputs"])
    assert "background transparent is not available for gpt-image-2" in told
    assert "gpt-image-2.6-flare" in told


@pytest.mark.parametrize("count", [2, 3, 12])
def test_pictures_are_joined_by_the_batch_node_that_there_is(count: int) -> None:
    """Our example has the newer one, whose sockets are numbered; the older one joins two, in the same order."""
    pictures = {f"images.image{number}": [f"photo {number}", 0] for number in reversed(range(count))}
    prompt = {"1": {"class_type": "BatchImagesNode", "inputs": pictures}}
    assert prompts.with_older_batch(prompt, lambda _name: True) is prompt
    told = prompts.with_older_batch(prompt, lambda name: name == "ImageBatch")

    def order(link: list[Any]) -> list[str]:
        inputs = told[link[0]]["inputs"] if link[0] in told else None
        return [link[0]] if inputs is None else [*order(inputs["image1"]), *order(inputs["image2"])]

    assert order(["1", 0]) == [f"photo {number}" for number in range(count)]
    assert {node["class_type"] for node in told.values()} == {"ImageBatch"}


def test_batch_node_stays_where_neither_is_known() -> None:
    """Nothing is made up: ComfyUI tells what it lacks."""
    prompt = {"1": {"class_type": "BatchImagesNode", "inputs": {"images.image0": ["2", 0], "images.image1": ["3", 0]}}}
    assert prompts.with_older_batch(prompt, lambda _name: False) is prompt


@pytest.mark.parametrize("old", DALL_E)
def test_nodes_whose_model_is_in_their_name_are_replaced_by_a_person_alone(old: str) -> None:
    """A posted prompt would buy a picture of another model, and nobody would see it; the page tells the model."""
    assert translated(old, prompt="a")["1"]["class_type"] == old
    assert ask("GET", "replacements").body["nodes"][old]["by_hand"] is True


def test_translator_keeps_the_rest_of_the_body() -> None:
    """Who asked, and the workflow that goes with it."""
    body = {"prompt": {"1": {"class_type": V2, "inputs": {"prompt": "a"}, "_meta": {"title": "x"}}}, "client_id": "me"}
    told = prompts.translator(lambda _name: False)(body)
    assert (told["client_id"], told["prompt"]["1"]["_meta"]) == ("me", {"title": "x"})


# ---- the host


@EACH
def test_host_is_told_the_same(monkeypatch: pytest.MonkeyPatch, old: str) -> None:
    """Every mapping is by names that both nodes have; a strange host does no harm."""
    registered: list[Any] = []
    manager = SimpleNamespace(register=registered.append)
    server, latest = ModuleType("server"), ModuleType("comfy_api.latest")
    server.PromptServer = SimpleNamespace(instance=SimpleNamespace(node_replace_manager=manager))  # type: ignore[attr-defined]
    latest.io = SimpleNamespace(NodeReplace=SimpleNamespace)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "server", server)
    monkeypatch.setitem(sys.modules, "comfy_api", ModuleType("comfy_api"))
    monkeypatch.setitem(sys.modules, "comfy_api.latest", latest)
    comfyui.offer_replacements([replacements.for_host(replacements.BY_OLD[old])])
    [told] = registered
    assert (told.old_node_id, told.new_node_id) == (old, replacements.BY_OLD[old].new)
    assert {entry["new_id"] for entry in told.input_mapping} <= set(declared(old))
    monkeypatch.delattr(latest, "io")
    comfyui.offer_replacements([replacements.for_host(replacements.BY_OLD[old])])
    assert len(registered) == 1


def test_without_a_host_nothing_is_registered() -> None:
    """The pack loads all the same."""
    comfyui.offer_replacements([replacements.for_host(replacements.BY_OLD[V2])])
    comfyui.on_prompt(lambda body: body)
    assert comfyui.has_node(V2) is False
