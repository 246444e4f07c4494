"""`openai-image jobs`: what a person sees of the store, and can do with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from openai_image_nodes.api.errors import OutcomeUnknownError
from openai_image_nodes.cli import main
from support.asker import Asker, Server, name_of, painted

SECRET_PROMPT = "a fox nobody may read of"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker.fresh(server, "openai", monkeypatch)


def test_jobs_are_listed_without_their_prompts(asker: Asker, capsys: pytest.CaptureFixture[str]) -> None:
    """Time, model, size, state, cost and files."""
    answer = asker.ask(SECRET_PROMPT, model="gpt-image-2.5-flare", size="1024x1536", quality="low")
    asker.faults.drop("after_body")
    with pytest.raises(OutcomeUnknownError):
        asker.ask("a lost fox")
    assert main(["jobs"]) == 0
    lost, kept, *sums = capsys.readouterr().out.splitlines()
    assert "sent, outcome unknown" in lost
    for word in (name_of(answer)[:12], "gpt-image-2.5-flare", "1024x1536", "answered", " USD", "picture_0.png"):
        assert word in kept
    assert str(answer.folder) in kept
    assert SECRET_PROMPT not in lost + kept
    assert "spent" in sums[0]


def test_what_the_sandbox_made_is_listed_as_free(
    asker: Asker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The store has what the service would ask for it."""
    assert main(["a fox", "--connection", "sandbox", "-o", str(tmp_path / "fox.png")]) == 0
    capsys.readouterr()
    assert main(["jobs"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "  free  " in line
    assert "USD" not in line
    assert main(["jobs", "show", line.split()[0], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["cost_usd"], told["would_cost_usd"] > 0) == (None, True)
    assert main(["jobs", "find", "fox", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["cost_usd"] is None


def test_jobs_export_copies_pictures_out(asker: Asker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The beginning of an id is enough; of several answers to one job each can be had."""
    first, _ = asker.ask(), asker.ask(reuse=False, n=1)
    short = name_of(first)[:12]
    for name in (short, f"{short}.2", name_of(first)):
        target = tmp_path / name
        assert main(["jobs", "export", name, "-o", str(target)]) == 0
        (path,) = target.iterdir()
        assert path.read_bytes() == painted("a red fox")
        assert str(path) in capsys.readouterr().out
    assert main(["jobs", "export", "ffff", "-o", str(tmp_path)]) == 1
    assert "0 answers have an id that begins with 'ffff'" in capsys.readouterr().err


def test_jobs_prune_forgets_what_was_read(asker: Asker, capsys: pytest.CaptureFixture[str]) -> None:
    """By the limit of the environment, or by one that is told."""
    asker.ask()
    assert main(["jobs", "prune"]) == 0
    assert main(["jobs", "prune", "--max-bytes", "0"]) == 0
    assert capsys.readouterr().out.splitlines() == ["0 answers forgotten", "1 answers forgotten"]
    assert asker.kept == set()


def test_jobs_are_found_by_words_of_the_prompt(asker: Asker, capsys: pytest.CaptureFixture[str]) -> None:
    """All words, in any case and order; the prompt is shown, as it was asked for."""
    answer = asker.ask("A Red fox in the SNOW")
    asker.ask("a blue hare")
    capsys.readouterr()
    assert main(["jobs", "find", "snow", "red"]) == 0
    said = capsys.readouterr().out
    assert name_of(answer)[:12] in said
    assert "A Red fox in the SNOW" in said
    assert "hare" not in said
    assert main(["jobs", "find", "red", "hare", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_one_job_is_shown_whole(asker: Asker, capsys: pytest.CaptureFixture[str]) -> None:
    """What was asked, what it cost, the files with their digests, and whether they carry Content Credentials."""
    answer = asker.ask("a fox with \x1b[31m colour")
    capsys.readouterr()
    assert main(["jobs", "show", name_of(answer)[:10]]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "no Content Credentials (C2PA)" in said
    assert main(["jobs", "show", name_of(answer)[:10], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["fields"]["prompt"] == "a fox with \x1b[31m colour"
    assert told["files"][0]["sha256"] == hashlib.sha256(painted("a fox with \x1b[31m colour")).hexdigest()
    assert told["cost_usd"] > 0
    assert "idempotency_key" not in told
    asker.faults.drop("after_body")
    lost = asker.submit("a lost fox")
    with pytest.raises(OutcomeUnknownError):
        lost.future.result(30)
    capsys.readouterr()
    assert main(["jobs", "show", lost.identity[:12]]) == 0
    assert "a lost fox" in capsys.readouterr().out


def test_pictures_are_opened_with_the_machines_own_program(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No shell reads the path; a failure is told."""
    answer = asker.ask()
    started: list[list[str]] = []
    code = 0

    def run(command: list[str], **_options: object) -> SimpleNamespace:
        started.append(command)
        return SimpleNamespace(returncode=code)

    monkeypatch.setattr("openai_image_nodes.cli.one_job.subprocess.run", run)
    monkeypatch.setattr("openai_image_nodes.cli.one_job.sys.platform", "linux")
    assert main(["jobs", "open", name_of(answer)[:10]]) == 0
    assert started == [["xdg-open", str(answer.folder / "picture_0.png")]]
    code = 3
    assert main(["jobs", "open", name_of(answer)[:10]]) == 1
    assert "could not open" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["url", "bin", "png", "svg"])
@pytest.mark.parametrize("data", [b"[InternetShortcut]\nURL=file://host/share/x.exe\n", b"MZ\0", b""])
def test_what_is_no_picture_is_not_opened(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], suffix: str, data: bytes
) -> None:
    """Who writes into a shared folder must not have a program started here: Windows follows what is called .url."""
    folder = asker.ask().folder
    assert folder is not None
    record = json.loads((folder / "record.json").read_text())
    fields = {"pictures": [f"picture_0.{suffix}"], "picture_digests": [hashlib.sha256(data).hexdigest()]}
    (folder / "record.json").write_text(json.dumps({**record, **fields}))
    (folder / f"picture_0.{suffix}").write_bytes(data)
    monkeypatch.setattr(
        "openai_image_nodes.cli.one_job.subprocess.run", lambda *_args, **_options: pytest.fail("opened")
    )
    assert main(["jobs", "open", folder.name[:10]]) == 1
    assert "is no picture of this kind" in capsys.readouterr().err
