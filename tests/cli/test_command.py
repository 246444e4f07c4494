"""The command `openai-image`: the node from the shell, and the doctor."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai_image_nodes.cli import main
from PIL import Image
from support.capture import Capture, Reply
from support.drifting import scene
from support.node_calls import KEY, use_openai


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small picture in a file."""
    path = tmp_path / "photo.png"
    Image.fromarray(np.arange(64 * 48 * 3, dtype=np.uint8).reshape(48, 64, 3)).save(path)
    return path


def run(*words: str) -> int:
    """Run the command on the sandbox."""
    return main([*words, "--connection", "sandbox"])


def test_picture_from_a_prompt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The picture is written, its path printed, and the cost told."""
    out = tmp_path / "fox.png"
    assert run("a red fox", "--size", "1024x1536", "-o", str(out)) == 0
    with Image.open(out) as picture:
        assert picture.size == (1024, 1536)
    said = capsys.readouterr()
    assert (said.out.strip(), "sandbox" in said.err) == (str(out), True)


def test_several_pictures_are_numbered(tmp_path: Path) -> None:
    """n pictures go to n files."""
    assert run("a red fox", "-n", "2", "-o", str(tmp_path / "fox.png")) == 0
    assert sorted(path.name for path in tmp_path.glob("fox*")) == ["fox_1.png", "fox_2.png"]


def test_edit_with_a_mask_leaves_the_rest(tmp_path: Path, photo: Path) -> None:
    """White is redrawn, black stays."""
    mask = np.zeros((48, 64), np.uint8)
    mask[:, :32] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    out = tmp_path / "out.png"
    assert run("a fox", "--image", str(photo), "--mask", str(tmp_path / "mask.png"), "-o", str(out)) == 0
    with Image.open(photo) as before, Image.open(out) as after:
        assert np.array_equal(np.asarray(before)[:, 32:], np.asarray(after)[:, 32:])
        assert not np.array_equal(np.asarray(before)[:, :32], np.asarray(after)[:, :32])


@pytest.mark.slow
def test_edit_of_a_part_keeps_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Far from the mask every pixel is the picture's; what was done is told in a line."""
    Image.fromarray((scene(1200, 900) * 255).round().byte().numpy()).save(tmp_path / "large.png")
    mask = np.zeros((900, 1200), np.uint8)
    mask[400:460, 300:380] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    out = tmp_path / "out.png"
    named = ("--image", str(tmp_path / "large.png"), "--mask", str(tmp_path / "mask.png"), "-o", str(out))
    assert run("a fox", *named, "--mask-mode", "region", "--region-context", "20") == 0
    with Image.open(tmp_path / "large.png") as before, Image.open(out) as after:
        old, new = np.asarray(before), np.asarray(after)
    assert old.shape == new.shape
    assert np.array_equal(old[:, 460:], new[:, 460:])
    assert np.array_equal(old[:320], new[:320])
    assert not np.array_equal(old[400:460, 300:380], new[400:460, 300:380])
    assert "aligned: in place" in capsys.readouterr().err


def test_hole_of_a_png_is_a_mask_too(tmp_path: Path, photo: Path) -> None:
    """As Load Image has it: what is transparent is redrawn."""
    with Image.open(photo) as picture:
        holed = picture.convert("RGBA")
    holed.putalpha(Image.fromarray(np.where(np.arange(64) < 32, 0, 255).astype(np.uint8)[None].repeat(48, 0)))
    holed.save(tmp_path / "hole.png")
    out = tmp_path / "out.png"
    assert run("a fox", "--image", str(photo), "--mask", str(tmp_path / "hole.png"), "-o", str(out)) == 0
    with Image.open(photo) as before, Image.open(out) as after:
        assert np.array_equal(np.asarray(before)[:, 32:], np.asarray(after)[:, 32:])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["   ", "-o", "x.png"], "The prompt is empty"),
        (["a fox", "--model", "gpt-image-1", "-o", "x.png"], "was shut down on 2026-10-23"),
        (["a fox", "--size", "1000x1000", "-o", "x.png"], "divisible by 16"),
        (["a fox", "--image", "not-there.png", "-o", "x.png"], "not-there.png"),
    ],
)
def test_refusals_are_told_in_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback, exit code 1."""
    assert run(*words) == 1
    said = capsys.readouterr().err
    assert told in said
    assert said.startswith("openai-image: ")
    assert "Traceback" not in said


def test_doctor_tells_what_is_ready_and_shows_no_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One cheap GET of the models list; what is missing is told with the way to get it."""
    models: dict[str, Any] = {
        "data": [{"id": "gpt-image-2"}, {"id": "gpt-image-1.5", "shutdown_date": "2026-12-01"}, {"id": "whisper"}]
    }
    with Capture() as server:
        server.files["/v1/models"] = json.dumps(models).encode()
        use_openai(monkeypatch, server)
        assert main(["doctor"]) == 0
        paths = [(request.method, request.path) for request in server.requests]
    said = capsys.readouterr().out
    assert paths == [("GET", "/v1/models")]
    assert 'reachable, 3 models, 2 with "image" in the name' in said
    assert "gpt-image-1.5 is shut down on 2026-12-01" in said
    assert "not ready: there is no key. The easiest way: paste it under Settings > OpenAI Image Nodes" in said
    assert "ready: free and offline" in said
    assert KEY not in said


WEBSITE = "<!doctype html><html><head><title>A relay</title></head><body><script src=a.js></script></body></html>"
LISTS: dict[str, tuple[int, Any, str]] = {
    "a website, where /v1 is missing": (200, WEBSITE, "not ready.*a web page came.*is /v1 missing"),
    "an error told with 200": (
        200,
        {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}},
        "not ready",
    ),
    "a denial told with 200": (200, {"success": False, "message": "no such token"}, "not ready.*no such token"),
    "none": (404, {"detail": "Not Found"}, "perhaps ready.*without a list of models"),
    "none, told by the method": (405, "", "perhaps ready.*without a list of models"),
    "none, with 200": (200, "OK", "perhaps ready.*without a list of models"),
    "a bare list": (200, [{"id": "a"}, {"id": "an-image"}], ' ready.*2 models, 1 with "image" in the name'),
    "names, as Google has them": (200, {"models": [{"name": "an-image"}]}, ' ready.*1 models, 1 with "image"'),
    "Cloudflare's": (200, {"result": [{"id": "1", "name": "a"}], "success": True}, " ready.*1 models, 0 with"),
    "texts": (200, {"data": ["a", "b"]}, " ready.*2 models, 0 with"),
    "an item of another form": (200, {"data": [None, {"object": "model"}, {"id": "a"}]}, " ready.*1 models, 0 with"),
    "an empty one": (200, {"object": "list", "data": []}, " ready.*0 models, 0 with"),
}


@pytest.mark.parametrize("name", LISTS)
def test_doctor_knows_lists_of_other_servers_and_what_is_none(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A website with 200 was told as ready, and a server without a list as not."""
    status, listed, told = LISTS[name]
    with Capture() as server:
        body = listed if isinstance(listed, str) else json.dumps(listed)
        kind = "text/html" if body[:1] == "<" else "application/json"
        server.files["/v1/models"] = Reply(status, body.encode(), {"Content-Type": kind})
        use_openai(monkeypatch, server)
        main(["doctor"])
    said = capsys.readouterr().out
    about = said[said.index("\nopenai ") : said.index("\nazure ")]
    assert re.search(told, about, re.S), about


def test_doctor_contacts_nobody_when_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Settings can be looked at without a network."""
    with Capture() as server:
        use_openai(monkeypatch, server)
        main(["doctor", "--offline"])
        assert server.requests == []
    assert "ready: 127.0.0.1" in capsys.readouterr().out


def test_doctor_tells_why_a_key_is_not_accepted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service's own words, without the key that it says back."""
    with Capture() as server:
        error = {"error": {"message": f"Incorrect API key: {KEY}", "code": "invalid_api_key"}}
        server.files["/v1/models"] = Reply(401, json.dumps(error).encode(), {})
        use_openai(monkeypatch, server)
        main(["doctor"])
    said = capsys.readouterr().out
    assert "Incorrect API key" in said
    assert KEY not in said


def test_doctor_shows_the_proxy_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A proxy is a common cause of trouble, and its password is a secret as well."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HTTPS_PROXY", "http://me:planted-password@proxy.example:3128")
    main(["doctor", "--offline"])
    said = capsys.readouterr().out
    assert "through the proxy proxy.example:3128" in said
    assert "planted-password" not in said


class Terminal(io.StringIO):
    """A terminal at which somebody answers."""

    def isatty(self) -> bool:
        return True


def test_connect_stores_the_key_for_its_host_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked without being shown, written for the owner alone, never printed."""
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: KEY)
    assert main(["connect", "relay", "--base-url", "https://relay.example/v1"]) == 0
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"]) / "connections.json"
    assert json.loads(file.read_text())["connections"]["relay"] == {"base_url": "https://relay.example/v1", "key": KEY}
    assert KEY not in capsys.readouterr().out
    assert os.name == "nt" or file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8000/v1", "http://192.168.1.7:8000/v1"])
def test_connect_takes_a_server_that_wants_no_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], base_url: str
) -> None:
    """Enter alone: many local servers ask for none, and where there is no key none is sent in the clear."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert main(["connect", "local", "--base-url", base_url]) == 0
    assert entry_of("local") == {"base_url": base_url}
    assert "stored; local ready" in capsys.readouterr().out


def test_enter_alone_takes_no_stored_key_away(relay: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it move one to another host, or leave a built-in connection without."""
    before = entry_of("relay")
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n\n"))
    assert main(["connect", "relay", "--base-url", "https://other.example/v1"]) != 0
    assert main(["connect", "openai", "--base-url", "https://other.example/v1"]) != 0
    assert entry_of("relay") == before


def test_connect_without_an_address_asks_for_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be stored is said before somebody has looked for the key; pytest has no terminal to ask on."""
    assert main(["connect", "relay"]) != 0
    assert "needs --base-url" in "".join(capsys.readouterr())


@pytest.mark.slow
def test_commands_do_without_torch() -> None:
    """It takes seconds and 200 MB; only a picture needs it."""
    script = (
        "import sys, types; pack = types.ModuleType('openai_image_nodes'); pack.__path__ = [sys.argv[1]];"
        "sys.modules[pack.__name__] = pack; from openai_image_nodes.cli import main;"
        "main(['batch', 'plan']); main(['jobs']); sys.exit('torch' in sys.modules)"
    )
    root = str(Path(__file__).resolve().parents[2])
    assert subprocess.run([sys.executable, "-c", script, root], check=False, timeout=60).returncode == 0  # noqa: S603


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    """A connection of one's own with a stored key, which a script piped in."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{KEY}\n"))
    with Capture() as server:
        assert main(["connect", "relay", "--base-url", f"{server.base_url}/v1"]) == 0
        yield server


def entry_of(name: str) -> dict[str, Any]:
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"]) / "connections.json"
    return dict(json.loads(file.read_text())["connections"][name])


@pytest.mark.parametrize(
    ("words", "omit"),
    [
        (["--omit", "moderation"], ["moderation"]),
        (["--omit", "moderation,background"], ["moderation", "background"]),
        (["--omit", "moderation", "--omit", "n,size"], ["moderation", "n", "size"]),
        (["--omit", ""], []),
    ],
)
def test_connect_stores_what_is_never_sent(
    relay: Capture, capsys: pytest.CaptureFixture[str], words: list[str], omit: list[str]
) -> None:
    """One field, several, or none again; the key stays, is not asked for and not shown."""
    capsys.readouterr()
    assert main(["connect", "relay", "--omit", "quality"]) == 0
    assert main(["connect", "relay", *words]) == 0
    assert entry_of("relay") == {"base_url": f"{relay.base_url}/v1", "key": KEY, "omit": omit}
    said = capsys.readouterr().out
    assert ", ".join(omit) or "nothing" in said
    assert KEY not in said


def test_connect_changes_one_form_and_leaves_the_other(relay: Capture, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is stored for itself, and both are told."""
    assert main(["connect", "relay", "--omit", "moderation"]) == 0
    assert main(["connect", "relay", "--edits", "json"]) == 0
    assert "leaves out moderation, edits as json" in capsys.readouterr().out
    assert main(["connect", "relay", "--omit", "", "--edits", "multipart"]) == 0
    assert "leaves out nothing, edits as multipart" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["relay", "--omit", "prompt"], "must be a list of fields"),
        (["relay", "--omit", "seed"], "must be a list of fields"),
        (["nobody", "--omit", "quality"], "no connection called 'nobody'"),
        (["comfy.org", "--edits", "json"], "comfy.org"),
        (["sandbox", "--omit", "quality"], "sandbox"),
    ],
)
def test_connect_refuses_what_cannot_be(
    relay: Capture, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    """In words, and what is stored stays as it was."""
    before = entry_of("relay")
    capsys.readouterr()
    assert main(["connect", *words]) != 0
    assert told in capsys.readouterr().err
    assert entry_of("relay") == before


def test_connect_knows_two_forms_of_edits(relay: Capture, capsys: pytest.CaptureFixture[str]) -> None:
    """Another one is refused with those that there are."""
    with pytest.raises(SystemExit):
        main(["connect", "relay", "--edits", "yaml"])
    assert "multipart" in capsys.readouterr().err
    assert entry_of("relay").get("edits") is None


def test_stored_form_holds_for_the_next_request(relay: Capture, photo: Path, tmp_path: Path) -> None:
    """An edit goes out as JSON without what is left out, on the command line as in the node."""
    assert main(["connect", "relay", "--omit", "quality", "--edits", "json"]) == 0
    words = ["a hat", "--image", str(photo), "--quality", "low", "--connection", "relay", "-o", str(tmp_path / "o.png")]
    assert main(words) == 0
    sent = relay.last
    assert sent.headers["Content-Type"] == "application/json"
    assert "quality" not in sent.fields()
    assert "auto" not in sent.fields().values()
    assert sent.fields()["images"][0]["image_url"].startswith("data:image/png;base64,")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_console_that_lacks_letters_shows_the_others(encoding: str, tmp_path: Path) -> None:
    """A Windows console has cp1252: what it cannot show becomes a question mark, and the command goes on."""
    home = tmp_path / "\u732b \u2192 \U0001f98a"
    folder = home / "store" / "jobs" / ("0" * 64)
    folder.mkdir(parents=True)
    (folder / "record.json").write_text("[]")
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "OPENAI_IMAGE_NODES_HOME": str(home)}
    command = [sys.executable, "-m", "openai_image_nodes", "jobs"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr
    assert "cannot be used and is left alone" in done.stdout.decode(encoding)
