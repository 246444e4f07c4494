"""What a request uses, in tokens and in comfy.org's credits, and the bill of what the sandbox has worked.

The tokens are estimates, the same for the same request.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..api.catalog import catalog, pricing
from ..api.catalog.catalog import ModelSpec
from .requests.validation import ValidatedRequest

STAND_IN = "gpt-image-2.5-flare"  # for models whose tokens nobody knows: a stand-in, not a price
BYTES_PER_TOKEN = 4


def usage_of(request: ValidatedRequest) -> dict[str, Any]:
    """Return the `usage` object of a whole request."""
    return shaped(text_tokens(request), image_tokens(request), request.n * picture_tokens(request))


def shaped(text: int, image: int, output: int) -> dict[str, Any]:
    """Return a `usage` object (openai 3.54.0 types/images_response.py)."""
    return {
        "input_tokens": text + image,
        "input_tokens_details": {"text_tokens": text, "image_tokens": image},
        "output_tokens": output,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": output},
        "total_tokens": text + image + output,
    }


def text_tokens(request: ValidatedRequest) -> int:
    """Return about the tokens of the prompt: a token for each 4 bytes of UTF-8, and what comes on top."""
    return bytes_tokens(len(str(request.fields["prompt"]).encode())) + pricing.PROMPT_OVERHEAD_TOKENS


def bytes_tokens(count: int) -> int:
    """Return about the tokens of so many bytes of text."""
    return -(-count // BYTES_PER_TOKEN)


def image_tokens(request: ValidatedRequest) -> int:
    """Return the tokens of the images that came in: the second number for large ones that are not square."""
    few, many = request.spec.image_input_tokens or _stand_in().image_input_tokens or (0, 0)
    return sum(many if w * h > 1024 * 1024 and w != h else few for w, h in request.input_sizes)


def picture_tokens(request: ValidatedRequest) -> int:
    """Return the output tokens of one picture, those of its partial images included.

    A GIF is counted as the sheet that its frames are drawn on (docs/service.md, "GIF").
    """
    known = (pricing.output_tokens(spec, request.quality, *request.sheet) for spec in (request.spec, _stand_in()))
    few, many = next((counts for counts in known if counts is not None), (0, 0))
    return (few + many) // 2 + request.partial_images * pricing.PARTIAL_IMAGE_TOKENS


def _stand_in() -> ModelSpec:
    return catalog.find(STAND_IN) or catalog.unknown_model(STAND_IN)


def credits_of(request: ValidatedRequest) -> float | None:
    """Return what comfy.org would charge, by its own prices or else the list prices; None where none is known."""
    usd = usd_of(request, comfy_usd_per_m(request.spec))
    return None if usd is None else usd * pricing.CREDITS_PER_USD


def usd_of(request: ValidatedRequest, usd_per_m: dict[str, float] | None) -> float | None:
    """Return what a request costs at prices in USD per million tokens; None where they are not known."""
    if usd_per_m is None:
        return None
    amounts = {
        "text_in": text_tokens(request),
        "image_in": image_tokens(request),
        "image_out": request.n * picture_tokens(request),
    }
    return sum(usd_per_m.get(kind, 0.0) * tokens for kind, tokens in amounts.items()) / 1_000_000


def comfy_usd_per_m(spec: ModelSpec) -> dict[str, float] | None:
    """Return comfy.org's prices in USD per million tokens, or else the list prices."""
    return spec.comfy.usd_per_m or spec.price_usd_per_m


class BillingEntry(NamedTuple):
    """One request that was answered with pictures. `usd` is None where no source tells the price.

    `path` is the endpoint, such as "/v1/images/edits"; `batch_id` and `custom_id` are None for a direct request.
    """

    path: str
    model: str
    usage: dict[str, Any]
    usd: float | None
    batch_id: str | None = None
    custom_id: str | None = None


class Billing:
    """All entries in the order of the work, failed requests and replayed answers not among them."""

    def __init__(self) -> None:
        self.entries: list[BillingEntry] = []  # appended to by several threads, which a list allows

    def bill(
        self,
        path: str,
        request: ValidatedRequest,
        usd_per_m: dict[str, float] | None,
        *,
        batch_id: str | None = None,
        custom_id: str | None = None,
    ) -> BillingEntry:
        """Add a request at prices in USD per million tokens and return its entry."""
        used, usd = usage_of(request), usd_of(request, usd_per_m)
        entry = BillingEntry(path, request.model, used, usd, batch_id, custom_id)
        self.entries.append(entry)
        return entry

    @property
    def usd(self) -> float:
        """The sum of all entries with a known price, in USD."""
        return sum(entry.usd or 0.0 for entry in self.entries)
