"""Fitting an answer to its picture, and OpenCV's ECC beside it where `opencv-python-headless` is installed.

`python -m bench.edits` runs all cases; `python -m bench.edits CASE` one of them, for its memory in a process of its
own. The answer is the photograph as gpt-image-2 at high returns one: smaller, at the top left, with other colours.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from . import ours
from .measure import both_taken_s, seconds
from .memory import most_bytes
from .pictures import PHOTOS, Pixels, photograph

ROOT = Path(__file__).resolve().parent.parent
Size = tuple[int, int]
CASES: dict[str, Size] = {"1024x1536": (1024, 1536), "3840x2160": (3840, 2160), "100 megapixels": (11584, 8640)}
REGION = 0.05  # radius of the mask that is edited as a region, of the picture's width
ROUNDS, QUICK_ROUNDS = 5, 2
SCALES, GAINS, WORKING_SIDE = ((0.945, 0.957), (0.91, 0.93)), (0.95, 1.0, 1.03), 1024
WITH_ECC = "1024x1536"
ECC_STEPS, ECC_LEAST, ECC_BLUR = 200, 1e-6, 5


def rows(*, quick: bool) -> Iterator[tuple[str, str]]:
    """Yield a name and what was measured for each case, each in a process of its own."""
    for name in CASES:
        command = [sys.executable, "-m", "bench.edits", name, str(QUICK_ROUNDS if quick else ROUNDS)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)  # noqa: S603
        yield from json.loads(done.stdout)


def _region(name: str, rounds: int) -> Iterator[tuple[str, str]]:
    """Measure a region beside its own pixels alone and a copy of the whole picture."""
    import torch

    regions, crop = ours.part("utils.edits.regions"), ours.part("utils.edits.crop")
    original = _tensor(photograph(*CASES[name]))
    mask = _disc(CASES[name], REGION)
    sizes = regions.AnySize(16, 480, 3840, 655_360, 8_294_400, 3.0)
    region = regions.plan_region(regions.masked_area(mask), CASES[name], sizes)
    sent, _ = crop.cut_out(original, mask, region)
    answer = _tensor(_drifted((sent * 255).round().byte().numpy()))
    fit, box = ours.part("utils.edits.fit").fit, region.box
    part, part_mask = (x[box.top : box.bottom, box.left : box.right].clone() for x in (original, mask))
    before = most_bytes()
    whole_s, whole_cpu = _taken(lambda: fit(original, answer, mask, box=box), rounds)
    peak = most_bytes() - before
    part_s, part_cpu = _taken(lambda: fit(part, answer, part_mask), rounds)
    copy_s, copy_cpu = _taken(lambda: torch.clone(original), rounds)
    limit = 1.5 * min(part_cpu) + min(copy_cpu)
    yield (
        f"fit a region of {box.width}x{box.height} in {name}",
        f"{_told(whole_s, whole_cpu, peak)}; its own pixels {seconds(part_s)}, processor {min(part_cpu):.2f} s; a copy"
        f" {seconds(copy_s)}, processor {min(copy_cpu):.2f} s: {min(whole_cpu) / limit:.2f} of 1.5 times its pixels"
        " and a copy",
    )


def _whole(name: str, rounds: int) -> Iterator[tuple[str, str]]:
    """Measure the whole chain."""
    pixels = photograph(*CASES[name])
    original, answer, mask = _tensor(pixels), _tensor(_drifted(pixels)), _disc(CASES[name], 0.12)
    fit = ours.part("utils.edits.fit").fit
    before = most_bytes()
    taken = _taken(lambda: fit(original, answer, mask), rounds)
    yield f"fit an answer of {name}", _told(*taken, most_bytes() - before)
    if name == WITH_ECC:
        yield from _beside_ecc(name, 1)


def _beside_ecc(name: str, rounds: int) -> Iterator[tuple[str, str]]:
    """Measure what finds the map at 1024, ours and OpenCV's ECC, on all photographs and several drifts."""
    gates, make_pair = ours.part("utils.edits.gates"), ours.part("utils.edits.pair").make_pair
    on_one_core = ours.part("utils.edits.threads").one_core()(gates.decide)
    mask = _disc(CASES[name], 0.12)
    for scale in SCALES:
        found: dict[str, tuple[list[float], list[str]]] = {"ours": ([], []), "ECC": ([], [])}
        for number in range(len(PHOTOS)):
            pixels = photograph(*CASES[name], number)
            pair = make_pair(_tensor(pixels), _tensor(_drifted(pixels, scale)), mask)
            for way, work in (("ours", lambda pair=pair: on_one_core(pair).view.mapping.affine), ("ECC", _ecc(pair))):
                taken, error = _registered(work, name, scale, rounds)
                found[way][0].extend(taken)
                found[way][1].append(error)
        for way, (taken, errors) in found.items():
            smaller = f"{100 * (1 - scale[0]):.0f} and {100 * (1 - scale[1]):.0f} % smaller"
            times = f"processor {seconds(taken)}" if taken else "not measured"
            yield f"  {smaller}: {way}", f"{times}; corners off by {', '.join(errors)} px"


def _registered(
    work: Callable[[], Any] | None, name: str, scale: tuple[float, float], rounds: int
) -> tuple[list[float], str]:
    """Return the processor's seconds and by how much corners are missed; ECC raises where it does not converge."""
    if work is None:
        return [], "(opencv-python-headless is not installed)"
    found: list[Any] = []
    try:
        _, busy = _taken(lambda: found.append(work()), rounds)
    except Exception as exc:  # noqa: BLE001 - cv2.error, and cv2 may not be there
        return [], f"(failed: {str(exc).strip().splitlines()[-1][:60]})"
    return busy, f"{_corners(np.asarray(found[-1]), name, scale):.3f}"


def _ecc(pair: Any) -> Callable[[], Any] | None:
    """Return what registers by OpenCV's ECC, from the identity, or None where there is no OpenCV."""
    try:
        import cv2  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    picture, answer = ((x[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8) for x in (pair.picture, pair.answer))
    grey, other = (cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (picture, answer))
    keep = (pair.keep[0, 0].numpy() * 255).astype(np.uint8)
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, ECC_STEPS, ECC_LEAST)

    def register() -> Any:
        start = np.eye(2, 3, dtype=np.float32)
        found = cv2.findTransformECC(
            grey, other, start, cv2.MOTION_AFFINE, until, inputMask=keep, gaussFiltSize=ECC_BLUR
        )
        return _centred(found[1], grey.shape[::-1])

    return register


def _centred(pixels: NDArray[Any], size: Size) -> NDArray[Any]:
    """Return a map [2,3] of pixels, their middles whole numbers, as one of centred coordinates."""
    half, middle = max(size) / 2, (np.array(size) - 1) / 2
    return np.column_stack([pixels[:, :2], (pixels[:, :2] @ middle + pixels[:, 2] - middle) / half])


def _corners(found: NDArray[Any], name: str, scale: tuple[float, float]) -> float:
    """Return by how many pixels, at a long side of 1024, a map misses a corner."""
    (width, height), long_side = CASES[name], max(CASES[name])
    corners = np.array([[x / long_side, y / long_side, 1] for x in (-width, width) for y in (-height, height)]).T
    shift = [(part - 1) * side / long_side for part, side in zip(scale, CASES[name], strict=True)]
    true = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])
    return float(np.linalg.norm((found - true) @ corners, axis=0).max()) * WORKING_SIDE / 2


def _drifted(pixels: Pixels, scale: tuple[float, float] = SCALES[0]) -> Pixels:
    """Return pixels [H,W,3] smaller, anchored at the top left, the gap mirrored, with a gain for each channel."""
    height, width = pixels.shape[:2]
    more = ((0, height // 7), (0, width // 7), (0, 0))
    back = (1 / scale[0], 0, 0, 0, 1 / scale[1], 0)
    moved = Image.fromarray(np.pad(pixels, more, mode="symmetric")).transform(
        (width, height), Image.Transform.AFFINE, back, Image.Resampling.BICUBIC
    )
    return (np.asarray(moved) * np.array(GAINS, np.float32)).clip(0, 255).astype(np.uint8)


def _disc(size: Size, radius: float) -> Any:
    """Return a mask [H,W], 1 in a circle in the middle; its radius of the width."""
    import torch

    x, y = (torch.arange(side) - side / 2 for side in size)
    return ((x[None] / size[0]) ** 2 + (y[:, None] / size[0]) ** 2 < radius**2).float()


def _tensor(pixels: Pixels) -> Any:
    import torch

    return torch.from_numpy(np.array(pixels)).float().div_(255)


def _taken(work: Callable[[], object], rounds: int) -> tuple[list[float], list[float]]:
    """Return the seconds of the clock and of the processor, round by round; what is loaded on first use is no part."""
    work()
    wall, busy = zip(*(both_taken_s(work) for _ in range(rounds)), strict=True)
    return list(wall), list(busy)


def _told(wall: list[float], busy: list[float], peak: int) -> str:
    return f"{seconds(wall)}, processor {min(busy):.2f} s, memory +{peak / 1e6:.0f} MB"


def main() -> None:
    """Run one case and print its rows as JSON, or all of them and print them to be read."""
    if len(sys.argv) < 2:
        for name, found in rows(quick=False):
            print(f"{name:<46} {found}", flush=True)
        return
    name, rounds = sys.argv[1], int(sys.argv[2])
    ours.load()
    print(json.dumps(list((_region if name == "100 megapixels" else _whole)(name, rounds))))


if __name__ == "__main__":
    main()
