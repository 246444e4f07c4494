"""A workflow as ComfyUI's canvas saves it: nodes with places, slots and values by position, links, groups."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from declared import by_position, inputs_of, is_widget, outputs_of, slots_of, values_of
from graphs import Graph, Group, Link, Node, Note, Palette

PROJECT = "openai-image-nodes"
CORE = {"cnr_id": "comfy-core", "ver": "0.3.45"}
OPTIONAL_SHAPE = 7
TITLE_HEIGHT = 30
GROUP_MARGIN = 20
GROUP_TITLE_HEIGHT = 40
NOTE = {"color": "#222", "bgcolor": "#343434"}  # grey letters on it are read, and on what light themes make of it


def ui_workflow(graph: Graph, palette: Palette) -> dict[str, Any]:
    """Return the workflow as JSON-able data."""
    links = list(graph.links(palette))
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{PROJECT}/{graph.title}")),
        "revision": 0,
        "last_node_id": len(graph.items),
        "last_link_id": len(links),
        "nodes": [_item(graph, name, links, palette) for name in graph.items],
        "links": [_link(graph, link) for link in links],
        "groups": [_group(graph, number, group) for number, group in enumerate(graph.groups, 1)],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def _item(graph: Graph, name: str, links: list[Link], palette: Palette) -> dict[str, Any]:
    item = graph.items[name]
    common = {
        "id": graph.id_of(name),
        "type": item.kind if isinstance(item, Node) else "MarkdownNote",
        "pos": list(item.at),
        "size": list(item.size),
        "flags": {},
        "order": sorted(graph.items, key=lambda other: _depth(graph, other)).index(name),
        "mode": 0,
    }
    if isinstance(item, Note):
        return {**common, **NOTE, "inputs": [], "outputs": [], "properties": {}, "widgets_values": [item.text]}
    return {**common, **_node(item, name, links, palette)}


def _node(node: Node, name: str, links: list[Link], palette: Palette) -> dict[str, Any]:
    node_class = palette.classes[node.kind]
    pack = {"cnr_id": PROJECT, "ver": palette.version} if node.kind in palette.ours else CORE
    return {
        "inputs": [_input(node_class, slot, name, links) for slot in slots_of(node_class)],
        "outputs": list(_outputs(node_class, name, links)),
        "properties": {**pack, "Node name for S&R": node.kind},
        "widgets_values": by_position(node_class, values_of(node_class, node.widgets)),
    }


def _depth(graph: Graph, name: str) -> int:
    """Return how many nodes run one after the other before this one."""
    item = graph.items[name]
    sources = item.sources if isinstance(item, Node) else []
    return max((_depth(graph, source) + 1 for source in sources), default=0)


def _input(node_class: Any, slot: str, name: str, links: list[Link]) -> dict[str, Any]:
    declaration = inputs_of(node_class)[slot]
    entry: dict[str, Any] = {"name": slot, "type": "COMBO" if isinstance(declaration[0], list) else declaration[0]}
    if slot not in node_class.INPUT_TYPES().get("required", {}):
        entry["shape"] = OPTIONAL_SHAPE
    if is_widget(declaration):
        entry["widget"] = {"name": slot}
    entry["link"] = next((link.number for link in links if (link.target, link.input_name) == (name, slot)), None)
    return entry


def _outputs(node_class: Any, name: str, links: list[Link]) -> Iterator[dict[str, Any]]:
    for slot, (output, kind) in enumerate(outputs_of(node_class)):
        numbers = [link.number for link in links if (link.source, link.source_slot) == (name, slot)]
        yield {"name": output, "type": kind, "links": numbers or None}


def _link(graph: Graph, link: Link) -> list[Any]:
    source, target = graph.id_of(link.source), graph.id_of(link.target)
    return [link.number, source, link.source_slot, target, link.target_slot, link.kind]


def _group(graph: Graph, number: int, group: Group) -> dict[str, Any]:
    left, top, right, bottom = _bounds([graph.items[name] for name in group.members])
    return {
        "id": number,
        "title": group.title,
        "bounding": [left, top, right - left, bottom - top],
        "color": group.colour,
        "font_size": 24,
        "flags": {},
    }


def _bounds(items: list[Node | Note]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of a frame around the items; a node's title is above its place."""
    return (
        min(item.at[0] for item in items) - GROUP_MARGIN,
        min(item.at[1] for item in items) - TITLE_HEIGHT - GROUP_TITLE_HEIGHT,
        max(item.at[0] + item.size[0] for item in items) + GROUP_MARGIN,
        max(item.at[1] + item.size[1] for item in items) + GROUP_MARGIN,
    )
