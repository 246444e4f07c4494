"""Picture, answer and mask at the size that everything is decided at: a long side of at most 1024."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..tensors import closed_below
from .cancel import ShouldStop, raise_if_stopped
from .filters import blur, grow, luminance, reduced
from .geometry import Frame, Mapping, inside, positions, sample, sample_spline, spline
from .regions import Box
from .registration import Level, features, levels

WORKING_SIDE = 1024
GUARD = 8.0  # around the mask nothing is compared, in pixels at 1024: edits spill over
JPEG_BLOCK = 16  # of the answer's pixels: within one, JPEG mixes an edit's colours into what lies beside it
NEAR_EDGE = 2.0
EDGE = 4  # pixels of the frame's edge that are not compared: their features lack a neighbour
DETAIL = 2.0  # sigma of what counts as fine detail: differences are judged without it
SAMPLES = 30_000
BLOCK = 32.0  # blocks that are held out to judge a colour match
TRIMMED = 0.75  # of the differences, the lowest, are judged
OPAQUE, HIDDEN = 0.99, 0.5  # alpha from which on colours can be seen, and below which there is what lies behind
PLAIN = 0.05, 0.9  # what lies behind is of one colour: so much of it differs by no more


@dataclass(frozen=True)
class Pair:
    """Picture and answer [1,3,h,w] in one frame, mask and keep [1,1,h,w]; keep is 1 where they should be the same."""

    frame: Frame
    picture: Tensor
    answer: Tensor
    mask: Tensor
    keep: Tensor
    comparable: Tensor  # [1,1,h,w], 1 where both show something; what is transparent shows what lies behind it
    alphas: tuple[Tensor, Tensor]  # of picture and answer, [1,1,h,w]
    smooth: Tensor  # the picture without fine detail
    clear: Tensor  # keep without what lies in a block of JPEG with the mask

    @property
    def unit(self) -> float:
        """How many pixels of these tensors make one at a long side of 1024."""
        return self.frame.long_side / WORKING_SIDE

    @cached_property
    def spline(self) -> Tensor:
        """What is sampled of the answer."""
        return spline(self.answer)

    def forget_outside(self, box: Box, shown: Box) -> None:
        """Compare nothing that a box has beyond the part of it that the picture shows."""
        x, y = self.frame.width / box.width, self.frame.height / box.height
        left, top = math.ceil((shown.left - box.left) * x), math.ceil((shown.top - box.top) * y)
        right, bottom = math.floor((shown.right - box.left) * x), math.floor((shown.bottom - box.top) * y)
        for edge in (
            self.keep[..., :top, :],
            self.keep[..., bottom:, :],
            self.keep[..., :left],
            self.keep[..., right:],
        ):
            edge.zero_()

    def levels(self, should_stop: ShouldStop | None) -> list[Level]:
        """Return what registration works on."""
        return levels(self.frame, luminance(self.picture), luminance(self.answer), self.keep, should_stop)


@dataclass(frozen=True)
class View:
    """The pair's answer [1,3,h,w] as a mapping moves it, and where it can be compared with the picture: [1,1,h,w]."""

    pair: Pair
    mapping: Mapping
    answer: Tensor
    smooth: Tensor  # without fine detail
    inside: Tensor
    opaque: Tensor  # 1 where both have colours of their own
    near: Tensor  # inside, or beyond the answer's edge by less than can be seen, where the edge goes on
    weight: Tensor  # keep that lies inside

    @cached_property
    def level(self) -> Level:
        """The features of picture and answer."""
        pictures = (luminance(self.pair.picture), luminance(self.answer))
        return Level(
            self.pair.frame, features(pictures[0], self.weight), features(pictures[1], self.weight), self.weight
        )

    @cached_property
    def match(self) -> float:
        """The correlation of the features, NCC."""
        return self.level.match

    @cached_property
    def texture(self) -> float:
        """How much structure there is to compare: the root mean square of the picture's features."""
        total = self.weight.sum().clamp(min=1)
        return float(((self.level.picture.square() * self.weight).sum() / total).sqrt())


@dataclass(frozen=True)
class Samples:
    """Colours of picture and answer [n,3] without fine detail where they are compared, and the block each is in [n]."""

    picture: Tensor
    answer: Tensor
    block: Tensor

    def of(self, which: Tensor) -> Samples:
        """Return those of them that a mask [n] tells."""
        return Samples(self.picture[which], self.answer[which], self.block[which])


def make_pair(original: Tensor, answer: Tensor, mask: Tensor | None, should_stop: ShouldStop | None = None) -> Pair:
    """Return the pair of an original [H,W,1|3|4], an answer [h,w,1|3|4] of any size and a mask [H,W], None for none."""
    side = min(WORKING_SIDE, max(original.shape[:2]), max(answer.shape[:2]))
    frame = Frame(original.shape[1], original.shape[0]).at_most(side)
    picture = reduced(original, frame.height, frame.width, should_stop)
    moved = reduced(answer, frame.height, frame.width, should_stop)
    selected = torch.zeros(1, 1, frame.height, frame.width)
    if mask is not None:
        selected = reduced(mask[..., None], frame.height, frame.width, should_stop).nan_to_num(nan=0.0).clamp(0, 1)
        selected = selected.where(selected >= closed_below(selected), 0.0)
    raise_if_stopped(should_stop)
    unit = frame.long_side / WORKING_SIDE
    alphas = (_alpha(picture), _alpha(moved))
    colours, others, comparable = _on_one_ground(_colours(picture), _colours(moved), alphas, selected)
    keep = comparable * (1 - grow((selected > 0).float(), round(GUARD * unit)))
    for axis in (2, 3):
        keep.narrow(axis, 0, min(EDGE, keep.shape[axis])).zero_()
        keep.narrow(axis, max(0, keep.shape[axis] - EDGE), min(EDGE, keep.shape[axis])).zero_()
    block = math.ceil(JPEG_BLOCK * frame.long_side / max(answer.shape[:2]))
    clear = keep * (1 - grow((selected > 0).float(), block))
    smooth = blur(colours, max(1.0, DETAIL * unit))
    return Pair(frame, colours, others, selected, keep, comparable, alphas, smooth, clear)


def view(pair: Pair, mapping: Mapping) -> View:
    """Return the pair's answer as the mapping moves it."""
    frame = pair.frame
    grid = positions(mapping, frame, torch.arange(frame.height) + 0.5, torch.arange(frame.width) + 0.5)
    moved = pair.answer if mapping.is_identity else sample_spline(pair.spline, grid)
    within = inside(grid)
    near = inside(grid, 2 * NEAR_EDGE * pair.unit / frame.long_side)
    own, other = pair.alphas
    if not mapping.is_identity and bool(other.min() < 1):
        other = sample(other, grid, "bilinear")
    opaque = ((own > OPAQUE) & (other > OPAQUE)).float()
    smooth = blur(moved, max(1.0, DETAIL * pair.unit))
    return View(pair, mapping, moved, smooth, within, opaque, near, pair.keep * within)


def samples(shown: View, weight: Tensor | None = None) -> Samples:
    """Return evenly spread colours of the places that have a weight [1,1,h,w], by default the view's own."""
    weight = shown.weight if weight is None else weight
    places = _places(weight)
    rows, columns = places // shown.pair.frame.width, places % shown.pair.frame.width
    size = max(1, round(BLOCK * shown.pair.unit))
    block = rows // size * 7 + columns // size  # an odd factor: a checkerboard by its parity
    picture, answer = values_at(weight, shown.pair.smooth, shown.smooth)
    return Samples(picture, answer, block)


def values_at(weight: Tensor, *pictures: Tensor) -> tuple[Tensor, ...]:
    """Return evenly spread colours [n,3] of each picture [1,3,h,w] at places that have a weight [1,1,h,w]."""
    places = _places(weight)
    return tuple(colours[0].flatten(1)[:, places].T for colours in pictures)


def _places(weight: Tensor) -> Tensor:
    places = weight.flatten().nonzero()[:, 0]
    return places[:: max(1, -(-len(places) // SAMPLES))]


def trimmed(differences: Tensor, part: float = TRIMMED) -> float:
    """Return the mean, of 255, of the lowest part of differences [n,3] of 0..1, over all channels."""
    ordered = differences.abs().mean(dim=1).sort().values[: max(1, round(len(differences) * part))]
    return float(ordered.mean()) * 255 if len(ordered) else 0.0


def _colours(picture: Tensor) -> Tensor:
    """Return [1,1|3|4,h,w] as [1,3,h,w] of 0..1."""
    colours = picture[:, :3] if picture.shape[1] >= 3 else picture[:, :1].expand(-1, 3, -1, -1)
    return colours.nan_to_num(nan=0.0).clamp(0, 1)


def _alpha(picture: Tensor) -> Tensor:
    return picture[:, 3:].nan_to_num(nan=0.0).clamp(0, 1) if picture.shape[1] == 4 else torch.ones_like(picture[:, :1])


def _on_one_ground(
    picture: Tensor, answer: Tensor, alphas: tuple[Tensor, Tensor], mask: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the colours [1,3,h,w] of picture and answer before one ground, and where they can be compared.

    What is cut out has its outline to be found by, before a ground that is far from its colours; or before that which
    the other one shows there, if it is plain. Else what is transparent in one of them is not compared.
    """
    own, other = alphas
    if bool(own.min() > OPAQUE) and bool(other.min() > OPAQUE):
        return picture, answer, torch.ones_like(own)
    hidden = [((alpha < HIDDEN) & (mask == 0))[0, 0] for alpha in alphas]
    shown, is_plain = (picture * own).sum(dim=(2, 3), keepdim=True) / own.sum().clamp(min=1) < 0.5, True
    ground = shown.float()
    if not (hidden[0].any() and hidden[1].any()):
        behind = torch.cat([answer[..., hidden[0]], picture[..., hidden[1]]], dim=2)  # 1Cn, of whichever is opaque
        if behind.shape[2]:
            ground = behind.median(dim=2).values[..., None, None]
            near = (behind - ground[..., 0]).abs().amax(dim=1) < PLAIN[0]
            is_plain = float(near.float().mean()) >= PLAIN[1]
    comparable = torch.ones_like(own) if is_plain else ((own > OPAQUE) & (other > OPAQUE)).float()
    return torch.lerp(ground, picture, own), torch.lerp(ground, answer, other), comparable
