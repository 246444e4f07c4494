"""The pack in a real ComfyUI in a real Chromium: dragged in, seen and driven as a person does.

COMFYUI_FRONTEND names the folder of another frontend than ComfyUI's own (its --front-end-root), CHROMIUM the browser.
"""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from support.comfyui import KEY, ROOT, ComfyUI, named_with_frontend
from support.faults import Fault, Faults

try:
    from playwright.sync_api import expect
    from support.browser import HEIGHT, SHOWN, WIDTH, Opened, chromium, opened
except ModuleNotFoundError as exc:
    pytest.exit(f"The browser tests need Playwright for Python: pip install playwright ({exc})", returncode=2)

if TYPE_CHECKING:
    from openai_image_nodes.sandbox import Sandbox

__all__ = ["chromium", "opened"]  # pytest finds them here

EXAMPLES = sorted(path.stem for path in (ROOT / "example_workflows").glob("*.json"))
SKETCHING_S = 2.0
LESS_THAN_ITS_TIME_MS = 10_000  # that a toast of ours is there for by itself
OURS = "OpenAI GPT Image"
MODES = ("classic", "vue")
LAST_WORD = re.compile("free on the sandbox|nothing (was )?paid")  # a picture that another test made costs nothing
FIRST_WITH_SEARCH_ALIASES = "search_aliases"
FIRST_WITH_WIDGETS_IN_SUBGRAPHS = (1, 49)
THUMBNAILS = "() => [...document.images].filter((one) => one.naturalWidth === 512).map((one) => one.src)"
STORE_KEY = """async (key) => (await fetch("/openai_image_nodes/key", { method: "POST",
    headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name: "openai", key }) })).status"""
CUT_HINTS = """(panel) => [...panel.querySelectorAll("input")].filter((field) => {
    const pen = document.createElement("canvas").getContext("2d");
    const { font, paddingLeft, paddingRight } = getComputedStyle(field);
    pen.font = font;
    const room = field.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
    return pen.measureText(field.placeholder).width > room;
}).map((field) => field.placeholder)"""
HELP_PICTURES = """(names) => names.every((name) => [...document.images].some((picture) =>
    picture.src.endsWith(`/docs/OIN_GPTImage/${name}`) && picture.naturalWidth > 0))"""
PLACES = """() => {
    const place = (left, top, width, height) => {
        const [x, y] = app.canvas.ds.convertOffsetToCanvas([left, top]);
        const { left: fromLeft, top: fromTop } = app.canvas.canvas.getBoundingClientRect();
        const { scale } = app.canvas.ds;
        return [x + fromLeft, y + fromTop, x + fromLeft + width * scale, y + fromTop + height * scale];
    };
    const titles = app.graph._groups
        .map(({ title, pos, size }) => [title, place(pos[0] + 8, pos[1] + 4, size[0] / 3, 22)]);
    const notes = app.graph._nodes.filter((node) => node.type === "MarkdownNote")
        .map(({ pos, size }) => ["note", place(pos[0] + 8, pos[1] + 44, size[0] - 16, size[1] - 60)]);
    return [...titles, ...notes];
}"""
LEAST_CONTRAST = {"title": 3.0, "note": 4.5}  # WCAG 2, for large letters and others
FEWEST_PIXELS = 10  # of a colour that letters have, beside those between it and the ground
WRAP = """() => {
    app.graph.convertToSubgraph(new Set(app.graph._nodes.filter((node) => node.type.startsWith("OIN_"))));
    return app.graph._nodes.find((node) => node.subgraph).type;
}"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, service: Sandbox) -> Iterator[ComfyUI]:
    """ComfyUI with the pack, and with a connection to a service that can be told to be slow or to fail."""
    studio = named_with_frontend(tmp_path_factory.mktemp("studio"))
    studio.connect(service=f"{service.base_url}/v1")
    with studio as running:
        yield running


def workflow(title: str) -> dict[str, Any]:
    """Return an example as its file has it."""
    return dict(json.loads((ROOT / "example_workflows" / f"{title}.json").read_text(encoding="utf-8")))


def ours(types: Iterable[str]) -> list[str]:
    """Return the types of our nodes, sorted: what the host has in the place of its own may have another name."""
    return sorted(kind for kind in types if kind.startswith("OIN_"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("title", EXAMPLES)
def test_example_is_dropped_run_and_dropped_again(opened: Opened, studio: ComfyUI, title: str, mode: str) -> None:
    """No node is missing, the picture appears, and the saved picture brings the same graph back."""
    canvas = opened(mode)
    canvas.drop(ROOT / "example_workflows" / f"{title}.png")
    assert ours(canvas.types()) == ours(node["type"] for node in workflow(title)["nodes"]) != []
    assert canvas.missing() == []
    canvas.shot("dropped")
    before = canvas.graph()
    canvas.run()
    canvas.shows_picture()
    canvas.shot("ran")
    canvas.empty()
    canvas.drop(studio.newest_picture(title))
    canvas.shot("restored")
    assert canvas.graph() == before


def contrast(area: Image.Image) -> float:
    """Return how much letters stand out from their ground (WCAG 2), by the colours in a picture of them."""
    colours = area.convert("RGB").getcolors(area.width * area.height)
    ground = luminance(max(colours)[1])
    letters = [luminance(colour) for count, colour in colours if count >= FEWEST_PIXELS]
    return max((max(one, ground) + 0.05) / (min(one, ground) + 0.05) for one in letters)


def luminance(colour: Any) -> float:
    """Return the relative luminance of red, green and blue, 0 to 255."""
    linear = [part / 3294.6 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("mode", MODES)
def test_titles_and_notes_of_examples_are_read(opened: Opened, mode: str, theme: str) -> None:
    """By the page's own pixels: a frontend may have colours of its own for what stands in a file."""
    canvas = opened(mode, **{"Comfy.ColorPalette": theme})
    canvas.drop(ROOT / "example_workflows" / "Text to image.png")
    canvas.shot(theme)
    page = Image.open(io.BytesIO(canvas.page.screenshot()))
    found = {what: contrast(page.crop(tuple(map(round, place)))) for what, place in canvas.page.evaluate(PLACES)}
    assert len(found) == 4
    least = {what: LEAST_CONTRAST["note" if what == "note" else "title"] for what in found}
    assert {what: found[what] for what in found if found[what] < least[what]} == {}


@pytest.mark.parametrize("words", ["gpt", "openai", "dall-e"])
def test_node_is_found_by_search(opened: Opened, studio: ComfyUI, words: str) -> None:
    """Double-click on the canvas, type, choose."""
    node = studio.json("/object_info/OIN_GPTImage")["OIN_GPTImage"]
    if words == "dall-e" and FIRST_WITH_SEARCH_ALIASES not in node:
        pytest.skip("this ComfyUI has no search aliases yet")
    canvas = opened()
    canvas.empty()
    canvas.page.mouse.dblclick(WIDTH // 2, HEIGHT // 2)
    canvas.settle()
    canvas.page.keyboard.type(words)
    found = canvas.page.get_by_text(OURS, exact=True).first
    expect(found).to_be_visible()
    canvas.shot("searched")
    option = canvas.page.get_by_role("option", name=re.compile(rf"^{OURS}(?! [\dGS])"))  # not those with a longer name
    (option.first if option.count() else found).click()
    canvas.settle()
    assert canvas.types() == ["OIN_GPTImage"]
    assert canvas.widget("control_after_generate") == "fixed"  # else every Run would buy a new picture
    canvas.shot("added")


@pytest.mark.parametrize("mode", MODES)
def test_node_is_dragged_from_the_library(opened: Opened, mode: str) -> None:
    """From the list at the left to where it is let go."""
    canvas = opened(mode)
    canvas.empty()
    canvas.page.keyboard.press("n")
    search = canvas.page.get_by_placeholder(re.compile("^Search( Nodes)?", re.IGNORECASE)).first
    search.fill(OURS)
    entry = canvas.page.get_by_text(OURS, exact=True).first
    entry.hover()
    canvas.settle()
    canvas.shot("listed")
    canvas.drag(entry, 1000, 250)
    assert canvas.types() == ["OIN_GPTImage"]
    canvas.page.keyboard.press("n")
    canvas.settle()
    canvas.shot("dragged")


def test_examples_are_in_the_template_browser(opened: Opened) -> None:
    """Each with its thumbnail; a click opens it."""
    canvas = opened()
    canvas.empty()
    canvas.command("Comfy.BrowseTemplates")
    entry = canvas.page.get_by_text(re.compile("^openai.image.nodes$", re.IGNORECASE)).last
    if not entry.is_visible():
        canvas.page.get_by_text(re.compile("^extensions$", re.IGNORECASE)).first.click()
    entry.click()
    seen: set[str] = set()
    for title in EXAMPLES:
        canvas.page.get_by_text(title, exact=True).first.scroll_into_view_if_needed()
        canvas.settle()
        seen.update(canvas.page.evaluate(THUMBNAILS))  # a grid may drop what is scrolled away
    assert len(seen) >= len(EXAMPLES)
    canvas.page.get_by_text(EXAMPLES[-2], exact=True).first.scroll_into_view_if_needed()
    canvas.settle()
    canvas.shot("listed")
    canvas.page.get_by_text(EXAMPLES[-1], exact=True).first.click()
    canvas.until(lambda: "OIN_GPTImage" in canvas.types())
    canvas.settle(1500)
    canvas.shot("opened")


def test_signed_out_run_stays_run(opened: Opened) -> None:
    """Nobody is asked to sign in for a node that needs no comfy.org account."""
    canvas = opened()
    canvas.drop(ROOT / "example_workflows" / "Text to image.png")
    expect(canvas.run_button()).to_be_visible()
    assert canvas.page.get_by_text(re.compile("sign in to run", re.IGNORECASE)).count() == 0


@pytest.mark.parametrize("mode", MODES)
def test_cancel_stops_at_once_and_without_an_error(opened: Opened, studio: ComfyUI, faults: Faults, mode: str) -> None:
    """At the click, although the answer is still to come."""
    canvas = opened(mode)
    canvas.drop(ROOT / "example_workflows" / "Text to image.png")
    canvas.set("connection", "service")
    canvas.set("prompt", f"never seen, {mode}")
    gate, before, ran = faults.hold(), faults.posts, len(studio.json("/history"))
    canvas.run_button().click()
    canvas.until(lambda: faults.posts > before)
    canvas.settle(2500)
    canvas.shot("waiting")
    canvas.cancel()
    canvas.until(lambda: len(studio.json("/history")) > ran)
    gate.set()
    run = studio.newest_run()
    assert run.end == "execution_interrupted", run.failure
    canvas.settle(1500)
    assert canvas.errors() == 0
    canvas.shot("cancelled")


def test_refusal_of_the_service_is_told_in_our_words(opened: Opened, faults: Faults) -> None:
    """What happened, what the service said, what to do; whole, in ComfyUI's own error box."""
    canvas = opened()
    canvas.drop(ROOT / "example_workflows" / "Text to image.png")
    canvas.set("connection", "service")
    canvas.set("prompt", "something that is refused")
    said = {"message": "Your request was rejected by the safety system.", "type": "image_generation_user_error"}
    body = json.dumps({"error": {**said, "code": "moderation_blocked", "param": None}}).encode()
    faults.add(Fault(status=400, body=body, headers={"Content-Type": "application/json"}))
    canvas.run()
    canvas.told("safety system")
    canvas.shot("refused")


def test_refusal_before_the_run_is_told_in_our_words(opened: Opened) -> None:
    """A model that lacks the chosen quality is named before anything runs, also at the node itself."""
    canvas = opened()
    canvas.drop(ROOT / "example_workflows" / "Text to image.png")
    canvas.set("model", "gpt-image-2")
    canvas.set("quality", "xhigh")
    canvas.until(lambda: "quality xhigh" in canvas.badge())
    canvas.settle()
    canvas.shot("told at the node")
    canvas.run_button().click()
    canvas.until(lambda: canvas.errors() > 0 or "Invalid input" in canvas.text())
    canvas.settle()
    canvas.shot("refused")
    assert canvas.text().count("quality xhigh is not available for gpt-image-2") >= 1
    expect(canvas.page.locator(".oin-note")).to_contain_text("quality xhigh is not available for gpt-image-2")


@pytest.mark.short
@pytest.mark.parametrize("mode", MODES)
def test_last_word_stays_after_the_run_and_a_reload(opened: Opened, mode: str) -> None:
    """What a run came to, and that one which ComfyUI answers itself was not paid."""
    canvas = opened(mode)
    canvas.drop(ROOT / "example_workflows" / "Text to image.png")
    canvas.set("seed", 100 + MODES.index(mode))
    size = canvas.graph_size()
    canvas.run()
    canvas.settle(1500)
    canvas.until(lambda: "done, free on the sandbox" in canvas.text())
    canvas.shot("done")
    canvas.page.reload(wait_until="domcontentloaded")
    canvas.until(lambda: "done, free on the sandbox" in canvas.text())
    assert canvas.graph_size() == size  # the line's room is no change of the workflow
    canvas.shot("reloaded")
    canvas.run()
    canvas.settle(1500)
    canvas.until(lambda: "the same picture: nothing was paid" in canvas.text())
    canvas.shot("from the cache")


@pytest.mark.short
@pytest.mark.parametrize("mode", MODES)
def test_reason_is_seen_with_what_to_do(opened: Opened, studio: ComfyUI, mode: str) -> None:
    """At the node and in a toast; the buttons open our settings and the help, and choose what works without a key."""
    canvas = opened(mode)
    canvas.drop(ROOT / "example_workflows" / "Text to image.png")
    canvas.set("connection", "openai")
    canvas.run()
    note = canvas.page.locator(".oin-note")
    expect(note).to_contain_text("openai: there is no key")
    canvas.settle()
    canvas.shot("told")
    assert canvas.text().count("openai: there is no key") >= 2
    canvas.page.keyboard.press("Escape")  # older frontends tell an error in a dialog
    toasts = canvas.page.locator(".p-toast, [data-testid=toast]").filter(has_text="openai: there is no key")
    note.get_by_role("button", name="Open settings").click()
    expect(canvas.page.locator(".oin-connections").get_by_text("sandbox", exact=True)).to_be_visible()
    expect(toasts).to_have_count(0, timeout=LESS_THAN_ITS_TIME_MS)  # it would cover the settings
    canvas.shot("settings")
    canvas.page.keyboard.press("Escape")
    canvas.settle()
    note.get_by_role("button", name="Show in help").click()
    expect(canvas.page.get_by_role("heading", name=OURS, exact=True).first).to_be_visible()
    canvas.shot("help")
    canvas.run()  # tells it again
    expect(toasts).to_have_count(1)
    canvas.settle()
    canvas.page.keyboard.press("Escape")  # the dialog of older frontends, as above
    note.get_by_role("button", name="Choose sandbox").click()
    expect(note).to_be_hidden()
    expect(toasts).to_have_count(0, timeout=LESS_THAN_ITS_TIME_MS)
    assert canvas.widget("connection") == "sandbox"
    canvas.run()
    assert studio.newest_run().end == "execution_success", studio.newest_run().failure


@pytest.mark.short
@pytest.mark.parametrize("mode", MODES)
def test_widgets_and_price_follow_what_is_chosen(opened: Opened, mode: str) -> None:
    """What is not used is hidden, in place and with its value; the badge shows what the run will cost."""
    canvas = opened(mode)
    canvas.drop(ROOT / "example_workflows" / "Text to image.png")
    canvas.until(lambda: canvas.badge() == "free")
    saved = canvas.graph()
    assert not {"custom_width", "output_compression"} & set(canvas.visible_widgets())
    assert "input_fidelity" in canvas.visible_widgets()
    for widget, value in {"connection": "comfy.org", "model": "gpt-image-2", "size": "1024x1024"}.items():
        canvas.set(widget, value)
    canvas.until(lambda: canvas.badge() == "no account yet")  # nobody is signed in
    canvas.settle()
    canvas.shot("no account")
    canvas.set("connection", "openai")
    canvas.until(lambda: canvas.badge() == "no key yet")
    assert canvas.page.evaluate(STORE_KEY, KEY) == 200
    canvas.set("n", 2)
    canvas.until(lambda: canvas.badge().startswith("~0.0"))
    canvas.until(lambda: "input_fidelity" not in canvas.visible_widgets())
    canvas.set("quality", "auto")
    canvas.until(lambda: re.fullmatch(r"0\.\d+-0\.\d+ USD", canvas.badge()) is not None)
    for widget, value in {"size": "custom", "output_format": "webp"}.items():
        canvas.set(widget, value)
    canvas.until(lambda: {"custom_width", "custom_height", "output_compression"} <= set(canvas.visible_widgets()))
    canvas.settle()
    canvas.shot("custom")
    for node in saved["nodes"]:
        if node[1] == "OIN_GPTImage":
            before = len(node[2])
    [after] = [len(node[2]) for node in canvas.graph()["nodes"] if node[1] == "OIN_GPTImage"]
    assert after == before
    assert canvas.page.evaluate(STORE_KEY, None) == 200


@pytest.mark.parametrize("mode", MODES)
def test_badges_ask_again_after_a_key_was_saved_and_show_sums(opened: Opened, mode: str) -> None:
    """At the node, at the list that drives it, and at a subgraph around both."""
    canvas = opened(mode)
    canvas.drop(ROOT / "example_workflows" / "Prompt list.png")
    canvas.until(lambda: canvas.badge("OIN_PromptList") == "6 rows: free")
    for widget, value in {"connection": "openai", "model": "gpt-image-2"}.items():
        canvas.set(widget, value)
    canvas.until(lambda: (canvas.badge(), canvas.badge("OIN_PromptList")) == ("no key yet", "no key yet"))
    canvas.settings_panel()
    field = canvas.page.locator(".oin-connections input[name=oin-key-openai]")
    field.fill(KEY)
    field.press("Enter")
    canvas.until(lambda: re.fullmatch(r"6 rows: 0\.\d+-0\.\d+ USD", canvas.badge("OIN_PromptList")) is not None)
    assert canvas.badge().endswith(" USD")
    canvas.page.keyboard.press("Escape")
    canvas.settle()
    canvas.shot("priced")
    total = canvas.badge("OIN_PromptList").removeprefix("6 rows: ")
    if not canvas.page.evaluate("() => Boolean(app.graph.convertToSubgraph)"):
        pytest.skip("this frontend has no subgraphs yet")
    kind = canvas.page.evaluate(WRAP)
    canvas.until(lambda: total in canvas.badges(kind))
    canvas.settle(1500)
    canvas.shot("subgraph")
    assert canvas.page.evaluate(STORE_KEY, None) == 200


@pytest.mark.parametrize("mode", MODES)
def test_subgraph_says_what_the_node_inside_says(opened: Opened, mode: str) -> None:
    """After the run; what is saved of its node knows nothing of it."""
    canvas = opened(mode)
    if canvas.frontend < FIRST_WITH_WIDGETS_IN_SUBGRAPHS:
        pytest.skip("this frontend's subgraphs have no widgets of their own yet")
    canvas.drop(ROOT / "example_workflows" / "Text to image.png")
    kind = canvas.page.evaluate(WRAP)
    size = canvas.graph_size(kind)
    canvas.run()
    note = canvas.page.locator(".oin-note:visible", has_text=LAST_WORD)
    expect(note).to_have_count(1)
    canvas.shot("ran")
    assert canvas.graph_size(kind) == size


def test_app_mode_shows_price_and_last_word(opened: Opened, tmp_path: Path) -> None:
    """Above its Run button: the nodes, which say both, are not to be seen there."""
    canvas = opened()
    app = workflow("Text to image")
    node = {node["type"]: node["id"] for node in app["nodes"]}
    inputs = [[node["OIN_GPTImage"], name] for name in ("prompt", "connection")]
    app["extra"] = {"linearMode": True, "linearData": {"inputs": inputs, "outputs": [node["SaveImage"]]}}
    (tmp_path / "app.json").write_text(json.dumps(app), encoding="utf-8")
    canvas.drop(tmp_path / "app.json")
    canvas.page.keyboard.press("Escape")  # what welcomes a person who was never there
    if not canvas.page.locator("[data-testid=linear-run-button]").count():
        pytest.skip("this frontend has no app mode yet")
    said = canvas.page.locator(".oin-app")
    expect(said).to_have_text("OpenAI Image Nodes: free")
    ran = len(canvas.comfyui.json("/history"))
    canvas.page.locator("[data-testid=linear-run-button] button").last.click()
    canvas.until(lambda: len(canvas.comfyui.json("/history")) > ran)
    expect(said).to_contain_text(LAST_WORD)
    canvas.settle(1500)
    canvas.shot("ran")


def test_key_is_stored_in_the_settings_and_never_shown(opened: Opened, studio: ComfyUI) -> None:
    """It goes in once; no page, no route and no setting has it afterwards."""
    canvas = opened()
    canvas.settings_panel()
    panel = canvas.page.locator(".oin-connections")
    expect(panel.get_by_text("sandbox", exact=True)).to_be_visible()
    canvas.shot("connections")
    field = panel.locator("input[name=oin-key-openai]")
    assert field.get_attribute("type") == "password"
    field.fill(KEY)
    field.press("Enter")
    expect(panel.get_by_text("Saved.")).to_be_visible()
    waiting = panel.locator("> div").filter(has_text="not ready").locator("strong").all_inner_texts()
    assert set(waiting) - {"comfy.org"} == {"azure"}  # who is signed in there is not known to every frontend
    canvas.shot("stored")
    assert KEY not in canvas.page.content()
    assert all(entry.input_value() == "" for entry in panel.locator("input").all())
    for path in ("/openai_image_nodes/connections", "/settings", "/object_info/OIN_GPTImage"):
        assert KEY not in studio.file(path).text
    panel.get_by_role("button", name="Remove").click()
    expect(panel.get_by_text("Removed.")).to_be_visible()
    assert KEY not in (studio.home / "connections.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("language", ["en", "fr", "es", "ja"])
def test_hints_of_the_settings_are_read_whole(opened: Opened, language: str) -> None:
    """What is to be typed stands in the fields, also in those that are folded away."""
    canvas = opened(**{"Comfy.Locale": language})
    canvas.settings_panel()
    panel = canvas.page.locator(".oin-connections")
    for summary in panel.locator("summary").all():
        summary.click()
    canvas.shot("unfolded")
    assert panel.locator("input").count() > 5
    assert panel.evaluate(CUT_HINTS) == []


@pytest.mark.parametrize("language", ["en", "fr", "es"])
def test_help_page_opens_with_its_pictures(opened: Opened, language: str) -> None:
    """In the language of the interface."""
    canvas = opened(**{"Comfy.Locale": language})
    canvas.drop(ROOT / "example_workflows" / "Text to image.png")
    canvas.select("OIN_GPTImage")
    canvas.show_help()
    page = (ROOT / "web" / "docs" / "OIN_GPTImage" / f"{language}.md").read_text(encoding="utf-8")
    heading = page.splitlines()[0].removeprefix("# ")
    expect(canvas.page.get_by_role("heading", name=heading, exact=True).first).to_be_visible()
    pictures = re.findall(r"!\[[^]]+\]\(OIN_GPTImage/(.+?)\)", page)
    assert len(pictures) > 1
    canvas.page.wait_for_function(HELP_PICTURES, arg=pictures)
    canvas.settle()
    canvas.shot("help")


@pytest.mark.parametrize("mode", MODES)
def test_sketches_show_in_the_node_while_it_runs(opened: Opened, studio: ComfyUI, faults: Faults, mode: str) -> None:
    """Before the answer is whole, there is a picture in the node that asked, and none in Save Image."""
    canvas = opened(mode)
    canvas.drop(ROOT / "example_workflows" / "Text to image.png")
    for widget, value in {"connection": "service", "live_preview": 3, "seed": MODES.index(mode)}.items():
        canvas.set(widget, value)
    ran = len(studio.json("/history"))
    faults.add(Fault(slow_s=SKETCHING_S, gate_at_end=(gate := threading.Event())))
    canvas.run_button().click()
    canvas.shows_picture("OIN_GPTImage")
    canvas.settle(1500)
    canvas.shot("sketch")
    assert len(studio.json("/history")) == ran
    assert not canvas.page.evaluate(SHOWN, "SaveImage")
    gate.set()
    canvas.until(lambda: len(studio.json("/history")) > ran)
    assert studio.newest_run().end == "execution_success", studio.newest_run().failure
    canvas.shows_picture()
    canvas.settle()
    canvas.shot("done")


@pytest.mark.parametrize("mode", MODES)
def test_text_of_strangers_is_text_in_the_page(opened: Opened, studio: ComfyUI, mode: str) -> None:
    """A list's node names the columns that it does not use; older frontends take what a node says for markup."""
    columns = "prompt,<img src=x onerror=window.ran=1>,[[here|https://strangers.example]]"
    (studio.base / "input" / "strange.csv").write_text(f"{columns}\na fox in {mode},1,2\n", encoding="utf-8")
    canvas = opened(mode)
    canvas.drop(ROOT / "example_workflows" / "Prompt list.png")
    for widget, value in {"text": "", "file": "strange.csv", "start": 1, "limit": 0, "portion": 1}.items():
        canvas.set(widget, value, "OIN_PromptList")
    canvas.run()
    assert studio.newest_run().end == "execution_success", studio.newest_run().failure
    canvas.until(lambda: "columns not used" in canvas.text())
    canvas.settle()
    canvas.shot("told")
    assert canvas.page.evaluate("() => window.ran ?? null") is None
    assert canvas.page.locator("a[href*='strangers.example']").count() == 0
