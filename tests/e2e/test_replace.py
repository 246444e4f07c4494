"""Workflows made with ComfyUI's own OpenAI image nodes become ours: its templates, its prompts, its missing nodes.

COMFYUI_TEMPLATES names folders with the templates; else they are those of COMFYUI_PYTHON's environment.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from support import templates
from support.browser import HEIGHT, WIDTH, Canvas, Opened, chromium, pages
from support.comfyui import KEY, ROOT, ComfyUI, named_with_frontend

__all__ = ["chromium"]  # pytest finds it here
LABEL = "Replace built-in OpenAI image nodes"
FIRST_WITH_SWAP = (1, 50)
NODE_V2 = "OpenAIGPTImageNodeV2"
COMMAND = "OpenAIImageNodes.ReplaceBuiltIn"
PHOTOS = sorted(path for path in (ROOT / "example_workflows" / "input").glob("oin-example-*") if path.suffix != ".csv")
API_NODES = {"with API nodes": [], "without API nodes": ["--disable-api-nodes"]}
TEMPLATES = sorted(templates.found()) or [
    pytest.param("", marks=pytest.mark.skip("no templates found: set COMFYUI_TEMPLATES to a folder with them"))
]
OURS = """() => {
    const links = [...(app.graph.links.values?.() ?? Object.values(app.graph.links))];
    const named = (node, name) => node.inputs.findIndex((input) => input.name === name);
    const into = (node, name) => links.find((link) =>
        String(link.target_id) === String(node.id) && link.target_slot === named(node, name));
    const source = (link) => app.graph.getNodeById(link.origin_id);
    const collected = (node) => {
        const before = into(node, "references");
        const own = [1, 2, 3, 4, 5, 6, 7, 8].map((number) => into(node, `image_${number}`)).filter(Boolean);
        return [...(before ? collected(source(before)) : []), ...own.map(source)];
    };
    return app.graph._nodes.filter((node) => node.type === "OIN_GPTImage").map((node) => {
        const [first, more] = [into(node, "image"), into(node, "references")];
        const pictures = [...(first ? [source(first)] : []), ...(more ? collected(source(more)) : [])];
        const out = links.filter((link) => String(link.origin_id) === String(node.id));
        return {
            values: Object.fromEntries(node.widgets.map((widget) => [widget.name, widget.value])),
            pictures: pictures.map((picture) => (picture.type === "OIN_GPTImage" ? "ours" : Number(picture.id))),
            linked: ["prompt", "mask"].filter((name) => into(node, name)),
            out: out.map((link) => link.origin_slot),
        };
    });
}"""
OPENAI_PART = """() => {
    const { graph } = app;
    const kept = /^(OIN_|LoadImage$|SaveImage$|Reroute$|Primitive|String|ImageBatch$|MarkdownNote$|Note$)/;
    const known = (node) => node.type in LiteGraph.registered_node_types || node.type === "MarkdownNote";
    const dropped = graph._nodes.filter((node) => !kept.test(node.type) || !known(node));
    dropped.forEach((node) => graph.remove(node));
    const idle = (node) => node.type === "SaveImage" && !node.isInputConnected(0);
    graph._nodes.filter(idle).forEach((node) => graph.remove(node));
    graph._nodes.filter((node) => node.type === "OIN_GPTImage").forEach((node, number) => {
        const set = (name, value) => {
            const widget = node.widgets.find((widget) => widget.name === name);
            widget.value = value;
            widget.callback?.(value);
        };
        set("connection", "sandbox");
        const prompt = node.inputs.findIndex((input) => input.name === "prompt");
        if (!node.isInputConnected(prompt) && !node.widgets[0].value) set("prompt", "what another node wrote");
        if (node.isOutputConnected(0)) return;
        const save = LiteGraph.createNode("SaveImage");
        save.pos = [node.pos[0] + node.size[0] + 60, node.pos[1]];
        graph.add(save);
        node.connect(0, save, 0);
    });
    return dropped.map((node) => node.type);
}"""
CHANGE_PROMPT = """([kind, text]) => {
    const node = app.graph._nodes.find((node) => node.type === kind || node.last_serialization?.type === kind);
    const widget = node.widgets?.find((widget) => widget.name === "prompt");
    if (widget) widget.value = text;
    return Boolean(widget);
}"""


@pytest.fixture(scope="module", params=API_NODES)
def studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    """ComfyUI with its API nodes, then without."""
    with named_with_frontend(tmp_path_factory.mktemp("studio"), *API_NODES[request.param]) as running:
        yield running


@pytest.fixture
def opened(studio: ComfyUI, chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Opens ComfyUI with a workflow; nothing of ours complains while it is open."""

    def open_page(workflow: dict[str, Any], mode: str = "classic", **settings: Any) -> Canvas:
        for number, name in enumerate(templates.files_of(workflow)):
            target = studio.base / "input" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PHOTOS[number % len(PHOTOS)], target)
        canvas = open_empty(mode, **settings)
        canvas.page.evaluate("(workflow) => app.loadGraphData(workflow)", workflow)
        canvas.settle(1500)
        canvas.page.keyboard.press("Escape")  # older frontends tell about missing nodes in a dialog
        canvas.settle()
        return canvas

    with pages(studio, chromium, request, Canvas) as open_empty:
        yield open_page


def replace(canvas: Canvas) -> str:
    """Do what the menu entry does and return what it tells."""
    canvas.command(COMMAND)
    return told(canvas)


def told(canvas: Canvas) -> str:
    message = canvas.page.get_by_text(re.compile("^(Built-in nodes replaced|There is no built-in)")).last
    expect(message).to_be_visible()
    return canvas.text()


def built_in(canvas: Canvas) -> list[str]:
    return [kind for kind in canvas.types() if kind in templates.BUILT_IN]


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_becomes_ours_and_runs(opened: Opened, studio: ComfyUI, name: str) -> None:
    """No built-in node is left, values and links are those of the file, and the sandbox makes the picture."""
    workflow = json.loads(templates.found()[name].read_text(encoding="utf-8"))
    theirs = templates.built_in(templates.found()[name])
    canvas = opened(workflow)
    assert len(built_in(canvas)) == len(theirs)
    canvas.shot("loaded")
    words = replace(canvas)
    canvas.shot("replaced")
    assert f"Built-in nodes replaced: {len(theirs)}" in words
    assert "not carried over" not in words
    assert built_in(canvas) == []
    check(workflow, theirs, canvas.page.evaluate(OURS))
    for node in theirs:
        if node["widgets_values"][1] == "gpt-image-1":
            assert "gpt-image-1 \u2192 gpt-image-2.5-sunburst (shut down)" in words
    dropped = canvas.page.evaluate(OPENAI_PART)
    canvas.page.keyboard.press("Escape")  # the dialog about missing nodes may come late
    canvas.command("Comfy.Canvas.FitView")  # what is not to be seen is not drawn
    canvas.run()
    assert studio.newest_run().end == "execution_success", (studio.newest_run().failure, dropped)
    canvas.shows_picture()
    canvas.shot(f"ran without {len(dropped)} others" if dropped else "ran")


def check(workflow: dict[str, Any], theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> None:
    """Compare our nodes with the file, by prompt and seed."""
    assert len(ours) == len(theirs)
    kinds = {node["id"]: node["type"] for node in workflow["nodes"]}
    left = list(ours)
    for node in theirs:
        wanted = {name: value for name, value in templates.settings(node).items() if value is not None}
        fit = [entry for entry in left if {name: entry["values"][name] for name in wanted} == wanted]
        assert fit, (wanted, left)
        left.remove(fit[0])
        sources = templates.pictures(workflow, node)
        assert fit[0]["pictures"] == ["ours" if kinds[source] in templates.BUILT_IN else source for source in sources]
        assert set(fit[0]["linked"]) == templates.linked(node)
        assert fit[0]["out"] == [0] * len(node["outputs"][0]["links"] or [])
        assert fit[0]["values"]["moderation"] == "low"  # as the built-in node sends it


def v2_workflow(images: int, *, mask: bool = False, **node: Any) -> dict[str, Any]:
    """Return a workflow as ComfyUI 0.28 saves it: so many Load Image nodes, the built-in node, Save Image."""
    names = [f"{NODE_V2}-{number}.png" for number in range(1, images + 1)]
    sources = [
        {
            **{"id": 10 + number, "type": "LoadImage", "pos": [-700, 360 * number], "size": [300, 320], "mode": 0},
            "outputs": [
                {"name": "IMAGE", "type": "IMAGE", "links": [number + 1]},
                {"name": "MASK", "type": "MASK", "links": [90] if mask and number == 0 else None},
            ],
            "widgets_values": [name, "image"],
        }
        for number, name in enumerate(names)
    ]
    sockets = [{"name": f"model.images.image_{n}", "type": "IMAGE", "link": n} for n in range(1, images + 1)]
    built = {
        **{"id": 2, "type": NODE_V2, "pos": [0, 0], "size": [500, 400], "mode": 0},
        "inputs": [*sockets, {"name": "model.mask", "type": "MASK", "link": 90 if mask else None}],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [50]}],
        "widgets_values": ["a fox", "gpt-image-2", "Custom", 1280, 768, "opaque", "medium", 2, 77, "fixed"],
        **node,
    }
    save = {
        **{"id": 3, "type": "SaveImage", "pos": [700, 0], "size": [300, 300], "mode": 0},
        "inputs": [{"name": "images", "type": "IMAGE", "link": 50}],
        "widgets_values": ["replaced"],
    }
    links = [[n, 9 + n, 0, 2, n - 1, "IMAGE"] for n in range(1, images + 1)]
    more = [[90, 10, 1, 2, images, "MASK"]] if mask else []
    common = {"flags": {}, "properties": {}}
    nodes = [{**common, "order": order, **node} for order, node in enumerate([*sources, built, save])]
    ends = {"last_node_id": 99, "last_link_id": 99, "groups": [], "config": {}, "extra": {}, "version": 0.4}
    return {"nodes": nodes, "links": [*links, *more, [50, 2, 0, 3, 0, "IMAGE"]], **ends}


def test_sixteen_pictures_keep_their_order(opened: Opened, studio: ComfyUI) -> None:
    """The first on image, fifteen in two collecting nodes; custom sizes and two pictures too."""
    canvas = opened(v2_workflow(16))
    replace(canvas)
    [ours] = canvas.page.evaluate(OURS)
    assert ours["pictures"] == list(range(10, 26))
    shown = ("prompt", "model", "size", "custom_width", "custom_height", "background", "quality", "n", "seed")
    assert [ours["values"][name] for name in shown] == [
        *("a fox", "gpt-image-2", "custom", 1280, 768, "opaque", "medium", 2, 77)
    ]
    canvas.page.evaluate(OPENAI_PART)
    canvas.run()
    assert studio.newest_run().end == "execution_success", studio.newest_run().failure
    assert len(studio.newest_run().images) == 2


def test_file_is_believed_where_the_host_does_not_know_the_model(opened: Opened) -> None:
    """Such a host puts values elsewhere and drops links; what a person changes afterwards comes first."""
    values = ["a fox", "gpt-image-2.5-flare", "Custom", 1280, 768, "opaque", "medium", 2, 183495656, "randomize"]
    canvas = opened(v2_workflow(8, mask=True, widgets_values=values))
    canvas.settle()
    is_known = canvas.page.evaluate(CHANGE_PROMPT, [NODE_V2, "a cat"])
    replace(canvas)
    canvas.shot("replaced")
    [ours] = canvas.page.evaluate(OURS)
    assert (ours["pictures"], ours["linked"]) == (list(range(10, 18)), ["mask"])
    shown = ("model", "size", "custom_width", "custom_height", "background", "quality", "n", "seed")
    assert [ours["values"][name] for name in shown] == ["gpt-image-2.5-flare", "custom", *values[3:9]]
    assert ours["values"]["control_after_generate"] == "randomize"
    assert ours["values"]["prompt"] == ("a cat" if is_known else "a fox")


@pytest.mark.parametrize("mode", ["classic", "vue"])
def test_looks_are_kept_and_one_undo_brings_everything_back(opened: Opened, mode: str) -> None:
    """Title, colour, place, mute and the mask's link; then Ctrl+Z."""
    canvas = opened(v2_workflow(2, mask=True, title="My fox", color="#233", bgcolor="#355", mode=4, pos=[40, 60]), mode)
    before = canvas.graph()
    replace(canvas)
    canvas.shot("replaced")
    look = canvas.page.evaluate(
        """() => {
            const node = app.graph._nodes.find((node) => node.type === "OIN_GPTImage");
            return [node.title, node.color, node.bgcolor, node.mode, [...node.pos].map(Math.round), node.size[0]];
        }"""
    )
    assert look == ["My fox", "#233", "#355", 4, [40, 60], 500]
    [ours] = canvas.page.evaluate(OURS)
    assert (ours["pictures"], ours["linked"]) == ([10, 11], ["mask"])
    canvas.page.mouse.click(WIDTH // 2, HEIGHT - 60)
    canvas.page.keyboard.press("Control+z")
    canvas.until(lambda: built_in(canvas) == [NODE_V2])
    canvas.settle()
    assert "OIN_References" not in canvas.types()
    assert canvas.graph()["links"] == before["links"]


def test_entry_is_in_the_menu_and_says_when_there_is_nothing(opened: Opened) -> None:
    """By the mouse: menu, Edit, the entry."""
    canvas = opened(v2_workflow(1))
    for expected in ("Built-in nodes replaced: 1", "There is no built-in OpenAI image node"):
        canvas.page.locator(".comfy-menu-button-wrapper, .comfyui-logo, [data-testid=comfy-menu-button]").first.click()
        canvas.settle()
        canvas.page.get_by_role("menuitem", name="Edit", exact=True).first.hover()
        entry = canvas.page.get_by_role("menuitem", name=LABEL).first
        expect(entry).to_be_visible()
        canvas.shot("menu")
        entry.click()
        expect(canvas.page.get_by_text(expected).last).to_be_visible()
        canvas.settle()
    canvas.shot("nothing")


def test_entry_is_in_the_menu_of_the_canvas_while_there_is_something(opened: Opened) -> None:
    """A right click beside the nodes."""
    canvas = opened(v2_workflow(1))
    canvas.page.mouse.click(WIDTH // 2, HEIGHT - 60, button="right")
    entry = canvas.page.get_by_text(LABEL, exact=True).first
    expect(entry).to_be_visible()
    canvas.shot("menu")
    entry.click()
    told(canvas)
    assert built_in(canvas) == []
    canvas.page.mouse.click(WIDTH // 2, HEIGHT - 60, button="right")
    canvas.settle()
    assert canvas.page.get_by_text(LABEL, exact=True).count() == 0


def test_nodes_inside_a_subgraph_are_replaced(opened: Opened, studio: ComfyUI) -> None:
    """With the links that come from outside and go back there."""
    canvas = opened(v2_workflow(2))
    if not canvas.page.evaluate("() => Boolean(app.graph.convertToSubgraph)"):
        pytest.skip("this frontend has no subgraphs yet")
    canvas.page.evaluate(
        f"() => void app.graph.convertToSubgraph(new Set([app.graph._nodes.find((n) => n.type === '{NODE_V2}')]))"
    )
    canvas.settle()
    assert built_in(canvas) == []
    within = "() => [...app.graph.subgraphs.values()].flatMap((graph) => graph._nodes.map((node) => node.type))"
    if NODE_V2 not in canvas.page.evaluate(within):
        pytest.skip("this frontend loses nodes that it does not know when it makes a subgraph")
    assert "Built-in nodes replaced: 1" in replace(canvas)
    canvas.shot("replaced")
    inside = """() => [...app.graph.subgraphs.values()].flatMap((graph) => graph._nodes.map((node) => [node.type,
        (node.inputs ?? []).filter((_, slot) => node.isInputConnected(slot)).map((input) => input.name)]))"""
    found = dict(canvas.page.evaluate(inside))
    assert found["OIN_References"] == ["image_1"]
    assert set(found["OIN_GPTImage"]) >= {"image", "references"}
    canvas.page.evaluate(
        """() => [...app.graph.subgraphs.values()].forEach((graph) => graph._nodes.forEach((node) => {
            const widget = node.widgets?.find((widget) => widget.name === "connection");
            if (widget) widget.value = "sandbox";
        }))"""
    )
    canvas.run()
    assert studio.newest_run().end == "execution_success", studio.newest_run().failure


def test_comfyui_own_swap_of_missing_nodes_keeps_every_picture(opened: Opened) -> None:
    """It knows one picture and takes values by position; the extension completes what it leaves out."""
    workflow = v2_workflow(3)
    node = next(node for node in workflow["nodes"] if node["type"] == NODE_V2)
    node["widgets_values"] = ["a fox", "gpt-image-1", "auto", "transparent", "high", 2, 77, "fixed"]
    canvas = opened(workflow)
    details = canvas.page.get_by_role("button", name="View details")
    if canvas.frontend < FIRST_WITH_SWAP or not details.count():
        pytest.skip("this ComfyUI offers no swap of missing nodes")
    details.first.click()
    swap = canvas.page.get_by_role("button", name="Replace All")
    expect(swap.first).to_be_visible()
    canvas.shot("offered")
    swap.first.click()
    canvas.until(lambda: "OIN_References" in canvas.types())
    canvas.settle()
    canvas.shot("swapped")
    [ours] = canvas.page.evaluate(OURS)
    assert ours["pictures"] == [10, 11, 12]
    shown = ("prompt", "model", "size", "background", "quality", "n", "seed", "moderation")
    assert [ours["values"][name] for name in shown] == [
        *("a fox", "gpt-image-2.5-sunburst", "auto", "transparent", "high", 2, 77, "low")
    ]
    assert "gpt-image-1 \u2192 gpt-image-2.5-sunburst" in canvas.text()


@pytest.mark.parametrize("language", ["fr", "ja"])
def test_entry_and_answer_are_translated(opened: Opened, language: str) -> None:
    """In the language of the interface."""
    texts = json.loads((ROOT / "locales" / language / "main.json").read_text(encoding="utf-8"))["openaiImageNodes"]
    canvas = opened(v2_workflow(1), **{"Comfy.Locale": language})
    canvas.command(COMMAND)
    expect(canvas.page.get_by_text(f"{texts['replaced']}{texts['colon']}1").last).to_be_visible()
    canvas.shot("told")


# ---- prompts that are posted


def posted(kind: str, inputs: dict[str, Any], *, output: int = 0, meta: bool = True) -> dict[str, Any]:
    """Return a prompt with a built-in node between two photographs and Save Image."""
    photos = {f"p{n}": {"class_type": "LoadImage", "inputs": {"image": photo.name}} for n, photo in enumerate(PHOTOS)}
    prompt: dict[str, Any] = {
        **photos,
        "node": {"class_type": kind, "inputs": inputs},
        "save": {"class_type": "SaveImage", "inputs": {"images": ["node", output], "filename_prefix": "posted"}},
    }
    return {key: {**node, **({"_meta": {"title": key}} if meta else {})} for key, node in prompt.items()}


V2_INPUTS = {
    **{"prompt": "a fox", "model": "gpt-image-2", "model.size": "Custom", "model.custom_width": 1024, "seed": 3},
    **{"model.custom_height": 768, "model.background": "auto", "model.quality": "low", "n": 1},
}
V3_INPUTS = {
    **{"model": "gpt-image-2.6-flare", "model.prompt": "a fox", "model.size": "1024x1024", "model.quality": "low"},
    **{"model.background": "auto", "model.complexity": "low", "model.seed": 4, "model.n": 1},
}


@pytest.mark.parametrize("meta", [True, False], ids=["as browsers post it", "as scripts post it"])
@pytest.mark.parametrize(
    ("kind", "inputs", "pictures"),
    [
        (NODE_V2, V2_INPUTS, 0),
        (NODE_V2, V2_INPUTS, 1),
        (NODE_V2, V2_INPUTS, 2),
        ("OpenAIGPTImageNodeV3", V3_INPUTS, 0),
        ("OpenAIGPTImageNodeV3", V3_INPUTS, 2),
        ("OpenAIGPTImage1", {"prompt": "a fox", "size": "Custom", "model": "gpt-image-2"}, 0),
    ],
)
def test_posted_prompt_runs_on_ours(
    without_api_nodes: ComfyUI, kind: str, inputs: dict[str, Any], pictures: int, meta: bool
) -> None:
    """All pictures reach the service, whatever ComfyUI's version; with or without what ComfyUI 0.20 asks for."""
    links = {f"model.images.image_{number + 1}": [f"p{number}", 0] for number in range(pictures)}
    run = without_api_nodes.run(posted(kind, {**inputs, **links}, meta=meta))
    assert run.end == "execution_success", run.failure
    assert len(run.images) == 1
    ran = without_api_nodes.json(f"/history/{run.prompt_id}")[run.prompt_id]["prompt"][2]
    assert ran["node"]["class_type"] == "OIN_GPTImage"
    assert ran["node"]["inputs"].get("image") == (["p0", 0] if pictures else None)
    collected = [node["inputs"] for node in ran.values() if node["class_type"] == "OIN_References"]
    assert collected == ([{"image_1": ["p1", 0]}] if pictures > 1 else [])


def test_posted_prompt_with_a_retired_model_is_refused_and_told_what_to_take(without_api_nodes: ComfyUI) -> None:
    """Nobody sees a swap in a prompt that a script posts: it is refused before anything runs."""
    for kind in ("OpenAIGPTImage1", NODE_V2):
        answer = without_api_nodes.post(
            "/prompt", {"prompt": posted(kind, {"prompt": "a fox", "model": "gpt-image-1"})}
        )
        assert answer.status_code == 400
        assert "gpt-image-2.5-sunburst" in answer.text


def test_replacements_are_registered_with_the_host(without_api_nodes: ComfyUI) -> None:
    """Where ComfyUI has such a register; the id that is ours is not in it."""
    answer = without_api_nodes.file("/node_replacements")
    if answer.status_code == 404:
        pytest.skip("this ComfyUI has no node replacement yet")
    offered = {old: entries[0]["new_node_id"] for old, entries in answer.json().items() if "OpenAIGPT" in old}
    assert offered == {
        NODE_V2: "OIN_GPTImage",
        "OpenAIGPTImageNodeV3": "OIN_GPTImage",
        "OpenAIGPTImageGIFNode": "OIN_GPTImageGIF",
        "OpenAIGPTImageSVGNode": "OIN_GPTImageSVG",
    }


def test_no_key_in_what_is_told(without_api_nodes: ComfyUI) -> None:
    """The route holds facts only."""
    assert KEY not in without_api_nodes.file("/openai_image_nodes/replacements").text
