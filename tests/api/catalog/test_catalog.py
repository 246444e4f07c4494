"""The catalog: which models live when, and what users add to it."""

from __future__ import annotations

import json
import logging
import os
import tracemalloc
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_image_nodes.api.catalog import catalog
from openai_image_nodes.api.catalog import validation as rules
from openai_image_nodes.api.catalog.schemas import OpenAIImageGenerationRequest
from openai_image_nodes.api.errors import RefusedError
from support.capture import Capture, picture, success
from support.node_calls import GPTImage, node, use_openai, validated

BEFORE, LAST_MONTH, LAST_DAY, END = (date.fromisoformat(f"2026-{day}") for day in ("10-31", "11-01", "11-30", "12-01"))
ENDING = ["gpt-image-1.5", "gpt-image-1-mini", "chatgpt-image-latest"]
RETIRED = {"gpt-image-1": "2026-10-23", "dall-e-2": "2026-05-12", "dall-e-3": "2026-05-12"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


def override(content: object) -> Path:
    """Write the user's own list of models."""
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "models.json")
    file.write_text(content if isinstance(content, str) else json.dumps({"models": content}))
    return file


def spec(model: str) -> catalog.ModelSpec:
    found = catalog.find(model)
    assert found is not None
    return found


def let_it_be(day: date, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "utc_today", lambda: day)


@pytest.mark.parametrize("model", ENDING)
def test_ending_models_run_until_the_day_before_their_end(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shut down on 2026-12-01: warned of for thirty days, refused from that day on."""
    known, told = spec(model), []
    for day in (BEFORE, LAST_MONTH, LAST_DAY, END):
        let_it_be(day, monkeypatch)
        told.append((known.ends_soon(), known.ended()))
    assert told == [(False, False), (True, False), (True, False), (False, True)]


@pytest.mark.parametrize(("model", "day"), RETIRED.items())
def test_retired_models_are_known_but_not_listed(model: str, day: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their date and successors are told; no day brings them back."""
    known = spec(model)
    let_it_be(date(2020, 1, 1), monkeypatch)
    assert (str(known.shutdown_date), known.ended()) == (day, True)
    assert all(spec(name).shutdown_date is None for name in known.replacement)
    assert model not in catalog.choices()


def test_listed_models_are_the_newest_first_and_ending_ones_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """The widget's order; from their end on, the ended ones are gone."""
    let_it_be(LAST_DAY, monkeypatch)
    alive = [known.id for known in catalog.listed()]
    assert alive[:2] == ["gpt-image-2.6-flare", "gpt-image-2.6-sunburst"]
    assert alive[2:5] == ["gpt-image-2.5-flare", "gpt-image-2.5-sunburst", "gpt-image-2"]
    assert sorted(alive[5:]) == sorted(ENDING)
    let_it_be(END, monkeypatch)
    assert [known.id for known in catalog.listed()] == alive[:5]


def test_default_model_of_the_widget_is_listed_for_good() -> None:
    """The newest fast model, without an end in sight."""
    choices, options = GPTImage.INPUT_TYPES()["optional"]["model"]
    assert options["default"] == "gpt-image-2.6-flare"
    assert options["default"] in choices
    assert spec(options["default"]).shutdown_date is None


def test_snapshots_have_the_rules_of_their_model() -> None:
    """A dated snapshot is its model under another name."""
    assert spec("gpt-image-2-2026-04-21") is spec("gpt-image-2")
    assert spec("gpt-image-2.5-flare-2026-09-08").id == "gpt-image-2.5-flare"


def test_ending_model_runs_and_the_report_says_so(server: Capture) -> None:
    """Ten days before its end a model still answers; the note names the date and the successors."""
    day = catalog.utc_today() + timedelta(days=10)
    override([{"id": "gpt-image-2", "shutdown_date": str(day), "replacement": ["gpt-image-2.6-flare"]}])
    notes = node(model="gpt-image-2")[2]["notes"]
    assert notes == [f"The model gpt-image-2 is shut down on {day}. Its successors: gpt-image-2.6-flare."]


def test_unknown_model_passes_with_the_rules_that_hold_for_all(server: Capture) -> None:
    """Next month's model runs on a compatible connection, with a note; n, formats and prompt are still checked."""
    notes = node(model="gpt-image-9", quality="max", size="3840x2160")[2]["notes"]
    assert server.last.fields()["model"] == "gpt-image-9"
    assert any("gpt-image-9" in note and "not in the catalog" in note for note in notes)
    assert validated(model="gpt-image-9") is True
    for wrong in ({"n": 11}, {"prompt": ""}, {"background": "transparent", "output_format": "jpeg"}):
        assert isinstance(validated(model="gpt-image-9", **wrong), str)


def test_user_can_override_one_field() -> None:
    """Everything else of the entry stays as shipped. PowerShell writes a mark of bytes before the text."""
    before = spec("gpt-image-2")
    override("\ufeff" + json.dumps({"models": [{"id": "gpt-image-2", "quality": ["low", "ultra"]}]}))
    after = spec("gpt-image-2")
    assert after.quality == ["low", "ultra"]
    assert after.model_copy(update={"quality": before.quality}) == before


def test_user_can_add_a_model_that_is_like_another(server: Capture) -> None:
    """Adding next month's model is one entry: it is offered, checked and sent."""
    override([{"id": "gpt-image-3", "like": "gpt-image-2", "released": "2026-12-24", "quality": ["auto", "ultra"]}])
    assert catalog.choices()[0] == "gpt-image-3"
    assert "gpt-image-3" in GPTImage.INPUT_TYPES()["optional"]["model"][0]
    assert "quality low" in str(validated(model="gpt-image-3"))
    node(model="gpt-image-3", quality="ultra")
    assert server.last.fields()["quality"] == "ultra"


@pytest.mark.parametrize("prices", [{}, {"image_out": 40.0}])
def test_picture_of_a_model_with_half_a_price_is_given_out(server: Capture, prices: dict[str, float]) -> None:
    """A price that is missing in the user's list is not known: no paid picture is withheld for that."""
    override([{"id": "gpt-image-3", "like": "gpt-image-2", "price_usd_per_m": prices}])
    server.reply(200, success(picture(), usage={"input_tokens": 9, "output_tokens": 100, "total_tokens": 109}))
    image, _, report = node(model="gpt-image-3")
    assert (image.shape, report["cost_usd"]) == ((1, 8, 8, 3), None)


def test_change_of_the_users_list_is_seen_at_once() -> None:
    """No restart of ComfyUI is needed."""
    override([{"id": "gpt-image-3", "like": "gpt-image-2"}])
    assert catalog.find("gpt-image-3") is not None
    override([]).touch()
    assert catalog.find("gpt-image-3") is None


BROKEN: dict[str, Any] = {
    "no JSON": "{models:",
    "another form": '{"models": {"gpt-image-2": {}}}',
    "a list": "[]",
    "no id": [{"like": "gpt-image-2"}],
    "wrong type": [{"id": "gpt-image-2", "n": "many"}],
    "like itself": [{"id": "gpt-image-3", "like": "gpt-image-3"}],
    "no UTF-8": "\udcff",
    "sides that divide by nothing": [{"id": "gpt-image-2", "sizes": {"kind": "arbitrary", "multiple_of": 0}}],
    "sides without an end": [{"id": "gpt-image-2", "sizes": {"kind": "arbitrary", "max_edge": 10**9}}],
    "no size that keeps the rules": [{"id": "gpt-image-2", "sizes": {"kind": "arbitrary", "max_pixels": 0}}],
    "sides that are too short": [{"id": "gpt-image-2", "sizes": {"kind": "any", "max_edge": 99, "min_side": 100}}],
    "no quality": [{"id": "gpt-image-2", "quality": []}],
    "tokens without an end": [{"id": "gpt-image-2", "output_tokens": {"quality_factor": {"low": 10**400}}}],
    "a price below nothing": [{"id": "gpt-image-2", "price_usd_per_m": {"image_out": -30}}],
    "a price that is no number": [{"id": "gpt-image-2", "per_image_usd": {"low": {"1024x1024": float("nan")}}}],
    "tokens below nothing": [{"id": "gpt-image-2", "output_tokens": {"table": {"low": {"1024x1024": -1}}}}],
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_broken_list_of_the_user_is_told_and_the_shipped_one_used(
    content: object, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typing error in a text file must not take the node away."""
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "models.json")
    text = content if isinstance(content, str) else json.dumps({"models": content})
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with caplog.at_level(logging.WARNING):
        assert spec("gpt-image-2").n == (1, 10)
    let_it_be(LAST_DAY, monkeypatch)
    assert len(catalog.listed()) == 8
    assert str(file) in caplog.text


@pytest.mark.parametrize("kind", ["of gigabytes", "a folder", "a pipe"])
def test_list_of_the_user_that_is_no_such_file_is_told_and_not_read(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Gigabytes would be read into memory, and a pipe waited for."""
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "models.json")
    if kind == "a pipe" and not hasattr(os, "mkfifo"):
        pytest.skip("Windows has no such pipes")
    if kind == "of gigabytes":
        file.touch()
        os.truncate(file, catalog.MODELS_FILE_MAX_BYTES + 1)
    else:
        (os.mkfifo if kind == "a pipe" else os.mkdir)(file)
    tracemalloc.start()
    with caplog.at_level(logging.WARNING):
        assert spec("gpt-image-2").n == (1, 10)
    assert tracemalloc.get_traced_memory()[1] < catalog.MODELS_FILE_MAX_BYTES // 2
    tracemalloc.stop()
    assert str(file) in caplog.text


@pytest.mark.slow
@given(width=st.integers(1, 9000), height=st.integers(1, 9000))
def test_nearest_size_is_always_legal(width: int, height: int) -> None:
    """For every picture there is a size that the model takes, and a legal size is its own nearest."""
    for model in ("gpt-image-2", "gpt-image-1.5"):
        sizes = spec(model).sizes
        nearest = rules.nearest_size(sizes, width, height)
        assert rules.size_fault(sizes, *nearest) is None
        assert rules.nearest_size(sizes, *nearest) == nearest


def test_request_models_refuse_by_the_same_rules() -> None:
    """Whoever builds a request by hand meets the catalog as well."""
    with pytest.raises(RefusedError, match="n is 11"):
        OpenAIImageGenerationRequest(model="gpt-image-2", prompt="a", n=11)
