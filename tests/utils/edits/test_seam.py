"""utils/edits/seam.py: shares at the border, and the harmonic carry of the last difference."""

from __future__ import annotations

import pytest
import torch
from openai_image_nodes.utils.edits.cancel import FitStoppedError
from openai_image_nodes.utils.edits.filters import blur
from openai_image_nodes.utils.edits.seam import BAND, LIMIT, around_removed, border, harmonic, membrane
from torch import Tensor


def mask_of(size: int, left: int, top: int, right: int, bottom: int) -> Tensor:
    """Return a mask [1,1,size,size], 1 in a rectangle."""
    mask = torch.zeros(1, 1, size, size)
    mask[..., top:bottom, left:right] = 1
    return mask


def share(mask: Tensor, unit: float = 1.0, sigma: float = 6.4) -> Tensor:
    """Return the answer's share [h,w] that a border makes."""
    made = border(mask, unit, sigma)
    return torch.lerp(mask, made.soft, made.thick)[0, 0]


@pytest.mark.parametrize("sigma", [3.0, 6.4, 10.3])
def test_border_is_half_and_half(sigma: float) -> None:
    """The blend is centred on the mask's border, whole well inside, and nothing beyond the band."""
    across = share(mask_of(256, 80, 0, 256, 256), sigma=sigma)[128]
    assert (across[79] + across[80]).item() == pytest.approx(1, abs=0.02)
    assert (across[: 80 - int(BAND)] == 0).all()
    assert (across[80 + int(BAND) :] == 1).all()
    assert (across.diff() >= -1e-6).all()
    assert across.diff().max() < 0.5 / sigma


def test_mask_at_the_edge_stays_whole_there() -> None:
    """Where the mask goes on to the picture's edge, the answer is shown up to it."""
    assert (share(mask_of(256, 0, 0, 256, 128))[:100] == 1).all()


@pytest.mark.parametrize("width", [1, 3, 8])
def test_thin_masks_show_the_edit(width: int) -> None:
    """A stroke that the blur would wash out keeps its own edge: the edit was asked for and paid."""
    mask = mask_of(200, 100, 40, 100 + width, 160)
    assert torch.equal(share(mask), mask[0, 0])


def test_thin_part_of_a_large_mask_shows_the_edit() -> None:
    """The balloon gets a soft border, its string keeps its own edge."""
    mask = torch.maximum(mask_of(400, 60, 60, 180, 180), mask_of(400, 118, 180, 121, 380))
    shares = share(mask)
    assert (shares[300:380, 118:121] == 1).all()
    assert (shares[300:380, :117] == 0).all()
    assert 0.3 < shares[120, 59] < 0.5


def test_no_feather_keeps_the_masks_own_edge() -> None:
    """A sigma of 0 is a paste."""
    mask = torch.rand(1, 1, 30, 40, generator=torch.Generator().manual_seed(0))
    assert torch.equal(share(mask, sigma=0), mask[0, 0])


def around(picture: Tensor, answer: Tensor, mask: Tensor, *, sure: bool = False) -> Tensor:
    """Return the answer's share [h,w] of grey pictures [h,w] that can be compared everywhere."""
    pair = (it.expand(1, 3, -1, -1) for it in (picture, answer))
    made = around_removed(border(mask, 1.0), *pair, mask=mask, trusted=torch.ones_like(mask), unit=1.0, sure=sure)
    return torch.lerp(mask, made.soft, made.thick)[0, 0]


@pytest.mark.parametrize("width", [3, 100])
def test_border_goes_around_what_was_removed(width: int) -> None:
    """Of a thing with the mask's own edge, or of a letter, nothing is seen: the answer is shown up to beyond it."""
    mask = mask_of(256, 80, 60, 80 + width, 200)
    share = around(1 - mask, torch.ones_like(mask), mask)
    assert share[70:190, 78 : 82 + width].min() > 0.98
    assert (share[:, : 80 - int(BAND)] == 0).all()
    assert (share[:, 80 + width + int(BAND) :] == 0).all()


@pytest.mark.parametrize("opened", ["thing", "ground"])
def test_border_goes_around_what_was_exchanged(opened: str) -> None:
    """Of a recoloured thing's old colour, or of the old ground around a person, no halo is seen."""
    thing = mask_of(256, 80, 60, 180, 200)
    mask = thing if opened == "thing" else 1 - thing
    picture, answer = (1 - mask + value * mask for value in (0.5, 0.2))
    assert around(picture, answer, mask, sure=True)[mask[0, 0] > 0].min() > 0.98
    assert torch.equal(around(picture, answer, mask), share(mask))  # its own edge may be another one


@pytest.mark.parametrize("sure", [False, True])
@pytest.mark.parametrize("other", ["picture", "put in", "beside", "spilled", "faint"])
def test_border_stays_where_nothing_shows_through(other: str, sure: bool) -> None:
    """Nor does it lead over what differs outside the mask as well: the picture's own part is to be seen there."""
    mask, plain = mask_of(256, 80, 60, 180, 200), torch.ones(1, 1, 256, 256)
    pairs = {
        "picture": (plain, plain),
        "put in": (plain, 1 - mask),
        "beside": (1 - mask_of(256, 60, 40, 200, 220), plain),
        "spilled": (1 - 0.8 * mask, 1 - mask_of(256, 64, 44, 196, 216)),
        "faint": (1 - 0.07 * mask, 1 - 0.5 * mask),  # any picture is so much darker somewhere: it is no thing's edge
    }
    assert torch.equal(around(*pairs[other], mask, sure=sure), share(mask))


def test_border_stays_where_a_line_beside_the_mask_was_redrawn() -> None:
    """A button in another colour keeps the picture's own frame around it."""
    grown = [mask_of(256, 80 - by, 60 - by, 180 + by, 200 + by) for by in range(5)]
    mask, lines = grown[0], [grown[at + 1] - grown[at] for at in (1, 3)]
    picture, answer = (1 - mask * inside - 0.9 * line for inside, line in zip((0.5, 0.8), lines, strict=True))
    assert torch.equal(around(picture, answer, mask, sure=True), share(mask))


def test_soft_mask_keeps_its_mixture() -> None:
    """It was led over to where the mask is all but 0, and letters of the answer were shown there whole."""
    thing = mask_of(256, 80, 60, 180, 200)
    mask = blur(thing, 8.0)
    picture, answer = (1 - thing * inside for inside in (0.5, 0.8))
    assert torch.equal(around(picture, answer, mask, sure=True), share(mask))


def test_harmonic_of_a_linear_border_is_linear() -> None:
    """Laplace's equation with a ramp all around is that ramp inside."""
    ramp = torch.linspace(0, 1, 65)[None, None, None].expand(1, 1, 65, 65).contiguous()
    known = torch.ones_like(ramp)
    known[..., 1:-1, 1:-1] = 0
    assert (harmonic(ramp * known, known) - ramp).abs().max() < 0.06


def test_harmonic_stays_between_what_is_known() -> None:
    """No value is invented beyond the known ones, whatever the shape and the size."""
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(1, 3, 37, 90, generator=generator) - 0.5
    known = (torch.rand(1, 1, 37, 90, generator=generator) > 0.97).float()
    filled = harmonic(values, known)
    kept = values.flatten(2)[..., known.flatten() > 0]
    for channel in range(3):
        assert filled[0, channel].max() <= kept[0, channel].max() + 1e-6
        assert filled[0, channel].min() >= kept[0, channel].min() - 1e-6
    assert torch.equal(filled * known, values * known)


def test_membrane_carries_a_step_inside() -> None:
    """A difference of 5 of 255 all around is added everywhere in the mask."""
    mask = mask_of(128, 40, 40, 90, 90)
    carried = membrane(torch.full((1, 3, 128, 128), 5 / 255), mask, torch.ones_like(mask), 1.0)
    assert carried is not None
    assert torch.allclose(carried[..., 40:90, 40:90], torch.tensor(5 / 255), atol=1e-4)


def test_membrane_is_limited_and_ignores_what_is_another_thing() -> None:
    """Where an object is cut by the mask the two differ by far: that is not carried into it."""
    mask = mask_of(128, 40, 40, 90, 90)
    difference = torch.full((1, 3, 128, 128), 4 / 255)
    difference[..., 60:70, :] = 120 / 255
    carried = membrane(difference, mask, torch.ones_like(mask), 1.0)
    assert carried is not None
    assert carried[..., 40:90, 40:90].max() < 8 / 255
    assert carried.abs().max() <= LIMIT


def test_no_membrane_of_a_spilled_edit() -> None:
    """A ring that differs by far, as a whole or for the most part, says nothing about colour drift."""
    mask = mask_of(128, 40, 40, 90, 90)
    everywhere = torch.ones_like(mask)
    assert membrane(torch.full((1, 3, 128, 128), 20 / 255), mask, everywhere, 1.0) is None
    assert membrane(torch.full((1, 3, 128, 128), 60 / 255), mask, everywhere, 1.0) is None


def test_noise_is_not_carried() -> None:
    """Where no stretch of the border differs in its mean, an answer in place stays the plain paste."""
    mask = mask_of(256, 80, 80, 180, 180)
    noise = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 3 / 255
    carried = membrane(noise, mask, torch.ones_like(mask), 1.0)
    assert carried is not None
    assert not carried.any()


def test_no_membrane_without_a_ring() -> None:
    """A mask over everything has no surroundings to agree with."""
    assert membrane(torch.zeros(1, 3, 32, 32), torch.ones(1, 1, 32, 32), torch.ones(1, 1, 32, 32), 1.0) is None


def test_harmonic_can_be_stopped() -> None:
    """The hook is asked at every size."""
    with pytest.raises(FitStoppedError):
        harmonic(torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64), lambda: True)
