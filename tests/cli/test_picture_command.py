"""`openai-image PROMPT -o OUT`: the service's own bytes, without torch, with an exit code for each kind of failure."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai_image_nodes.cli import main
from PIL import Image
from support.capture import Capture, failure, picture, success
from support.node_calls import KEY, GPTImage, photo, use_openai
from support.signed_pictures import CREDENTIALS, signed

ROOT = str(Path(__file__).resolve().parents[2])
RUN = (  # a shell starts what goes on in the background deaf to Ctrl+C, which would be handed on to here
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "import sys, types; pack = types.ModuleType('openai_image_nodes'); pack.__path__ = [sys.argv[1]];"
    "sys.modules[pack.__name__] = pack; from openai_image_nodes.cli import main; code = main(sys.argv[2:]);"
    "print('torch' in sys.modules, file=sys.stderr); sys.exit(code)"
)
PATIENCE_S = 60
SETTLES_S = 0.3  # until the command waits, having sent or said something


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    """A service of our own."""
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


def child(*words: str, **options: Any) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    command = [sys.executable, "-c", RUN, ROOT, *words]
    return subprocess.Popen(command, text=True, **{"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, **options})  # noqa: S603


def interrupt(run: subprocess.Popen[str], number: int = signal.SIGINT) -> None:
    """Press Ctrl+C once, and read on until the command has said that it waits all the same."""
    time.sleep(SETTLES_S)
    run.send_signal(number)
    assert run.stderr is not None
    assert "already sent" in run.stderr.readline()


def test_answer_without_a_picture_is_told_as_a_node_tells_it(
    server: Capture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it is kept, what came and how to ask again."""
    server.reply(200, success(b"<html><p>Sorry, too busy</p></html>"))
    assert main(["a red fox", "--connection", "openai", "-o", str(tmp_path / "fox.png")]) == 9
    told = capsys.readouterr().err
    assert all(words in told for words in ("Sorry, too busy", "It is kept in", "may have been billed", "reuse"))


def test_picture_that_is_cut_off_is_written_and_told(
    server: Capture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was paid, and a viewer may show half of it; a script that reads the notes knows."""
    whole = picture()
    server.reply(200, success(whole, whole[: len(whole) * 2 // 3]))
    assert main(["a red fox", "--connection", "openai", "-n", "2", "-o", str(tmp_path / "fox.png")]) == 0
    assert (tmp_path / "fox_2.png").read_bytes() == whole[: len(whole) * 2 // 3]
    told = capsys.readouterr().err
    assert "fox_2.png is as it came, but cannot be read here: the picture is damaged" in told
    assert "fox_1.png is as it came" not in told


@pytest.mark.parametrize("form", ["png", "jpg", "webp"])
def test_bytes_are_copied(server: Capture, tmp_path: Path, form: str) -> None:
    """Also under the other suffix of a JPEG."""
    server.reply(200, success(signed(form)))
    out = tmp_path / f"fox.{'jpeg' if form == 'jpg' else form}"
    assert main(["a fox", "-o", str(out)]) == 0
    assert out.read_bytes() == signed(form)


def test_another_suffix_converts(server: Capture, tmp_path: Path) -> None:
    """The name asks for another format; JPEG has no transparency, so it is shown on white."""
    out = io.BytesIO()
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(out, "PNG")
    for suffix, kind in ((".webp", "WEBP"), (".jpg", "JPEG"), (".gif", "GIF"), (".tiff", "TIFF")):
        server.reply(200, success(out.getvalue()))
        assert main(["a fox", "--seed", str(len(suffix)), "-o", str(tmp_path / f"fox{suffix}")]) == 0
        with Image.open(tmp_path / f"fox{suffix}") as converted:
            assert converted.format == kind
            if kind == "JPEG":
                assert np.asarray(converted).min() > 250


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("fox.txt", "no suffix of a picture"),
        ("not there/fox.png", "not there"),
        ("taken.png", "is a folder"),
        ("mine.png", "is another file already"),
    ],
)
def test_place_that_takes_nothing_is_refused_before_paying(
    server: Capture, tmp_path: Path, out: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is sent."""
    (tmp_path / "taken.png").mkdir()
    (tmp_path / "mine.json").write_text('{"settings": 1}')
    assert main(["a fox", "--metadata", "sidecar", "-o", str(tmp_path / out)]) == 1
    assert told in capsys.readouterr().err
    assert server.posts == []


@pytest.mark.parametrize("option", ["--image", "--mask"])
@pytest.mark.parametrize(
    ("name", "told"), [("none.png", "No such file or directory"), ("notes.txt", "no known format"), (".", "ordinary")]
)
def test_input_that_cannot_be_read_is_named(
    server: Capture, tmp_path: Path, option: str, name: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason and what to do, without an error's number; nothing is sent."""
    (tmp_path / "notes.txt").write_text("some notes on a fox")
    Image.new("RGB", (8, 8)).save(tmp_path / "fox.png")
    image = [] if option == "--image" else ["--image", str(tmp_path / "fox.png")]
    assert main(["a fox", *image, option, str(tmp_path / name), "-o", str(tmp_path / "out.png")]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"openai-image: {tmp_path / name}")
    assert told in said
    assert "Name another file" in said
    assert "Errno" not in said
    assert server.posts == []


def test_file_of_somebody_else_beside_one_of_several_pictures_stays(
    server: Capture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is found after the pictures were paid: these are written, and what is not is told."""
    (tmp_path / "fox_2.json").write_text('{"settings": 1}')
    server.reply(200, success(picture(), picture()))
    assert main(["a fox", "-n", "2", "--metadata", "sidecar", "-o", str(tmp_path / "fox.png")]) == 0
    assert "fox_2.json is another file already" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fox_1.json", "fox_1.png", "fox_2.json", "fox_2.png"]
    assert (tmp_path / "fox_2.json").read_text() == '{"settings": 1}'


@pytest.mark.parametrize("picked", [[], ["--image"], ["--image", "--mask"]])
def test_answer_is_shared_with_the_node(server: Capture, tmp_path: Path, picked: list[str]) -> None:
    """What was bought by the command is not bought again by the node, pictures and masks included."""
    pixels, levels = (photo()[0].numpy() * 255).round().astype(np.uint8), np.zeros((48, 64), np.uint8)
    levels[:, :20] = 255
    levels[:, 20:30] = 77
    Image.fromarray(pixels).save(tmp_path / "in.png")
    Image.fromarray(levels).save(tmp_path / "mask.png")
    files = {"--image": "in.png", "--mask": "mask.png"}
    words = [word for flag in picked for word in (flag, str(tmp_path / files[flag]))]
    assert main(["a fox", "--size", "1024x1024", *words, "-o", str(tmp_path / "out.png")]) == 0
    import torch

    inputs = {"image": photo(), "mask": torch.from_numpy(levels.astype(np.float32) / 255)[None]}
    wanted = {name: tensor for name, tensor in inputs.items() if f"--{name}" in picked}
    report = json.loads(
        asyncio.run(
            GPTImage().api_call(
                prompt="a fox", size="custom", custom_width=1024, custom_height=1024, connection="openai", **wanted
            )
        )[2]
    )
    assert (report["reused"], len(server.posts)) == (True, 1)


@pytest.mark.slow
def test_picture_from_a_prompt_loads_no_torch(server: Capture, tmp_path: Path) -> None:
    """It takes seconds and 200 MB."""
    run = child("a fox", "-o", str(tmp_path / "fox.png"))
    assert "False" in run.communicate(timeout=PATIENCE_S)[1]
    assert run.returncode == 0


def test_edit_that_only_guides_is_copied_too(server: Capture, tmp_path: Path) -> None:
    """The answer is the file; with lock it is put back into the picture, and encoded."""
    server.reply(200, success(signed("png")), times=2)
    Image.new("RGB", (24, 16)).save(tmp_path / "in.png")
    Image.new("L", (24, 16), 255).save(tmp_path / "mask.png")
    words = ["a fox", "--image", str(tmp_path / "in.png"), "--mask", str(tmp_path / "mask.png")]
    assert main([*words, "-o", str(tmp_path / "guide.png")]) == 0
    assert (tmp_path / "guide.png").read_bytes() == signed("png")
    assert main([*words, "--mask-mode", "lock", "-o", str(tmp_path / "lock.png")]) == 0
    assert (tmp_path / "lock.png").read_bytes() != signed("png")


def test_metadata_is_saved_where_it_is_asked_for(server: Capture, tmp_path: Path) -> None:
    """Nowhere by default; beside the file, or in it."""
    server.reply(200, success(signed("png")))
    out = tmp_path / "fox.png"
    assert main(["a fox", "-o", str(out)]) == 0
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["fox.png"]
    assert main(["a fox", "-o", str(out), "--metadata", "sidecar"]) == 0
    assert main(["a fox", "-o", str(out), "--metadata", "sidecar"]) == 0  # once more, over its own
    told = json.loads((tmp_path / "fox.json").read_text())
    assert (told["model"], told["c2pa"]) == ("gpt-image-2.6-flare", CREDENTIALS._asdict())
    assert out.read_bytes() == signed("png")
    assert main(["a fox", "-o", str(out), "--metadata", "in file"]) == 0
    with Image.open(out) as changed:
        assert json.loads(changed.info["openai_image_nodes"])["identity"] == told["identity"]
    assert KEY not in str(told)


def test_scripts_get_json(server: Capture, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files and the whole report, or the error."""
    assert main(["a fox", "-o", str(tmp_path / "fox.png"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == [(tmp_path / "fox.png").as_posix()]
    assert told["report"]["model"] == "gpt-image-2.6-flare"
    server.reply(400, failure("not like this", code="moderation_blocked"))
    assert main(["another fox", "-o", str(tmp_path / "fox.png"), "--json"]) == 4
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["kind"], error["exit_code"], error["status"]) == ("moderated", 4, 400)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "invalid_value", 1),
        (401, "invalid_api_key", 3),
        (400, "moderation_blocked", 4),
        (429, "insufficient_quota", 6),
    ],
)
def test_exit_code_tells_the_kind_of_failure(
    server: Capture, tmp_path: Path, status: int, code: str, expected: int
) -> None:
    """For scripts, which read no messages."""
    server.reply(status, failure("no", code=code))
    assert main(["a fox", "-o", str(tmp_path / "fox.png")]) == expected


def test_wrong_usage_and_a_missing_key_have_their_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 as every command has it, 3 for the key."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SystemExit) as stopped:
        main(["a fox"])
    assert stopped.value.code == 2
    for action in ("find", "show", "open", "export"):
        with pytest.raises(SystemExit) as stopped:
            main(["jobs", action])
        assert stopped.value.code == 2
    assert main(["a fox", "--connection", "openai", "-o", str(tmp_path / "fox.png")]) == 3


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
@pytest.mark.parametrize(("number", "again"), [(signal.SIGINT, ["--again"]), (signal.SIGTERM, [])])
def test_ctrl_c_waits_for_what_is_paid(server: Capture, tmp_path: Path, number: int, again: list[str]) -> None:
    """What was sent is billed: it is kept, and the same command has it. Nothing is written to the file. So does
    SIGTERM."""
    server.gate.clear()
    run = child("a fox", *again, "-o", str(tmp_path / "fox.png"))
    assert server.arrived.wait(PATIENCE_S)
    interrupt(run, number)
    server.gate.set()
    said = run.communicate(timeout=PATIENCE_S)[1]
    assert run.returncode == 130
    assert "kept for the next run" in said
    assert not (tmp_path / "fox.png").exists()
    assert main(["a fox", *again, "-o", str(tmp_path / "fox.png")]) == 0
    assert len(server.posts) == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_second_ctrl_c_leaves_at_once(server: Capture, tmp_path: Path) -> None:
    """And says what the next run does."""
    server.gate.clear()
    run = child("a fox", "-o", str(tmp_path / "fox.png"))
    assert server.arrived.wait(PATIENCE_S)
    interrupt(run)
    time.sleep(SETTLES_S)
    run.send_signal(signal.SIGINT)
    said = run.communicate(timeout=PATIENCE_S)[1]
    assert (run.returncode, "Run the same command again" in said) == (130, True)
    server.gate.set()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="terminals are POSIX's")
def test_progress_is_drawn_on_a_terminal_alone(server: Capture, tmp_path: Path) -> None:
    """A line that moves, with stage and seconds, and is gone at the end; nothing of it in a file."""
    import pty

    server.gate.clear()
    ours, theirs = pty.openpty()
    run = child("a fox", "-o", str(tmp_path / "fox.png"), stderr=theirs)
    os.close(theirs)
    assert server.arrived.wait(PATIENCE_S)
    seen = b""
    while b"waiting for the picture, 1 s" not in seen:
        seen += os.read(ours, 4096)
    server.gate.set()
    while True:
        try:
            seen += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert run.wait(PATIENCE_S) == 0
    assert run.stdout is not None
    run.stdout.close()
    quiet = child("a fox", "--seed", "2", "-o", str(tmp_path / "fox.png"))
    assert "waiting" not in quiet.communicate(timeout=PATIENCE_S)[1]


def test_picture_that_cannot_be_written_is_kept(
    server: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is paid: where it is stands in the message."""
    server.reply(200, success(picture()))

    def full(*_args: Any, **_options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["a fox", "-o", str(tmp_path / "fox.png")]) == 1
    assert "The picture is kept in" in capsys.readouterr().err


def test_picture_that_cannot_be_converted_is_kept(
    server: Capture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is paid, and damaged: where it is and how to have another stands in the message."""
    server.reply(200, success(picture()[:-30]))
    assert main(["a fox", "-o", str(tmp_path / "fox.jpg")]) == 9
    told = capsys.readouterr().err
    assert "is damaged" in told
    assert "It is kept in" in told
