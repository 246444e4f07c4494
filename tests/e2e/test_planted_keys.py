"""A marked key in every place that can hold one, every way a call can end, and a search of everything that is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai_image_nodes.sandbox import Sandbox
from support.comfyui import ComfyUI, Run, named
from support.faults import Faults

PLANTED = {
    "OPENAI_API_KEY": "sk-planted-openai-0123456789abcdef",
    "AZURE_OPENAI_API_KEY": "planted-azure-0123456789abcdef",
    "COMFY_API_KEY": "comfyui-planted-variable-0123456789",
    "RELAY_KEY": "planted-relay-variable-0123456789",
    "stored": "sk-planted-stored-0123456789abcdef",
    "header": "planted-own-header-0123456789abcdef",
    "token": "planted.comfy.token-0123456789abcdef",
    "comfy_key": "comfyui-planted-by-the-browser-0123456789",
}
CONNECTIONS = {  # what each sends, so that a server could say it back
    "openai": ["OPENAI_API_KEY"],
    "azure": ["AZURE_OPENAI_API_KEY"],
    "comfy.org": ["token"],
    "stored": ["stored", "header"],
    "relay": ["RELAY_KEY"],
}
Trouble = Callable[[Faults, str], object]
TROUBLES: dict[str, Trouble] = {
    "nothing": lambda faults, keys: None,
    "refused": lambda faults, keys: faults.status(401, code="invalid_api_key", message=f"Incorrect API key: {keys}"),
    "moderated": lambda faults, keys: faults.status(400, code="moderation_blocked", message=f"No: {keys}"),
    "quota": lambda faults, keys: faults.status(429, code="insufficient_quota", message=f"No more: {keys}"),
    "failed": lambda faults, keys: faults.answer(502, f"<html>{keys}</html>", headers={"x-request-id": keys}),
    "lost": lambda faults, keys: faults.drop("after_work"),
    "unreadable": lambda faults, keys: faults.answer(200, f"no JSON: {keys}"),
    "empty": lambda faults, keys: faults.answer(200, {"data": [], "said": keys}),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, service: Sandbox) -> Iterator[ComfyUI]:
    """ComfyUI with a key of ours in every place, and every connection leading to the service of these tests."""
    base_url = f"{service.base_url}/v1"
    variables = {name: key for name, key in PLANTED.items() if name.isupper()}
    variables |= {"OPENAI_BASE_URL": base_url, "COMFY_API_BASE": service.base_url, "OPENAI_API_VERSION": "v1"}
    variables["AZURE_OPENAI_ENDPOINT"] = service.base_url
    arguments = ("--comfy-api-base", service.base_url, "--verbose", "DEBUG")
    folder = tmp_path_factory.mktemp("planted")
    with named(folder, *arguments, **variables) as comfyui:
        comfyui.home.mkdir(exist_ok=True)
        stored = {
            "stored": {"base_url": base_url, "key": PLANTED["stored"], "headers": {"X-Relay": PLANTED["header"]}},
            "relay": {"base_url": base_url, "key_env": "RELAY_KEY"},
        }
        (comfyui.home / "connections.json").write_text(json.dumps({"connections": stored}), encoding="utf-8")
        yield comfyui


def run(comfyui: ComfyUI, connection: str, prompt: str, **links: Any) -> Run:
    """Run one node as a signed-in browser does, tokens beside the prompt, and wait for its end."""
    asked = {"prompt": prompt, "connection": connection, "model": "gpt-image-2", "size": "1024x1024", **links}
    graph = {
        "0": {"class_type": "OIN_PromptList", "inputs": {"text": "a red fox"}},
        "1": {"class_type": "OIN_GPTImage", "inputs": asked},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "planted"}},
        "3": {"class_type": "PreviewAny", "inputs": {"source": ["1", 2]}},
    }
    extra: dict[str, Any] = {"extra_pnginfo": {"workflow": {"nodes": []}}}
    extra |= {"auth_token_comfy_org": PLANTED["token"], "api_key_comfy_org": PLANTED["comfy_key"]}
    answer = comfyui.post("/prompt", {"prompt": graph, "client_id": comfyui.client_id, "extra_data": extra})
    assert answer.status_code == 200, answer.text
    return comfyui.ended(str(answer.json()["prompt_id"]))


@pytest.fixture(scope="module")
def ends(planted: ComfyUI, faults: Faults) -> dict[tuple[str, str], Run]:
    """Every connection with every trouble, with a server that says what it was sent back where it can."""
    found = {}
    for connection, sent in CONNECTIONS.items():
        keys = " ".join(PLANTED[name] for name in sent)
        for name, trouble in TROUBLES.items():
            for _ in range(1 if name == "nothing" else 9):  # more than there are tries, so that it stays in trouble
                trouble(faults, keys)
            found[connection, name] = run(planted, connection, f"{connection} {name}")
            faults.clear()
    return found


def test_every_end_was_seen(ends: dict[tuple[str, str], Run]) -> None:
    """The search below means something: each call worked, or failed in its own way."""
    for (connection, trouble), end in ends.items():
        wanted = "execution_success" if trouble == "nothing" else "execution_error"
        assert end.end == wanted, (connection, trouble, end.failure)


@pytest.mark.parametrize("place", ["/object_info", "/history", "/queue", "/system_stats", "/settings", "/prompt"])
def test_no_key_is_in_what_comfyui_serves(planted: ComfyUI, ends: dict[tuple[str, str], Run], place: str) -> None:
    """Tracebacks and inputs of failed nodes are part of the history."""
    assert keys_in(planted.file(place).content) == []


@pytest.mark.parametrize("name", ["self", "nonsense"])
def test_link_to_an_input_of_any_name_has_no_key_told(planted: ComfyUI, name: str) -> None:
    """ComfyUI hands it over, and tells all inputs of a node that fails at once: a workflow may be made for that."""
    end = run(planted, "sandbox", "a red fox", **{name: ["0", 7]})
    assert end.end == "execution_error"
    assert f"no input {name}" in str(end.failure)
    assert keys_in(planted.file("/history").content) == []


def test_no_key_is_in_the_log(planted: ComfyUI, ends: dict[tuple[str, str], Run]) -> None:
    """Not even at the most talkative level."""
    assert keys_in(planted.log.encode()) == []


def test_no_key_is_in_any_file(planted: ComfyUI, ends: dict[tuple[str, str], Run]) -> None:
    """Pictures with their metadata, temporary files, settings, and all that we keep but the connections file."""
    own, pack = planted.home / "connections.json", planted.base / "custom_nodes"
    everything = [path for folder in (planted.base, planted.home) for path in folder.rglob("*") if path.is_file()]
    files = [path for path in everything if path != own and pack not in path.parents]
    assert len(list((planted.base / "output").glob("planted*.png"))) == len(CONNECTIONS)
    assert len(list((planted.home / "store" / "jobs").glob("*/picture_0.png"))) >= len(CONNECTIONS)
    assert {str(path): found for path in files if (found := keys_in(path.read_bytes()))} == {}
    assert keys_in(own.read_bytes()) == ["stored", "header"]


def keys_in(content: bytes) -> list[str]:
    """Return the places whose planted key is in a content, by name."""
    return [name for name, key in PLANTED.items() if key.encode() in content]


def test_comfy_gets_the_headers_of_its_own_clients(ends: dict[tuple[str, str], Run], faults: Faults) -> None:
    """docs/service.md, "comfy.org proxy": where it comes from, which run it is, and how the answer should come."""
    asked = [request for request in faults.requests if request.path.startswith("/proxy/")][-1]  # the latest are ours
    headers = {name.lower(): value for name, value in asked.headers.items()}
    wanted = ["comfy-env", "comfy-usage-source", "comfy-core-version", "comfy-job-id", "idempotency-key"]
    assert [name for name in wanted if not headers.get(name)] == []
    assert headers["comfy-asset-format"] == "url"
    assert headers["comfy-job-id"] in {end.prompt_id for end in ends.values()}
