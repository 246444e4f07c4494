"""Fields that a user has sent over a connection: with every request, part of what a job is, and never a node's own.

Source: docs/contract.md, "Connections".
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes import cli
from openai_image_nodes.api import HostSecrets
from openai_image_nodes.api.catalog.schemas import OpenAIImageGenerationRequest
from openai_image_nodes.api.connections import keys, resolve
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.errors import RefusedError
from openai_image_nodes.api.jobs.job import Job
from support.capture import Capture
from support.node_calls import KEY, node, photo

SEND = {"response_format": "b64_json", "safety_checker": False, "steps": 4, "guidance": 2.5}


@pytest.fixture
def server() -> Iterator[Capture]:
    with Capture() as capture:
        yield capture


def write(**entries: dict[str, Any]) -> None:
    path = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"connections": entries}))
    path.chmod(0o600)


def resolved(name: str = "relay") -> Connection:
    return resolve.resolve(name, HostSecrets(), lambda: "")


def stored() -> dict[str, Any]:
    return resolve.stored()


def test_they_go_out_with_generations_and_edits(server: Capture) -> None:
    """As they are in JSON, as texts in a form."""
    write(relay={"base_url": f"{server.base_url}/v1", "send": SEND})
    node(connection="relay", model="other")
    fields = server.last.fields()
    assert {name: fields[name] for name in SEND} == SEND
    node(connection="relay", model="other", image=photo())
    fields = server.last.fields()
    assert {name: fields[name] for name in SEND} == {
        "response_format": "b64_json",
        "safety_checker": "false",
        "steps": "4",
        "guidance": "2.5",
    }


def test_they_are_part_of_what_a_job_is_only_where_there_are_some() -> None:
    """Another form of picture may be another picture; without them all that was paid is found."""
    request = OpenAIImageGenerationRequest(model="m", prompt="p")
    plain = Connection(name="relay", base_url="https://relay.example/v1")
    first, none = replace(plain, send=SEND), replace(plain, send={})
    assert Job(none, request).identity == Job(plain, request).identity
    assert Job(first, request).identity not in (Job(plain, request).identity, "")
    assert Job(first, request).identity != Job(replace(plain, send={"steps": 5}), request).identity
    assert Job(first, request).record("x").fields["steps"] == 4


@pytest.mark.parametrize(
    ("send", "words"),
    [
        *(({name: "x"}, "the nodes have this field") for name in ("prompt", "image", "images", "mask", "model", "n")),
        *(({name: 1}, "the nodes have this field") for name in ("size", "quality", "stream", "markup", "image_count")),
        *(({name: "x"}, "a key goes into") for name in ("api_key", "x-api-key", "Authorization", "access_token")),
        *(({name: "x"}, "a key goes into") for name in (KEY, "stored-secret-of-the-entry")),
        ({KEY: KEY}, "a key goes into"),
        ({"note": KEY}, "looks like a key"),
        ({"note": f"it is {KEY}!"}, "looks like a key"),
        ({"note": "stored-secret-of-the-entry"}, "looks like a key"),
        ({"note": "Bearer abcdefgh"}, "looks like a key"),
        ({"a b": 1}, "no name of a field"),
        ({"": 1}, "no name of a field"),
        *(({"x": value}, "a text, a number, true or false") for value in (None, [], {}, ["a"])),
        ({"x": "a\r\nb"}, "one line"),
        ({"x": "a" * 1001}, "one line"),
        ({f"x{number}": 1 for number in range(33)}, "at most 32"),
        ("response_format=b64_json", "must be an object"),
        ([], "must be an object"),
    ],
)
def test_what_cannot_be_sent_so_is_refused(server: Capture, send: Any, words: str) -> None:
    """By the entry and the field; nothing is sent, and no key is shown."""
    write(relay={"base_url": f"{server.base_url}/v1", "key": "stored-secret-of-the-entry", "send": send})
    with pytest.raises(RefusedError, match=f'"send" of the entry relay.*{words}') as told:
        node(connection="relay", model="other")
    assert KEY not in str(told.value)
    assert "stored-secret" not in str(told.value)
    assert server.requests == []


def test_other_connections_take_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a batch; comfy.org and the sandbox have no entry that is read for it."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://me.openai.azure.com")
    monkeypatch.setenv("COMFY_API_KEY", KEY)
    write(**{name: {"send": {"user": "me"}} for name in ("openai", "azure", "comfy.org", "sandbox")})
    found = {name: dict(resolved(name).send) for name in ("openai", "openai batch", "azure", "comfy.org")}
    assert found == {
        "openai": {"user": "me"},
        "openai batch": {"user": "me"},
        "azure": {"user": "me"},
        "comfy.org": {},
    }


def test_the_command_stores_shows_and_forgets_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Values are taken for what they look like; the rest of the entry stays."""
    write(relay={"base_url": "https://relay.invalid/v1", "key": KEY, "omit": ["n"]})
    assert cli.main(["connect", "relay", "--send", "response_format=b64_json", "--send", "steps=4"]) == 0
    assert cli.main(["connect", "relay", "--edits", "json"]) == 0
    assert stored()["relay"]["send"] == {"response_format": "b64_json", "steps": 4}
    assert (stored()["relay"]["omit"], stored()["relay"]["edits"]) == (["n"], "json")
    assert cli.main(["doctor", "--offline"]) == 0
    said = capsys.readouterr().out
    assert 'sends as well response_format="b64_json", steps=4' in said
    assert KEY not in said
    assert keys.form("relay")["send"] == {"response_format": "b64_json", "steps": 4}
    assert cli.main(["connect", "relay", "--send", ""]) == 0
    assert stored()["relay"]["send"] == {}
    assert resolved().send == {}


@pytest.mark.parametrize("told", ["response_format", "prompt=x", "note=" + KEY, KEY])
def test_the_command_stores_nothing_that_cannot_be(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It says why, without the value."""
    write(relay={"base_url": "https://relay.invalid/v1"})
    assert cli.main(["connect", "relay", "--send", told]) != 0
    assert "send" not in stored()["relay"]
    said = capsys.readouterr()
    assert KEY not in said.out + said.err
