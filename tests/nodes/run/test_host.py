"""The node and its host: it needs none, and where there is one it stops, shows and shares as ComfyUI wants it."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from openai_image_nodes.api.errors import RefusedError
from openai_image_nodes.api.jobs.threads import run_in_thread
from openai_image_nodes.nodes.run import execution, progress
from support.capture import Capture
from support.node_calls import GPTImage, asked, node, together, use_openai
from support.pack import ROOT

HOST_MODULES = {
    *("comfy", "comfy_api", "comfy_api_nodes", "comfy_execution", "comfyui_version", "folder_paths", "server"),
    *("nodes", "execution", "openai_image_nodes"),
}
ALONE = """
import asyncio, importlib.util, json, os, sys
root, name = sys.argv[1:]
init = os.path.join(root, "__init__.py")
spec = importlib.util.spec_from_file_location(name, init, submodule_search_locations=[root])
pack = sys.modules[name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
loaded = "aiohttp" in sys.modules
call = pack.NODE_CLASS_MAPPINGS["OIN_GPTImage"]().api_call(prompt="a red fox", connection="sandbox", size="1024x1024")
image, alpha, report, _ = asyncio.run(call)
modules = sorted({module.split(".")[0] for module in sys.modules})
print(json.dumps({"shape": list(image.shape), "report": json.loads(report), "modules": modules, "aiohttp": loaded}))
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


class Interrupted(BaseException):
    """ComfyUI's InterruptProcessingException is no Exception since 0.20."""


class Host:
    """What ComfyUI has loaded: a Cancel that is asked for, and a server that shows text."""

    def __init__(self) -> None:
        self.cancel = threading.Event()
        self.texts: list[tuple[str, str, str | None]] = []
        self.on_text: Callable[[], object] | None = None
        self.client_id = "client-1"
        self.threads: set[threading.Thread] = set()

    def throw_exception_if_processing_interrupted(self) -> None:
        self.threads.add(threading.current_thread())
        if self.cancel.is_set():
            self.cancel.clear()
            raise Interrupted

    def send_progress_text(self, text: str, node_id: str, sid: str | None = None) -> None:
        self.texts.append((text, node_id, sid))
        if self.on_text is not None:
            self.on_text()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host()
    management = SimpleNamespace(
        throw_exception_if_processing_interrupted=host.throw_exception_if_processing_interrupted
    )
    modules = {
        "comfy": ModuleType("comfy"),
        "comfy.model_management": management,
        "comfy.utils": SimpleNamespace(ProgressBar=lambda *_args, **_options: None),
        "server": SimpleNamespace(PromptServer=SimpleNamespace(instance=host)),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return host


def alone(root: Path, name: str, home: Path) -> dict[str, object]:
    """Load the pack by path in a fresh interpreter with nothing of ComfyUI, and make a picture on the sandbox."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-I", "-c", ALONE, str(root), name],
        env={"OPENAI_IMAGE_NODES_HOME": str(home), "PATH": "", "SYSTEMROOT": r"C:\Windows"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


@pytest.mark.slow
def test_runs_with_torch_alone(tmp_path: Path) -> None:
    """Loaded by path under ComfyUI's kind of name: no module of ComfyUI is needed, and aiohttp only for the sandbox."""
    result = alone(ROOT, "/x/my-pack_x_v1", tmp_path)
    assert result["shape"] == [1, 1024, 1024, 3]
    assert HOST_MODULES.isdisjoint(result["modules"])
    assert result["aiohttp"] is False


@pytest.mark.slow
def test_folder_may_have_any_name(tmp_path: Path) -> None:
    """A clone called my-pack.v1, with only what git keeps."""
    folder = tmp_path / "my-pack.v1"
    parts = shutil.ignore_patterns(".*", "__pycache__", "tests", "*.egg-info", "demo_output", "build", "dist")
    shutil.copytree(ROOT, folder, ignore=parts)
    result = alone(folder, str(folder).replace(".", "_x_"), tmp_path / "home")
    assert result["shape"] == [1, 1024, 1024, 3]


def test_cancel_ends_the_run_while_the_server_is_still_working(server: Capture, host: Host) -> None:
    """ComfyUI's own interruption comes out, long before the answer; the paid picture is there for the next run."""
    server.gate.clear()
    server.on_post = host.cancel.set
    with pytest.raises(Interrupted):
        node(unique_id="7")
    assert server.answered == 0
    assert any("used by the next run" in text for text, _, _ in host.texts)
    server.gate.set()
    server.on_post = None
    assert node(unique_id="7")[0].shape == (1, 8, 8, 3)
    assert len(server.posts) == 1


def test_cancel_as_a_run_takes_what_was_put_back_puts_it_back(
    server: Capture, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With reuse off each run has a picture of its own, and one that nobody had is had first."""

    async def stopped(*_arguments: Any) -> None:
        raise Interrupted

    def submitted(work: Callable[[], Any]) -> Future[Any]:
        done = run_in_thread(work)
        done.exception()
        host.cancel.set()
        return done

    monkeypatch.setattr(progress, "STOP_POLL_S", 0.0)
    for name, step in (("work_out", stopped), ("run_in_thread", submitted)):
        with monkeypatch.context() as patch:
            patch.setattr(execution, name, step)
            with pytest.raises(Interrupted):
                node(reuse=False)
    node(reuse=False)
    assert len(server.posts) == 1


def test_cancel_before_anything_was_sent_sends_nothing(server: Capture, host: Host) -> None:
    """Who stops in time pays nothing."""
    host.cancel.set()
    with pytest.raises(Interrupted):
        node()
    assert server.requests == []


def test_host_is_asked_on_the_coroutines_own_thread(server: Capture, host: Host) -> None:
    """ComfyUI's check raises and clears its flag in whatever thread asks."""
    server.gate.clear()
    server.on_post = server.gate.set
    node()
    assert host.threads == {threading.current_thread()}


def test_three_nodes_run_at_the_same_time(server: Capture) -> None:
    """The server answers none before it has all three."""
    server.barrier = threading.Barrier(3)
    results = together(*({"seed": seed} for seed in range(3)))
    assert [type(result) for result in results] == [tuple] * 3


def test_two_nodes_that_want_the_same_share_one_request(server: Capture) -> None:
    """The same inputs at the same time are one paid picture."""
    first, second = together({}, {})
    assert (first[0] == second[0]).all()
    assert len(server.posts) == 1


def test_loop_stays_free_while_waiting(server: Capture) -> None:
    """Other coroutines run: here it is another one that lets the server answer."""
    server.gate.clear()

    async def opener() -> None:
        while not server.arrived.is_set():
            await asyncio.sleep(0.01)
        server.gate.set()

    async def both() -> None:
        await asyncio.gather(GPTImage().api_call(**asked({})), opener())

    asyncio.run(both())
    assert server.answered == 1


def test_failing_sibling_does_not_wait_for_the_request(server: Capture) -> None:
    """ComfyUI closes its loop when one node fails: a request that is out does not hold it."""
    server.gate.clear()

    async def failing() -> None:
        while not server.arrived.is_set():
            await asyncio.sleep(0.01)
        await GPTImage().api_call(**asked({"prompt": ""}))

    async def both() -> None:
        await asyncio.gather(GPTImage().api_call(**asked({})), failing())

    with pytest.raises(RefusedError):
        asyncio.run(both())
    assert server.answered == 0
    server.gate.set()
    node()
    assert len(server.posts) == 1


@pytest.mark.slow
def test_elapsed_time_is_shown_in_the_node(server: Capture, host: Host) -> None:
    """Text for this node and this client, with the stage and the seconds."""
    server.gate.clear()
    host.on_text = server.gate.set
    node(unique_id="7")
    text, node_id, client = host.texts[0]
    assert (node_id, client) == ("7", "client-1")
    assert "waiting for the picture" in text
    assert "1 s" in text


def test_error_shows_no_path_of_the_disk(server: Capture) -> None:
    """ComfyUI prints an exception's module, and ours is a path."""
    with pytest.raises(RefusedError) as caught:
        node(prompt="")
    assert type(caught.value).__module__ == "openai_image_nodes"
