"""A workflow described once: `api_prompt` here and the JSON of `canvas.py` come from the same description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from declared import outputs_of, slots_of, values_of


@dataclass(frozen=True)
class Palette:
    """The node classes by id, their display names, and which of them are ours, of which version."""

    classes: Mapping[str, Any]
    titles: Mapping[str, str]
    ours: frozenset[str]
    version: str


@dataclass(frozen=True)
class Node:
    """A node on the canvas. `widgets` are those that differ from their default; `inputs` name "node.OUTPUT"."""

    kind: str
    at: tuple[int, int]
    size: tuple[int, int]
    widgets: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> list[str]:
        """The names of the nodes that this one takes its inputs from."""
        return [origin.split(".")[0] for origin in self.inputs.values()]


@dataclass(frozen=True)
class Note:
    """A note in Markdown, which only the canvas knows."""

    text: str
    at: tuple[int, int]
    size: tuple[int, int]


@dataclass(frozen=True)
class Group:
    """A frame around some nodes and notes, with a title and a colour."""

    title: str
    members: tuple[str, ...]
    colour: str


@dataclass(frozen=True)
class Link:
    """A connection from an output of one node to an input of another, by name and by place."""

    number: int
    source: str
    source_slot: int
    target: str
    target_slot: int
    input_name: str
    kind: str


@dataclass(frozen=True)
class Graph:
    """A workflow by its title; nodes and notes have names, and get their ids in order."""

    title: str
    items: Mapping[str, Node | Note]
    groups: tuple[Group, ...]

    @property
    def nodes(self) -> dict[str, Node]:
        """The nodes by name, without the notes."""
        return {name: item for name, item in self.items.items() if isinstance(item, Node)}

    def id_of(self, name: str) -> int:
        """Return the id of a node or note, from 1."""
        return list(self.items).index(name) + 1

    def links(self, palette: Palette) -> Iterator[Link]:
        """Yield the connections, numbered from 1."""
        ends = ((name, slot, origin) for name, node in self.nodes.items() for slot, origin in node.inputs.items())
        for number, (target, input_name, origin) in enumerate(ends, 1):
            source, output = origin.split(".")
            outputs = outputs_of(palette.classes[self.nodes[source].kind])
            source_slot = [name for name, _ in outputs].index(output)
            target_slot = slots_of(palette.classes[self.nodes[target].kind]).index(input_name)
            yield Link(number, source, source_slot, target, target_slot, input_name, outputs[source_slot][1])


def api_prompt(graph: Graph, palette: Palette) -> dict[str, Any]:
    """Return what is posted to /prompt: class, widget values and links of each node, by its id."""
    links = list(graph.links(palette))
    return {str(graph.id_of(name)): _prompt_node(graph, name, links, palette) for name in graph.nodes}


def _prompt_node(graph: Graph, name: str, links: list[Link], palette: Palette) -> dict[str, Any]:
    node = graph.nodes[name]
    incoming = {
        link.input_name: [str(graph.id_of(link.source)), link.source_slot] for link in links if link.target == name
    }
    return {
        "inputs": {**values_of(palette.classes[node.kind], node.widgets), **incoming},
        "class_type": node.kind,
        "_meta": {"title": palette.titles[node.kind]},
    }
