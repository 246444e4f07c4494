"""utils/edits/fit.py: the whole chain, from an answer to a picture in which only the mask's part changed."""

from __future__ import annotations

import threading

import pytest
import torch
from openai_image_nodes.utils.edits.cancel import FitStoppedError
from openai_image_nodes.utils.edits.crop import cut_out, part
from openai_image_nodes.utils.edits.fit import Fit, fit
from openai_image_nodes.utils.edits.pair import make_pair
from openai_image_nodes.utils.edits.regions import AnySize, Box, Region, masked_area, plan_region
from openai_image_nodes.utils.edits.seam import FEATHER, border
from support.drift import (
    Drift,
    across_border,
    blurred,
    edited,
    ellipse,
    photograph,
    rectangle,
)
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

REFRAMED = Drift((0.94, 0.955), (-0.05, -0.025), gain=(0.95, 1.0, 1.04), gamma=1.05, noise=1.5, jpeg=92)
SIZES = AnySize(16, 480, 3840, 655_360, 8_294_400, 3.0)


def mask_named(name: str, original: Tensor) -> Tensor:
    """Return a mask of a kind: small, in the middle, large or at the edge."""
    if name == "large":
        return rectangle(original, 0.2, 0.15, 0.8, 0.8)
    if name == "edge":
        return rectangle(original, 0.6, 0.6, 1, 1)
    return ellipse(original, (0.55, 0.45), 0.03 if name == "small" else 0.15)


def ideal(original: Tensor, changed: Tensor, mask: Tensor) -> Tensor:
    """Return what a perfect answer, neither moved nor recoloured, gives with the same border."""
    pair = make_pair(original, original, mask)
    made = border(pair.mask, pair.unit, FEATHER)
    soft, thick = (interpolate(x, mask.shape, mode="bilinear")[0, 0, ..., None] for x in (made.soft, made.thick))
    return torch.lerp(original, changed, torch.lerp(mask[..., None], soft, thick))


def far_from(mask: Tensor, long_side: int | None = None) -> Tensor:
    """Tell which pixels [H,W] are more than 20 px, at a long side of 1024, away from a mask."""
    radius = 20 * (long_side or max(mask.shape)) // 1024
    across = max_pool2d((mask > 0).float()[None], (1, 2 * radius + 1), 1, (0, radius))
    return max_pool2d(across, (2 * radius + 1, 1), 1, (radius, 0))[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cat.png", "large"),
        ("coffee.jpg", "middle"),
        ("coffee.jpg", "edge"),
        ("galaxies.jpg", "large"),
        ("rocket.jpg", "small"),
    ],
)
def test_reframed_answer_is_as_good_as_a_perfect_one(name: str, kind: str) -> None:
    """Outside bit for bit; at the seam no more contrast than there is; no colour leaks into the mask."""
    original = photograph(name)
    mask = mask_named(kind, original)
    changed = edited(original, mask, -20)
    result = fit(original, REFRAMED.answer(changed), mask)
    assert result.verdict == "aligned"
    assert torch.equal(result.image[far_from(mask)], original[far_from(mask)])
    perfect = ideal(original, changed, mask)
    natural = max(across_border(blurred(perfect, 1), mask), 1.0)
    assert across_border(blurred(result.image, 1), mask) < 1.08 * natural
    leak = (blurred(result.image, 4) - blurred(perfect, 4))[mask > 0.5].abs().amax(dim=1) * 255
    assert leak.quantile(0.98) < 12
    assert leak.mean() < 4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coffee.jpg", "cat.png"])
def test_mask_through_an_object_lets_no_colour_in(name: str) -> None:
    """Where the edit goes on beyond the mask, the difference at the border is not carried into it."""
    original = photograph(name)
    mask = mask_named("middle", original)
    changed = edited(original, mask, 40)
    result = fit(original, REFRAMED.answer(changed), mask)
    leak = (blurred(result.image, 4) - blurred(ideal(original, changed, mask), 4))[mask > 0.5].abs().amax(dim=1) * 255
    assert leak.quantile(0.98) < 12
    assert torch.equal(result.image[far_from(mask)], original[far_from(mask)])


def with_thing(pixels: Tensor, shape: Tensor) -> Tensor:
    """Return the picture with a plain, reddish thing of a shape [H,W] on it, its edge smoothed as a lens does."""
    share = blurred(shape[..., None].expand(-1, -1, 3), 0.7)[..., :1]
    return torch.lerp(pixels, torch.tensor([0.75, 0.15, 0.25]), share)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coffee.jpg", "rocket.jpg"])
@pytest.mark.parametrize("wider", [-3, 0, 6])
def test_what_was_removed_leaves_no_ghost(name: str, wider: int) -> None:
    """Of a thing whose mask ends at its edge, as one of a segmentation does, half showed through all along it."""
    empty = photograph(name)
    shape = ellipse(empty, (0.55, 0.45), 0.12)
    original = with_thing(empty, shape)
    mask = ellipse(empty, (0.55, 0.45), 0.12 + wider / 1024)
    result = fit(original, REFRAMED.answer(empty), mask)
    assert result.verdict == "aligned"
    assert torch.equal(result.image[far_from(mask)], original[far_from(mask)])
    ghost = (blurred(result.image, 2) - blurred(empty, 2))[~far_from(mask)].abs().amax(dim=1) * 255
    assert ghost.quantile(0.98) < 12


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coffee.jpg", "rocket.jpg"])
def test_what_was_put_in_is_no_further_off(name: str) -> None:
    """Of what the answer alone has at the mask's edge nothing can show through: the border stays, or comes nearer."""
    original = photograph(name)
    mask = ellipse(original, (0.55, 0.45), 0.12)
    changed = with_thing(original, mask)
    result = fit(original, changed, mask)
    assert (result.image - changed).abs().mean() <= (ideal(original, changed, mask) - changed).abs().mean() + 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["small", "middle", "edge"])
def test_answer_in_place_and_in_colour_is_pasted(kind: str) -> None:
    """The result is the paste with the soft border, and inside it is the answer itself."""
    original = photograph("coffee.jpg")
    mask = mask_named(kind, original)
    changed = edited(original, mask, -10)
    result = fit(original, changed, mask)
    assert result.applied == ()
    assert result.summary == "aligned: in place"
    assert torch.allclose(result.image, ideal(original, changed, mask), atol=1e-5)
    inside = far_from(1 - mask)
    assert torch.equal(result.image[inside], changed[inside])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "spill"), [("rocket.jpg", -5), ("galaxies.jpg", 0)])
def test_edit_up_to_the_border_of_a_small_picture_gets_no_tint(name: str, spill: int) -> None:
    """What sampling and JPEG spread of an edit across the mask's border is no difference of the two pictures."""
    channels_first = photograph(name).permute(2, 0, 1)[None]
    original = interpolate(channels_first, size=(128, 192), mode="bilinear", antialias=True)[0].permute(1, 2, 0)
    mask = mask_named("middle", original)
    changed = edited(original, mask, spill)
    result = fit(original, Drift(noise=1, jpeg=92).answer(changed), mask)
    tint = (result.image - ideal(original, changed, mask))[mask > 0.5].mean(dim=0) * 255
    assert tint.abs().max() < 2


def test_small_answer_in_place_is_left_as_it_came() -> None:
    """JPEG mixes the edit's colours into all that is compared: they are no drift."""
    original = photograph("coffee.jpg")[::12, ::12]
    mask = rectangle(original, 0.2, 0.15, 0.8, 0.8)
    assert fit(original, Drift(noise=1, jpeg=95).answer(edited(original, mask)), mask).applied == ()


def test_no_feather_is_a_paste_by_the_mask() -> None:
    """A feather of 0 shows the answer by the mask's own values and nothing else."""
    original = photograph("cat.png")
    mask = mask_named("middle", original)
    changed = edited(original, mask, -10)
    result = fit(original, changed, mask, feather=0)
    assert torch.equal(result.image, torch.where(mask[..., None] > 0.5, changed, original))


def with_alpha(pixels: Tensor) -> Tensor:
    """Return [H,W,4]: a third is transparent, with colours that mean nothing, and there is a soft edge."""
    alpha = (torch.linspace(-1, 2, pixels.shape[1]).clamp(0, 1))[None, :, None].expand(pixels.shape[0], -1, 1)
    return torch.cat([torch.where(alpha > 0, pixels, 0.77), alpha], dim=2)


@pytest.mark.slow
@pytest.mark.parametrize("answer_channels", [3, 4])
def test_transparent_picture_is_kept_bit_for_bit(answer_channels: int) -> None:
    """An original with alpha is fitted by what can be seen of it, and keeps its alpha outside."""
    plain = photograph("coffee.jpg")
    original, mask = with_alpha(plain), rectangle(plain, 0.6, 0.4, 0.85, 0.8)
    answer = REFRAMED.answer(edited(plain, mask, -10), supersampled=1)
    opaque = torch.ones_like(answer[..., :1])
    result = fit(original, torch.cat([answer, opaque], dim=2)[..., :answer_channels], mask)
    assert result.image.shape == original.shape
    assert torch.equal(result.image[far_from(mask)], original[far_from(mask)])
    assert result.scale_x == pytest.approx(0.94, abs=2e-4)
    assert (result.image[far_from(1 - mask)][..., 3] == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize("ground", ["transparent", "white"])
def test_what_was_cut_out_is_found_by_its_outline(ground: str) -> None:
    """What an answer shows behind a thing is at another place than the picture's: only the thing tells of it."""
    plain = photograph("coffee.jpg")
    shape = ellipse(plain, (0.5, 0.5), 0.28)[..., None]
    mask = rectangle(plain, 0.4, 0.3, 0.62, 0.7)
    drift = Drift((0.94, 0.955), (-0.06, -0.03), noise=1, jpeg=92)
    changed = torch.lerp(torch.ones_like(plain), edited(plain, mask, -10), shape)
    answer = drift.answer(changed)
    if ground == "transparent":
        moved = Drift(drift.scale, drift.shift).answer(shape.expand(-1, -1, 3))[..., :1]
        answer = torch.cat([answer, moved], dim=2)
    result = fit(torch.cat([plain * shape, shape], dim=2), answer, mask)
    assert result.verdict == "aligned"
    assert (result.scale_x, result.scale_y) == (pytest.approx(0.94, abs=1e-3), pytest.approx(0.955, abs=1e-3))
    assert torch.equal(result.image[far_from(mask)][:, 3:], shape[far_from(mask)])


def test_transparent_answer_makes_the_result_transparent() -> None:
    """A background that was taken out inside the mask stays out; outside everything is opaque."""
    original = photograph("cat.png")
    mask = mask_named("middle", original)
    answer = torch.cat([original, 1 - ellipse(original, (0.55, 0.45), 0.08)[..., None]], dim=2)
    result = fit(original, answer, mask).image
    assert result.shape[2] == 4
    assert result[..., 3].min() == 0
    assert torch.equal(result[far_from(mask)][:, :3], original[far_from(mask)])
    assert (result[far_from(mask)][:, 3] == 1).all()


@pytest.mark.slow
def test_grey_picture_becomes_colours() -> None:
    """One channel is three alike."""
    grey = photograph("coffee.jpg").mean(dim=2, keepdim=True)
    mask = mask_named("middle", grey)
    result = fit(grey, REFRAMED.answer(grey.expand(-1, -1, 3), supersampled=1), mask)
    assert result.image.shape[2] == 3
    assert torch.equal(result.image[far_from(mask)], grey.expand(-1, -1, 3)[far_from(mask)])
    assert fit(grey[:64, :64], grey[:64, :64], mask[:64, :64]).image.shape[2] == 3


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1200, 800), (300, 200)])
def test_answer_of_another_size_is_resampled_once(size: tuple[int, int]) -> None:
    """A finer answer is averaged, a coarser one enlarged, both in place."""
    original = photograph("coffee.jpg")
    mask = mask_named("large", original)
    drift = Drift((0.95, 0.96), (-0.04, -0.02), size=size)
    result = fit(original, drift.answer(original, supersampled=1), mask)
    assert result.verdict == "aligned"
    assert (blurred(result.image, 3) - blurred(original, 3)).abs().mean() < 1.5 / 255


@pytest.mark.slow
def test_figures_tell_what_was_done() -> None:
    """Shift in the original's pixels, scales, gains and what the untouched area says."""
    original = photograph("coffee.jpg")
    mask = mask_named("middle", original)
    drift = Drift((0.95, 0.96), (-0.04, 0.02), gain=(0.9, 1, 1), noise=1)
    result = fit(original, drift.answer(original), mask)
    assert (result.dx, result.dy) == pytest.approx((-0.04 * 300, 0.02 * 300), abs=0.03)
    assert (result.scale_x, result.scale_y) == pytest.approx((0.95, 0.96), abs=2e-4)
    assert result.rotation == pytest.approx(0, abs=0.02)
    assert result.gain == pytest.approx((1 / 0.9, 1, 1), abs=0.02)
    assert result.applied[:2] == ("alignment", "colour match")
    assert result.summary == "aligned: was 4.5 % smaller, its colours were matched"
    assert result.figures.match > 0.97 > result.figures.match_before
    assert 0.8 < result.figures.kept < 1


@pytest.mark.slow
def test_redrawn_answer_is_told_and_softly_blended() -> None:
    """What does not match at all is shown in the mask with a wide border, not aligned to anything."""
    original, mask = photograph("coffee.jpg"), rectangle(photograph("coffee.jpg"), 0.3, 0.3, 0.7, 0.7)
    other = interpolate(photograph("cat.png").permute(2, 0, 1)[None], original.shape[:2], mode="bilinear")
    result = fit(original, other[0].permute(1, 2, 0), mask)
    assert result.verdict == "redrawn"
    assert result.summary == "redrawn: what came back does not match your picture"
    assert torch.equal(result.image[far_from(mask)], original[far_from(mask)])
    ours, narrow = (
        across_border(result.image, mask),
        across_border(ideal(original, other[0].permute(1, 2, 0), mask), mask),
    )
    assert ours < narrow


@pytest.mark.slow
@pytest.mark.parametrize("opened", [0.0, 1.0], ids=["empty", "everything"])
def test_masks_of_nothing_and_of_everything(opened: float) -> None:
    """An empty mask gives the original, one over everything the answer."""
    original = photograph("cat.png")
    answer = 1 - original
    result = fit(original, answer, torch.full(original.shape[:2], opened))
    assert torch.equal(result.image, answer if opened else original)
    if opened:
        assert result.verdict == "not compared"


@pytest.mark.slow
@pytest.mark.parametrize("side", [1, 2])
def test_smallest_mask_is_shown(side: int) -> None:
    """A mask of one pixel shows one pixel of the answer."""
    original = photograph("coffee.jpg")
    mask = torch.zeros(original.shape[:2])
    mask[200 : 200 + side, 300 : 300 + side] = 1
    result = fit(original, 1 - original, mask)
    assert torch.equal(result.image[mask > 0], (1 - original)[mask > 0])
    assert torch.equal(result.image[far_from(mask)], original[far_from(mask)])


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (40, 3), (64, 64)])
def test_tiny_pictures_are_no_error(size: tuple[int, int]) -> None:
    """There is nothing to align by, but there is a result."""
    generator = torch.Generator().manual_seed(0)
    original, answer = torch.rand(*size, 3, generator=generator), torch.rand(16, 16, 3, generator=generator)
    mask = torch.zeros(size)
    mask[0, 0] = 1
    assert torch.isfinite(fit(original, answer, mask).image).all()


@pytest.mark.slow
def test_values_that_are_no_numbers_stay_where_they_are() -> None:
    """NaN in the answer shows as black inside the mask and nowhere else."""
    original = photograph("cat.png")
    mask = mask_named("middle", original)
    answer = original.clone()
    answer[::3] = torch.nan
    result = fit(original, answer, mask).image
    assert torch.isfinite(result).all()
    assert torch.equal(result[far_from(mask)], original[far_from(mask)])


@pytest.mark.slow
def test_inputs_are_not_written_to() -> None:
    """What comes in may be shared with other nodes."""
    original = photograph("cat.png")
    mask, answer = mask_named("middle", original), REFRAMED.answer(original, supersampled=1)
    copies = [x.clone() for x in (original, answer, mask)]
    result = fit(original, answer, mask)
    assert all(torch.equal(x, copy) for x, copy in zip((original, answer, mask), copies, strict=True))
    assert result.image.data_ptr() != original.data_ptr()


@pytest.mark.parametrize(
    ("original", "answer", "mask"),
    [
        ((8, 8), (8, 8, 3), (8, 8)),
        ((8, 8, 3), (1, 8, 8, 3), (8, 8)),
        ((8, 8, 3), (8, 8, 2), (8, 8)),
        ((8, 8, 3), (8, 8, 3), (4, 4)),
        ((8, 8, 3), (8, 8, 3), (1, 8, 8)),
        ((8, 8, 3), (0, 8, 3), (8, 8)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    original: tuple[int, ...], answer: tuple[int, ...], mask: tuple[int, ...]
) -> None:
    """The message names what is wrong before any work is done."""
    with pytest.raises(ValueError, match=r"must be"):
        fit(torch.zeros(original), torch.zeros(answer), torch.zeros(mask))


def stopping_after(count: int, original: Tensor, answer: Tensor) -> tuple[list[int], Fit | None]:
    """Fit with a hook that says stop when it was asked so often; return who asked, and the fit if there is one."""
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(threading.get_ident())
        return len(asked) > count

    try:
        return asked, fit(original, answer, mask_named("large", original), should_stop=should_stop)
    except FitStoppedError:
        return asked, None


@pytest.mark.slow
def test_hook_is_asked_often_and_obeyed_at_once() -> None:
    """Wherever it says stop, the fit ends there; it is asked on the caller's thread."""
    original = photograph("cat.png")
    answer = REFRAMED.answer(original, supersampled=1)
    asked, result = stopping_after(1_000_000, original, answer)
    assert result is not None
    assert len(asked) > 40
    assert set(asked) == {threading.get_ident()}
    for count in range(0, len(asked), 37):
        asked_again, stopped = stopping_after(count, original, answer)
        assert stopped is None
        assert len(asked_again) == count + 1


def region_of(original: Tensor, mask: Tensor) -> Region:
    """Return the region of a mask for a model of any size."""
    masked = masked_area(mask)
    assert masked is not None
    return plan_region(masked, (original.shape[1], original.shape[0]), SIZES)


def large(name: str, factor: int) -> Tensor:
    """Return an enlarged photograph."""
    channels_first = photograph(name).permute(2, 0, 1)[None]
    return interpolate(channels_first, scale_factor=factor, mode="bicubic")[0].permute(1, 2, 0).clamp(0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("middle", [(0.5, 0.5), (0.02, 0.98)], ids=["inside", "corner"])
def test_region_is_put_back_where_it_was(middle: tuple[float, float]) -> None:
    """An answer that shows a box is fitted in that box; the rest of the picture is the original's."""
    original = large("coffee.jpg", 2)
    mask = ellipse(original, middle, 0.05)
    region = region_of(original, mask)
    assert not region.is_whole
    sent, sent_mask = cut_out(original, mask, region)
    assert sent.shape[:2] == sent_mask.shape == (region.size[1], region.size[0])
    drift = Drift((0.95, 0.96), (-0.04, -0.03), gain=(0.95, 1, 1.03), noise=1)
    result = fit(original, drift.answer(sent, supersampled=1), mask, box=region.box)
    assert result.verdict == "aligned"
    far = far_from(mask, max(region.box.width, region.box.height))
    assert torch.equal(result.image[far], original[far])
    assert (blurred(result.image, 3) - blurred(original, 3))[mask > 0].abs().mean() < 2 / 255
    assert result.dx == pytest.approx(-0.04 * max(region.box[2:]) / 2, abs=0.3)


@pytest.mark.slow
def test_edit_that_ends_before_the_answers_edge_is_not_mirrored_beyond_it() -> None:
    """Of a mask that a zoomed answer shows in part, the rest stays as it was: the edit is not seen a second time."""
    original = photograph("coffee.jpg")
    mask = rectangle(original, 0.3, 0.3, 1, 0.7)
    changed = edited(original, rectangle(original, 0.35, 0.35, 0.967, 0.65))
    drift = Drift((1.05, 1.05))  # shows 0.024 to 0.976 of the width
    result = fit(original, drift.answer(changed), mask).image
    beyond = slice(round(0.98 * original.shape[1]), None)
    assert float((result[:, beyond] - original[:, beyond]).abs().max()) < 0.03


@pytest.mark.slow
def test_padded_region_is_cut_back() -> None:
    """Where a model's ratio needs more than there is, the edge goes on, and none of that comes back."""
    original = photograph("coffee.jpg")[:200]
    mask = rectangle(original, 0.45, 0, 0.55, 1)
    masked = masked_area(mask)
    assert masked is not None
    region = plan_region(masked, (600, 200), [(512, 512), (768, 512), (512, 768)])
    assert region.is_padded(600, 200)
    sent, sent_mask = cut_out(original, mask, region)
    assert sent.shape[:2] == (region.size[1], region.size[0])
    assert sent_mask[0].max() == 0
    result = fit(original, Drift((0.96, 0.97), (-0.03, -0.02)).answer(sent), mask, box=region.box)
    assert result.image.shape == original.shape
    assert result.verdict == "aligned"
    far = far_from(mask, max(region.box[2:]))
    assert torch.equal(result.image[far], original[far])
    assert (blurred(result.image, 3) - blurred(original, 3))[mask > 0].abs().mean() < 2 / 255


def test_part_is_a_view_inside_and_continued_beyond() -> None:
    """Nothing is copied of what lies inside a picture."""
    picture = torch.arange(12.0).reshape(3, 4, 1)
    assert part(picture, Box(1, 1, 2, 2)).data_ptr() == picture[1:, 1:].data_ptr()
    assert part(picture, Box(-1, 2, 3, 2))[..., 0].tolist() == [[8, 8, 9], [8, 8, 9]]
    assert part(picture, Box(-1, 2, 3, 2), mode="constant")[..., 0].tolist() == [[0, 8, 9], [0, 0, 0]]
