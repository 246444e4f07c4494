"""A batch of 24 small jobs on the sandbox: planned, submitted, collected, and run again from the store."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import pack
from PIL import Image

SUBJECTS = ("red fox", "grey owl", "green frog", "white hare", "brown bear", "black swan", "blue jay", "golden carp")
PLACES = ("in the snow", "at night", "in a garden")
CONNECTION = "sandbox batch"
WIDGETS = {"model": "gpt-image-2", "size": "custom", "custom_width": 1024, "custom_height": 640, "quality": "low"}
PROMPTS = tuple(f"a {subject} {place}" for subject in SUBJECTS for place in PLACES)


@dataclass(frozen=True)
class Told:
    """What the batch came to: its pictures, and what to say about it, line by line."""

    pictures: list[Image.Image]
    lines: list[str]


def run_batch() -> Told:
    """Plan, submit, collect and run again.

    Raises: AssertionError if a picture is missing, or was there before it was paid for.
    """
    office, lines, started = _office(), [], time.monotonic()
    nothing_yet = _run_all()
    assert not any(nothing_yet), "a run over a batch connection has sent something"  # noqa: S101
    seen = office.overview()
    lines += [f"planned, nothing sent: {pack.part('api.batch.describe').total(seen.parts)}"]
    office.submit(seen.parts)
    lines += [f"submitted as {len(seen.parts)} batch of {seen.parts[0].model}"]
    (record,) = office.watch(lambda _record: None, look_every_s=0.2)
    lines += [f"collected: {record.answered} of {record.count} answered, {record.usd:.4f} USD on the real service"]
    pictures = [picture for picture in _run_all() if picture is not None]
    assert len(pictures) == len(PROMPTS), "an answer is missing"  # noqa: S101
    lines += [f"run again from the store: {len(pictures)} pictures, nothing sent; {time.monotonic() - started:.1f} s"]
    return Told(pictures, lines)


def _office() -> Any:
    sandbox_store = pack.part("api.store.store").stores()[1]
    resolve = pack.part("nodes.run.execution").connection_of
    return pack.part("api.batch.manager").BatchManager(sandbox_store, resolve)


def _run_all() -> list[Image.Image | None]:
    node = pack.load().NODE_CLASS_MAPPINGS["OIN_GPTImage"]

    async def all_of_them() -> list[Any]:
        runs = (node().api_call(prompt=prompt, connection=CONNECTION, **WIDGETS) for prompt in PROMPTS)
        return await asyncio.gather(*runs)

    return [_picture(image) for image, *_ in asyncio.run(all_of_them())]


def _picture(image: Any) -> Image.Image | None:
    return None if image is None else Image.fromarray(image[0].mul(255).round().byte().numpy())
