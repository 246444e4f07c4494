"""Writing the fitted answer into the picture at full size: one resampling, of no more than the mask's surroundings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

from ..mask_composite import blend, with_channels
from ..tensors import closed_below
from .cancel import ShouldStop, raise_if_stopped
from .filters import blur, grow, masked_blur, shrink
from .gates import Decision
from .geometry import Frame, enlarged, parts, positions, sample, window
from .pair import Pair
from .regions import Box
from .seam import Border

BLOCK_PIXELS = 500_000
FADE = 3.0  # the answer's own edge is faded over that, in pixels at a long side of 1024
CONTINUED = 24.0  # where it was edited up to its edge, it goes on beyond that, and is gone at twice as much
UNEDITED, EDITED = 0.03, 0.08  # differences of colour between which that sets in
CERTAIN = 1 - 1e-5
MOST_SAMPLES = 32  # along a side of a pixel: of a picture of a few pixels each is thousands of the answer's


class Composite:
    """The answer [h,w,C] as decided for a pair, which shows a box of the original."""

    def __init__(self, pair: Pair, decision: Decision, border: Border, answer: Tensor, box: Box) -> None:
        self._answer = answer
        self._decision = decision
        self._box = box
        self._frame = Frame(box.width, box.height)
        self._touched = ((border.soft > 0) | (pair.mask > 0))[0, 0]
        shares = [border.soft, border.thick, _validity(pair, decision)]
        self._shares = torch.cat(shares, dim=1)
        self._membrane = decision.membrane

    def write(self, result: Tensor, mask: Tensor, should_stop: ShouldStop | None = None) -> None:
        """Blend the answer into the result [H,W,3|4], which holds the original, by the mask [H,W]."""
        closed = closed_below(mask)
        for block in self._blocks(Box(0, 0, result.shape[1], result.shape[0])):
            raise_if_stopped(should_stop)
            self._write_block(result, mask, block, closed)

    def _blocks(self, whole: Box) -> Iterator[Box]:
        """Yield boxes of the original that hold all pixels of which the answer gets a share."""
        spans = []
        for axis, size in ((1, self._frame.height), (0, self._frame.width)):
            places = self._touched.any(dim=axis).nonzero()[:, 0].tolist()
            pixels = size / self._touched.shape[1 - axis]
            low, high = (places[0] - 1, places[-1] + 2) if places else (0, 0)
            spans.append((max(0, math.floor(low * pixels)), min(size, math.ceil(high * pixels))))
        (top, bottom), (left, right) = spans
        area = Box(self._box.left + left, self._box.top + top, right - left, bottom - top).inside(
            whole.width, whole.height
        )
        rows = max(1, BLOCK_PIXELS // max(1, area.width))
        for y in range(area.top, area.bottom, rows):
            yield Box(area.left, y, area.width, min(rows, area.bottom - y))

    def _write_block(self, result: Tensor, mask: Tensor, block: Box, closed: float) -> None:
        rows = torch.arange(block.top, block.bottom) - self._box.top + 0.5
        columns = torch.arange(block.left, block.right) - self._box.left + 0.5
        place = (slice(block.top, block.bottom), slice(block.left, block.right))
        soft, thick, valid = enlarged(self._shares, self._frame, rows, columns)[0]
        own = mask[place].float().clamp(0, 1)
        share = torch.lerp(own.where(own >= closed, 0.0), soft, thick) * valid
        share = torch.where(share > CERTAIN, 1.0, torch.where(share < 1 - CERTAIN, 0.0, share))
        fitted = self._fitted(rows, columns)
        if self._membrane is not None:
            fitted[:, :3] += enlarged(self._membrane, self._frame, rows, columns)
        fitted = with_channels(fitted[0].clamp_(0, 1).permute(1, 2, 0), result.shape[2])  # BCHW -> HWC
        out = result[place]
        blend(fitted, out.clone(), share, out)

    def _fitted(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the answer in place and in colour at rows [h] and columns [w] of the frame: [1,3|4,h,w]."""
        mapping = self._decision.view.mapping
        if mapping.is_identity and self._answer.shape[:2] == (self._frame.height, self._frame.width):
            moved = self._answer[rows.long()][:, columns.long()].permute(2, 0, 1)[None].float()
        else:
            moved = self._resampled(rows, columns)
        moved = (moved.expand(-1, 3, -1, -1) if moved.shape[1] == 1 else moved).nan_to_num(nan=0.0)
        if self._decision.colour.is_identity:
            return moved
        return torch.cat([self._decision.colour.apply(moved[:, :3]), moved[:, 3:]], dim=1)

    def _resampled(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the answer at its mapped positions; where it is the finer one, the mean of several for each pixel."""
        mapping = self._decision.view.mapping
        grid = _mirrored(positions(mapping, self._frame, rows, columns))
        piece, scale, shift = window(self._answer, grid)
        if piece.shape[1] == 4:
            piece = torch.cat([piece[:, :3] * piece[:, 3:], piece[:, 3:]], dim=1)
        counts = self._samples_per_pixel()
        total = torch.zeros(())
        for y, x in product(*(((torch.arange(n) + 0.5) / n - 0.5).tolist() for n in counts)):
            spread = grid if counts == (1, 1) else _mirrored(positions(mapping, self._frame, rows + y, columns + x))
            total = total + sample(piece, spread * scale + shift)
        total = total / math.prod(counts)
        if piece.shape[1] == 4:
            total[:, :3] /= total[:, 3:].clamp(min=1 / 255)
            total[:, 3:] = torch.where(total[:, 3:] > CERTAIN, 1.0, total[:, 3:])
        return total

    def _samples_per_pixel(self) -> tuple[int, int]:
        """Return how many positions make a pixel, vertically and horizontally."""
        scale_x, scale_y, _, _ = parts(self._decision.view.mapping.affine)
        height, width = self._answer.shape[:2]
        ratios = (scale_y * height / self._frame.height, scale_x * width / self._frame.width)
        return _within_samples(ratios[0]), _within_samples(ratios[1])


def _within_samples(ratio: float) -> int:
    return min(max(1, math.ceil(ratio - 0.25)), MOST_SAMPLES)


def _mirrored(grid: Tensor) -> Tensor:
    """Return positions [...], -1 to 1, with those beyond the answer's edge as far inside it."""
    return grid if bool(grid.abs().amax() <= 1) else (2 * grid.clamp(-1, 1)).sub_(grid)


def _validity(pair: Pair, decision: Decision) -> Tensor:
    """Return [1,1,h,w]: 1 where the answer has something to show, going down to 0 towards what it does not show.

    Beyond its edge a part that was edited goes on, mirrored, as a strip of the old picture there would be seen; what
    was not edited is there as it was.
    """
    inside = decision.view.near
    if bool(inside.all()):
        return inside
    fade, reach = FADE * pair.unit, CONTINUED * pair.unit
    shown = (2 * blur(shrink(inside, round(fade)), fade / 2) - 1).clamp(0, 1)
    return shown.maximum(blur(grow(inside, round(reach)), reach / 2) * _edited_near(pair, decision, reach))


def _edited_near(pair: Pair, decision: Decision, reach: float) -> Tensor:
    """Return [1,1,h,w]: 1 where what the answer shows at its own edge nearby is another thing than the picture.

    Only there: an edit that ends before the edge would be seen a second time, mirrored.
    """
    view = decision.view
    difference = (decision.colour.apply(view.smooth) - pair.smooth).abs().amax(dim=1, keepdim=True)
    edited = ((difference - UNEDITED) / (EDITED - UNEDITED)).clamp(0, 1)
    edge = view.inside - shrink(view.inside, round(2 * FADE * pair.unit))
    nearby = masked_blur(edited, edge * (pair.mask > 0.5), reach / 2)
    return (2 * nearby - 0.5).clamp(0, 1)
