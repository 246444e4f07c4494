"""The example workflows, described. Change them here and run `make examples`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pack
import standins
from canvas import GROUP_MARGIN
from graphs import Graph, Group, Node, Note, Palette
from standins import TITLES, BatchImagesNode, LoadImage, PreviewAny, SaveAnimatedWEBP, SaveImage, SaveSVGNode

LEFT, MIDDLE, AGAIN, LAST, TOP = 40, 480, 1000, 1520, 110
COLUMN_GAP, COLLECTOR_WIDTH = 60, 260
GREEN, BLUE, VIOLET = "#b0d8b0", "#94c8ec", "#e2b4de"  # light, for the titles on a ground of the same colour
PROMPTS = "oin-example-prompts.csv"
ASK = "It runs at once and costs nothing: **connection** is **sandbox**, which draws a test card."
SWITCH = (
    "For real pictures set **connection** to **auto** (your own key, else your account), **openai** or **comfy.org**."
)
FITS_ANY = "It fits edits of any model and any pack: put your own two pictures in place of these."


def palette(**core: Any) -> Palette:
    """Return the node classes of the examples; `core` puts others, or instances, in place of core nodes."""
    module = pack.load()
    stand_ins = {kind: getattr(standins, kind) for kind in TITLES}
    ours = module.NODE_DISPLAY_NAME_MAPPINGS
    own_classes = {kind: module.NODE_CLASS_MAPPINGS[kind] for kind in ours}
    classes = {**stand_ins, **core, **own_classes}
    return Palette(classes, {**TITLES, **ours}, frozenset(ours), pack.version())


def runnable(photos: Path, target: Path) -> tuple[dict[str, Any], SaveImage, PreviewAny, list[Path]]:
    """Return nodes that read from and write to these folders, the two that hold what came out, and other files."""
    save, preview, files = SaveImage(target), PreviewAny(), list[Path]()
    own = {kind: node() for kind, node in pack.load().NODE_CLASS_MAPPINGS.items()}
    own["OIN_PromptList"] = _list_in(photos)
    own["OIN_SaveOriginal"] = _saver_in(target)
    core = {
        "LoadImage": LoadImage(photos),
        "BatchImagesNode": BatchImagesNode(),
        "SaveImage": save,
        "PreviewAny": preview,
    }
    others = {"SaveAnimatedWEBP": SaveAnimatedWEBP(target, files), "SaveSVGNode": SaveSVGNode(target, files)}
    return {**core, **others, **own}, save, preview, files


def graphs() -> list[Graph]:
    """Return all examples."""
    return [
        text_to_image(),
        image_to_image(),
        multiple_images(),
        references(),
        inpainting(),
        animation(),
        vector_drawing(),
        prompt_list(),
        originals(),
        region_edit(),
        fit_an_edit(),
    ]


def text_to_image() -> Graph:
    """A prompt alone."""
    lines = "A picture from a prompt alone, and the report of what it cost."
    prompt = "A lighthouse on a cliff in a storm, its beam crossing the rain, oil painting"
    return _graph("Text to image", lines, {}, _ask(prompt, {}, size="1024x1024"))


def image_to_image() -> Graph:
    """One photograph."""
    lines = "The prompt says what should change in the photograph. A connected **image** makes the run an edit."
    prompt = "The same cat as a watercolour on rough paper, loose brush strokes, soft colours"
    photos = {"photo": _photo("oin-example-cat.png", 0)}
    return _graph("Image to image", lines, photos, _ask(prompt, {"image": "photo.IMAGE"}))


def multiple_images() -> Graph:
    """Two photographs as a batch."""
    lines = (
        "Two photographs as one batch: Batch Images crops the second to the size of the first. "
        "For pictures that should keep their sizes see *References of different sizes*."
    )
    photos = {"first": _photo("oin-example-coffee.jpg", 0), "second": _photo("oin-example-cat.png", 1)}
    batch = _collector(
        "BatchImagesNode", 80, {f"images.image{row}": f"{name}.IMAGE" for row, name in enumerate(photos)}
    )
    prompt = "The cat from the second picture looks over the rim of the cup in the first"
    ask = _ask(prompt, {"image": "batch.IMAGE"}, column=1)
    return _graph("Multiple images", lines, photos, ask, {"batch": batch})


def references() -> Graph:
    """Three photographs of different sizes."""
    lines = (
        "Three photographs of different sizes: OpenAI Image References collects them, nothing is cropped or scaled. "
        "Up to 16 pictures; the prompt may call them the first, the second and so on."
    )
    names = ("rocket.jpg", "galaxies.jpg", "cat.png")
    photos = {f"photo_{row + 1}": _photo(f"oin-example-{name}", row, top=TOP) for row, name in enumerate(names)}
    collector = _collector("OIN_References", 230, {f"image_{row}": f"photo_{row}.IMAGE" for row in (1, 2, 3)})
    prompt = "The rocket flies through the galaxies, the cat looks out of its window"
    ask = _ask(prompt, {"references": "references.references"}, column=1)
    graph = _graph("References of different sizes", lines, photos, ask, {"references": collector})
    goes_in, asked, comes_out = graph.groups
    note = replace(_note(graph.title, lines), at=(MIDDLE, TOP + 330), size=(COLLECTOR_WIDTH, 380))
    groups = (replace(goes_in, members=tuple(photos)), replace(asked, members=("note", *asked.members)), comes_out)
    return Graph(graph.title, {**graph.items, "note": note}, groups)  # no taller, or the canvas leaves all text out


def inpainting() -> Graph:
    """A photograph with a mask."""
    lines = (
        "Only what the mask opens is redrawn. To paint your own: right-click Load Image, **Open in Mask Editor**, "
        "paint, save. **mask_mode = lock** puts every other pixel back exactly."
    )
    photos = {"photo": _photo("oin-example-coffee-masked.png", 0)}
    prompt = "A heart of milk foam"
    ask = _ask(prompt, {"image": "photo.IMAGE", "mask": "photo.MASK"}, mask_mode="lock")
    return _graph("Inpainting", lines, photos, ask)


def animation() -> Graph:
    """A picture, and frames made from it."""
    lines = (
        "First one picture, then its frames: **image** of the second node keeps the character. Without it the prompt "
        "alone is enough. Your account needs access to GIF output; the sandbox has it."
    )
    prompt = "A small fox sitting on a plain ground, flat colours, front view"
    frames = {"prompt": "The fox waves with its right paw", "size": "384x384", "frame_count": 8}
    saved = _saved("SaveAnimatedWEBP", "Animation", {"images": "again.frames", "fps": "again.fps"})
    return _two_steps("Animation", lines, prompt, _again("OIN_GPTImageGIF", frames), saved)


def vector_drawing() -> Graph:
    """A picture, and the same as vectors."""
    lines = (
        "First one picture, then the same as a drawing that stays sharp at any size. Without **image** the prompt "
        "alone is enough. Your project needs access to SVG output; the sandbox has it."
    )
    prompt = "A logo for a bicycle workshop: a wheel that is also a sun, two flat colours, no text"
    drawing = {"prompt": "The logo as a clean vector drawing with as few shapes as possible"}
    saved = _saved("SaveSVGNode", "Vector drawing", {"svg": "again.svg"})
    return _two_steps("Vector drawing", lines, prompt, _again("OIN_GPTImageSVG", drawing), saved)


def prompt_list() -> Graph:
    """Six rows of a file: pictures from prompts alone, edits, and one with a mask."""
    lines = (
        "A file with a row per picture: **oin-example-prompts.csv** in ComfyUI's input folder. OpenAI GPT Image and "
        "Save Image run once for each row; what the list is connected to comes from the row, all else from the node."
    )
    rows = Node("OIN_PromptList", (LEFT, TOP + 270), (360, 560), {"file": PROMPTS})
    columns = ("prompt", "seed", "size", "quality", "image", "mask")
    graph = _graph("Prompt list", lines, {"list": rows}, _ask("", {name: f"list.{name}" for name in columns}))
    ask, save, report = (graph.nodes[name] for name in ("ask", "save", "report"))
    as_tall = {
        "ask": replace(ask, size=(440, 830)),
        "save": replace(save, size=(420, 530), inputs={**save.inputs, "filename_prefix": "list.name"}),
        "report": replace(report, at=(report.at[0], TOP + 580)),
    }
    return replace(graph, items={**graph.items, **as_tall})  # as the list: room for six pictures


def originals() -> Graph:
    """A picture, and its file as the service sent it."""
    lines = (
        "Save Image encodes the picture again. Save Original writes the service's own file, with all it holds. "
        "Here **metadata** is **in file**: no pixel changes, and dropping the file on the canvas loads this workflow. "
        "**sidecar** leaves every byte as it came and puts what made it beside it."
    )
    prompt = "A red fox asleep in a hollow tree, snow outside, watercolour"
    graph = _graph("Originals", lines, {}, _ask(prompt, {}, size="1024x1024"))
    save = graph.nodes["save"]
    at = (save.at[0] + save.size[0] + COLUMN_GAP, TOP)
    own = Node(
        "OIN_SaveOriginal",
        at,
        save.size,
        {"filename_prefix": "original", "metadata": "in file"},
        {"originals": "ask.originals"},
    )
    *others, out = graph.groups
    groups = (*others, replace(out, members=(*out.members, "original")))
    return Graph(graph.title, {**graph.items, "original": own}, groups)


def region_edit() -> Graph:
    """A large photograph of which a small part is changed."""
    lines = (
        "A picture of 14.6 megapixels, of which only the part around the mask is sent. With **mask_mode = region** the "
        "answer is put back in place, in colour and without a seam; every other pixel stays as it is."
    )
    photos = {"photo": _photo("oin-example-earth-masked.webp", 0)}
    ask = _ask(
        "A large green island with white beaches and a lagoon, seen from space",
        {"image": "photo.IMAGE", "mask": "photo.MASK"},
        mask_mode="region",
    )
    return _graph("Region edit", lines, photos, ask)


def fit_an_edit() -> Graph:
    """A photograph and an edit of it that came back smaller."""
    lines = (
        "The second picture is an edit of the first as image models return them: 5 % smaller, in other colours, the "
        "rest of the frame made up. Fit Edit to Picture finds what changed and puts it back in place."
    )
    names = {"original": "oin-example-coffee.jpg", "edited": "oin-example-coffee-edited.jpg"}
    photos = {name: _photo(file, row) for row, (name, file) in enumerate(names.items())}
    fit = Node("OIN_FitEdit", (MIDDLE, TOP), (440, 260), {}, {name: f"{name}.IMAGE" for name in names})
    graph = _graph("Fit an edit", lines, photos, fit)
    goes_in, asked, comes_out = graph.groups
    note = _note(graph.title, lines, "It runs on this computer, is free and needs no connection.", FITS_ANY)
    groups = (goes_in, replace(asked, title="2 - Fit"), comes_out)
    return Graph(graph.title, {**graph.items, "note": note}, groups)


def _saver_in(folder: Path) -> Any:
    """Return Save Original with this folder in place of ComfyUI's output folder."""
    known: Any = pack.load().NODE_CLASS_MAPPINGS["OIN_SaveOriginal"]
    place = pack.part("utils.comfyui").SavePlace(folder, "original", 1, "")
    return type(known.__name__, (known,), {"place": staticmethod(lambda *_asked: place)})()


def _list_in(folder: Path) -> Any:
    """Return the prompt list with this folder in place of ComfyUI's input folder."""
    known: Any = pack.load().NODE_CLASS_MAPPINGS["OIN_PromptList"]
    return type(known.__name__, (known,), {"folder": staticmethod(lambda: folder)})()


def _note(title: str, lines: str, costs: str = ASK, more: str = SWITCH) -> Note:
    return Note(f"## {title}\n\n{lines}\n\n{costs}\n\n{more}", (LEFT, TOP), (360, 230))


def _photo(name: str, row: int, *, top: int = TOP + 270) -> Node:
    return Node("LoadImage", (LEFT, top + 370 * row), (360, 330), {"image": name})


def _collector(kind: str, height: int, inputs: Mapping[str, str]) -> Node:
    return Node(kind, (MIDDLE, TOP), (COLLECTOR_WIDTH, height), {}, inputs)


def _ask(prompt: str, inputs: Mapping[str, str], *, column: int = 0, **widgets: Any) -> Node:
    """Return our node, on the free sandbox; column 1 leaves room for a collector on its left."""
    told = {"prompt": prompt, "connection": "sandbox", **widgets}
    return Node("OIN_GPTImage", (MIDDLE + column * (COLLECTOR_WIDTH + COLUMN_GAP), TOP), (440, 740), told, inputs)


def _again(kind: str, widgets: Mapping[str, Any]) -> Node:
    """Return a node that goes on with the picture of the first one."""
    return Node(kind, (AGAIN, TOP), (440, 740), {"connection": "sandbox", **widgets}, {"image": "ask.image"})


def _saved(kind: str, prefix: str, inputs: Mapping[str, str]) -> Node:
    return Node(kind, (LAST, TOP + 380), (360, 430), {"filename_prefix": prefix}, inputs)


def _two_steps(title: str, lines: str, prompt: str, again: Node, saved: Node) -> Graph:
    """Return the graph of a picture and what is made from it, from left to right."""
    asked = {"ask": _ask(prompt, {}, size="1024x1024"), "again": again}
    results = {
        "save": Node("SaveImage", (LAST, TOP), (360, 330), {"filename_prefix": title}, {"images": "ask.image"}),
        "saved": saved,
        "report": Node("PreviewAny", (LAST, TOP + 860), (360, 220), {}, {"source": "again.report"}),
    }
    groups = (
        Group("What this is", ("note",), GREEN),
        Group("1 - Ask", ("ask",), BLUE),
        Group("2 - Ask again", ("again",), BLUE),
        Group("3 - What comes out", tuple(results), VIOLET),
    )
    return Graph(title, {"note": _note(title, lines), **asked, **results}, groups)


def _graph(
    title: str, lines: str, photos: Mapping[str, Node], ask: Node, collected: Mapping[str, Node] | None = None
) -> Graph:
    """Return the graph: note and photographs on the left, our nodes in the middle, the results on the right."""
    middle = {**(collected or {}), "ask": ask}
    right = ask.at[0] + ask.size[0] + COLUMN_GAP + GROUP_MARGIN
    results = {
        "save": Node("SaveImage", (right, TOP), (420, 440), {"filename_prefix": title}, {"images": "ask.image"}),
        "report": Node("PreviewAny", (right, TOP + 490), (420, 250), {}, {"source": "ask.report"}),
    }
    groups = (
        Group("1 - What goes in" if photos else "What this is", ("note", *photos), GREEN),
        Group("2 - Ask" if photos else "1 - Ask", tuple(middle), BLUE),
        Group("3 - What comes out" if photos else "2 - What comes out", tuple(results), VIOLET),
    )
    return Graph(title, {"note": _note(title, lines), **photos, **middle, **results}, groups)
