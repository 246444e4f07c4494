"""Where a pixel of the picture lies in the answer: affine maps, optional flow, and the sampling of the answer by them.

An affine map is a float64 tensor [2,3]. It maps centred coordinates of the picture, whose unit is half the long side,
to those of the answer stretched to the picture's frame: the identity is an answer that is in place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

MARGIN = 5  # pixels that bicubic sampling reads beyond a position, and some for positions between those of the grid
SPLINE_ROWS = 32
SPLINE_REACH = 8  # what lies further away counts for less than a tenth of an 8-bit level's hundredth
BENDS = (1.2987, -4.9444, 10.8179)  # of a polynomial that undoes the unevenness of torch's bicubic sampling


@dataclass(frozen=True)
class Frame:
    """The size, in pixels, of the picture that coordinates belong to.

    exact: the size of what it draws, if that has another ratio before it is rounded to whole pixels: coordinates are
    that picture's, or a map would be up to 0.05 px off in the other.
    """

    width: int
    height: int
    exact: tuple[int, int] | None = None

    @property
    def long_side(self) -> int:
        return max(self.width, self.height)

    @property
    def half(self) -> float:
        """The unit of centred coordinates, in pixels."""
        return self.long_side / 2

    @property
    def extent(self) -> tuple[float, float]:
        """The coordinates of the right and of the lower edge."""
        width, height = self.exact or (self.width, self.height)
        return width / max(width, height), height / max(width, height)

    def at_most(self, long_side: int) -> Frame:
        """Return the frame that draws the same with a long side of at most `long_side`."""
        scale = min(1.0, long_side / self.long_side)
        exact = self.exact or (self.width, self.height)
        return Frame(max(1, round(self.width * scale)), max(1, round(self.height * scale)), exact)


@dataclass(frozen=True)
class Mapping:
    """Where the picture's pixels lie in the answer: u -> affine(u + flow(u)); flow [1,2,h,w] in centred units."""

    affine: Tensor
    flow: Tensor | None = None

    @property
    def is_identity(self) -> bool:
        return self.flow is None and torch.equal(self.affine, identity())


def identity() -> Tensor:
    """Return the affine map [2,3] of an answer that is in place."""
    return torch.eye(2, 3, dtype=torch.float64)


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """Return the affine maps [...,2,3] of u -> outer(inner(u))."""
    linear = outer[..., :2] @ inner[..., :2]
    shift = outer[..., :2] @ inner[..., 2:] + outer[..., 2:]
    return torch.cat([linear, shift], dim=-1)


def corner_shift(affine: Tensor, frame: Frame) -> float:
    """Return by how many pixels of the frame the corner that moves most is moved."""
    x, y = frame.extent
    corners = torch.tensor([[-x, x, -x, x], [-y, -y, y, y], [1, 1, 1, 1]], dtype=torch.float64)
    moved = affine @ corners - corners[:2]
    return float(moved.square().sum(-2).sqrt().max()) * frame.half


def parts(affine: Tensor) -> tuple[float, float, float, float]:
    """Return (scale x, scale y, rotation in degrees, shear k) of a map, whose linear part is R [[x, k y], [0, y]]."""
    (a, b), (c, d) = affine[:, :2].tolist()
    scale_x = math.hypot(a, c)
    scale_y = (a * d - b * c) / scale_x
    return scale_x, scale_y, math.degrees(math.atan2(c, a)), (a * b + c * d) / scale_x / scale_y


def normalized(affine: Tensor, frame: Frame) -> Tensor:
    """Return affine maps [...,2,3] for coordinates that reach from -1 to 1 on both axes, as `affine_grid` has them."""
    extent = torch.tensor(frame.extent, dtype=torch.float64)
    return affine * torch.cat([extent, extent.new_ones(1)]) / extent[:, None]


def affine_positions(affine: Tensor, frame: Frame, height: int, width: int) -> Tensor:
    """Return where the pixels of the whole frame, drawn at height x width, lie in the answer: [N,h,w,2], -1 to 1."""
    maps = normalized(affine.reshape(-1, 2, 3), frame).float()[..., None, None]  # N2311
    y = ((torch.arange(height) * 2 + 1) / height - 1)[:, None]
    x = ((torch.arange(width) * 2 + 1) / width - 1)[None]
    grid = torch.empty(len(maps), height, width, 2)
    for axis in (0, 1):
        torch.add(maps[:, axis, 0] * x + maps[:, axis, 2], maps[:, axis, 1] * y, out=grid[..., axis])
    return grid


def positions(mapping: Mapping, frame: Frame, rows: Tensor, columns: Tensor) -> Tensor:
    """Return where pixels lie in the answer, -1 to 1: rows [h] and columns [w] in pixels of the frame -> [1,h,w,2]."""
    y, x = (rows * 2 / frame.height - 1)[:, None], (columns * 2 / frame.width - 1)[None]
    if mapping.flow is not None:
        extent_x, extent_y = frame.extent
        own = torch.stack([x.expand(len(rows), -1), y.expand(-1, len(columns))], dim=2)[None]
        flow = grid_sample(mapping.flow, own, padding_mode="border", align_corners=False)
        x, y = x + flow[0, 0] / extent_x, y + flow[0, 1] / extent_y
    (a, b, c), (d, e, f) = normalized(mapping.affine, frame).tolist()
    grid = torch.empty(1, len(rows), len(columns), 2)
    torch.add(a * x + c, b * y, out=grid[0, ..., 0])
    torch.add(d * x + f, e * y, out=grid[0, ..., 1])
    return grid


def inside(grid: Tensor, beyond: float = 0.0) -> Tensor:
    """Return [N,1,h,w]: 1 where a position [N,h,w,2] lies in the answer, or no further beyond its edge than that."""
    x, y = (grid[..., axis].abs() <= 1 + beyond for axis in (0, 1))
    return (x & y).float()[:, None]


def sample(answer: Tensor, grid: Tensor, mode: str = "bicubic") -> Tensor:
    """Return the answer [N,C,h,w] at positions [N,H,W,2]: [N,C,H,W]; beyond its edge the edge goes on."""
    if mode == "bicubic":
        grid = _evened(grid, answer.shape[2], answer.shape[3])
    return grid_sample(answer, grid, mode=mode, padding_mode="border", align_corners=False)


def _evened(grid: Tensor, height: int, width: int) -> Tensor:
    """Return positions [N,H,W,2] at which torch's bicubic sampling shows what lies at those given.

    Its cubic (-0.75) does not reproduce a straight slope: at t pixels from the middle between two it shows what lies
    at t^3 + 0.75 t, up to 0.05 px off. This is the inverse of that, to 0.001 px.
    """
    size = torch.tensor([width, height])
    places = (grid + 1).mul_(size / 2).sub_(0.5)
    off = places.sub_(places.floor()).sub_(0.5)
    square = off.square()
    bend = (square * BENDS[2]).add_(BENDS[1]).mul_(square).add_(BENDS[0])
    return bend.mul_(square.neg_().add_(0.25)).mul_(off).mul_(2 / size).add_(grid)


def spline(picture: Tensor) -> Tensor:
    """Return what `sample_spline` reads of [N,C,h,w]: the coefficients of its cubic B-spline."""
    return _spline_along(_spline_along(picture, axis=3), axis=2)


def _spline_along(picture: Tensor, *, axis: int) -> Tensor:
    size = picture.shape[axis]
    sides = (SPLINE_REACH, SPLINE_REACH, 0, 0) if axis == 3 else (0, 0, SPLINE_REACH, SPLINE_REACH)
    padded = pad(picture, sides, mode="replicate")
    weights = [(math.sqrt(3) - 2) ** k for k in range(SPLINE_REACH + 1)]
    scale = 1 / (2 * sum(weights) - 1)
    total = padded.narrow(axis, SPLINE_REACH, size) * scale
    for k in range(1, SPLINE_REACH + 1):
        both = padded.narrow(axis, SPLINE_REACH - k, size) + padded.narrow(axis, SPLINE_REACH + k, size)
        total.add_(both, alpha=weights[k] * scale)
    return total


def sample_spline(coefficients: Tensor, grid: Tensor) -> Tensor:
    """Return the picture [1,C,h,w] of a spline's coefficients at positions [1,H,W,2]; beyond its edge the edge goes on.

    Where `sample` shows details up to 0.05 px off, and blurs them, this moves them alike. The four linear samples
    together have a cubic B-spline's weights (Sigg and Hadwiger, GPU Gems 2, chapter 20).
    """
    moved = torch.empty(1, coefficients.shape[1], *grid.shape[1:3])
    for top in range(0, grid.shape[1], SPLINE_ROWS):  # small parts stay in the processor's cache
        rows = slice(top, top + SPLINE_ROWS)
        moved[:, :, rows] = _sample_rows(coefficients, grid[:, rows])
    return moved


def _sample_rows(coefficients: Tensor, grid: Tensor) -> Tensor:
    sides, size = [], torch.tensor([coefficients.shape[3], coefficients.shape[2]])
    for axis in (0, 1):
        place = (grid[..., axis] + 1) * (size[axis] / 2) - 0.5
        whole = place.floor()
        t = place - whole
        first, last = (1 - t) ** 3 / 6, t**3 / 6
        second = 3 * last - t.square() + 2 / 3
        before = first + second
        after = 1 - before
        low, high = whole - 0.5 + second / before, whole + 1.5 + last / after
        sides.append((low * (2 / size[axis]) - 1, high * (2 / size[axis]) - 1, after[:, None]))
    (left, right, across), (upper, lower, down) = sides
    corners = [torch.stack([x, y], dim=3) for y in (upper, lower) for x in (left, right)]
    a, b, c, d = (sample(coefficients, corner, "bilinear") for corner in corners)
    return torch.lerp(torch.lerp(a, b, across), torch.lerp(c, d, across), down)


def enlarged(field: Tensor, frame: Frame, rows: Tensor, columns: Tensor) -> Tensor:
    """Return a field [1,C,h,w] that covers the frame at rows [H] and columns [W] of the frame: [1,C,H,W]."""
    return sample(field, positions(Mapping(identity()), frame, rows, columns), "bilinear")


def window(answer: Tensor, grid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the part of [H,W,C] that a grid [1,h,w,2] reads, as [1,C,h,w], and scale and shift [2] of grids for it."""
    size = torch.tensor([answer.shape[1], answer.shape[0]])
    corners = (torch.stack([grid.amin(dim=(0, 1, 2)), grid.amax(dim=(0, 1, 2))]) + 1) * size / 2
    low = (corners[0].floor().long() - MARGIN).clamp(min=0).minimum(size - 1)
    high = (corners[1].ceil().long() + MARGIN).maximum(low + 1).minimum(size)
    part = answer[low[1] : high[1], low[0] : high[0]].permute(2, 0, 1)[None].float().contiguous()  # HWC -> BCHW
    scale = size / (high - low)
    return part, scale, (size - 2 * low) / (high - low) - 1
