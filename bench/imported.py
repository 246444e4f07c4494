"""`python -m bench.imported`: the time to import the pack where everything that ComfyUI imports is there already."""

from __future__ import annotations

import asyncio  # noqa: F401
import json
import logging  # noqa: F401
import os
import sys
import tempfile
import time

import aiohttp.web  # noqa: F401
import numpy as np  # noqa: F401
import PIL.ImageOps
import PIL.ImageSequence  # noqa: F401
import pydantic  # noqa: F401
import requests  # noqa: F401
import torch  # noqa: F401

from . import ours

HEAVY = ("torch", "numpy", "scipy", "pandas", "aiohttp", "requests", "openai", "matplotlib", "cv2")


def main() -> None:
    """Import the pack and print the seconds, and the modules of others that it adds."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["OPENAI_IMAGE_NODES_HOME"] = folder
        before = set(sys.modules)
        start = time.perf_counter()
        ours.load()
        taken = time.perf_counter() - start
    added = {name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names
    whole = {name.partition(".")[0] for name in before}
    foreign = sorted(name for name in added if not name.startswith(("_", ours.PACKAGE)) and name not in whole)
    print(json.dumps({"seconds": taken, "added": foreign, "ours": sorted(_own()), "heavy": sorted(added & set(HEAVY))}))


def _own() -> list[str]:
    return [name.removeprefix(f"{ours.PACKAGE}.") for name in sys.modules if name.startswith(f"{ours.PACKAGE}.")]


if __name__ == "__main__":
    main()
