"""Plans and batches in a folder where others write too: names in them lead nowhere else, numbers are numbers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.api.batch import submit as submitting
from openai_image_nodes.api.batch.manager import BatchManager
from openai_image_nodes.api.batch.plan import JobPlan
from openai_image_nodes.api.batch.records import BatchLedger, BatchRecord
from openai_image_nodes.api.batch.submit import UploadedPictures
from openai_image_nodes.api.connections import resolve as connections
from openai_image_nodes.api.connections.connection import HostSecrets
from openai_image_nodes.api.errors import OutOfCreditError, RefusedError
from openai_image_nodes.api.store import spending
from openai_image_nodes.cli import main
from support.batch_plans import BATCH, collected, edit, faults, manager, plan, planned, resolved, sandbox, store, submit
from support.scenarios import ScriptedSandbox

__all__ = ["faults", "sandbox"]  # pytest finds them here


def rewritten(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def only_plan() -> Path:
    (path,) = (store().root / "batch" / "planned").glob("*.json")
    return path


@pytest.mark.parametrize("name", ["/etc/hostname", "../../../connections.json", "A" * 64, ""])
def test_planned_picture_is_no_path(sandbox: ScriptedSandbox, name: str) -> None:
    """A file of this machine must not go out as a picture."""
    assert planned(**edit())
    path = only_plan()
    files = json.loads(path.read_text())["files"]
    rewritten(path, files=[{**files[0], "sha256": name, "size": 100}])
    assert submit() == []
    assert sandbox.posts["/v1/files"] == 0


def test_planned_picture_that_was_exchanged_does_not_go_out(sandbox: ScriptedSandbox) -> None:
    """What a person did not plan is not sent in its place."""
    assert planned(**edit())
    for path in (store().root / "batch" / "inputs").iterdir():
        path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(OSError, match="not the picture that was planned"):
        submit()
    assert sandbox.posts["/v1/batches"] == 0


@pytest.mark.parametrize("fields", [{"identity": "0" * 64}, {"identity": "../x"}, {"files": "x"}, {"fields": None}])
def test_planned_job_that_does_not_fit_stops_no_other(sandbox: ScriptedSandbox, fields: dict[str, Any]) -> None:
    """It is not sent; the others are."""
    plan(1)
    rewritten(only_plan(), **fields)
    assert planned(seed=7)
    (record,) = submit()
    assert record.count == 1


@pytest.mark.parametrize("usd", [float("nan"), float("-inf"), -1000.0, 0.0, 1e-9, 1e300, None])
def test_prices_of_a_plan_are_those_of_what_is_asked(
    sandbox: ScriptedSandbox, usd: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is written down: what a person sees and agrees to is what it costs, and so is what the budget counts."""
    plan(1)
    before = manager().overview().parts[0].high_usd
    rewritten(only_plan(), high_usd=usd, low_usd=usd)
    (part,) = manager().overview().parts
    assert before
    assert part.high_usd == before
    monkeypatch.setenv(spending.BUDGET_VARIABLE, str(before / 2))
    with pytest.raises(OutOfCreditError, match="budget"):
        submit()
    assert sandbox.posts["/v1/batches"] == sandbox.posts["/v1/files"] == 0


@pytest.mark.parametrize("told", [{"n": 10**400}, {"n": "x"}, {"partial_images": float("nan")}, {"frame_count": "x"}])
def test_odd_numbers_that_are_asked_for_stop_no_other_job(sandbox: ScriptedSandbox, told: dict[str, Any]) -> None:
    """Prices are worked out of what somebody wrote."""
    plan(1)
    path = only_plan()
    rewritten(path, fields={**json.loads(path.read_text())["fields"], **told})
    assert planned(seed=7)
    assert len(manager().overview().ready) in (1, 2)


def half_way(identities: list[str], **fields: Any) -> None:
    """Write what a machine leaves that dies before its batch begins."""
    folder = store().root / "batch" / "batches" / "20261127-000000-aaaaaaaaaaaa"
    folder.mkdir(parents=True)
    (folder / "jobs.txt").write_text("\n".join(identities))
    record = {"id": folder.name, "state": "preparing", "connection": BATCH, "service": resolved(BATCH).service}
    record |= {"model": "gpt-image-2", "operation": "generations", "count": 1, "high_usd": 0.0, "held_usd": 0.0}
    (folder / "record.json").write_text(json.dumps({**record, **fields}))


def test_batch_that_somebody_left_half_way_begins_after_a_yes_alone(
    sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """To `watch` as well it is shown with what it costs: nobody knows that it was agreed to here."""
    plan(1)
    half_way([only_plan().stem])
    for action in ("watch", "submit"):
        assert main(["batch", action]) != 0  # nobody can be asked
    told = capsys.readouterr()
    assert "only partly submitted before" in told.out
    assert "USD" in told.out
    assert "0.00 USD" not in told.out
    assert sandbox.posts["/v1/batches"] == 0
    assert main(["batch", "submit", "--yes"]) == 0
    assert sandbox.posts["/v1/batches"] == 1


def test_batch_that_was_left_half_way_passes_no_budget(
    sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as what it asks for costs."""
    plan(1)
    half_way([only_plan().stem])
    monkeypatch.setenv(spending.BUDGET_VARIABLE, "0.0001")
    with pytest.raises(OutOfCreditError, match="budget"):
        submit()
    assert sandbox.posts["/v1/batches"] == 0


def test_requests_of_another_batch_do_not_go_out_again(
    sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes into the folder reads there which file of the account has thousands of them."""
    plan(1)
    (before,) = submit()
    monkeypatch.setattr(submitting, "_sent_here", set())  # as after a restart
    assert planned(seed=7)
    half_way([only_plan_besides(before)], input_file_id=before.input_file_id)
    (begun,) = submit()
    assert begun.input_file_id != before.input_file_id


def only_plan_besides(batch: BatchRecord) -> str:
    """Return the planned job that is in no batch."""
    (job,) = set(JobPlan(store()).identities()) - set(BatchLedger(store()).jobs(batch))
    return job


def test_plan_that_became_dearer_after_the_question_is_not_sent(sandbox: ScriptedSandbox) -> None:
    """What was agreed to is what goes out."""
    plan(1)
    seen = manager().overview().parts
    path = only_plan()
    rewritten(path, fields={**json.loads(path.read_text())["fields"], "n": 10, "quality": "high"})
    with pytest.raises(RefusedError, match="not what you saw"):
        manager().submit(seen)
    assert sandbox.posts["/v1/batches"] == sandbox.posts["/v1/files"] == 0


def test_jobs_of_a_batch_are_no_paths(sandbox: ScriptedSandbox, tmp_path: Path) -> None:
    """A batch that is given up gives its jobs back: their folders go, and no others."""
    plan(1)
    (record,) = submit()
    ledger, victim = BatchLedger(store()), store().root / "victim"
    victim.mkdir(parents=True)
    (victim / "record.json").write_text(json.dumps({"identity": "0" * 64, "batch": record.id}))
    listed = ledger.folder(record.id) / "jobs.txt"
    good = listed.read_text().strip()
    listed.write_text(f"../victim\n{victim}\n..\n{good}\n{good.upper()}\u0660")
    assert ledger.jobs(record) == [good]
    manager().give_up(record)
    assert (victim / "record.json").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links and pipes of other systems")
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_requests_are_not_written_where_a_link_leads(sandbox: ScriptedSandbox, tmp_path: Path, kind: str) -> None:
    """Nor into a pipe, which would be waited for: nothing is sent."""
    plan(1)
    half_way([only_plan().stem])
    (record,) = BatchLedger(store()).all()
    victim = in_the_way(BatchLedger(store()).folder(record.id) / "requests.jsonl", tmp_path, kind)
    with pytest.raises(OSError, match=r"no ordinary file|links|device"):
        submit()
    assert victim.read_text() == "mine"
    assert sandbox.posts["/v1/batches"] == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links and pipes of other systems")
@pytest.mark.parametrize("kind", ["link", "pipe"])
@pytest.mark.parametrize("name", ["output.jsonl.part", "output.jsonl"])
def test_answers_are_not_written_where_a_link_leads(
    sandbox: ScriptedSandbox, tmp_path: Path, kind: str, name: str
) -> None:
    """They are had once it is gone: what was paid is not lost for it."""
    plan(1)
    (record,) = submit()
    path = BatchLedger(store()).folder(record.id) / name
    victim = in_the_way(path, tmp_path, kind)
    with pytest.raises(OSError, match=r"no ordinary file|links|device"):
        collected(1)
    assert victim.read_text() == "mine"
    path.unlink()
    collected(1)


def in_the_way(path: Path, tmp_path: Path, kind: str) -> Path:
    """Put a link to somebody's file, or a pipe, in the place of one of ours; return somebody's file."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    if kind == "link":
        path.symlink_to(victim)
    else:
        os.mkfifo(path)
    return victim


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links of other systems")
def test_batch_that_is_a_link_is_left_alone(sandbox: ScriptedSandbox, tmp_path: Path) -> None:
    """Neither is anything written there, nor taken away."""
    plan(1)
    half_way([only_plan().stem])
    ledger = BatchLedger(store())
    (record,) = ledger.all()
    ledger.folder(record.id).rename(tmp_path / "elsewhere")
    ledger.folder(record.id).symlink_to(tmp_path / "elsewhere")
    before = {path: path.read_bytes() for path in (tmp_path / "elsewhere").iterdir()}
    assert ledger.all() == []
    ledger.forget(record)
    submit()
    assert {path: path.read_bytes() for path in (tmp_path / "elsewhere").iterdir()} == before


def test_uploaded_picture_that_is_another_is_not_used(
    sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes into the folder reads there which pictures the account has at the service."""
    assert planned(**edit(seed=1, height=256, width=256))
    submit()
    uploads = sorted((store().root / "batch" / "uploads").glob("*/*.json"))
    assert planned(**edit(seed=2, height=256, width=256))
    fresh = [
        file["sha256"]
        for path in (store().root / "batch" / "planned").glob("*.json")
        for file in json.loads(path.read_text())["files"]
    ]
    for digest in fresh:
        place = uploads[0].with_name(f"{digest}.json")
        if not place.exists():
            place.write_text(uploads[0].read_text())
    before = sandbox.posts["/v1/files"]
    submit()
    assert sandbox.posts["/v1/files"] == before + 2  # the picture and the requests


@pytest.mark.parametrize("content", ["[" * 100_000, "{}", '{"id": "../x"}', "\0"])
def test_batch_that_does_not_fit_stops_no_other(sandbox: ScriptedSandbox, content: str) -> None:
    """It is told in the log and left alone."""
    folder = store().root / "batch" / "batches" / "20261127-000000-000000000000"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(content)
    if hasattr(os, "mkfifo"):
        pipe = folder.with_name("20261127-000000-000000000001")
        pipe.mkdir()
        os.mkfifo(pipe / "record.json")
    plan()
    submit()
    collected(2)
    assert (folder / "record.json").read_text() == content


@pytest.mark.parametrize("content", ['{"id": "x", "expires_at": "soon"}', "[" * 100_000, "[]", '{"id": 3}', "\u00e9"])
def test_odd_notes_of_uploads_are_not_used(sandbox: ScriptedSandbox, content: str) -> None:
    """The picture goes out again."""
    notes = UploadedPictures(store(), resolved(BATCH))
    notes._folder.mkdir(parents=True)
    (notes._folder / f"{'0' * 64}.json").write_text(content)
    assert notes.known("0" * 64) is None


def test_names_of_a_plan_that_are_no_jobs_are_left_alone(sandbox: ScriptedSandbox) -> None:
    """Digits of other scripts, upper case, other files."""
    plan(1)
    folder = only_plan().parent
    for name in ("notes.json", "A" * 64 + ".json", "\u0660" * 64 + ".json"):
        (folder / name).write_text("{}")
    assert len(JobPlan(store()).identities()) == 1


def test_sandbox_batch_whose_address_is_none_stops_no_other(sandbox: ScriptedSandbox) -> None:
    """A word that no parser takes is no address of this machine."""
    plan(1)
    half_way([only_plan().stem], connection="sandbox batch", service="sandbox", address="http://[", state="submitted")
    counter = BatchManager(store(), lambda name: connections.resolve(name, HostSecrets(), lambda: sandbox.base_url))
    (record,) = counter.overview().open
    assert counter.look(record).state == "refused"  # that sandbox is gone, and its jobs are planned again
    assert len(counter.overview().ready) == 1


def test_batch_left_half_way_costs_what_its_own_service_takes(sandbox: ScriptedSandbox) -> None:
    """A job that says it is a sandbox's has no price, and is not sent to where it has one."""
    plan(1)
    half_way([only_plan().stem])
    rewritten(only_plan(), service="sandbox")
    assert [part.count for part in manager().left_half_way()] == [0]
    assert manager().submit(manager().left_half_way()) == []
    assert sandbox.posts["/v1/batches"] == 0


def test_batch_that_appears_while_somebody_decides_does_not_begin(
    sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The yes is to what was shown."""
    plan(2)
    theirs = sorted((store().root / "batch" / "planned").glob("*.json"))[0]
    written = theirs.read_bytes()
    theirs.unlink()

    def answer() -> str:
        theirs.write_bytes(written)
        half_way([theirs.stem])
        return "y"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", answer)
    assert main(["batch", "submit"]) == 0
    assert sandbox.posts["/v1/batches"] == 1


def test_batch_left_half_way_that_costs_more_by_now_does_not_begin(sandbox: ScriptedSandbox) -> None:
    """Others may write to the plan while somebody decides, or while another batch goes out."""
    plan(1)
    half_way([only_plan().stem])
    seen = manager().left_half_way()
    rewritten(only_plan(), fields={**json.loads(only_plan().read_text())["fields"], "n": 10})
    with pytest.raises(RefusedError, match="not what you saw"):
        manager().submit(seen)
    assert sandbox.posts["/v1/batches"] == 0


def test_what_a_newer_version_wrote_of_a_batch_stays(sandbox: ScriptedSandbox) -> None:
    """Versions take turns in one folder: this one must not throw away what the other needs to find the batch again."""
    plan(1)
    (record,) = submit()
    path = BatchLedger(store()).folder(record.id) / "record.json"
    rewritten(path, newer={"file": 7}, is_open="?")
    assert collected(1).state == "collected"
    told = json.loads(path.read_text())
    assert (told["newer"], told["is_open"], told["state"]) == ({"file": 7}, "?", "collected")


@pytest.mark.slow
def test_what_a_stranger_wrote_of_a_batch_does_not_make_its_record_too_large(sandbox: ScriptedSandbox) -> None:
    """Written again each number had a line of its own: nobody could read what was paid for, nor collect it."""
    plan(1)
    (record,) = submit()
    rewritten(BatchLedger(store()).folder(record.id) / "record.json", strange=[1] * 2_000_000)
    assert collected(1).state == "collected"
    found = BatchLedger(store()).find(record.id)
    assert found is not None
    assert (found.state, found.answered) == ("collected", 1)


def test_what_a_newer_version_wrote_of_a_planned_job_stays(sandbox: ScriptedSandbox) -> None:
    """A job that failed is planned again as it was."""
    plan(1)
    rewritten(only_plan(), newer=[7], priced="?", fault="no", fault_is_final=True)
    manager().plan_again(manager().overview().failed)
    told = json.loads(only_plan().read_text())
    assert (told["newer"], told["priced"], "fault" in told) == ([7], "?", False)
