"""What a request will cost, as far as the service says, and what it did cost, from its answer."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from . import catalog
from .catalog import ModelSpec
from .schemas import TokenDetails, Usage
from .validation import gif_sheets, parse_size

CREDITS_PER_USD = 211.0  # comfy.org, docs.comfy.org/development/comfy-router/pricing
AUTO_SIZES = ("1024x1024", "1024x1536", "1536x1024")  # what auto chooses among: docs/service.md, "Output tokens"
PROMPT_OVERHEAD_TOKENS = 6  # docs/service.md, "Input tokens"
AMOUNT_MAX_USD = 1e9  # nothing costs as much; sums of it stay finite
COUNT_MAX = 1000  # of anything in one request
BYTES_PER_TOKEN = 3  # a cautious count: English has about four, Chinese a character of three bytes
BATCH_DISCOUNT = 0.5  # "50% cost discount compared to synchronous APIs", developers.openai.com/api/docs/guides/batch
PARTIAL_IMAGE_TOKENS = 100  # each partial image, apidog.com citing OpenAI's guide
Certainty = Literal["exact", "about", "at most"]


class Payer(Protocol):
    """By what prices a request is paid: those of comfy.org, of batches, or none on the sandbox."""

    @property
    def kind(self) -> str:
        """The kind of connection, as "comfy.org" or "sandbox"."""

    @property
    def batch(self) -> bool:
        """Whether requests go out in batches."""


class PaidAs(NamedTuple):
    """The payer of what is written down, whose connection may be another by now."""

    kind: str
    batch: bool


class Estimate(NamedTuple):
    """What a request will cost in USD, from the cheapest to the dearest case."""

    low_usd: float
    high_usd: float


def output_tokens(spec: ModelSpec, quality: str, width: int, height: int) -> tuple[int, int] | None:
    """Return the fewest and the most output tokens of one picture of a size in pixels, or None where no source tells.

    The formula is the community's (community.openai.com/t/1382699); it gives OpenAI's published prices of
    gpt-image-2 and all 40 preset prices that ComfyUI shows. Its scales are in docs/service.md, "Output tokens".
    """
    if spec.output_tokens is None:
        return None
    factor = spec.output_tokens.quality_factor.get(quality)
    if factor is None:
        listed = spec.output_tokens.table.get(quality, {}).get(f"{width}x{height}")
        return None if listed is None else (listed, listed)
    long, short = max(width, height), min(width, height)
    sheet = (2 * factor * short + long) // (2 * long)
    tokens = -(-factor * sheet * (2_000_000 + width * height) // 4_000_000)
    few, many = spec.output_tokens.scale.get(quality, (1, 1))
    return math.ceil(round(few * tokens, 6)), math.ceil(round(many * tokens, 6))


def _picture_usd(payer: Payer, spec: ModelSpec, quality: str, size: str) -> Estimate | None:
    """Return the price of one picture's output in USD, or None where no source tells."""
    listed = (spec.per_image_usd or {}).get(quality, {})
    if listed and payer.kind != "comfy.org":
        usd = listed.get(size) or listed.get("x".join(reversed(size.split("x"))))
        usd = usd * BATCH_DISCOUNT if usd and payer.batch else usd
        return Estimate(usd, usd) if usd else None
    prices, parsed = _prices(payer, spec), parse_size(size)
    if prices is None or parsed is None:
        return None
    tokens = output_tokens(spec, quality, *parsed)
    return Estimate(*(count * prices["image_out"] / 1e6 for count in tokens)) if tokens else None


def batch_usd_per_m(spec: ModelSpec) -> dict[str, float] | None:
    """Return the prices of the Batch API in USD per million tokens: as listed, else half of the ordinary ones."""
    if spec.batch.usd_per_m or spec.price_usd_per_m is None:
        return spec.batch.usd_per_m
    return {kind: usd * BATCH_DISCOUNT for kind, usd in spec.price_usd_per_m.items()}


def estimate(payer: Payer, fields: Mapping[str, Any], image_count: int) -> Estimate | None:
    """Return what a request will cost, or None where no source tells; the sandbox is free.

    `fields` are the service's own; size or quality auto give a range over what the service may choose. How sure it is
    tells `certainty`.
    """
    if payer.kind == "sandbox":
        return Estimate(0.0, 0.0)
    spec = catalog.find(str(fields.get("model")))
    prices = None if spec is None else _prices(payer, spec)
    if spec is None or prices is None or fields.get("output_format") == "svg":
        return None
    size = str(fields.get("size") or "auto")
    sizes: Sequence[str] = AUTO_SIZES if size == "auto" else [size]
    if fields.get("output_format") == "gif":  # all frames are billed as one picture, the sheet that they are drawn on
        frames = _count(fields, "frame_count", spec.gif.frame_count_default if spec.gif else 0)
        parsed = parse_size(size)
        sheets = gif_sheets(spec, *parsed, frames) if parsed else []
        sizes = [f"{width}x{height}" for width, height in sheets]
    qualities = _qualities(spec, str(fields.get("quality") or "auto"))
    found = [_picture_usd(payer, spec, one, other) for one in qualities for other in sizes]
    each = [usd for usd in found if usd is not None]  # in each way that the fields leave open
    if not each or len(each) < len(found):
        return None
    few, many = spec.image_input_tokens or (0, 0)
    prompt = str(fields.get("prompt", "")).encode(errors="replace")
    text_tokens = PROMPT_OVERHEAD_TOKENS + -(-len(prompt) // BYTES_PER_TOKEN)
    text = text_tokens * prices.get("text_in", prices.get("image_in", 0.0))
    partials = PARTIAL_IMAGE_TOKENS * _count(fields, "partial_images", 0) * prices["image_out"]
    rest = [(text + partials + image_count * tokens * prices.get("image_in", 0.0)) / 1e6 for tokens in (few, many)]
    n = _count(fields, "n", 1)
    return Estimate(n * min(one.low_usd for one in each) + rest[0], n * max(one.high_usd for one in each) + rest[1])


def certainty(fields: Mapping[str, Any]) -> Certainty:
    """Return how sure an estimate is, as docs/service.md has it in "Output tokens"."""
    spec, quality = catalog.find(str(fields.get("model"))), str(fields.get("quality") or "auto")
    if spec is None or spec.output_tokens is None:
        return "exact"
    if quality == "auto" and quality in _qualities(spec, quality):
        return "at most"
    return "about" if quality in spec.output_tokens.about or fields.get("output_format") == "gif" else "exact"


def cautious_usd(payer: Payer, fields: Mapping[str, Any], image_count: int) -> float:
    """Return an amount in USD that a request should not pass, for a budget.

    Where the price is not known it is taken for the dearest known one of that size.
    """
    known = estimate(payer, fields, image_count)
    if known is not None:
        return known.high_usd
    dearest = (
        estimate(payer, {**fields, "model": spec.id, "quality": spec.quality[-1], "output_format": "png"}, 16)
        for spec in catalog.listed()
    )
    return max((one.high_usd for one in dearest if one), default=1.0)


def cost_usd(payer: Payer, model: str, usage: Usage | None, credits: float | None) -> float | None:
    """Return what an answer cost in USD, or None where the service did not say enough.

    comfy.org tells its credits; else it is the tokens of the answer at the catalog's prices for the payer.
    """
    if credits is not None:
        return amount(credits / CREDITS_PER_USD)
    spec = catalog.find(model)
    price = _prices(payer, spec) if spec else None
    if price is None or usage is None:
        return None
    details = [one for one in (usage.input_tokens_details, usage.output_tokens_details) if one]
    if any(tokens < 0 for one in (usage, *details) for tokens in dict(one).values() if isinstance(tokens, int)):
        return None  # a negative sum would be money that a budget gives away
    used = usage.input_tokens_details or TokenDetails(text_tokens=usage.input_tokens)
    cached = min(used.cached_tokens or 0, used.image_tokens)
    text_out = usage.output_tokens_details.text_tokens if usage.output_tokens_details else 0
    tokens = {
        "text_in": used.text_tokens,
        "image_in": used.image_tokens - cached,
        "image_in_cached": cached,
        "image_out": usage.output_tokens - text_out,
        "text_out": text_out,
    }
    cached_usd = {"image_in_cached": price["image_in"]} if "image_in" in price else {}
    price = {**cached_usd, "text_out": price["image_out"], **price}
    if any(count and kind not in price for kind, count in tokens.items()):
        return None
    return amount(sum(count * price.get(kind, 0.0) for kind, count in tokens.items()) / 1e6)


def in_words(usd: float) -> str:
    """Return a sum in USD with two digits behind the point, with four below ten cents."""
    return f"{usd:.2f}" if usd >= 0.1 or usd == 0 else f"{usd:.4f}"


def amount(told: float | None) -> float | None:
    """Return an amount of money, or None for what is none: below nothing, or more than anything costs."""
    return told if told is not None and 0 <= told <= AMOUNT_MAX_USD else None


def _count(fields: Mapping[str, Any], name: str, default: int) -> int:
    """Return how many a field asks for; `default` for what is no such number, which no service takes either."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        count = int(fields.get(name) or default)
        return count if 0 <= count <= COUNT_MAX else default
    return default


def _prices(payer: Payer, spec: ModelSpec) -> dict[str, float] | None:
    prices = batch_usd_per_m(spec) if payer.batch else spec.price_usd_per_m
    prices = spec.comfy.usd_per_m if payer.kind == "comfy.org" else prices
    return prices if prices and "image_out" in prices else None  # a file of the user's may say less


def _qualities(spec: ModelSpec, quality: str) -> list[str]:
    """Return what a quality may come to."""
    if quality != "auto":
        return [quality]
    return spec.auto_quality or [value for value in spec.quality if value != "auto"]
