"""Addresses and headers of each connection; openai's and azure's as the official clients send them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from support.capture import Capture, Captured
from support.node_calls import KEY, GPTImage, node, photo, use_openai
from support.official_client import DEFAULTS, ask_as, official, plain_client, seen

MODEL = "gpt-image-2.6-sunburst"
AUTH = ("Authorization", "X-API-KEY", "api-key", "OpenAI-Organization", "OpenAI-Project")
PICTURES = pytest.mark.parametrize("pictures", [{}, {"image": photo()}], ids=["generation", "edit"])


@pytest.fixture
def server() -> Iterator[Capture]:
    with Capture() as capture:
        yield capture


def auth(request: Captured) -> dict[str, str]:
    """Return the headers that say who asks."""
    return {name: request.headers[name] for name in AUTH if name in request.headers}


def named(name: str, **entry: Any) -> None:
    """Write the connections file."""
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")
    file.write_text(json.dumps({"connections": {name: entry}}))


def arguments(pictures: dict[str, Any]) -> dict[str, Any]:
    moderation = {} if pictures else {"moderation": "auto"}
    return {"prompt": "a red fox", "model": MODEL, **DEFAULTS, **moderation}


@PICTURES
def test_openai_gets_the_key_the_organisation_and_the_project(
    server: Capture, monkeypatch: pytest.MonkeyPatch, pictures: dict[str, Any]
) -> None:
    """The same headers as the official client's, and no Idempotency-Key, which this service does not know."""
    use_openai(monkeypatch, server)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-planted")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-planted")
    node(model=MODEL, **pictures)
    ours = server.last
    with official(server, api_key=KEY, organization="org-planted", project="proj-planted") as client:
        ask_as(client, ours, **arguments(pictures))
    assert auth(ours) == auth(server.last)
    assert auth(ours)["Authorization"] == f"Bearer {KEY}"
    assert len(auth(ours)) == 3
    assert "Idempotency-Key" not in ours.headers


def test_openai_without_organisation_sends_no_such_header(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers without a value are not sent."""
    use_openai(monkeypatch, server)
    node()
    assert set(auth(server.last)) == {"Authorization"}


@pytest.mark.parametrize("model", [MODEL, "my deployment/2?x#y"])
@PICTURES
def test_azure_is_asked_as_the_official_azure_client_does(
    server: Capture, monkeypatch: pytest.MonkeyPatch, pictures: dict[str, Any], model: str
) -> None:
    """Deployment path with the api-version, the key in `api-key`, and the same parts; odd names stay in the path."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.base_url)
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-04-01-preview")
    node(connection="azure", model=model, **pictures)
    ours = server.last
    plain = plain_client()
    options = {"azure_endpoint": server.base_url, "api_version": "2025-04-01-preview", "api_key": KEY}
    with openai.AzureOpenAI(**options, max_retries=0, http_client=plain) as client:
        ask_as(client, ours, **{**arguments(pictures), "model": model})
    assert seen(ours) == seen(server.last)
    assert auth(ours) == auth(server.last) == {"api-key": KEY}


def test_azure_v1_names_the_deployment_in_the_body(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newer address style has no deployment in its path."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.base_url + "/")
    monkeypatch.setenv("OPENAI_API_VERSION", "preview")
    node(connection="azure", model=MODEL)
    assert (server.last.path, server.last.query) == ("/openai/v1/images/generations", "api-version=preview")
    assert server.last.fields()["model"] == MODEL


@pytest.mark.parametrize(
    ("secrets", "headers"),
    [
        ({"auth_token": "token-planted"}, {"Authorization": "Bearer token-planted"}),
        ({"api_key": "comfyui-planted"}, {"X-API-KEY": "comfyui-planted"}),
        ({"auth_token": "token-planted", "api_key": "comfyui-planted"}, {"Authorization": "Bearer token-planted"}),
    ],
    ids=["signed in", "key", "both"],
)
@PICTURES
def test_comfy_gets_token_or_key_and_an_idempotency_key(
    server: Capture,
    monkeypatch: pytest.MonkeyPatch,
    pictures: dict[str, Any],
    secrets: dict[str, str],
    headers: dict[str, str],
) -> None:
    """The proxy's path, the token before the key, links in place of base64, and one key for one paid request."""
    monkeypatch.setenv("COMFY_API_BASE", server.base_url)
    node(connection="comfy.org", model=MODEL, **secrets, **pictures)
    request = server.last
    assert request.path == f"/proxy/openai/images/{'edits' if pictures else 'generations'}"
    assert auth(request) == headers
    assert request.headers["Comfy-Asset-Format"] == "url"
    assert len(request.headers["Idempotency-Key"]) >= 32


def test_comfy_gets_a_new_idempotency_key_for_each_paid_request(
    server: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another seed is another paid picture, so it must not replay the first."""
    monkeypatch.setenv("COMFY_API_BASE", server.base_url)
    for seed in (1, 2):
        node(connection="comfy.org", api_key="comfyui-planted", seed=seed)
    first, second = (request.headers["Idempotency-Key"] for request in server.posts)
    assert first != second


def test_comfy_sends_the_same_idempotency_key_again_on_a_retry(
    server: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that gave up is asked again under the same key and with the same bytes."""
    monkeypatch.setenv("COMFY_API_BASE", server.base_url)
    server.reply(504, "gateway timeout")
    node(connection="comfy.org", api_key="comfyui-planted", image=photo())
    first, second = server.posts
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert (first.headers["Content-Type"], first.body) == (second.headers["Content-Type"], second.body)


def test_comfy_gets_the_headers_of_comfyuis_own_clients(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside ComfyUI: its version, its environment, its job, and its own address before that of the variable."""
    context = SimpleNamespace(prompt_id="prompt-1")
    stand_ins = {
        "comfyui_version": SimpleNamespace(__version__="0.28.0"),
        "comfy.deploy_environment": SimpleNamespace(get_deploy_environment=lambda: "local-desktop"),
        "comfy_execution.utils": SimpleNamespace(get_executing_context=lambda: context),
        "comfy.cli_args": SimpleNamespace(args=SimpleNamespace(comfy_api_base=server.base_url)),
    }
    for name, module in stand_ins.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("COMFY_API_BASE", "https://elsewhere.invalid")
    node(connection="comfy.org", auth_token="token-planted")
    sent = server.last.headers
    assert (sent["Comfy-Env"], sent["Comfy-Core-Version"]) == ("local-desktop", "0.28.0")
    assert (sent["Comfy-Job-Id"], sent["Comfy-Usage-Source"]) == ("prompt-1", "comfyui-api")


def test_openai_gets_nothing_of_comfyui(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sign-in of comfy.org and its headers stay with comfy.org."""
    use_openai(monkeypatch, server)
    monkeypatch.setitem(sys.modules, "comfyui_version", SimpleNamespace(__version__="0.28.0"))
    node(auth_token="token-planted", api_key="comfyui-planted")
    told = str(server.last.headers)
    assert not any(word in told for word in ("token-planted", "comfyui-planted", "Comfy-"))


def test_named_connection_sends_its_own_key_and_headers(server: Capture) -> None:
    """Any compatible service: its address, its key as a bearer token, its extra headers."""
    named("relay", base_url=f"{server.base_url}/api/v3/", key="relay-planted", headers={"X-Team": "blue"})
    node(connection="relay", model="some/other-model")
    assert server.last.path == "/api/v3/images/generations"
    assert auth(server.last) == {"Authorization": "Bearer relay-planted"}
    assert server.last.headers["X-Team"] == "blue"
    assert server.last.fields()["model"] == "some/other-model"


def test_calls_of_one_host_share_a_connection(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep-alive: the second call comes over the same socket as the first, also from another event loop."""
    use_openai(monkeypatch, server)
    for seed in (1, 2):
        asyncio.run(GPTImage().api_call(prompt="a red fox", connection="openai", seed=seed))
    assert len(set(server.peers)) == 1
    assert len(server.posts) == 2
