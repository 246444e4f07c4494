"""What the pack shows of itself, in a form that can be kept as JSON and compared."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from support.golden import kept, pack

VERBS = ("", "doctor", "connect", "jobs", "batch", "sandbox")
CONNECTION_FACTS = (
    *("kind", "base_url", "service", "host", "key_header", "query"),
    *("deployment_paths", "max_image_pixels", "idempotent", "batch"),
)
MODEL_FACTS = (
    *("id", "status", "shutdown_date", "quality", "sizes", "output_formats"),
    *("markup", "price_usd_per_m", "max_input_images"),
)
KINDS = {
    "openai": {"OPENAI_API_KEY": kept.KEY},
    "openai elsewhere": {"OPENAI_API_KEY": kept.KEY, "OPENAI_BASE_URL": "https://example.com/v1/"},
    "openai batch": {"OPENAI_API_KEY": kept.KEY},
    "comfy.org": {"COMFY_API_KEY": kept.KEY},
    "azure": {
        "AZURE_OPENAI_API_KEY": kept.KEY,
        "AZURE_OPENAI_ENDPOINT": "https://own.openai.azure.com",
        "OPENAI_API_VERSION": "2025-04-01-preview",
    },
    "azure v1": {
        "AZURE_OPENAI_API_KEY": kept.KEY,
        "AZURE_OPENAI_ENDPOINT": "https://own.openai.azure.com/",
        "OPENAI_API_VERSION": "v1",
    },
    "own_key": {},
    "openai stored": {},
}


def plain(value: Any) -> Any:
    """Return a value as JSON gives it back."""
    return json.loads(json.dumps(value, default=str))


def identities_by_nodes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Run every kind of job on the sandbox and return the names under which the store has the answers."""
    image, mask = kept.image(), kept.mask()
    other = kept.image(32, 96, 4, step=5)
    markup = kept.image(48, 64, 4, step=3)
    bundle = pack.NODE_CLASS_MAPPINGS["OIN_References"]
    references = getattr(bundle(), bundle.FUNCTION)(image_1=other, image_2=image)[0]
    main: dict[str, dict[str, Any]] = {
        "text": {},
        "text, all widgets": {
            "prompt": "  a blue hare \n", "seed": 7, "quality": "high", "background": "auto", "n": 2,
            "output_format": "webp", "output_compression": 80, "moderation": "low", "complexity": "high",
            "live_preview": 0, "mask_mode": "lock",
        },
        "edit": {"image": image},
        "edit, match image": {"image": image, "size": "match image"},
        "edit of a batch": {"image": kept.torch.cat([image, image.flip(1)])},
        "edit with mask": {"image": image, "mask": mask},
        "edit with locked mask": {"image": image, "mask": mask, "mask_mode": "lock"},
        "edit with input_fidelity": {"image": image, "input_fidelity": "high", "seed": 3},
        "references": {"references": references},
        "image, mask and references": {"image": image, "mask": mask, "references": references},
        "markup": {"image": image, "markup": markup},
    }  # fmt: skip
    found = {name: _name(_report("OIN_GPTImage", **{**kept.SMALL, **inputs})) for name, inputs in main.items()}
    gif = {"frame_count": 2, "size": "384x384"}
    found["gif"] = _name(_report("OIN_GPTImageGIF", **gif))
    found["gif of a picture"] = _name(_report("OIN_GPTImageGIF", image=image, frame_duration_ms=120, **gif))
    found["svg"] = _name(_report("OIN_GPTImageSVG", **kept.SMALL))
    found["svg with an author"] = _name(
        _report("OIN_GPTImageSVG", svg_model="gpt-5.1", svg_effort="low", image=image, **kept.SMALL)
    )
    return {**found, **_identities_of_a_list(folder, monkeypatch)}


def _identities_of_a_list(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the identities of the jobs that a file of rows drives, pictures and masks among them."""
    folder.mkdir()
    monkeypatch.setitem(sys.modules, "folder_paths", SimpleNamespace(get_input_directory=lambda: str(folder)))
    for name, tensor in (("cat.png", kept.image()[0]), ("hole.png", kept.mask()[0])):
        Image.fromarray((tensor * 255).round().byte().numpy()).save(folder / name)
    rows = "prompt,seed,size,quality,image,mask,name\na red fox,,1024x1024,,,,\na red fox,,1024x1024,,,,\n"
    rows += "a hat,5,1024x1024,medium,cat.png,hole.png,hat\n"
    (folder / "rows.csv").write_text(rows)
    node = pack.NODE_CLASS_MAPPINGS["OIN_PromptList"]
    lists = dict(zip(node.RETURN_NAMES, getattr(node(), node.FUNCTION)(file="rows.csv", first_seed=40), strict=True))
    names = ("prompt", "seed", "size", "quality", "image", "mask")
    return {
        f"list, row {row + 1}": _name(_report("OIN_GPTImage", **{name: lists[name][row] for name in names}))
        for row in range(lists["count"])
    }


def _report(node_id: str, **inputs: Any) -> dict[str, Any]:
    outputs = kept.call(node_id, **{"prompt": "a red fox", "connection": "sandbox", **inputs})
    report: dict[str, Any] = json.loads(outputs[pack.NODE_CLASS_MAPPINGS[node_id].RETURN_NAMES.index("report")])
    return report


def _name(report: Mapping[str, Any]) -> str:
    folder = Path(report["kept_in"])
    assert json.loads((folder / "record.json").read_text())["identity"] == folder.name
    return folder.name


def identities_by_connection(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the identities of a text job and of an edit with mask over each kind of connection."""
    found = {}
    for kind, environment in KINDS.items():
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            if environment:  # what the environment says stands alone
                patch.setenv("OPENAI_IMAGE_NODES_HOME", str(kept.DATA / "no state folder"))
            name = kind if kind == "openai batch" else kind.partition(" ")[0]
            link = pack.resolve(name, pack.HostSecrets(), lambda: "")
        asked = {"model": "gpt-image-2.6-flare", "prompt": "a red fox", "size": "1024x1024", "quality": "low"}
        found[f"{kind}, text"] = pack.Job(link, pack.OpenAIImageGenerationRequest(**asked), seed=1).identity
        edit = pack.OpenAIImageEditRequest(**asked, image_count=2, mask=True)
        parts = [_part("image[]", "0"), _part("image[]", "1"), _part("mask", "2")]
        found[f"{kind}, edit"] = pack.Job(link, edit, parts, seed=1).identity
    return found


def _part(name: str, content: str) -> Any:
    digest = hashlib.sha256(content.encode()).hexdigest()
    return pack.FilePart(name, f"{content}.png", content.encode(), digest)


def object_info() -> dict[str, Any]:
    """Return each node class as ComfyUI's /object_info shows it, without tooltips and descriptions."""
    return {name: _node_info(name, node) for name, node in pack.NODE_CLASS_MAPPINGS.items()}


def _node_info(name: str, node: Any) -> dict[str, Any]:
    declared = node.INPUT_TYPES()
    return plain({
        "input": {section: {key: _without_tooltip(one) for key, one in entries.items()}
                  for section, entries in declared.items()},
        "output": [str(kind) for kind in node.RETURN_TYPES],
        "output_is_list": list(getattr(node, "OUTPUT_IS_LIST", [False] * len(node.RETURN_TYPES))),
        "output_name": list(getattr(node, "RETURN_NAMES", node.RETURN_TYPES)),
        "is_input_list": getattr(node, "INPUT_IS_LIST", False),
        "display_name": pack.NODE_DISPLAY_NAME_MAPPINGS.get(name),
        "function": node.FUNCTION,
        "category": node.CATEGORY,
        "output_node": getattr(node, "OUTPUT_NODE", False),
        "api_node": getattr(node, "API_NODE", False),
        "deprecated": getattr(node, "DEPRECATED", False),
        "experimental": getattr(node, "EXPERIMENTAL", False),
    })  # fmt: skip


def _without_tooltip(declaration: Any) -> Any:
    if isinstance(declaration, str):
        return declaration  # a hidden input
    kind, *options = declaration
    return [kind, *({key: value for key, value in one.items() if key != "tooltip"} for one in options)]


class _Built(Exception):
    """A command has built its parser; it goes no further."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def commands(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what each verb of the command takes."""

    def built(self: argparse.ArgumentParser, *_args: Any, **_options: Any) -> Any:
        raise _Built(self)

    found: dict[str, Any] = {}
    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", built)
        for verb in VERBS:
            with pytest.raises(_Built) as caught:
                pack.main([verb] if verb else ["a fox"])
            found.update(_arguments(caught.value.parser))
    return plain(found)


def _arguments(parser: argparse.ArgumentParser) -> Iterator[tuple[str, Any]]:
    own = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _arguments(inner)
        elif not isinstance(action, argparse._HelpAction):
            own.append(action)
    facts = ("dest", "nargs", "const", "default", "choices", "required")
    yield (
        parser.prog,
        {
            "/".join(one.option_strings) or one.dest: {
                **{name: getattr(one, name) for name in facts},
                "type": getattr(one.type, "__name__", None),
                "action": type(one).__name__,
            }
            for one in own
        },
    )


def connections(names: list[str]) -> dict[str, Any]:
    """Return what each connection of the golden connections.json comes to: where to, how, and with which headers."""
    return {name: _connection(name) for name in names}


def _connection(name: str) -> Any:
    try:
        link = pack.resolve(name, pack.HostSecrets(), lambda: "http://127.0.0.1:1")
    except pack.OpenAIImageError as exc:
        return {"refused": type(exc).__name__}
    facts = {fact: getattr(link, fact) for fact in CONNECTION_FACTS}
    return plain({**facts, "url": link.url("images/edits", "gpt-image-2"), "headers": link.auth_headers()})


def models(names: list[str]) -> dict[str, Any]:
    """Return facts of models, None for one that the catalog does not know."""
    return {name: _model(name) for name in names}


def _model(name: str) -> Any:
    spec = pack.find_model(name)
    return None if spec is None else plain({fact: spec.model_dump(mode="json")[fact] for fact in MODEL_FACTS})


def offered(name: str) -> list[str]:
    """Return the values that the main node offers for a widget."""
    return list(pack.NODE_CLASS_MAPPINGS["OIN_GPTImage"].INPUT_TYPES()["optional"][name][0])


def asked_routes(*paths: str) -> dict[str, Any]:
    """Return what the routes for the browser answer to a GET."""

    async def exchange() -> dict[str, Any]:
        table = web.RouteTableDef()
        pack.register(table)
        application = web.Application()
        application.add_routes(table)
        async with TestClient(TestServer(application)) as client:
            return {path: await (await client.get(f"/openai_image_nodes/{path}")).json() for path in paths}

    return asyncio.run(exchange())


def routes() -> list[str]:
    """Return all routes for the browser, method and path."""
    table = web.RouteTableDef()
    pack.register(table)
    return sorted(f"{route.method} {route.path}" for route in table if isinstance(route, web.RouteDef))


@contextlib.contextmanager
def at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a folder be the state folder."""
    with monkeypatch.context() as patch:
        patch.setenv("OPENAI_IMAGE_NODES_HOME", str(folder))
        yield
