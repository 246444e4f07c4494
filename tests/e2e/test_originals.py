"""Save Original in a real ComfyUI and Chromium: the very bytes, nothing encoded, and the way back onto the canvas."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from PIL import Image
from support.capture import Capture, Captured, Reply, success
from support.comfyui import ROOT, ComfyUI, named_with_frontend
from support.signed_pictures import CREDENTIALS, signed

try:
    from support.browser import Opened, chromium, opened
except ModuleNotFoundError as exc:
    pytest.exit(f"The browser tests need Playwright for Python: pip install playwright ({exc})", returncode=2)

__all__ = ["chromium", "opened"]  # pytest finds them here

ROWS = 100
MODES = ("classic", "vue")
FORMS = {"png": "png", "webp": "webp", "jpeg": "jpg"}
USAGE = {"input_tokens": 10, "output_tokens": 196, "total_tokens": 206}
SCRIPT = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><script>window.ran = 1</script>\
<rect width="64" height="64" fill="teal" onload="window.ran = 2"/></svg>'
COUNTER = '''
"""Writes a line for every call of an encoder, Pillow's and ours."""
import sys, threading, time
from PIL import Image
LOG = __file__ + ".log"
def counted(owner, name):
    own = getattr(owner, name)
    def call(*args, **options):
        with open(LOG, "a") as log: log.write(name + "\\n")
        return own(*args, **options)
    setattr(owner, name, call)
counted(Image.Image, "save")
def ours():
    while not (found := [m for n, m in list(sys.modules.items()) if n.endswith((".utils.png", ".utils.encode"))]):
        time.sleep(0.2)
    time.sleep(2)
    for name, module in list(sys.modules.items()):
        if name.endswith((".utils.png", ".utils.encode")) and hasattr(module, "encode_png"):
            counted(module, "encode_png")
    open(LOG + ".ready", "w").close()
threading.Thread(target=ours, daemon=True).start()
NODE_CLASS_MAPPINGS = {}
'''


class Service(Capture):
    """Answers with a signed picture of the format that was asked for."""

    def _answer(self, request: Captured) -> Reply:
        if request.method != "POST":
            return super()._answer(request)
        self.requests.append(request)
        form = str(request.fields().get("output_format") or "png")
        data = SCRIPT if form == "svg" else signed(FORMS.get(form, form))
        return Reply(200, json.dumps(success(data, usage=USAGE)).encode(), {"Content-Type": "application/json"})


@pytest.fixture(scope="module")
def server() -> Iterator[Service]:
    """The service of these tests."""
    with Service() as running:
        yield running


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, server: Service) -> Iterator[ComfyUI]:
    """ComfyUI with the pack, and with a pack that counts the calls of encoders."""
    studio = named_with_frontend(tmp_path_factory.mktemp("originals"))
    studio.connect(service=f"{server.base_url}/v1")
    counter = studio.base / "custom_nodes" / "counter"
    counter.mkdir(parents=True)
    (counter / "__init__.py").write_text(COUNTER)
    with studio as running:
        yield running


def prompt(name: str, metadata: str, kind: str = "OIN_GPTImage", **asked: Any) -> dict[str, Any]:
    """Return a prompt that was never asked before: a node and Save Original."""
    inputs = {"prompt": f"{name} {time.time_ns()}", "connection": "service", **asked}
    slot = {"OIN_GPTImage": 3, "OIN_GPTImageGIF": 4, "OIN_GPTImageSVG": 3}[kind]
    saved = {"originals": ["1", slot], "filename_prefix": name, "metadata": metadata}
    return {"1": {"class_type": kind, "inputs": inputs}, "2": {"class_type": "OIN_SaveOriginal", "inputs": saved}}


def kept(studio: ComfyUI, sidecar: Mapping[str, Any]) -> bytes:
    """Return the file that the store has of an answer."""
    (path,) = (studio.home / "store" / "jobs" / sidecar["identity"]).glob("picture_0.*")
    return path.read_bytes()


@pytest.mark.parametrize("form", [*FORMS, "gif", "svg"])
def test_file_is_the_stores_byte_for_byte(studio: ComfyUI, form: str) -> None:
    """In the output folder, in the history, with its Content Credentials; with a file beside it and without."""
    kind = {"gif": "OIN_GPTImageGIF", "svg": "OIN_GPTImageSVG"}.get(form, "OIN_GPTImage")
    asked = {"output_format": form} if kind == "OIN_GPTImage" else {}
    sent = SCRIPT if form == "svg" else signed(FORMS.get(form, form))
    run = studio.run(prompt(f"{form}/sidecar", "sidecar", kind, **asked), {"nodes": []})
    assert run.end == "execution_success", run.failure
    (path,) = (studio.base / "output" / form).glob(f"sidecar_00001_.{FORMS.get(form, form)}")
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert path.read_bytes() == kept(studio, sidecar) == sent
    assert sidecar["c2pa"] == (None if form == "svg" else CREDENTIALS._asdict())
    assert sidecar["workflow"] == {"nodes": []}
    if form != "svg":
        assert [studio.saved(image) for image in run.images] == [path]
    run = studio.run(prompt(f"{form}/none", "none", kind, **asked))
    assert run.end == "execution_success", run.failure
    (path,) = (studio.base / "output" / form).glob("none_*")
    assert path.read_bytes() == sent


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", MODES)
def test_file_with_its_workflow_brings_it_back(opened: Opened, studio: ComfyUI, form: str, mode: str) -> None:
    """The example is run in the page, its file dropped on the empty canvas; pixels and all other parts stay."""
    canvas = opened(mode)
    canvas.drop(ROOT / "example_workflows" / "Originals.png")
    assert canvas.missing() == []
    for name, value in {"connection": "service", "output_format": form, "prompt": f"{form} {time.time_ns()}"}.items():
        canvas.set(name, value)
    prefix = f"{mode}-{form}-%date:yyyy-MM-dd%"
    canvas.set("filename_prefix", prefix, "OIN_SaveOriginal")
    canvas.set("metadata", "in file", "OIN_SaveOriginal")
    before = canvas.graph()
    canvas.run()
    canvas.shows_picture("OIN_SaveOriginal")
    canvas.shot("ran")
    (path,) = (studio.base / "output").glob(f"{mode}-{form}-*_.{FORMS[form]}")
    assert path.name == f"{mode}-{form}-{time.strftime('%Y-%m-%d')}_00001_.{FORMS[form]}"
    with Image.open(path) as after, Image.open(io.BytesIO(signed(FORMS[form]))) as sent:
        assert after.tobytes() == sent.tobytes()
    canvas.empty()
    canvas.drop(path)
    canvas.shot("dropped")
    assert canvas.graph() == before


def test_list_of_a_hundred_is_saved_and_nothing_is_encoded(studio: ComfyUI) -> None:
    """A row, a file, with the row's name; the encoders are counted in ComfyUI's own process."""
    log = studio.base / "custom_nodes" / "counter" / "__init__.py.log"
    ready = log.with_name(f"{log.name}.ready")
    while not ready.exists():
        time.sleep(0.2)
    rows = "\n".join(f"row {number} of {time.time_ns()}" for number in range(1, ROWS + 1))
    names = {"originals": ["2", 3], "filename_prefix": ["1", 6], "metadata": "in file"}
    listed = {
        "1": {"class_type": "OIN_PromptList", "inputs": {"text": rows, "file": "none", "start": 1, "limit": 0,
              "portion": 1, "first_seed": 0, "size": "auto", "quality": "low"}},
        "2": {"class_type": "OIN_GPTImage", "inputs": {"prompt": ["1", 0], "seed": ["1", 1], "connection": "service"}},
        "3": {"class_type": "OIN_SaveOriginal", "inputs": names},
    }  # fmt: skip
    before = log.read_text().count("\n") if log.exists() else 0
    run = studio.ended(studio.queue(listed, {"nodes": []}), within_s=300)
    assert run.end == "execution_success", run.failure
    files = sorted(path.name for path in (studio.base / "output").glob("row_*"))
    assert files == [f"row_{number:05}_00001_.png" for number in range(1, ROWS + 1)]
    assert [image["filename"] for image in run.images] == files
    assert (log.read_text().count("\n") if log.exists() else 0) == before
    control = {"1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
               "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}}  # fmt: skip
    assert studio.run(control).end == "execution_success"
    assert log.read_text().count("\n") == before + 1  # the counting works


@pytest.mark.parametrize("mode", MODES)
def test_drawing_with_scripts_runs_none_in_the_page(opened: Opened, studio: ComfyUI, mode: str) -> None:
    """The file is as it came; what is shown in the node is without them."""
    canvas = opened(mode)
    canvas.empty()
    canvas.page.evaluate(
        """(asked) => {
            const ask = LiteGraph.createNode("OIN_GPTImageSVG"), save = LiteGraph.createNode("OIN_SaveOriginal");
            [ask.pos, save.pos] = [[100, 100], [600, 100]];
            app.graph.add(ask);
            app.graph.add(save);
            for (const widget of ask.widgets) if (widget.name in asked) widget.value = asked[widget.name];
            save.widgets.find((widget) => widget.name === "filename_prefix").value = asked.prefix;
            ask.connect(3, save, 0);
        }""",
        {"prompt": f"drawing {time.time_ns()}", "connection": "service", "prefix": f"drawn-{mode}"},
    )
    canvas.run()
    canvas.shows_picture("OIN_SaveOriginal")
    canvas.settle(1500)
    canvas.shot("ran")
    assert (studio.base / "output" / f"drawn-{mode}_00001_.svg").read_bytes() == SCRIPT
    assert canvas.page.evaluate("() => window.ran ?? null") is None
    shown = studio.newest_run().images
    assert [image["type"] for image in shown] == ["temp"]
    assert b"script" not in studio.saved(shown[0]).read_bytes()


@pytest.mark.parametrize("mode", MODES)
def test_paid_pictures_are_shown_and_one_comes_back_for_nothing(
    opened: Opened, studio: ComfyUI, server: Service, mode: str
) -> None:
    """Right-click, Show paid pictures, click: the seed is set, and the next run sends nothing."""
    canvas = opened(mode)
    canvas.drop(ROOT / "example_workflows" / "Originals.png")
    canvas.set("connection", "service")
    canvas.set("prompt", f"paid {time.time_ns()}")
    for seed in (11, 12):
        canvas.set("seed", seed)
        canvas.run()
    canvas.set("seed", 99)
    sent = len(server.posts)
    place = canvas.page.evaluate(
        """() => {
            const node = app.graph._nodes.find((node) => node.type === "OIN_GPTImage");
            const [x, y] = app.canvas.ds.convertOffsetToCanvas([node.pos[0] + 60, node.pos[1] - 12]);
            const box = app.canvas.canvas.getBoundingClientRect();
            return [x + box.left, y + box.top];
        }"""
    )
    canvas.page.mouse.click(*place, button="right")
    canvas.settle()
    canvas.shot("menu")
    canvas.page.get_by_text("Show paid pictures", exact=True).first.click()
    dialog = canvas.page.locator("dialog.oin-pictures")
    dialog.wait_for()
    canvas.settle()
    canvas.shot("dialog")
    assert dialog.locator("img").count() == 2
    dialog.get_by_role("button", name="seed 11").click()
    assert canvas.widget("seed") == 11
    canvas.run()
    assert len(server.posts) == sent
