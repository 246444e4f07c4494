"""Cutting out of a picture what is sent of it."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate, pad

from ..mask_composite import scaled, with_channels
from .regions import Box, Region


def part(picture: Tensor, box: Box, *, mode: str = "replicate") -> Tensor:
    """Return what a box shows of [H,W,C]: a view, or where it goes beyond the picture a padded copy.

    mode: "replicate" continues the edge, "constant" is 0.
    """
    height, width = picture.shape[:2]
    inner = box.inside(width, height)
    seen = picture[inner.top : inner.bottom, inner.left : inner.right]
    if inner == box:
        return seen
    sides = (inner.left - box.left, box.right - inner.right, inner.top - box.top, box.bottom - inner.bottom)
    return pad(seen.permute(2, 0, 1)[None].float(), sides, mode=mode)[0].permute(1, 2, 0)  # HWC -> BCHW -> HWC


def cut_out(original: Tensor, mask: Tensor, region: Region) -> tuple[Tensor, Tensor]:
    """Return the picture [h,w,C] and the mask [h,w] to send of an original [H,W,C] and its mask [H,W].

    They have the region's size; at a scale of 1 the picture's values are the original's own.
    """
    width, height = region.size
    shown = with_channels(part(original, region.box), max(3, original.shape[2]))  # grey goes out as RGB
    picture = scaled(shown.float(), height, width).clamp(0, 1)
    selected = _sized(part(mask[..., None], region.box, mode="constant"), region.size)
    return picture, selected[..., 0].clamp(0, 1)


def cut_back(answer: Tensor, box: Box, picture: tuple[int, int]) -> Tensor:
    """Return the part [n,y,x,C] of an answer [n,h,w,C] to a box that shows a picture (width, height): no padding.

    In whole pixels of the answer.
    """
    inner = box.inside(*picture)
    if inner == box:
        return answer
    x, y = answer.shape[2] / box.width, answer.shape[1] / box.height
    rows = slice(round((inner.top - box.top) * y), max(1, round((inner.bottom - box.top) * y)))
    columns = slice(round((inner.left - box.left) * x), max(1, round((inner.right - box.left) * x)))
    return answer[:, rows, columns].contiguous()


def _sized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Return [H,W,C] scaled to (width, height)."""
    width, height = size
    if picture.shape[:2] == (height, width):
        return picture
    channels_first = picture.permute(2, 0, 1)[None].float()  # HWC -> BCHW
    return interpolate(channels_first, (height, width), mode="bilinear", antialias=True, align_corners=False)[
        0
    ].permute(1, 2, 0)  # BCHW -> HWC
