"""The sandbox under comfy.org's paths: addresses, credits and idempotency keys."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from openai_image_nodes.sandbox import Sandbox
from openai_image_nodes.sandbox.state import KEPT_S
from support.sandbox_client import ASK, PRICED, SlowRender, file, photo, png, post
from support.scenarios import ScriptedSandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ScriptedSandbox]:
    with ScriptedSandbox() as started:
        yield started


@pytest.mark.parametrize("prefix", ["/v1", "/proxy/openai", "/openai/v1"])
def test_every_path_style_gives_the_same_answer(sandbox: Sandbox, prefix: str) -> None:
    """Direct, comfy.org and Azure v1 paths lead to the same work."""
    usual = post(sandbox, "/v1/images/generations", json=ASK)
    assert post(sandbox, f"{prefix}/images/generations?api-version=preview", json=ASK).content == usual.content


def test_moderation_is_let_through_in_edits(sandbox: Sandbox) -> None:
    """The proxy's schema and the JSON form have it; for the direct multipart form nobody says no."""
    data, files = {**ASK, "moderation": "low"}, {"image": file(png(photo()))}
    direct, proxy = (
        post(sandbox, f"{prefix}/images/edits", data=data, files=files) for prefix in ("/v1", "/proxy/openai")
    )
    assert (direct.status_code, proxy.status_code) == (200, 200)


def test_comfy_asset_url_leads_to_the_picture(sandbox: Sandbox) -> None:
    """With Comfy-Asset-Format the answer holds addresses, and they hold the pictures."""
    path = "/proxy/openai/images/generations"
    plain = post(sandbox, path, json=ASK).json()
    linked = post(sandbox, path, json=ASK, headers={"Comfy-Asset-Format": "url"}).json()
    download = requests.get(linked["data"][0]["url"], timeout=30)
    assert set(linked["data"][0]) == {"url"}
    assert download.headers["Content-Type"] == "image/png"
    assert download.content == base64.b64decode(plain["data"][0]["b64_json"])


def test_asset_url_is_a_matter_of_the_proxy_only(sandbox: Sandbox) -> None:
    """The direct path ignores the header."""
    answer = post(sandbox, "/v1/images/generations", json=ASK, headers={"Comfy-Asset-Format": "url"})
    assert "b64_json" in answer.json()["data"][0]


def test_forgotten_asset_is_gone(sandbox: ScriptedSandbox) -> None:
    """After a day a link answers 404 in the service's shape."""
    headers = {"Comfy-Asset-Format": "url"}
    answer = post(sandbox, "/proxy/openai/images/generations", json=ASK, headers=headers).json()
    sandbox.clock.advance(KEPT_S)
    gone = requests.get(answer["data"][0]["url"], timeout=30)
    assert gone.status_code == 404
    assert set(gone.json()["error"]) == {"message", "type", "param", "code"}


def test_comfy_credits_are_told(sandbox: Sandbox) -> None:
    """The header is tokens times comfy.org's prices times 211 credits; the direct path has none."""
    body = {**ASK, "model": PRICED, "quality": "low", "size": "1024x1024"}
    answer = post(sandbox, "/proxy/openai/images/generations", json=body)
    assert float(answer.headers["X-Comfy-Credits-Used"]) == pytest.approx(
        (13 * 7.15 + 196 * 42.9) / 1e6 * 211, abs=1e-4
    )
    assert "X-Comfy-Credits-Used" not in post(sandbox, "/v1/images/generations", json=body).headers


def keyed(sandbox: Sandbox, key: str, **fields: Any) -> requests.Response:
    headers = {"Idempotency-Key": key}
    return post(sandbox, "/proxy/openai/images/generations", json={**ASK, **fields}, headers=headers)


def test_known_key_is_replayed(sandbox: Sandbox) -> None:
    """The same key gives the same answer again, with its price and with the mark that nothing was made."""
    first, again = keyed(sandbox, "replayed"), keyed(sandbox, "replayed")
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["X-Comfy-Credits-Used"] == first.headers["X-Comfy-Credits-Used"]
    assert again.content == first.content


def test_refusals_are_replayed_too(sandbox: Sandbox) -> None:
    """A replay has the status that the first answer had."""
    first, again = (keyed(sandbox, "refused", size="17x17") for _ in range(2))
    assert (first.status_code, again.status_code) == (400, 400)
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("second", "code"), [({"prompt": "other"}, "idempotency_mismatch"), ({}, "idempotency_consumed")]
)
def test_spent_key_is_final(sandbox: ScriptedSandbox, second: dict[str, str], code: str) -> None:
    """A key used for something else, or whose answer is forgotten, gives 409 and no answer."""
    keyed(sandbox, code)
    sandbox.clock.advance(KEPT_S)
    answer = keyed(sandbox, code, **second)
    assert (answer.status_code, answer.headers["X-Comfy-Error-Type"]) == (409, code)
    assert "Retry-After" not in answer.headers


def test_streams_cannot_be_replayed(sandbox: Sandbox) -> None:
    """A stream's key is spent with it."""
    assert keyed(sandbox, "streamed", stream=True).status_code == 200
    assert keyed(sandbox, "streamed", stream=True).json()["error"]["code"] == "idempotency_consumed"


def test_keys_mean_nothing_on_the_direct_path(sandbox: Sandbox) -> None:
    """OpenAI documents no idempotency for images: the key is not looked at."""
    for prompt in ("one", "two"):
        headers = {"Idempotency-Key": "direct"}
        assert post(sandbox, "/v1/images/generations", json={**ASK, "prompt": prompt}, headers=headers).ok


def test_key_in_flight_is_told_to_wait() -> None:
    """While the first request runs the second one gets 409 and Retry-After: 2; then it gets the first one's answer."""
    slow = SlowRender()
    with Sandbox(render=slow) as own, ThreadPoolExecutor() as pool:
        first = pool.submit(keyed, own, "flying")
        assert slow.begun.wait(30)
        second = keyed(own, "flying")
        slow.let.set()
        assert first.result().status_code == 200
        assert (second.status_code, second.headers["Retry-After"]) == (409, "2")
        assert second.json()["error"]["code"] == "idempotency_in_flight"
        assert keyed(own, "flying").headers["Idempotent-Replayed"] == "true"
