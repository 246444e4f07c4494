"""A picture by hand, from an empty canvas: with ComfyUI's own node and with ours, every action counted.

Each side goes the way that takes a person the fewest clicks with what is installed: for the built-in node its official
template, found in the template browser (adding it from search takes more clicks: two to open the search, one into the
prompt); for ours the example's picture, dropped on the canvas.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator

from support.browser import SHOWN, WIDTH, Canvas
from support.comfyui import ROOT

Point = tuple[float, float]
JOBS = ("text to image", "image to image", "several images", "inpainting with a mask")
TEMPLATES = {  # what is typed, and the card that is clicked
    "text to image": ("gpt image 2", "GPT Image 2: Text to Image"),
    "image to image": ("GPT-Image-1 Image", "OpenAI: GPT-Image-1 Image to Image"),
    "several images": ("GPT-Image-1 Multi", "OpenAI: GPT-Image-1 Multi Inputs"),
    "inpainting with a mask": ("GPT-Image-1 Inpaint", "OpenAI: GPT-Image-1 Inpaint"),
}
EXAMPLES = {
    "text to image": "Text to image",
    "image to image": "Image to image",
    "several images": "Multiple images",
    "inpainting with a mask": "Inpainting",
}
PHOTOS = {"text to image": 0, "image to image": 1, "several images": 2, "inpainting with a mask": 1}
PATIENCE_S = 60.0
OWN_PHOTOS = {"photo one.jpg": "oin-example-rocket.jpg", "photo two.jpg": "oin-example-coffee.jpg"}
LOOK_MS, LOOKS = 50, 8  # so long it has to stay where it is before a hand goes there
TRUSTED = """() => {
    window.byHand = { pointerdown: 0, keydown: 0, drop: 0 };
    for (const kind of Object.keys(window.byHand))
        window.addEventListener(kind, (event) => { window.byHand[kind] += Number(event.isTrusted); }, true);
}"""
PLACE = """([kind, index, name]) => {
    const node = app.graph._nodes.filter((node) => node.type === kind).sort((a, b) => a.pos[1] - b.pos[1])[index];
    const widget = node?.widgets?.find((widget) => widget.name === name);
    if (!node || (name && name !== "title" && !widget?.last_y)) return null;
    const y = widget ? widget.last_y + 10 : name === "title" ? -15 : node.size[1] / 2;
    const x = name === "title" ? 60 : node.size[0] / 2;
    const [left, top] = app.canvas.ds.convertOffsetToCanvas([node.pos[0] + x, node.pos[1] + y]);
    const canvas = app.canvas.canvas.getBoundingClientRect();
    return [left + canvas.left, top + canvas.top];
}"""
BUILT_IN = "OpenAIGPTImage"  # how the names of ComfyUI's own nodes for these models begin
OPENED = "(kind) => app.graph._nodes.find((node) => node.type.startsWith(kind))?.type"
MODEL = """(kind) => app.graph._nodes.find((node) => node.type === kind)
    .widgets.find((widget) => widget.name === "model")?.value"""
SAVED = "() => app.graph._nodes.find((node) => node.type.startsWith('SaveImage')).type"
ENDED, LIVE = "gpt-image-1", "gpt-image-2"
FILES = """() => app.graph._nodes.filter((node) => node.type === "LoadImage")
    .map((node) => String(node.widgets.find((widget) => widget.name === "image").value))"""


@dataclass
class Counts:
    """What a person did."""

    clicks: int = 0
    drags: int = 0  # files dropped and strokes painted
    texts: int = 0
    keys: int = 0  # of those texts

    @property
    def actions(self) -> int:
        """Everything, a text as one."""
        return self.clicks + self.drags + self.texts

    def __str__(self) -> str:
        return f"{self.clicks} clicks, {self.drags} drags, {self.texts} texts of {self.keys} keys"


class Hand:
    """The only way to the page's mouse and keyboard: what it does is counted."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas, self._page, self._counts = canvas, canvas.page, Counts()
        self._page.evaluate(TRUSTED)
        self._seen_drops = self._strokes = 0

    @property
    def counts(self) -> Counts:
        """What was done; the events that the page itself saw say the same."""
        seen = self._page.evaluate("() => window.byHand")
        pressed, dropped = self._counts.clicks + self._strokes, self._counts.drags - self._strokes
        assert seen == {"pointerdown": pressed, "keydown": self._counts.keys, "drop": dropped}, (seen, self._counts)
        return self._counts

    def click(self, what: Locator | Point) -> None:
        """Click once."""
        self._counts.clicks += 1
        if isinstance(what, Locator):
            what.click()
        else:
            self._page.mouse.click(*what)

    def type(self, words: str) -> None:
        """Type where the cursor is."""
        self._counts.texts += 1
        self._counts.keys += len(words)
        self._page.keyboard.type(words)

    def drop(self, file: Path, at: Point) -> None:
        """Drag a file out of a folder to a place on the page."""
        self._counts.drags += 1
        self._canvas.drop_file(file, *at)

    def stroke(self, *points: Point) -> None:
        """Press, draw and let go."""
        self._counts.drags += 1
        self._strokes += 1
        mouse = self._page.mouse
        mouse.move(*points[0])
        mouse.down()
        for point in points[1:]:
            mouse.move(*point, steps=10)
        mouse.up()


class Desk:
    """An empty canvas, the hand above it, and a folder with the person's photographs."""

    def __init__(self, canvas: Canvas, photos: Path, *, shots: bool = True) -> None:
        self.canvas, self.page, self.photos, self._shots = canvas, canvas.page, photos, shots
        canvas.empty()
        canvas.comfyui.post("/free", {"unload_models": True, "free_memory": True})  # it keeps the results of nodes
        canvas.settle(1500)
        self.hand = Hand(canvas)

    def built_in(self, job: str) -> None:
        """Make a picture with ComfyUI's own node."""
        words, title = TEMPLATES[job]
        self.hand.click(self.page.get_by_role("button", name="Templates").first)
        search = self.page.get_by_placeholder("Search").last
        search.wait_for()
        self.canvas.settle()
        if not search.evaluate("(box) => box === document.activeElement"):
            self.hand.click(search)  # older frontends put the cursor there
        self.hand.type(words)
        self.hand.click(self.page.get_by_text(title, exact=True).first)
        kind = self._until_there(BUILT_IN)
        if self.page.evaluate(MODEL, kind) == ENDED:
            self.hand.click(self._place(kind, 0, "model"))
            self.hand.click(self.page.locator(".litemenu-entry", has_text=re.compile(f"^{LIVE}$")))
        self._finish(job)

    def ours(self, job: str, connection: str | None) -> None:
        """Make a picture with our node; without a connection on the sandbox that the examples ask."""
        self.hand.drop(ROOT / "example_workflows" / f"{EXAMPLES[job]}.png", (WIDTH / 2, 900))
        self._until_there("OIN_GPTImage")
        self.canvas.until(lambda: self.canvas.badge() == "free")  # by then what is not used is hidden
        if connection is not None:
            self.hand.click(self._place("OIN_GPTImage", 0, "connection"))
            self.hand.click(self.page.locator(".litemenu-entry", has_text=re.compile(f"^{connection}$")))
        self._finish(job)

    def _until_there(self, kind: str) -> str:
        """Wait for a node whose type begins so, and return its type."""
        self.page.wait_for_function(OPENED, arg=kind)
        self._shot("opened")
        return str(self.page.evaluate(OPENED, kind))

    def _finish(self, job: str) -> None:
        for index, photo in zip(range(PHOTOS[job]), OWN_PHOTOS, strict=False):
            self.hand.drop(self.photos / photo, self._place("LoadImage", index))
            stem = Path(photo).stem
            self.page.wait_for_function(f"(stem) => ({FILES})().some((name) => name.startsWith(stem))", arg=stem)
        if "mask" in job:
            self._paint_mask()
        self._shot("ready")
        self.hand.click(self.canvas.run_button())
        self.page.wait_for_function(SHOWN, arg=self.page.evaluate(SAVED))
        self._shot("ran")

    def _shot(self, step: str) -> None:
        if self._shots:
            self.canvas.shot(step)

    def _paint_mask(self) -> None:
        self.hand.click(self._place("LoadImage", 0, "title"))
        self.hand.click(self.page.get_by_role("button", name="Open Mask Editor for Selected Node"))
        save = self.page.locator("button", has_text=re.compile(r"^\s*Save\s*$")).last
        save.wait_for()
        self._wait_until_still(lambda: str(save.bounding_box()))
        self.hand.stroke((760, 400), (860, 500), (760, 600))
        self._shot("painted")
        self.hand.click(save)
        self.page.wait_for_function(f"() => ({FILES})().some((name) => name.includes('clipspace'))")
        save.wait_for(state="hidden")

    def _place(self, kind: str, index: int, name: str | None = None) -> Point:
        """Return where a node or its widget is on the page, once nothing moves any more."""
        x, y = self._wait_until_still(lambda: self.page.evaluate(PLACE, [kind, index, name]))
        return x, y

    def _wait_until_still(self, look: Callable[[], str | Point | None]) -> str | Point:
        limit, seen = time.monotonic() + PATIENCE_S, [look()]
        while time.monotonic() < limit:
            self.page.wait_for_timeout(LOOK_MS)
            seen = [*seen[1 - LOOKS :], look()]
            if len(seen) == LOOKS and seen[0] is not None and all(one == seen[0] for one in seen):
                return seen[0]
        raise AssertionError("it does not come to rest")


def own_photos(folder: Path) -> Path:
    """Return a folder with a person's photographs."""
    folder.mkdir(exist_ok=True)
    for name, source in OWN_PHOTOS.items():
        shutil.copyfile(ROOT / "example_workflows" / "input" / source, folder / name)
    return folder
