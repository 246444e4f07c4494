"""Fuzzing of everything that strangers write: no raw exception, no file outside, no second payment, bounded memory.

Here each campaign runs twenty times, always the same. `make fuzz` runs them for FUZZ_MINUTES (10), each as long as
the others, with other values each time, and tells how many there were.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from openai_image_nodes import NODE_CLASS_MAPPINGS
from openai_image_nodes.api import BadAnswerError, HostSecrets, JobManager, OpenAIImageError
from openai_image_nodes.api.backends import leases
from openai_image_nodes.api.batch.jsonl import result_of
from openai_image_nodes.api.catalog import catalog, pricing, validation
from openai_image_nodes.api.connections import keys
from openai_image_nodes.api.connections import resolve as connections
from openai_image_nodes.api.connections.connection import Connection, user_of
from openai_image_nodes.api.jobs.report import dimensions
from openai_image_nodes.api.store import spending
from openai_image_nodes.api.store.records import record_bytes, record_from
from openai_image_nodes.api.store.store import Store
from openai_image_nodes.api.transport.answer import RawAnswer, parse_answer
from openai_image_nodes.api.transport.downloads import pictures_of
from openai_image_nodes.cli import main
from openai_image_nodes.nodes.migration import prompts
from openai_image_nodes.utils import comfyui
from openai_image_nodes.utils.c2pa import credentials_of
from openai_image_nodes.utils.decode import gif_to_frames, pngs_to_image, preview_image
from openai_image_nodes.utils.errors import ImageInputError
from openai_image_nodes.utils.picture_metadata import with_texts
from openai_image_nodes.utils.svg import clean_svg
from pydantic import SecretStr
from support.asker import KEY, Server, connection, job
from support.machines import record
from support.prompt_lists import PromptList
from support.route_client import ask
from support.strangers import (
    ANSWER,
    DEEP,
    DRAWINGS,
    EVENTS,
    PICTURES,
    as_json,
    changed,
    damaged,
    odd_texts,
    odd_values,
)

pytestmark = pytest.mark.slow

MINUTES = float(os.environ.get("FUZZ_MINUTES") or 0)
EXAMPLES = 20  # of each campaign where there is no time for more
CHUNK = 200
MEMORY_MB = 1500
IDENTITY = "a" * 64
LINK = Connection("openai", "https://host.invalid/v1", kind="openai", key=SecretStr(KEY))
RUNNING = (
    "script",
    "foreignobject",
    "iframe",
    "object",
    "embed",
    "handler",
    "listener",
    "html",
    "body",
    "link",
    "audio",
    "video",
)
LOADS = re.compile(r"url\(\s*[\"']?(?!#|\s*[\"']?#)|@import|javascript:|expression\(|-moz-binding", re.IGNORECASE)


class Campaign(NamedTuple):
    """What strangers write, and what is done with it."""

    told: st.SearchStrategy[Any]
    work: Callable[[Any, Path], None]


def cli(*words: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        main(list(words))


def records(told: bytes, home: Path) -> None:
    """A record in a store where others write: read, listed, looked for, forgotten; it stops nobody."""
    with contextlib.suppress(OSError):  # UnfitRecord is one
        read = record_from(told, IDENTITY, "somewhere")
        assert read.identity == IDENTITY
        assert all("/" not in name for name in read.pictures)
        record_bytes(read)
        spending.note_of(read)
        time.localtime(read.answered_at or read.sent_at or read.prepared_at)
    store = Store(home / "store")
    for name in (IDENTITY, f"{IDENTITY}.2", f"{IDENTITY}.x"):
        folder = store.jobs / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "record.json").write_bytes(told)
        (folder / "picture_0.png").write_bytes(PICTURES[0])
    pending = store.journal.root / IDENTITY
    pending.mkdir(parents=True, exist_ok=True)
    (pending / "record.json").write_bytes(told)
    with contextlib.suppress(OpenAIImageError):
        store.find(IDENTITY)
    with contextlib.suppress(OSError):
        store.journal.read(IDENTITY)
    list(store.records())
    store.folders_by_use()
    cli("jobs")
    cli("jobs", "find", "fox", "--json")
    store.prune(0)
    spending.spent(store.root, spending.today(), unknown_too=True)


def claims(told: tuple[str, bytes], home: Path) -> None:
    """A lease's name and content in a folder that machines share."""
    name, content = told
    folder = home / "claims"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    with contextlib.suppress(OSError, ValueError):
        (folder / name.replace("/", "_")).write_bytes(content)
    leases.is_leased(folder)
    with contextlib.suppress(OSError, OpenAIImageError):
        ours = leases.acquire(folder)
        if ours is not None:
            ours.release()


def connections_file(told: bytes, home: Path) -> None:
    """connections.json, as a person or a program of theirs wrote it."""
    (home / "connections.json").write_bytes(told)
    (home / "connections.json").chmod(0o600)
    for name in [*connections.offered(), "relay"]:
        with contextlib.suppress(OpenAIImageError):
            connections.is_batch(name)
            link = connections.resolve(name, HostSecrets(), lambda: "http://127.0.0.1:9")
            link.auth_headers()
            assert "@" not in link.host
            repr(link)
        with contextlib.suppress(OpenAIImageError):
            keys.fault(name)
            keys.source(name)
            keys.form(name)
    with contextlib.suppress(OpenAIImageError):
        assert ask("GET", "connections").status in (200, 400)


def models_file(told: bytes, home: Path) -> None:
    """models.json of the state folder."""
    catalog._load.cache_clear()
    (home / "models.json").write_bytes(told)
    for spec in catalog.listed():
        pricing.estimate(LINK, {"model": spec.id, "size": "1024x1024", "quality": "auto"}, 1)
        pricing.cautious_usd(LINK, {"model": spec.id}, 1)
        with contextlib.suppress(OpenAIImageError):
            validation.check(
                {"model": spec.id, "prompt": "x", "size": "1024x1024", "quality": "low"}, operation="edits"
            )
    catalog.choices()
    (home / "models.json").unlink()
    catalog._load.cache_clear()


def lists(told: tuple[str, bytes], home: Path) -> None:
    """A list file of any kind in ComfyUI's input folder."""
    suffix, content = told
    folder = home / "input"
    folder.mkdir(exist_ok=True)
    (folder / f"list{suffix}").write_bytes(content)
    file = f"list{suffix}"
    with contextlib.suppress(ImageInputError, ValueError):
        PromptList.kinds({"file": file})
    assert PromptList.VALIDATE_INPUTS(file=file) is True or isinstance(PromptList.VALIDATE_INPUTS(file=file), str)
    PromptList.IS_CHANGED(file=file)
    with contextlib.suppress(ImageInputError, ValueError):
        PromptList().lists(file=file)
    assert ask("POST", "list_estimates", list={"file": file}, nodes=[]).status in (200, 400)


def batch_lines(told: bytes, _home: Path) -> None:
    """A line of a batch's output: read, or None."""
    result_of(told, LINK)


def answers(told: tuple[bytes, dict[str, str]], _home: Path) -> None:
    """An answer of a relay, without the network."""
    body, headers = told
    raw = RawAnswer(body, headers, 1.0)
    with contextlib.suppress(OpenAIImageError):
        response = parse_answer(raw, LINK, model="gpt-image-2")
        response.data = [image for image in response.data if not image.url]
        pictures = pictures_of(response, LINK, body=body)
        assert len(pictures.data) <= 17
        cost = pricing.cost_usd(pricing.PaidAs("openai", batch=False), "gpt-image-2", response.usage, None)
        assert cost is None or cost >= 0


def drawings(told: bytes, _home: Path) -> None:
    """A drawing: what comes out has nothing that runs or loads, read by another parser than ours."""
    with contextlib.suppress(ImageInputError):
        clean = clean_svg(told).data
        for element in ElementTree.fromstring(clean).iter():  # noqa: S314 - what it is for
            name = str(element.tag).rpartition("}")[2].lower()
            assert name not in RUNNING
            if name == "style":
                assert not LOADS.search("".join(element.itertext()))
            for attribute, value in element.attrib.items():
                assert not attribute.rpartition("}")[2].lower().startswith("on")
                assert not LOADS.search(value)
                if attribute.rpartition("}")[2].lower() in ("href", "src"):
                    assert value.strip().startswith(("#", "data:image/"))
        assert clean_svg(clean).data


def decoded(told: bytes, _home: Path) -> None:
    """A picture file, whatever its header claims."""
    dimensions(told)
    for decode in (lambda data: pngs_to_image([data]), gif_to_frames, preview_image):
        with contextlib.suppress(ImageInputError):
            decode(told)
    credentials_of(told)
    with contextlib.suppress(ValueError):
        with_texts(told, {"workflow": "{}"})


def workflow_values(told: dict[str, Any], _home: Path) -> None:
    """A node's inputs as a workflow has them."""
    for name in ("OIN_GPTImage", "OIN_GPTImageGIF", "OIN_GPTImageSVG", "OIN_PromptList"):
        node = NODE_CLASS_MAPPINGS[name]
        declared = node.INPUT_TYPES()
        known = {key: told[key] for group in ("required", "optional") for key in declared.get(group, {}) if key in told}
        with contextlib.suppress(OpenAIImageError, ValueError, TypeError):  # ComfyUI checks kinds before it asks us
            allowed = node.VALIDATE_INPUTS(**known)
            assert allowed is True or isinstance(allowed, str)
        node.IS_CHANGED(**known)
    main_node = NODE_CLASS_MAPPINGS["OIN_GPTImage"]
    declared = main_node.INPUT_TYPES()
    given = {key: told[key] for group in ("required", "optional") for key in declared[group] if key in told}
    with contextlib.suppress(OpenAIImageError, ImageInputError):
        asyncio.run(main_node().api_call(**{"prompt": "a fox", **given, "connection": "sandbox"}))
    comfyui.inert(str(told.get("prompt")))


def posted_prompts(told: Any, _home: Path) -> None:
    """The body of a POST to /prompt: translated, or left as it is."""
    translate = prompts.translator(lambda _name: False)
    if isinstance(told, dict):
        translate(told)


def route_bodies(told: tuple[str, bytes], _home: Path) -> None:
    """What is posted to our routes: an answer in words, never a failure of the server."""
    path, body = told
    assert ask("POST", path, data=body).status in (200, 400, 403, 404, 413, 415)


def tokens(told: str, _home: Path) -> None:
    """comfy.org's token as a page hands it over."""
    user = user_of(told)
    assert user is None or isinstance(user, str)


VALUES: dict[str, Any] = {
    "prompt": "a fox",
    "seed": 0,
    "quality": "low",
    "background": "opaque",
    "size": "1024x1024",
    "n": 1,
    "model": "gpt-image-2",
    "connection": "openai",
    "custom_width": 1024,
    "custom_height": 1024,
    "output_format": "png",
    "output_compression": 100,
    "moderation": "auto",
    "input_fidelity": "auto",
    "complexity": "auto",
    "mask_mode": "guide",
    "live_preview": 0,
    "reuse": True,
    "frame_count": 9,
    "frame_duration_ms": 200,
    "file": "none",
    "text": "a fox",
    "start": 1,
    "limit": 0,
    "portion": 1,
    "first_seed": 0,
}
RECORD = json.loads(
    record_bytes(record(pictures=["picture_0.png"], fields={"n": 1}, idempotency_key="k", account="0" * 16))
)
RELAY = {
    "base_url": "https://relay.invalid/v1",
    "key": KEY,
    "headers": {"X-A": "b"},
    "omit": ["quality"],
    "edits": "json",
}
FILES = {
    "connections": {"relay": RELAY, "openai": {"key": KEY, "base_url": "https://api.openai.com/v1"}, "azure": RELAY}
}
MODELS = {
    "models": [
        {"id": "mine", "extends": "gpt-image-2", "price_usd_per_m": {"text_in": 1, "image_out": 1}, "n": [1, 10]}
    ]
}
LINE = {"custom_id": IDENTITY, "response": {"status_code": 200, "request_id": "r", "body": ANSWER}, "error": None}
GRAPH = {"prompt": {"3": {"class_type": "OpenAIGPTImage1", "inputs": {"prompt": "x", "image": ["1", 0], "n": 1}}}}
ROUTES = {
    "estimate": {"node": "OIN_GPTImage", "values": VALUES, "connected": ["image"], "image_count": 1},
    "list_estimates": {
        "list": {"text": "a\nb"},
        "nodes": [{"state": {"values": VALUES}, "linked": {"prompt": "prompt"}}],
    },
    "allow_sum": {"prompt_id": "x"},
    "last_words": {"prompt_id": "x"},
    "pictures": {"node": "OIN_GPTImage", "node_id": "3", "values": VALUES, "connected": [], "prompt_ids": ["x"]},
    "azure": {"endpoint": "https://x.openai.azure.com", "key": None},
    "key": {"name": "relay", "key": None},
    "form": {"name": "relay", "omit": ["quality"], "edits": "json"},
    "batch/submit": {"count": 0},
    "batch/cancel": {"id": "x"},
}
CSV = b'prompt,seed,size,quality,image,name\na fox,1,1024x1024,low,,one\n"a, hare",2,auto,high,,two\n'
JSONL = b'{"prompt": "a fox", "seed": 1}\n{"prompt": "a hare", "size": "1024x1024"}\n'
CLAIM = {"host": "h", "pid": 1, "instance": "i", "token": "t", "beats": 3}


def json_of(good: Any) -> st.SearchStrategy[bytes]:
    """Return JSON like a good one, damaged JSON, and what is none."""
    return (
        changed(good).map(as_json) | damaged([as_json(good), DEEP.encode()]) | odd_values().map(as_json) | st.binary()
    )


CAMPAIGNS = {
    "records": Campaign(json_of(RECORD), records),
    "claims": Campaign(st.tuples(odd_texts | st.integers().map("claim.{}".format), json_of(CLAIM)), claims),
    "connections.json": Campaign(json_of(FILES), connections_file),
    "models.json": Campaign(json_of(MODELS), models_file),
    "lists": Campaign(
        st.tuples(st.sampled_from([".csv", ".jsonl", ".txt", ".json"]), damaged([CSV, JSONL]) | json_of(VALUES)), lists
    ),
    "batch lines": Campaign(json_of(LINE), batch_lines),
    "answers": Campaign(
        st.tuples(
            json_of(ANSWER) | damaged(EVENTS) | damaged(PICTURES),
            st.dictionaries(st.sampled_from(["content-type", "x-request-id", "date"]), odd_texts, max_size=3),
        ),
        answers,
    ),
    "drawings": Campaign(damaged(DRAWINGS), drawings),
    "pictures": Campaign(damaged(PICTURES), decoded),
    "workflow values": Campaign(changed(VALUES), workflow_values),
    "posted prompts": Campaign(changed(GRAPH) | odd_values(), posted_prompts),
    "routes": Campaign(
        st.sampled_from(sorted(ROUTES)).flatmap(lambda path: st.tuples(st.just(path), json_of(ROUTES[path]))),
        route_bodies,
    ),
    "tokens": Campaign(odd_texts.map("a.{}.c".format) | odd_texts, tokens),
}


def memory_mb() -> float:
    """Return the most memory that this process had."""
    resource = pytest.importorskip("resource")
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / (
        1 << 20 if sys.platform == "darwin" else 1 << 10
    )


def run(campaign: Campaign, home: Path, *, minutes: float) -> int:
    """Run a campaign; return how many values there were."""
    count = 0

    def one(told: Any) -> None:
        nonlocal count
        count += 1
        campaign.work(told, home)

    common: dict[str, Any] = {"database": None, "deadline": None, "suppress_health_check": list(HealthCheck)}
    if not minutes:
        settings(**common, max_examples=EXAMPLES, derandomize=True, phases=[Phase.generate])(
            given(campaign.told)(one)
        )()
        return count
    ends, number = time.monotonic() + 60 * minutes, int(time.time())
    while time.monotonic() < ends:
        settings(**common, max_examples=CHUNK)(seed(number)(given(campaign.told)(one)))()
        number += 1
    return count


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder and ComfyUI's input folder; beside them nothing may appear."""
    home = tmp_path / "state"
    home.mkdir()
    monkeypatch.setenv("OPENAI_IMAGE_NODES_HOME", str(home))
    monkeypatch.setitem(sys.modules, "folder_paths", SimpleNamespace(get_input_directory=lambda: str(home / "input")))
    monkeypatch.chdir(tmp_path)
    yield home
    catalog._load.cache_clear()
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_strangers_words_do_no_harm(name: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever they are: an answer, or an error of ours in words."""
    before = memory_mb()
    count = run(CAMPAIGNS[name], home, minutes=MINUTES / (len(CAMPAIGNS) + 1))
    after = memory_mb()
    assert after - before < MEMORY_MB
    if MINUTES:
        with capsys.disabled():
            sys.stdout.write(f"\n{name}: {count:,} values, {after - before:.0f} MB more memory\n")


def test_strangers_answers_are_paid_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Over a real connection: whatever comes, the next run of the same sends nothing again by itself."""
    with Server() as server, pytest.MonkeyPatch.context() as patch:
        server.point(patch)
        number = 0

        def work(told: bytes, _home: Path) -> None:
            nonlocal number
            number += 1
            server.faults.clear()
            server.faults.answer(200, told)
            outcomes, posts = [], [server.faults.posts]
            for _ in range(2):
                handle = JobManager().submit(job(connection("openai"), f"fox {number}"))
                outcomes.append(handle.future.exception(60))
                posts.append(server.faults.posts)
                handle.leave()
            assert all(one is None or isinstance(one, OpenAIImageError) for one in outcomes)
            if isinstance(outcomes[0], BadAnswerError):
                assert posts[1] == posts[0] + 1
            if outcomes[0] is None or isinstance(outcomes[0], BadAnswerError):
                assert posts[2] == posts[1]

        answered = json_of(ANSWER) | damaged(EVENTS) | damaged(PICTURES)
        count = run(Campaign(answered, work), home, minutes=MINUTES / (len(CAMPAIGNS) + 1))
    if MINUTES:
        with capsys.disabled():
            sys.stdout.write(f"\nanswers over a connection: {count:,} values\n")
