"""The node's contract: saved workflows know its widgets by position and its sockets by name."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest
from openai_image_nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS, WEB_DIRECTORY
from openai_image_nodes.api.catalog import catalog
from openai_image_nodes.nodes.base import LEFT_OUT
from openai_image_nodes.nodes.run.parameters import ImageParameters
from openai_image_nodes.utils.errors import ImageInputError
from support.node_calls import GPTImage, References, awaited

GIF, SVG = NODE_CLASS_MAPPINGS["OIN_GPTImageGIF"], NODE_CLASS_MAPPINGS["OIN_GPTImageSVG"]
PromptList = NODE_CLASS_MAPPINGS["OIN_PromptList"]
CALLING = (GPTImage, GIF, SVG)

# Name, type or values, default; only ever appended to: docs/contract.md, "OIN_GPTImage".
WIDGETS: list[tuple[str, Any, Any]] = [
    ("prompt", "STRING", ""),
    ("seed", "INT", 0),
    ("quality", ["low", "medium", "high", "xhigh", "max", "auto"], "low"),
    ("background", ["opaque", "transparent", "auto"], "opaque"),
    (
        "size",
        [
            *("auto", "1024x1024", "1024x1536", "1536x1024", "2048x2048", "2048x1152", "1152x2048"),
            *("3840x2160", "2160x3840", "match image", "custom"),
        ],
        "auto",
    ),
    ("n", "INT", 1),
    ("model", None, "gpt-image-2.6-flare"),
    ("connection", ["auto", "comfy.org", "openai", "azure", "sandbox", "openai batch", "sandbox batch"], "auto"),
    ("custom_width", "INT", 1024),
    ("custom_height", "INT", 1024),
    ("output_format", ["png", "webp", "jpeg"], "png"),
    ("output_compression", "INT", 100),
    ("moderation", ["auto", "low"], "auto"),
    ("input_fidelity", ["auto", "low", "high"], "auto"),
    ("complexity", ["auto", "low", "medium", "high"], "auto"),
    ("mask_mode", ["guide", "lock", "blend", "region"], "guide"),
    ("live_preview", "INT", 0),
    ("reuse", "BOOLEAN", True),
    ("region_context", "INT", 50),
    ("transparent_pixels", ["filled white", "own colours"], "filled white"),
]
SOCKETS = [("image", "IMAGE"), ("mask", "MASK"), ("references", "OIN_REFERENCES"), ("markup", "IMAGE")]
FIRST_EIGHT = ["prompt", "seed", "quality", "background", "size", "n", "image", "mask"]
RANGES = {
    "seed": (0, 2147483647, None),
    "n": (1, 10, None),
    "custom_width": (480, 3840, 16),
    "custom_height": (480, 3840, 16),
    "output_compression": (0, 100, None),
    "live_preview": (0, 3, None),
    "region_context": (0, 200, None),
}
BASIC = ["prompt", "seed", "quality", "background", "size", "n", "model", "connection"]


def declared(node: Any = GPTImage) -> dict[str, tuple[Any, dict[str, Any]]]:
    inputs = node.INPUT_TYPES()
    return {**inputs["required"], **inputs["optional"]}


def defaults(kind: Any) -> dict[str, Any]:
    """Return the default of each widget."""
    return {name: options["default"] for name, (_, options) in declared(kind).items() if "default" in options}


def defaults_of(parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """Return the defaults of a call but those of sockets and hidden inputs, which are None."""
    found = {name: parameter.default for name, parameter in parameters.items()}
    return {name: default for name, default in found.items() if default not in (None, inspect.Parameter.empty)}


def is_socket(kind: Any) -> bool:
    return kind in ("IMAGE", "MASK", "OIN_REFERENCES")


def test_widgets_come_in_the_order_of_the_contract() -> None:
    """Names, types and defaults by position, as `widgets_values` of a saved workflow holds them."""
    found = [(name, kind, options) for name, (kind, options) in declared().items() if not is_socket(kind)]
    assert [name for name, _, _ in found] == [name for name, _, _ in WIDGETS]
    for (name, kind, options), (_, wanted, default) in zip(found, WIDGETS, strict=True):
        assert wanted in (kind, None), name
        assert options["default"] == default, name


def test_sockets_have_the_names_of_the_contract() -> None:
    """Links of a saved workflow are by name."""
    assert [(name, kind) for name, (kind, _) in declared().items() if is_socket(kind)] == SOCKETS


def test_first_eight_inputs_are_those_of_the_old_node() -> None:
    """Workflows of ComfyUI's OpenAIGPTImage1 load here: same names, same places."""
    assert list(declared())[:8] == FIRST_EIGHT


def test_prompt_alone_is_required_and_has_many_lines() -> None:
    """All else has a default."""
    assert list(GPTImage.INPUT_TYPES()["required"]) == ["prompt"]
    assert declared()["prompt"][1]["multiline"] is True


@pytest.mark.parametrize(("name", "limits"), RANGES.items())
def test_numbers_have_their_limits(name: str, limits: tuple[int, int, int | None]) -> None:
    """Smallest, largest and step."""
    options = declared()[name][1]
    assert (options["min"], options["max"], options.get("step")) == limits


def test_seed_can_be_drawn_again_after_each_run() -> None:
    """ComfyUI adds its control widget."""
    assert declared()["seed"][1]["control_after_generate"] is True


def test_rare_widgets_are_advanced() -> None:
    """What a first picture needs is in sight, the rest is one click away."""
    widgets = {name: options for name, (kind, options) in declared().items() if not is_socket(kind)}
    assert [name for name, options in widgets.items() if not options.get("advanced")] == BASIC


def test_hidden_inputs_are_those_that_comfyui_fills_in() -> None:
    """The sign-in of comfy.org and the node's id; nothing of it is saved in a workflow."""
    hidden = {"auth_token": "AUTH_TOKEN_COMFY_ORG", "api_key": "API_KEY_COMFY_ORG", "unique_id": "UNIQUE_ID"}
    assert GPTImage.INPUT_TYPES()["hidden"] == hidden


def test_no_input_could_hold_a_key_or_an_address() -> None:
    """Workflows are shared inside pictures: the prompt is the only free text."""
    assert [name for name, (kind, _) in declared().items() if kind == "STRING"] == ["prompt"]


@pytest.mark.parametrize("node", [GPTImage, References])
def test_every_input_and_output_is_explained(node: Any) -> None:
    """A sentence on each, and on the node."""
    inputs = declared(node)
    assert [name for name, (_, options) in inputs.items() if len(options.get("tooltip", "")) < 15] == []
    assert len(node.OUTPUT_TOOLTIPS) == len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
    assert all(len(text) > 15 for text in [*node.OUTPUT_TOOLTIPS, node.DESCRIPTION])


def test_outputs_are_image_alpha_and_report() -> None:
    """In this order and under these names."""
    assert GPTImage.RETURN_NAMES == ("image", "alpha", "report", "originals")
    assert GPTImage.RETURN_TYPES == ("IMAGE", "MASK", "STRING", "OIN_ORIGINALS")


@pytest.mark.parametrize("kind", CALLING)
def test_call_is_a_coroutine_that_takes_every_input_with_its_default(kind: Any) -> None:
    """ComfyUI leaves out what is not connected; the API may leave out more."""
    assert inspect.iscoroutinefunction(getattr(kind, kind.FUNCTION))
    parameters = {field.name: field.default for field in fields(ImageParameters) if field.name in declared(kind)}
    taken = {**parameters, **LEFT_OUT, **kind.own_defaults}
    assert {*declared(kind), *kind.INPUT_TYPES()["hidden"]} <= taken.keys()
    assert {name: taken[name] for name in defaults(kind) if name != "prompt"} == {
        name: default for name, default in defaults(kind).items() if name != "prompt"
    }


@pytest.mark.parametrize(
    ("kind", "name"), [(GPTImage, "qualitty"), (GIF, "n"), (GIF, "mask"), (SVG, "custom_side"), (SVG, "frame_count")]
)
def test_an_input_that_a_node_does_not_have_is_refused(kind: Any, name: str) -> None:
    """A misspelled one would have its default and be paid for, and more GIFs than one would be paid for and not shown.

    A posted prompt, or a workflow, may link something to an input of any name, and ComfyUI hands it over.
    """
    with pytest.raises(TypeError, match=f"no input {name}"):
        awaited(kind().api_call(prompt="a red fox", connection="sandbox", **{name: 4}))


@pytest.mark.parametrize("kind", CALLING)
def test_inputs_are_not_declared_again_for_each_row(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a millisecond, on the loop that all rows of a list share."""
    own, asked = kind.INPUT_TYPES, list[Any]()
    monkeypatch.setattr(kind, "INPUT_TYPES", classmethod(lambda node: asked.append(node) or own()))
    for _ in range(3):
        awaited(kind().api_call(prompt="a red fox", connection="sandbox"))
    assert asked == [kind]


@pytest.mark.parametrize("kind", CALLING)
@pytest.mark.parametrize("inputs", [{"prompt": "a red fox", "self": 1}, {}])
def test_nothing_fails_before_it_waits(kind: Any, inputs: dict[str, Any]) -> None:
    """ComfyUI writes all inputs into its history where a node fails at once: the token of comfy.org is among them."""

    async def call() -> Any:
        return await kind().api_call(connection="sandbox", auth_token="token", **inputs)

    async def both() -> None:
        run = asyncio.create_task(call())
        await asyncio.sleep(0)
        assert not run.done()
        with pytest.raises(TypeError):
            await run

    asyncio.run(both())


def test_list_of_prompts_takes_every_input_with_its_default() -> None:
    """It runs without any, as ComfyUI leaves out what is not connected."""
    parameters = inspect.signature(PromptList.lists).parameters
    assert list(parameters) == ["self", *declared(PromptList), *PromptList.INPUT_TYPES()["hidden"]]
    assert defaults_of(parameters) == defaults(PromptList)


@pytest.mark.parametrize("kind", CALLING)
def test_widgets_have_the_defaults_of_a_request(kind: Any) -> None:
    """A default is typed once: another one in a widget would ask for something else than the API does."""
    asked = {field.name: field.default for field in fields(ImageParameters) if field.name in defaults(kind)}
    own = {"prompt", "size"} if kind is GIF else {"prompt"}  # frames have sizes of their own
    assert {name: value for name, value in asked.items() if name not in own} == {
        name: value for name, value in defaults(kind).items() if name in asked and name not in own
    }


def test_gif_widgets_have_the_defaults_of_the_catalog() -> None:
    """Those of every model that makes GIFs."""
    widgets = defaults(GIF)
    for limits in [spec.gif for spec in catalog.listed() if spec.gif]:
        assert widgets["frame_count"] == limits.frame_count_default
        assert widgets["frame_duration_ms"] == limits.frame_duration_ms_default
        assert widgets["size"] in limits.sizes


def test_closed_sets_are_those_of_the_catalog() -> None:
    """Every value that some model takes can be chosen, and no other but auto."""
    for name in ("quality", "background", "moderation", "input_fidelity", "complexity"):
        taken = {value for spec in catalog.listed() for value in getattr(spec, name) or []}
        assert set(declared()[name][0]) == taken | {"auto"}, name


def test_nodes_have_the_ids_of_the_contract() -> None:
    """Ours, and the old node's id for when ComfyUI leaves it free; that one gets no display name of ours."""
    assert set(NODE_CLASS_MAPPINGS) >= {"OIN_GPTImage", "OIN_References", "OpenAIGPTImage1"}
    assert NODE_CLASS_MAPPINGS["OpenAIGPTImage1"] is NODE_CLASS_MAPPINGS["OIN_GPTImage"]
    assert set(NODE_DISPLAY_NAME_MAPPINGS) == set(NODE_CLASS_MAPPINGS) - {"OpenAIGPTImage1"}
    assert WEB_DIRECTORY == "./web"


@pytest.mark.parametrize("node", [GPTImage, References])
def test_nodes_are_no_partner_nodes(node: Any) -> None:
    """API_NODE would ask everybody to sign in before they may run."""
    assert node.CATEGORY == "image/OpenAI"
    assert not getattr(node, "API_NODE", False)


def test_references_have_eight_pictures_and_a_chain() -> None:
    """All optional."""
    inputs = References.INPUT_TYPES()
    assert inputs["required"] == {}
    assert {name: kind for name, (kind, _) in inputs["optional"].items()} == {
        **{f"image_{number}": "IMAGE" for number in range(1, 9)},
        "references": "OIN_REFERENCES",
    }
    assert References.RETURN_TYPES == ("OIN_REFERENCES",)


@pytest.mark.parametrize("value", [7, "abc", {"a": 1}, object()])
def test_chain_that_is_none_is_told(value: Any) -> None:
    """An output of any type can be linked, also a number or a text."""
    with pytest.raises(ImageInputError, match="references cannot use a value of the kind"):
        References().collect(references=value)


@pytest.mark.parametrize("kind", CALLING)
def test_is_changed_is_the_same_for_every_value_of_a_direct_connection(kind: Any) -> None:
    """Whatever ComfyUI hands over, it fits: one that raises would be NaN, and every run would run again."""
    names = [*kind.INPUT_TYPES()["required"], *kind.INPUT_TYPES()["optional"], "an input of tomorrow"]
    for value in (None, "openai", 7, float("nan")):
        assert kind.IS_CHANGED(**{**dict.fromkeys(names, value), "connection": "openai"}) == ""
