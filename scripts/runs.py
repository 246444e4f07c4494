"""Runs the examples on the sandbox and keeps what is needed to show them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pack
import vectors
from canvas import ui_workflow
from examples import graphs, palette, runnable
from graphs import Graph, api_prompt
from offline import Outputs, run
from PIL import Image, ImageSequence


@dataclass(frozen=True)
class Done:
    """An example that ran: its workflow, and what was asked, saved and reported; of a list once for each row."""

    graph: Graph
    workflow: dict[str, Any]
    prompts: list[str]
    pictures: list[Path]
    reports: list[dict[str, Any]]
    files: list[Path]

    @property
    def title(self) -> str:
        """The example's name."""
        return self.graph.title

    def before(self) -> list[Image.Image]:
        """Return the photographs that went in."""
        names = [node.widgets["image"] for node in self.graph.nodes.values() if node.kind == "LoadImage"]
        return [_opened(pack.PHOTOS / name) for name in names]

    def after(self) -> list[Image.Image]:
        """Return the pictures that came out."""
        return [_opened(path) for path in self.pictures]

    def frames(self) -> list[Image.Image]:
        """Return the frames of an animation that came out, none where there is none."""
        return [frame for path in self.files if path.suffix == ".webp" for frame in _frames(path)]

    def drawings(self) -> list[Image.Image | str]:
        """Return the vector drawings that came out; the name of one that nothing on this machine can draw."""
        paths = [path for path in self.files if path.suffix == ".svg"]
        return [vectors.drawn(path) or f"{path.name} {vectors.ADVICE}" for path in paths]


def run_all(target: Path) -> Iterator[Done]:
    """Run all examples and yield each when its pictures are written to the target folder."""
    for graph in graphs():
        nodes, save, preview, files = runnable(pack.PHOTOS, target)
        workflow = ui_workflow(graph, palette())
        outputs = run(api_prompt(graph, palette()), nodes, workflow)
        reports = [json.loads(report) for report in preview.shown]
        yield Done(graph, workflow, _prompts(graph, outputs), save.saved, reports, files)


def _prompts(graph: Graph, outputs: Outputs) -> list[str]:
    """Return what was asked: the prompts of the list, which are its first output, else the node's if it has one."""
    if "list" in graph.nodes:
        return outputs[str(graph.id_of("list"))][0]
    return [str(prompt) for prompt in [graph.nodes["ask"].widgets.get("prompt")] if prompt]


def _frames(path: Path) -> list[Image.Image]:
    with Image.open(path) as animation:
        return [frame.copy() for frame in ImageSequence.Iterator(animation)]


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.load()
        return picture
