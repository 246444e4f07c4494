"""ComfyUI's page in a real Chromium, driven as a person does: files dropped, nodes searched, Run clicked."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Playwright, expect, sync_playwright

from support.comfyui import ROOT, ComfyUI

CHROMIUM = Path(os.environ.get("CHROMIUM") or "/usr/bin/chromium")
SCREENSHOTS = ROOT / "e2e_output"
WIDTH, HEIGHT = 1600, 1000
PATIENCE_MS = 60_000
FIRST_WITH_VUE_NODES = (1, 40)
QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.Minimap.Visible": False,
    "Comfy.Locale": "en",
    "Comfy.ColorPalette": "dark",
    "Comfy.VueNodes.Enabled": False,
    "Comfy.NodeSearchBoxImpl": "default",
}
GRAPH = """() => {
    const { nodes, links } = app.graph.serialize();
    const values = (node) => (node.type === "PreviewAny" ? [] : node.widgets_values ?? []); // what it showed last
    return {
        nodes: nodes.map((node) => [node.id, node.type, values(node)]).sort((a, b) => a[0] - b[0]),
        links: links.map((link) => (Array.isArray(link) ? link : Object.values(link)).slice(0, 6).map(String)).sort(),
    };
}"""
ERROR_DETAILS = re.compile("^(view details|see error|show report)", re.IGNORECASE)
SHOWN = """(type) => app.graph._nodes.filter((node) => node.type === type).every((node) => {
    const drawn = (node.imgs ?? []).some((picture) => picture.naturalWidth > 0);
    const element = document.querySelector(`[data-node-id="${node.id}"] img`);
    return drawn || element?.naturalWidth > 0;
})"""


def launched(playwright: Playwright) -> Browser:
    """Return a Chromium without a window."""
    return playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)


class Canvas:
    """A page of one ComfyUI with a canvas; every screenshot goes to e2e_output, numbered."""

    def __init__(self, page: Page, comfyui: ComfyUI, label: str, **settings: Any) -> None:
        self.page, self.comfyui, self._label, self._shots = page, comfyui, label, 0
        self.complaints: list[str] = []
        self._ours = re.compile(rf"/extensions/{re.escape(comfyui.pack_folder)}/\S*\.js")
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self._listen_to_error(f"{error.message} {error.stack}"))
        self.load(**settings)

    def load(self, **settings: Any) -> None:
        """Load the page with ComfyUI's settings; those that are not told are as for somebody who was never there."""
        self.comfyui.post("/settings", {**SETTINGS, **settings})
        self.page.goto(self.comfyui.address, wait_until="domcontentloaded")
        self.page.wait_for_function("() => window.app?.graph?._nodes && window.app.canvas")
        self.page.wait_for_function("() => !document.querySelector('.p-blockui-mask, .p-progressspinner')")
        self.settle(1500)

    def settle(self, milliseconds: int = 700) -> None:
        """Let animations end."""
        self.page.wait_for_timeout(milliseconds)

    def empty(self) -> None:
        """Take everything off the canvas."""
        self.page.keyboard.press("Escape")
        self.page.evaluate("() => { app.graph.clear(); app.canvas.ds.reset(); app.canvas.setDirty(true, true); }")
        self.settle()

    def drop(self, file: Path, *, x: int = WIDTH // 2, y: int = HEIGHT - 40) -> None:
        """Drop a file as a person does who drags it out of a folder, and wait for its graph."""
        before = self.page.evaluate("() => app.graph._nodes.map((node) => node.type).join()")
        self.drop_file(file, x, y)
        if before:
            self.settle(1500)
        self.page.wait_for_function("() => app.graph._nodes.length > 0")
        self.settle(1500)

    def drop_file(self, file: Path, x: float, y: float) -> None:
        """Drop a file at a place of the page, by the browser's own drag events, and wait for nothing."""
        session = self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            session.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})

    def types(self) -> list[str]:
        """Return the types of the nodes on the canvas."""
        return list(self.page.evaluate("() => app.graph._nodes.map((node) => node.type)"))

    def missing(self) -> list[str]:
        """Return the types that ComfyUI does not know."""
        return list(
            self.page.evaluate(
                "() => app.graph._nodes.map((node) => node.type)"
                ".filter((type) => !(type in LiteGraph.registered_node_types))"
            )
        )

    def graph(self) -> Any:
        """Return nodes, values and links as they would be saved."""
        return self.page.evaluate(GRAPH)

    def graph_size(self, kind: str = "OIN_GPTImage") -> Any:
        """Return the size of a node as it would be saved."""
        script = "(kind) => [...app.graph.serialize().nodes.find((node) => node.type === kind).size]"
        self.page.wait_for_function("(kind) => window.app?.graph?._nodes?.some((node) => node.type === kind)", arg=kind)
        return self.page.evaluate(script, kind)

    def set(self, widget: str, value: Any, kind: str = "OIN_GPTImage") -> None:
        """Choose a widget's value."""
        self.page.evaluate(
            """([kind, name, value]) => {
                const node = app.graph._nodes.find((node) => node.type === kind);
                const widget = node.widgets.find((widget) => widget.name === name);
                widget.value = value;
                widget.callback?.(value);
                node.setDirtyCanvas(true, true);
            }""",
            [kind, widget, value],
        )

    def visible_widgets(self, kind: str = "OIN_GPTImage") -> list[str]:
        """Return the names of the widgets that are not hidden."""
        script = """(kind) => app.graph._nodes.find((node) => node.type === kind)
            .widgets.filter((widget) => !widget.hidden).map((widget) => widget.name)"""
        return list(self.page.evaluate(script, kind))

    def widget(self, name: str, kind: str = "OIN_GPTImage") -> Any:
        """Return a widget's value."""
        script = """([kind, name]) => app.graph._nodes.find((node) => node.type === kind)
            .widgets.find((widget) => widget.name === name)?.value"""
        return self.page.evaluate(script, [kind, name])

    def badge(self, kind: str = "OIN_GPTImage") -> str:
        """Return the text of the badge that the extension adds."""
        return (self.badges(kind) or [""])[-1]

    def badges(self, kind: str) -> list[str]:
        """Return the texts of all badges of a node, ComfyUI's own too."""
        script = """(kind) => app.graph._nodes.find((node) => node.type === kind)
            .badges.map((badge) => (typeof badge === "function" ? badge() : badge)?.text ?? "")"""
        return list(self.page.evaluate(script, kind))

    def run_button(self) -> Locator:
        """Return the button that runs the workflow."""
        return self.page.get_by_role("button", name="Run", exact=True).first

    def run(self) -> None:
        """Click Run and wait until everything that was queued has ended."""
        ran = len(self.comfyui.json("/history"))
        self.run_button().click()
        self.until(lambda: len(self.comfyui.json("/history")) > ran)

    def shows_picture(self, kind: str = "SaveImage") -> None:
        """Wait until every node of a kind shows a picture."""
        self.page.wait_for_function(SHOWN, arg=kind)

    def until(self, happened: Callable[[], bool], *, within_s: float = 60.0) -> None:
        """Wait while the page goes on."""
        limit = time.monotonic() + within_s
        while not happened():
            assert time.monotonic() < limit, "it did not happen"
            self.page.wait_for_timeout(50)

    def shot(self, step: str) -> Path:
        """Keep a picture of the page."""
        self._shots += 1
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{self._label} {self._shots} {step}.png"
        self.page.screenshot(path=str(path))
        return path

    @property
    def frontend(self) -> tuple[int, ...]:
        """The frontend's version."""
        version = str(self.page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__ ?? '0'"))
        return tuple(int(part) for part in version.split(".") if part.isdigit())

    def command(self, name: str) -> None:
        """Do what a menu entry does."""
        self.page.evaluate("(name) => void app.extensionManager.command.execute(name)", name)
        self.settle(1500)

    def drag(self, what: Locator, x: int, y: int) -> None:
        """Drag something to a place on the page."""
        box = what.bounding_box()
        assert box is not None
        mouse = self.page.mouse
        mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
        mouse.down()
        mouse.move(x - 100, y, steps=8)
        mouse.move(x, y, steps=8)
        self.settle()
        mouse.up()
        self.settle(1500)

    def cancel(self) -> None:
        """Click what stops the running prompt."""
        button = self.page.get_by_role("button", name=re.compile("^(cancel|interrupt)", re.IGNORECASE)).first
        button.hover()
        button.click()

    def errors(self) -> int:
        """Return how many buttons there are that tell more about an error."""
        return self.page.get_by_role("button", name=ERROR_DETAILS).count()

    def told(self, words: str) -> None:
        """Wait for words in ComfyUI's error box, and open its details where it shows only a title."""
        self.until(lambda: self.errors() > 0 or words in self.text())
        if words not in self.text():
            self.page.get_by_role("button", name=ERROR_DETAILS).first.click()
        self.until(lambda: words in self.text(), within_s=15)
        self.settle()

    def text(self) -> str:
        """Return all text on the page, in one line."""
        return " ".join(self.page.inner_text("body").split())

    def settings_panel(self) -> None:
        """Open our part of the settings."""
        self.page.keyboard.press("Control+,")
        self.page.get_by_text("OpenAI Image Nodes", exact=True).last.click()
        self.settle()

    def select(self, kind: str) -> None:
        """Select the node of a type."""
        self.page.evaluate(
            """(kind) => app.canvas.selectNodes([app.graph._nodes.find((node) => node.type === kind)])""", kind
        )
        self.settle()

    def show_help(self) -> None:
        """Open the help of the selected node."""
        self.page.locator("[data-testid=info-button], button:has(.icon-\\[lucide--info\\])").first.click()
        self.settle(1500)

    def _listen(self, message: ConsoleMessage) -> None:
        from_us = message.type == "error" and self._ours.search(message.location.get("url", ""))
        if from_us or "OpenAI Image Nodes" in message.text:
            self.complaints.append(message.text)

    def _listen_to_error(self, told: str) -> None:
        if self._ours.search(told):
            self.complaints.append(told)


CanvasT = TypeVar("CanvasT", bound=Canvas)
Opened = Callable[..., Canvas]


@contextmanager
def pages(
    comfyui: ComfyUI, browser: Browser, request: pytest.FixtureRequest, kind: type[CanvasT], **defaults: Any
) -> Iterator[Callable[..., CanvasT]]:
    """Yield what opens ComfyUI as somebody who was never there; nothing of ours complained until the end."""
    canvases: list[CanvasT] = []
    version = comfyui.json("/system_stats")["system"]["comfyui_version"]
    names = request.path.stem.removeprefix("test_"), request.node.name.removeprefix("test_")
    label = re.sub(r"[^\w. -]+", " ", " ".join((version, *names))).strip()

    def open_page(mode: str = "classic", **settings: Any) -> CanvasT:
        context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        chosen = {"Comfy.VueNodes.Enabled": mode == "vue", **defaults, **settings}
        canvases.append(canvas := kind(context.new_page(), comfyui, label, **chosen))
        if mode == "vue" and canvas.frontend < FIRST_WITH_VUE_NODES:
            pytest.skip("this frontend has no Vue nodes yet")
        return canvas

    yield open_page
    for canvas in canvases:
        canvas.shot("end")
        canvas.page.context.close()
        assert canvas.complaints == [], canvas.complaints  # pytest shows no values of asserts in helpers


@pytest.fixture(scope="module")
def chromium(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A Chromium without a window; only the short part of the tests does without one."""
    if not CHROMIUM.exists():
        missing = pytest.skip if request.config.getoption("markexpr") == "short" else pytest.fail
        missing(f"There is no Chromium at {CHROMIUM}. Install one, or set CHROMIUM to its path.")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


@pytest.fixture
def opened(studio: ComfyUI, chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Opens the module's ComfyUI as somebody who was never there; nothing of ours complains while it is open."""
    with pages(studio, chromium, request, Canvas) as open_page:
        yield open_page
