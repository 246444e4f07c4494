"""Show paid pictures: what a node would get for nothing with another seed, and nothing else, to this page alone."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai_image_nodes import NODE_CLASS_MAPPINGS
from openai_image_nodes.api import config
from openai_image_nodes.nodes.run.parameters import ImageParameters
from openai_image_nodes.utils import comfyui
from PIL import Image
from support.capture import Capture, picture, success
from support.node_calls import GPTImage, asked, awaited, photo, use_openai
from support.route_client import STRANGE, ask

PROMPT = "planted <img src=x onerror=alert(1)>"
VALUES = {
    **{name: value for name, value in vars(ImageParameters(prompt=PROMPT)).items() if name != "extra"},
    "connection": "openai",
    "seed": 0,
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    """A service of our own; runs belong to the prompt "run"."""
    monkeypatch.setattr(comfyui, "running_prompt_id", lambda: "run")
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


def buy(server: Capture, node: Any = GPTImage, **inputs: Any) -> None:
    """Run a node once, as the node 5."""
    usage = {"input_tokens": 10, "output_tokens": 196, "total_tokens": 206}
    server.reply(200, success(picture(64, 32), usage=usage))
    awaited(node().api_call(**asked({"prompt": PROMPT, "unique_id": "5", **inputs})))


def shown(connected: tuple[str, ...] = (), node: str = "OIN_GPTImage", **values: Any) -> Any:
    """Ask for a node's pictures."""
    told = ask("POST", "pictures", node=node, node_id="5", values={**VALUES, **values}, connected=list(connected),
               prompt_ids=["unknown", "run"])  # fmt: skip
    assert told.status == 200, told.text
    return told.body


def test_pictures_with_other_seeds_are_shown(server: Capture) -> None:
    """Newest first, with date, price and a small picture; what was asked otherwise is not among them."""
    for seed in (3, 8):
        buy(server, seed=seed)
    buy(server, seed=3, quality="high")
    buy(server, seed=3, prompt="something else")
    told = shown()
    assert [one["seed"] for one in told["pictures"]] == [8, 3]
    first = told["pictures"][0]
    assert first["made_at"] > 0
    assert first["cost_usd"] > 0
    with Image.open(io.BytesIO(base64.b64decode(first["thumbnail"].partition(",")[2]))) as small:
        assert (small.format, small.size) == ("JPEG", (64, 32))
    assert PROMPT not in str(told)


def test_pictures_of_the_sandbox_were_free(server: Capture) -> None:
    """The store has what the service would ask for them."""
    awaited(GPTImage().api_call(**asked({"prompt": PROMPT, "unique_id": "5", "seed": 3, "connection": "sandbox"})))
    assert [one["cost_usd"] for one in shown(connection="sandbox")["pictures"]] == [0.0]


def test_click_costs_nothing(server: Capture) -> None:
    """Each seed that is shown brings its picture from the store."""
    buy(server, seed=3)
    (one,) = shown(seed=99)["pictures"]
    sent = len(server.posts)
    awaited(GPTImage().api_call(**asked({"prompt": PROMPT, "seed": one["seed"]})))
    assert len(server.posts) == sent


def test_of_two_answers_to_one_seed_the_newest_is_shown(server: Capture) -> None:
    """As a run would take it."""
    buy(server, seed=3)
    buy(server, seed=3, reuse=False)
    assert len(shown()["pictures"]) == 1


def test_connected_pictures_are_those_of_the_last_run(server: Capture) -> None:
    """Before it nobody knows what goes in; what is changed since then is taken from the widgets."""
    buy(server, seed=3, image=photo())
    buy(server, seed=4, image=photo())
    buy(server, seed=5, image=photo(seed=9), prompt="other picture")
    buy(server, seed=6, image=photo())
    assert [one["seed"] for one in shown(("image",))["pictures"]] == [6, 4, 3]
    assert shown(("image",), quality="high")["pictures"] == []
    assert shown()["pictures"] == []


def test_what_takes_a_run_to_know_is_said(server: Capture) -> None:
    """An unknown node, and a picture that may be sent in another way as the node is set now."""
    told = ask("POST", "pictures", node="OIN_GPTImage", node_id="77", values=VALUES, connected=["image"], prompt_ids=[])
    assert told.body == {"state": "run_once", "pictures": []}
    buy(server, seed=3, image=photo())
    assert shown(("image",), mask_mode="region")["state"] == "run_once"


def test_linked_prompt_is_that_of_the_last_run(server: Capture) -> None:
    """A text that comes from another node is known since then."""
    buy(server, seed=3, prompt="from elsewhere")
    assert [one["seed"] for one in shown(("prompt",), prompt="")["pictures"]] == [3]


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("OIN_GPTImageGIF", {"frame_count": 4, "frame_duration_ms": 200, "size": "384x384"}),
        ("OIN_GPTImageSVG", {"svg_model": "", "svg_effort": "auto"}),
    ],
)
def test_other_nodes_have_pictures_too(server: Capture, kind: str, own: dict[str, Any]) -> None:
    """A drawing has no small picture; it is shown all the same."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "GIF")
    server.reply(200, success(svg if "SVG" in kind else out.getvalue()))
    node = NODE_CLASS_MAPPINGS[kind]
    awaited(node().api_call(**asked({"prompt": PROMPT, "seed": 3, **own})))
    (one,) = shown(node=kind, **own)["pictures"]
    assert (one["seed"], one["thumbnail"] is None) == (3, "SVG" in kind)


@pytest.mark.parametrize("headers", STRANGE.values(), ids=STRANGE)
def test_other_pages_see_nothing(server: Capture, headers: dict[str, str]) -> None:
    """Pictures and dates are private."""
    buy(server, seed=3)
    told = ask("POST", "pictures", headers=headers, remote="127.0.0.1", node="OIN_GPTImage", node_id="5", values=VALUES)
    assert told.status == 403
    assert "thumbnail" not in told.text


@pytest.mark.parametrize("body", [{}, {"values": 3, "node_id": 1}, {"values": {"n": "x"}, "node_id": "1"}])
def test_odd_bodies_are_refused(server: Capture, body: dict[str, Any]) -> None:
    """In words of ours."""
    assert ask("POST", "pictures", **body).status == 400


def comfy(monkeypatch: pytest.MonkeyPatch, server: Capture, **changes: Any) -> list[Any]:
    """Buy over comfy.org as somebody who is signed in, and return what the page then is shown."""
    monkeypatch.setenv("COMFY_API_BASE", server.base_url)
    buy(server, connection="comfy.org", auth_token="anna", seed=3)
    for record in config.folder().glob("store/jobs/*/record.json"):
        told = {**json.loads(record.read_text()), **changes}
        record.write_text(json.dumps({name: value for name, value in told.items() if value is not None}))
    found: list[Any] = shown(connection="comfy.org")["pictures"]
    return found


@pytest.mark.parametrize("account", ["0" * 16, None])
def test_pictures_of_people_are_shown_to_nobody_where_there_are_many(
    server: Capture, monkeypatch: pytest.MonkeyPatch, account: str | None
) -> None:
    """Also those from before it was written down who paid."""
    assert len(comfy(monkeypatch, server)) == 1
    monkeypatch.setattr(config, "serves_many", lambda: True)
    assert comfy(monkeypatch, server, account=account) == []
