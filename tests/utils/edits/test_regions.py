"""utils/edits/regions.py: what is sent of a picture for a mask, in whole pixels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from openai_image_nodes.utils.edits.regions import (
    WHOLE,
    AnySize,
    Box,
    MaskedArea,
    Region,
    masked_area,
    plan_region,
    whole_region,
)

ANY = AnySize(multiple=16, min_side=480, max_side=3840, min_pixels=655_360, max_pixels=8_294_400, max_ratio=3.0)
THREE = [(1024, 1024), (1536, 1024), (1024, 1536)]
SIZES = pytest.mark.parametrize("sizes", [ANY, THREE], ids=["any size", "three sizes"])


def plan(picture: tuple[int, int], box: Box, sizes: AnySize | list[tuple[int, int]] = ANY, context: int = 50) -> Region:
    """Return the region of a mask that fills a box."""
    return plan_region(MaskedArea(box, box.width * box.height), picture, sizes, context=context)


@st.composite
def pictures_with_masks(draw: st.DrawFn) -> tuple[tuple[int, int], MaskedArea]:
    """Draw a picture's size and a masked area in it."""
    width, height = draw(st.integers(64, 12_000)), draw(st.integers(64, 9_000))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    box = Box(left, top, draw(st.integers(1, width - left)), draw(st.integers(1, height - top)))
    return (width, height), MaskedArea(box, draw(st.integers(1, box.width * box.height)))


@pytest.mark.slow
@SIZES
@given(case=pictures_with_masks(), context=st.integers(0, 200))
def test_region_holds_for_any_mask(
    sizes: AnySize | list[tuple[int, int]], case: tuple[tuple[int, int], MaskedArea], context: int
) -> None:
    """The box holds the mask, has one scale and a size that the model takes, and leaves the picture only if it must."""
    (width, height), masked = case
    region = plan_region(masked, (width, height), sizes, context=context)
    box, size = region.box, region.size
    assert box.left <= masked.box.left
    assert box.top <= masked.box.top
    assert box.right >= masked.box.right
    assert box.bottom >= masked.box.bottom
    assert sizes.takes(*size) if isinstance(sizes, AnySize) else size in sizes
    assert size[0] / box.width == pytest.approx(size[1] / box.height, rel=0.001)
    assert box.left >= 0 or box.right >= width
    assert box.top >= 0 or box.bottom >= height


@given(case=pictures_with_masks(), context=st.integers(0, 200))
def test_any_size_pads_by_less_than_a_step(case: tuple[tuple[int, int], MaskedArea], context: int) -> None:
    """A model of any size needs hardly more than there is, but where the picture is longer than its ratios."""
    (width, height), masked = case
    region = plan_region(masked, (width, height), ANY, context=context)
    if max(width, height) <= 3 * min(width, height) and width * height >= 655_360:
        assert region.box.width < width + 128
        assert region.box.height < height + 128


@given(case=pictures_with_masks(), context=st.integers(0, 200))
def test_small_regions_are_enlarged_three_times_at_most(case: tuple[tuple[int, int], MaskedArea], context: int) -> None:
    """Only a whole picture is enlarged further, where it is smaller than what a model takes or for its exact ratio."""
    (width, height), masked = case
    region = plan_region(masked, (width, height), ANY, context=context)
    if region.share <= WHOLE and min(width, height) >= 400:
        assert region.scale <= 3.0


def test_native_scale_resamples_nothing() -> None:
    """From 1.0 to 3.69 megapixels every pixel is sent as it is."""
    for box in (Box(2500, 1500, 500, 500), Box(1000, 1000, 900, 700), Box(3000, 700, 600, 900)):
        region = plan((6000, 4000), box)
        assert region.size == (region.box.width, region.box.height)
        assert not region.is_whole


def test_region_has_context() -> None:
    """Half of the mask's size on each side, or what was asked for, in the middle of the picture."""
    for context, expected in ((50, 1600), (20, 1120 + 2 * 80), (200, 4000)):
        region = plan((12_000, 9000), Box(5000, 4000, 800, 800), context=context)
        least = max(128, 900)
        assert abs(region.box.width - max(expected, 800 + 2 * least)) < 64


def test_least_context_is_part_of_the_picture() -> None:
    """A tiny mask has a tenth of the picture's short side around it, and 128 pixels."""
    assert plan((6000, 4000), Box(3000, 2000, 10, 10), context=0).box.width >= 810
    assert plan((1000, 900), Box(500, 400, 10, 10), context=0).box.width >= 2 * 128 + 10


def test_small_region_gets_more_context_first() -> None:
    """Below one megapixel the context is doubled before anything is enlarged."""
    region = plan((6000, 4000), Box(2500, 1500, 400, 300))
    assert region.scale == 1
    assert region.box.width * region.box.height >= 1_000_000
    assert region.box.width <= 400 + 2 * 400 + 16


def test_small_region_is_enlarged() -> None:
    """Where more context does not help, the pixels are enlarged to about a megapixel."""
    region = plan((3000, 2000), Box(1000, 1000, 150, 150))
    assert 1 < region.scale <= 3
    assert 655_360 <= region.size[0] * region.size[1] <= 1_200_000


def test_large_region_is_scaled_down() -> None:
    """More than 3.69 megapixels are not asked for."""
    region = plan((12_000, 9000), Box(1000, 1000, 3000, 2500))
    assert region.scale < 1
    assert 3_300_000 < region.size[0] * region.size[1] <= 3_686_400


def test_masked_part_leaves_something_to_go_by() -> None:
    """At least 40 % of the box are not masked."""
    region = plan((12_000, 9000), Box(3000, 3000, 3000, 3000), context=0)
    assert region.box.width * region.box.height >= 9_000_000 / 0.6


@SIZES
def test_most_of_the_picture_is_all_of_it(sizes: AnySize | list[tuple[int, int]]) -> None:
    """Above 70 % the whole picture is sent, and the region says so."""
    region = plan((3000, 2000), Box(500, 300, 1800, 1300), sizes)
    assert region.box == Box(0, 0, 3000, 2000)
    assert region.is_whole
    assert region.share == 1


@pytest.mark.parametrize("picture", [(1920, 1080), (4000, 3000), (1000, 667), (853, 1280), (6000, 4000), (1024, 1024)])
def test_whole_picture_is_asked_for_in_its_own_ratio(picture: tuple[int, int]) -> None:
    """The size has the picture's ratio to 0.1 %, nothing is padded, and the scale is the nearest there is."""
    region = whole_region(picture, ANY)
    assert region.box == Box(0, 0, *picture)
    assert region.size[0] / region.size[1] == pytest.approx(picture[0] / picture[1], rel=0.001)
    wanted = min(max(picture[0] * picture[1], 1_000_000), 3_686_400)
    assert 0.7 < region.size[0] * region.size[1] / wanted < 1.4


def test_picture_of_a_size_that_the_model_takes_is_sent_as_it_is() -> None:
    """No scale is better than 1."""
    for picture in ((1024, 1024), (1536, 1024), (2048, 1152), (2560, 1440)):
        assert whole_region(picture, ANY).size == picture


@pytest.mark.parametrize(("picture", "size"), [((400, 402), (928, 928)), ((1500, 1508), (1504, 1520))])
def test_picture_whose_ratio_only_a_dear_size_has_is_padded(picture: tuple[int, int], size: tuple[int, int]) -> None:
    """By less than one step, and not asked for at three to seven times the pixels (2672x2688, 2528x2544)."""
    region = whole_region(picture, ANY)
    assert region.size == size
    assert region.size[0] * region.box.height == region.size[1] * region.box.width
    assert region.box.inside(*picture) == Box(0, 0, *picture)
    assert max(region.box.width - picture[0], region.box.height - picture[1]) < 16


@pytest.mark.parametrize("picture", [(5000, 1000), (300, 2000)])
def test_picture_beyond_all_ratios_is_padded(picture: tuple[int, int]) -> None:
    """It is never stretched: its edge goes on until the ratio is one that the model takes."""
    region = whole_region(picture, ANY)
    assert region.is_padded(*picture)
    assert max(region.size) <= 3 * min(region.size)
    assert region.size[0] / region.box.width == pytest.approx(region.size[1] / region.box.height, rel=0.001)


@pytest.mark.parametrize(
    ("picture", "size"), [((1500, 1000), (1536, 1024)), ((1000, 1500), (1024, 1536)), ((900, 1000), (1024, 1024))]
)
def test_one_of_three_sizes_is_the_nearest_ratio(picture: tuple[int, int], size: tuple[int, int]) -> None:
    """The size that needs the least padding is taken."""
    assert whole_region(picture, THREE).size == size


def test_one_of_three_sizes_grows_the_box_where_there_is_more() -> None:
    """Inside a large picture the ratio is met with more of the picture, not with padding."""
    region = plan((6000, 4000), Box(3000, 2000, 700, 300), THREE)
    assert region.size == (1536, 1024)
    assert not region.is_padded(6000, 4000)
    assert region.box.width * 2 == region.box.height * 3


def test_region_at_the_edge_is_shifted_inside() -> None:
    """At a corner the box goes up to the corner and no further."""
    for left in (0, 5900):
        region = plan((6000, 4000), Box(left, 0, 100, 100))
        assert not region.is_padded(6000, 4000)
        assert region.box.left == 0 or region.box.right == 6000
        assert region.box.top == 0


def test_masked_area_is_what_is_sent_as_open() -> None:
    """Values that are sent as 0 open nothing."""
    mask = torch.zeros(50, 60)
    assert masked_area(mask) is None
    mask[:] = 0.4 / 255
    assert masked_area(mask) is None
    mask[10:20, 30] = 0.01
    mask[12, 5] = 1
    assert masked_area(mask) == MaskedArea(Box(5, 10, 26, 10), 11)


def test_masked_area_of_a_mask_without_zeros_is_what_is_more_than_its_least() -> None:
    """ComfyUI 0.33 gives 1/255 for 0; in a mask that has zeros 1/255 counts, or else soft ones were bought again."""
    mask = torch.full((40, 60), 1 / 255)
    assert masked_area(mask) is None
    mask[10:20, 5:31] = 0.8
    assert masked_area(mask) == MaskedArea(Box(5, 10, 26, 10), 260)
    mask[0, 0] = 0.0
    assert masked_area(mask) == MaskedArea(Box(0, 0, 60, 40), 2399)
    assert masked_area(torch.ones(40, 60)) == MaskedArea(Box(0, 0, 60, 40), 2400)
