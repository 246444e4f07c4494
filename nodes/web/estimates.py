"""What a node costs as it is set in the page, before it runs: of one picture, and of all rows of a list.

Widgets may be linked: their values, and so the price, are known with the run. Of a picture that Load Image shows it
depends on its size, and on what is painted in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from ...api import Connection, HostSecrets, NoKeyError, RefusedError
from ...api.catalog import catalog, pricing, validation
from ...api.connections import resolve as connections
from ...api.jobs import past_runs
from ...api.store.store import store_of
from ...utils import comfyui
from ...utils.edits.regions import Box, MaskedArea
from ...utils.errors import BrokenPictureError
from ...utils.image_files import size_and_hole
from ...utils.input_tensors import Size
from ..base import ServiceNode
from ..gif import GPTImageGIF
from ..prompt_list.files import inside, leads_outside
from ..prompt_list.node import PromptList, RowKind
from ..prompt_list.tables import PromptListError
from ..run import parameters
from ..run.framing import LARGEST_REGION, SMALLEST_REGION, SPOT, Picture, frame, no_mask, no_picture
from ..svg import GPTImageSVG

NODES: dict[str, type[ServiceNode]] = {"OIN_GPTImageGIF": GPTImageGIF, "OIN_GPTImageSVG": GPTImageSVG}
SIGNED_IN = HostSecrets(comfy_token=SecretStr("nothing-is-sent"))
DECIDING = {"model", "connection"}  # without these nothing can be said of a price
INPUT = " [input]"  # what Load Image adds to the name of a file of ComfyUI's input folder


def estimate(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the price of a node as it is set: its state, and from the cheapest to the dearest case in USD.

    How sure that is tells `certainty`: exact, about, at most, or last time, for what such a picture cost here.
    The body is {"node", "values", "connected", "image_count", "files", "pinned"}; the prompt need not be there. `files`
    are the names in the Load Image nodes behind `image` and `mask`, needed where the size follows the picture; `pinned`
    those of `connected` whose value the page has all the same. `words` says what is done in place of what was set.
    """
    values = dict(asked["values"])
    connected, count = set(map(str, asked.get("connected") or [])), int(asked.get("image_count") or 0)
    extra = node_of(asked).own_fields
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
    cases = [{**case, "extra": extra(case)} for case in _price_cases(values, unknown)]
    fault = _sheet_fault(cases[0]) if len(cases) == 1 else None
    return {**_price(cases, sizes, count), **words, **({"words": fault} if fault else {})}


def node_of(asked: Mapping[str, Any]) -> type[ServiceNode]:
    """Return the class of the node that is asked about."""
    return NODES.get(str(asked.get("node")), ServiceNode)


def asked_connection(values: Mapping[str, Any]) -> Connection:
    """Return the connection of a node's values, over which nothing is sent. Raises: NoKeyError, RefusedError."""
    return connections.resolve(str(values.get("connection") or "auto"), SIGNED_IN, lambda: "")


def list_estimates(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many rows a list has, and how many runs of each price the nodes behind it will have.

    The body is {"list", "nodes"}: the list's widgets, and for each node behind it {"state", "linked"}, as `estimate` is
    asked for it and {input: output of the list}. The answer is {"rows", "estimates": [{"count", ...}]}, or the state
    impossible and the reason.
    """
    try:
        kinds = PromptList.kinds(asked["list"])
    except PromptListError as exc:
        return {"state": "impossible", "reason": str(exc)}
    runs: Counter[tuple[tuple[str, Any], ...]] = Counter()
    for node, (kind, count) in product(asked["nodes"], kinds.items()):
        runs[tuple(estimate(_of_row(node, kind)).items())] += count
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


def _sheet_fault(values: Mapping[str, Any]) -> str | None:
    """Return why the service is likely to refuse the GIF that is asked for, or None."""
    if values["extra"].get("output_format") != "gif" or not parameters.is_whole(values.get("frame_count")):
        return None
    spec = validation.spec_of(values)
    return validation.gif_sheet_fault(spec, str(values.get("size")), int(values["frame_count"]))


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
    picture = _picture_of(files, connected, mask_mode=mode)
    if picture is not None:
        framing = frame(values, picture)
        return [framing.asked], {"words": framing.notes[0]} if framing.notes else {}
    is_free = validation.spec_of(values).sizes.kind != "fixed"
    return [SMALLEST_REGION, LARGEST_REGION] if is_fitted and is_free else [None], {}


def _price(cases: Sequence[Mapping[str, Any]], sizes: Sequence[Size | None], count: int) -> dict[str, Any]:
    """Return the price from the cheapest to the dearest of cases, each of which may be asked for at each size."""
    if not cases:
        return {"state": "unknown"}
    try:
        link = asked_connection(cases[0])
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


def _price_cases(values: Mapping[str, Any], unknown: set[str]) -> list[dict[str, Any]]:
    """Return all that widgets may come to in what the price depends on; `unknown` are those that are linked.

    None where nothing can be said.
    """
    if unknown & DECIDING:
        return []
    spec = catalog.find(str(values.get("model")))
    is_open = values.get("size") == "custom" and unknown & {*parameters.CUSTOM}
    open_names = {*unknown, "size"} if is_open else unknown
    choices: dict[str, Sequence[Any]] = {}  # by widget what the model may be asked for; of a range its ends
    if spec is not None:
        frames = spec.gif if (values.get("extra") or {}).get("output_format") == "gif" else None
        sizes = frames.sizes if frames else spec.sizes.allowed or spec.sizes.presets
        choices = {"quality": spec.quality, "size": sizes, "n": spec.n, "live_preview": spec.partial_images}
        choices |= {"frame_count": frames.frame_count} if frames else {}
    may_be = {name: found for name, found in choices.items() if name in open_names}
    return [{**values, **dict(zip(may_be, chosen, strict=True))} for chosen in product(*may_be.values())]


def _picture_of(files: Mapping[str, Any], connected: Collection[str], *, mask_mode: str) -> Picture | None:
    """Return what is known of the picture in a node's input, or None where its size or what matters is not.

    files: the file names of the Load Image nodes behind the inputs `image` and `mask`.
    """
    path = _path(files.get("image"))
    if path is None or ("references" in connected and "image" not in connected):
        return None
    try:
        status = path.stat()
        size, area = _facts(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError, BrokenPictureError):  # a name that no file can have, too
        return None
    if "mask" not in connected:
        return Picture(size)
    if files.get("mask") == files.get("image"):
        return Picture(size, has_mask=True, area=area)
    return None if mask_mode == "region" else Picture(size, has_mask=True, area=SPOT)


def _path(name: Any) -> Path | None:
    folder = comfyui.input_folder()
    if folder is None or not isinstance(name, str) or not name:
        return None
    name = name.removesuffix(INPUT)
    return None if leads_outside(name) else inside(folder, name)


@lru_cache(maxsize=64)
def _facts(path: Path, _changed: int, _bytes: int) -> tuple[tuple[int, int], MaskedArea | None]:
    size, hole = size_and_hole(path)
    return size, None if hole is None else MaskedArea(Box(*hole[:4]), hole[4])
