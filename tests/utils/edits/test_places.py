"""utils/edits/places.py: a pattern that repeats fits in several places alike."""

from __future__ import annotations

import pytest
import torch
from openai_image_nodes.utils.edits.fit import Fit, fit
from openai_image_nodes.utils.edits.gates import decide
from openai_image_nodes.utils.edits.pair import make_pair
from support.drift import Drift, blurred, corner_error, edited, ellipse, photograph
from torch import Tensor

pytestmark = pytest.mark.slow
HEIGHT, WIDTH = 288, 384
SMALLER = Drift((0.95, 0.94), (-0.05, -0.045), noise=1, jpeg=92)  # the upper left stays


def pattern(name: str) -> Tensor:
    """Return [H,W,3] that repeats exactly."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    light = {
        "bricks": ((y % 12 > 1) & ((x + y // 12 % 2 * 12) % 24 > 1)).float(),
        "checks": ((y // 16 + x // 16) % 2).float(),
        "stripes": (x % 16 > 7).float(),
    }[name]
    return blurred(light[..., None] * torch.tensor([0.5, 0.4, 0.3]) + 0.2, 0.6)


@pytest.mark.parametrize("name", ["bricks", "checks"])
def test_pattern_that_repeats_is_put_back_where_it_was(name: str) -> None:
    """Not a period off: of places that match alike it is the one where the upper left stays."""
    original = pattern(name)
    decided = decide(make_pair(original, SMALLER.answer(original), ellipse(original, (0.5, 0.5), 0.12)))
    assert corner_error(decided.view.mapping.affine.tolist(), SMALLER, (WIDTH, HEIGHT)) < 0.1


def test_stripes_are_matched_across_and_left_where_they_are_along() -> None:
    """Nothing tells of a motion along stripes: their scale is taken for both, and no noise is followed."""
    original = pattern("stripes")
    result = striped()
    assert result.verdict == "roughly aligned"
    assert result.scale_x == pytest.approx(0.95, abs=0.001)
    assert result.scale_y == pytest.approx(0.95, abs=0.001)
    assert abs(result.rotation) < 0.1
    assert result.image.shape == original.shape


def striped() -> Fit:
    """Return the fit of stripes that came back smaller."""
    original = pattern("stripes")
    mask = ellipse(original, (0.5, 0.5), 0.12)
    return fit(original, SMALLER.answer(edited(original, mask)), mask)


def test_other_places_are_told() -> None:
    """What may be a period off is called aligned only with that."""
    result = striped()
    assert result.figures.places > 1
    assert "it fits elsewhere as well" in result.summary


def test_photograph_has_one_place() -> None:
    """Nothing is said where there is nothing to say."""
    original = photograph("rocket.jpg")
    mask = ellipse(original, (0.5, 0.5), 0.12)
    assert decide(make_pair(original, SMALLER.answer(original), mask)).figures.places == 1
