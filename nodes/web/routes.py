"""What the extension in the browser asks of the server: models, prices, connections; and a way to store a key.

No answer holds a key or an address with one. Keys come in by `/key` alone, and never go out again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from ...api import Connection, HostSecrets, NoKeyError, RefusedError
from ...api.catalog import catalog, pricing, validation
from ...api.catalog.catalog import ModelSpec
from ...api.connections import keys
from ...api.connections import resolve as connections
from ...api.jobs import past_runs
from ...api.jobs.threads import run_bounded
from ...api.store.store import store_of
from .. import gif, svg
from ..migration import replacements
from ..prompt_list.node import PromptList, RowKind
from ..prompt_list.tables import PromptListError
from ..run import large_sums, parameters
from ..run.framing import LARGEST_REGION, SMALLEST_REGION, Size, frame, no_mask, no_picture
from . import batch_routes, paid_pictures
from .linked_pictures import picture_of
from .price_cases import price_cases
from .responses import answering, posted, refuse_other_machines, refuse_other_pages

PUBLIC_FACTS = {"quality", "background", "output_formats", "input_fidelity", "complexity", "markup", "sizes"}
EXTRA: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "OIN_GPTImage": lambda _values: {},
    "OIN_GPTImageGIF": lambda values: gif.extra_fields(values.get("frame_count"), values.get("frame_duration_ms")),
    "OIN_GPTImageSVG": lambda values: svg.extra_fields(values.get("svg_model"), values.get("svg_effort")),
}
SIGNED_IN = HostSecrets(comfy_token=SecretStr("only-the-price-is-asked"))


async def models(_request: web.Request) -> dict[str, Any]:
    """Answer what each model that can be chosen takes; the names are those of the widgets."""
    specs = {name: spec for name in catalog.choices() if (spec := catalog.find(name))}
    return {"models": {name: _facts(spec) for name, spec in specs.items()}}


async def list_connections(_request: web.Request) -> dict[str, Any]:
    """Answer which connections are ready, why not, and whether the panel can store a key for them."""
    return {"connections": [_connection(name) for name in connections.names() if name != "auto"]}


async def list_replacements(_request: web.Request) -> dict[str, Any]:
    """Answer how ComfyUI's own nodes become ours."""
    return replacements.described()


async def estimate(request: web.Request) -> dict[str, Any]:
    """Return the price of a node as it is set: its state, and from the cheapest to the dearest case in USD.

    How sure that is tells `certainty`: exact, about, at most, or last time, for what such a picture cost here.
    The body is {"node", "values", "connected", "image_count", "files", "pinned"}; the prompt need not be there. `files`
    are the names in the Load Image nodes behind `image` and `mask`, needed where the size follows the picture; `pinned`
    those of `connected` whose value the page has all the same. `words` says what is done in place of what was set.
    """
    asked = await posted(request)
    return await asyncio.wrap_future(run_bounded(lambda: _estimate(asked)))


async def list_estimates(request: web.Request) -> dict[str, Any]:
    """Return how many rows a list has, and how many runs of each price the nodes behind it will have.

    The body is {"list", "nodes"}: the list's widgets, and for each node behind it {"state", "linked"}, as `estimate` is
    asked for it and {input: output of the list}. The answer is {"rows", "estimates": [{"count", ...}]}, or the state
    impossible and the reason.
    """
    refuse_other_pages(request)  # how many rows a file has is in the answer
    asked = await posted(request)
    return await asyncio.wrap_future(run_bounded(lambda: _list_estimates(asked["list"], asked["nodes"])))


def _list_estimates(values: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    try:
        kinds = PromptList.kinds(values)
    except PromptListError as exc:
        return {"state": "impossible", "reason": str(exc)}
    runs: Counter[tuple[tuple[str, Any], ...]] = Counter()
    for node, (kind, count) in product(nodes, kinds.items()):
        runs[tuple(_estimate(_of_row(node, kind)).items())] += count
    return {"rows": kinds.total(), "estimates": [{"count": count, **dict(told)} for told, count in runs.items()]}


def _of_row(node: Mapping[str, Any], kind: RowKind) -> dict[str, Any]:
    """Return a node's state for rows of a kind: what comes from the list is known."""
    state, linked = dict(node["state"]), {str(name): str(output) for name, output in node["linked"].items()}
    told = {name: getattr(kind, output) for name, output in linked.items() if output in RowKind._fields}
    absent = {name for name, value in told.items() if value is False}
    known = {name: value for name, value in told.items() if not isinstance(value, bool)}
    missing_pictures = sum(linked[name] == "image" for name in absent)
    return {
        **state,
        "values": {**state["values"], **known},
        "connected": [name for name in state.get("connected") or [] if name not in known and name not in absent],
        "image_count": max(int(state.get("image_count") or 0) - missing_pictures, 0),
    }


def _estimate(asked: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(asked["values"])
    connected, count = set(map(str, asked.get("connected") or [])), int(asked.get("image_count") or 0)
    extra = EXTRA.get(str(asked.get("node")), EXTRA["OIN_GPTImage"])
    values["extra"] = extra(values)
    # Known before a run is neither the prompt, which is still being written, nor what is linked.
    known = {name: value for name, value in values.items() if name != "prompt" and name not in connected}
    refused = parameters.refusal({**known, **dict.fromkeys(connected)})
    if refused is not True:
        return {"state": "impossible", "reason": refused}
    try:
        sizes, words = _asked_sizes(values, dict(asked.get("files") or {}), connected)
    except RefusedError as exc:
        return {"state": "impossible", "reason": str(exc)}
    unknown = connected - set(map(str, asked.get("pinned") or []))
    cases = [{**case, "extra": extra(case)} for case in price_cases(values, unknown)]
    return {**_price(cases, sizes, count), **words}


def _asked_sizes(
    values: Mapping[str, Any], files: Mapping[str, Any], connected: set[str]
) -> tuple[list[Size | None], dict[str, str]]:
    """Return the smallest and the largest size that may be asked for, None for that of the widget, and `words`.

    Raises: RefusedError for what the run would refuse too.
    """
    mode = str(values.get("mask_mode") or "guide")
    is_fitted = mode in parameters.FITTED and {"image", "mask"} <= connected
    if not is_fitted and values.get("size") != "match image":
        has_picture = bool({"image", "references"} & connected)
        told = no_mask(mode) if has_picture else no_picture(mode)
        return [None], {} if mode == "guide" or {"image", "mask"} <= connected else {"words": told}
    picture = picture_of(files, connected, mask_mode=mode)
    if picture is not None:
        framing = frame(values, picture)
        return [framing.asked], {"words": framing.notes[0]} if framing.notes else {}
    is_free = validation.spec_of(values, shutdowns=False).sizes.kind != "fixed"
    return [SMALLEST_REGION, LARGEST_REGION] if is_fitted and is_free else [None], {}


def _price(cases: Sequence[Mapping[str, Any]], sizes: Sequence[Size | None], count: int) -> dict[str, Any]:
    """Return the price from the cheapest to the dearest of cases, each of which may be asked for at each size."""
    if not cases:
        return {"state": "unknown"}
    try:
        link = connections.resolve(str(cases[0].get("connection") or "auto"), SIGNED_IN, lambda: "")
    except NoKeyError:
        return {"state": "no_key"}
    if link.kind == "sandbox":
        return {"state": "free"}
    each = [parameters.priced_fields(case, link, asked=size, edits=count > 0) for case, size in product(cases, sizes)]
    prices = [pricing.estimate(link, fields, count) for fields in each]
    known = [price for price in prices if price is not None]
    if known and len(known) == len(prices):
        lows, highs = [price.low_usd for price in known], [price.high_usd for price in known]
        return _known(link, min(lows), max(highs), pricing.certainty(each[-1]) if len(cases) == 1 else "at most")
    usd = past_runs.last_usd(store_of(link), link.name, each[-1], edits=count > 0) if len(cases) == 1 else None
    return {"state": "unknown", "connection": link.name} if usd is None else _known(link, usd, usd, "last time")


def _known(link: Connection, low_usd: float, high_usd: float, certainty: str) -> dict[str, Any]:
    amounts = {"low_usd": low_usd, "high_usd": high_usd, "certainty": certainty}
    return {"state": "known", "connection": link.name, **amounts}


async def store_key(request: web.Request) -> dict[str, Any]:
    """Store the key of {"name", "key"}, or forget it where the key is null; the key is never part of an answer.

    Raises: HTTPForbidden unless the page and who opened it are on this machine.
    """
    refuse_other_machines(request)
    asked = await posted(request)
    name, key = str(asked["name"]), asked["key"]
    if key is None:
        keys.forget(name)
    else:
        keys.store(name, str(key))
    return {"connection": _connection(name)}


async def store_form(request: web.Request) -> dict[str, Any]:
    """Store the fields that are never sent and the form of edits: {"name", "omit", "edits"}; null leaves one as it is.

    Raises: HTTPForbidden as `store_key`.
    """
    refuse_other_machines(request)
    asked = await posted(request)
    name, edits = str(asked["name"]), asked.get("edits")
    keys.set_form(name, omit=asked.get("omit"), edits=None if edits is None else str(edits))
    return {"connection": _connection(name)}


async def allow_sum(request: web.Request) -> dict[str, Any]:
    """Let the run that {"prompt_id"} asked about go up to the sum that was told, once; answer that sum in USD.

    Raises: HTTPForbidden for any page but ComfyUI's own, HTTPNotFound where nothing was asked, or it was answered.
    """
    refuse_other_pages(request)
    asked = await posted(request)
    question = large_sums.QUESTIONS.say_yes(str(asked["prompt_id"]))
    if question is None:
        raise web.HTTPNotFound(text="Nothing is asked about this run any more. Run it again.")
    return {"usd": large_sums.cents(question.usd), "count": question.count}


async def store_azure(request: web.Request) -> dict[str, Any]:
    """Store {"endpoint", "api_version", "key"} of the connection azure; an empty key or version keeps what is stored.

    Raises: HTTPForbidden as `store_key`.
    """
    refuse_other_machines(request)
    asked = await posted(request)
    keys.store_azure(*(str(asked.get(name) or "") for name in ("endpoint", "api_version", "key")))
    return {"connection": _connection("azure")}


def _facts(spec: ModelSpec) -> dict[str, Any]:
    facts: dict[str, Any] = spec.model_dump(mode="json", include=PUBLIC_FACTS)
    return {**facts, "ends": spec.shutdown_date.isoformat() if spec.shutdown_date else None}


def _connection(name: str) -> dict[str, Any]:
    fault = keys.fault(name)
    return {
        "name": name,
        "ready": fault is None,
        "reason": fault,
        "key": keys.source(name),
        "takes_key": name not in keys.WITHOUT_STORED_KEY,
        **keys.form(name),
        **(keys.azure_place() if name == "azure" else {}),
    }


HANDLERS = {  # by method and path: what nodes/web/__init__.py names is loaded from here
    ("GET", "/models"): answering(models),
    ("GET", "/connections"): answering(list_connections),
    ("GET", "/replacements"): answering(list_replacements),
    ("POST", "/estimate"): answering(estimate),
    ("POST", "/list_estimates"): answering(list_estimates),
    ("POST", "/key"): answering(store_key),
    ("POST", "/form"): answering(store_form),
    ("POST", "/azure"): answering(store_azure),
    ("POST", "/allow_sum"): answering(allow_sum),
    ("POST", "/pictures"): answering(paid_pictures.pictures),
    **batch_routes.HANDLERS,
}
