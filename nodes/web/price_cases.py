"""What a run may be asked for where widgets are linked: their values, and so its price, are known with the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from ...api.catalog import catalog
from ...api.catalog.catalog import ModelSpec

DECIDING = {"model", "connection"}  # without these nothing can be said of a price
CUSTOM = {"custom_width", "custom_height"}


def price_cases(values: Mapping[str, Any], unknown: set[str]) -> list[dict[str, Any]]:
    """Return all that widgets may come to in what the price depends on; `unknown` are those that are linked.

    None where nothing can be said.
    """
    if unknown & DECIDING:
        return []
    spec = catalog.find(str(values.get("model")))
    is_open = values.get("size") == "custom" and unknown & CUSTOM
    open_names = {*unknown, "size"} if is_open else unknown
    choices = _choices(spec, values) if spec else {}
    may_be = {name: found for name, found in choices.items() if name in open_names}
    return [{**values, **dict(zip(may_be, chosen, strict=True))} for chosen in product(*may_be.values())]


def _choices(spec: ModelSpec, values: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    """Return by widget what a model may be asked for; of a range its ends."""
    extra = values.get("extra") or {}
    gif = spec.gif if extra.get("output_format") == "gif" else None
    return {
        "quality": spec.quality,
        "size": gif.sizes if gif else spec.sizes.allowed or spec.sizes.presets,
        "n": spec.n,
        "live_preview": spec.partial_images,
        **({"frame_count": gif.frame_count} if gif else {}),
    }
