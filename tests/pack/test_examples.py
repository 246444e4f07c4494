"""The example workflows: valid for the nodes as they are, the same as their description, and complete."""

from __future__ import annotations

import builtins
import io
import json
import re
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import examples
import make_examples
import numpy as np
import offline
import pack
import pytest
from canvas import ui_workflow
from declared import by_position, default_of, inputs_of, is_widget, options_of, outputs_of, slots_of, widgets_of
from graphs import Graph, api_prompt
from openai_image_nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from openai_image_nodes.nodes.prompt_list import files
from openai_image_nodes.utils import comfyui
from PIL import Image

GRAPHS = {graph.title: graph for graph in examples.graphs()}
TITLES = [
    "Text to image",
    "Image to image",
    "Multiple images",
    "References of different sizes",
    "Inpainting",
    "Animation",
    "Vector drawing",
    "Prompt list",
    "Originals",
    "Region edit",
    "Fit an edit",
]
WITHOUT_CONNECTION = "Fit an edit"
LARGE_PHOTO = "oin-example-earth-masked.webp"  # of at least 12 megapixels, to show that size does not matter
OTHER_TITLES = {"Join Image with Alpha": [("IMAGE", "IMAGE")]}  # a node of ComfyUI that no example uses
PALETTE = examples.palette()
OUTPUTS = OTHER_TITLES | {title: outputs_of(PALETTE.classes[kind]) for kind, title in PALETTE.titles.items()}
EXAMPLE = re.compile(r"[:\uff1a] ?`([^`]+)`[.\u3002]$")  # with the colons and full stops of Chinese and Japanese too
LARGEST_PICTURE_BYTES = 1_500_000
LARGEST_PHOTO_BYTES = 400_000
LONGEST_PHOTO_SIDE = 1024
OUR_NODES = tuple(NODE_DISPLAY_NAME_MAPPINGS)
LANGUAGES = ("en", "zh", "ja", "ko", "fr", "de", "es")


@pytest.fixture(params=TITLES)
def graph(request: pytest.FixtureRequest) -> Graph:
    """Each example in turn."""
    return GRAPHS[request.param]


@pytest.fixture
def workflow(graph: Graph) -> dict[str, Any]:
    """The JSON in the repository."""
    path = pack.EXAMPLES / f"{graph.title}.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


@pytest.fixture
def with_photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    """ComfyUI's input folder holds what the examples need, so that the widgets offer it."""
    folder_paths = SimpleNamespace(get_input_directory=lambda: str(pack.PHOTOS))
    monkeypatch.setitem(sys.modules, "folder_paths", folder_paths)


def our_nodes(workflow: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield each of our nodes in a workflow with its class."""
    for node in workflow["nodes"]:
        if node["type"] in OUR_NODES:
            yield node, NODE_CLASS_MAPPINGS[node["type"]]


def values_by_name(node: dict[str, Any], node_class: Any) -> dict[str, Any]:
    """Return a stored node's widget values by name, read by position as the canvas does."""
    names = by_position(node_class, {name: name for name in widgets_of(node_class)})
    return dict(zip(names, node["widgets_values"], strict=True))


def test_there_are_these_examples_and_nothing_else() -> None:
    """ComfyUI lists every JSON of the folder."""
    assert [graph.title for graph in examples.graphs()] == TITLES
    assert {path.stem for path in pack.EXAMPLES.glob("*.*")} == set(TITLES)


def test_the_description_makes_exactly_the_committed_json(graph: Graph, workflow: dict[str, Any]) -> None:
    """After a change of the nodes or of the description: make examples."""
    assert ui_workflow(graph, examples.palette()) == workflow


def test_the_picture_carries_workflow_and_prompt(graph: Graph, workflow: dict[str, Any]) -> None:
    """Dropped on the canvas, it is the same workflow; the prompt is what the API takes."""
    path = pack.EXAMPLES / f"{graph.title}.png"
    with Image.open(path) as picture:
        picture.load()
        assert json.loads(picture.text["workflow"]) == workflow
        assert json.loads(picture.text["prompt"]) == api_prompt(graph, examples.palette())
    assert path.stat().st_size < LARGEST_PICTURE_BYTES


def test_the_thumbnail_is_a_small_jpeg(graph: Graph) -> None:
    """The template browser takes NAME.jpg."""
    with Image.open(pack.EXAMPLES / f"{graph.title}.jpg") as thumbnail:
        assert thumbnail.format == "JPEG"
        assert thumbnail.width == 512


@pytest.mark.usefixtures("with_photographs")
def test_widget_values_fit_the_nodes_by_position(workflow: dict[str, Any]) -> None:
    """Every value is of its widget's type and among its choices, and seed has its extra entry."""
    for node, node_class in our_nodes(workflow):
        values = values_by_name(node, node_class)
        assert values.get("fixed", "fixed") == "fixed"
        for name, declaration in widgets_of(node_class).items():
            assert fits(values[name], declaration), f"{name} = {values[name]!r}"


def fits(value: Any, declaration: Any) -> bool:
    """Tell whether a widget takes a value."""
    kind, options = declaration[0], options_of(declaration)
    if isinstance(kind, list):
        return value in kind
    if kind == "INT":
        return isinstance(value, int) and options["min"] <= value <= options["max"]
    return isinstance(value, type(default_of(declaration)))


@pytest.mark.usefixtures("with_photographs")
def test_the_nodes_accept_the_values(workflow: dict[str, Any]) -> None:
    """What is checked before a run finds nothing; linked inputs are None there."""
    for node, node_class in our_nodes(workflow):
        if hasattr(node_class, "VALIDATE_INPUTS"):
            values = {name: value for name, value in values_by_name(node, node_class).items() if name != "fixed"}
            linked = {slot["name"]: None for slot in node["inputs"] if slot["link"] is not None}
            assert node_class.VALIDATE_INPUTS(**{**values, **linked}) is True


def test_the_examples_are_free_to_run(workflow: dict[str, Any]) -> None:
    """All of them ask the sandbox, for one picture of low quality; what a list asks for is in its reports."""
    values = [values_by_name(node, kind) for node, kind in our_nodes(workflow)]
    asks = [each for each in values if "connection" in each]
    assert {(ask["connection"], ask.get("n", 1), ask["quality"]) for ask in asks} <= {("sandbox", 1, "low")}
    assert bool(asks) is not any(node["type"] == "OIN_FitEdit" for node, _ in our_nodes(workflow))


def test_every_node_is_in_an_example() -> None:
    """With all its widgets: their values are stored by position."""
    assert {node.kind for graph in GRAPHS.values() for node in graph.nodes.values()} >= set(OUR_NODES)


@pytest.mark.usefixtures("with_photographs")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("node", OUR_NODES)
def test_every_input_has_an_example_in_its_help(node: str, language: str) -> None:
    """A new input needs one: a value that it takes and that is not its default, or an output to connect to it."""
    examples_of, english = help_examples(node, language), help_examples(node, "en")
    declared = inputs_of(NODE_CLASS_MAPPINGS[node])
    assert list(examples_of) == list(declared)
    shown = {name: (examples_of if is_widget(declared[name]) else english)[name] for name in declared}
    assert [name for name, declaration in declared.items() if not shows(shown[name], declaration)] == []


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_examples_name_outputs_as_the_language_does(language: str) -> None:
    """A node and its output have one name in a language, ours the one that ComfyUI shows."""
    ours = json.loads((pack.ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))[
        "OIN_References"
    ]
    names: dict[str, set[str]] = {}
    for node in OUR_NODES:
        translated = help_examples(node, language)
        for name, example in help_examples(node, "en").items():
            if " > " in example:
                names.setdefault(example, set()).add(translated[name])
    assert names["OpenAI Image References > references"] == {f"{ours['display_name']} > {ours['outputs']['0']['name']}"}
    assert {example: said for example, said in names.items() if len(said) > 1 or " > " not in min(said)} == {}


def help_examples(node: str, language: str) -> dict[str, str]:
    """Return what ends the line of each input on a help page: `- ... `name` ...: ... Example: `value`.`"""
    text = (pack.ROOT / "web" / "docs" / node / f"{language}.md").read_text(encoding="utf-8")
    lines = [line for line in text.split("\n## ")[1].splitlines() if line.startswith("- ")]
    pairs = [(line.split("`")[1], EXAMPLE.search(line)) for line in lines]
    return {name: found[1] if found else "" for name, found in pairs}


def shows(example: str, declaration: Any) -> bool:
    """Tell whether a widget takes an example, or whether it names an output that fits a socket."""
    kind = declaration[0]
    if is_widget(declaration):
        value = int(example or -1) if kind == "INT" else example == "true" if kind == "BOOLEAN" else example
        return fits(value, declaration) and value not in ("", default_of(declaration))
    title, _, output = example.partition(" > ")
    return (output, kind) in OUTPUTS.get(title, [])


def test_links_agree_at_both_ends(workflow: dict[str, Any]) -> None:
    """Each link is named by the output and the input that it joins, of the same type, under a number of its own."""
    nodes = {node["id"]: node for node in workflow["nodes"]}
    numbers = [link[0] for link in workflow["links"]]
    assert sorted(numbers) == list(range(1, workflow["last_link_id"] + 1))
    for number, source, source_slot, target, target_slot, kind in workflow["links"]:
        assert number in nodes[source]["outputs"][source_slot]["links"]
        assert nodes[target]["inputs"][target_slot]["link"] == number
        assert nodes[source]["outputs"][source_slot]["type"] == kind
        assert nodes[target]["inputs"][target_slot]["type"] in (kind, "*")
    ends = [slot["link"] for node in nodes.values() for slot in node["inputs"] if slot["link"] is not None]
    assert sorted(ends) == sorted(numbers)


def test_slots_are_those_of_the_nodes(workflow: dict[str, Any]) -> None:
    """Names and order of inputs and outputs, as the canvas lists them."""
    for node, node_class in our_nodes(workflow):
        assert [slot["name"] for slot in node["inputs"]] == slots_of(node_class)
        assert [(slot["name"], slot["type"]) for slot in node["outputs"]] == outputs_of(node_class)
        assert {slot["name"] for slot in node["inputs"]} == set(inputs_of(node_class))


def test_our_nodes_name_the_pack_that_they_come_from(workflow: dict[str, Any]) -> None:
    """ComfyUI offers to install it where the nodes are missing."""
    for node, _ in our_nodes(workflow):
        named = {"cnr_id": "openai-image-nodes", "ver": pack.version(), "Node name for S&R": node["type"]}
        assert node["properties"] == named


def test_a_note_tells_how_to_switch_the_connection(workflow: dict[str, Any]) -> None:
    """Each example says that it is free, and what to choose for real pictures."""
    [note] = [node["widgets_values"][0] for node in workflow["nodes"] if node["type"] == "MarkdownNote"]
    needs_none = f"## {WITHOUT_CONNECTION}" in note
    for word in ("needs no connection",) if needs_none else ("sandbox", "auto", "openai", "comfy.org"):
        assert word in note


def test_nothing_overlaps(workflow: dict[str, Any]) -> None:
    """Neither two nodes nor two groups overlap."""
    boxes = [[*node["pos"], *node["size"]] for node in workflow["nodes"]]
    for one, other in [*combinations(boxes, 2), *combinations([g["bounding"] for g in workflow["groups"]], 2)]:
        beside = one[0] + one[2] <= other[0] or other[0] + other[2] <= one[0]
        assert beside or one[1] + one[3] <= other[1] or other[1] + other[3] <= one[1]


def test_every_photograph_is_small_and_has_its_licence(graph: Graph) -> None:
    """Author, source and licence are named beside it."""
    sources = (pack.PHOTOS / "SOURCES.md").read_text(encoding="utf-8").splitlines()
    for name in photographs(graph):
        path = pack.PHOTOS / name
        [line] = [line for line in sources if f"`{path.name}`" in line]
        assert "CC0" in line or "public domain" in line
        assert path.stat().st_size < LARGEST_PHOTO_BYTES
        with Image.open(path) as photo:
            if name == LARGE_PHOTO:
                assert photo.width * photo.height >= 12_000_000
            else:
                assert max(photo.size) <= LONGEST_PHOTO_SIDE


def test_the_list_shows_what_rows_can_be() -> None:
    """A picture from the prompt alone, the same once more, two edits of one picture, and one with a mask."""
    [name] = lists(GRAPHS["Prompt list"])
    rows = [record.fields for record in files.file_table(pack.PHOTOS, name).records]
    assert ["image" in row for row in rows] == [False, False, False, True, True, True]
    assert rows[1]["prompt"] == rows[2]["prompt"]
    assert rows[3]["image"] == rows[4]["image"]
    assert {row["quality"] for row in rows} == {"low"}
    assert len({row["name"] for row in rows}) == len(rows)


def test_the_photographs_of_the_references_differ_in_size() -> None:
    """Otherwise a batch would do."""
    sizes = set()
    for node in GRAPHS["References of different sizes"].nodes.values():
        if node.kind == "LoadImage":
            with Image.open(pack.PHOTOS / node.widgets["image"]) as photo:
                sizes.add(photo.size)
    assert len(sizes) == 3


def test_the_mask_is_saved_as_the_mask_editor_does() -> None:
    """Transparent where it is painted, with the photograph's colours kept below."""
    with Image.open(pack.PHOTOS / "oin-example-coffee-masked.png") as picture:
        red, _, _, alpha = picture.split()
    assert alpha.getextrema() == (0, 255)
    assert red.crop((240, 110, 270, 140)).getextrema()[0] > 100


@pytest.mark.slow
def test_an_example_runs_offline_and_gives_the_committed_picture(graph: Graph, tmp_path: Path) -> None:
    """The picture in the repository is what a run makes today, of a list the first; all were made for nothing."""
    nodes, save, preview, _ = examples.runnable(pack.PHOTOS, tmp_path)
    save.optimize = False
    offline.run(api_prompt(graph, PALETTE), nodes, ui_workflow(graph, PALETTE))
    saved, reports = save.saved, [json.loads(shown) for shown in preview.shown]
    make_examples.save_small(saved[0], tmp_path / "small.png")
    with Image.open(tmp_path / "small.png") as made, Image.open(pack.EXAMPLES / f"{graph.title}.png") as committed:
        assert (made.size, made.mode) == (committed.size, committed.mode)
        difference = np.abs(np.asarray(made, np.int16) - np.asarray(committed, np.int16))
    assert difference.mean() < 2
    if graph.title == WITHOUT_CONNECTION:
        edit_is_fitted_as_its_example_says(saved[0], reports[0])
    else:
        made_for = {(report["connection"], report["n"], report["quality"]) for report in reports}
        assert made_for == {("sandbox", 1, "low")}
    if graph.title == "Prompt list":
        list_runs_once_for_each_row(saved, reports, tmp_path)


def edit_is_fitted_as_its_example_says(saved: Path, report: dict[str, Any]) -> None:
    """It came back smaller; what it did not change is the photograph's, pixel for pixel."""
    (fit,) = report["fits"]
    assert re.fullmatch(r"aligned: was [45]\.\d % smaller(, its colours were matched)?", fit["summary"])
    with Image.open(saved) as made, Image.open(pack.PHOTOS / "oin-example-coffee.jpg") as photo:
        same = (np.asarray(made) == np.asarray(photo.convert("RGB"))).all(axis=2)
    assert same.mean() > 0.7
    assert not same[130:160, 250:320].all()


def list_runs_once_for_each_row(saved: list[Path], reports: list[dict[str, Any]], target: Path) -> None:
    """Each picture has its row's name and size, and each row its report."""
    [name] = lists(GRAPHS["Prompt list"])
    records = files.file_table(pack.PHOTOS, name).records
    assert [path.relative_to(target).as_posix() for path in saved] == [
        f"{record.fields['name']}.png" for record in records
    ]
    operations = ["edits" if "image" in record.fields else "generations" for record in records]
    assert [report["operation"] for report in reports] == operations


def test_a_refused_prompt_runs_nothing(tmp_path: Path) -> None:
    """The executor asks every node before it runs the first, as ComfyUI does."""
    palette = examples.palette()
    nodes, save, *_ = examples.runnable(pack.PHOTOS, tmp_path)
    prompt = api_prompt(GRAPHS["Text to image"], palette)
    next(node for node in prompt.values() if node["class_type"] == "OIN_GPTImage")["inputs"]["prompt"] = " "
    with pytest.raises(offline.OfflineError, match="prompt"):
        offline.run(prompt, nodes, {})
    assert not save.saved


class TestInstalling:
    """The photographs are copied to where Load Image finds them when the pack is loaded in ComfyUI."""

    @pytest.fixture
    def inputs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """ComfyUI's input folder."""
        folder = tmp_path / "input"
        folder.mkdir()
        folder_paths = SimpleNamespace(get_input_directory=lambda: str(folder))
        monkeypatch.setitem(sys.modules, "folder_paths", folder_paths)
        return folder

    def test_all_photographs_and_lists_are_copied_and_nothing_else(self, inputs: Path) -> None:
        """Each Load Image and each Prompt List of an example finds its files."""
        comfyui.install_examples(pack.PHOTOS)
        wanted = {name for graph in GRAPHS.values() for name in [*photographs(graph), *lists(graph)]}
        assert {path.name for path in inputs.iterdir()} == wanted

    def test_a_file_that_is_there_is_left_as_it_is(self, inputs: Path) -> None:
        """It may be the person's own."""
        (inputs / "oin-example-cat.png").write_bytes(b"mine")
        comfyui.install_examples(pack.PHOTOS)
        assert (inputs / "oin-example-cat.png").read_bytes() == b"mine"

    def test_it_opens_no_file_when_all_are_there(self, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every start of ComfyUI pays for it."""
        comfyui.install_examples(pack.PHOTOS)
        with monkeypatch.context() as patch:
            for module in (builtins, io):
                patch.setattr(module, "open", lambda *_, **__: pytest.fail("a file was opened"))
            comfyui.install_examples(pack.PHOTOS)

    def test_a_folder_that_cannot_be_written_to_is_only_logged(
        self, inputs: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The nodes still load."""
        inputs.rmdir()
        comfyui.install_examples(pack.PHOTOS)
        assert str(inputs) in caplog.text

    def test_nothing_happens_without_comfyui(self, caplog: pytest.LogCaptureFixture) -> None:
        """In tests and on the command line."""
        comfyui.install_examples(pack.PHOTOS)
        assert not caplog.records


def photographs(graph: Graph) -> list[str]:
    """Return the names of the photographs that go in, those of the rows of lists among them."""
    shown = [node.widgets["image"] for node in graph.nodes.values() if node.kind == "LoadImage"]
    records = [record for name in lists(graph) for record in files.file_table(pack.PHOTOS, name).records]
    named = [record.fields[column] for record in records for column in ("image", "mask") if column in record.fields]
    return [*shown, *named]


def lists(graph: Graph) -> list[str]:
    """Return the names of the lists of prompts that go in."""
    return [node.widgets["file"] for node in graph.nodes.values() if node.kind == "OIN_PromptList"]
