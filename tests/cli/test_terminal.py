"""A terminal obeys what some characters say: words of a service, a list or a record are letters there."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai_image_nodes.api import stores
from openai_image_nodes.cli import main
from openai_image_nodes.cli.terminal import print_json
from support.batch_plans import BATCH, faults, run, sandbox
from support.capture import Capture, failure
from support.faults import Faults
from support.node_calls import use_openai
from support.scenarios import ScriptedSandbox

__all__ = ["faults", "sandbox"]  # pytest finds them here
ORDERS = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp\u200b\r\x08\x00 end"
OBEYED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    return said.out + said.err


def test_words_of_a_service_are_letters(server: Capture, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of a refusal; what it says can still be read."""
    server.reply(400, failure(f"no such size {ORDERS}", code=f"bad{ORDERS}"))
    assert main(["a fox", "--connection", "openai", "-o", str(tmp_path / "out.png")]) != 0
    told = printed(capsys)
    assert "no such size" in told
    assert OBEYED.findall(told) == []


@pytest.mark.slow
def test_words_of_plans_and_batches_are_letters(
    sandbox: ScriptedSandbox, faults: Faults, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prompts come from strangers' lists."""
    assert run(prompt=f"a fox {ORDERS}", connection=BATCH)[0] is None
    for words in (["plan"], ["submit", "-y"], ["status"], ["collect"]):
        main(["batch", *words])
    faults.status(400, message=ORDERS, times=9)
    main(["batch", "status"])
    told = printed(capsys)
    assert "a fox" in told
    assert OBEYED.findall(told) == []


def test_json_for_scripts_has_escapes_in_place_of_orders(capsys: pytest.CaptureFixture[str]) -> None:
    """A script reads the very text, halves of characters too, and letters of all languages stay as they are."""
    told = {"prompt": f"{ORDERS} \x7f \ud800 \u00e9\u732b"}
    assert print_json(told) == 0
    said = printed(capsys)
    assert OBEYED.findall(said) == []
    assert "\u00e9\u732b" in said
    assert json.loads(said) == told


def test_names_in_a_shared_days_sum_are_letters(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever writes to a shared store names the notes of what was spent, and the days."""
    day = stores()[0].root / "spent" / "2026-11-2\x1b[2J7"
    day.mkdir(parents=True)
    (day / "0.010000_relay%1B%5D0%3Bowned%07%C2%9B31m_x.json").write_text("{}")
    assert main(["jobs"]) == 0
    told = printed(capsys)
    assert "relay" in told
    assert OBEYED.findall(told) == []


def test_row_of_a_plan_is_one_line(sandbox: ScriptedSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Who writes into a shared folder must not write lines of ours, least of all before a question about money."""
    assert run(prompt="a fox", connection=BATCH)[0] is None
    (path,) = (stores()[0].root / "batch" / "planned").glob("*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "connection": "openai batch\nplanned: 1 job, free"}))
    for action in ("plan", "submit"):
        main(["batch", action])
    assert "\nplanned: 1 job, free" not in printed(capsys)


@pytest.mark.parametrize("words", [["connect", "relay", "--base-url", "https://host/v1"]])
def test_question_that_nobody_answers_ends_the_command(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl+D, or no input at all: nothing is stored, and no traceback."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(words) == 130
    assert "stopped" in printed(capsys)
