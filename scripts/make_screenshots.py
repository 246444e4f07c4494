"""Takes the pictures of ComfyUI's page in docs/screenshots again: `python scripts/make_screenshots.py [NAME ...]`.

COMFYUI_PATH and COMFYUI_PYTHON name a ComfyUI, COMFYUI_FRONTEND another frontend than its own, CHROMIUM the browser.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "tests")]

import pack  # noqa: E402

pack.load()

from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, Locator, sync_playwright  # noqa: E402
from support.browser import HEIGHT, WIDTH, Canvas, launched  # noqa: E402
from support.comfyui import KEY, ComfyUI, named_with_frontend  # noqa: E402
from support.faults import Fault, Faults  # noqa: E402
from support.scenarios import BatchPlan, ScriptedSandbox  # noqa: E402

SCREENSHOTS = pack.ROOT / "docs" / "screenshots"
MARGIN = 12  # pixels around what is shown
QUALITY = 88
SKETCHING_S = 12.0
PRICED = {"connection": "openai", "model": "gpt-image-2"}
PLANNED = {"connection": "openai batch", "model": "gpt-image-2", "quality": "low", "prompt": "A harbour at dusk"}
AROUND = """(parts) => {
    const boxes = app.graph[parts].map((one) => one.boundingRect ?? one._bounding);
    const [left, top] = [0, 1].map((side) => Math.min(...boxes.map((box) => box[side])));
    const [right, bottom] = [0, 1].map((side) => Math.max(...boxes.map((box) => box[side] + box[side + 2])));
    const page = app.canvas.canvas.getBoundingClientRect();
    const [x, y] = app.canvas.ds.convertOffsetToCanvas([left, top]);
    const scale = app.canvas.ds.scale;
    return [x + page.left, y + page.top, (right - left) * scale, (bottom - top) * scale];
}"""


class Studio(NamedTuple):
    """A page, and the service behind it, which can be told to be slow."""

    canvas: Canvas
    service: ScriptedSandbox
    faults: Faults

    def example(self, title: str, **values: Any) -> None:
        """Open an example with other values."""
        self.canvas.drop(pack.EXAMPLES / f"{title}.png")
        for widget, value in values.items():
            self.canvas.set(widget, value)
        self.canvas.settle(1500)

    def node(self) -> tuple[float, ...]:
        """Return where our node is, with what it says below: left, top, width, height."""
        return _box(self.canvas.page.locator("[data-node-id]").filter(has_text="OpenAI GPT Image").first)


def templates(studio: Studio) -> tuple[float, ...]:
    """The examples in ComfyUI's template browser."""
    studio.canvas.page.set_viewport_size({"width": WIDTH, "height": 1330})  # all of them at once
    studio.canvas.command("Comfy.BrowseTemplates")
    studio.canvas.page.get_by_text("openai-image-nodes", exact=True).last.click()
    studio.canvas.settle(3000)
    return _box(studio.canvas.page.get_by_role("dialog").last)


def price(studio: Studio) -> tuple[float, ...]:
    """The price of a node with a size of its own."""
    studio.example("Text to image", **PRICED, size="custom", quality="auto")
    studio.canvas.until(lambda: studio.canvas.badge().endswith(" USD"))
    return studio.node()


def refused(studio: Studio) -> tuple[float, ...]:
    """A setting that cannot run."""
    studio.example("Text to image", **PRICED, quality="xhigh")
    studio.canvas.until(lambda: "xhigh" in studio.canvas.badge())
    return studio.node()


def live_preview(studio: Studio) -> tuple[float, ...]:
    """A sketch while the picture is made."""
    studio.example("Text to image", connection="service", live_preview=3)
    studio.faults.add(Fault(slow_s=SKETCHING_S))
    studio.canvas.run_button().click()
    studio.canvas.shows_picture("OIN_GPTImage")
    return studio.node()


def inpainting(studio: Studio) -> tuple[float, ...]:
    """An example after its run."""
    studio.example("Inpainting")
    studio.canvas.run()
    studio.canvas.shows_picture()
    studio.canvas.settle(1500)
    left, top, width, height = studio.canvas.page.evaluate(AROUND, "_groups")
    return left, top, width, height


def settings(studio: Studio) -> tuple[float, ...]:
    """The connections in the settings."""
    studio.canvas.settings_panel()
    studio.canvas.settle(1500)
    return _box(studio.canvas.page.get_by_role("dialog").last)


def batch(studio: Studio) -> tuple[float, ...]:
    """The panel with a plan, and a batch at work."""
    studio.service.scenarios.plan(BatchPlan(hold_after=2))
    studio.example("Text to image", **PLANNED)
    _run(studio.canvas, 1, 2, 3, 4)
    studio.canvas.command("OpenAIImageNodes.Batches")
    panel = studio.canvas.page.locator(".oin-batches")
    panel.get_by_role("button", name="Submit").first.click()
    studio.canvas.page.get_by_role("button", name="Confirm").last.click()
    panel.get_by_text("under way, 2 of 4").wait_for()
    _run(studio.canvas, 5, 6)
    panel.get_by_role("button", name="Submit 2 jobs").wait_for()
    studio.canvas.settle(1500)
    return 0, 30, WIDTH * 0.7, HEIGHT * 0.75


def help_page(studio: Studio) -> tuple[float, ...]:
    """The help in French."""
    studio.example("Text to image")
    studio.canvas.select("OIN_GPTImage")
    studio.canvas.show_help()
    studio.canvas.settle(3000)
    heading = _box(studio.canvas.page.get_by_role("heading", name="OpenAI GPT Image", exact=True).first)
    return heading[0], 40, WIDTH - heading[0], HEIGHT - 50


def _run(canvas: Canvas, *seeds: int) -> None:
    for seed in seeds:
        canvas.set("seed", seed)
        canvas.run()


PICTURES: dict[str, tuple[Callable[[Studio], tuple[float, ...]], int]] = {  # and how many pixels wide it is kept
    "templates": (templates, 1200),
    "price": (price, 420),
    "refused": (refused, 420),
    "live_preview": (live_preview, 420),
    "inpainting": (inpainting, 1200),
    "settings": (settings, 1200),
    "batch": (batch, 1000),
    "help": (help_page, 315),
}


def main() -> None:
    """Take the pictures that are named, or all."""
    names = sys.argv[1:] or list(PICTURES)
    faults = Faults()
    with tempfile.TemporaryDirectory() as folder, ScriptedSandbox(middlewares=[faults]) as service:
        account = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{service.base_url}/v1"}
        comfyui = named_with_frontend(Path(folder), **account)
        comfyui.connect(service=f"{service.base_url}/v1")
        with comfyui, sync_playwright() as playwright, launched(playwright) as browser:
            for name in names:
                _take(name, browser, comfyui, service, faults)


def _take(name: str, browser: Browser, comfyui: ComfyUI, service: ScriptedSandbox, faults: Faults) -> None:
    work, width = PICTURES[name]
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    language = "fr" if work is help_page else "en"
    canvas = Canvas(page, comfyui, name, **{"Comfy.VueNodes.Enabled": True, "Comfy.Locale": language})
    left, top, width_shown, height_shown = work(Studio(canvas, service, faults))
    whole = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    ends = min(whole.width, left + width_shown + MARGIN), min(whole.height, top + height_shown + MARGIN)
    shown = whole.crop((round(max(0, left - MARGIN)), round(max(0, top - MARGIN)), *map(round, ends)))
    shown.thumbnail((width, HEIGHT), Image.Resampling.LANCZOS)
    shown.save(SCREENSHOTS / f"{name}.jpg", quality=QUALITY, optimize=True)
    print(f"{name}.jpg: {shown.width} x {shown.height}", flush=True)
    page.close()


def _box(found: Locator) -> tuple[float, ...]:
    box = found.bounding_box()
    if box is None:
        raise RuntimeError("it is not on the page")
    return box["x"], box["y"], box["width"], box["height"]


if __name__ == "__main__":
    main()
