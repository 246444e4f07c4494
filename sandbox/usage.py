"""What an order uses, in tokens and in comfy.org's credits: estimates, the same for the same order."""

from __future__ import annotations

import math
from typing import Any

from ..api.catalog import catalog as catalogue
from ..api.catalog import pricing as prices
from ..api.catalog.catalog import ModelSpec
from .requests.validation import Order, Size, sheets_of

PROMPT_OVERHEAD_TOKENS = 6  # docs/service.md, "Input tokens"
PARTIAL_IMAGE_TOKENS = 100  # docs/service.md, "Streaming"
IMAGE_INPUT_TOKENS = (1024, 1536)  # docs/service.md, "Input tokens"
STAND_IN_MODEL = "gpt-image-2.5-flare"
BYTES_PER_TOKEN = 4


def usage_of(order: Order) -> dict[str, Any]:
    """Return the `usage` object of a whole order."""
    text, image = text_tokens(order), image_tokens(order)
    output = order.n * picture_tokens(order)
    return shaped(text, image, output)


def shaped(text: int, image: int, output: int) -> dict[str, Any]:
    """Return a `usage` object (openai 3.54.0 types/images_response.py)."""
    return {
        "input_tokens": text + image,
        "input_tokens_details": {"text_tokens": text, "image_tokens": image},
        "output_tokens": output,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": output},
        "total_tokens": text + image + output,
    }


def text_tokens(order: Order) -> int:
    """Return about the tokens of the prompt: a token for each 4 bytes of UTF-8, and 6."""
    return math.ceil(len(str(order.fields["prompt"]).encode()) / BYTES_PER_TOKEN) + PROMPT_OVERHEAD_TOKENS


def image_tokens(order: Order) -> int:
    """Return the tokens of the images that came in: the second number for large ones that are not square."""
    few, many = order.spec.image_input_tokens or IMAGE_INPUT_TOKENS
    return sum(many if w * h > 1024 * 1024 and w != h else few for w, h in order.input_sizes)


def picture_tokens(order: Order) -> int:
    """Return the output tokens of one picture, those of its partial images included.

    A GIF is counted as the sheet that its frames are drawn on (docs/service.md, "GIF"). Where nobody knows the tokens
    of a model, as for gpt-image-2.6, those of gpt-image-2.5 are taken: a stand-in, not a price.
    """
    size = sheets_of(order.size, order.frame_count, order.spec)[0] if order.output_format == "gif" else order.size
    known = prices.output_tokens(order.spec, order.quality, *size)
    tokens = known if known is not None else _stand_in_tokens(order.quality, size)
    return tokens + order.partial_images * PARTIAL_IMAGE_TOKENS


def _stand_in_tokens(quality: str, size: Size) -> int:
    spec = catalogue.find(STAND_IN_MODEL)
    return (prices.output_tokens(spec, quality, *size) if spec else None) or 0


def credits_of(order: Order) -> float | None:
    """Return what comfy.org would charge, by its own prices or else the list prices; None where none is known."""
    usd = usd_of(order, comfy_usd_per_m(order.spec))
    return None if usd is None else usd * prices.CREDITS_PER_USD


def usd_of(order: Order, usd_per_m: dict[str, float] | None) -> float | None:
    """Return what an order costs at prices in USD per million tokens; None where they are not known."""
    if usd_per_m is None:
        return None
    used = usage_of(order)
    amounts = {
        "text_in": used["input_tokens_details"]["text_tokens"],
        "image_in": used["input_tokens_details"]["image_tokens"],
        "image_out": used["output_tokens"],
    }
    return sum(usd_per_m.get(kind, 0.0) * int(tokens) for kind, tokens in amounts.items()) / 1_000_000


def comfy_usd_per_m(spec: ModelSpec) -> dict[str, float] | None:
    """Return comfy.org's prices in USD per million tokens, or else the list prices."""
    return spec.comfy.usd_per_m or spec.price_usd_per_m
