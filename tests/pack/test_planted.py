"""A planted key and a planted script, everything run, and all that is left of it searched.

The servers say back what they were sent, in every writing that they know; one of them belongs to a stranger.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from openai_image_nodes import NODE_CLASS_MAPPINGS
from openai_image_nodes.api import OpenAIImageError
from openai_image_nodes.api.jobs.threads import run_in_thread
from openai_image_nodes.api.transport import downloads
from openai_image_nodes.api.transport import retry as retries
from openai_image_nodes.cli import main
from openai_image_nodes.utils import comfyui
from PIL import Image
from support.asker import until_quiet
from support.batch_plans import BATCH
from support.capture import Capture, failure, picture, success
from support.faults import Faults
from support.node_calls import GPTImage, asked, photo
from support.prompt_lists import PromptList, write
from support.route_client import ask
from support.scenarios import ScriptedSandbox

pytestmark = pytest.mark.slow

KEY = "sk-Planted/Key+0123456789=abcdefghij"
SCRIPT = "<img src=x onerror=alert('planted')>"
SVG = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(7)'><script>alert('planted')</script><rect/></svg>"
RUNS = re.compile(rb"<\s*(img|script|iframe|object|embed)\b|\bon\w+\s*=|javascript:", re.IGNORECASE)


def writings(secret: str) -> dict[str, bytes]:
    """Return a secret in the writings that it can be read from."""
    raw = secret.encode()
    told = {
        "as it is": raw,
        "percent signs": quote(secret, safe="").encode(),
        "all percent signs": "".join(f"%{byte:02X}" for byte in raw).encode(),
        "JSON": json.dumps(secret)[1:-1].replace("/", "\\/").encode(),
        "JSON, all escaped": "".join(f"\\u{ord(each):04x}" for each in secret).encode(),
        "HTML": "".join(f"&#{byte};" for byte in raw).encode(),
        "hexadecimal": raw.hex().encode(),
        "JSON in JSON": "".join(f"\\\\u{ord(each):04x}" for each in secret).encode(),
        "address in an address": quote(quote(secret, safe=""), safe="").encode(),
        "backwards": raw[::-1],
    }
    for shift in range(3):  # the whole groups in the middle of its base64, wherever it begins
        text = base64.b64encode(b"\0" * shift + raw)
        told[f"base64, {shift}"] = text[4 if shift else 0 : -4]
        told[f"base64 of addresses, {shift}"] = told[f"base64, {shift}"].translate(bytes.maketrans(b"+/", b"-_"))
    return told


WRITINGS = writings(KEY)
ECHOES = {
    name: text.decode()
    for name, text in WRITINGS.items()
    if "base64" not in name and name not in ("HTML", "hexadecimal", "backwards")
}


def found_in(content: bytes) -> list[str]:
    """Return in which writings the key is in a content."""
    return [name for name, text in WRITINGS.items() if text in content]


class Seen:
    """What was shown, said and answered in a run of everything."""

    def __init__(self) -> None:
        self.page: list[str] = []
        self.words: list[str] = []
        self.answers: list[str] = []
        self.drawings: list[bytes] = []

    @property
    def artefacts(self) -> dict[str, bytes]:
        texts = {"page": self.page, "words": self.words, "answers": self.answers}
        return {
            f"{name} {index}": text.encode(errors="replace")
            for name, all_ in texts.items()
            for index, text in enumerate(all_)
        }


@pytest.fixture
def stranger() -> Iterator[Capture]:
    """A host that pictures lie at, which must never learn a key."""
    with Capture() as capture:
        yield capture


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "state"
    home.mkdir()
    (tmp_path / "input").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_IMAGE_NODES_HOME", str(home))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    folders = SimpleNamespace(get_input_directory=lambda: str(tmp_path / "input"))
    monkeypatch.setitem(sys.modules, "folder_paths", folders)
    for module, name, value in ((retries, "FIRST_DELAY_S", 0.001), (downloads, "DOWNLOAD_PAUSES_S", ())):
        monkeypatch.setattr(module, name, value)
    return home


@pytest.fixture
def seen(home: Path, monkeypatch: pytest.MonkeyPatch) -> Seen:
    seen = Seen()
    server = SimpleNamespace(client_id="c", send_progress_text=lambda text, _node, sid: seen.page.append(text))
    monkeypatch.setattr(comfyui, "_server", lambda: server)
    return seen


def tried(seen: Seen, work: Callable[[], Any]) -> Any:
    """Do something as ComfyUI does: an error's words, type and repr go into the history."""
    try:
        return work()
    except (OpenAIImageError, ValueError) as exc:
        seen.words += [str(exc), repr(exc), repr(exc.args), repr(exc.__cause__), repr(exc.__context__)]
        return None


def node(seen: Seen, **inputs: Any) -> Any:
    """Run the main node as ComfyUI does; its outputs are part of the history."""
    outputs = tried(seen, lambda: asyncio.run(GPTImage().api_call(**asked({"unique_id": "3", **inputs}))))
    if outputs is not None:
        seen.answers.append(str(outputs[2]))
        until_quiet()
    return outputs


def through_every_trouble(seen: Seen, stranger: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a relay say the key and the script back, in every writing and place."""
    with Capture() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.base_url}/v1")
        seed, authorized = 0, list[bool]()
        for key in ECHOES.values():
            said = f"{key} {SCRIPT}"
            away = f"{stranger.base_url}/picture.png?k={quote(key)}"
            raw_json = f'{{"error": {{"message": "no {key} {SCRIPT}", "code": "invalid_api_key"}}}}'
            replies: list[tuple[int, Any, dict[str, str]]] = [
                (401, failure(f"Incorrect API key: {said}", code="invalid_api_key"), {}),
                (400, raw_json, {"Content-Type": "application/json"}),
                (400, failure(said, code=said, param=said), {"x-request-id": key}),
                (429, failure(said, code="insufficient_quota"), {}),
                (502, f"<html>{said}</html>", {}),
                (200, f"hello {said}", {}),
                (200, {"data": [], "message": said}, {}),
                (200, {"data": [{"b64_json": said}]}, {}),
                (200, {"data": [{"url": away}]}, {}),
                (302, "", {"Location": away}),
                (200, success(background=said, quality=said, size=said, output_format=said, note=said), {"date": said}),
                (200, {"data": [{"b64_json": base64.b64encode(picture()).decode(), "revised_prompt": said}]}, {}),
            ]
            for status, body, headers in replies:
                seed += 1
                for _ in range(4):
                    server.reply(
                        status,
                        body,
                        {name: value.encode("ascii", "replace").decode() for name, value in headers.items()},
                    )
                node(seen, seed=seed, prompt=SCRIPT)
                node(seen, seed=seed, prompt=SCRIPT)  # what the store has of it
                until_quiet()
                authorized += [post.headers["Authorization"] == f"Bearer {KEY}" for post in server.posts]
                server.clear()
        assert authorized
        assert all(authorized)


def strangers_words(seen: Seen, home: Path) -> None:
    """Names of columns, models and sizes that are scripts, and a drawing with one."""
    for model in (SCRIPT, f"gpt-image-2{SCRIPT}"):
        node(seen, model=model, connection="sandbox")
    node(seen, connection=SCRIPT)
    node(seen, size=SCRIPT, connection="sandbox")
    seen.words.append(str(tried(seen, lambda: GPTImage.VALIDATE_INPUTS(prompt="x", model=SCRIPT, connection=SCRIPT))))
    folder = home.parent / "input"
    table = f'prompt,{SCRIPT.replace(",", "")},"=HYPERLINK(""http://x"")"\n"{SCRIPT}",2,3\n'
    write(folder, "list.csv", table)
    write(folder, "list.jsonl", json.dumps({"prompt": SCRIPT, SCRIPT: 1, "size": "1024x1024"}))
    for name in ("list.csv", "list.jsonl"):
        outputs = tried(seen, lambda name=name: PromptList().lists(file=name, unique_id="4"))
        for prompt in (outputs or [[]])[0]:
            node(seen, prompt=prompt, connection="sandbox", image=photo())


def drawing(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reaches Save SVG of a drawing that runs."""
    with Capture() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.base_url}/v1")
        server.reply(200, {"data": [{"b64_json": base64.b64encode(SVG.encode()).decode()}], "output_format": "svg"})
        outputs = tried(
            seen,
            lambda: asyncio.run(NODE_CLASS_MAPPINGS["OIN_GPTImageSVG"]().api_call(prompt="a fox", connection="openai")),
        )
        assert outputs is not None
        seen.drawings += [stream.getvalue() for stream in outputs[0].data]
        seen.answers += [text for text in outputs if isinstance(text, str)]


def batch(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan, submit, look and collect in the panel and in the shell, with lines that say the key back."""
    with ScriptedSandbox(middlewares=[Faults()]) as sandbox:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{sandbox.base_url}/v1")
        for seed in range(2):
            node(seen, prompt=SCRIPT, connection=BATCH, model="gpt-image-2", seed=seed, size="1024x1024")
        for path in ("batch/look", "batch/submit", "batch/collect", "batch/cancel"):
            seen.answers.append(ask("POST", path, count=2, id=SCRIPT).text)
            seen.answers.append(ask("GET", "batch").text)
        for words in (
            ["batch", "plan"],
            ["batch", "plan", "--json"],
            ["batch", "submit", "-y"],
            ["batch", "status", "--json"],
            ["batch", "collect"],
        ):
            shell(seen, *words)


def shell(seen: Seen, *words: str) -> None:
    """Run the command and keep what it prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), contextlib.suppress(SystemExit):
        tried(seen, lambda: main(list(words)))
    seen.answers.append(out.getvalue())


def routes(seen: Seen) -> None:
    """Ask every route, with the key and the script in what is asked."""
    for path in ("models", "connections", "replacements", "batch"):
        seen.answers.append(ask("GET", path).text)
    values = {"model": SCRIPT, "prompt": KEY, "connection": KEY, "size": SCRIPT}
    for path, body in {
        "estimate": {"node": SCRIPT, "values": values},
        "list_estimates": {"list": {"file": SCRIPT}, "nodes": []},
        "allow_sum": {"prompt_id": KEY},
        "last_words": {"prompt_id": KEY},
        "form": {"name": KEY, "omit": [KEY], "edits": KEY},
        "batch/cancel": {"id": SCRIPT},
    }.items():
        told = ask("POST", path, **body)
        if path == "form" or path == "estimate":
            continue  # a name that a person typed is repeated to that person
        seen.answers.append(told.text)
    for name in ("relay", "openai", "sandbox", SCRIPT):
        seen.answers.append(ask("POST", "key", name=name, key=KEY).text)
    seen.answers.append(ask("GET", "connections").text)
    seen.answers.append(ask("POST", "key", data=json.dumps([KEY]).encode()).text)
    seen.answers.append(ask("POST", "key", remote="192.168.1.7", name="openai", key=KEY).text)


def saved(home: Path) -> None:
    """Save a picture from the shell and with its workflow, as Save Image does."""
    outputs = asyncio.run(GPTImage().api_call(**asked({"connection": "sandbox"})))
    pixels = (outputs[0][0].numpy() * 255).astype("uint8")
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("prompt", json.dumps({"3": {"class_type": "OIN_GPTImage", "inputs": asked({})}}))
    Image.fromarray(pixels).save(home.parent / "saved.png", pnginfo=info)


def test_key_and_script_are_found_nowhere(
    seen: Seen,
    home: Path,
    stranger: Capture,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not in the page, the history, pictures, logs and the store, nor in what routes and shell say, nor elsewhere."""
    caplog.set_level(logging.DEBUG)
    through_every_trouble(seen, stranger, monkeypatch)
    strangers_words(seen, home)
    drawing(seen, monkeypatch)
    batch(seen, monkeypatch)
    routes(seen)
    saved(home)
    for words in (
        ["jobs"],
        ["doctor", "--offline"],
        ["a fox", "--connection", "sandbox", "-o", str(home.parent / "out.png")],
    ):
        shell(seen, *words)
    until_quiet()
    run_in_thread(lambda: None).result(20)

    left = seen.artefacts
    left["log"] = "\n".join([caplog.text, *(str(record.__dict__) for record in caplog.records)]).encode(
        errors="replace"
    )
    printed = capsys.readouterr()
    left["printed"] = (printed.out + printed.err).encode(errors="replace")
    for path in home.parent.rglob("*"):
        if path.is_file() and path != home / "connections.json":
            left[str(path.relative_to(home.parent))] = path.read_bytes() + path.name.encode()
    for index, asked_there in enumerate(stranger.requests):
        left[f"other host {index}"] = (asked_there.target + str(asked_there.headers)).encode() + asked_there.body
    assert len(left) > 100
    assert {name: ways for name, content in left.items() if (ways := found_in(content))} == {}
    assert found_in((home / "connections.json").read_bytes())  # the search finds it where it is

    assert seen.page, "the page was shown nothing"
    assert [text for text in seen.page if set(text) & set("<>&\"'`")] == []
    assert seen.drawings
    assert [drawing for drawing in seen.drawings if RUNS.search(drawing)] == []
    assert not (set(os.listdir(home.parent)) - {"state", "input", "saved.png", "out.png"})
