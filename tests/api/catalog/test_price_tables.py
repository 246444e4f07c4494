"""Prices by the catalog: the published tables come out, and what an answer cost is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai_image_nodes.api.catalog import catalog
from openai_image_nodes.api.catalog import pricing as prices
from openai_image_nodes.api.catalog.schemas import Usage
from support.capture import Capture, success
from support.node_calls import KEY, node, use_openai

OWN_KEY = prices.PaidAs("openai", batch=False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


def spec(model: str) -> catalog.ModelSpec:
    found = catalog.find(model)
    assert found is not None
    return found


TABLE = {  # docs/service.md, "Output tokens"; 1536x1024 and the upright sizes are the same by symmetry
    16: [196, 158, 397, 157, 371],
    24: [439, 343, 892, 367, 865],
    48: [1756, 1372, 3568, 1413, 3336],
    64: [3122, 2459, 6343, 2511, 5930],
    96: [7024, 5488, 14272, 5650, 13342],
}
SIZES = [(1024, 1024), (1024, 1536), (2048, 2048), (2048, 1152), (3840, 2160)]
FACTORS = {
    "gpt-image-2": {"low": 16, "medium": 48, "high": 96},
    "gpt-image-2.5-flare": {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96},
    "gpt-image-2.5-sunburst": {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96},
}
CELLS = [
    (model, quality, size, tokens)
    for model, factors in FACTORS.items()
    for quality, factor in factors.items()
    for size, tokens in zip(SIZES, TABLE[factor], strict=True)
]


@pytest.mark.parametrize(("model", "quality", "size", "tokens"), CELLS)
def test_output_tokens_and_price_are_those_of_the_table(
    model: str, quality: str, size: tuple[int, int], tokens: int
) -> None:
    """The published formula, upright and lying, at the list price of 30 USD a million, to 4 decimals."""
    known = spec(model)
    assert prices.output_tokens(known, quality, *size) == (tokens, tokens)
    assert prices.output_tokens(known, quality, *reversed(size)) == (tokens, tokens)
    cost = prices.cost_usd(OWN_KEY, model, Usage(output_tokens=tokens), None)
    assert cost == pytest.approx(tokens * 30 / 1e6, abs=5e-5)


@pytest.mark.parametrize(
    ("quality", "size", "usd"),
    [
        ("low", (1024, 1024), 0.006),
        ("medium", (1024, 1024), 0.053),
        ("high", (1024, 1024), 0.211),
        ("low", (1536, 1024), 0.005),
        ("medium", (1536, 1024), 0.041),
        ("high", (1536, 1024), 0.165),
    ],
)
def test_published_prices_of_gpt_image_2_come_out(quality: str, size: tuple[int, int], usd: float) -> None:
    """OpenAI's own price list, in thousandths of a dollar."""
    tokens, _ = prices.output_tokens(spec("gpt-image-2"), quality, *size) or (0, 0)
    assert round(prices.cost_usd(OWN_KEY, "gpt-image-2", Usage(output_tokens=tokens), None) or 0, 3) == usd


@pytest.mark.parametrize("model", ["gpt-image-2.6-flare", "gpt-image-2.6-sunburst"])
@pytest.mark.parametrize(
    ("quality", "size", "tokens"),
    [
        ("low", (1024, 1024), (824, 824)),
        ("low", (1536, 1024), (664, 664)),
        ("low", (2048, 1024), (555, 555)),
        ("medium", (1024, 1024), (1317, 1756)),
        ("high", (1536, 1024), (1353, 1353)),
        ("high", (3840, 2160), (3337, 3337)),
        ("high", (1024, 1024), (1758, 1758)),
        ("xhigh", (1024, 1024), (3122, 3122)),
        ("max", (1024, 1024), (7024, 7024)),
    ],
)
def test_tokens_of_2_6_are_those_that_were_seen(
    model: str, quality: str, size: tuple[int, int], tokens: tuple[int, int]
) -> None:
    """Every point that a source tells comes out (docs/service.md, "Output tokens"); medium is a range."""
    assert prices.output_tokens(spec(model), quality, *size) == tokens


def test_unknown_formulas_stay_unknown() -> None:
    """No table is borrowed from another model."""
    assert prices.output_tokens(spec("gpt-image-1-mini"), "low", 1024, 1024) is None


def test_cost_of_an_answer_counts_text_pictures_and_output_apart(server: Capture) -> None:
    """From the answer's usage, at the model's prices; the report has it in dollars."""
    details = {"text_tokens": 100, "image_tokens": 2000}
    usage = {"input_tokens": 2100, "output_tokens": 196, "total_tokens": 2296, "input_tokens_details": details}
    server.reply(200, success(usage=usage))
    report = node(model="gpt-image-2")[2]
    assert report["cost_usd"] == pytest.approx((100 * 5 + 2000 * 8 + 196 * 30) / 1e6, abs=1e-6)
    assert report["tokens"]["input_tokens_details"] == details


def test_credits_of_comfy_are_the_price_there(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-Comfy-Credits-Used wins over any computing: 211 credits are a dollar."""
    monkeypatch.setenv("COMFY_API_BASE", server.base_url)
    usage = {"input_tokens": 10, "output_tokens": 196, "total_tokens": 206}
    server.reply(200, success(usage=usage), {"X-Comfy-Credits-Used": "21.1"})
    report = node(connection="comfy.org", api_key=KEY)[2]
    assert (report["credits"], report["cost_usd"]) == (21.1, pytest.approx(0.1))


def test_cost_is_null_where_the_service_does_not_say(server: Capture) -> None:
    """No usage, no price: nothing is guessed."""
    report = node()[2]
    assert (report["tokens"], report["cost_usd"], report["credits"]) == (None, None, None)
