"""utils/edits/colour_match.py: gains, offsets and curves of what is the same thing, and of nothing else."""

from __future__ import annotations

import pytest
import torch
from openai_image_nodes.utils.edits.colour_match import (
    ColourMatch,
    error,
    fit_curve,
    fit_gain,
    fit_tone,
    no_match,
)
from torch import Tensor


def values(count: int = 20_000, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Return colours [n,3] between two values."""
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(0)) * (high - low) + low


@pytest.mark.parametrize("gain", [0.85, 0.93, 1.0, 1.1])
@pytest.mark.parametrize("offset", [-0.03, 0.0, 0.03])
def test_gain_and_offset_are_found(gain: float, offset: float) -> None:
    """Also where they move most values by more than what counts as near."""
    picture = values(high=0.85)
    match = fit_gain(picture, (picture - offset) / gain)
    assert match.gain.tolist() == pytest.approx([gain] * 3, abs=0.01)
    assert match.offset.tolist() == pytest.approx([offset] * 3, abs=0.01)


def test_other_things_do_not_count() -> None:
    """A third of the values is something else altogether: the rest decides."""
    picture = values()
    answer = picture * 0.95
    answer[::3] = 1 - answer[::3]
    assert fit_gain(picture, answer).gain.tolist() == pytest.approx([1 / 0.95] * 3, abs=0.02)


def test_white_page_has_no_gain() -> None:
    """Values of hardly any spread say nothing about a gain: it stays near 1 instead of what noise makes of it."""
    page = values(low=0.960, high=0.962)
    answer = values(low=0.950, high=0.952).flip(0)
    match = fit_gain(page, answer)
    assert match.gain.tolist() == pytest.approx([1, 1, 1], abs=0.02)
    assert float(match.apply_values(answer).mean()) == pytest.approx(float(page.mean()), abs=1e-3)


@pytest.mark.parametrize("gain", [0.3, 3.0])
def test_gain_is_limited(gain: float) -> None:
    """No answer is darkened or brightened beyond what drift is."""
    answer = values(high=0.33)
    match = fit_gain(answer * gain, answer)
    assert (match.gain >= 0.8).all()
    assert (match.gain <= 1.25).all()


@pytest.mark.parametrize("gain", [0.85, 1.15])
def test_gain_is_carried_no_further_than_as_far_as_values_reach(gain: float) -> None:
    """Shadows tell nothing of a bright colour that only the edit has; near them the gain goes on."""
    answer = values(high=0.2)
    match = fit_gain(answer * gain, answer)
    places = torch.tensor([0.1, 0.3, 0.4, 0.9, 1.0])[:, None].expand(-1, 3)
    added = (match.apply_values(places) - places)[:, 0]
    expected = [float(match.offset[0] + (match.gain[0] - 1) * reached) for reached in (0.1, 0.3, 0.4, 0.4, 0.4)]
    assert float(match.gain[0]) == pytest.approx(gain, abs=0.02)
    assert added.tolist() == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("few", [1, 8])
def test_few_values_bend_no_tone(few: int) -> None:
    """A wild end of the curve, which hangs on a few dark values of another thing, is not laid over all that is dark."""
    bright, dark = values(low=0.5), values(few, low=0.02, high=0.1)
    picture = torch.cat([bright, dark + 0.07 * (-1) ** torch.arange(few)[:, None]])
    match = fit_curve(picture, torch.cat([bright, dark]), no_match(3))
    tones = torch.linspace(0, 0.3, 20)[:, None].expand(-1, 3)
    assert float((match.apply_values(tones) - tones).abs().max()) < 2 / 255


@pytest.mark.parametrize("gamma", [0.85, 1.2])
def test_curve_takes_a_gamma_out(gamma: float) -> None:
    """What gain and offset leave of a gamma falls to less than half."""
    picture = values()
    answer = picture**gamma
    gained = fit_gain(picture, answer)
    curved = fit_curve(picture, answer, gained)
    assert error(picture, answer, curved) < 0.5 * error(picture, answer, gained)


@pytest.mark.parametrize("gamma", [0.85, 1.2])
def test_curve_goes_on_beyond_the_values_that_were_seen(gamma: float) -> None:
    """An edit brighter than all around it: what a gain adds there, and a curve that ended would leave, was 5 of 255."""
    picture = values(high=0.45)
    answer = picture**gamma
    match = fit_curve(picture, answer, fit_gain(picture, answer))
    brighter = torch.tensor([[0.5] * 3, [0.65] * 3])
    left = (match.apply_values(brighter**gamma) - brighter).abs().amax(dim=1) * 255
    assert left[0] < 2
    assert left[1] < 9


def test_curve_never_turns() -> None:
    """Darker stays darker, even where the differences of neighbouring values would turn them around."""
    picture = values()
    answer = picture + 0.05 * torch.sin(picture * 60)
    ramp = torch.linspace(0, 1, 500)[:, None].expand(-1, 3)
    curved = fit_curve(picture, answer, no_match(3)).apply_values(ramp)
    assert (curved.diff(dim=0) >= -1e-6).all()


def test_few_values_bend_little() -> None:
    """A bin with a handful of values is not believed."""
    picture = values(count=5, low=0.5, high=0.51)
    bends = fit_curve(picture, picture - 0.05, no_match(3)).bends
    assert bends is not None
    assert bends.abs().max() < 0.01


def test_bends_are_added_at_the_middles_of_bins_and_between() -> None:
    """A table of one bend per bin is a continuous curve."""
    bends = torch.zeros(1, 16)
    bends[0, 3] = 0.1
    match = ColourMatch(torch.ones(1), torch.zeros(1), bends)
    middle, step = (3 + 0.5) / 16, 1 / 16
    places = torch.tensor([[middle - step], [middle - step / 2], [middle], [middle + step / 2], [middle + step], [1.5]])
    added = match.apply_values(places) - places
    assert added[:, 0].tolist() == pytest.approx([0, 0.05, 0.1, 0.05, 0, 0], abs=2e-4)


def test_nothing_in_common_changes_nothing() -> None:
    """Without a value that is near, the colours stay as they came."""
    black, white = torch.zeros(100, 3), torch.ones(100, 3)
    assert fit_gain(black, white).is_identity


@pytest.mark.parametrize("gamma", [0.9, 1.1])
def test_tone_is_smooth_and_exact(gamma: float) -> None:
    """A gamma is undone to a fifth of a level; beyond what was seen the curve flattens out, and others do not count."""
    answer = values(low=0.1, high=0.8)
    picture = answer**gamma
    picture[::5] = 1 - picture[::5]
    match = fit_tone(picture, answer)
    places = torch.linspace(0.1, 0.8, 200)[:, None].expand(-1, 3)
    assert (match.apply_values(places) - places**gamma).abs().max() < 0.2 / 255
    ends = match.apply_values(torch.tensor([[0.8] * 3, [1.0] * 3]))
    assert (ends[1] - ends[0]).tolist() == pytest.approx([0.2] * 3, abs=0.01)


def test_tone_of_too_few_values_changes_nothing() -> None:
    """A handful of colours makes no curve."""
    bends = fit_tone(values(20), values(20)).bends
    assert bends is not None
    assert not bends.any()
