"""A run that may cost much is stopped before it does and asked about; what costs nothing is asked about by nobody."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.errors import LargeSumError, OpenAIImageError, RefusedError
from openai_image_nodes.cli import main
from openai_image_nodes.nodes.run import large_sums
from openai_image_nodes.nodes.run.input_images import InputImages
from openai_image_nodes.nodes.run.parameters import ImageParameters
from openai_image_nodes.utils import comfyui
from support.asker import Asker, Server
from support.node_calls import photo, together
from support.route_client import STRANGE, ask

MAX = {"quality": "max", "size": "1024x1024"}  # 0.21 USD each
ROWS = 30


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    monkeypatch.setattr(large_sums, "QUESTIONS", large_sums.Questions())
    monkeypatch.setattr(comfyui, "running_prompt_id", lambda: "prompt-7")
    return Asker.fresh(server, "openai", monkeypatch)


def rows(count: int = ROWS, **inputs: Any) -> list[dict[str, Any]]:
    """Return the calls of a list: all of one node, each with a seed of its own."""
    return [{**MAX, "seed": seed, "unique_id": "3", **inputs} for seed in range(count)]


def run(*calls: dict[str, Any]) -> list[Any]:
    """Run nodes in one prompt; errors come back in place of results."""
    return [one if isinstance(one, Exception) else "picture" for one in together(*calls)]


def refused(outcomes: list[Any]) -> bool:
    """Tell whether all runs were stopped by the same question."""
    assert all(isinstance(one, LargeSumError) for one in outcomes if one != "picture")
    return len({str(one) for one in outcomes}) == 1 and outcomes[0] != "picture"


def test_list_above_the_sum_sends_nothing_and_says_the_sum_once(asker: Asker) -> None:
    """Not a part of it either; the words say how much, for how many, and how to go on."""
    outcomes = run(*rows())
    assert refused(outcomes)
    assert asker.faults.posts == 0
    question, answer = str(outcomes[0]).split("\n")
    assert f"in {ROWS} requests" in question
    assert "up to 6.3" in question
    assert "5.00 USD" in question
    assert "ComfyUI's page" not in question  # the page shows this line alone, above its buttons
    assert "say yes there" in answer
    assert large_sums.VARIABLE in answer


def test_list_below_the_sum_runs(asker: Asker) -> None:
    """Nobody is asked for small sums."""
    assert run(*rows(20)) == ["picture"] * 20


def test_many_pictures_of_one_request_count(asker: Asker) -> None:
    """A single node with n=10 of the largest and dearest is no small sum."""
    (outcome,) = run({"quality": "max", "size": "3840x2160", "n": 10, "unique_id": "3"})
    limit = large_sums.ask_above_usd()
    link = Connection(name="openai", base_url="https://api.openai.com/v1", kind="openai", key=None)
    told = ImageParameters(prompt="a fox", quality="max", size="3840x2160", n=10)
    assert isinstance(outcome, LargeSumError) == (large_sums.expected_usd(link, told, InputImages()) > limit)


def test_several_nodes_of_a_prompt_are_one_sum(asker: Asker) -> None:
    """A stranger's graph may have a list per node, each below."""
    outcomes = run(*(call for name in "34" for call in rows(15, unique_id=name, prompt=name)))
    assert refused(outcomes)
    assert asker.faults.posts == 0


@pytest.mark.slow
def test_what_is_kept_does_not_count(asker: Asker) -> None:
    """A list that was paid comes for nothing, however long; with a few new rows, those alone count."""
    assert run(*rows(20)) == ["picture"] * 20
    assert run(*rows(20, prompt="another")) == ["picture"] * 20
    posts = asker.faults.posts
    asker.restart()
    mixed = [*rows(20), *rows(20, prompt="another"), *rows(3, prompt="new")]
    assert run(*mixed) == ["picture"] * 43
    assert asker.faults.posts == posts + 3


@pytest.mark.slow
def test_asking_again_on_purpose_counts(asker: Asker) -> None:
    """With reuse off what is kept is bought again."""
    assert run(*rows(20)) == ["picture"] * 20
    assert refused(run(*rows(30, reuse=False)))


def test_what_was_sent_before_counts_in_one_prompt(asker: Asker) -> None:
    """A second list in the same prompt, behind the first."""
    import asyncio

    from support.node_calls import GPTImage, asked

    async def behind_one_another() -> list[list[Any]]:
        found = []
        for name in ("first", "second"):
            calls = (GPTImage().api_call(**asked(call)) for call in rows(15, prompt=name))
            found.append(await asyncio.gather(*calls, return_exceptions=True))
        return found

    first, second = asyncio.run(behind_one_another())
    assert not [one for one in first if isinstance(one, Exception)]
    assert refused(second)
    assert asker.faults.posts == 15


@pytest.mark.parametrize(("told", "is_asked"), [("100", False), ("inf", False), ("0", True), ("0.1", True)])
def test_sum_can_be_set(asker: Asker, monkeypatch: pytest.MonkeyPatch, told: str, *, is_asked: bool) -> None:
    """At each run again; 0 asks about everything that costs."""
    monkeypatch.setenv(large_sums.VARIABLE, told)
    assert refused(run(*rows(1))) == is_asked


@pytest.mark.parametrize("told", ["much", "nan", "-1", "-inf", "1e", "5 USD"])
def test_sum_that_is_none_is_the_default(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    """A slip must not switch the question off."""
    monkeypatch.setenv(large_sums.VARIABLE, told)
    assert large_sums.ask_above_usd() == large_sums.ASK_ABOVE_USD


@pytest.mark.slow
def test_yes_lets_the_same_run_go_once(asker: Asker) -> None:
    """Then it is asked again, also where the seeds are new."""
    assert refused(run(*rows()))
    told = ask("POST", "allow_sum", prompt_id="prompt-7")
    assert (told.status, told.body["count"]) == (200, ROWS)
    assert run(*rows(prompt="with other seeds")) == ["picture"] * ROWS
    assert refused(run(*rows(prompt="third")))


def test_yes_is_no_yes_to_more_or_to_another(asker: Asker) -> None:
    """Neither to more rows, nor to other nodes, nor after a while."""
    for more in (rows(ROWS + 5), rows(ROWS, unique_id="4")):
        assert refused(run(*rows()))
        assert ask("POST", "allow_sum", prompt_id="prompt-7").status == 200
        assert refused(run(*more))
        large_sums.QUESTIONS.__init__()  # type: ignore[misc]
    assert asker.faults.posts == 0


def test_yes_is_forgotten_after_a_while(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody remembers what it was to."""
    assert refused(run(*rows()))
    assert ask("POST", "allow_sum", prompt_id="prompt-7").status == 200
    monkeypatch.setattr(large_sums, "YES_HOLDS_S", 0.0)
    assert refused(run(*rows()))


def test_no_other_page_says_yes(asker: Asker) -> None:
    """Only ComfyUI's own."""
    assert refused(run(*rows()))
    for name, headers in STRANGE.items():
        assert ask("POST", "allow_sum", headers=headers, prompt_id="prompt-7").status == 403, name
    assert refused(run(*rows()))


@pytest.mark.parametrize("body", [{}, {"prompt_id": "another"}, {"prompt_id": None}, {"prompt_id": ["prompt-7"]}])
def test_yes_to_nothing_is_none(asker: Asker, body: dict[str, Any]) -> None:
    """What was not asked is not answered; what was is answered once."""
    assert refused(run(*rows()))
    assert ask("POST", "allow_sum", **body).status in (400, 404)
    assert ask("POST", "allow_sum", prompt_id="prompt-7").status == 200
    assert ask("POST", "allow_sum", prompt_id="prompt-7").status == 404


@pytest.mark.slow
def test_sandbox_and_plans_are_never_asked_about(asker: Asker) -> None:
    """Nothing of them costs before somebody submits, who sees the sum then."""
    assert run(*rows(connection="sandbox")) == ["picture"] * ROWS
    assert not [
        one for one in run(*rows(connection="openai batch", model="gpt-image-2", quality="high")) if one != "picture"
    ]


@pytest.mark.parametrize("model", ["a-model-that-nobody-knows", "gpt-image-2.6-flare"])
def test_unknown_prices_are_counted_elsewhere_and_not_on_this_machine(model: str) -> None:
    """A server of one's own costs nothing, a relay of unknown prices may cost much."""
    told = ImageParameters(prompt="a fox", model=model, quality="high", size="1024x1024")
    far = Connection(name="relay", base_url="https://relay.invalid/v1")
    near = Connection(name="own", base_url="http://127.0.0.1:8000/v1")
    costs = [large_sums.expected_usd(link, told, InputImages(photo())) for link in (far, near)]
    assert costs[0] > 0.03
    assert (costs[1] == 0) == (model == "a-model-that-nobody-knows")


def test_fault_of_a_row_is_told_as_ever(asker: Asker) -> None:
    """What cannot be sent at all is refused for its own reason."""
    outcomes = run(*rows(3), {**MAX, "size": "17x17", "unique_id": "3"})
    assert isinstance(outcomes[3], RefusedError)
    assert not isinstance(outcomes[3], LargeSumError)
    assert outcomes[:3] == ["picture"] * 3


def command(tmp_path: Path) -> list[str]:
    return ["a fox", "--quality", "max", "--connection", "openai", "-o", str(tmp_path / "out.png")]


@pytest.fixture
def small(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> Asker:
    """Somebody who wants to be asked about cents, in a shell."""
    monkeypatch.setattr(comfyui, "running_prompt_id", lambda: "")
    monkeypatch.setenv(large_sums.VARIABLE, "0.01")
    return asker


def test_command_without_a_terminal_refuses_and_names_the_option(
    small: Asker, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scripts do not hang, and do not spend."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert main(command(tmp_path)) == 1
    assert "--yes" in capsys.readouterr().err
    assert small.faults.posts == 0
    assert main([*command(tmp_path), "--yes"]) == 0
    assert small.faults.posts == 1


@pytest.mark.parametrize(("word", "posts"), [("y", 1), ("n", 0), ("", 0)])
def test_command_asks_at_a_terminal(
    small: Asker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    word: str,
    posts: int,
) -> None:
    """Anything but a yes sends nothing; a script that takes what is printed does not take the question."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda: word)
    assert main(command(tmp_path)) == 1 - posts
    told = capsys.readouterr()
    assert told.err.count("USD. Go on? [y/N]") == 1
    assert "[y/N]" not in told.out
    assert small.faults.posts == posts


def test_sums_of_a_list_are_kept_as_its_rows_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """To add up all rows for each of them stopped a prompt of 10,000 for ten seconds."""
    monkeypatch.setenv(large_sums.VARIABLE, "1")

    async def row(costs: large_sums.PromptCosts, number: int) -> None:
        share = costs.begin("7", 0.01)
        await costs.allow(share, lambda: number % 4 > 0)
        assert costs.sure_usd == pytest.approx(sum(one.usd for one in costs.shares if one.is_sure))
        assert costs.usd == pytest.approx(sum(one.usd for one in costs.shares))
        share.is_sent = number % 8 == 0  # the others were kept, as was seen when they were asked for
        costs.leave(share)

    async def rows_of_a_list() -> None:
        costs = large_sums.PromptCosts()
        await asyncio.gather(*(row(costs, number) for number in range(200)))
        assert (len(costs.shares), costs.usd, costs.sure_usd) == (25, pytest.approx(0.25), pytest.approx(0.25))

    asyncio.run(rows_of_a_list())


def test_message_repeats_nothing_of_a_stranger(asker: Asker) -> None:
    """The words of the list are no part of it."""
    outcomes = run(*rows(prompt="<img src=x onerror=alert(1)>"))
    assert "<" not in str(outcomes[0])
    assert isinstance(outcomes[0], OpenAIImageError)
    assert "onerror" not in json.dumps(str(outcomes[0]))
