"""The sandbox as a server: it starts, shares, works side by side and stops."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from openai_image_nodes.sandbox import Sandbox, running
from support.pack import ROOT
from support.sandbox_client import ASK, SlowRender, post


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


def test_others_are_answered_while_one_is_drawn() -> None:
    """Drawing does not hold up the server."""
    slow = SlowRender()
    with Sandbox(render=slow) as own, ThreadPoolExecutor() as pool:
        first = pool.submit(post, own, "/v1/images/generations", json=ASK)
        assert slow.begun.wait(30)
        assert requests.get(f"{own.base_url}/v1/models", timeout=60).ok
        assert post(own, "/v1/images/generations", json={**ASK, "n": 11}).status_code == 400
        assert not first.done()
        slow.let.set()
        assert first.result().ok


@pytest.mark.slow
def test_sixteen_requests_at_once(sandbox: Sandbox) -> None:
    """Concurrent requests get each their own answer."""
    sizes = [f"{side}x1024" for side in range(704, 704 + 16 * 16, 16)]
    with ThreadPoolExecutor(16) as pool:
        bodies = [{**ASK, "size": size} for size in sizes]
        answers = list(pool.map(lambda body: post(sandbox, "/v1/images/generations", json=body).json(), bodies))
    assert [answer["size"] for answer in answers] == sizes


def test_running_is_one_sandbox_for_the_process() -> None:
    """Whoever asks, from whichever thread, gets the same one."""
    with ThreadPoolExecutor(8) as pool:
        shared = list(pool.map(lambda _: running(), range(8)))
    try:
        assert len({id(one) for one in shared}) == 1
        assert requests.get(f"{shared[0].base_url}/v1/models", timeout=30).ok
    finally:
        shared[0].stop()


def test_running_starts_again_after_a_stop() -> None:
    """A stopped one is replaced."""
    first = running()
    first.stop()
    second = running()
    second.stop()
    assert first is not second


def test_stop_frees_the_port_and_the_thread() -> None:
    """After `stop` nobody listens; stopping again does nothing."""
    own = Sandbox().start()
    url = own.base_url
    own.stop()
    own.stop()
    assert not own.is_running
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_stop_does_not_wait_for_open_requests() -> None:
    """A request that hangs is broken off."""
    slow = SlowRender()
    with ThreadPoolExecutor() as pool:
        with Sandbox(render=slow) as own:
            hanging = pool.submit(post, own, "/v1/images/generations", json=ASK)
            assert slow.begun.wait(30)
            hanging.add_done_callback(lambda _: slow.let.set())
        with pytest.raises(requests.ConnectionError):
            hanging.result()


def test_taken_port_is_an_oserror(sandbox: Sandbox) -> None:
    """`start` fails in the caller's thread."""
    port = int(sandbox.base_url.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="address"):
        Sandbox(port=port).start()


@pytest.mark.slow
def test_importing_the_sandbox_starts_no_heavy_package() -> None:
    """The pack's import stays cheap: the server and torch come with the first start."""
    code = (
        "import sys, types; p = types.ModuleType('p'); p.__path__ = [sys.argv[1]]; sys.modules['p'] = p;"
        "import p.sandbox; print(sorted({'aiohttp', 'torch'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(ROOT)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - our own code
    assert shown.stdout.strip() == "[]"
