"""What users rely on, as the code of 27 November 2026 had it: no later version may read it otherwise.

The data was written by that code (see write.py) and is never written by a test. More may come; nothing may change.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.asker import hurry
from support.golden import kept, pack, snapshots

WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN")
DATED = ("model",)  # its values come and go with the service's models


def golden(name: str) -> Any:
    return json.loads((kept.DATA / name).read_text(encoding="utf-8"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state folder."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the golden store; its service cannot be reached, so that whatever is sent fails."""
    for name, value in kept.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(kept.HOME, home, dirs_exist_ok=True)
    return home / "store"


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert pack.main(words) == code
    return capsys.readouterr().out


# what makes two requests the same job


@pytest.mark.slow
def test_jobs_of_all_nodes_have_the_identities_they_had(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of an answer's folder: with another one, everything would be bought again."""
    assert snapshots.identities_by_nodes(tmp_path / "input", monkeypatch) == golden("identities.json")["nodes"]


def test_jobs_over_all_connections_have_the_identities_they_had(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is part of it, key and batch are not."""
    shutil.copy(kept.DATA / "connections.json", home)
    assert snapshots.identities_by_connection(monkeypatch) == golden("identities.json")["connections"]


# the store folder


@pytest.mark.parametrize("name", kept.ANSWERED)
def test_answer_in_the_store_is_had_without_a_request(store: Path, name: str) -> None:
    """Pictures, edits with a mask, and what was asked for twice, whose newer answer is given."""
    before = _tree(store / "jobs")
    report = kept.run(**kept.ANSWERED[name])
    assert report["reused"] is True
    assert report["cost_usd"] > 0
    assert Path(report["kept_in"]).name.endswith(".2") is (name == "asked again")
    assert _tree(store / "jobs") == before


@pytest.mark.parametrize("name", kept.COLLECTED)
def test_answer_of_a_batch_is_had_without_a_request(store: Path, name: str) -> None:
    """Over the batch connection and over the plain one: one job."""
    assert kept.run(**kept.COLLECTED[name])["reused"] is True
    assert kept.run(**{**kept.COLLECTED[name], "connection": "openai"})["reused"] is True


@pytest.mark.parametrize("inputs", [kept.UNKNOWN, kept.SENT], ids=["unknown", "sent"])
def test_request_with_unknown_outcome_is_not_sent_again(store: Path, inputs: dict[str, Any]) -> None:
    """Its key cannot tell the service that it is the same: it may be billed twice."""
    before = _tree(store / "pending")
    for _ in range(2):
        with pytest.raises(pack.OutcomeUnknownError, match="billed"):
            kept.run(**inputs)
    assert {path for path in before if path.name == "record.json"} <= set(_tree(store / "pending"))


def test_what_came_to_a_process_that_died_is_had_without_a_request(store: Path) -> None:
    """All of its answer had come, the end of it had not."""
    shutil.copytree(kept.LEFT, store.parent, dirs_exist_ok=True)
    assert kept.run(**kept.CAME)["cost_usd"] == pytest.approx(0.00327)
    assert kept.run(**kept.CAME)["reused"] is True


def test_picture_that_could_not_be_fetched_is_looked_for_again_and_not_bought(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier version kept its address as a picture; what is said of it is of now."""
    hurry(monkeypatch)
    shutil.copytree(kept.LEFT, store.parent, dirs_exist_ok=True)
    with pytest.raises(pack.OpenAIImageError, match=r"48611/broken/x\.png could not be fetched"):
        kept.run(**kept.ELSEWHERE)


@pytest.mark.parametrize("name", kept.UNDER_WAY)
def test_job_under_way_in_a_batch_is_neither_planned_nor_sent(
    store: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its node waits; the plain connection does not send it either."""
    assert kept.run(**kept.UNDER_WAY[name]) is None
    with pytest.raises(pack.OpenAIImageError):
        kept.run(**{**kept.UNDER_WAY[name], "connection": "openai"})
    assert len(json.loads(said(capsys, "batch", "plan", "--json"))) == 1


def test_jobs_are_listed_with_state_and_cost(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything in the folder, and the sum of the day, an older note of it too."""
    listed = said(capsys, "jobs")
    for identity in {path.name for part in ("jobs", "pending") for path in (store / part).iterdir()}:
        assert str(store / "jobs" / identity) in listed or str(store / "pending" / identity) in listed
    assert (listed.count("  answered  "), listed.count("  sent, outcome unknown  ")) == (6, 2)
    assert listed.count("  batched  ") == 2
    (day,) = (store / "spent").iterdir()
    assert f"{day.name}  spent 0.2777 USD: openai 0.2744 USD, openai batch 0.0033 USD" in listed


def test_answers_are_exported(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the beginning of an id, byte for byte."""
    for folder in (store / "jobs").iterdir():
        said(capsys, "jobs", "export", folder.name, "-o", str(tmp_path / folder.name))
        out = sorted(path.read_bytes() for path in (tmp_path / folder.name).iterdir())
        assert out == sorted(path.read_bytes() for path in folder.glob("picture_*"))


def test_plan_of_the_folder_is_read(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One job with its pictures; those in a batch are not planned once more."""
    (planned,) = json.loads(said(capsys, "batch", "plan", "--json"))
    assert (planned["fields"]["prompt"], planned["operation"]) == (kept.PLANNED["prompt"], "edits")
    assert len(planned["pictures"]) == 2
    assert kept.run(**kept.PLANNED) is None
    (same,) = json.loads(said(capsys, "batch", "plan", "--json"))
    assert same["identity"] == planned["identity"]
    assert len(list((store / "batch" / "inputs").iterdir())) == 2


@pytest.mark.slow
def test_batches_of_the_folder_are_read(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One is collected, one is with a service that cannot be reached now, and stays so."""
    batches = json.loads(said(capsys, "batch", "status", "--json", code=1))
    assert [(one["state"], one["count"], one["answered"]) for one in batches] == [
        ("collected", 2, 2),
        ("submitted", 2, 0),
    ]
    assert all(one["batch_id"] for one in batches)


def test_sum_of_the_day_counts_against_the_budget(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the folder says of today, older notes too; nothing is sent above it."""
    (day,) = (store / "spent").iterdir()
    for second in (0, 60):  # midnight may be now
        today = time.strftime("%Y-%m-%d", time.localtime(time.time() + second))
        if today != day.name:
            shutil.copytree(day, store / "spent" / today, dirs_exist_ok=True)
    monkeypatch.setenv("OPENAI_IMAGE_NODES_BUDGET_USD_PER_DAY", "0.2777")
    with pytest.raises(pack.OpenAIImageError, match=r"0\.2777 USD were spent today.*Nothing was sent"):
        kept.run(prompt="one fox too many")


# the files that users write


def test_connections_file_is_read_as_it_was(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every field of it: where requests go, with which headers, who is refused; a stranger's field does no harm."""
    shutil.copy(kept.DATA / "connections.json", home)
    monkeypatch.setenv("GOLDEN_KEY", kept.KEY)
    seen = golden("connections_seen.json")
    assert snapshots.offered("connection") == seen["names"]
    assert snapshots.connections(seen["names"][1:]) == seen["resolved"]
    shown = snapshots.asked_routes("connections")["connections"]["connections"]
    assert {one["name"]: one["ready"] for one in shown} == seen["ready"]
    told = said(capsys, "doctor", "--offline")
    for name, link in seen["resolved"].items():
        line = next(line for line in told.splitlines() if line.startswith(f"{name:<14} "))
        assert line.removeprefix(f"{name:<14} ").startswith("not ready: " if "refused" in link else "ready: ")
        if link.get("kind") == "compatible":
            assert link["host"] in line
    stored = golden("connections.json")["connections"].values()
    assert not [one["key"] for one in stored if "key" in one and one["key"].strip() in told]


def test_models_file_is_read_as_it_was(home: Path) -> None:
    """It changes models of ours, adds some, takes over from others, and retires some."""
    shutil.copy(kept.DATA / "models.json", home)
    seen = golden("models_seen.json")
    assert snapshots.models(list(seen)) == seen
    offered = snapshots.offered("model")
    assert offered[0] == "golden-new"
    assert {"golden-new-2100-01-01", "golden-plain", "gpt-image-2.6-flare"} <= set(offered)
    assert "golden-ended" not in offered
    assert snapshots.asked_routes("models")["models"]["models"]["golden-new"]["quality"] == ["low", "auto"]


# nodes, routes, commands


@pytest.mark.parametrize("name", golden("object_info.json"))
def test_node_is_shown_as_it_was(home: Path, name: str) -> None:
    """Saved workflows have widget values by position and sockets by name: more may only follow."""
    before, now = golden("object_info.json")[name], snapshots.object_info()[name]
    for section, inputs in before["input"].items():
        old, new = list(inputs), list(now["input"][section])
        assert [key for key in new if key in old] == old
        for widgets in (True, False):
            assert begins(_those(now["input"][section], widgets), _those(inputs, widgets))
        for key, declaration in inputs.items():
            assert_same_input(key, declaration, now["input"][section][key])
    for fact in ("output", "output_is_list", "output_name"):
        assert begins(now[fact], before[fact])
    rest = before.keys() - {"input", "output", "output_is_list", "output_name"}
    assert {fact: now[fact] for fact in rest} == {fact: before[fact] for fact in rest}


def test_no_input_became_required(home: Path) -> None:
    """An old workflow has no value for it."""
    now = snapshots.object_info()
    for name, before in golden("object_info.json").items():
        assert list(now[name]["input"]["required"]) == list(before["input"]["required"])


def test_routes_are_there() -> None:
    """A browser may have an older page open."""
    assert set(golden("routes.json")) <= set(snapshots.routes())


def test_commands_take_what_they_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every verb, flag and default; nothing new is needed."""
    before, now = golden("commands.json"), snapshots.commands(monkeypatch)
    for command, arguments in before.items():
        for name, facts in arguments.items():
            new = now[command][name]
            assert begins(new.pop("choices") or [], facts.pop("choices") or []), (command, name)
            assert new == facts, (command, name)
        added = {name: one for name, one in now[command].items() if name not in arguments}
        assert not [name for name, one in added.items() if one["required"]], command


def begins(now: Sequence[Any], before: Sequence[Any]) -> bool:
    """Tell whether a list is what it was, or has more behind it."""
    return list(now[: len(before)]) == list(before)


def assert_same_input(name: str, before: Any, now: Any) -> None:
    """Assert that an input has its type and options; choices may have more behind them."""
    if not isinstance(before, list) or not isinstance(before[0], list):
        assert now == before, name
        return
    if name in DATED:
        assert before[1]["default"] in now[0]
    else:
        assert begins(now[0], before[0]), name
    assert now[1:] == before[1:], name


def _those(inputs: Mapping[str, Any], widgets: bool) -> list[str]:
    kinds = {name: one[0] for name, one in inputs.items()}
    return [name for name, kind in kinds.items() if (isinstance(kind, list) or kind in WIDGETS) is widgets]


def _tree(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.name != "unread")
