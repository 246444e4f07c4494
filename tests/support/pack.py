"""The pack as a folder: where it lies, and how ComfyUI loads it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "openai_image_nodes"


def load_pack(root: Path, name: str) -> object:
    """Load a pack folder as ComfyUI's loader does: by path, under a name of the caller's choice."""
    spec = importlib.util.spec_from_file_location(name, root / "__init__.py", submodule_search_locations=[str(root)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
