"""What a list will cost before it runs: the sum over its rows, each with its own size, quality and picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.nodes.prompt_list.node import PromptList
from support.route_client import ask

KEY = "sk-planted-0123456789"
PRICED = {"model": "gpt-image-2", "quality": "low", "size": "1024x1024", "n": 1, "connection": "openai"}
LINKED = {"prompt": "prompt", "size": "size", "quality": "quality", "image": "image"}
HEADER = "prompt,size,quality,image"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with lists; there is a key."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(PromptList, "folder", staticmethod(lambda: tmp_path))
    return tmp_path


def state(*connected: str, images: int = 0, **values: Any) -> dict[str, Any]:
    return {
        "node": "OIN_GPTImage",
        "values": {**PRICED, **values},
        "connected": list(connected),
        "image_count": images,
    }


def told(values: dict[str, Any], *linked: str, **node: Any) -> Any:
    """Return what is told of a list with one node behind it, whose inputs of these names come from the list."""
    links = {name: LINKED[name] for name in linked}
    return ask("POST", "list_estimates", list=values, nodes=[{"state": state(*linked, **node), "linked": links}]).body


def price(**values: Any) -> float:
    """Return what one request costs."""
    return float(ask("POST", "estimate", **state(**values)).body["high_usd"])


def sum_of(answer: Any) -> float:
    return sum(one["count"] * one["high_usd"] for one in answer["estimates"])


def test_every_row_counts_once() -> None:
    """Lines of a text; blank ones and remarks are none."""
    answer = told({"text": "a fox\n\n# none\na cat\na dog"}, "prompt")
    assert (answer["rows"], sum_of(answer)) == (3, pytest.approx(3 * price()))


def test_portion_is_what_runs() -> None:
    """The rows of this run, not those of the list."""
    answer = told({"text": "\n".join("abcdefg"), "limit": 3, "portion": 3}, "prompt")
    assert answer["rows"] == 1


def test_rows_with_their_own_size_and_quality_have_their_own_price(folder: Path) -> None:
    """A row that has none takes the list's, also where the node says something else."""
    (folder / "list.csv").write_text(f"{HEADER}\na,1024x1536,high,\nb,,,\nc,,,\n", encoding="utf-8")
    answer = told({"file": "list.csv", "size": "1024x1024", "quality": "medium"}, "prompt", "size", "quality")
    rows = price(size="1024x1536", quality="high") + 2 * price(quality="medium")
    assert sum_of(answer) == pytest.approx(rows)
    assert sorted(one["count"] for one in answer["estimates"]) == [1, 2]


def test_size_that_is_not_linked_stays_that_of_the_node(folder: Path) -> None:
    """The column is not used then."""
    (folder / "list.csv").write_text(f"{HEADER}\na,1024x1536,high,\n", encoding="utf-8")
    assert sum_of(told({"file": "list.csv"}, "prompt")) == pytest.approx(price())


def test_rows_with_a_picture_are_edits_those_without_are_not(folder: Path) -> None:
    """One list may hold both."""
    (folder / "list.csv").write_text(f"{HEADER}\na,,,cat.png\nb,,,\n", encoding="utf-8")
    answer = told({"file": "list.csv", "size": "1024x1024"}, "prompt", "image", images=1)
    edit = ask("POST", "estimate", **state("image", images=1)).body["high_usd"]
    assert sum_of(answer) == pytest.approx(edit + price())
    assert edit > price()


def test_refusal_of_one_kind_of_rows_is_among_the_estimates(folder: Path) -> None:
    """With its reason, beside those that can run."""
    (folder / "list.csv").write_text(f"{HEADER}\na,,xhigh,\nb,,low,\n", encoding="utf-8")
    answer = told({"file": "list.csv"}, "prompt", "quality")
    states = {one["state"]: one.get("reason", "") for one in answer["estimates"]}
    assert set(states) == {"impossible", "known"}
    assert "quality xhigh" in states["impossible"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"text": ""}, "Text holds no prompt"),
        ({"file": "gone.csv"}, "gone.csv"),
        ({"text": "a", "start": 5}, "past that"),
        ({"text": "a", "limit": -1}, "limit"),
    ],
)
def test_list_that_cannot_run_says_why(values: dict[str, Any], said: str) -> None:
    """In the words of the run."""
    answer = told(values, "prompt")
    assert answer["state"] == "impossible"
    assert said in answer["reason"]


@pytest.mark.slow
def test_ten_thousand_rows_of_two_kinds_are_two_estimates(folder: Path) -> None:
    """Rows of a kind are counted, not asked for one by one."""
    rows = "".join(f"prompt {number},,{'low' if number % 2 else 'high'},\n" for number in range(10_000))
    (folder / "list.csv").write_text(f"{HEADER}\n{rows}", encoding="utf-8")
    answer = told({"file": "list.csv"}, "prompt", "quality")
    assert [one["count"] for one in answer["estimates"]] == [5000, 5000]


def test_request_that_is_not_as_expected_is_refused() -> None:
    """Without repeating it."""
    assert ask("POST", "list_estimates", list={"text": "a"}, nodes=[{"state": {}}]).status == 400
