"""The inputs of the main node, in the order that saved workflows rely on: only ever append."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..api.catalog import catalog
from ..api.catalog.catalog import Sizes
from ..api.catalog.validation import SEED_MAX
from .run.parameters import ANY_MODEL, CONTEXT_RANGE, MASK_MODES, SIZES, TRANSPARENT_PIXELS, ImageParameters


def combo_input(values: Sequence[str], default: str, tooltip: str, **options: Any) -> Any:
    """Return the declaration of a widget with a closed set of values; `options` as ComfyUI names them."""
    return list(values), {"default": default, "tooltip": tooltip, **options}


def int_input(low: int, high: int, default: int, tooltip: str, **options: Any) -> Any:
    """Return the declaration of a widget for a whole number."""
    return "INT", {"default": default, "min": low, "max": high, "tooltip": tooltip, **options}


def socket_input(kind: str, tooltip: str) -> Any:
    """Return the declaration of an input without a widget."""
    return kind, {"tooltip": tooltip}


def without_auto(values: Iterable[str]) -> list[str]:
    """Return the values of a closed set that leave nothing to the model."""
    return [value for value in values if value != "auto"]


def declared(optional: dict[str, Any]) -> dict[str, Any]:
    """Return all inputs of a node that asks the service: the prompt, its own, and what ComfyUI fills in by itself."""
    tooltip = (
        "What the picture should show, or what should change in the connected pictures."
        f" Up to {ANY_MODEL.prompt_max_chars:,} characters."
    )
    return {
        "required": {"prompt": ("STRING", {"multiline": True, "default": "", "tooltip": tooltip})},
        "optional": optional,
        "hidden": {"auth_token": "AUTH_TOKEN_COMFY_ORG", "api_key": "API_KEY_COMFY_ORG", "unique_id": "UNIQUE_ID"},
    }


def optional_inputs() -> dict[str, Any]:
    """Return all other inputs, in the order of the contract."""
    return {
        **_result_inputs(),
        "image": socket_input(
            "IMAGE", "The picture to edit, or a batch of up to 16. Without a picture, the prompt alone makes one."
        ),
        "mask": socket_input(
            "MASK", "White (1) is redrawn, black (0) stays. It belongs to the first picture and must have its size."
        ),
        **_service_inputs(),
        **_file_inputs(),
        **_run_inputs(),
        "references": socket_input(
            "OIN_REFERENCES", "More pictures, each in its own size, from OpenAI Image References."
        ),
        "markup": socket_input(
            "IMAGE",
            "Scribbles and notes over the first picture, on a transparent background (4 channels), for models that read"
            " them. Not together with a mask.",
        ),
    }


def _result_inputs() -> dict[str, Any]:
    return {
        "seed": int_input(
            0,
            SEED_MAX,
            0,
            "Chooses between different results for the same inputs. Same inputs and seed: the picture you already paid"
            " for. New seed: a new, paid picture. The seed itself is never sent.",
            control_after_generate=True,
        ),
        "quality": combo_input(
            ANY_MODEL.quality,
            ImageParameters.quality,
            "How much work goes into the picture. Higher costs more and takes longer; xhigh and max need a 2.5 or 2.6"
            " model.",
        ),
        "background": combo_input(
            [*without_auto(ANY_MODEL.background), "auto"],
            ImageParameters.background,
            "transparent leaves the background out: the image then has 4 channels, and alpha holds the mask. Needs png"
            " or webp.",
        ),
        "size": combo_input(
            SIZES,
            ImageParameters.size,
            "Width x height in pixels. match image takes the nearest size to the first picture that the model can"
            " make; custom uses custom_width and custom_height.",
        ),
        "n": int_input(*ANY_MODEL.n, ImageParameters.n, "How many pictures one request makes. Each is billed."),
    }


def _service_inputs() -> dict[str, Any]:
    from ..api.connections import resolve as connections

    return {
        "model": combo_input(
            catalog.choices(),
            ImageParameters.model,
            "flare is fast, sunburst is thorough. An id that is not in the list works only with a connection to a"
            " compatible server.",
        ),
        "connection": combo_input(
            connections.offered(),
            "auto",
            "Which service makes the picture, and who pays. auto: your own OpenAI key if there is one, else your"
            " comfy.org account. sandbox: free, offline, for trying things out. openai batch: half the price, within"
            " 24 hours; a run is only added to the plan, and you submit it later in the OpenAI batches panel.",
        ),
    }


def _file_inputs() -> dict[str, Any]:
    free = [spec.sizes for spec in catalog.listed() if spec.sizes.kind == "arbitrary"] or [Sizes()]
    low, high = min(sizes.min_side for sizes in free), max(sizes.max_edge for sizes in free)
    step, ratio = min(sizes.multiple_of for sizes in free), max(sizes.max_aspect_ratio for sizes in free)
    side = f"Only with size custom. A multiple of {step}, at most {ratio:g} times the other side."
    width, height = ImageParameters.custom_width, ImageParameters.custom_height
    return {
        "custom_width": int_input(low, high, width, f"Width in pixels. {side}", advanced=True, step=step),
        "custom_height": int_input(low, high, height, f"Height in pixels. {side}", advanced=True, step=step),
        "output_format": combo_input(
            ANY_MODEL.output_formats,
            ImageParameters.output_format,
            "The file that the service sends. png loses nothing; jpeg and webp are smaller and faster to load.",
            advanced=True,
        ),
        "output_compression": int_input(
            *ANY_MODEL.output_compression,
            ImageParameters.output_compression,
            "Quality of webp and jpeg, 100 is the best. Leave it at 100 for png.",
            advanced=True,
        ),
    }


def _run_inputs() -> dict[str, Any]:
    return {
        "moderation": combo_input(
            ANY_MODEL.moderation,
            ImageParameters.moderation,
            "low makes the service's content filter less strict.",
            advanced=True,
        ),
        "input_fidelity": combo_input(
            ["auto", *(ANY_MODEL.input_fidelity or [])],
            ImageParameters.input_fidelity,
            "How closely the style and faces of your pictures are kept, only for models that have this."
            " auto: not sent.",
            advanced=True,
        ),
        "complexity": combo_input(
            ["auto", *(ANY_MODEL.complexity or [])],
            ImageParameters.complexity,
            "How much planning goes into the picture, apart from its quality. auto: not sent.",
            advanced=True,
        ),
        "mask_mode": combo_input(
            MASK_MODES,
            ImageParameters.mask_mode,
            "guide: the mask tells the model where to work, it may touch the rest. lock: every pixel outside the mask"
            " is put back from your picture. blend: the answer is also aligned, matched in colour and blended in at the"
            " mask's border. region: only the part around the mask is sent, as sharp as the model can, and blended in.",
            advanced=True,
        ),
        "live_preview": int_input(
            *ANY_MODEL.partial_images,
            ImageParameters.live_preview,
            "How many sketches to show while the picture is made; each costs about 100 tokens more. Not on comfy.org,"
            " and only for one picture at a time. 0: none.",
            advanced=True,
        ),
        "reuse": (
            "BOOLEAN",
            {
                "default": True,
                "tooltip": "On: what you already paid for comes back free. Off: every run sends a new request and pays"
                " again.",
                "advanced": True,
            },
        ),
        "region_context": int_input(
            *CONTEXT_RANGE,
            ImageParameters.region_context,
            "Only with mask_mode region: how much is sent around the mask, in percent of its size on each side. More"
            " shows the model more of the picture, less gives the mask more pixels.",
            advanced=True,
        ),
        "transparent_pixels": combo_input(
            TRANSPARENT_PIXELS,
            ImageParameters.transparent_pixels,
            "What is sent where a connected picture is transparent, for the model sees the colours there: filled white,"
            " or the picture's own colours.",
            advanced=True,
        ),
    }
