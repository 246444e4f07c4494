"""utils/edits/registration.py: the affine map is found to a few hundredths of a pixel, whatever else drifted."""

from __future__ import annotations

import pytest
import torch
from openai_image_nodes.utils.edits import alignment, gates
from openai_image_nodes.utils.edits.geometry import (
    Frame,
    Mapping,
    affine_positions,
    compose,
    corner_shift,
    identity,
    parts,
    positions,
    sample,
    sample_spline,
    spline,
)
from openai_image_nodes.utils.edits.pair import make_pair, view
from openai_image_nodes.utils.edits.registration import Level, correlation, features, register
from support.drift import PHOTOGRAPHS, Drift, blurred, corner_error, edited, ellipse, photograph, rectangle
from torch import Tensor

SMALLER = Drift(scale=(0.93, 0.95), shift=(-0.06, -0.035), turn=(0.002, -0.001))
LARGER = Drift(scale=(1.06, 1.02), shift=(0.03, 0.01), turn=(-0.002, 0.003))
UNEQUAL = Drift(scale=(0.9, 1.1), shift=(0.05, -0.04))
SHIFTED = Drift(shift=(0.055, 0.042))


def found(original: Tensor, answer: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the map that the chain's first step decides for; what follows takes the map as it is."""
    pair = make_pair(original, answer, mask)
    return gates._Chain(pair, None)._aligned(view(pair, Mapping(identity()))).mapping.affine


def error(drift: Drift, name: str, mask: Tensor | None = None, spill: int | None = None) -> float:
    """Return by how much the map of a drifted photograph is missed, in pixels at a long side of 1024."""
    original = photograph(name)
    changed = original if spill is None or mask is None else edited(original, mask, spill)
    size = (original.shape[1], original.shape[0])
    return corner_error(found(original, drift.answer(changed), mask).tolist(), drift, size)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "drift"),
    [
        ("cat.png", SMALLER),
        ("coffee.jpg", LARGER),
        ("rocket.jpg", UNEQUAL),
        ("galaxies.jpg", SHIFTED),
    ],
)
def test_map_is_found_to_a_fraction_of_a_pixel(name: str, drift: Drift) -> None:
    """Shift and unequal scales are found from nothing, to less than 0.05 px at a long side of 1024."""
    assert error(drift, name) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_colours_noise_and_jpeg_do_not_move_it(name: str) -> None:
    """Gain, gamma, noise and JPEG together cost less than the limit, also where channels change differently."""
    drift = Drift((0.94, 0.96), (-0.05, -0.03), gain=(0.92, 1, 1.05), gamma=1.1, noise=2, jpeg=90)
    assert error(drift, name) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("name", "spill"), [("coffee.jpg", -20), ("rocket.jpg", 20)])
def test_edit_does_not_move_it(name: str, spill: int) -> None:
    """A large edit, also one that spills out of its mask, does not pull the map to itself."""
    original = photograph(name)
    drift = Drift((0.95, 0.97), (-0.04, -0.02), gain=(0.95, 1, 1.02))
    assert error(drift, name, rectangle(original, 0.4, 0.3, 1, 1), spill) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("shift", [(0.25, 0.1), (-0.2, -0.2)])
def test_far_shift_is_found(shift: tuple[float, float]) -> None:
    """A frame that was moved by an eighth of its side is found again."""
    assert error(Drift((0.9, 0.91), shift), "coffee.jpg") < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1024, 683), (300, 200), (600, 600)])
def test_answer_of_another_size_is_compared_in_the_frame(size: tuple[int, int]) -> None:
    """An answer of any size, also of another ratio, is the picture's frame stretched."""
    assert error(Drift((0.95, 0.97), (-0.04, -0.02), size=size), "coffee.jpg") < 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("name", "share"), [("coffee.jpg", 0.012), ("cat.png", 0.03), ("cat.png", 0.06)])
def test_last_steps_go_all_the_way_beside_a_large_mask(
    name: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only a rim is left, each step goes but a part of the way: they are gone on with until nothing is left.

    Also from up to 80 px off, where little matches at first.
    """
    original = photograph(name)
    drift = Drift((0.97, 0.96), (-0.03, -0.02))
    off = torch.tensor(drift.map) + share * torch.tensor([[1, 0, 1], [0, 1, 1]])
    monkeypatch.setattr(alignment, "register", lambda *_: off)
    assert error(drift, name, rectangle(original, 0.08, 0.08, 0.92, 0.92), -10) < 0.05


def test_one_affine_after_the_other_is_their_product() -> None:
    """compose(a, b) maps u to a(b(u)), and parts takes scales, rotation and shear out again."""
    a, b = torch.tensor([[2.0, 0, 1], [0, 3, 0]]).double(), torch.tensor([[1.0, 0, 5], [0, 1, 7]]).double()
    assert compose(a, b).tolist() == [[2, 0, 11], [0, 3, 21]]
    turned = torch.tensor([[0.0, -2, 0], [1, 0, 0]]).double()
    assert parts(turned) == pytest.approx((1, 2, 90, 0))


def test_corner_shift_is_in_pixels() -> None:
    """A shift of a tenth of half the long side moves every corner by that."""
    moved = identity()
    moved[0, 2] = 0.1
    assert corner_shift(moved, Frame(400, 200)) == pytest.approx(20)
    assert Mapping(identity()).is_identity
    assert not Mapping(moved).is_identity


@pytest.mark.parametrize("shift_px", [0.1, 0.25, 0.5, 0.8])
def test_sampling_shows_what_lies_there(shift_px: float) -> None:
    """A straight slope that is sampled between its pixels has the values that lie there, to 0.002 px."""
    slope = torch.arange(32.0).expand(1, 1, 8, -1)
    moved = identity()
    moved[0, 2] = shift_px / Frame(32, 8).half
    shown = sample(slope, affine_positions(moved, Frame(32, 8), 8, 32))
    assert (shown - slope - shift_px)[..., 4:-4].abs().max() < 0.002


@pytest.mark.parametrize("shift_px", [0.1, 0.25, 0.5, 0.8])
def test_spline_moves_fine_detail_as_far_as_the_rest(shift_px: float) -> None:
    """A wave of six pixels keeps its height and its place, to a hundredth of a pixel."""
    frame, places = Frame(48, 8), torch.arange(48.0)
    wave = (places * torch.pi / 3).sin().expand(1, 1, 8, -1)
    grid = positions(Mapping(identity()), frame, torch.arange(8) + 0.5, places + 0.5 + shift_px)
    shown = sample_spline(spline(wave), grid)
    wanted = ((places + shift_px) * torch.pi / 3).sin()
    assert (shown - wanted)[..., 10:-10].abs().max() < 0.01


def test_map_is_that_of_the_picture_not_of_its_rounded_drawing() -> None:
    """A ratio that whole pixels cannot draw moves no coordinate: 1536 x 1155 is compared at 768 x 578."""
    assert Frame(1536, 1155).at_most(768).extent == Frame(1536, 1155).extent == (1, 1155 / 1536)
    assert Frame(1536, 1155).at_most(768).at_most(96).extent == (1, 1155 / 1536)


@pytest.mark.slow
def test_gamma_moves_no_soft_edge() -> None:
    """Where all is out of focus, a brighter answer looks shifted: its colours are matched before its place is."""
    sharp = photograph("coffee.jpg")
    original = blurred(sharp, 6)
    drift = Drift((0.97, 0.98), (-0.03, -0.02), gain=(0.96, 1.04, 1.01), gamma=1.1)
    mask = rectangle(original, 0.15, 0.15, 0.85, 0.85)
    missed = corner_error(found(original, drift.answer(original), mask).tolist(), drift, sharp.shape[1::-1])
    assert missed < 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("gamma", "gain"), [(1.17, 1.0), (0.85, 1.08)])
def test_tone_between_two_colours_does_not_move_their_edges(gamma: float, gain: float) -> None:
    """Dark discs on paper, whose edges alone tell of the tones between: 0.19 px off by what a blur mixed there."""
    paper = torch.full((768, 1024, 3), 0.92)
    discs = (((0.32, 0.4), 0.18), ((0.63, 0.55), 0.15), ((0.49, 0.84), 0.06), ((0.8, 0.24), 0.07))
    covered = torch.stack([ellipse(paper, middle, radius) for middle, radius in discs]).amax(dim=0)[..., None]
    original = blurred(torch.lerp(paper, torch.tensor(0.08), covered), 2)
    drift = Drift((0.93, 0.92), (-0.07, -0.05), gamma=gamma, gain=(gain, gain, gain))
    assert corner_error(found(original, drift.answer(original)).tolist(), drift, (1024, 768)) < 0.05


def test_features_do_not_see_brightness() -> None:
    """Gain, offset and a vignette change the features of a photograph hardly, noise-free as it is."""
    grey = photograph("coffee.jpg").mean(dim=2)[None, None]
    vignette = torch.linspace(0.7, 1, grey.shape[3])
    changed = grey * vignette * 0.8 + 0.1
    same = correlation(features(grey), features(changed), torch.ones_like(grey))
    assert float(same) > 0.99


def test_nothing_to_compare_leaves_the_start() -> None:
    """Where everything is masked, no step is made and no number is invented."""
    empty = torch.zeros(1, 1, 64, 96)
    noise = torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(0))
    affine = register([Level(Frame(96, 64), noise, noise, empty)])
    assert torch.isfinite(affine).all()
