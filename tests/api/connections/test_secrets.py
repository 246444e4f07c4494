"""Keys: a planted one is in every place that holds keys, and nowhere else, whatever happens."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import re
import stat
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.api.connections import resolve as connections
from openai_image_nodes.api.connections.connection import Connection, HostSecrets
from openai_image_nodes.api.errors import OpenAIImageError, RefusedError
from openai_image_nodes.api.transport import retry as retries
from openai_image_nodes.api.transport.client import request
from pydantic import SecretStr
from support.asker import hurry
from support.capture import Capture, failure, picture, success
from support.node_calls import KEY, NODE_CLASS_MAPPINGS, GPTImage, asked, node, photo, validated
from support.wire_server import CLOSE, openai_wire

PLANTED = re.compile(r"planted", re.IGNORECASE)
COMFY = {"auth_token": "token-planted-1"}
WAYS: dict[str, dict[str, Any]] = {
    "openai": {"connection": "openai"},
    "comfy.org, signed in": {"connection": "comfy.org", **COMFY},
    "comfy.org, key": {"connection": "comfy.org", "api_key": "comfyui-planted-2"},
    "azure": {"connection": "azure"},
    "relay": {"connection": "relay"},
}
SENT: dict[str, str] = {}  # the key, by way
ALL_WAYS = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    with Capture() as capture:
        planted = {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{capture.base_url}/v1",
            "AZURE_OPENAI_API_KEY": "planted0123456789",
            "AZURE_OPENAI_ENDPOINT": capture.base_url,
            "COMFY_API_BASE": capture.base_url,
        }
        for name, value in planted.items():
            monkeypatch.setenv(name, value)
        hurry(monkeypatch)
        relay = {
            "base_url": f"{capture.base_url}/v1",
            "key": "planted9876543210",
            "headers": {"X-Extra": "header-planted-3"},
        }
        (home() / "connections.json").write_text(json.dumps({"connections": {"relay": relay}}))
        yield capture


def home() -> Path:
    return Path(os.environ["OPENAI_IMAGE_NODES_HOME"])


def key_sent(server: Capture) -> str:
    """Return the key as the server got it."""
    headers = server.posts[0].headers
    return headers["api-key"] or headers["X-API-KEY"] or headers["Authorization"].removeprefix("Bearer ")


def key_of(server: Capture, way: dict[str, Any]) -> str:
    """Return the key that is sent in a way; only the first time a request has to tell it."""
    name = json.dumps(way)
    if name not in SENT:
        node(**way)
        SENT[name] = key_sent(server)
    return SENT[name]


def files_with_the_key() -> list[str]:
    """Return the files below the state folder that hold a planted key, the connections file apart."""
    files = [path for path in home().rglob("*") if path.is_file() and path.name != "connections.json"]
    return [str(path) for path in files if PLANTED.search(path.read_bytes().decode("latin-1"))]


Echo = Callable[[str], tuple[int, Any, dict[str, str]]]
ECHOES: dict[str, Echo] = {
    "wrong key": lambda key: (401, failure(f"Incorrect API key provided: {key}.", code="invalid_api_key"), {}),
    "key in quotes": lambda key: (400, failure(f"the header 'Authorization: Bearer {key}' is bad"), {}),
    "key as code": lambda key: (403, failure("no", code=key, param=key), {}),
    "key in headers": lambda key: (500, failure("no"), {"x-request-id": key, "X-Comfy-Error-Type": key}),
    "key as a header": lambda key: (200, {"data": []}, {f"x-ratelimit-{key}": "1"}),
    "plain text": lambda key: (404, f"<html>no route for {key}</html>", {}),
    "moderated": lambda key: (400, failure(f"safety system, {key}", code="moderation_blocked"), {}),
    "gateway": lambda key: (502, f"upstream said {key}", {}),
    "no credit": lambda key: (402, {"error": "x", "message": f"{key} has no credit"}, {}),
    "success with an error": lambda key: (200, failure(f"bad key {key}"), {}),
    "success without pictures": lambda key: (200, {"message": f"bad key {key}"}, {}),
    "success of another form": lambda key: (200, {"data": key, "message": key}, {}),
    "success of another form with an error": lambda key: (200, {"data": key, **failure(f"bad key {key}")}, {}),
    "no JSON": lambda key: (200, f"hello {key}", {}),
    "no picture": lambda key: (200, {"data": [{"b64_json": key}]}, {}),
    "bad address": lambda key: (200, {"data": [{"url": f"http://example.invalid/{key}"}]}, {}),
    "redirect": lambda key: (302, "", {"Location": f"https://example.invalid/?key={key}"}),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
@ALL_WAYS
def test_service_that_echoes_the_key_does_not_spread_it(
    server: Capture, caplog: pytest.LogCaptureFixture, way: dict[str, Any], echo: Echo
) -> None:
    """Neither the error nor those it was raised from, no log line and no file has the key."""
    server.reply(*echo(key_of(server, way)), times=9)
    with caplog.at_level(logging.DEBUG), pytest.raises(OpenAIImageError) as caught:
        node(seed=1, **way)
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + caplog.text
    assert not PLANTED.search(told)
    assert files_with_the_key() == []


@pytest.mark.parametrize(
    "form", [str.upper, lambda key: key.encode().hex(), lambda key: base64.b64encode(key.encode()).decode()]
)
def test_key_in_the_address_of_a_picture_is_in_no_words(server: Capture, form: Callable[[str], str]) -> None:
    """What is told of a picture that could not be had is in the report, which people show to others."""
    told = form(KEY)
    server.reply(200, {"data": [*success()["data"], {"url": f"/files/{told}"}]})
    server.reply(200, {"data": []}, times=9)
    report = json.dumps(node()[2])
    assert "broken" in report
    assert told not in report
    assert not [path for path in home().rglob("record.json") if told in path.read_text()]


def test_service_that_echoes_a_header_of_the_connections_file_does_not_spread_it(server: Capture) -> None:
    """A key may also stand in a header of one's own."""
    server.reply(400, failure("bad header X-Extra: header-planted-3"), times=9)
    with pytest.raises(OpenAIImageError) as caught:
        node(connection="relay")
    assert not PLANTED.search(str(caught.value))


def test_header_that_cannot_be_sent_is_not_repeated() -> None:
    """Python's own words for it would, and ComfyUI writes those down as well."""
    relay = Connection(name="relay", base_url="http://127.0.0.1:9/v1", headers={"X-Extra": " header-planted-3"})
    with pytest.raises(RefusedError, match="a header has a character") as caught, request(relay, "GET", "models"):
        pass
    assert not PLANTED.search("".join(traceback.format_exception(caught.value)))


@pytest.mark.parametrize("length", [1, 4, 7])
def test_short_stand_ins_for_a_key_do_not_damage_pictures(
    server: Capture, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    """Local services take any word as a key, and it may occur in the base64 of a picture."""
    data = picture(16, 16)
    monkeypatch.setenv("OPENAI_API_KEY", base64.b64encode(data).decode()[40 : 40 + length])
    server.reply(200, success(data))
    assert node()[0].shape == (1, 16, 16, 3)


@pytest.mark.parametrize("status", [401, 402, 403, 409, 429])
@ALL_WAYS
def test_no_error_opens_comfyuis_own_dialogs(
    server: Capture, monkeypatch: pytest.MonkeyPatch, way: dict[str, Any], status: int
) -> None:
    """ComfyUI reads errors: two phrases would ask people to sign in to, or pay, a service that was not asked."""
    monkeypatch.setattr(retries, "RATE_LIMIT_TOTAL_S", 0.0)
    server.reply(status, failure("no"), times=9)
    with pytest.raises(OpenAIImageError) as caught:
        node(**way)
    assert "Please login first" not in str(caught.value)
    assert "Please add credits" not in str(caught.value)


@ALL_WAYS
def test_success_spreads_no_key(server: Capture, caplog: pytest.LogCaptureFixture, way: dict[str, Any]) -> None:
    """The report, the logs at their most talkative, and the job store are free of it."""
    server.reply(200, success(revised_prompt="x"))
    with caplog.at_level(logging.DEBUG):
        report = node(image=photo(), **way)[2]
    assert key_sent(server)
    assert not PLANTED.search(json.dumps(report) + caplog.text)
    assert files_with_the_key() == []


@ALL_WAYS
def test_connection_that_breaks_spreads_no_key(
    server: Capture, caplog: pytest.LogCaptureFixture, way: dict[str, Any]
) -> None:
    """It is told without what was sent over it."""
    server.break_off = True
    with caplog.at_level(logging.DEBUG), pytest.raises(OpenAIImageError) as caught:
        node(**way)
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert not PLANTED.search(told)
    assert files_with_the_key() == []


@pytest.mark.parametrize("name", ["openai", "comfy.org", "azure", "relay"])
def test_connection_shows_no_key(server: Capture, name: str) -> None:
    """repr and str of a connection, its secrets and its headers."""
    host = HostSecrets(comfy_token=SecretStr("token-planted-1"))
    connection = connections.resolve(name, host, lambda: "")
    assert PLANTED.search(str(connection.auth_headers()))
    assert not PLANTED.search(f"{connection!r} {connection} {host!r} {connection.key!r}")


def test_password_in_an_address_is_not_shown(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes user:password@host: it is in no report, error, log or file."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url.replace("//", "//me:planted-4@") + "/v1")
    try:
        told = json.dumps(node()[2])
    except OpenAIImageError as exc:
        told = str(exc)
    assert not PLANTED.search(told)
    assert files_with_the_key() == []


def test_inputs_of_the_node_carry_no_key(server: Capture) -> None:
    """What /object_info shows and what VALIDATE_INPUTS says."""
    assert not PLANTED.search(json.dumps(GPTImage.INPUT_TYPES()))
    assert not PLANTED.search(str(validated(connection="planet")))


@pytest.mark.parametrize(
    "connection", ["http://127.0.0.1:1/v1", "../relay", "OPENAI_API_KEY", "relay\r\nX-Y: z", "/etc/passwd", "RELAY"]
)
def test_workflow_can_name_a_connection_and_nothing_else(server: Capture, connection: str) -> None:
    """A name that nobody defined is no address, file, variable or header."""
    assert isinstance(validated(connection=connection), str)
    with pytest.raises(OpenAIImageError, match="no connection called"):
        node(connection=connection)
    assert server.requests == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_state_folder_is_private(server: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders that we make are for their owner alone, and so is every file in them."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_HOME", str(tmp_path / "home"))
    node()
    made = [tmp_path / "home", *(tmp_path / "home").rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o600}


EARLY: dict[str, dict[str, Any]] = {
    "no key": {"connection": "comfy.org", "auth_token": None},
    "unknown connection": {"connection": "nowhere"},
    "empty prompt": {"prompt": ""},
    "retired model": {"model": "gpt-image-1"},
}


@pytest.mark.parametrize("inputs", EARLY.values(), ids=EARLY)
@pytest.mark.parametrize("name", ["OIN_GPTImage", "OIN_GPTImageGIF", "OIN_GPTImageSVG"])
def test_no_failure_is_so_early_that_comfyui_writes_down_the_hidden_inputs(
    server: Capture, name: str, inputs: dict[str, Any]
) -> None:
    """ComfyUI starts a node, gives it one turn, and puts all its inputs into /history if it has failed by then."""
    call = {**asked({"connection": "openai", "auth_token": "token-planted-1"}), **inputs}

    async def as_comfyui_does() -> bool:
        task = asyncio.create_task(NODE_CLASS_MAPPINGS[name]().api_call(**call))
        await asyncio.sleep(0)
        failed_at_once = task.done()
        with pytest.raises(OpenAIImageError):
            await task
        return failed_at_once

    assert asyncio.run(as_comfyui_does()) is False


def test_picture_of_another_host_is_fetched_without_the_key(server: Capture) -> None:
    """A link in an answer gets no header of ours."""
    with Capture() as other:
        other.files["/picture"] = picture()
        server.reply(200, {"data": [{"url": f"{other.base_url}/picture"}]})
        node()
        assert not PLANTED.search(str(other.last.headers))
        assert other.last.method == "GET"


@pytest.mark.parametrize(
    "said",
    [b"Bearer %s unknown\r\n\r\n", b"HTTP/1.1 %s x\r\n\r\n", b"HTTP/1.1 200 OK\r\n%s\r\nContent-Length: 2\r\n\r\n{}"],
)
def test_key_that_stands_in_a_broken_head_is_in_no_trace(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    """ComfyUI prints what an error came from, and urllib3 logs what of a head it cannot read."""
    with openai_wire(monkeypatch) as server:
        server.script(said % KEY.encode(), CLOSE)
        with pytest.raises(OpenAIImageError) as caught:
            node()
    assert KEY not in "".join(traceback.format_exception(caught.value)) + caplog.text
