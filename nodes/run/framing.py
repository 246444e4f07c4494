"""What is sent of the first picture and at which size, in whole pixels (docs/exact-edits.md, "Regions")."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ...api import RefusedError
from ...api.catalog import validation
from ...api.catalog.catalog import Sizes as ModelSizes
from ...utils.edits.regions import DEARER, AnySize, Box, MaskedArea, Region, has_ratio, plan_region, whole_region
from ...utils.input_tensors import Size, size_text
from .parameters import FITTED, ImageParameters

SMALLEST_REGION, LARGEST_REGION = (1024, 1024), (2560, 1440)
SPOT = MaskedArea(Box(0, 0, 1, 1), 1)  # in the place of a mask that nothing is known of yet
SERVER_MULTIPLE, SERVER_MIN_PIXELS = 16, 655_360  # of a model that nothing is known of


class Picture(NamedTuple):
    """What is known of the first picture: its size, whether it has a mask, and what that opens (None: nothing).

    was_open: earlier versions took the mask for one that opens all of it.
    """

    size: Size
    has_mask: bool = False
    area: MaskedArea | None = None
    was_open: bool = False


@dataclass(frozen=True)
class Framing:
    """How a picture goes out and comes back.

    mode: the mask_mode in effect. region: the box that is sent, None for the picture as it is. asked: the size that is
    asked for, None for that of the widget. notes: what the person should know before it is paid for. is_cut: whether
    something else is sent than the picture as it is.
    """

    mode: str = "guide"
    region: Region | None = None
    asked: Size | None = None
    notes: tuple[str, ...] = ()
    is_cut: bool = False

    @property
    def is_fitted(self) -> bool:
        """Tell whether the answer is put in place inside the mask."""
        return self.mode in FITTED


def frame(values: Mapping[str, Any], picture: Picture) -> Framing:
    """Return how a picture is sent for the widgets' values.

    Raises: RefusedError for an empty mask where only what it opens would change.
    """
    mode, size = str(values.get("mask_mode") or "guide"), values.get("size")
    if not picture.has_mask and mode != "guide":
        return _noted(frame({**values, "mask_mode": "guide"}, picture), no_mask(mode))
    if mode in FITTED and picture.area is None:
        raise RefusedError(
            "The mask is empty, so nothing would change. Nothing was sent. Paint over what should change (right-click"
            " Load Image, Open in Mask Editor), or set mask_mode to guide to edit the whole picture."
        )
    if mode == "region" and picture.area is not None:
        return _region(values, picture, picture.area)
    is_raster = (values.get("extra") or {}).get("output_format") is None  # of it a part can be cut out
    if mode == "blend" or (size == "match image" and is_raster):
        return _whole(mode, values, picture)
    return _as_it_is(mode, values, picture)


def unframed(mode: str) -> Framing:
    """Return how nothing is sent: there is no picture, and a mask mode has nothing to do."""
    return Framing(notes=() if mode == "guide" else (no_picture(mode),))


def no_picture(mode: str) -> str:
    """Return what to say of a mask mode where no picture is."""
    return f"There is no picture for mask_mode {mode}: one is made from the prompt alone."


def no_mask(mode: str) -> str:
    """Return what to say of a mask mode that nothing is masked for."""
    return f"There is no mask for mask_mode {mode}: the whole picture is sent and comes back as the model draws it."


def dearest_size(values: Mapping[str, Any], picture: Size, *, has_mask: bool) -> Size | None:
    """Return the largest size that a picture may be asked for at, before its mask is looked at; None: the widget's."""
    whole = {**values, "mask_mode": "blend"} if has_mask and values.get("mask_mode") == "region" else values
    asked = frame(whole, Picture(picture, has_mask, SPOT)).asked
    if whole is not values and asked and validation.spec_of(values).sizes.kind != "fixed":
        return max(asked, LARGEST_REGION, key=lambda size: size[0] * size[1])
    return asked


def alternatives(values: Mapping[str, Any], picture: Picture, own: Framing) -> Iterator[Framing]:
    """Yield the other ways in which the same may have been asked before, for the same mask_mode.

    guide, lock and blend differ in what is done with the answer. So an answer that was paid for under one of them, or
    by a version that knew no padding, or only where no size had the ratio, serves them all.
    """
    if not picture.has_mask and own.region is None:
        return
    others = [_whole(own.mode, values, picture, dearer=dearer) for dearer in (DEARER, math.inf)]
    if own.mode != "region" or own.region is None or own.region.is_whole:
        others.append(_as_it_is(own.mode, values, picture))
    elif not picture.was_open:
        return
    seen = {_sent(own, values)}
    for other in others:
        if _sent(other, values) not in seen:
            seen.add(_sent(other, values))
            yield other


def _sent(framing: Framing, values: Mapping[str, Any]) -> tuple[Box | None, Size | None]:
    """Return what makes two framings the same request."""
    box = framing.region.box if framing.region is not None and framing.is_cut else None
    return box, framing.asked or _wanted(values)


def _as_it_is(mode: str, values: Mapping[str, Any], picture: Picture) -> Framing:
    return Framing(mode, asked=_nearest(values, picture.size) if values.get("size") == "match image" else None)


def _region(values: Mapping[str, Any], picture: Picture, area: MaskedArea) -> Framing:
    context = values.get("region_context")
    sizes = _sizes(validation.spec_of(values).sizes)
    region = plan_region(
        area, picture.size, sizes, context=ImageParameters.region_context if context is None else int(context)
    )
    if region.is_whole:
        is_all = area.pixels == picture.size[0] * picture.size[1]
        told = (
            "The mask covers the whole picture: all of it is sent and may change, so nothing is left to align it by."
            if is_all
            else f"The area around the mask would be {100 * region.share:.0f} % of the picture: all of it is sent, as"
            " with mask_mode blend."
        )
        return _noted(_whole("region", values, picture), told)
    notes = []
    if region.scale < 1:
        notes.append(
            f"What is sent is {size_text(region.box.width, region.box.height)} and goes out scaled down to"
            f" {size_text(*region.size)}: a smaller mask or region_context keeps more detail."
        )
    if region.is_padded(*picture.size):
        notes.append(_padding(region))
    if values.get("size") not in (None, "auto", "match image"):
        notes.append("The widget size was not used: mask_mode region chooses the size of what it sends.")
    return Framing("region", region, region.size, tuple(notes), region.box != Box(0, 0, *picture.size))


def _whole(mode: str, values: Mapping[str, Any], picture: Picture, *, dearer: float = DEARER) -> Framing:
    """Return the whole picture at a size of its own ratio, as near as can be to what the widget asks for."""
    model = validation.spec_of(values).sizes
    sizes, wanted = _sizes(model), _wanted(values)
    if values.get("size") == "match image":
        nearest = _nearest(values, picture.size)
        wanted = nearest if isinstance(sizes, AnySize) or has_ratio(nearest, picture.size) else None
    if wanted and has_ratio(wanted, picture.size) and validation.size_fault(model, *wanted) is None:
        return Framing(mode, Region(Box(0, 0, *picture.size), wanted, 1.0), wanted)
    if not isinstance(sizes, AnySize) and wanted in sizes:
        sizes = [wanted]
    region = whole_region(picture.size, sizes, pixels=wanted[0] * wanted[1] if wanted else None, dearer=dearer)
    notes = [_padding(region)] if region.is_padded(*picture.size) else []
    if _wanted(values) and region.size != wanted:
        notes.append(f"The size is asked for as {size_text(*region.size)}, which has the ratio of the picture.")
    return Framing(mode, region, region.size, tuple(notes), region.box != Box(0, 0, *picture.size))


def _padding(region: Region) -> str:
    return (
        f"What is sent was padded with its own edge to {size_text(region.box.width, region.box.height)}, the ratio of"
        f" {size_text(*region.size)}, and is cut back afterwards: nothing is stretched."
    )


def _noted(framing: Framing, note: str) -> Framing:
    return replace(framing, notes=(note, *framing.notes))


def _wanted(values: Mapping[str, Any]) -> Size | None:
    """Return the size that the widgets name, or None where it is left open."""
    if values.get("size") == "custom":
        width, height = values.get("custom_width"), values.get("custom_height")
        return (int(width), int(height)) if width and height else None
    return validation.parse_size(str(values.get("size")))


def _nearest(values: Mapping[str, Any], picture: Size) -> Size:
    return validation.nearest_size(validation.spec_of(values).sizes, *picture)


def _sizes(sizes: ModelSizes) -> AnySize | list[Size]:
    """Return what a model takes, of sizes with one ratio only the largest; unknown ones are asked for usual sizes."""
    parsed = sorted((size for each in sizes.allowed if (size := validation.parse_size(each))), reverse=True)
    if sizes.kind == "fixed" and parsed:
        return list({width / height: (width, height) for width, height in reversed(parsed)}.values())
    is_known = sizes.kind == "arbitrary" or sizes.max_pixels < 2 * SERVER_MIN_PIXELS
    return AnySize(
        multiple=sizes.multiple_of if is_known else max(SERVER_MULTIPLE, sizes.multiple_of),
        min_side=sizes.min_side,
        max_side=min(sizes.max_edge, sizes.max_pixels),
        min_pixels=sizes.min_pixels if is_known else max(SERVER_MIN_PIXELS, sizes.min_pixels),
        max_pixels=sizes.max_pixels,
        max_ratio=sizes.max_aspect_ratio,
    )
