"""The inputs of the main node, in the order that saved workflows rely on: only ever append."""

from __future__ import annotations

from typing import Any

from ..api.catalog import catalog
from ..api.catalog.validation import SEED_MAX
from ..api.connections import resolve as connections

SIZES = (
    "auto",
    "1024x1024",
    "1024x1536",
    "1536x1024",
    "2048x2048",
    "2048x1152",
    "1152x2048",
    "3840x2160",
    "2160x3840",
    "match image",
    "custom",
)
OUTPUT_FORMATS = ("png", "webp", "jpeg")
DEFAULT_MODEL = "gpt-image-2.6-flare"


def choice(values: tuple[str, ...] | list[str], default: str, tooltip: str, *, advanced: bool = False) -> Any:
    """Return the declaration of a widget with a closed set of values."""
    return list(values), {"default": default, "tooltip": tooltip, **_advanced(advanced)}


def whole(low: int, high: int, default: int, tooltip: str, *, advanced: bool = False, **options: Any) -> Any:
    """Return the declaration of a widget for a whole number."""
    return "INT", {"default": default, "min": low, "max": high, "tooltip": tooltip, **_advanced(advanced), **options}


def socket(kind: str, tooltip: str) -> Any:
    """Return the declaration of an input without a widget."""
    return kind, {"tooltip": tooltip}


def required_inputs() -> dict[str, Any]:
    """Return the one input that nothing works without."""
    tooltip = "What the picture should show, or what should change in the connected pictures. Up to 32,000 characters."
    return {"prompt": ("STRING", {"multiline": True, "default": "", "tooltip": tooltip})}


def optional_inputs() -> dict[str, Any]:
    """Return all other inputs, in the order of the contract."""
    return {**_wanted(), **_pictures(), **_asked(), **_shape_and_file(), **_model_and_run(), **_more_pictures()}


def hidden_inputs() -> dict[str, str]:
    """Return what ComfyUI fills in by itself."""
    return {"auth_token": "AUTH_TOKEN_COMFY_ORG", "api_key": "API_KEY_COMFY_ORG", "unique_id": "UNIQUE_ID"}


def _wanted() -> dict[str, Any]:
    return {
        "seed": whole(
            0,
            SEED_MAX,
            0,
            "Chooses between different results for the same inputs. Same inputs and seed: the picture you already paid"
            " for. New seed: a new, paid picture. The seed itself is never sent.",
            control_after_generate=True,
        ),
        "quality": choice(
            ["low", "medium", "high", "xhigh", "max", "auto"],
            "low",
            "How much work goes into the picture. Higher costs more and takes longer; xhigh and max need a 2.5 or 2.6"
            " model.",
        ),
        "background": choice(
            ["opaque", "transparent", "auto"],
            "opaque",
            "transparent leaves the background out: the image then has 4 channels, and alpha holds the mask. Needs png"
            " or webp.",
        ),
        "size": choice(
            list(SIZES),
            "auto",
            "Width x height in pixels. match image takes the nearest size to the first picture that the model can"
            " make; custom uses custom_width and custom_height.",
        ),
        "n": whole(1, 10, 1, "How many pictures one request makes. Each is billed."),
    }


def _pictures() -> dict[str, Any]:
    return {
        "image": socket(
            "IMAGE", "The picture to edit, or a batch of up to 16. Without a picture, the prompt alone makes one."
        ),
        "mask": socket(
            "MASK", "White (1) is redrawn, black (0) stays. It belongs to the first picture and must have its size."
        ),
    }


def _asked() -> dict[str, Any]:
    return {
        "model": choice(
            catalog.choices(),
            DEFAULT_MODEL,
            "flare is fast, sunburst is thorough. An id that is not in the list works only with a connection to a"
            " compatible server.",
        ),
        "connection": choice(
            connections.offered(),
            "auto",
            "Which service makes the picture, and who pays. auto: your own OpenAI key if there is one, else your"
            " comfy.org account. sandbox: free, offline, for trying things out. openai batch: half the price, within"
            " 24 hours; a run is only added to the plan, and you submit it later in the OpenAI batches panel.",
        ),
    }


def _shape_and_file() -> dict[str, Any]:
    side = "Only with size custom. A multiple of 16, at most 3 times the other side."
    return {
        "custom_width": whole(480, 3840, 1024, f"Width in pixels. {side}", advanced=True, step=16),
        "custom_height": whole(480, 3840, 1024, f"Height in pixels. {side}", advanced=True, step=16),
        "output_format": choice(
            OUTPUT_FORMATS,
            "png",
            "The file that the service sends. png loses nothing; jpeg and webp are smaller and faster to load.",
            advanced=True,
        ),
        "output_compression": whole(
            0, 100, 100, "Quality of webp and jpeg, 100 is the best. Leave it at 100 for png.", advanced=True
        ),
    }


def _model_and_run() -> dict[str, Any]:
    return {
        "moderation": choice(
            ["auto", "low"], "auto", "low makes the service's content filter less strict.", advanced=True
        ),
        "input_fidelity": choice(
            ["auto", "low", "high"],
            "auto",
            "How closely the style and faces of your pictures are kept, only for models that have this."
            " auto: not sent.",
            advanced=True,
        ),
        "complexity": choice(
            ["auto", "low", "medium", "high"],
            "auto",
            "How much planning goes into the picture, apart from its quality. auto: not sent.",
            advanced=True,
        ),
        "mask_mode": choice(
            ["guide", "lock"],
            "guide",
            "guide: the mask tells the model where to work, it may touch the rest. lock: every pixel outside the mask"
            " is put back from your picture.",
            advanced=True,
        ),
        "live_preview": whole(
            0,
            3,
            0,
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
    }


def _more_pictures() -> dict[str, Any]:
    return {
        "references": socket("OIN_REFERENCES", "More pictures, each in its own size, from OpenAI Image References."),
        "markup": socket(
            "IMAGE",
            "Scribbles and notes over the first picture, on a transparent background (4 channels), for models that read"
            " them. Not together with a mask.",
        ),
    }


def _advanced(advanced: bool) -> dict[str, bool]:
    return {"advanced": True} if advanced else {}
