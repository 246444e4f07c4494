"""The panel for batches in a real browser: planned by Run, sent after a yes, collected, and run again for nothing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.comfyui import KEY, ROOT, ComfyUI, named_with_frontend

try:
    from playwright.sync_api import Browser, Locator, expect
    from support.browser import Canvas, chromium, pages
except ModuleNotFoundError as exc:
    pytest.exit(f"The browser tests need Playwright for Python: pip install playwright ({exc})", returncode=2)

if TYPE_CHECKING:
    from support.scenarios import ScriptedSandbox

__all__ = ["chromium"]  # pytest finds it here

MODES = ("classic", "vue")
THEMES = ("dark", "light")
LANGUAGES = ("fr", "es", "ja", "ko", "zh")  # 1.58.1 has no German to choose
SERVICE = "openai batch"
NAMED = "service batch"  # in connections.json
SMALL = {"model": "gpt-image-2", "quality": "low", "size": "custom", "custom_width": 1024, "custom_height": 640}
COMMAND = "OpenAIImageNodes.Batches"
NARROW = 160  # pixels, less than ComfyUI's sidebar can be made
PICTURES = """() => app.graph._nodes.filter((node) => node.type === "SaveImage").some((node) =>
    (node.imgs ?? []).length > 0 || document.querySelector(`[data-node-id="${node.id}"] img`))"""
# What is cut off or lies over something else, and what is hard to read (WCAG: 4.5 to 1), by the words shown.
FAULTS = """(panel) => {
    const rgba = (colour) => {
        const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
        .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
        .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
    const below = (element) => {
        for (let one = element; one; one = one.parentElement) {
            const colour = rgba(getComputedStyle(one).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255];
    };
    const faults = [];
    const within = panel.getBoundingClientRect();
    const shown = [...panel.querySelectorAll("*")].filter((one) => one.getClientRects().length);
    for (const element of shown) {
        const box = element.getBoundingClientRect();
        if (box.left < within.left - 1 || box.right > within.right + 1) faults.push(`outside: ${element.textContent}`);
        const { clientWidth, scrollWidth } = element;
        if (clientWidth && scrollWidth > clientWidth + 1) faults.push(`cut: ${element.textContent}`);
        const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
        if (!own || element.disabled) continue;
        const [one, other] = [light(rgba(getComputedStyle(element).color)), light(below(element))];
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (contrast < 4.5) faults.push(`contrast ${contrast.toFixed(1)}: ${element.textContent}`);
    }
    const leaves = shown.filter((one) => one.matches("button, progress, h2, h3, span, strong, p"));
    leaves.forEach((one, place) => leaves.slice(place + 1).forEach((other) => {
        if (one.contains(other) || other.contains(one)) return;
        const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 1 && down > 1) faults.push(`over each other: ${one.textContent} / ${other.textContent}`);
    }));
    return faults;
}"""
Opened = Callable[..., "Page"]


class Page(Canvas):
    """A page of ComfyUI, with our panel."""

    @property
    def panel(self) -> Locator:
        """The panel."""
        return self.page.locator(".oin-batches")

    def show(self) -> Locator:
        """Open the panel as its menu entry does."""
        self.command(COMMAND)
        expect(self.panel.get_by_role("heading", name="Plan", exact=True)).to_be_visible()
        return self.panel

    def plan(self, connection: str, *seeds: int, prompt: str) -> None:
        """Run the example once for each seed over a connection that plans."""
        self.drop(ROOT / "example_workflows" / "Text to image.png")
        for widget, value in {**SMALL, "connection": connection, "prompt": prompt}.items():
            self.set(widget, value)
        for seed in seeds:
            self.set("seed", seed)
            self.run()
        self.settle(1500)

    def click(self, name: str | re.Pattern[str]) -> None:
        """Click a button of the panel."""
        self.panel.get_by_role("button", name=name).first.click()

    def answer(self, *, yes: bool) -> str:
        """Answer ComfyUI's own question and return what it said."""
        dialog = self.page.get_by_role("dialog").filter(has=self.page.get_by_role("button", name="Confirm")).last
        expect(dialog).to_be_visible()
        said = " ".join(dialog.inner_text().split())
        self.settle()
        self.shot("asked")
        dialog.get_by_role("button", name="Confirm" if yes else "Cancel").click()
        expect(dialog).to_be_hidden()
        return said

    def submit(self) -> str:
        """Submit the plan with a yes."""
        self.click(re.compile("^Submit"))
        return self.answer(yes=True)

    def collect(self) -> None:
        """Collect as soon as that can be done."""
        expect(self.panel.get_by_role("button", name="Collect")).to_be_enabled()
        self.click("Collect")
        expect(
            self.panel.get_by_text(
                "Run the workflow again: the pictures you paid for are read from your disk, at no cost."
            )
        ).to_be_visible()

    def has_pictures(self) -> bool:
        """Tell whether Save Image shows anything."""
        return bool(self.page.evaluate(PICTURES))

    def faults(self) -> list[str]:
        """Return what of the panel is cut, covered or hard to read."""
        return list(self.panel.evaluate(FAULTS))


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, service: ScriptedSandbox) -> Iterator[ComfyUI]:
    """ComfyUI with the pack, whose batches go to a service that can be told to be slow or to fail."""
    base_url = f"{service.base_url}/v1"
    account = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": base_url}
    studio = named_with_frontend(tmp_path_factory.mktemp("studio"), **account)
    connect(studio, {NAMED: {"base_url": base_url, "batch": True}})
    with studio as running:
        yield running


@pytest.fixture(autouse=True)
def batches(service: ScriptedSandbox, studio: ComfyUI) -> Iterator[ScriptedSandbox]:
    """The service that batches go to; nothing is planned and nothing on its way."""
    for folder in (studio.home / store / name for store in ("store", "sandbox_store") for name in ("batch", "pending")):
        shutil.rmtree(folder, ignore_errors=True)
    service.scenarios.plan()
    service.posts.clear()
    yield service
    service.scenarios.release()


@pytest.fixture
def opened(studio: ComfyUI, chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Opens ComfyUI as somebody who was never there; nothing of ours complains while it is open."""
    defaults = {"Comfy.ColorPalette": "dark", "Comfy.UseNewMenu": "Top"}
    with pages(studio, chromium, request, Page, **defaults) as open_page:
        yield open_page


def connect(studio: ComfyUI, entries: dict[str, Any]) -> None:
    """Write connections.json."""
    studio.home.mkdir(exist_ok=True)
    (studio.home / "connections.json").write_text(json.dumps({"connections": entries}), encoding="utf-8")


def told(studio: ComfyUI) -> Any:
    """Return what the server tells of plan and batches."""
    return studio.json("/openai_image_nodes/batch")


@pytest.mark.parametrize("mode", MODES)
def test_plan_becomes_pictures(opened: Opened, studio: ComfyUI, mode: str) -> None:
    """Run plans and shows no error and no picture; a no sends nothing, a yes does; then Run shows the pictures."""
    page = opened(mode)
    seeds = (1, 2, 3)
    page.plan("sandbox batch", *seeds, prompt=f"a lighthouse, {mode}")
    page.until(lambda: page.badge() == "free")
    assert page.errors() == 0
    assert not page.has_pictures()
    page.until(lambda: "No picture yet: it waits for a batch. Plan: 3 jobs, free." in page.text())
    page.shot("ran")
    assert told(studio)["count"] == len(seeds)
    panel = page.show()
    expect(panel.get_by_text("3 jobs, free").first).to_be_visible()
    page.shot("planned")
    assert page.faults() == []
    page.click(re.compile("^Submit"))
    said = page.answer(yes=False)
    assert "3 jobs, 2 KB, free" in said
    page.settle()
    assert [one for one in told(studio)["batches"] if one["open"]] == []
    assert told(studio)["count"] == len(seeds)
    page.submit()
    expect(panel.get_by_text("done, ready to be collected")).to_be_visible()
    page.shot("ready")
    page.collect()
    page.shot("collected")
    assert page.faults() == []
    for seed in seeds:
        page.set("seed", seed)
        page.run()
        page.shows_picture()
    page.settle()
    page.shot("ran again")
    assert page.errors() == 0
    assert told(studio)["count"] == 0


@pytest.mark.parametrize("mode", MODES)
def test_progress_is_shown_and_nothing_is_asked_for_twice(
    opened: Opened, studio: ComfyUI, batches: ScriptedSandbox, mode: str
) -> None:
    """Half done is shown as half done; after collecting, a run sends no request of its own."""
    from support.scenarios import BatchPlan

    batches.scenarios.plan(BatchPlan(hold_after=2))
    page = opened(mode)
    page.plan(SERVICE, 1, 2, 3, 4, prompt=f"A harbour at dusk, oil painting ({mode})")
    page.until(lambda: page.badge().startswith("~0.0"))
    assert batches.posts == {}
    panel = page.show()
    assert re.search(r"4 jobs, 2\sKB, 0\.0\d+\sUSD.*may take 24 hours", page.submit())
    expect(panel.get_by_text("under way, 2 of 4")).to_be_visible()
    assert panel.get_by_role("progressbar").first.get_attribute("value") == "2"
    expect(panel.get_by_role("button", name="Collect")).to_be_disabled()
    for seed in (5, 6):  # more is planned meanwhile, and stays planned
        page.set("seed", seed)
        page.run()
    expect(panel.get_by_role("button", name=re.compile("^Submit 2 jobs for about 0.003 USD"))).to_be_visible()
    page.shot("under way")
    assert page.faults() == []
    batches.scenarios.release()
    page.collect()
    posts = batches.posts.total()
    page.set("seed", 4)
    page.run()
    page.shows_picture()
    page.settle()
    page.shot("ran again")
    assert batches.posts.total() == posts
    assert [path for path in batches.posts if "/images/" in path] == []
    assert told(studio)["count"] == 2


def test_batch_is_cancelled_after_a_yes(opened: Opened, studio: ComfyUI, batches: ScriptedSandbox) -> None:
    """A no leaves it; after a yes, what was not begun is planned again, and can be forgotten."""
    from support.scenarios import BatchPlan

    batches.scenarios.plan(BatchPlan(hold_after=1))
    page = opened()
    page.plan(SERVICE, 1, 2, 3, prompt="never finished")
    panel = page.show()
    page.submit()
    expect(panel.get_by_text("under way, 1 of 3")).to_be_visible()
    page.click("Cancel")
    assert "charged" in page.answer(yes=False)
    page.settle()
    expect(panel.get_by_text("under way, 1 of 3")).to_be_visible()
    page.click("Cancel")
    page.answer(yes=True)
    page.collect()
    expect(panel.get_by_text("2 planned again").first).to_be_visible()
    page.shot("cancelled")
    assert told(studio)["count"] == 2
    page.click("Discard the plan")
    assert "2 jobs" in page.answer(yes=True)
    expect(panel.get_by_text("Nothing is planned.")).to_be_visible()
    assert told(studio)["count"] == 0


def test_failed_jobs_are_named_and_planned_again(opened: Opened, studio: ComfyUI, batches: ScriptedSandbox) -> None:
    """With the service's words, at the panel and at the node."""
    from support.scenarios import BatchPlan

    batches.scenarios.plan(BatchPlan(fail=0.5, failure="moderation_blocked"))
    page = opened()
    page.plan(SERVICE, 1, 2, prompt="something that the safety system may refuse")
    panel = page.show()
    page.submit()
    page.collect()
    expect(panel.get_by_text("rejected by the safety system")).to_be_visible()
    expect(panel.get_by_role("button", name="Remove")).to_be_visible()
    page.shot("failed")
    assert page.faults() == []
    batches.scenarios.plan()
    page.click("Plan failed ones again")
    expect(panel.get_by_text("rejected by the safety system")).to_be_hidden()
    expect(panel.get_by_role("button", name=re.compile("^Submit 1 job for about"))).to_be_visible()
    page.submit()
    page.collect()
    page.run()
    page.shows_picture()


def test_errors_are_told(opened: Opened, studio: ComfyUI, batches: ScriptedSandbox) -> None:
    """A refusal of the service for the whole batch, a connection that is gone, and a plan that changed meanwhile."""
    from support.scenarios import BatchPlan

    entries = json.loads((studio.home / "connections.json").read_text(encoding="utf-8"))["connections"]
    page = opened()
    page.plan(NAMED, 1, prompt="refused as a whole")
    panel = page.show()
    connect(studio, {})
    page.submit()
    expect(panel.get_by_role("alert")).to_contain_text(f"There is no connection called '{NAMED}'")
    page.shot("no connection")
    assert page.faults() == []
    connect(studio, entries)
    page.click(re.compile("^Submit"))
    page.until(lambda: page.page.get_by_role("button", name="Confirm").count() > 0)
    forget = """() => fetch("/openai_image_nodes/batch/forget", { method: "POST", body: "{}",
        headers: { "Content-Type": "application/json" } })"""
    page.page.evaluate(forget)
    page.answer(yes=True)
    expect(panel.get_by_role("alert")).to_contain_text("The plan has 0 jobs by now, not 1.")
    assert batches.posts == {}
    batches.scenarios.plan(BatchPlan(fail_validation="The model is not supported in the Batch API."))
    page.run()
    expect(panel.get_by_role("button", name=re.compile("^Submit 1 job"))).to_be_visible()
    page.submit()
    expect(panel.get_by_text("The model is not supported in the Batch API.")).to_be_visible()
    page.shot("refused")
    assert page.faults() == []


@pytest.mark.parametrize("theme", THEMES)
def test_panel_is_legible(opened: Opened, batches: ScriptedSandbox, theme: str) -> None:
    """In both themes and every language, also in the narrowest sidebar: nothing cut, nothing covered, good contrast."""
    from support.scenarios import BatchPlan

    batches.scenarios.plan(BatchPlan(fail=0.5, failure="moderation_blocked"))
    settings = {"Comfy.ColorPalette": theme, "Comfy.UseNewMenu": "Top"}
    page = opened(**settings)
    page.plan(SERVICE, 1, 2, prompt=f"a very long prompt without an end, {theme}, " * 3)
    page.show()
    page.submit()
    page.collect()
    batches.scenarios.plan(BatchPlan(hold_after=0))
    for seed in (3, 4):
        page.set("seed", seed)
        page.run()
        if seed == 3:
            page.submit()
    for language in ("en", *LANGUAGES):
        page.load(**settings, **{"Comfy.Locale": language})
        page.command(COMMAND)
        page.panel.locator("[data-key=submit]").wait_for()
        page.settle()
        page.shot(f"{language} wide")
        assert page.faults() == []
        page.panel.evaluate(f"(panel) => {{ panel.style.width = '{NARROW}px'; }}")
        page.settle()
        page.shot(f"{language} narrow")
        assert page.faults() == []


def test_panel_opens_as_a_dialog_where_there_is_no_sidebar(opened: Opened, studio: ComfyUI) -> None:
    """The old menu has no sidebar; Escape closes the dialog, and it opens again."""
    page = opened(**{"Comfy.UseNewMenu": "Disabled"})
    page.show()
    expect(page.page.get_by_role("dialog").filter(has=page.panel)).to_be_visible()
    page.shot("dialog")
    assert page.faults() == []
    page.page.keyboard.press("Escape")
    expect(page.panel).to_be_hidden()
    page.show()
    page.click("Close")
    expect(page.panel).to_be_hidden()


def test_panel_is_used_with_the_keyboard(opened: Opened, studio: ComfyUI, batches: ScriptedSandbox) -> None:
    """The focus stays where it is while what is around it is drawn again."""
    page = opened()
    page.plan(SERVICE, 11, prompt="by hand")
    panel = page.show()
    refresh = panel.get_by_role("button", name="Refresh")
    refresh.focus()
    page.page.keyboard.press("Enter")
    page.settle()
    expect(refresh).to_be_focused()
    page.page.keyboard.press("Tab")
    expect(panel.get_by_role("button", name=re.compile("^Submit"))).to_be_focused()
    page.set("seed", 12)
    page.command("Comfy.QueuePrompt")  # not by Run: a click would move the focus
    expect(panel.get_by_role("button", name=re.compile("^Submit 2 jobs"))).to_be_focused()
    page.click("Discard the plan")
    page.answer(yes=True)
    expect(panel.get_by_text("Nothing is planned.")).to_be_visible()


def test_settings_offer_no_key_for_batches(opened: Opened) -> None:
    """`openai batch` has that of openai."""
    page = opened()
    page.settings_panel()
    panel = page.page.locator(".oin-connections")
    expect(panel.get_by_text("uses the key of openai")).to_be_visible()
    assert panel.get_by_text("free, offline").count() == 2
    assert panel.locator("input[name='oin-key-openai batch'], input[name='oin-key-sandbox batch']").count() == 0
    panel.get_by_text("sandbox batch").scroll_into_view_if_needed()
    page.settle()
    page.shot("connections")
