"""What makes the node quick, told apart from how quick a machine is: no test here looks at a clock."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from openai_image_nodes.api.catalog.schemas import OpenAIImageGenerationResponse
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.transport import base64_json
from openai_image_nodes.api.transport.answer import response_from_document
from openai_image_nodes.api.transport.base64_json import SHORT_CHARS, STEP_CHARS, base64_to_bytes, extract_base64
from openai_image_nodes.api.transport.downloads import pictures_of
from openai_image_nodes.api.transport.service_words import service_words
from openai_image_nodes.utils import decode, encode, tensors
from openai_image_nodes.utils.tensors import parallel_map
from support.capture import Capture, picture, pixels, success
from support.node_calls import GPTImage, asked, node, photo, use_openai
from support.pack import PACKAGE, ROOT

LONG = base64.b64encode(bytes(range(256)) * 64).decode()

IMPORTED = """
import importlib.util, json, sys
import aiohttp.web, numpy, PIL.Image, pydantic, requests, torch
before = set(sys.modules)
spec = importlib.util.spec_from_file_location({name!r}, {init!r}, submodule_search_locations=[{root!r}])
module = sys.modules[{name!r}] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


@pytest.fixture(scope="module")
def added_modules() -> list[str]:
    """What the pack's import adds to a process that has what ComfyUI has."""
    program = IMPORTED.format(name=PACKAGE, init=str(ROOT / "__init__.py"), root=str(ROOT))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    return list(json.loads(done.stdout))


@pytest.mark.slow
def test_start_of_comfyui_loads_no_other_package_than_it_has(added_modules: list[str]) -> None:
    """pydantic's own helper and the PNG packer are all that comes from elsewhere."""
    foreign = {name.partition(".")[0] for name in added_modules} - sys.stdlib_module_names
    have = {"torch", "numpy", "PIL", "pydantic", "requests", "urllib3", "aiohttp"}
    assert {name for name in foreign - have if not name.startswith("_")} <= {PACKAGE, "annotated_types", "isal"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sandbox", "sandbox.rendering.painter", "sandbox.rendering.primitives"])
def test_sandbox_is_loaded_on_first_use(added_modules: list[str], name: str) -> None:
    """Most people never need it, and every start of ComfyUI would pay for it."""
    assert importlib.util.find_spec(f"{PACKAGE}.{name}") is not None
    assert f"{PACKAGE}.{name}" not in added_modules


def test_second_call_opens_no_new_connection(server: Capture) -> None:
    """Connections are kept alive: both requests come from one socket."""
    node(image=photo(), seed=1)
    node(image=photo(), seed=2)
    assert len(server.peers) == 2
    assert len(set(server.peers)) == 1


def test_nothing_of_a_run_is_done_on_the_event_loop(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoding, the exchange and decoding never see the loop's thread."""
    here, seen = threading.get_ident(), {}

    def watched(owner: Any, name: str) -> None:
        work = getattr(owner, name)

        def noting(*arguments: Any, **options: Any) -> Any:
            seen[name] = threading.get_ident()
            return work(*arguments, **options)

        monkeypatch.setattr(owner, name, noting)

    watched(encode, "encode_png")
    watched(encode, "_digest")
    watched(tensors, "_fill_levels")
    watched(decode, "decode_picture")
    watched(base64_json.binascii, "a2b_base64")
    node(image=photo())
    assert set(seen) == {"encode_png", "_digest", "_fill_levels", "decode_picture", "a2b_base64"}
    assert here not in seen.values()


def test_loop_goes_round_while_the_service_works(server: Capture) -> None:
    """Other nodes on the loop run on while a request is out."""
    server.gate.clear()

    async def beside_a_run() -> None:
        run = asyncio.ensure_future(GPTImage().api_call(**asked({"image": photo()})))
        while not server.arrived.is_set():
            await asyncio.sleep(0)
        assert not run.done()
        server.gate.set()
        await run

    asyncio.run(beside_a_run())


def test_long_base64_is_neither_parsed_nor_copied() -> None:
    """The model's field is a view of the answer's own bytes."""
    body = json.dumps({"data": [{"b64_json": LONG}]}).encode()
    outline, values = extract_base64(body)
    assert len(outline) < 200
    assert [view.obj for view in values.values()] == [body]


FORMS = {
    "plain": {"data": [{"b64_json": LONG}, {"b64_json": LONG[::-1]}]},
    "short": {"data": [{"b64_json": LONG[:64]}]},
    "mixed": {"data": [{"b64_json": LONG[:64]}, {"b64_json": LONG}, {"url": "https://x/1", "b64_json": None}]},
    "name in a text": {"data": [{"revised_prompt": '"b64_json":"' + LONG, "b64_json": LONG}]},
    "name as a text": {"note": "b64_json", "data": [{"b64_json": LONG}]},
    "elsewhere too": {"extra": {"b64_json": LONG[::-1]}, "data": [{"b64_json": LONG}]},
    "no pictures": {"data": []},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", [{}, {"indent": 1}, {"separators": (",", ":")}, {"separators": (" ,\t", "\n: ")}])
def test_answers_mean_the_same_as_to_a_plain_parser(form: str, layout: dict[str, Any]) -> None:
    """Whatever the white space, and wherever the field's name occurs."""
    body = json.dumps(FORMS[form], **layout).encode()
    outline, values = extract_base64(body)
    ours = response_from_document(json.loads(outline), values)
    plain = OpenAIImageGenerationResponse.model_validate(json.loads(body))
    texts = [
        bytes(each.b64_json).decode() if isinstance(each.b64_json, memoryview) else each.b64_json for each in ours.data
    ]
    assert texts == [each.b64_json for each in plain.data]
    assert [each.revised_prompt for each in ours.data] == [each.revised_prompt for each in plain.data]


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["b64_json", "data", 'a"', "\\"]) | st.text(), inner)
        ),
    )
)
def test_any_json_is_the_same_with_its_pictures_put_back(value: Any) -> None:
    """Also with a limit so low that every text counts as long."""
    body = json.dumps(value, ensure_ascii=False).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base64_json, "SHORT_CHARS", 0)
        outline, values = extract_base64(body)
    for name, view in values.items():
        outline = outline.replace(name.encode(), bytes(view))
    assert outline == body
    json.loads(extract_base64(body)[0])


@pytest.mark.parametrize("damage", [b'{"data":[{"b64_json":"' + b"A" * 9000, b'{"b64_json"', b'"b64_json":', b""])
def test_cut_answers_come_back_as_they_are(damage: bytes) -> None:
    """What is no JSON is the parser's business."""
    assert extract_base64(damage) == (damage, {})


def test_escaped_base64_is_left_to_the_parser() -> None:
    """Some services write a slash as \\/."""
    body = json.dumps({"data": [{"b64_json": LONG}]}).replace("/", "\\/").encode()
    assert extract_base64(body) == (body, {})
    response = OpenAIImageGenerationResponse.model_validate(json.loads(body))
    assert pictures_of(response, Connection(name="x", base_url="https://x.invalid")).data == [base64.b64decode(LONG)]


def test_words_of_an_answer_are_found_beside_its_pictures() -> None:
    """What the service says is read without its pictures."""
    body = json.dumps({"message": "as asked", "data": [{"b64_json": LONG}]}).encode()
    assert service_words(body).message == "as asked"


@pytest.mark.parametrize(
    "size", [0, 1, 2, 3, STEP_CHARS * 3 // 4 - 1, STEP_CHARS * 3 // 4, STEP_CHARS * 3 // 4 + 1, STEP_CHARS * 2]
)
@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_base64_of_any_length_is_decoded_exactly(size: int, prefix: str) -> None:
    """In steps, of which the last one may be short; with or without a data: prefix."""
    data = np.random.default_rng(size).bytes(size)
    text = prefix + base64.b64encode(data).decode()
    assert base64_to_bytes(text) == base64_to_bytes(memoryview(text.encode())) == data


def test_base64_with_line_breaks_is_decoded_exactly() -> None:
    """As some services send it."""
    data = np.random.default_rng(1).bytes(STEP_CHARS * 2)
    assert base64_to_bytes(base64.encodebytes(data).decode()) == data


@pytest.mark.parametrize("text", ["A", "\u00e9", "A" * (STEP_CHARS + 1)])
def test_what_is_no_base64_is_an_error(text: str) -> None:
    """A ValueError, as everywhere for pictures."""
    with pytest.raises(ValueError, match=r"ascii|base64|padding|data characters"):
        base64_to_bytes(text)


def test_large_answer_is_decoded_and_kept_exactly(server: Capture, tmp_path: Path) -> None:
    """A picture whose text is far longer than what is left to the parser."""
    noise = np.random.default_rng(3).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    data = encode.encode_png(noise)
    assert len(data) > SHORT_CHARS
    server.reply(200, success(data, picture()))
    image, _, report = node(n=2)
    assert (Path(report["kept_in"]) / "picture_0.png").read_bytes() == data
    assert np.array_equal(pixels(data), noise)
    assert image.shape[0] == 2


def test_all_callers_share_the_threads_of_the_cores() -> None:
    """Thirty-two nodes at once hold no more pictures in work than there are cores."""
    names = set()

    def note(_item: int) -> None:
        names.add(threading.current_thread().name)

    callers = [threading.Thread(target=parallel_map, args=(note, range(8))) for _ in range(32)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(names) <= (os.cpu_count() or 1)


def test_parts_of_pictures_never_wait_for_pictures() -> None:
    """More pictures than threads, each with parts of its own: they all end."""
    batch = torch.rand(33, 130, 5, 3)
    pngs = encode.images_to_pngs(batch, max_pixels=10_000)
    assert len({png.digest for png in pngs}) == 33
