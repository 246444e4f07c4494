"""Runs the examples on the sandbox and keeps what is needed to show them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pack
from canvas import ui_workflow
from examples import graphs, palette, runnable
from graphs import Graph, api_prompt
from offline import run
from PIL import Image


@dataclass(frozen=True)
class Done:
    """An example that ran: its workflow, the picture that was saved, and the node's report."""

    graph: Graph
    workflow: dict[str, Any]
    picture: Path
    report: dict[str, Any]

    @property
    def title(self) -> str:
        """The example's name."""
        return self.graph.title

    @property
    def prompt(self) -> str:
        """What the picture should show."""
        return str(self.graph.nodes["ask"].widgets["prompt"])

    def before(self) -> list[Image.Image]:
        """Return the photographs that went in."""
        names = [node.widgets["image"] for node in self.graph.nodes.values() if node.kind == "LoadImage"]
        return [_opened(pack.PHOTOS / name) for name in names]

    def after(self) -> Image.Image:
        """Return the picture that came out."""
        return _opened(self.picture)


def run_all(target: Path) -> Iterator[Done]:
    """Run all examples and yield each when its picture is written to the target folder."""
    for graph in graphs():
        nodes, save, preview = runnable(pack.PHOTOS, target)
        workflow = ui_workflow(graph, palette())
        run(api_prompt(graph, palette()), nodes, workflow)
        yield Done(graph, workflow, save.saved[0], json.loads(preview.shown[0]))


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.load()
        return picture
