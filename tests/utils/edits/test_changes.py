"""utils/edits/changes.py: what an edit changed is found without a mask."""

from __future__ import annotations

import pytest
import torch
from openai_image_nodes.utils.edits.cancel import FitStoppedError
from openai_image_nodes.utils.edits.changes import find_changes
from openai_image_nodes.utils.edits.fit import fit
from support.drift import Drift, blurred, edited, ellipse, photograph, rectangle
from torch.nn.functional import grid_sample, interpolate

IN_PLACE = Drift(noise=1.5, jpeg=92)
REFRAMED = Drift((0.94, 0.955), (-0.05, -0.025), gain=(0.95, 1.0, 1.04), noise=1.5, jpeg=92)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "drift"),
    [
        ("cat.png", IN_PLACE),
        ("rocket.jpg", IN_PLACE),
        ("coffee.jpg", REFRAMED),
        ("galaxies.jpg", REFRAMED),
    ],
)
def test_changed_part_is_found(name: str, drift: Drift) -> None:
    """What was edited is in the mask, and hardly anything else, whatever drifted."""
    original = photograph(name)
    mask = ellipse(original, (0.45, 0.55), 0.12)
    answer = original.clone()
    answer[mask > 0] = torch.tensor([0.9, 0.2, 0.1])
    changes = find_changes(original, drift.answer(answer))
    assert changes.verdict == "aligned"
    assert changes.mask[mask > 0].mean() > 0.99
    assert changes.mask.mean() < mask.mean() + 0.12
    assert set(changes.mask.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("coat_turns", [(12.0, 12.0, 12.0), (7.0, -4.0, 2.0)], ids=["lighter", "of another tint"])
def test_faint_change_is_found_in_a_frame_that_was_redrawn(coat_turns: tuple[float, float, float]) -> None:
    """A dark coat that turns into another differs by less than redrawn edges do, but all over and to one side."""
    original = photograph("coffee.jpg")
    height, width = original.shape[:2]
    coat, button = rectangle(original, 0.3, 0.3, 0.7, 0.7), ellipse(original, (0.5, 0.5), 0.03)
    other = original + (coat[..., None] * torch.tensor(coat_turns) + button[..., None] * 90) / 255
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    bend = 0.004 * torch.sin(40 * x + 10 * y)
    grid = torch.stack([x + bend, y + bend], dim=2)[None]
    redrawn = grid_sample(other.permute(2, 0, 1)[None], grid, padding_mode="border", align_corners=True)[0]
    found = find_changes(original, REFRAMED.answer(redrawn.permute(1, 2, 0).clamp(0, 1))).mask
    assert found[coat > 0].mean() > 0.9
    assert found.mean() < coat.mean() + 0.2


@pytest.mark.parametrize("drift", [IN_PLACE, REFRAMED])
def test_change_is_found_in_soft_light(drift: Drift) -> None:
    """Light that lies on all of the answer is no measure for what else is another thing in it."""
    original = photograph("coffee.jpg")
    part = ellipse(original, (0.6, 0.4), 0.1)
    changed = original + part[..., None] * torch.tensor([-0.2, 0.0, 0.25])
    lit = changed + torch.linspace(-0.075, 0.075, original.shape[1])[:, None]
    mask = find_changes(original, drift.answer(lit.clamp(0, 1))).mask
    assert mask[part > 0].mean() > 0.95
    assert mask.mean() < part.mean() + 0.12


def test_fit_with_what_was_found_is_the_edit() -> None:
    """Found mask and fit together give the edited picture back in place."""
    original = photograph("coffee.jpg")
    changed = edited(original, ellipse(original, (0.6, 0.4), 0.1))
    answer = REFRAMED.answer(changed)
    result = fit(original, answer, find_changes(original, answer).mask).image
    assert (blurred(result, 2) - blurred(changed, 2)).abs().mean() < 1.5 / 255


@pytest.mark.parametrize("name", ["cat.png", "rocket.jpg"])
def test_nothing_changed_is_nothing_found(name: str) -> None:
    """Drift alone, of frame and colours, is no change."""
    assert find_changes(photograph(name), REFRAMED.answer(photograph(name))).mask.mean() < 0.02


def test_removed_writing_on_a_plain_page_is_found() -> None:
    """The only structure there is goes away: that is a change, no redrawn picture."""
    page = torch.full((250, 350, 3), 0.95)
    page[50:56, 40:200] = 0.1
    page[70:76, 40:165] = 0.1
    changes = find_changes(page, torch.full_like(page, 0.95))
    assert changes.mask[page[..., 0] < 0.5].all()
    assert changes.mask.mean() < 0.25


def test_redrawn_picture_changed_everywhere() -> None:
    """Another picture is no local edit: all of it is taken, and the verdict says why."""
    original, other = photograph("coffee.jpg"), photograph("cat.png")
    answer = interpolate(other.permute(2, 0, 1)[None], original.shape[:2], mode="bilinear")[0].permute(1, 2, 0)
    changes = find_changes(original, answer)
    assert changes.verdict == "redrawn"
    assert changes.mask.all()


def test_half_redrawn_picture_is_looked_at_again_without_that_half() -> None:
    """With what changed the rest matches only roughly, without it well: so the frame, and what is not changed."""
    original, other = photograph("galaxies.jpg"), photograph("coffee.jpg")
    changed = original.clone()
    redrawn = rectangle(original, 0, 0.6, 1, 1) > 0
    size = tuple(original.shape[:2])
    changed[redrawn] = interpolate(other.permute(2, 0, 1)[None], size, mode="bilinear")[0].permute(1, 2, 0)[redrawn]
    changes = find_changes(original, REFRAMED.answer(changed))
    assert changes.verdict == "aligned"
    assert changes.mask[redrawn].mean() > 0.99
    assert changes.mask[~redrawn].mean() < 0.06


def test_ring_around_the_frame_leaves_the_middle_alone() -> None:
    """What lies inside a changed frame is not changed for that: only small holes are filled."""
    original = photograph("coffee.jpg")
    frame = 1 - rectangle(original, 0.06, 0.06, 0.94, 0.94)
    answer = torch.where(frame[..., None] > 0, torch.tensor([0.1, 0.9, 0.3]), original)
    mask = find_changes(original, answer).mask
    assert mask[frame > 0].mean() > 0.99
    assert not mask[100:300, 150:450].any()


def test_hole_in_a_changed_part_is_filled() -> None:
    """A dark button on a coat that changed from dark to light is a part of it."""
    original = photograph("coffee.jpg")
    part = ellipse(original, (0.5, 0.5), 0.12) - ellipse(original, (0.5, 0.5), 0.02)
    answer = torch.where(part[..., None] > 0, 1 - original, original)
    assert find_changes(original, answer).mask[ellipse(original, (0.5, 0.5), 0.12) > 0].mean() > 0.99


def test_search_can_be_stopped() -> None:
    """The hook is obeyed."""
    with pytest.raises(FitStoppedError):
        find_changes(photograph("cat.png"), photograph("cat.png"), lambda: True)
