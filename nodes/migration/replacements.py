"""How ComfyUI's own OpenAI image nodes become ours: the one description, for the browser, the host and prompts.

Sources: ComfyUI 0.3.64, 0.20.1 and 0.28 comfy_api_nodes/nodes_openai.py; for V3, GIF and SVG docs.comfy.org, whose
order of inputs is taken for the order of saved values: what does not fit there is left at its default and told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ...api.catalog import catalog

CONTROL = "control_after_generate"  # the browser's own entry behind a seed
SIZED = ("size", "custom_width", "custom_height", "background", "quality")
MODELS = (
    *("gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "gpt-image-2", "gpt-image-2.5-flare"),
    *("gpt-image-2.5-sunburst", "gpt-image-2.6-flare", "gpt-image-2.6-sunburst"),
)
API_NODE_COLOUR = "#432"  # ComfyUI paints every API node so: nobody's choice
SENT_BY_BUILT_IN = {"moderation": "low"}


@dataclass(frozen=True)
class Join:
    """Sockets of theirs that become one of ours through a node in between: its inputs by their names."""

    node: str
    inputs: Mapping[str, str]
    target: str


@dataclass(frozen=True)
class Replacement:
    """A built-in node and ours: inputs theirs -> ours, saved values by position, outputs theirs -> ours.

    `pictures` begins the names of sockets that grow by one picture each, `fixed` is what the built-in node always sent.
    `by_hand`: only in the page, where a person sees that another model takes the place of the node's own.
    """

    old: str
    new: str
    inputs: Mapping[str, str]
    layouts: tuple[tuple[str, ...], ...]
    outputs: Mapping[int, int] = field(default_factory=lambda: {0: 0})
    fixed: Mapping[str, Any] = field(default_factory=dict)
    pictures: str | None = None
    join: Join | None = None
    values: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {"size": {"Custom": "custom"}})
    by_hand: bool = False


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _dotted(*names: str) -> dict[str, str]:
    return {f"model.{name}": name for name in names}


def _saved(*names: str, dotted: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return a saved layout with the dynamic widgets in the place of "*"."""
    return tuple(
        name for entry in names for name in ([f"model.{inner}" for inner in dotted] if entry == "*" else [entry])
    )


_FIRST = ("prompt", "seed", CONTROL, "quality", "background", "size", "n")
_V3 = ("prompt", *SIZED)
_SVG = ("prompt", "size", "background", "quality", "complexity", "seed")
_GIF = ("prompt", "size", "frame_count", "frame_duration_ms", "background", "quality", "complexity", "seed")
_END = ("n", "seed", CONTROL)

REPLACEMENTS = (
    Replacement(
        old="OpenAIGPTImage1",
        new="OIN_GPTImage",
        inputs=_same("prompt", "seed", "n", "model", "image", "mask", *SIZED),
        layouts=(_FIRST, (*_FIRST, "model"), (*_FIRST, "model", "custom_width", "custom_height")),
        fixed=SENT_BY_BUILT_IN,
    ),
    Replacement(
        old="OpenAIGPTImageNodeV2",
        new="OIN_GPTImage",
        inputs={**_same("prompt", "model", "n", "seed"), **_dotted("mask", *SIZED)},
        layouts=(
            _saved("prompt", "model", "*", *_END, dotted=SIZED),
            _saved("prompt", "model", "*", *_END, dotted=("size", "background", "quality")),
        ),
        fixed=SENT_BY_BUILT_IN,
        pictures="model.images.",
    ),
    Replacement(
        old="OpenAIGPTImageNodeV3",
        new="OIN_GPTImage",
        inputs={**_same("model", "n", "seed"), **_dotted("n", "seed", "mask", "complexity", *_V3)},
        layouts=(_saved("model", "*", *_END, dotted=(*_V3, "complexity")), _saved("model", "*", *_END, dotted=_V3)),
        pictures="model.images.",
        join=Join("JoinImageWithAlpha", {"image": "model.markup", "alpha": "model.markup_alpha"}, "markup"),
    ),
    Replacement(
        old="OpenAIGPTImageGIFNode",
        new="OIN_GPTImageGIF",
        inputs={**_same("model", "seed"), **_dotted(*_GIF)},
        layouts=(
            _saved("model", "*", CONTROL, dotted=_GIF),
            _saved("model", "*", CONTROL, dotted=tuple(name for name in _GIF if name != "complexity")),
        ),
        outputs={0: 0, 1: 2},
        pictures="model.images.",
    ),
    Replacement(
        old="OpenAIGPTImageSVGNode",
        new="OIN_GPTImageSVG",
        inputs={**_same("model", "seed"), **_dotted(*_SVG)},
        layouts=(_saved("model", "*", CONTROL, dotted=_SVG),),
        pictures="model.images.",
    ),
    Replacement(
        old="OpenAIDalle2",
        new="OIN_GPTImage",
        inputs=_same("prompt", "seed", "size", "n", "model", "image", "mask"),
        layouts=(("prompt", "seed", CONTROL, "size", "n"),),
        values={"size": {"256x256": "1024x1024", "512x512": "1024x1024"}},
        by_hand=True,
    ),
    Replacement(
        old="OpenAIDalle3",
        new="OIN_GPTImage",
        inputs=_same("prompt", "seed", "quality", "size", "model"),
        layouts=(("prompt", "seed", CONTROL, "quality", "style", "size"),),
        values={
            "quality": {"standard": "medium", "hd": "high"},
            "size": {"1024x1792": "1152x2048", "1792x1024": "2048x1152"},  # the same tokens as of 1536x1024
        },
        by_hand=True,
    ),
)
BY_OLD = {replacement.old: replacement for replacement in REPLACEMENTS}


def described() -> dict[str, Any]:
    """Return everything that the browser needs, as JSON-able data."""
    return {
        "nodes": {replacement.old: asdict(replacement) for replacement in REPLACEMENTS},
        "models": renamed_models(),
        "api_node_colour": API_NODE_COLOUR,
    }


def renamed_models() -> dict[str, str]:
    """Return for each model that the service has shut down the live one that the catalog names instead."""
    found = {name: catalog.find(name) for name in MODELS}
    ended = {name: spec for name, spec in found.items() if spec is not None and spec.ended()}
    live = {name: [other for other in spec.replacement if other in catalog.choices()] for name, spec in ended.items()}
    return {name: others[0] for name, others in live.items() if others}


def for_host(replacement: Replacement) -> dict[str, Any]:
    """Return the arguments of ComfyUI's `io.NodeReplace`; it knows one picture and one saved layout per node."""
    pictures = {f"{replacement.pictures}image_1": "image"} if replacement.pictures else {}
    carried = [{"new_id": ours, "old_id": theirs} for theirs, ours in {**replacement.inputs, **pictures}.items()]
    fixed = [{"new_id": name, "set_value": value} for name, value in replacement.fixed.items()]
    return {
        "old_node_id": replacement.old,
        "new_node_id": replacement.new,
        "old_widget_ids": list(replacement.layouts[0]),
        "input_mapping": [*carried, *fixed],
        "output_mapping": [{"old_idx": old, "new_idx": new} for old, new in replacement.outputs.items()],
    }
