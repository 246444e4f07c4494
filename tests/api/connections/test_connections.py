"""Connections: whose key goes where, in which order keys are found, and what never happens to them on the way."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.api.connections import keys
from openai_image_nodes.api.connections import resolve as connections
from openai_image_nodes.api.connections.connection import Connection, HostSecrets, is_loopback
from openai_image_nodes.api.errors import NoKeyError, RefusedError
from pydantic import SecretStr
from support.capture import Capture
from support.node_calls import KEY, node, use_openai, validated

SIGNED_IN = HostSecrets(comfy_token=SecretStr("token-planted"))
TABLES = {"comfy.org": "https://api.comfy.org/proxy/openai", "openai": "https://api.openai.com/v1"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    with Capture() as capture:
        yield capture


def resolved(name: str, host: HostSecrets | None = None) -> Connection:
    return connections.resolve(name, host or HostSecrets(), lambda: "http://127.0.0.1:1")


def write(**entries: dict[str, Any]) -> None:
    """Write the connections file as PowerShell does, with a mark of bytes before the text."""
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")
    file.write_text(json.dumps({"connections": entries}), encoding="utf-8-sig")


def key(connection: Connection) -> str | None:
    return connection.key.get_secret_value() if connection.key else None


@pytest.mark.parametrize(("name", "base_url"), TABLES.items())
def test_built_in_connections_have_their_own_addresses(
    monkeypatch: pytest.MonkeyPatch, name: str, base_url: str
) -> None:
    """Without any address told, the services' own are asked."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert resolved(name, SIGNED_IN).base_url == base_url


def test_auto_prefers_the_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """auto is openai where it has a key, also for somebody who is signed in to comfy.org."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert resolved("auto", SIGNED_IN).name == "openai"


def test_auto_takes_comfy_for_who_is_signed_in() -> None:
    """auto is comfy.org where there is a token or a key for it and no key for openai."""
    assert resolved("auto", SIGNED_IN).name == "comfy.org"


def test_auto_without_any_key_names_the_ways_on_and_the_easiest_first() -> None:
    """Paste a key in the settings, sign in, set a variable, or choose the sandbox."""
    with pytest.raises(NoKeyError) as caught:
        node(connection="auto")
    ways = ("Settings > OpenAI Image Nodes", "sign in to comfy.org", "OPENAI_API_KEY", "sandbox")
    places = [str(caught.value).index(way) for way in ways]
    assert places == sorted(places)


MISSING = {
    "openai": ["OPENAI_API_KEY", "openai-image connect openai", "sandbox"],
    "comfy.org": ["Sign in", "COMFY_API_KEY", "sandbox"],
    "azure": ["AZURE_OPENAI_API_KEY", "openai-image connect azure", "sandbox"],
}


@pytest.mark.parametrize(("name", "told"), MISSING.items())
def test_missing_key_is_told_with_the_way_to_set_it(name: str, told: list[str]) -> None:
    """Each connection names its own variable, and the sandbox as the way without one."""
    with pytest.raises(NoKeyError) as caught:
        node(connection=name)
    assert [piece for piece in told if piece not in str(caught.value)] == []
    assert "Unauthorized: Please login first" not in str(caught.value)


def test_azure_without_endpoint_says_which_variable_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key alone does not say whose resource is meant."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    with pytest.raises(NoKeyError, match="AZURE_OPENAI_ENDPOINT"):
        node(connection="azure")


def test_environment_comes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set wins over a stored key; without it the stored one is used."""
    write(openai={"key": "sk-from-file"}, azure={"key": "az-from-file", "base_url": "https://x.openai.azure.com"})
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert (key(resolved("openai")), key(resolved("azure"))) == (KEY, "az-from-file")


@pytest.mark.parametrize("blank", ["", "  "])
def test_blank_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    """An empty variable does not hide the stored key."""
    write(openai={"key": "sk-from-file"})
    monkeypatch.setenv("OPENAI_API_KEY", blank)
    assert key(resolved("openai")) == "sk-from-file"


def test_named_connection_reads_the_variable_that_its_entry_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """`key_env` names a variable; the entry's own key is for when that is not set."""
    write(relay={"base_url": "https://relay.example/v1", "key_env": "RELAY_KEY", "key": "from-file"})
    assert key(resolved("relay")) == "from-file"
    monkeypatch.setenv("RELAY_KEY", "from-env")
    assert key(resolved("relay")) == "from-env"


def test_comfy_token_comes_before_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Token, then the key that ComfyUI hands over, then the variable."""
    monkeypatch.setenv("COMFY_API_KEY", "from-env")
    handed = SecretStr("handed-over")
    both = HostSecrets(comfy_token=SecretStr("token-planted"), comfy_key=handed)
    found = [key(resolved("comfy.org", host)) for host in (both, HostSecrets(comfy_key=handed), HostSecrets())]
    assert found == ["token-planted", "handed-over", "from-env"]


def test_environment_is_read_at_each_call(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is changed while ComfyUI runs is used from the next call on."""
    for seed, each in enumerate(("sk-planted-first", "sk-planted-second")):
        use_openai(monkeypatch, server, each)
        node(seed=seed)
    assert [request.headers["Authorization"][-6:] for request in server.posts] == ["-first", "second"]


CLEAR_TEXT = {
    "openai": {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://images.example/v1"},
    "comfy.org": {"COMFY_API_KEY": KEY, "COMFY_API_BASE": "http://images.example"},
    "azure": {"AZURE_OPENAI_API_KEY": KEY, "AZURE_OPENAI_ENDPOINT": "http://images.example"},
    "relay": {},
}


@pytest.mark.parametrize(("name", "variables"), CLEAR_TEXT.items())
def test_key_is_not_sent_in_clear_text(monkeypatch: pytest.MonkeyPatch, name: str, variables: dict[str, str]) -> None:
    """http to another machine is refused, with the host and the way to allow it."""
    write(relay={"base_url": "http://images.example/v1", "key": KEY})
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(RefusedError) as caught:
        node(connection=name)
    assert all(piece in str(caught.value) for piece in (name, "images.example", "https", '"allow_http": true'))
    assert KEY not in str(caught.value)


def test_key_in_an_address_is_not_sent_in_clear_text() -> None:
    """Some relays have it in the path; only what holds no key may use http anywhere."""
    write(relay={"base_url": "http://images.example/sk-0123456789abcdefghij/v1"})
    with pytest.raises(RefusedError, match="without encryption"):
        resolved("relay")
    write(relay={"base_url": "http://comfyui-gpu-server-node-1:8000/v1"})
    assert resolved("relay").key is None


@pytest.mark.parametrize("base_url", ["ftp://127.0.0.1/v1", "file:///etc/passwd", "127.0.0.1:8000", "//127.0.0.1/v1"])
def test_only_http_is_spoken(base_url: str) -> None:
    """An address of another kind is refused before anything is opened."""
    write(relay={"base_url": base_url, "key": KEY})
    with pytest.raises(RefusedError, match="relay"):
        resolved("relay")


def test_loopback_look_alikes_are_not_loopback() -> None:
    """The host is compared as a whole, user names and suffixes do not count."""
    for address in ("http://127.0.0.1.example/v1", "http://localhost.example", "http://127.0.0.1@example/v1"):
        assert not is_loopback(address)


def test_http_may_be_allowed_for_one_connection() -> None:
    """`allow_http` is for people with a machine in their own network."""
    write(relay={"base_url": "http://10.0.0.7:8000/v1", "key": KEY, "allow_http": True})
    assert resolved("relay").base_url == "http://10.0.0.7:8000/v1"


def test_broken_connections_file_is_told_and_does_not_break_the_widget() -> None:
    """The list of connections still opens; a run says which file to fix, and nothing of its content."""
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")
    file.write_text(f'{{"connections": {{"relay": {{"key": "{KEY}"')
    message = validated(connection="relay")
    assert connections.offered() == list(connections.BUILT_IN)
    assert "connections.json" in str(message)
    assert KEY not in str(message)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes and such devices are of other systems")
@pytest.mark.parametrize("leads_to", ["pipe", "/dev/zero", "far too large"])
def test_connections_file_that_never_ends_holds_nothing_up(tmp_path: Path, leads_to: str) -> None:
    """Whatever lies there, the server of ComfyUI serves on."""
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")
    if leads_to == "pipe":
        os.mkfifo(file)
    elif leads_to == "far too large":
        file.touch()
        os.truncate(file, 1 << 40)
    else:
        file.symlink_to(leads_to)
    with pytest.raises(RefusedError, match=r"connections\.json"):
        connections.names()


def test_connections_file_may_be_a_link_to_another(tmp_path: Path) -> None:
    """As a secret is that a cluster mounts."""
    write(relay={"base_url": "https://relay.example/v1"})
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")
    file.rename(tmp_path / "elsewhere.json")
    file.symlink_to(tmp_path / "elsewhere.json")
    assert "relay" in connections.names()


def test_what_a_newer_version_wrote_beside_the_connections_survives_a_key() -> None:
    """Unknown fields are ignored, and so not thrown away."""
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")
    file.write_text(
        json.dumps({"version": 7, "connections": {"relay": {"base_url": "https://relay.example", "new": [1]}}})
    )
    keys.store("openai", KEY)
    told = json.loads(file.read_text())
    assert told["version"] == 7
    assert told["connections"]["relay"] == {"base_url": "https://relay.example", "new": [1]}
    assert told["connections"]["openai"]["key"] == KEY


def test_own_connections_are_offered_between_the_built_in_ones() -> None:
    """The widget lists the user's names before the sandbox."""
    write(relay={"base_url": "https://relay.example/v1"}, openai={"key": KEY})
    batches = ["openai batch", "sandbox batch"]
    assert connections.names() == ["auto", "comfy.org", "openai", "azure", "relay", "sandbox", *batches]


def test_comfy_refuses_a_model_that_it_does_not_offer(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id that the catalog does not know runs on a compatible connection, but not on comfy.org."""
    monkeypatch.setenv("COMFY_API_BASE", server.base_url)
    with pytest.raises(RefusedError, match=r"comfy.org does not offer the model gpt-image-9\. Choose"):
        node(connection="comfy.org", api_key="comfyui-planted", model="gpt-image-9")
    assert server.requests == []


def test_azure_refuses_webp(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure makes png and jpeg only: known before anything is sent."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.base_url)
    with pytest.raises(RefusedError, match=r"png and jpeg only, output_format is webp\. Choose png or jpeg"):
        node(connection="azure", output_format="webp")
    assert server.requests == []
