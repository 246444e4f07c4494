"""Edits as the models return them: what the mask keeps drifts, too (docs/exact-edits.md, "What the models do").

The sandbox itself draws edits that are right. `drifting` makes a `render` of another kind of answers out of that, to
be passed in from outside; the same request still gets the same bytes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..requests.validation import ValidatedRequest
from .painter import Change, Render, render

Kind = Literal["in-place", "reframed", "recoloured", "redrawn", "relit"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Dice = Iterator[float]  # values 0..1
GRAIN = 2.0  # of 255
SMALLER, UNEQUAL, OFF = (0.03, 0.09), (0.005, 0.02), 2 / 1024
GAIN, OFFSET = (0.89, 0.98), (2.0, 8.0)
CELL, MOVED = 1 / 16, 1 / 20  # of the long side: pieces of a redrawn picture, and how far each may move
LIGHT = (-0.6, 0.8)
WARM = (1.0, 0.7, 0.45)


def drifting(kind: Kind | None) -> Render:
    """Return a `render` for `Sandbox` whose edits come back as the kind says; None: as ever, as all else does.

    in-place: only the grain is new. reframed: 3 to 9 % smaller, unequally in x and y, anchored at the top left, the
    gap filled. recoloured: a gain and an offset for each channel. redrawn: the same scene, but nothing where it was.
    relit: light from one side.
    """
    return render if kind is None else partial(render, changed=partial(_drifted, _CHANGES[kind]))


def _drifted(change: Change | None, picture: Image.Image, request: ValidatedRequest, index: int) -> Image.Image:
    """Return a picture as a kind has it; each has a grain of its own."""
    changed = change(picture, request, index) if change else picture
    generator = np.random.default_rng(int(next(_dice(request, index)) * 255))
    grain = generator.standard_normal((changed.height, changed.width, 1), dtype=np.float32) * GRAIN
    return _coloured(changed, lambda colours: colours + grain)


def _dice(request: ValidatedRequest, index: int) -> Dice:
    digest = hashlib.sha512(f"{request.model}|{request.prompt}|{index}".encode()).digest()
    return (byte / 255 for byte in digest)


def _between(limits: tuple[float, float], die: float) -> float:
    return limits[0] + (limits[1] - limits[0]) * die


def _reframed(picture: Image.Image, request: ValidatedRequest, index: int) -> Image.Image:
    dice = _dice(request, index)
    scale_x = 1 - _between(SMALLER, next(dice))
    scale_y = scale_x + math.copysign(_between(UNEQUAL, next(dice)), next(dice) - 0.5)
    left, top = (_between((-OFF, OFF), next(dice)) * max(picture.size) for _ in range(2))
    more = tuple((0, math.ceil(side * 0.15)) for side in (picture.height, picture.width))
    wider = Image.fromarray(np.pad(np.asarray(picture), (*more, (0, 0)), mode="symmetric"))
    back = (1 / scale_x, 0, -left / scale_x, 0, 1 / scale_y, -top / scale_y)
    return wider.transform(picture.size, Image.Transform.AFFINE, back, Image.Resampling.BICUBIC)


def _recoloured(picture: Image.Image, request: ValidatedRequest, index: int) -> Image.Image:
    dice = _dice(request, index)
    gains = [_between(GAIN, next(dice)) for _ in range(3)]
    offset = _between(OFFSET, next(dice))
    return _coloured(picture, lambda colours: colours * np.array(gains, np.float32) + offset)


def _redrawn(picture: Image.Image, request: ValidatedRequest, index: int) -> Image.Image:
    """Move the corners of a grid at random, and the picture with them."""
    long_side = max(picture.size)
    counts = [max(1, round(side / (CELL * long_side))) for side in picture.size]
    generator = np.random.default_rng(int(next(_dice(request, index)) * 255))
    corners = np.stack(
        np.meshgrid(*(np.linspace(0, side, count + 1) for side, count in zip(picture.size, counts, strict=True))), 2
    )  # rows, columns, xy
    moved = (corners + generator.uniform(-MOVED, MOVED, corners.shape) * long_side).clip(0, picture.size)
    mesh = []
    for row, column in product(range(counts[1]), range(counts[0])):
        box = (*corners[row, column].round(), *corners[row + 1, column + 1].round())
        around = (moved[row + down, column + right] for down, right in ((0, 0), (1, 0), (1, 1), (0, 1)))
        mesh.append((tuple(int(x) for x in box), tuple(float(x) for corner in around for x in corner)))
    return picture.transform(picture.size, Image.Transform.MESH, mesh, Image.Resampling.BICUBIC)


def _relit(picture: Image.Image, request: ValidatedRequest, index: int) -> Image.Image:
    light = np.linspace(*LIGHT, picture.width, dtype=np.float32)[None, :, None]
    if next(_dice(request, index)) < 0.5:
        light = light[:, ::-1]
    return _coloured(picture, lambda colours: colours * (1 + light) * np.array(WARM, np.float32))


def _coloured(picture: Image.Image, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Image.Image:
    """Change the colours [H,W,3] of a picture of mode RGB or RGBA, 0..255."""
    pixels = np.array(picture)
    pixels[..., :3] = change(pixels[..., :3].astype(np.float32)).round().clip(0, 255)
    return Image.fromarray(pixels)


_CHANGES: dict[Kind, Change | None] = {
    "in-place": None,
    "reframed": _reframed,
    "recoloured": _recoloured,
    "redrawn": _redrawn,
    "relit": _relit,
}
