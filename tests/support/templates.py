"""ComfyUI's official templates with its own OpenAI image nodes, and what their nodes say, read without our code.

COMFYUI_TEMPLATES names folders with templates (JSON files); else they are looked for beside COMFYUI_PYTHON.
"""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

BUILT_IN = ("OpenAIGPTImage1", "OpenAIGPTImageNodeV2", "OpenAIGPTImageNodeV3")
LIVE = {"gpt-image-1": "gpt-image-2.5-sunburst"}
FIRST = ("prompt", "seed", "control_after_generate", "quality", "background", "size", "n")
PACKAGES = """
import importlib.metadata as metadata
for package in metadata.distributions():
    if (package.metadata["Name"] or "").replace("_", "-").startswith("comfyui-workflow-templates"):
        for file in package.files or ():
            if file.suffix == ".json":
                print(package.locate_file(file))
"""


@cache
def found() -> dict[str, Path]:
    """Return the templates with a built-in OpenAI image node, by name."""
    files = [path for folder in _folders() for path in sorted(folder.glob("*.json"))] or _packaged()
    with_node = [path for path in files if path.is_file() and not path.name.startswith("index") and built_in(path)]
    return {path.stem: path for path in with_node}


def built_in(path: Path) -> list[dict[str, Any]]:
    """Return the built-in OpenAI image nodes of a workflow file."""
    text = path.read_text(encoding="utf-8")
    if not any(f'"{name}"' in text for name in BUILT_IN):
        return []
    return [node for node in json.loads(text).get("nodes", []) if node["type"] in BUILT_IN]


def settings(node: dict[str, Any]) -> dict[str, Any]:
    """Return what a built-in node is set to, in our words, from its saved values."""
    values = list(node["widgets_values"])
    if node["type"] == "OpenAIGPTImage1":
        named = dict(zip((*FIRST, "model"), values, strict=False))
    else:
        names = ("background", "quality", "n", "seed", "control_after_generate")
        named = {
            **dict(zip(("prompt", "model", "size"), values, strict=False)),
            **dict(zip(names, values[-5:], strict=True)),
        }
    model = named.get("model")
    return {**named, "model": LIVE.get(model, model), "size": named["size"].replace("Custom", "custom")}


def pictures(workflow: dict[str, Any], node: dict[str, Any]) -> list[int]:
    """Return the ids of the nodes whose pictures go into a built-in node, in order."""
    sources = {link[0]: link[1] for link in workflow["links"]}
    ends = [entry for entry in node["inputs"] if entry["type"] == "IMAGE" and entry.get("link") is not None]
    return [sources[entry["link"]] for entry in ends]


def linked(node: dict[str, Any]) -> set[str]:
    """Return the names of the other linked inputs, in our words."""
    names = {entry["name"] for entry in node["inputs"] if entry["type"] != "IMAGE" and entry.get("link") is not None}
    return {name.removeprefix("model.") for name in names}


def files_of(workflow: dict[str, Any]) -> list[str]:
    """Return the names of the files that a workflow's Load Image nodes want."""
    nodes = [node for node in workflow["nodes"] if node["type"] == "LoadImage"]
    return [str(node["widgets_values"][0]).removesuffix(" [input]") for node in nodes]


def _folders() -> list[Path]:
    return [Path(folder) for folder in os.environ.get("COMFYUI_TEMPLATES", "").split(os.pathsep) if folder]


def _packaged() -> list[Path]:
    python = os.environ.get("COMFYUI_PYTHON")
    if not python:
        return []
    told = subprocess.run([python, "-c", PACKAGES], capture_output=True, text=True, check=False)  # noqa: S603
    return sorted(Path(line) for line in told.stdout.splitlines())
