"""The routes for the browser: facts, prices and connections go out; a key comes in, from this machine only."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.web import RouteTableDef, StaticDef
from openai_image_nodes import NODE_DISPLAY_NAME_MAPPINGS
from openai_image_nodes.api import config as home
from openai_image_nodes.api.backends.atomic_files import make_private_folder
from openai_image_nodes.api.backends.leases import acquire
from openai_image_nodes.api.catalog import catalog
from openai_image_nodes.api.connections import resolve as connections
from openai_image_nodes.api.connections.connection import HostSecrets
from openai_image_nodes.api.errors import OpenAIImageError
from openai_image_nodes.nodes.inputs import optional_inputs
from openai_image_nodes.nodes.web import PATHS, register, routes, serve_help
from openai_image_nodes.utils import comfyui
from support.capture import Capture, success
from support.node_calls import node as call_node
from support.route_client import LAN_ADDRESS, STRANGE, ask

KEY = "sk-planted-0123456789"
PRICED = {"model": "gpt-image-2", "quality": "low", "size": "1024x1024", "n": 1, "connection": "openai"}


def file() -> Path:
    return Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")


def stored() -> Any:
    return json.loads(file().read_text())["connections"]


def priced(**values: Any) -> Any:
    """Return the price of the main node with these widgets."""
    return ask("POST", "estimate", node="OIN_GPTImage", values={**PRICED, **values}).body


def test_models_are_told_with_what_they_take() -> None:
    """Every model that the widget offers is there; nothing but the facts that the widgets need."""
    told = ask("GET", "models").body["models"]
    assert list(told) == optional_inputs()["model"][0]
    assert told["gpt-image-2"]["input_fidelity"] is None
    assert "xhigh" not in told["gpt-image-2"]["quality"]
    assert told["gpt-image-2.5-flare"]["markup"] is True
    assert set(told["gpt-image-2"]) == {*routes.PUBLIC_FACTS, "ends"}
    assert told["gpt-image-1.5"]["ends"] == "2026-12-01"


def test_last_words_of_a_run_are_told_to_our_own_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts of strangers' lists may be among them: no other page gets them."""
    monkeypatch.setattr(comfyui, "said_in", lambda prompt_id: {"7": f"done in {prompt_id}"})
    assert ask("POST", "last_words", prompt_id="a").body == {"said": {"7": "done in a"}}
    assert ask("POST", "last_words").status == 400
    for name, headers in STRANGE.items():
        assert ask("POST", "last_words", headers=headers, prompt_id="a").status == 403, name


def test_facts_name_fields_of_the_catalog() -> None:
    """A fact that the catalog renamed would silently be missing."""
    assert set(catalog.ModelSpec.model_fields) >= routes.PUBLIC_FACTS


def test_price_follows_the_widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """More pictures cost more; what the service may choose itself is a range."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    one, four = priced(), priced(n=4)
    assert one["state"] == "known"
    assert 3 * one["high_usd"] < four["high_usd"] < 4 * one["high_usd"] + 0.001
    assert priced(quality="auto")["high_usd"] > 10 * priced(quality="auto")["low_usd"]
    assert "prompt" not in PRICED


@pytest.mark.parametrize("connection", ["auto", "comfy.org"])
def test_price_of_comfy_needs_no_sign_in(connection: str) -> None:
    """The browser's account is not known here; with no key of one's own, auto can only mean comfy.org."""
    told = priced(connection=connection)
    assert (told["state"], told["connection"]) == ("known", "comfy.org")


def test_price_of_auto_is_that_of_the_own_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key of one's own, auto asks and prices openai."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert priced(connection="auto")["connection"] == "openai"


def test_sandbox_is_free() -> None:
    """Whatever is asked; and the sandbox is not started for that."""
    assert priced(connection="sandbox", quality="high") == {"state": "free"}


def test_price_without_a_key_says_so() -> None:
    """Nobody can be asked yet."""
    assert priced(connection="openai") == {"state": "no_key"}


@pytest.mark.parametrize(("node", "state"), [("OIN_GPTImageGIF", "known"), ("OIN_GPTImageSVG", "unknown")])
def test_price_of_an_animation_is_about_and_of_a_drawing_told_afterwards(
    monkeypatch: pytest.MonkeyPatch, node: str, state: str
) -> None:
    """An animation is billed as its sheet; no source tells what the writer of a drawing takes."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert node in NODE_DISPLAY_NAME_MAPPINGS
    values = {"model": "gpt-image-2", "size": "512x512" if node.endswith("GIF") else "auto", "connection": "openai"}
    told = ask("POST", "estimate", node=node, values=values).body
    assert (told["state"], told.get("certainty")) == (state, "about" if state == "known" else None)


def test_price_that_nobody_tells_is_what_such_a_picture_cost_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """comfy.org tells no prices of 2.6: before the first run there is none, then that of the newest, per picture."""
    asked = {"model": "gpt-image-2.6-flare", "size": "1024x1024", "quality": "low", "connection": "comfy.org"}
    assert priced(**asked)["state"] == "unknown"
    with Capture() as server:
        monkeypatch.setenv("COMFY_API_KEY", KEY)
        monkeypatch.setenv("COMFY_API_BASE", server.base_url)
        for seed, credits in enumerate((422, 211)):
            server.reply(200, success(), {"X-Comfy-Credits-Used": str(credits)})
            call_node(**{**asked, "seed": seed})
    told = priced(**asked, n=3)
    assert (told["state"], told["certainty"]) == ("known", "last time")
    assert told["low_usd"] == told["high_usd"] == pytest.approx(3.0)
    assert priced(**{**asked, "quality": "high"})["state"] == "unknown"
    assert priced(**{**asked, "connection": "openai", "model": "gpt-image-2.5-flare"}).get("certainty") != "last time"


def test_what_cannot_run_has_no_price_but_a_reason() -> None:
    """The words are those of the refusal that a run would end with; an unwritten prompt is none."""
    told = priced(quality="xhigh")
    assert told["state"] == "impossible"
    assert "quality xhigh" in told["reason"]
    assert priced(prompt="")["state"] != "impossible"


def test_linked_widgets_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their values come with the run."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    body = {"values": {**PRICED, "quality": "xhigh"}, "connected": ["quality", "image"], "image_count": 1}
    assert ask("POST", "estimate", **body).body["state"] != "impossible"


def linked(*names: str, **body: Any) -> Any:
    """Return the price of the main node with these inputs linked; their widgets still have what they had before."""
    return ask("POST", "estimate", **{"node": "OIN_GPTImage", "values": PRICED, "connected": names, **body}).body


DEAREST = {"quality": "high", "size": "2048x2048", "n": 10, "live_preview": 3}  # more pixels of 3840x2160 cost less


@pytest.mark.parametrize("name", DEAREST)
def test_price_of_a_linked_widget_is_at_most_the_dearest(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A list may hand over high quality to a node whose widget says low."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    told = linked(name)
    assert (told["state"], told["certainty"]) == ("known", "at most")
    assert told["high_usd"] == pytest.approx(priced(**{name: DEAREST[name]})["high_usd"])
    assert told["low_usd"] <= priced()["low_usd"] < told["high_usd"]
    assert linked(name, pinned=[name]) == priced()


def test_price_of_several_linked_widgets_is_that_of_the_dearest_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where only the numbers of a custom size are linked."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    most = priced(quality="high", size=DEAREST["size"], n=10)["high_usd"]
    assert linked("quality", "size", "n")["high_usd"] == pytest.approx(most)
    custom = {**PRICED, "size": "custom", "custom_width": 1024, "custom_height": 1024}
    assert linked("custom_width", values=custom)["high_usd"] == pytest.approx(priced(size=DEAREST["size"])["high_usd"])


@pytest.mark.parametrize("name", ["model", "connection"])
def test_nothing_is_said_of_the_price_where_the_model_or_the_payer_is_linked(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It may be another model's, or nobody's."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert linked(name) == {"state": "unknown"}


def test_sketches_are_in_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are billed besides the picture, where they come at all."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert priced(live_preview=3)["low_usd"] > 1.5 * priced()["low_usd"]
    assert priced(live_preview=3, n=2) == priced(n=2)
    assert priced(live_preview=3, connection="comfy.org") == priced(connection="comfy.org")


def test_price_of_an_animation_follows_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are billed in steps; a linked number may be the dearest."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def usd(frames: int, **body: Any) -> float:
        values = {**PRICED, "size": "512x512", "frame_count": frames, "frame_duration_ms": 200}
        return float(ask("POST", "estimate", node="OIN_GPTImageGIF", values=values, **body).body["high_usd"])

    assert usd(4) < usd(9) < usd(16) == usd(4, connected=["frame_count"])


def test_animation_that_is_too_large_for_its_sheet_is_told_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service is likely to refuse it; of a number that is linked nobody knows."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    values = {**PRICED, "size": "960x960", "frame_count": 16, "frame_duration_ms": 200}

    def words(**body: Any) -> Any:
        told = ask("POST", "estimate", node="OIN_GPTImageGIF", **{"values": values, **body}).body
        return told["state"], told.get("words")

    assert words() == (
        "known",
        f"16 frames of 960x960 are likely to be too large for {PRICED['model']}: fewer or smaller frames work.",
    )
    assert words(connected=["frame_count"]) == words(values={**values, "size": "384x384"}) == ("known", None)


@pytest.mark.parametrize("body", [{}, {"values": 5}, {"values": {}, "image_count": "many"}, {"values": {"n": []}}])
def test_senseless_questions_are_refused(body: dict[str, Any]) -> None:
    """With a status of 400, never with a traceback."""
    assert ask("POST", "estimate", **body).status in (200, 400)


def test_connections_tell_whether_they_are_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """And why not, and where the key comes from."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    told = {entry["name"]: entry for entry in ask("GET", "connections").body["connections"]}
    assert list(told) == [name for name in connections.names() if name != "auto"]
    assert (told["openai"]["ready"], told["openai"]["key"]) == (True, "environment")
    assert (told["azure"]["ready"], told["azure"]["key"]) == (False, "none")
    assert "AZURE_OPENAI_API_KEY" in told["azure"]["reason"]
    assert [name for name, entry in told.items() if not entry["takes_key"]] == [
        "comfy.org",
        "sandbox",
        "openai batch",
        "sandbox batch",
    ]


def test_broken_connections_file_is_told() -> None:
    """Not as a failure of the server."""
    file().write_text("{")
    told = ask("GET", "connections")
    assert (told.status, "connections.json" in told.body["error"]) == (400, True)


def test_stored_key_is_used_and_never_told() -> None:
    """It reaches its connection; no answer of any route holds it; the file is its owner's alone."""
    told = ask("POST", "key", name="openai", key=f"  {KEY}\n")
    link = connections.resolve("openai", HostSecrets(), lambda: "")
    assert link.key is not None
    assert link.key.get_secret_value() == KEY
    answers = [told, ask("GET", "connections"), ask("GET", "models"), ask("POST", "estimate", values=PRICED)]
    assert [answer.status for answer in answers] == [200, 200, 200, 200]
    assert not [answer for answer in answers if "planted" in answer.text]
    assert told.body["connection"]["key"] == "stored"
    if sys.platform != "win32":
        assert stat.S_IMODE(file().stat().st_mode) == 0o600


@pytest.mark.parametrize("field", ["base_url", "api_version", "omit", "send", "edits", "headers", "batch", "key_env"])
@pytest.mark.parametrize("value", [KEY, {"Authorization": KEY}, [KEY], f"https://me:{KEY}@host/v1", "\ud800"])
def test_key_in_a_wrong_place_is_never_told(field: str, value: Any) -> None:
    """Of a file that somebody wrote by hand, whichever field it was put into; nor does one field hide all others."""
    entry = {"base_url": "https://host.example.com/v1", "key": "sk-another-123456789", field: value}
    file().write_text(json.dumps({"connections": {"own": entry, "azure": entry}}))
    told = ask("GET", "connections")
    assert told.status == 200
    assert KEY not in told.text
    for name in ("own", "azure"):
        try:
            told_of = repr(connections.resolve(name, HostSecrets(), lambda: ""))
        except OpenAIImageError as exc:
            told_of = str(exc)
        assert KEY not in told_of


def test_server_serves_on_while_a_key_waits_to_be_stored() -> None:
    """Another process has the file for up to a minute; the thread of the server is not the one that waits."""
    held = acquire(make_private_folder(home.folder() / "connections.lock"))
    assert held is not None
    at_last = threading.Timer(20.0, held.release)
    at_last.start()
    turns = 0

    @web.middleware
    async def watched(request: web.Request, handler: Any) -> web.StreamResponse:
        nonlocal turns
        waiting = asyncio.ensure_future(handler(request))
        while not waiting.done():
            turns += 1
            if turns == 3:
                held.release()
            await asyncio.sleep(0.01)
        return await waiting

    assert ask("POST", "key", watched, name="openai", key=KEY).status == 200
    at_last.cancel()
    assert turns >= 3


def test_forgotten_key_is_gone_and_the_rest_stays() -> None:
    """Null takes the key away, not the connection."""
    file().write_text(json.dumps({"connections": {"relay": {"base_url": "https://relay.invalid/v1", "key": KEY}}}))
    assert ask("POST", "key", name="relay", key=None).body["connection"]["key"] == "none"
    assert stored() == {"relay": {"base_url": "https://relay.invalid/v1"}}


def test_new_key_stays_with_its_host() -> None:
    """A page cannot say where a key goes, and a new key goes where the old one went."""
    file().write_text(json.dumps({"connections": {"openai": {"base_url": "https://relay.invalid/v1", "key": "old"}}}))
    ask("POST", "key", name="openai", key=KEY, base_url="https://evil.invalid")
    assert stored() == {"openai": {"base_url": "https://relay.invalid/v1", "key": KEY}}


@pytest.mark.parametrize("name", ["auto", "sandbox", "comfy.org", "nobody"])
def test_connections_that_take_no_key_are_refused(name: str) -> None:
    """Those without a key, and names that nobody gave an address."""
    assert ask("POST", "key", name=name, key=KEY).status == 400
    assert not file().exists()


@pytest.mark.parametrize(
    "key", ["", "   ", "two words planted", "schl\u00fcssel-planted", "planted\u0000", "p" * 5000, 5]
)
def test_what_is_no_key_is_refused_and_not_repeated(key: Any) -> None:
    """A wrong paste may well hold a secret."""
    told = ask("POST", "key", name="openai", key=key) if key != 5 else ask("POST", "key", name="openai")
    assert told.status == 400
    assert "planted" not in told.text
    assert not file().exists()


AZURE = {"endpoint": "https://mine.openai.azure.com", "api_version": "preview", "key": "azure-planted-0123"}


def test_azure_is_set_up_with_endpoint_version_and_key() -> None:
    """The panel needs no variable; the answer shows the place and never the key."""
    told = ask("POST", "azure", **{**AZURE, "endpoint": "https://mine.openai.azure.com/openai/v1/?api-version=v1"})
    assert (told.status, told.body["connection"]["ready"]) == (200, True)
    assert told.body["connection"]["endpoint"] == "https://mine.openai.azure.com"
    assert "planted" not in told.text
    assert stored()["azure"] == {
        "base_url": "https://mine.openai.azure.com",
        "api_version": "preview",
        "key": "azure-planted-0123",
    }
    link = connections.resolve("azure", HostSecrets(), lambda: "")
    assert (link.base_url, link.query) == ("https://mine.openai.azure.com/openai/v1", {"api-version": "preview"})


def test_azures_key_stays_where_its_host_does() -> None:
    """Another version, or path, keeps the key; another host needs its own, or the key would go there."""
    assert ask("POST", "azure", **AZURE).status == 200
    assert ask("POST", "azure", endpoint="https://mine.openai.azure.com/openai", api_version="v1").status == 200
    assert (stored()["azure"]["key"], stored()["azure"]["api_version"]) == (AZURE["key"], "v1")
    moved = ask("POST", "azure", endpoint="https://other.openai.azure.com")
    assert (moved.status, "another host" in moved.body["error"]) == (400, True)
    assert stored()["azure"]["base_url"] == "https://mine.openai.azure.com"
    assert ask("POST", "azure", endpoint="https://other.openai.azure.com", key="azure-planted-2").status == 200


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "the address of your resource"),
        ({"endpoint": "mine"}, "mine"),
        ({"endpoint": "https://mine.openai.azure.com", "api_version": "newest"}, "'newest'"),
        ({"endpoint": "https://mine.openai.azure.com", "key": "two words"}, "no key"),
    ],
)
def test_azure_that_cannot_be_is_refused(asked: dict[str, str], told: str) -> None:
    """Nothing is stored of it."""
    answer = ask("POST", "azure", **asked)
    assert (answer.status, file().exists()) == (400, False)
    assert told in answer.body["error"]


def test_azure_from_another_machine_is_refused() -> None:
    """As a key: whoever sets the endpoint gets the key."""
    assert ask("POST", "azure", remote=LAN_ADDRESS, **AZURE).status == 403
    assert not file().exists()


def test_azures_place_from_the_environment_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a secret that somebody wrote into it."""

    def shown() -> Any:
        listed = ask("GET", "connections")
        assert "planted" not in listed.text
        return next(one["endpoint"] for one in listed.body["connections"] if one["name"] == "azure")

    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://env.openai.azure.com/?api-key=planted")
    assert shown() == "https://env.openai.azure.com"
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://me:planted@env.openai.azure.com")
    assert shown() == ""


def test_key_from_another_machine_is_refused() -> None:
    """Under --listen everybody on the network reaches the routes."""
    told = ask("POST", "key", remote=LAN_ADDRESS, name="openai", key=KEY)
    assert told.status == 403
    assert "OPENAI_IMAGE_NODES_ALLOW_REMOTE_KEYS=1" in told.body["error"]
    assert not file().exists()


def test_key_from_another_machine_is_taken_where_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who starts ComfyUI may allow it."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_ALLOW_REMOTE_KEYS", "1")
    assert ask("POST", "key", remote=LAN_ADDRESS, name="openai", key=KEY).status == 200


@pytest.mark.parametrize("headers", STRANGE.values(), ids=STRANGE)
def test_key_from_another_page_is_refused(headers: dict[str, str]) -> None:
    """A page that is open in another tab cannot plant a key, not even one whose name points at this machine."""
    assert ask("POST", "key", headers=headers, name="openai", key=KEY).status == 403
    assert not file().exists()


PROXIED = {
    "Forwarded": "for=203.0.113.9",
    "X-Forwarded-For": "203.0.113.9",
    "x-forwarded-proto": "https",
    "X-Forwarded-Host": "comfy.invalid",
    "X-Forwarded-Prefix": "/comfy",
    "X-Real-IP": "203.0.113.9",
    "Via": "1.1 proxy",
    "CF-Connecting-IP": "203.0.113.9",
    "CF-Ray": "1",
    "Cdn-Loop": "cloudflare",
    "True-Client-IP": "203.0.113.9",
    "X-Client-IP": "203.0.113.9",
    "X-Cluster-Client-IP": "203.0.113.9",
    "X-Original-Forwarded-For": "203.0.113.9",
    "Fly-Client-IP": "203.0.113.9",
    "Tailscale-User-Login": "somebody",
    "X-Amzn-Trace-Id": "Root=1",
}


@pytest.mark.parametrize("name", PROXIED)
def test_key_through_a_proxy_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A tunnel on this machine comes from this machine, whoever is behind it."""
    headers = {name: PROXIED[name]}
    assert ask("POST", "key", headers=headers, name="openai", key=KEY).status == 403
    assert not file().exists()
    monkeypatch.setenv("OPENAI_IMAGE_NODES_ALLOW_REMOTE_KEYS", "1")
    assert ask("POST", "key", headers=headers, name="openai", key=KEY).status == 200


@pytest.mark.parametrize("remote", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_key_from_this_machine_is_taken(remote: str) -> None:
    """At each of its addresses."""
    assert ask("POST", "key", remote=remote, name="openai", key=KEY).status == 200


BODIES = {
    "large": b'{"values": {"prompt": "' + b"x" * (1 << 20) + b'"}}',
    "deep": b'{"values": ' + b"[" * 100 + b"]" * 100 + b"}",
    "endless": b'{"values": ' + b"[" * 400_000,
    "bottomless": b'{"values": ' + b"[" * 400_000 + b"]" * 400_000 + b"}",
    "a long number": b'{"values": {"n": ' + b"9" * 900_000 + b"}}",
    "infinite": b'{"values": {"n": 1e999}, "image_count": 1e999}',
    "no number": b'{"values": {"n": NaN}, "image_count": NaN}',
    "a list": b"[]",
    "a text": b'"key"',
    "no UTF-8": b'{"values": "\xff"}',
    "no JSON": b"{",
}


@pytest.mark.parametrize("data", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("path", ["estimate", "key", "azure", "batch/submit", "batch/cancel"])
def test_bodies_are_bounded(path: str, data: bytes) -> None:
    """A megabyte, a few levels, and an answer in words to whatever it is."""
    told = ask("POST", path, data=data)
    assert told.status in (400, 413) or (path, told.status) == ("estimate", 200)
    assert len(told.text) < 500
    assert told.status != 413 or "more than 1,048,576 bytes" in told.body["error"]


@pytest.mark.parametrize("path", ["estimate", "key"])
def test_body_that_cannot_be_unpacked_is_refused_in_words(path: str) -> None:
    """It was a fault of the server, with a traceback in its log."""
    told = ask("POST", path, data=b"no gzip", headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})
    assert (told.status, told.body["error"]) == (400, "The request is not as expected.")


def test_forms_are_refused() -> None:
    """Only JSON, which a foreign page cannot send without being asked first."""
    assert ask("POST", "key", headers={"Content-Type": "text/plain"}, name="openai", key=KEY).status == 415


def test_pack_loads_where_there_is_no_server_or_a_strange_one() -> None:
    """The nodes matter more than their panel."""
    register(None)
    register(SimpleNamespace())


def test_folder_that_cannot_be_written_to_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the path, without the key."""
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("OPENAI_IMAGE_NODES_HOME", str(tmp_path / "home" / "inside"))
    told = ask("POST", "key", name="openai", key=KEY)
    assert told.status in (400, 500)
    assert "planted" not in told.text


def test_form_of_requests_is_stored_and_told() -> None:
    """What a connection leaves out, and the form of its edits; its key and its address stay."""
    file().write_text(json.dumps({"connections": {"relay": {"base_url": "https://relay.invalid/v1", "key": KEY}}}))
    told = ask("POST", "form", name="relay", omit=["n", "moderation"], edits="json").body["connection"]
    assert (told["omit"], told["edits"], told["ready"]) == (["n", "moderation"], "json", True)
    assert stored()["relay"]["base_url"] == "https://relay.invalid/v1"
    assert connections.resolve("relay", HostSecrets(), lambda: "").omit == ("n", "moderation")


@pytest.mark.parametrize(
    "asked", [{"omit": ["prompt"]}, {"omit": "n"}, {"edits": "xml"}, {"name": "nobody", "edits": "json"}]
)
def test_form_that_cannot_be_is_refused(asked: dict[str, Any]) -> None:
    """Nothing is stored."""
    file().write_text(json.dumps({"connections": {"relay": {"base_url": "https://relay.invalid/v1"}}}))
    assert ask("POST", "form", **{"name": "relay", **asked}).status == 400
    assert stored() == {"relay": {"base_url": "https://relay.invalid/v1"}}


def test_form_from_another_machine_is_refused() -> None:
    """As a key is."""
    assert ask("POST", "form", remote=LAN_ADDRESS, name="openai", edits="json").status == 403


GUARDED = [path.lstrip("/") for method, path in PATHS if method == "POST" and path != "/estimate"]


@pytest.mark.parametrize("headers", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize("path", GUARDED)
def test_no_route_that_reads_costs_or_stores_answers_another_page(path: str, headers: dict[str, str]) -> None:
    """Whatever is added later: what reads files or prompts, costs money or stores something is for our own page."""
    assert ask("POST", path, headers=headers, name="openai", key=None, prompt_id="x", list={}, nodes=[]).status == 403


OPEN = [("POST", "estimate"), *((method, path.lstrip("/")) for method, path in PATHS if method == "GET")]
OTHER_ORIGINS = {name: told for name, told in STRANGE.items() if name != "no page" and "Host" not in told}


@pytest.mark.parametrize("headers", OTHER_ORIGINS.values(), ids=OTHER_ORIGINS)
@pytest.mark.parametrize(("method", "path"), OPEN)
def test_no_route_answers_a_page_of_another_origin(method: str, path: str, headers: dict[str, str]) -> None:
    """Prices, models and connections neither: with --enable-cors-header it could read them."""
    told = ask(method, path, headers=headers, values=PRICED)
    assert (told.status, "own page" in told.text) == (403, True)


@pytest.mark.parametrize(("method", "path"), [("POST", "estimate"), ("GET", "models"), ("GET", "connections")])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://comfy.invalid", "Host": "comfy.invalid"},
        {"Origin": "https://comfy.invalid", "Sec-Fetch-Site": "same-origin"},
        {"Origin": ""},
    ],
    ids=["proxy", "proxy that renames the server", "program"],
)
def test_harmless_routes_answer_behind_a_proxy_and_to_programs(method: str, path: str, headers: dict[str, str]) -> None:
    """A proxy on this machine has a name of its own, and a program names no page."""
    assert ask(method, path, headers=headers, values=PRICED).status == 200


@pytest.mark.parametrize(
    ("folder", "beside", "served"),
    [("my-pack.v1", None, "/extensions/my-pack/docs"), ("my-pack", None, None), ("my-pack.v1", "my-pack", None)],
)
def test_help_is_served_where_a_folder_has_a_dot(
    tmp_path: Path, folder: str, beside: str | None, served: str | None
) -> None:
    """The page asks below what stands before the dot; what belongs to another pack is left to it."""
    for name in filter(None, (folder, beside)):
        (tmp_path / name / "web" / "docs").mkdir(parents=True)
    table = RouteTableDef()
    serve_help(table, tmp_path / folder)
    assert [(route.prefix, route.path) for route in table if isinstance(route, StaticDef)] == (
        [(served, tmp_path / folder / "web" / "docs")] if served else []
    )
