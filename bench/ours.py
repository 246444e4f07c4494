"""The way of this pack, loaded by path as ComfyUI does."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import itertools
import os
import sys
from pathlib import Path
from typing import Any

from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "openai_image_nodes"
MODEL = "gpt-image-2.6-flare"
MAX_PIXELS = 8_294_400
KEY = "sk-benchmark-0123456789abcdef"

_seeds = itertools.count(1)


def load() -> Any:
    """Return the pack, loaded once."""
    if PACKAGE not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            PACKAGE, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        if spec is None or spec.loader is None:
            raise ImportError(f"{ROOT} holds no pack")
        sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[PACKAGE])
    return sys.modules[PACKAGE]


def part(name: str) -> Any:
    """Return a module of the pack, such as "utils.images"."""
    load()
    return importlib.import_module(f"{PACKAGE}.{name}")


def settle(folder: Path) -> None:
    """Keep the pack's files in a folder, and none of the machine's keys in reach."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "AZURE_OPENAI_", "COMFY_API")):
            del os.environ[name]
    os.environ["OPENAI_IMAGE_NODES_HOME"] = str(folder / "home")
    os.environ["OPENAI_API_KEY"] = KEY


def point(address: str) -> None:
    """Send what the connection `openai` sends to an address."""
    os.environ["OPENAI_BASE_URL"] = f"{address}/v1"


def encode(batch: Tensor) -> list[bytes]:
    """Return the PNG files of a batch [B,H,W,C]."""
    pngs = part("utils.encode").images_to_pngs(batch, max_pixels=MAX_PIXELS)
    found: list[bytes] = part("utils.tensors").parallel_map(lambda png: png.data, pngs)
    return found


def encode_mask(mask: Tensor) -> bytes:
    """Return the PNG file of a mask [1,H,W]."""
    size = (mask.shape[2], mask.shape[1])
    data: bytes = part("utils.encode").mask_to_png(mask, size, size).data
    return data


def call(address: str, batch: Tensor | None, seed: int | None = None, *, n: int = 1) -> Tensor:
    """Return the n pictures that the node makes of a batch; each call is a new job, unless a seed is given."""
    return asyncio.run(called(address, batch, seed, n=n))


async def called(address: str, batch: Tensor | None, seed: int | None = None, *, n: int = 1) -> Tensor:
    """Return the n pictures that the node makes of a batch."""
    point(address)
    node = load().NODE_CLASS_MAPPINGS["OIN_GPTImage"]()
    seed = next(_seeds) if seed is None else seed
    result = await node.api_call(prompt="a red fox", seed=seed, image=batch, n=n, connection="openai", model=MODEL)
    image: Tensor = result[0]
    return image


def decode(body: bytes) -> Tensor:
    """Return the pictures of an answer as one batch [n,H,W,3|4]."""
    image: Tensor = part("utils.decode").pngs_to_image(pictures_in(body)).image
    return image


def pictures_in(body: bytes) -> list[bytes]:
    """Return the encoded pictures of an answer, as the node has them before it decodes them."""
    os.environ.setdefault("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    asked, raw = job(), part("api.transport.operation").RawAnswer(body, {}, 0.0)
    response = asked.operation({}).parse(raw)
    pictures: list[bytes] = part("api.transport.downloads").pictures_of(response, asked.connection, body=body).data
    return pictures


def job(prompt: str = "a red fox", seed: int = 0) -> Any:
    """Return a job of the connection `openai`."""
    request = part("api.catalog.schemas").OpenAIImageGenerationRequest(model=MODEL, prompt=prompt)
    return part("api.jobs.job").Job(connection(), request, seed=seed)


def connection() -> Any:
    """Return the connection `openai` as the environment has it."""
    connections = part("api.connections.resolve")
    return connections.resolve("openai", connections.HostSecrets(), lambda: "")
