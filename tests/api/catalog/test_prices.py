"""What a request will cost, and the limit for a day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.api.catalog import pricing as prices
from openai_image_nodes.api.catalog.schemas import Usage
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.errors import OutOfCreditError
from openai_image_nodes.api.store import spending as budget
from openai_image_nodes.api.store.records import JobRecord
from openai_image_nodes.cli.store import jobs
from openai_image_nodes.sandbox import Sandbox
from openai_image_nodes.sandbox.billing import bytes_tokens, shaped
from support.capture import Capture, picture, success
from support.node_calls import KEY, node, use_openai

OPENAI = Connection(name="openai", base_url="https://api.openai.com/v1", kind="openai")
COMFY = Connection(name="comfy.org", base_url="https://api.comfy.org/proxy/openai", kind="comfy.org")
SANDBOX = Connection(name="sandbox", base_url="http://127.0.0.1:1/v1", kind="sandbox")


def fields(**other: Any) -> dict[str, Any]:
    """Return the fields of a plain request."""
    return {"model": "gpt-image-2", "prompt": "a fox", "size": "1024x1024", "quality": "medium", "n": 1, **other}


def record(usd: float | None, connection: str = "openai") -> JobRecord:
    """Return the record of an answer that cost so much."""
    return JobRecord(
        identity="0" * 64, service="s", connection=connection, operation="generations", model="m", cost_usd=usd
    )


def test_estimate_is_the_published_price_and_a_little_for_the_prompt() -> None:
    """gpt-image-2 medium at 1024x1024 is published as 0.053 USD."""
    low, high = prices.estimate(OPENAI, fields(), 0) or (0, 0)
    assert low == high == pytest.approx(0.0527, abs=2e-4)


def test_estimate_is_multiplied_by_n() -> None:
    """Each picture of a request is billed."""
    one, three = (prices.estimate(OPENAI, fields(n=n), 0) or (0.0, 0.0) for n in (1, 3))
    assert three[0] == pytest.approx(3 * one[0], abs=2e-4)


@pytest.mark.parametrize("prompt", ["一只红色的狐狸" * 4000, "\U0001f98a" * 8000, "ثعلب أحمر " * 3000, "a fox \ud800"])
def test_estimate_is_no_less_than_what_a_prompt_of_any_script_costs(prompt: str) -> None:
    """A Chinese character is about a token: at a third of one, long lists passed the question and the limit."""
    _, high = prices.estimate(OPENAI, fields(prompt=prompt), 0) or (0.0, 0.0)
    plain = prices.estimate(OPENAI, fields(prompt=""), 0) or (0.0, 0.0)
    said = prompt.encode(errors="replace")
    paid = prices.cost_usd(OPENAI, "gpt-image-2", Usage(**shaped(bytes_tokens(len(said)), 0, 0)), None)
    assert high - plain[1] >= (paid or 0.0) > 0


def test_estimate_counts_every_connected_picture() -> None:
    """A reference takes 1024 to 1536 tokens of image input, at 8 USD a million."""
    without, with_two = (prices.estimate(OPENAI, fields(), count) or (0.0, 0.0) for count in (0, 2))
    assert with_two[0] - without[0] == pytest.approx(2 * 1024 * 8e-6)
    assert with_two[1] - without[1] == pytest.approx(2 * 1536 * 8e-6)


@pytest.mark.parametrize("name", ["size", "quality"])
def test_auto_gives_a_range(name: str) -> None:
    """What the service decides itself is between the cheapest and the dearest that it may choose."""
    low, high = prices.estimate(OPENAI, fields(**{name: "auto"}), 0) or (0, 0)
    assert 0 < low < high


@pytest.mark.parametrize(
    ("model", "quality", "low_usd", "high_usd", "certainty"),
    [
        ("gpt-image-2.6-flare", "low", 0.0247, 0.0247, "exact"),
        ("gpt-image-2.6-flare", "medium", 0.0395, 0.0527, "exact"),
        ("gpt-image-2.6-flare", "high", 0.0527, 0.0527, "exact"),
        ("gpt-image-2.6-flare", "xhigh", 0.0937, 0.0937, "about"),
        ("gpt-image-2.6-sunburst", "max", 0.2107, 0.2107, "about"),
        ("gpt-image-2.6-flare", "auto", 0.0247, 0.1749, "at most"),
        ("gpt-image-2.6-sunburst", "auto", 0.0527, 0.0527, "about"),
        ("gpt-image-2.5-flare", "max", 0.2107, 0.2107, "exact"),
    ],
)
def test_estimate_tells_how_sure_it_is(
    model: str, quality: str, low_usd: float, high_usd: float, certainty: str
) -> None:
    """Exact where the formula gives what several sources saw, a range or an upper bound where they differ."""
    asked = fields(model=model, quality=quality, prompt="")
    low, high = prices.estimate(OPENAI, asked, 0) or (0, 0)
    assert (low, high) == (pytest.approx(low_usd, abs=1e-4), pytest.approx(high_usd, abs=1e-4))
    assert prices.certainty(asked) == certainty


def test_animation_costs_what_the_sheet_of_its_frames_does() -> None:
    """2 frames of 512x512 were billed as 555 tokens, those of one picture of 2048x1024: about, for it is derived."""
    asked = fields(model="gpt-image-2.6-flare", quality="low", size="512x512", output_format="gif", frame_count=2)
    low, high = prices.estimate(OPENAI, asked, 0) or (0, 0)
    assert low == high == pytest.approx(555 * 30e-6, abs=1e-4)
    assert prices.certainty(asked) == "about"
    assert prices.estimate(OPENAI, {**asked, "output_format": "svg"}, 0) is None


def test_estimate_on_comfy_has_its_prices() -> None:
    """gpt-image-2 costs 36 USD a million tokens of output there, and 30 at the service itself."""
    own, comfy = (prices.estimate(one, fields(), 0) or (0.0, 0.0) for one in (OPENAI, COMFY))
    assert comfy[0] / own[0] == pytest.approx(1.2, abs=0.01)


@pytest.mark.parametrize(
    ("quality", "size", "usd"),
    [
        ("low", "1024x1024", 0.009),
        ("low", "1024x1536", 0.013),
        ("medium", "1024x1024", 0.034),
        ("medium", "1536x1024", 0.050),
        ("high", "1024x1024", 0.133),
        ("high", "1024x1536", 0.200),
    ],
)
def test_price_of_1_5_is_the_listed_one(quality: str, size: str, usd: float) -> None:
    """The service lists gpt-image-1.5 by the picture."""
    asked = fields(model="gpt-image-1.5", quality=quality, size=size, prompt="")
    low, _ = prices.estimate(OPENAI, asked, 0) or (0.0, 0.0)
    assert low == pytest.approx(usd, abs=1e-4)


def test_sandbox_is_free() -> None:
    """Nothing is asked of anybody who pays."""
    assert prices.estimate(SANDBOX, fields(), 3) == (0.0, 0.0)


def test_unknown_price_counts_as_the_dearest_known_one_for_a_budget() -> None:
    """A budget must hold also for models whose price nobody tells."""
    unknown = prices.cautious_usd(OPENAI, fields(model="somebody's-model", quality="low"), 0)
    assert unknown >= prices.cautious_usd(OPENAI, fields(model="gpt-image-2.5-flare", quality="max"), 0)


def test_sums_are_kept_by_day_and_connection(tmp_path: Path) -> None:
    """Every paid answer adds to the sum of its connection."""
    for usd, connection in ((0.1, "openai"), (0.2, "openai"), (0.4, "comfy.org"), (None, "azure")):
        budget.note_spent(tmp_path, record(usd, connection))
    assert budget.spent(tmp_path, budget.today()) == pytest.approx({"openai": 0.3, "comfy.org": 0.4, "azure": 0.0})
    assert budget.days(tmp_path) == [budget.today()]


def test_budget_refuses_what_would_pass_it_and_names_the_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before anything is sent, with what was spent so far."""
    monkeypatch.setenv(budget.BUDGET_VARIABLE, "0.50")
    budget.note_spent(tmp_path, record(0.45))
    with (
        pytest.raises(OutOfCreditError, match=r"0\.50 USD a day .* 0\.4500 USD were spent today"),
        budget.reserved(tmp_path, 0.10),
    ):
        pytest.fail("the request was let through")


def test_budget_counts_what_is_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four requests at once cannot pass it together, and what failed gives its share back."""
    monkeypatch.setenv(budget.BUDGET_VARIABLE, "0.50")
    on_its_way = budget.reserved(tmp_path, 0.30)
    with on_its_way, pytest.raises(OutOfCreditError, match=r"0\.3000 USD are on their way"):
        budget.reserved(tmp_path, 0.30).__enter__()
    with budget.reserved(tmp_path, 0.30):
        assert budget.spent(tmp_path, budget.today()) == {}


def test_budget_that_is_no_number_stops_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that cannot be read must not mean no limit."""
    monkeypatch.setenv(budget.BUDGET_VARIABLE, "five dollars")
    with pytest.raises(OutOfCreditError, match="'five dollars'"), budget.reserved(tmp_path, 0.01):
        pytest.fail("the request was let through")


def test_run_that_would_pass_the_budget_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before sending, also for a model whose price nobody tells; what was paid stays free."""
    with Capture() as server:
        use_openai(monkeypatch, server)
        node(model="gpt-image-2", quality="low", size="1024x1024")
        monkeypatch.setenv(budget.BUDGET_VARIABLE, "0.001")
        with pytest.raises(OutOfCreditError, match=r"budget of 0\.0010 USD a day would be passed"):
            node(model="gpt-image-2.6-flare", seed=1)
        _, _, report = node(model="gpt-image-2", quality="low", size="1024x1024")
        assert (len(server.requests), report["reused"]) == (1, True)


@pytest.mark.parametrize(("connection", "usd"), [("comfy.org", 0.0429), ("openai", 0.03)])
def test_cost_of_an_answer_that_tells_no_credits_is_that_of_who_is_paid(
    monkeypatch: pytest.MonkeyPatch, connection: str, usd: float
) -> None:
    """comfy.org asks for more than OpenAI does."""
    with Capture() as server:
        use_openai(monkeypatch, server)
        monkeypatch.setenv("COMFY_API_BASE", server.base_url)
        monkeypatch.setenv("COMFY_API_KEY", KEY)
        usage = {"output_tokens": 1000, "input_tokens_details": {"text_tokens": 0}}
        server.reply(200, success(picture(), usage=usage))
        assert node(model="gpt-image-2.5-flare", connection=connection)[2]["cost_usd"] == pytest.approx(usd)


def test_sums_of_the_day_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`openai-image jobs` ends with what each connection cost on each day; the sandbox is no cost."""
    with Sandbox() as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.base_url}/v1")
        _, _, report = node(model="gpt-image-2", size="1024x1024")
    node(connection="sandbox", size="1024x1024")
    jobs([])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"{budget.today()}  spent {report['cost_usd']:.4f} USD: openai {report['cost_usd']:.4f} USD"
