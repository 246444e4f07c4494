"""`python -m bench.drifts FIRST LAST [--hard] [--pictures FOLDER]`: random answers that drift, fitted, one a seed.

Prints a line of JSON for each and a summary. Corners in pixels at a long side of 1024, colours of 255. The bound is
Cramér and Rao's: how far off the worst corner is, as a standard deviation, even if the true colours are known, by the
slopes outside the mask and by what noise, JPEG and sampling left there, taken for white.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from . import ours
from .pictures import PHOTOS

sys.path.insert(0, str(ours.ROOT / "tests"))
ours.load()

from support.drift import (  # noqa: E402
    Drift,
    across_border,
    corner_error,
    edited,
    ellipse,
    rectangle,
    tensor,
)

CORNER_PX, SEAM, LEAK = 0.05, 0.08, 12.0
BAND, EDGE = 20.0, 0.01  # around the mask, at a long side of 1024; along the answer's edge, what a model invents
MASKS, HARD_MASKS = ("small", "middle", "large", "edge", "object"), ("tiny", "huge")
SIDES, HARD_SIDES = (0, 0, 1024, 1024, 1536), (384, 512, 0, 1024, 1536, 2048, 3840)  # 0: the photograph's own
HARD_CHANCES = (0.15, 0.25, 0.2, 0.2, 0.1, 0.07, 0.03)
SPILLS, OBJECT = (-20, -10, -5, 0), 40  # by how much an edit ends inside its mask; through an object: beyond it


@dataclass(frozen=True)
class Case:
    """A picture [H,W,3], its mask [H,W], the picture as it was edited, and the drift."""

    name: str
    original: Tensor
    mask: Tensor
    changed: Tensor
    drift: Drift


def case_of(seed: int, photos: Sequence[Path], *, hard: bool) -> Case:
    """Return the case of a seed."""
    rng = np.random.default_rng(seed)
    path = photos[int(rng.integers(len(photos)))]
    side = int(rng.choice(HARD_SIDES, p=HARD_CHANCES) if hard else rng.choice(SIDES))
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if side:
        scale = side / max(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    original = tensor(image)
    kind = str(rng.choice(MASKS + HARD_MASKS * hard))
    mask = _mask(kind, original, rng)
    spill = OBJECT if kind == "object" else 0 if kind == "tiny" else int(rng.choice(SPILLS))
    name = f"{path.stem.removeprefix('oin-example-')} {image.width}x{image.height} {kind}"
    return Case(name, original, mask, edited(original, mask, spill), _drift(seed, image.size, rng, hard=hard))


def _mask(kind: str, pixels: Tensor, rng: Generator) -> Tensor:
    def of(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    if kind == "large":
        return rectangle(pixels, of(0.15, 0.25), of(0.1, 0.25), of(0.7, 0.85), of(0.7, 0.85))
    if kind == "huge":
        return rectangle(pixels, of(0.04, 0.1), of(0.04, 0.1), of(0.88, 0.96), of(0.85, 0.95))
    if kind == "edge":
        corner = rectangle(pixels, of(0.5, 0.7), of(0.4, 0.6), 1, 1)
        return corner.flip([axis for axis in (0, 1) if rng.random() < 0.5])
    radius = {"tiny": (0.006, 0.015), "small": (0.025, 0.06)}.get(kind, (0.1, 0.18))
    return ellipse(pixels, (of(0.2, 0.8), of(0.2, 0.8)), of(*radius))


def _drift(seed: int, size: tuple[int, int], rng: Generator, *, hard: bool) -> Drift:
    def of(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    x = of(0.9, 1.1)
    scale = (x, min(1.1, max(0.9, x * of(0.975, 1.025))))
    ends = [side / max(size) for side in size]
    shift = [(part - 1) * end + of(-0.004, 0.004) for part, end in zip(scale, ends, strict=True)]  # at the upper left
    if rng.random() < 0.4:
        shift = [of(-0.06, 0.06), of(-0.06, 0.06)]
    turn = (of(-0.01, 0.01), of(-0.01, 0.01)) if hard and rng.random() < 0.3 else (0.0, 0.0)
    gain = [of(0.88, 1.1)] * 3 if rng.random() < 0.4 else [of(0.88, 1.1) for _ in range(3)]
    offset = [of(-0.03, 0.03) if rng.random() < 0.3 else 0.0] * 3
    answer = None
    if rng.random() < 0.4:
        factor = of(0.4, 1.5) if hard else of(0.6, 1.4)
        answer = tuple(max(64, round(side * factor)) for side in size)
    if max(answer or size) > 1700:
        answer = tuple(round(side * 1700 / max(size)) for side in size)
    return Drift(
        scale=scale,
        shift=(shift[0], shift[1]),
        turn=turn,
        gain=(gain[0], gain[1], gain[2]),
        offset=(offset[0], offset[1], offset[2]),
        gamma=of(0.84, 1.22) if rng.random() < 0.7 else 1.0,
        noise=float(rng.integers(4)),
        jpeg=[None, 95, 90, 85, 75][int(rng.integers(5))],
        size=answer and (answer[0], answer[1]),
        seed=seed,
    )


def judged(case: Case) -> dict[str, Any]:
    """Return what is measured of a case."""
    fitting, drift = ours.part("utils.edits.fit"), case.drift
    answer, composite, made = drift.answer(case.changed), fitting.Composite, []
    fitting.Composite = lambda *given: made.append(given) or composite(*given)
    busy = time.process_time()
    try:
        result = fitting.fit(case.original, answer, case.mask)
    finally:
        fitting.Composite = composite
    busy = time.process_time() - busy
    size = (case.mask.shape[1], case.mask.shape[0])
    _, decision, border, *_ = made[0]
    perfect, inside = _perfect(case, border), (case.mask > 0.5) & _shown(drift, size)
    unit, grow = max(size) / 1024, ours.part("utils.edits.filters").grow
    far = grow((case.mask > 0).float()[None, None], math.ceil(BAND * unit))[0, 0] == 0
    natural, own = (across_border(_smooth(it, max(1.0, unit)), case.mask) for it in (perfect, result.image))
    leak = _smooth(result.image - perfect, 4 * unit)[inside].abs().amax(dim=1).sort().values * 255
    affine = decision.view.mapping.affine.tolist()
    return {
        "corner": round(corner_error(affine, drift, size), 4),
        "bound": round(_bound(case, answer), 4),
        "seam": round((own - natural) / max(natural, 1.0), 3),
        "leak": round(float(leak[int(0.98 * len(leak))]), 1) if len(leak) else 0.0,
        "exact": bool(torch.equal(result.image[far], case.original[far])),
        "verdict": result.verdict + " relit" * result.relit,
        "applied": ", ".join(result.applied),
        "refused": "; ".join(f"{it.step}: {it.reason}" for it in result.refused),
        "seconds": round(busy, 2),
    }


def _bound(case: Case, answer: Tensor) -> float:
    """Return by how many pixels the worst corner is off, at best."""
    pairs, registration = ours.part("utils.edits.pair"), ours.part("utils.edits.registration")
    geometry, drift = ours.part("utils.edits.geometry"), case.drift
    pair = pairs.make_pair(case.original, answer, case.mask)
    frame, (across, down) = pair.frame, pair.frame.extent
    shown = pairs.view(pair, geometry.Mapping(torch.from_numpy(drift.map)))
    spilled = pairs.reduced((case.changed != case.original).any(2)[..., None].float(), frame.height, frame.width)
    kept = (shown.weight * (spilled == 0)).flatten() > 0
    if int(kept.sum()) < 6:
        return math.inf
    gain, offset = (torch.tensor(it)[:, None, None] for it in (drift.gain, drift.offset))
    picture = (pair.picture**drift.gamma * gain + offset).clamp(0, 1)
    noise = torch.cov((picture - shown.answer)[0].flatten(1)[:, kept]) + 1e-10 * torch.eye(3)
    grid = geometry.affine_positions(geometry.identity(), frame, frame.height, frame.width)[0]
    x, y = (grid * torch.tensor([across, down])).flatten(0, 1)[kept].T
    slopes = [it[0].flatten(1)[:, kept] for it in registration.central_differences(picture, frame.half)]
    jacobian = torch.stack([slope * it for slope in slopes for it in (x, y, 1)], dim=1).double()  # C6n
    information = torch.einsum("cd,cin,djn->ij", torch.linalg.inv(noise.double()), jacobian, jacobian)
    information *= min(1.0, answer.shape[0] * answer.shape[1] / frame.width / frame.height)  # enlarged, noise has grain
    moves = torch.zeros(4, 2, 6, dtype=torch.float64)  # of each corner, by each of the map's six numbers
    moves[:, 0, :3] = moves[:, 1, 3:] = torch.tensor([[i, j, 1] for i in (-across, across) for j in (-down, down)])
    spread = moves @ torch.linalg.pinv(information, hermitian=True) @ moves.transpose(1, 2)
    return float(spread.diagonal(dim1=1, dim2=2).sum(dim=1).max().sqrt()) * 512


def _perfect(case: Case, border: Any) -> Tensor:
    """Return what a perfect answer, neither moved nor recoloured, gives with the border of the answer's fit.

    It may lead around the mask, and then shows more of either answer.
    """
    soft, thick = (interpolate(it, case.mask.shape, mode="bilinear")[0, 0] for it in (border.soft, border.thick))
    return torch.lerp(case.original, case.changed, torch.lerp(case.mask, soft, thick)[..., None])


def _smooth(pixels: Tensor, sigma: float) -> Tensor:
    smooth: Tensor = ours.part("utils.edits.filters").blur(pixels.permute(2, 0, 1)[None], sigma)
    return smooth[0].permute(1, 2, 0)


def _shown(drift: Drift, size: tuple[int, int]) -> Tensor:
    """Tell which pixels [H,W] the answer shows."""
    places = [(np.arange(side) + 0.5 - side / 2) * 2 / max(size) for side in size]
    x, y = np.meshgrid(*places)
    moved = np.einsum("ij,jhw->ihw", drift.map, np.stack([x, y, np.ones_like(x)]))
    ends = np.array(size)[:, None, None] / max(size) - EDGE
    return torch.from_numpy((np.abs(moved) <= ends).all(axis=0))


def summary(found: Sequence[dict[str, Any]]) -> str:
    """Return how many of the cases are as good as they shall be."""
    near = sum(row["corner"] <= CORNER_PX for row in found)
    forbidden = sum(row["corner"] > CORNER_PX and row["bound"] > 0.6 * CORNER_PX for row in found)
    seams = sum(row["seam"] <= SEAM for row in found)
    leaks, exact = sum(row["leak"] <= LEAK for row in found), sum(row["exact"] for row in found)
    middle = statistics.median(row["corner"] for row in found)
    taken = [row["seconds"] for row in found]
    return (
        f"{len(found)} cases: corners within {CORNER_PX} px {near} (median {middle:.3f}; of the others {forbidden} have"
        f" a bound above {0.6 * CORNER_PX:.2f}), seam {seams}, leak {leaks}, outside exact {exact};"
        f" processor {statistics.mean(taken):.2f} s, at most {max(taken):.2f} s"
    )


def main() -> None:
    """Fit the cases of the seeds given and print what is found."""
    parser = argparse.ArgumentParser(prog="python -m bench.drifts", description=__doc__)
    parser.add_argument("first", type=int, help="the first seed")
    parser.add_argument("last", type=int, help="the seed after the last")
    parser.add_argument("--hard", action="store_true", help="small and large pictures, tiny and huge masks, turned")
    parser.add_argument("--pictures", type=Path, help="a folder of photographs in the place of the examples'")
    options = parser.parse_args()
    photos = sorted(options.pictures.iterdir()) if options.pictures else PHOTOS
    found = []
    for seed in range(options.first, options.last):
        case = case_of(seed, photos, hard=options.hard)
        found.append(judged(case))
        told = {it: getattr(case.drift, it) for it in ("scale", "gamma", "noise", "jpeg", "size")}
        print(json.dumps({"seed": seed, "case": case.name, **found[-1], **told}), flush=True)
    print(summary(found))


if __name__ == "__main__":
    main()
