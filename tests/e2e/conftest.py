"""Starts the ComfyUI that COMFYUI_PATH and COMFYUI_PYTHON name: as it is, without API nodes, and without us."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.comfyui import KEY, ComfyUI, named
from support.faults import Faults

if TYPE_CHECKING:
    from support.scenarios import ScriptedSandbox

NEEDED = {
    "COMFYUI_PATH": "the folder with ComfyUI's main.py",
    "COMFYUI_PYTHON": "the Python that runs it, such as .../ComfyUI/.venv/bin/python",
}


def pytest_sessionstart() -> None:
    """Say what is missing before anything is collected."""
    missing = [f"  {name}: {what}" for name, what in NEEDED.items() if not os.environ.get(name)]
    if missing:
        pytest.exit("These tests need a real ComfyUI. Set\n" + "\n".join(missing), returncode=2)
    if not (Path(os.environ["COMFYUI_PATH"]) / "main.py").is_file():
        pytest.exit(f"COMFYUI_PATH: {os.environ['COMFYUI_PATH']} holds no main.py", returncode=2)


def _service(faults: Faults) -> ScriptedSandbox:
    from support.scenarios import ScriptedSandbox  # the pack is loaded after this file

    return ScriptedSandbox(middlewares=[faults])


@pytest.fixture(scope="session")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    """ComfyUI with the pack, its API nodes on, and a key in its environment that must show up nowhere."""
    with named(tmp_path_factory.mktemp("comfyui"), OPENAI_API_KEY=KEY) as running:
        yield running


@pytest.fixture(scope="session")
def without_api_nodes(tmp_path_factory: pytest.TempPathFactory, service: ScriptedSandbox) -> Iterator[ComfyUI]:
    """ComfyUI with the pack, its API nodes off, and an own account at the service."""
    account = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{service.base_url}/v1"}
    with named(tmp_path_factory.mktemp("without_api_nodes"), "--disable-api-nodes", **account) as running:
        yield running


@pytest.fixture(scope="session")
def without_us(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    """ComfyUI as it is without any pack."""
    with named(tmp_path_factory.mktemp("without_us"), "--disable-all-custom-nodes") as running:
        yield running


@pytest.fixture(scope="session")
def faults() -> Faults:
    """What the service of these tests is told to do."""
    return Faults()


@pytest.fixture(scope="session")
def service(faults: Faults) -> Iterator[ScriptedSandbox]:
    """A service in this process that can be told to be slow or to fail."""
    with _service(faults) as running:
        yield running


@pytest.fixture
def failing() -> Iterator[tuple[ScriptedSandbox, Faults]]:
    """A second service, with its own faults."""
    faults = Faults()
    with _service(faults) as running:
        yield running, faults
