"""The catalog of models: read from `models.json`, overridden by a file of the same form in the state folder."""

from __future__ import annotations

import json
import logging
import math
from datetime import date, datetime, timedelta, timezone
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .. import config

LOG = logging.getLogger(__name__)
MODELS_FILE = Path(__file__).with_name("models.json")
MODELS_FILE_MAX_BYTES = 1 << 24
ENDS_SOON = timedelta(days=30)
BATCH_MAX_REQUESTS, BATCH_MAX_FILE_BYTES = 50_000, 200_000_000  # docs/batch-api.md, "Input file"
BATCH_WINDOW_S = 86_400  # docs/batch-api.md, "Create, poll, limits, price"
# a file from somebody else may hold any numbers: with these bounds no run hangs on one, or fails after it was paid
Pixels = Annotated[int, Field(ge=1, le=100_000)]
Factor = Annotated[float, Field(ge=0, le=10_000)]
Usd = Annotated[float, Field(ge=0, le=1e6)]
UsdPerM = dict[str, Usd]


class Facts(BaseModel):
    """What the catalog's file says, never changed; what it says besides is left out."""

    model_config = ConfigDict(frozen=True)


class Sizes(Facts):
    """The sizes of a model in pixels: a fixed list (`kind` fixed) or rules (`kind` arbitrary)."""

    kind: str = "any"
    allowed: list[str] = []
    presets: list[str] = []
    multiple_of: Pixels = 1
    min_side: Pixels = 1
    max_edge: Pixels = 100_000
    max_aspect_ratio: Annotated[float, Field(ge=1, le=100_000)] = 1000.0
    min_pixels: int = 1
    max_pixels: int = 8_294_400

    @model_validator(mode="after")
    def _leaves_some(self) -> Sizes:
        side = min(self.max_edge, math.isqrt(max(0, self.max_pixels))) // self.multiple_of * self.multiple_of
        if self.kind != "fixed" and (side < max(1, self.min_side) or side * side < self.min_pixels):
            raise ValueError("no size keeps these rules")
        return self


class GifLimits(Facts):
    """Limits of GIF output: frames, milliseconds per frame, and the grids of the sheet that frames are drawn on."""

    frame_count: tuple[int, int]
    frame_count_default: int
    frame_duration_ms: tuple[int, int]
    frame_duration_ms_default: int
    frame_duration_round_ms: Annotated[int, Field(ge=1)]
    sizes: list[str]
    sheet_grids: dict[int, tuple[int, int]] = {}


class SvgLimits(Facts):
    """Limits of SVG output."""

    reasoning_effort: list[str]


class OutputTokens(Facts):
    """How many output tokens a picture takes: factors for the published formula, or a table by quality and size.

    `scale` multiplies what the formula gives, from the least to the most; of `about` only single runs tell.
    """

    quality_factor: dict[str, Annotated[int, Field(ge=0, le=10_000)]] = {}
    scale: dict[str, tuple[Factor, Factor]] = {}
    about: list[str] = []
    table: dict[str, dict[str, Annotated[int, Field(ge=0, le=10_000_000)]]] = {}


class ComfyPrice(Facts):
    """What comfy.org's proxy does with a model: None where no source says."""

    proxy: bool | None = None
    usd_per_m: UsdPerM | None = None


class BatchFacts(Facts):
    """Whether the Batch API takes a model, None where no source says or they disagree; prices in USD per million."""

    supported: bool | None = None
    usd_per_m: UsdPerM | None = None


class ModelSpec(Facts):
    """One model of the service. Prices in USD per million tokens; dates are ISO days in UTC.

    `auto_quality` is what quality auto chooses among, with "auto" for the most that was seen; None: anything.
    """

    id: str
    status: str = "live"
    shutdown_date: date | None = None
    replacement: list[str] = []
    snapshots: list[str] = []
    endpoints: list[str] = ["generations", "edits"]
    n: tuple[int, int] = (1, 10)
    prompt_max_chars: int = 32_000
    moderation: list[str] = ["auto", "low"]
    max_input_images: int = 16
    max_input_image_bytes: int = 50_000_000
    mask: bool = True
    mask_max_bytes: int = 4_000_000
    partial_images: tuple[int, int] = (0, 3)
    output_compression: tuple[int, int] = (0, 100)
    sizes: Sizes = Sizes()
    quality: Annotated[list[str], Field(min_length=1)] = ["low", "medium", "high", "xhigh", "max", "auto"]
    background: list[str] = ["auto", "opaque", "transparent"]
    output_formats: list[str] = ["png", "webp", "jpeg"]
    input_fidelity: list[str] | None = ["low", "high"]
    complexity: list[str] | None = ["low", "medium", "high"]
    gif: GifLimits | None = None
    svg: SvgLimits | None = None
    markup: bool = True
    unconfirmed: list[str] = []
    price_usd_per_m: UsdPerM | None = None
    comfy: ComfyPrice = ComfyPrice()
    batch: BatchFacts = BatchFacts()
    output_tokens: OutputTokens | None = None
    auto_quality: list[str] | None = None
    image_input_tokens: tuple[int, int] | None = None
    per_image_usd: dict[str, dict[str, Usd]] | None = None
    known: bool = Field(default=True, exclude=True)

    def ended(self, day: date | None = None) -> bool:
        """Tell whether the service no longer answers this model on a day (UTC), today if none is named."""
        day = day or utc_today()
        return self.status == "shut_down" or (self.shutdown_date is not None and self.shutdown_date <= day)

    def ends_soon(self) -> bool:
        """Tell whether the model still runs but ends within 30 days."""
        return not self.ended() and self.ended(utc_today() + ENDS_SOON)


def utc_today() -> date:
    """Return the day by which the service ends its models, wherever this machine is."""
    return datetime.now(timezone.utc).date()


def unknown_model(model_id: str) -> ModelSpec:
    """Return the rules that hold for every model, for an id that the catalog does not have."""
    return ModelSpec(id=model_id, known=False)


def find(model_id: str) -> ModelSpec | None:
    """Return the entry of a model or of one of its dated snapshots, or None."""
    return _catalog().get(model_id)


def listed() -> list[ModelSpec]:
    """Return the models that can be chosen: newest first, ending ones last, no retired ones."""
    alive = [spec for key, spec in _catalog().items() if key == spec.id and not spec.ended()]
    return sorted(alive, key=lambda spec: spec.shutdown_date is not None)


def choices() -> list[str]:
    """Return the ids for a widget: every listed model, then its dated snapshots."""
    specs = listed()
    return [spec.id for spec in specs] + [snapshot for spec in specs for snapshot in spec.snapshots]


def surest_in_batch() -> str:
    """Return the newest model of which a source says that the Batch API takes it."""
    known = [spec.id for spec in listed() if spec.batch.supported]
    return known[0] if known else choices()[0]


def _catalog() -> dict[str, ModelSpec]:
    path = config.folder() / "models.json"
    return _load(path, path.stat().st_mtime_ns) if path.exists() else _shipped()


@cache
def _shipped() -> dict[str, ModelSpec]:
    return _specs(_entries(MODELS_FILE))


@lru_cache(maxsize=4)
def _load(override: Path, _changed_ns: int) -> dict[str, ModelSpec]:
    shipped = _entries(MODELS_FILE)
    try:
        changed = {key: {**shipped.get(key, {}), **entry} for key, entry in _entries(override).items()}
        return _specs({**shipped, **changed})
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as exc:
        LOG.warning("%s is not used, it is no list of models: %s", override, exc)
        return _shipped()


def _specs(entries: dict[str, dict[str, Any]]) -> dict[str, ModelSpec]:
    whole = [_resolved(entry, entries) for entry in entries.values() if not entry.get("abstract")]
    whole.sort(key=lambda entry: str(entry.get("released") or ""), reverse=True)
    specs = [ModelSpec.model_validate(entry) for entry in whole]
    return {key: spec for spec in specs for key in [spec.id, *spec.snapshots]}


def _entries(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file() or path.stat().st_size > MODELS_FILE_MAX_BYTES:
        raise ValueError("no ordinary file, or a very large one")
    models: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8-sig"))["models"]
    return {entry["id"]: entry for entry in models}


def _resolved(entry: dict[str, Any], entries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return an entry with what it takes over from the entry that its `like` names."""
    parent = entries.get(str(entry.get("like")))
    inherited = _resolved(parent, entries) if parent else {}
    return {**{k: v for k, v in inherited.items() if k != "abstract"}, **entry}
