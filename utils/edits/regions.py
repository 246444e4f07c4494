"""Which part of a picture is sent for an edit, and at what size (docs/exact-edits.md, "Regions"). Plain integers.

A model of any size takes multiples of some pixels: the box is i x t by j x t pixels and is sent as i x m by j x m, so
both axes have exactly one scale, m / t. A model of a few sizes gets a box of exactly the ratio of one of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..tensors import closed_below

if TYPE_CHECKING:
    from torch import Tensor

CONTEXT, MORE_CONTEXT = 50, 100  # percent of the mask's size, on each side
LEAST_CONTEXT, LEAST_OF_SHORT_SIDE = 128, 0.1  # pixels, and of the picture's short side
MOST_MASKED = 0.6  # of the box
WHOLE = 0.7  # of the picture: a larger box is all of it
SHARP = (1_000_000, 2560 * 1440)  # pixels that need no scaling
SCALED_UP_TO = 1024 * 1024
MOST_ENLARGED = 3.0
SAME_RATIO = 0.001
DEARER = 1.5  # times the pixels that are wanted


class Box(NamedTuple):
    """Pixels of a picture. They may lie beyond its edges, where its edge goes on."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height

    def inside(self, width: int, height: int) -> Box:
        """Return the part that lies in a picture of that size."""
        left, top = min(max(0, self.left), width), min(max(0, self.top), height)
        return Box(left, top, max(0, min(self.right, width) - left), max(0, min(self.bottom, height) - top))


Sent = tuple[Box, tuple[int, int]]  # what is sent, and its (width, height) there


class MaskedArea(NamedTuple):
    """The box around everything that a mask opens, and how many pixels that is."""

    box: Box
    pixels: int


@dataclass(frozen=True)
class AnySize:
    """What a model of any size takes: sides that are multiples, within limits of side, pixels and ratio."""

    multiple: int
    min_side: int
    max_side: int
    min_pixels: int
    max_pixels: int
    max_ratio: float

    def takes(self, width: int, height: int) -> bool:
        """Tell whether a size can be asked for."""
        return (
            width % self.multiple == height % self.multiple == 0
            and self.min_side <= min(width, height)
            and max(width, height) <= min(self.max_side, self.max_ratio * min(width, height))
            and self.min_pixels <= width * height <= self.max_pixels
        )


Sizes = AnySize | Sequence[tuple[int, int]]  # limits, or a few (width, height)


@dataclass(frozen=True)
class Region:
    """A box of the picture, and the (width, height) that it is sent and asked for at; their ratios agree to 0.1 %.

    share: how much of the picture was wanted; above WHOLE it is all of it.
    """

    box: Box
    size: tuple[int, int]
    share: float

    @property
    def is_whole(self) -> bool:
        """Tell whether all of the picture is sent, because a region would have been most of it."""
        return self.share > WHOLE

    @property
    def scale(self) -> float:
        """Pixels that are sent for one of the picture's."""
        return self.size[0] / self.box.width

    def is_padded(self, width: int, height: int) -> bool:
        """Tell whether the box goes beyond a picture of that size."""
        return self.box != self.box.inside(width, height)


def masked_area(mask: Tensor) -> MaskedArea | None:
    """Return the area that a mask [H,W] of 0..1 opens, or None if it opens nothing."""
    closed = closed_below(mask)
    rows = (mask.amax(dim=1) < closed).logical_not().nonzero()[:, 0].tolist() if mask.numel() else []
    if not rows:
        return None
    opened = mask[rows[0] : rows[-1] + 1]
    columns = (opened.amax(dim=0) < closed).logical_not().nonzero()[:, 0].tolist()
    box = Box(columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0])
    return MaskedArea(box, int((opened[:, box.left : box.right] >= closed).count_nonzero()))


def plan_region(
    masked: MaskedArea,
    picture: tuple[int, int],
    sizes: Sizes,
    *,
    context: int = CONTEXT,
) -> Region:
    """Return what is sent of a picture (width, height) to edit a masked area of it.

    sizes: what the model takes, limits or a few (width, height). context: percent of the mask's size that is shown on
    each side of it. A region that would be most of the picture is all of it.
    """
    box = _surroundings(masked, picture, context)
    if _area(box) < SHARP[0]:
        box = _with_more_context(box, masked, picture)
    share = _area(box) / (picture[0] * picture[1])
    if share > WHOLE:
        return Region(*_whole(picture, sizes), share)
    sent = _any_size(box, picture, sizes) if isinstance(sizes, AnySize) else _fixed_size(box, picture, sizes)
    return Region(*sent, share)


def whole_region(
    picture: tuple[int, int], sizes: Sizes, *, pixels: int | None = None, dearer: float = DEARER
) -> Region:
    """Return all of a picture (width, height), padded where no size has its ratio, and the size it is asked for at.

    pixels: how many the answer should have, if a model of any size takes that; by default what suits the picture.
    dearer: so many times that may be paid for; rather than more, the picture is padded by a few pixels.
    """
    return Region(*_whole(picture, sizes, pixels, dearer), 1.0)


def has_ratio(size: tuple[int, int], picture: tuple[int, int]) -> bool:
    """Tell whether two (width, height) have one ratio, to 0.1 %."""
    return abs(size[0] * picture[1] / (size[1] * picture[0]) - 1) <= SAME_RATIO


def _whole(picture: tuple[int, int], sizes: Sizes, pixels: int | None = None, dearer: float = DEARER) -> Sent:
    box = Box(0, 0, *picture)
    if isinstance(sizes, AnySize):
        size = _size_of_ratio(picture, sizes, pixels, dearer)
        return (box, size) if size else _any_size(box, picture, sizes, pixels)
    same = next((size for size in sizes if has_ratio(size, picture)), None)
    return (box, same) if same else _fixed_size(box, picture, sizes)


def _area(box: Box) -> int:
    return box.width * box.height


def _surroundings(masked: MaskedArea, picture: tuple[int, int], context: int) -> Box:
    """Return the mask's box with its context, of which enough is not masked, inside the picture."""
    least = max(LEAST_CONTEXT, math.ceil(LEAST_OF_SHORT_SIDE * min(picture)))
    sides = [side + 2 * max(math.ceil(side * context / 100), least) for side in (masked.box.width, masked.box.height)]
    sides = [min(side, limit) for side, limit in zip(sides, picture, strict=True)]
    missing = masked.pixels / MOST_MASKED / (sides[0] * sides[1])
    return _around(masked.box, _grown(sides, missing, picture) if missing > 1 else sides, picture)


def _with_more_context(box: Box, masked: MaskedArea, picture: tuple[int, int]) -> Box:
    """Return a small box grown towards what needs no scaling, by no more context than is useful."""
    wider = _surroundings(masked, picture, MORE_CONTEXT)
    limits = (max(box.width, wider.width), max(box.height, wider.height))
    return _around(masked.box, _grown([box.width, box.height], SHARP[0] / _area(box), limits), picture)


def _grown(sides: Sequence[int], factor: float, limits: tuple[int, int]) -> list[int]:
    """Return two sides whose product is `factor` times as large, within limits: what one cannot, the other does."""
    area = sides[0] * sides[1] * factor
    width = min(limits[0], math.ceil(sides[0] * math.sqrt(factor)))
    height = min(limits[1], max(sides[1], math.ceil(area / width)))
    return [min(limits[0], max(width, math.ceil(area / height))), height]


def _around(inner: Box, sides: Sequence[int], picture: tuple[int, int]) -> Box:
    """Return a box with the middle of another, shifted into the picture; one larger than the picture has its middle."""
    starts = []
    for start, inner_side, side, limit in zip(inner[:2], inner[2:], sides, picture, strict=True):
        middle = start + inner_side // 2 - side // 2
        starts.append(min(max(0, middle), limit - side) if side <= limit else (limit - side) // 2)
    return Box(starts[0], starts[1], sides[0], sides[1])


def _any_size(box: Box, picture: tuple[int, int], sizes: AnySize, pixels: int | None = None) -> Sent:
    """Return the box grown to a size that the model takes, at the scale that comes nearest to what is wanted."""
    width, height = _within_ratio(box.width, box.height, sizes.max_ratio)
    for step in _steps(width * height, sizes.multiple, pixels):
        counts = [max(math.ceil(side / step), -(-sizes.min_side // sizes.multiple)) for side in (width, height)]
        counts = _enough(counts, sizes)
        if sizes.takes(counts[0] * sizes.multiple, counts[1] * sizes.multiple):
            grown = _around(box, (counts[0] * step, counts[1] * step), picture)
            return grown, (counts[0] * sizes.multiple, counts[1] * sizes.multiple)
    raise ValueError(f"No size that the model takes fits {box.width}x{box.height} pixels.")


def _within_ratio(width: int, height: int, most: float) -> tuple[int, int]:
    """Return a size whose longer side is at most so many times the other; the shorter one is grown."""
    return max(width, math.ceil(height / most)), max(height, math.ceil(width / most))


def _steps(area: int, multiple: int, pixels: int | None) -> Iterator[int]:
    """Yield how many of the picture's pixels become `multiple` ones, the wanted scale first, then smaller ones."""
    if pixels is not None:
        first = max(1, math.ceil(multiple / math.sqrt(pixels / area)))
        yield from range(first, first + 64 * multiple)
        return
    scale = min(MOST_ENLARGED, math.sqrt(SCALED_UP_TO / area)) if area < SHARP[0] else math.sqrt(SHARP[1] / area)
    wanted = math.ceil(multiple / (scale if area < SHARP[0] else min(1.0, scale)))
    yield from range(wanted, wanted + 64 * multiple)


def _enough(counts: list[int], sizes: AnySize) -> list[int]:
    """Return counts of multiples that make enough pixels."""
    while counts[0] * counts[1] * sizes.multiple**2 < sizes.min_pixels:
        counts = [counts[0] + 1, counts[1]] if counts[0] <= counts[1] else [counts[0], counts[1] + 1]
    return counts


def _fixed_size(box: Box, picture: tuple[int, int], sizes: Sequence[tuple[int, int]]) -> Sent:
    """Return the box grown to exactly the ratio of the size for which it grows least."""
    return min(((_of_ratio(box, size, picture), size) for size in sizes), key=lambda sent: _area(sent[0]))


def _of_ratio(box: Box, size: tuple[int, int], picture: tuple[int, int]) -> Box:
    divisor = math.gcd(*size)
    ratio = (size[0] // divisor, size[1] // divisor)
    least = math.ceil(divisor / MOST_ENLARGED) if _area(box) < picture[0] * picture[1] else 1
    count = max(math.ceil(box.width / ratio[0]), math.ceil(box.height / ratio[1]), least)
    return _around(box, (ratio[0] * count, ratio[1] * count), picture)


def _size_of_ratio(
    picture: tuple[int, int], sizes: AnySize, pixels: int | None, dearer: float
) -> tuple[int, int] | None:
    """Return the size that has a picture's ratio and comes nearest to so many pixels, not far more of them, or None."""
    area = picture[0] * picture[1]
    wanted = pixels or (SCALED_UP_TO if area < SHARP[0] else min(area, SHARP[1]))
    found = []
    for width in range(sizes.multiple, sizes.max_side + 1, sizes.multiple):
        height = round(width * picture[1] / picture[0] / sizes.multiple) * sizes.multiple
        if width * height > dearer * wanted:
            continue
        if height and sizes.takes(width, height) and has_ratio((width, height), picture):
            found.append((width, height))
    return min(found, key=lambda size: abs(math.log(size[0] * size[1] / wanted)), default=None)
