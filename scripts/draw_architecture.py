"""Draws docs/architecture.svg: the rooms of the pack and which of them may use which.

    python scripts/draw_architecture.py

`ROOMS` and `USES` are the rule as well as the picture: tests/docs/test_architecture.py holds the imports against them.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import NamedTuple

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "architecture.svg"
WIDTH, HEIGHT = 980, 840
BOX_HEIGHT = 56
STYLE = """
  text { font-family: system-ui, sans-serif; font-size: 13px; fill: #444 }
  .name { font-weight: 600; font-size: 15px; fill: #111 }
  rect { fill: #fff; stroke: #888; rx: 6px }
  .frame { fill: #f3f6fa; stroke: #b8c4d2 }
  .page { fill: #fff; stroke: none }
  path { stroke: #456; stroke-width: 1.5; fill: none; marker-end: url(#tip) }
  #tip path { fill: #456; stroke: none }
"""


class Room(NamedTuple):
    """A folder of modules with one subject: what it holds, and its place on the picture in pixels."""

    name: str
    holds: str
    x: int
    y: int
    width: int


ROOMS = (
    Room("cli", "the command openai-image", 40, 30, 400),
    Room("nodes", "the node classes and their inputs", 40, 126, 240),
    Room("nodes/run", "one run of a node", 300, 126, 180),
    Room("nodes/prompt_list", "lists of prompts", 500, 126, 140),
    Room("nodes/web", "routes for the page", 660, 126, 140),
    Room("nodes/migration", "other nodes' ids", 820, 126, 120),
    Room("api/batch", "plan, submit, collect: the Batch API", 60, 258, 400),
    Room("api/jobs", "one paid request: asked once, recorded", 60, 340, 400),
    Room("api/store", "answers, the journal, sums, sharing", 60, 422, 400),
    Room("api/transport", "one client for every exchange over the wire", 60, 504, 400),
    Room("api/connections", "where to, with which key", 60, 586, 400),
    Room("api/backends", "folder, bucket, leases", 60, 668, 190),
    Room("api/catalog", "models, rules, prices", 270, 668, 190),
    Room("api", "errors, config", 60, 750, 400),
    Room("sandbox", "a stand-in for the service", 560, 258, 340),
    Room("sandbox/batches", "files and batches", 560, 340, 340),
    Room("sandbox/requests", "what is asked", 560, 422, 160),
    Room("sandbox/rendering", "what is answered", 740, 422, 160),
    Room("utils", "tensors to bytes and back; ComfyUI", 560, 750, 210),
    Room("utils/edits", "answers fitted", 790, 750, 110),
)
FRAMES = ((30, 112, 920, 84), (40, 240, 440, 580), (540, 240, 380, 252))  # x, y, width, height
USES = {
    "cli": {"nodes", "sandbox", "api/batch", "utils"},
    "nodes": {"sandbox", "api/batch", "utils"},
    "sandbox": {"api/catalog", "utils"},
    "api/batch": {"api/jobs"},
    "api/jobs": {"api/store"},
    "api/store": {"api/transport"},
    "api/transport": {"api/connections"},
    "api/connections": {"api/backends", "api/catalog"},
    "api/backends": {"api"},
    "api/catalog": {"api"},
}
ARROWS = (
    "M 240 86 V 110",  # cli -> nodes
    "M 240 196 V 238",  # nodes -> api
    "M 730 196 V 238",  # nodes -> sandbox
    "M 935 196 V 780 H 902",  # nodes -> utils
    "M 650 492 V 748",  # sandbox -> utils
    "M 600 492 V 696 H 462",  # sandbox -> api/catalog
    *(f"M 260 {top + BOX_HEIGHT} V {top + 82 - 2}" for top in (258, 340, 422, 504)),
    "M 155 642 V 666",
    "M 365 642 V 666",
    "M 155 724 V 748",
    "M 365 724 V 748",
)


def reachable(room: str) -> set[str]:
    """Return every room that one may use, directly or through others; the rooms inside nodes and sandbox are one."""
    found: set[str] = set()
    new = set(USES.get(room, ()))
    while new:
        found |= new
        new = {further for one in new for further in USES.get(one, ())} - found
    return found


def drawn() -> str:
    """Return the picture as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">',
        "<title>The rooms of the pack: an arrow points to what a room uses</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="6" refY="4" orient="auto">'
        '<path d="M 0 0 L 8 4 L 0 8 z"/></marker></defs>',
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
        *(f'<rect class="frame" x="{x}" y="{y}" width="{w}" height="{h}"/>' for x, y, w, h in FRAMES),
        *map(_box, ROOMS),
        *(f'<path d="{line}"/>' for line in ARROWS),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _box(room: Room) -> str:
    middle = room.x + room.width // 2
    name = room.name if room.name.startswith("api/") else room.name.rpartition("/")[2]
    return (
        f'<rect x="{room.x}" y="{room.y}" width="{room.width}" height="{BOX_HEIGHT}"/>'
        f'<text class="name" x="{middle}" y="{room.y + 24}" text-anchor="middle">{name}</text>'
        f'<text x="{middle}" y="{room.y + 43}" text-anchor="middle">{escape(room.holds)}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(drawn(), encoding="utf-8")
