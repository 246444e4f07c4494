"""Addresses, keys and settings as people write them: put right where it is certain, else told by name and place."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.api.catalog.schemas import OpenAIImageGenerationRequest
from openai_image_nodes.api.connections import keys, pasted, resolve
from openai_image_nodes.api.connections.connection import Connection, HostSecrets
from openai_image_nodes.api.errors import OpenAIImageError, RefusedError
from openai_image_nodes.api.jobs.job import Job
from support.capture import Capture
from support.node_calls import KEY, node, photo, use_openai, validated


@pytest.fixture
def server() -> Iterator[Capture]:
    with Capture() as capture:
        yield capture


def write(**entries: dict[str, Any]) -> None:
    """Write the connections file."""
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")
    file.write_text(json.dumps({"connections": entries}))


def resolved(name: str) -> Connection:
    return resolve.resolve(name, HostSecrets(), lambda: "")


MEANT = {
    "  https://relay.example/v1/ \n": "https://relay.example/v1",
    '"https://relay.example/v1"': "https://relay.example/v1",
    "\u201chttps://relay.example/v1\u201d,": "https://relay.example/v1",
    "<https://relay.example/v1>": "https://relay.example/v1",
    "relay.example/v1": "https://relay.example/v1",
    "relay.example:8443/v1": "https://relay.example:8443/v1",
    "//relay.example/v1": "https://relay.example/v1",
    "https:/relay.example/v1": "https://relay.example/v1",
    "https:\\\\relay.example/v1": "https://relay.example/v1",
    "https//relay.example/v1": "https://relay.example/v1",
    "https://https://relay.example/v1": "https://relay.example/v1",
    "https://relay.example/v1/images/generations": "https://relay.example/v1",
    "https://relay.example/v1/images/edits/": "https://relay.example/v1",
    "https://relay.example/api/chat/completions?x=1": "https://relay.example/api",
    "https://relay.example/v1/models": "https://relay.example/v1",
    "OPENAI_BASE_URL=https://relay.example/v1": "https://relay.example/v1",
    "api.openai.com": "https://api.openai.com/v1",
    "https://relay.example/models": "https://relay.example/models",
    "HTTPS://Relay.example/V1": "HTTPS://Relay.example/V1",
}


@pytest.mark.parametrize(("told", "meant"), MEANT.items())
def test_address_is_put_right_where_it_is_certain(told: str, meant: str) -> None:
    """What was right stays as it is, to the letter: it is part of what a picture was paid under."""
    assert pasted.base_url(told, "X") == meant


@pytest.mark.parametrize(
    "told",
    [
        *("localhost:8000/v1", "192.168.1.5/v1", "nas:3000", "https://relay.example/v1?key=x", f"nas:3000/v1?k={KEY}"),
        *(f"nas/v1#{KEY}", f"http://nas/{KEY}/v1?x", "key=x@nas/v1", "https://me:key=x@relay.example/v1?x"),
        *("https://me:p/key=x@relay.example/v1?x", "nas/@cf/v1", "https://relay.example/@cf/v1?x"),
    ],
)
def test_address_that_may_mean_two_things_is_refused_with_the_form(told: str) -> None:
    """http or https, nobody knows; the message says both, and where the address is written."""
    with pytest.raises(RefusedError, match="RELAY_PLACE") as caught:
        pasted.base_url(told, "RELAY_PLACE")
    assert "://" in str(caught.value)
    assert "key=x" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert ("/@cf/v1" in told) is ("/@cf/v1" in str(caught.value))


@pytest.mark.parametrize(
    "told",
    [
        f'"{KEY}"',
        f"Bearer {KEY}",
        f"'Bearer {KEY}' ",
        f"Authorization: Bearer {KEY}",
        f"api-key: {KEY}",
        f"export OPENAI_API_KEY={KEY}",
        f'OPENAI_API_KEY = "{KEY}",',
        f"\u201c{KEY}\u201d",
        f"\n{KEY}\r\n",
    ],
)
def test_key_is_taken_out_of_what_was_copied_with_it(
    server: Capture, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    """From the environment and into the file."""
    use_openai(monkeypatch, server, told)
    node()
    assert server.last.headers["Authorization"] == f"Bearer {KEY}"
    keys.store("relay", told, "https://relay.example/v1")
    assert resolved("relay").auth_headers() == {"Authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize("key", ["c2VjcmV0PWtleQ==", "id=part.of-the-key", "sk-a:b/c+d"])
def test_key_with_odd_letters_stays_whole(key: str) -> None:
    """A sign of equality in a key is a part of it."""
    assert pasted.key(key) == key


HIDDEN = ["\u200b", "\ufeff", "\uff53", "\u2019", "\n", "\t", "\u0130", "\x00", "\x7f", "\ud83d"]


@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda each: f"{ord(each):04X}")
def test_key_with_a_hidden_character_is_refused_by_its_variable(
    server: Capture, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    """Before anything is claimed or sent; the key is not shown, and auto does not pay elsewhere instead."""
    write(openai={"key": f"sk-planted{hidden}123", "base_url": f"{server.base_url}/v1"})
    for connection in ("openai", "auto"):
        with pytest.raises(RefusedError, match=f"connections.json.*U\\+{ord(hidden):04X}"):
            node(connection=connection, api_key="comfyui-other")
    assert server.requests == []
    if hidden not in "\x00\ud83d":
        monkeypatch.setenv("OPENAI_API_KEY", f"sk-planted{hidden}123")
        with pytest.raises(RefusedError, match="OPENAI_API_KEY") as caught:
            node()
        assert "planted" not in str(caught.value)


FAULTY: dict[str, tuple[dict[str, str], str]] = {
    "organization": ({"OPENAI_ORG_ID": "org\u200b-1"}, "OPENAI_ORG_ID"),
    "host name": ({"OPENAI_BASE_URL": f"https://{'a' * 64}.example/v1"}, "OPENAI_BASE_URL"),
    "whole host": ({"OPENAI_BASE_URL": f"https://{'a.' * 140}example/v1"}, "OPENAI_BASE_URL"),
    "empty label": ({"OPENAI_BASE_URL": "https://relay..example/v1"}, "OPENAI_BASE_URL"),
    "port": ({"OPENAI_BASE_URL": "https://relay.example:99999/v1"}, "OPENAI_BASE_URL"),
    "port in words": ({"OPENAI_BASE_URL": "https://relay.example:port/v1"}, "OPENAI_BASE_URL"),
    "bracket": ({"OPENAI_BASE_URL": "https://[::1/v1"}, "OPENAI_BASE_URL"),
    "hidden in the address": ({"OPENAI_BASE_URL": "https://relay\u200b.example/v1"}, "OPENAI_BASE_URL"),
    "proxy port": ({"HTTPS_PROXY": "http://proxy:none"}, "HTTPS_PROXY"),
    "proxy kind": ({"HTTPS_PROXY": "ftp://proxy:21"}, "HTTPS_PROXY"),
    "proxy without a host": ({"HTTPS_PROXY": "http://:8080"}, "HTTPS_PROXY"),
    "proxy with a blank": ({"ALL_PROXY": "http://pro xy:8080"}, "ALL_PROXY"),
    "proxy label": ({"HTTPS_PROXY": f"http://{'p' * 64}:8080"}, "HTTPS_PROXY"),
}


@pytest.mark.parametrize(("variables", "told"), FAULTY.values(), ids=FAULTY)
def test_what_cannot_be_sent_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str
) -> None:
    """No exception of Python's; nothing was tried, so nothing is written down."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://relay.example/v1")
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RefusedError, match=told):
        node()
    assert not list(Path(os.environ["OPENAI_IMAGE_NODES_HOME"]).rglob("record.json"))


@pytest.mark.parametrize("prompt", ["a fox \ud83e", "\udd8a at the end"])
def test_half_of_a_character_is_refused(server: Capture, monkeypatch: pytest.MonkeyPatch, prompt: str) -> None:
    """In the check before a run and in the run."""
    use_openai(monkeypatch, server)
    assert "half of a character" in str(validated(prompt=prompt))
    with pytest.raises(OpenAIImageError, match="half of a character"):
        node(prompt=prompt)
    assert server.requests == []


def test_fields_to_omit_and_auto_are_not_sent_and_change_no_identity(server: Capture) -> None:
    """To a compatible service only what was chosen goes out; what was paid before is still found."""
    write(relay={"base_url": f"{server.base_url}/v1", "omit": ["quality", "n"]})
    node(connection="relay", model="other", background="auto")
    assert server.last.fields() == {"model": "other", "prompt": "a red fox", "output_format": "png"} | {
        name: value for name, value in server.last.fields().items() if name == "output_compression"
    }
    plain, request = replace(resolved("relay"), omit=()), OpenAIImageGenerationRequest(model="m", prompt="p")
    assert Job(plain, request).identity == Job(resolved("relay"), request).identity
    assert Job(plain, request).fields["size"] == "auto"


def test_openai_itself_is_still_sent_auto(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the official client sends stays as it was."""
    use_openai(monkeypatch, server)
    node()
    assert server.last.fields()["size"] == "auto"


def test_edits_go_out_as_json_where_a_server_takes_no_multipart(server: Capture) -> None:
    """Pictures and mask as data URLs, in order."""
    write(relay={"base_url": f"{server.base_url}/v1", "edits": "json"})
    node(connection="relay", model="other", image=photo(), mask=photo()[..., 0])
    fields = server.last.fields()
    urls = [fields["images"][0]["image_url"], fields["mask"]["image_url"]]
    assert [base64.b64decode(url.removeprefix("data:image/png;base64,"))[:4] for url in urls] == [b"\x89PNG"] * 2
    assert "image_count" not in fields


@pytest.mark.parametrize("entry", [{"omit": "n"}, {"omit": ["prompt"]}, {"omit": ["nonsense"]}, {"edits": "xml"}])
def test_settings_that_cannot_be_are_refused(entry: dict[str, Any]) -> None:
    """By the field's name and the entry's."""
    write(relay={"base_url": "https://relay.example/v1", **entry})
    with pytest.raises(RefusedError, match=f"{next(iter(entry))}.*relay"):
        resolved("relay")


def test_azures_full_address_gives_the_resource_and_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the portal shows it for copying."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    full = "https://me.openai.azure.com/openai/deployments/d/images/generations?api-version=2024-10-21"
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", full)
    monkeypatch.delenv("OPENAI_API_VERSION", raising=False)
    link = resolved("azure")
    assert (link.base_url, link.query) == ("https://me.openai.azure.com/openai", {"api-version": "2024-10-21"})


def test_shutdown_dates_are_openais(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay may carry the name of a model that OpenAI shut down; OpenAI is not asked for it."""
    write(relay={"base_url": f"{server.base_url}/v1"})
    node(connection="relay", model="dall-e-3")
    assert len(server.posts) == 1
    use_openai(monkeypatch, server)
    with pytest.raises(RefusedError, match="was shut down"):
        node(model="dall-e-3")
    assert len(server.posts) == 1
