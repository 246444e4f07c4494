"""The same call made with the official client and with our node, in a form that can be compared."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import openai
from openai_image_nodes.api.catalog import catalog
from openai_image_nodes.api.catalog import validation as rules
from openai_image_nodes.api.catalog.catalog import ModelSpec
from openai_image_nodes.sandbox import Sandbox

from support.capture import Capture, Captured

DEFAULTS = {"quality": "low", "background": "opaque", "size": "auto", "n": 1, "output_format": "png"}


def seen(request: Captured) -> dict[str, Any]:
    """Return what a request says, without the order that means nothing: that of fields and of mask and markup."""
    files = [] if request.is_json else request.files()
    return {
        "line": (request.method, request.path, request.query),
        "kind": request.headers.get_content_type(),
        "fields": request.fields(),
        "images": [part for part in files if part.name.startswith("image")],
        "others": {part.name: part for part in files if not part.name.startswith("image")},
    }


@cache
def certificates() -> ssl.SSLContext:
    """Return the certificates, which every client would read for itself in 20 ms."""
    return ssl.create_default_context()


def plain_client() -> openai.DefaultHttpxClient:
    """Return the official client's own HTTP client, which no variable of the environment sends elsewhere."""
    return openai.DefaultHttpxClient(trust_env=False, verify=certificates())


def official(server: Capture | Sandbox, **options: Any) -> openai.OpenAI:
    """Return the official client, pointed at a server; close it after use."""
    return openai.OpenAI(base_url=f"{server.base_url}/v1", max_retries=0, http_client=plain_client(), **options)


def ask_as(client: openai.OpenAI, ours: Captured, **arguments: Any) -> None:
    """Make the call of our request with the client, which gets nothing of it but names and bytes of its files."""
    if ours.is_json:
        client.images.generate(**arguments)
        return
    files = [(part.name, (part.filename, part.data)) for part in ours.files()]
    images = [file for name, file in files if name.startswith("image")]
    others = {name: file for name, file in files if not name.startswith("image")}
    client.images.edit(image=images[0] if len(images) == 1 else images, **others, **_for_edits(arguments))


def _for_edits(arguments: dict[str, Any]) -> dict[str, Any]:
    """The client has no moderation for edits: it goes out only where somebody chose it."""
    moderation = arguments.pop("moderation", "auto")
    return arguments if moderation == "auto" else {**arguments, "extra_body": {"moderation": moderation}}


def values_of(spec: ModelSpec, operation: str) -> dict[str, list[Any]]:
    """Return every value of every parameter that the catalog allows a model and the main node can send."""
    closed = {name: list(getattr(spec, name) or []) for name in ("quality", "background", "moderation", "complexity")}
    fidelity = {"input_fidelity": list(spec.input_fidelity or [])} if operation == "edits" else {}
    ranges = {"n": range(spec.n[0], spec.n[1] + 1), "output_compression": range(0, 101, 20)}
    formats = [name for name in spec.output_formats if name in ("png", "webp", "jpeg")]
    return {
        **closed,
        **fidelity,
        **{name: list(values) for name, values in ranges.items()},
        "output_format": formats,
        "size": [*(spec.sizes.allowed or spec.sizes.presets), *edge_sizes(spec)],
    }


def others_of(spec: ModelSpec, operation: str) -> dict[str, list[Any]]:
    """Return values that other models have, and some that none has, but this one does not."""
    allowed = values_of(spec, operation)
    everything: dict[str, set[Any]] = {name: set() for name in allowed}
    for other in catalog.listed():
        for name, values in values_of(other, operation).items():
            everything[name] |= set(values)
    for name in ("quality", "background", "moderation", "complexity", "input_fidelity", "output_format"):
        everything.get(name, set()).add("splendid")
    everything["n"] |= {0, spec.n[1] + 1}
    everything["output_compression"] |= {-1, 101}
    everything["size"] |= {"256x256", "1000x1000", "4096x2048", "3840x3840", "2048x480"}
    legal = {
        name: {*allowed[name], *(["auto"] if name in ("complexity", "input_fidelity") else [])} for name in allowed
    }
    found = {name: [value for value in everything[name] if value not in legal[name]] for name in everything}
    found["size"] = [size for size in found["size"] if rules.size_fault(spec.sizes, *rules.parse_size(size))]
    return found


def edge_sizes(spec: ModelSpec) -> list[str]:
    """Return sizes at the limits of a model's rules: the smallest and widest, the longest, the most pixels."""
    sizes = spec.sizes
    if sizes.kind != "arbitrary":
        return []
    step, low, high = sizes.multiple_of, sizes.min_side, sizes.max_edge
    narrow = int(low * sizes.max_aspect_ratio) // step * step
    most = sizes.max_pixels // high // step * step
    least = -(-sizes.min_pixels // low // step) * step
    return [f"{low}x{narrow}", f"{narrow}x{low}", f"{high}x{most}", f"{most}x{high}", f"{low}x{least}"]
