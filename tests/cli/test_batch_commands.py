"""`openai-image batch` as a person types it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from openai_image_nodes.api.batch.manager import BatchManager
from openai_image_nodes.api.batch.records import BatchLedger
from openai_image_nodes.api.connections import resolve as connections
from openai_image_nodes.api.connections.connection import HostSecrets
from openai_image_nodes.api.store.store import stores
from openai_image_nodes.cli import main
from support.batch_plans import MODEL, faults, planned, run, sandbox, store
from support.capture import Capture
from support.scenarios import BatchPlan, ScriptedSandbox

__all__ = ["faults", "sandbox"]
RUN = "import sys; from openai_image_nodes.cli import main; sys.exit(main(sys.argv[1:]))"


class Terminal(io.StringIO):
    """A terminal at which somebody answers."""

    def isatty(self) -> bool:
        return True


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Return what `openai-image batch WORDS` prints, with what it says of errors."""
    assert main(["batch", *words]) == code
    out = capsys.readouterr()
    return out.out + out.err


def test_from_plan_to_pictures(sandbox: ScriptedSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Plan, submit, status, collect: each says what there is and what it costs."""
    assert "Run a workflow with the connection openai batch first" in said(capsys, "plan")
    assert all(planned(seed=seed, prompt="a fox in the snow") for seed in range(3))
    listed = said(capsys, "plan")
    assert listed.count("a fox in the snow") == 3
    assert "planned: 3 jobs, 0.0049 USD" in listed
    assert f"openai batch, {MODEL}, generations: 3 jobs" in listed
    assert main(["batch", "submit", "--yes", "--json"]) == 0
    assert [one["count"] for one in json.loads(capsys.readouterr().out)] == [3]
    while not json.loads(said(capsys, "status", "--json"))[0].get("output_file_id"):
        pass
    assert "completed, 3 of 3 done; collect it" in said(capsys, "status")
    assert "3 of 3 answered, 0.0049 USD" in said(capsys, "collect")
    assert json.loads(said(capsys, "collect", "--json")) == []
    assert "no batches" in said(capsys, "cancel")
    assert run(seed=1, prompt="a fox in the snow")[0] is not None


def test_watch_does_it_all(sandbox: ScriptedSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Submit to collect, and failed jobs by name with the service's words."""
    assert all(planned(seed=seed, prompt=f"fox number {seed}") for seed in range(4))
    sandbox.scenarios.plan(BatchPlan(fail=0.25, failure="moderation_blocked"))
    told = said(capsys, "watch", "--yes", "--every", "0.05")
    assert "collected: 3 of 4 answered, 1 failed" in told
    assert "failed " in told
    assert "content moderation" in told
    assert "failed for good: 1" in said(capsys, "plan")
    sandbox.scenarios.plan()
    assert "planned: 1 job," in said(capsys, "plan", "--retry")
    assert "1 of 1 answered" in said(capsys, "watch", "--yes", "--every", "0.05")
    assert len(list(store().records())) == 4


def test_nothing_is_sent_without_a_yes(
    sandbox: ScriptedSandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question names count and price; a no, or nobody to ask, sends nothing."""
    assert planned(seed=1)
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    answer = said(capsys, "submit")
    assert "Submit 1 job, 0.0016 USD? [y/N]" in answer
    assert "nothing was submitted" in answer
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert "Nobody can be asked here" in said(capsys, "submit", code=1)
    assert sandbox.posts == {}
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert main(["batch", "submit", "--json"]) == 0
    out = capsys.readouterr()
    assert [one["count"] for one in json.loads(out.out)] == [1]
    assert "[y/N]" in out.err  # where it is seen, and no part of what a script reads
    assert sandbox.posts["/v1/batches"] == 1


@pytest.mark.slow
def test_cancel_and_collect(sandbox: ScriptedSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """What was finished is kept, the rest is planned again."""
    assert all(planned(seed=seed) for seed in range(3))
    sandbox.scenarios.plan(BatchPlan(hold_after=1))
    said(capsys, "submit", "--yes")
    while not json.loads(said(capsys, "status", "--json"))[0]["counts"]["completed"]:
        pass
    for words in (("cancel", ""), ("cancel", "", "--give-up"), ("cancel", "2025"), ("collect", "x")):
        assert f"There is no batch {words[1]!r}" in said(capsys, *words, code=1)  # of a script's empty variable too
    assert "cancel" in said(capsys, "cancel")
    told = said(capsys, "watch", "--yes", "--every", "0.05")
    assert "cancelled, collected: 1 of 3 answered, 2 planned again" in told


@pytest.mark.slow
def test_batch_of_the_sandbox_is_collected_before_its_command_ends(tmp_path: Path) -> None:
    """The sandbox ends with it: who looks later finds the pictures, and no batch of which nobody knows."""
    environment = {**os.environ, "OPENAI_IMAGE_NODES_HOME": str(tmp_path / "home")}
    ask = ("a fox", "-n", "2", "--connection", "sandbox batch", "-o", str(tmp_path / "fox.png"))
    told = []
    for words in (ask, ("batch", "submit", "--yes"), ("batch", "status"), ask):
        command = [sys.executable, "-c", RUN, *words]
        ran = subprocess.run(command, text=True, capture_output=True, env=environment, check=False)  # noqa: S603
        assert ran.returncode == 0
        assert "Traceback" not in ran.stderr
        told.append(ran.stdout)
    assert "collected: 1 of 1 answered, free" in told[1]
    assert "collected: 1 of 1 answered, free" in told[2]
    assert all((tmp_path / f"fox_{number}.png").exists() for number in (1, 2))


@pytest.mark.slow
def test_batch_of_the_sandbox_is_collected_whatever_became_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the sandbox of an earlier one was, another program may answer by now."""
    assert planned(connection="sandbox batch", seed=1)
    with ScriptedSandbox() as other:
        begun = BatchManager(stores()[1], lambda name: connections.resolve(name, HostSecrets(), lambda: other.base_url))
        (earlier,) = begun.submit(begun.overview().parts)
    with Capture() as stranger:
        moved = earlier.model_copy(update={"address": f"{stranger.base_url}/v1"})
        BatchLedger(stores()[1]).write(moved)
        assert planned(connection="sandbox batch", seed=2)
        assert "collected: 1 of 1 answered, free" in said(capsys, "submit", "--yes")


def test_plan_can_be_forgotten(sandbox: ScriptedSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """What is in no batch yet goes, with nothing sent."""
    assert planned(seed=1)
    assert "Nothing is planned" in said(capsys, "plan", "--forget")
    assert json.loads(said(capsys, "plan", "--json")) == []


def test_prompt_over_a_batch_connection_is_planned(
    sandbox: ScriptedSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command for one picture says that there is none yet."""
    assert main(["a fox", "--connection", "openai batch", "--model", MODEL, "-o", "never.png"]) == 0
    assert "planned, nothing was sent" in capsys.readouterr().err
    assert "1 job" in said(capsys, "plan")


@pytest.mark.slow
def test_sandbox_batch_of_another_process_is_looked_after(capsys: pytest.CaptureFixture[str]) -> None:
    """Each process has a sandbox of its own: the batch is where it was begun, and gone with it."""
    inputs = {"connection": "sandbox batch", "seed": 1}
    assert planned(**inputs)
    with ScriptedSandbox() as other:
        begun = BatchManager(stores()[1], lambda name: connections.resolve(name, HostSecrets(), lambda: other.base_url))
        begun.submit(begun.overview().parts)
        assert "1 of 1 answered" in said(capsys, "watch", "--yes", "--every", "0.05")
        assert run(**inputs)[0] is not None
        other.scenarios.plan(BatchPlan(hold_after=0))
        assert planned(**{**inputs, "seed": 2})
        begun.submit(begun.overview().parts)
    assert "the sandbox that worked on it has ended" in said(capsys, "status")
    assert "planned: 1 job, free" in said(capsys, "plan")
