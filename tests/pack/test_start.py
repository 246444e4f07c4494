"""What ComfyUI's start loads of the pack: node declarations. The rest comes once the server is up, or when asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import openai_image_nodes
import pytest
from openai_image_nodes.nodes import web as lazy_routes
from openai_image_nodes.nodes.web import routes
from openai_image_nodes.utils import comfyui

ROOT = Path(__file__).resolve().parents[2]
# Whoever adds a line here adds it to every start of ComfyUI: what only a run needs is imported where it is used.
AT_START = {
    *("api", "api.config", "api.errors", "api.catalog", "api.catalog.catalog", "api.catalog.validation"),
    *("nodes", "nodes.base", "nodes.inputs", "nodes.gpt_image", "nodes.gif", "nodes.svg", "nodes.references"),
    *("nodes.fit_edit", "nodes.save_original"),
    *("nodes.migration", "nodes.migration.prompts", "nodes.migration.replacements"),
    *("nodes.prompt_list", "nodes.prompt_list.node", "nodes.prompt_list.files"),
    *("nodes.prompt_list.rows", "nodes.prompt_list.tables", "nodes.run", "nodes.run.parameters", "nodes.web"),
    *(
        "utils",
        "utils.edits",
        "utils.edits.regions",
        "utils.comfyui",
        "utils.end_of_process",
        "utils.errors",
        "utils.input_tensors",
        "utils.strangers_json",
        "utils.text_tables",
    ),
}
OTHERS_AT_START = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
HOST = """
import json, signal, sys, types
import importlib.util
from aiohttp import web
before = set(sys.modules)
server = types.ModuleType("server")
instance = types.SimpleNamespace(app=web.Application(), routes=web.RouteTableDef(), client_id=None)
server.PromptServer = types.SimpleNamespace(instance=instance)
sys.modules["server"] = server
spec = importlib.util.spec_from_file_location("pack", "__init__.py", submodule_search_locations=["."])
sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])
at_start = sorted(set(sys.modules) - before - {"server", "pack"})
started = list(instance.app.on_startup)

async def serve():
    for start in started:
        await start(instance.app)

import asyncio, threading
asyncio.run(serve())
for thread in threading.enumerate():
    if thread.name == "openai-image-start":
        thread.join()
routes = [route for route in instance.routes if isinstance(route, web.RouteDef)]  # a folder with a dot has help beside
paths = sorted(f"{route.method} {route.path}" for route in routes)
is_taken = signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
print(json.dumps({"at_start": at_start, "later": sorted(set(sys.modules)), "paths": paths, "sigterm": is_taken}))
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process that loads the pack as ComfyUI does has loaded, and where it answers."""
    home = str(tmp_path_factory.mktemp("home"))
    environment = {**os.environ, "OPENAI_IMAGE_NODES_HOME": home}
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", HOST], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_start_loads_declarations_alone(host: dict[str, Any]) -> None:
    """Of ours only what is named above, and of others only what reads the catalog."""
    ours = {name.removeprefix("pack.") for name in host["at_start"] if name.startswith("pack.")}
    assert ours <= AT_START
    others = {name.partition(".")[0] for name in host["at_start"]} - sys.stdlib_module_names - {"pack"}
    assert {name for name in others if not name.startswith("_")} <= OTHERS_AT_START


def test_rest_is_loaded_once_the_server_is_up(host: dict[str, Any]) -> None:
    """So that the first run and the first page do not wait for it."""
    assert {"pack.nodes.run.execution", "pack.nodes.web.routes", "pack.utils.decode"} <= set(host["later"])


def test_sigterm_is_taken_as_ctrl_c(host: dict[str, Any]) -> None:
    """So that it waits for what is paid; only the main thread can have it so, and jobs are loaded on another."""
    assert host["sigterm"]


def test_routes_that_are_loaded_late_are_all_there(host: dict[str, Any]) -> None:
    """What is promised to the server at the start is what the routes answer, no more and no less."""
    assert set(routes.HANDLERS) == set(lazy_routes.PATHS)
    assert host["paths"] == sorted(f"{method} {lazy_routes.PREFIX}{path}" for method, path in routes.HANDLERS)


def test_second_copy_is_not_loaded_beside_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says where both lie and adds nothing; the same copy may be loaded again, as tools for developers do."""
    host = ModuleType("nodes")
    host.NODE_CLASS_MAPPINGS = dict(openai_image_nodes.NODE_CLASS_MAPPINGS)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nodes", host)
    comfyui.refuse_second_copy("OIN_GPTImage", openai_image_nodes.NODE_CLASS_MAPPINGS["OIN_GPTImage"])
    file = tmp_path / "a copy" / "nodes" / "gpt_image.py"
    second = type("GPTImage", (), {"__module__": "a_copy.nodes.gpt_image"})
    monkeypatch.setitem(sys.modules, second.__module__, SimpleNamespace(__file__=str(file)))
    with pytest.raises(ImportError, match="installed twice") as refused:
        comfyui.refuse_second_copy("OIN_GPTImage", second)
    assert f"{ROOT} is used, {tmp_path / 'a copy'} is not" in str(refused.value)
