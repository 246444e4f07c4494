"""Loads the pack of this repository by path, as ComfyUI does, whatever the folder is called."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "openai_image_nodes"  # the name that `pip install .` gives it
EXAMPLES = ROOT / "example_workflows"
PHOTOS = EXAMPLES / "input"


def load() -> Any:
    """Return the pack's module, loaded once."""
    if PACKAGE in sys.modules:
        return sys.modules[PACKAGE]
    spec = importlib.util.spec_from_file_location(PACKAGE, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{ROOT} holds no pack")
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)
    return module


def version() -> str:
    """Return the version in pyproject.toml."""
    found = re.search(r'^version = "(.+?)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError("pyproject.toml names no version")
    return found[1]


def part(name: str) -> Any:
    """Return a module of the pack, such as "utils.drawing"."""
    load()
    return importlib.import_module(f"{PACKAGE}.{name}")
