"""Finding the affine map from a picture to the answer (docs/exact-edits.md, "Registration").

Robust Lucas-Kanade on features that do not change with brightness, contrast, gamma and vignetting, from coarse to
fine. Parts that were changed or redrawn lose their weight by themselves; what the mask opens never has any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from .cancel import ShouldStop, raise_if_stopped
from .filters import blur, masked_blur, scaled
from .geometry import Frame, affine_positions, compose, identity, inside, sample

LEVELS = (96, 192, 384, 768)  # long sides; the last steps are made at the pictures' own
START_SCALES = (0.88, 0.94, 1.0, 1.06, 1.12)
COARSE_STEPS, FINE_STEPS, LAST_STEPS = (30, 20, 20), 12, 8
CONVERGED_PX, NEARLY_PX = 0.005, 0.02  # at the last level, and before it
PROMISING, APART_PX = 0.1, 0.1  # below the best correlation, and from its place: what is looked into further
NOISE = 0.02  # of the features' normalization: flat areas stay near 0
FINE = 0.8  # sigma, in pixels, of what is too fine to be compared
BANDS = 0.1  # the same for the last steps: of what is fainter, noise, JPEG and tones move more than a shift does
CAUCHY = 2.385  # 95 % efficiency on normal noise
LEAST_SPREAD = 0.1  # of residuals: where most is flat, the median alone would take edges for outliers
DAMPING = 1e-6
MEDIAN_SAMPLES = 20_000
MIXED, SWIFT, FARTHEST = 4, 0.3, 10.0  # steps, the ratio of two that needs no mixing, and of what is added to one
STRIPED = 0.01  # of the structure across: what there is along stripes is noise

# Columns of d(warped)/d(affine), in the order of the affine map's six numbers, that a step may move together.
_TRANSLATION = ((0, 0, 1, 0, 0, 0), (0, 0, 0, 0, 0, 1))
_SIMILARITY = (*_TRANSLATION, (1, 0, 0, 0, 1, 0), (0, -1, 0, 1, 0, 0))
_AFFINE = tuple(tuple(int(i == j) for j in range(6)) for i in range(6))


@dataclass(frozen=True)
class Level:
    """Features of picture and answer [1,1,h,w] at one size; keep [1,1,h,w] is 1 where they may be compared."""

    frame: Frame
    picture: Tensor
    answer: Tensor
    keep: Tensor

    @property
    def match(self) -> float:
        """The correlation of the features, NCC."""
        return float(correlation(self.picture, self.answer, self.keep))


def features(grey: Tensor, keep: Tensor | None = None, noise: float = NOISE, fine: float = FINE) -> Tensor:
    """Return the local contrast of a luminance [1,1,h,w]: gain, offset, gamma and vignettes drop out of it.

    Its surroundings count only where keep [1,1,h,w] is not 0, so that what lies in the mask shows nowhere else.
    """
    sigma = max(grey.shape) / 24
    smooth = blur(grey, fine)
    around = partial(blur, sigma=sigma) if keep is None else partial(masked_blur, weight=keep, sigma=sigma)
    detail = smooth - around(smooth)
    return detail / (around(detail.square()) + noise**2).sqrt()


def levels(
    full: Frame, picture: Tensor, answer: Tensor, keep: Tensor, should_stop: ShouldStop | None = None
) -> list[Level]:
    """Return the levels, coarse to fine, of luminances and keep [1,1,h,w] of a frame's size; smaller than that."""
    built = []
    for long_side in [side for side in LEVELS if side < full.long_side] or [full.long_side]:
        raise_if_stopped(should_stop)
        frame = full.at_most(long_side)
        small, small_answer, small_keep = (scaled(x, frame.height, frame.width) for x in (picture, answer, keep))
        built.append(Level(frame, features(small), features(small_answer), (small_keep > 0.9).float()))
    return built


def register(pyramid: Sequence[Level], should_stop: ShouldStop | None = None, *, anchored: bool = False) -> Tensor:
    """Return the affine map [2,3] under which the answer's features match the picture's best.

    anchored: of those that leave the upper left corner where it was, as models do that make the content smaller.
    """
    affine = _coarse(pyramid[0], should_stop, anchored=anchored)
    for level in pyramid[1:]:
        solver = _Solver(level, _motions(level, anchored=anchored), striped=not anchored)
        affine = solver.solve(affine, FINE_STEPS, should_stop)
    return affine[0]


def remaining(
    level: Level, should_stop: ShouldStop | None = None, *, striped: bool = True, anchored: bool = False
) -> Tensor:
    """Return the affine map [2,3] that is left to apply when the level's answer has been moved already.

    striped: whether what looks like stripes at this level does at a coarser one as well. anchored: as of `register`.
    """
    solver = _Solver(level, _motions(level, anchored=anchored), CONVERGED_PX, striped=striped and not anchored)
    return solver.solve(identity()[None], LAST_STEPS, should_stop, is_mixed=True)[0]


def _motions(level: Level, *, anchored: bool) -> Sequence[Sequence[float]]:
    x, y = level.frame.extent
    return ((1, 0, x, 0, 0, 0), (0, 0, 0, 0, 1, y)) if anchored else _AFFINE


def correlation(left: Tensor, right: Tensor, weight: Tensor) -> Tensor:
    """Return Pearson's correlation of two [N,1,h,w] under a weight: [N], 0 where there is nothing to compare."""
    total = weight.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    left = left - (left * weight).sum(dim=(1, 2, 3), keepdim=True) / total
    right = right - (right * weight).sum(dim=(1, 2, 3), keepdim=True) / total
    covariance = (left * right * weight).sum(dim=(1, 2, 3))
    power = (left.square() * weight).sum(dim=(1, 2, 3)) * (right.square() * weight).sum(dim=(1, 2, 3))
    return covariance / power.sqrt().clamp(min=1e-9)


def correlations(level: Level, affine: Tensor) -> Tensor:
    """Return how well the features match under maps [N,2,3]: [N]."""
    grid = affine_positions(affine, level.frame, level.frame.height, level.frame.width)
    moved = sample(level.answer.expand(len(grid), -1, -1, -1), grid)
    return correlation(level.picture, moved, level.keep * inside(grid))


def translated(level: Level, affine: Tensor, should_stop: ShouldStop | None = None) -> Tensor:
    """Return maps [N,2,3], each at the shift nearby that matches best."""
    return _Solver(level, _TRANSLATION).solve(affine, FINE_STEPS, should_stop)


def _coarse(level: Level, should_stop: ShouldStop | None, *, anchored: bool) -> Tensor:
    """Return [1,2,3]: the best of several starts of different scale, each freed step by step."""
    affine = torch.zeros(len(START_SCALES), 2, 3, dtype=torch.float64)
    affine[:, 0, 0] = affine[:, 1, 1] = torch.tensor(START_SCALES, dtype=torch.float64)
    if anchored:
        affine[:, :, 2] = (affine[:, 0, :1] - 1) * torch.tensor(level.frame.extent)
        solver = _Solver(level, _motions(level, anchored=True), striped=False)
        affine = solver.solve(affine, sum(COARSE_STEPS), should_stop)
        return _promising(level, affine)[:1]
    affine = compose(affine, _shift(level, affine))
    for basis, steps in zip((_TRANSLATION, _SIMILARITY, _AFFINE), COARSE_STEPS, strict=True):
        affine = _Solver(level, basis).solve(affine, steps, should_stop)
        if basis is not _TRANSLATION:  # of a wrong scale no place matches yet
            affine = _promising(level, affine)
    return affine[:1]


def _promising(level: Level, affine: Tensor) -> Tensor:
    """Return of maps [N,2,3] the best one, and the others that are elsewhere and match nearly as well."""
    match = correlations(level, affine)
    best = affine[int(match.argmax())]
    apart = (affine - best).abs().sum(dim=(1, 2)) * level.frame.half > APART_PX
    return torch.cat([best[None], affine[apart & (match >= match.max() - PROMISING)]])


def _shift(level: Level, affine: Tensor) -> Tensor:
    """Return the shifts, as affine maps [N,2,3], at which the features under maps [N,2,3] correlate best."""
    peaks = matches(level, affine).flatten(1).argmax(dim=1)
    return shifts(level, torch.stack([peaks // (2 * level.frame.width), peaks % (2 * level.frame.width)], dim=1))


def matches(level: Level, affine: Tensor, should_stop: ShouldStop | None = None) -> Tensor:
    """Return the correlation of the features at each shift of maps [N,2,3]: [N,2h,2w], as `shifts` reads it.

    What lies outside the answer counts for no match.
    """
    height, width = level.frame.height, level.frame.width
    grid = affine_positions(affine, level.frame, height, width)
    moved, shown = sample(level.answer.expand(len(grid), -1, -1, -1), grid, "bilinear"), inside(grid)
    size = (2 * height, 2 * width)  # so that nothing comes in again at the other side

    def spectra(picture: Tensor, where: Tensor) -> list[Tensor]:
        raise_if_stopped(should_stop)
        return [torch.fft.rfft2(it[:, 0], s=size) for it in (picture * where, picture.square() * where, where)]

    own, others = spectra(level.picture, level.keep), spectra(moved, shown)
    raise_if_stopped(should_stop)
    pairs = ((0, 0), (1, 2), (2, 1), (2, 2))
    both, power, other, overlap = (torch.fft.irfft2(own[i].conj() * others[j], s=size) for i, j in pairs)
    match = both / (power.clamp(min=1e-3) * other.clamp(min=1e-3)).sqrt()
    weighted: Tensor = match * (overlap / level.keep.sum().clamp(min=1))
    return weighted


def shifts(level: Level, places: Tensor) -> Tensor:
    """Return places [n,2] (row, column) in what `matches` gives as affine maps [n,2,3]; behind the half is negative."""
    limits = torch.tensor([level.frame.height, level.frame.width])
    step = identity().repeat(len(places), 1, 1)
    step[:, :, 2] = torch.where(places >= limits, places - 2 * limits, places).flip(1) / level.frame.half
    return step


class _Solver:
    """Lucas-Kanade steps at one level, for several maps at once, within the motions that a basis spans."""

    def __init__(
        self, level: Level, basis: Sequence[Sequence[float]], converged_px: float = NEARLY_PX, *, striped: bool = True
    ) -> None:
        self._level = level
        self._converged_px = converged_px
        self._kept = kept_samples(level.keep)
        self._slope = central_differences(level.picture, level.frame.half)
        seen = _seen(basis, self._slope, level.keep) if striped else basis
        self._basis = torch.tensor(seen, dtype=torch.float32)  # k6

    def solve(self, affine: Tensor, steps: int, should_stop: ShouldStop | None, *, is_mixed: bool = False) -> Tensor:
        """Return the maps [N,2,3] after at most `steps` steps, those of a single one mixed."""
        if len(self._kept) == 0:
            return affine
        affine, moving = affine.clone(), torch.arange(len(affine))
        past: list[tuple[Tensor, Tensor]] = []
        for _ in range(steps):
            raise_if_stopped(should_stop)
            before, step = affine[moving], self._step(affine[moving])
            affine[moving] = compose(before, identity() + step)
            moving = moving[step.abs().sum(dim=(1, 2)) * self._level.frame.half >= self._converged_px]
            if len(moving) == 0:
                break
            if is_mixed:
                past.append((before, affine - before))
                affine = affine + _mixing(past)
        return affine

    def _step(self, affine: Tensor) -> Tensor:
        level = self._level
        grid = affine_positions(affine, level.frame, level.frame.height, level.frame.width)
        moved = sample(level.answer.expand(len(grid), -1, -1, -1), grid)
        difference = level.picture - moved  # N1hw
        weight = level.keep * inside(grid) * cauchy_weight(difference, self._kept)
        jacobian = self._columns(moved)  # Nk(hw)
        weighted = jacobian * weight.flatten(2)
        normal = (weighted @ jacobian.transpose(1, 2)).double()
        right = (weighted @ difference.flatten(2).transpose(1, 2)).double()
        mean = normal.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=1e-12)
        damped = normal + torch.eye(len(self._basis), dtype=torch.float64) * (DAMPING * mean)[:, None, None]
        solution = torch.linalg.solve(damped, right)[..., 0]  # Nk
        steps: Tensor = (solution @ self._basis.double()).reshape(-1, 2, 3)
        return steps

    def _columns(self, moved: Tensor) -> Tensor:
        """Return [N,k,h*w]: how the warped answer changes with each motion, by the mean slope of both pictures."""
        own = central_differences(moved, self._level.frame.half)
        x_slope, y_slope = ((a + b) / 2 for a, b in zip(own, self._slope, strict=True))
        flat = motions(self._level.frame, x_slope, y_slope)
        return flat if len(self._basis) == 6 else self._basis @ flat


def _mixing(past: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return what to add to a map after a step, of maps and the steps made there: Anderson's mixing.

    In a frame that was redrawn steps shrink by a tenth each; what several tell together leads to where they end.
    """
    moved, steps = (torch.stack([it[i].flatten() for it in past[-MIXED:]], dim=1) for i in (0, 1))  # 6n
    lengths = steps.norm(dim=0)
    if len(past) < 2 or not SWIFT * lengths[-2] < lengths[-1] < lengths[-2]:
        return torch.zeros_like(past[0][0])
    change = steps.diff(dim=1)
    shares = torch.linalg.lstsq(change, steps[:, -1:]).solution
    more = -(moved.diff(dim=1) + change) @ shares
    added: Tensor = more * min(1.0, float(FARTHEST * lengths[-1] / more.norm().clamp(min=1e-12)))
    return added.view_as(past[0][0])


def motions(frame: Frame, x_slope: Tensor, y_slope: Tensor) -> Tensor:
    """Return [N,6,h*w]: how a picture of such slopes [N,1,h,w] changes with each of an affine map's six numbers."""
    x = ((torch.arange(frame.width) + 0.5 - frame.width / 2) / frame.half)[None, None, None]
    y = ((torch.arange(frame.height) + 0.5 - frame.height / 2) / frame.half)[None, None, :, None]
    columns = [x_slope * x, x_slope * y, x_slope, y_slope * x, y_slope * y, y_slope]
    return torch.cat(columns, dim=1).flatten(2)


def _seen(basis: Sequence[Sequence[float]], slopes: tuple[Tensor, Tensor], keep: Tensor) -> Sequence[Sequence[float]]:
    """Return the motions of a basis that slopes [1,1,h,w] in x and y tell of.

    Of stripes none tells of a motion along them: their scale is taken for that of the other direction.
    """
    across = _across(slopes, keep)
    if across is None:
        return basis
    x, y = across.tolist()
    return [(0, 0, x, 0, 0, y), *_SIMILARITY[2:][: len(basis) - 2]]


def along_stripes(level: Level) -> Tensor | None:
    """Return the direction [2] of a level's stripes, in which nothing tells of a motion; None of other pictures."""
    across = _across(central_differences(level.picture, level.frame.half), level.keep)
    return None if across is None else torch.stack([-across[1], across[0]])


def _across(slopes: tuple[Tensor, Tensor], keep: Tensor) -> Tensor | None:
    """Return the direction [2] of the slopes [1,1,h,w] in x and y, None if there are others as well."""
    both = torch.cat([(slope * keep).flatten()[None] for slope in slopes])
    powers, directions = torch.linalg.eigh((both @ both.T).double())
    return directions[:, 1] if powers[0] < STRIPED * powers[1] else None


def central_differences(picture: Tensor, half: float) -> tuple[Tensor, Tensor]:
    """Return the slopes in x and y of [N,1,h,w], per centred unit; 0 at the edge."""
    x_slope, y_slope = torch.zeros_like(picture), torch.zeros_like(picture)
    torch.sub(picture[..., 2:], picture[..., :-2], out=x_slope[..., 1:-1])
    torch.sub(picture[..., 2:, :], picture[..., :-2, :], out=y_slope[..., 1:-1, :])
    return x_slope.mul_(half / 2), y_slope.mul_(half / 2)


def kept_samples(keep: Tensor) -> Tensor:
    """Return flat indices of some of the pixels of [1,1,h,w] that are kept, evenly spread."""
    kept = keep.flatten().nonzero()[:, 0]
    return kept[:: max(1, len(kept) // MEDIAN_SAMPLES)]


def cauchy_weight(difference: Tensor, kept: Tensor) -> Tensor:
    """Return weights for [N,1,h,w]: small where a difference is large for the kept pixels' median (flat indices)."""
    median = difference.flatten(1)[:, kept].abs().median(dim=1).values
    spread = CAUCHY * (1.4826 * median + LEAST_SPREAD)
    return 1 / (1 + (difference / spread[:, None, None, None]).square())
