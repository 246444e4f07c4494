"""utils/encode.py: tensors to PNG files, exact to the level, and every refusal in words."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from openai_image_nodes.utils import tensors
from openai_image_nodes.utils.encode import (
    Png,
    images_to_pngs,
    is_no_mask,
    markup_to_png,
    mask_to_png,
    scaled_size,
)
from openai_image_nodes.utils.errors import ImageInputError
from openai_image_nodes.utils.tensors import STRIPE_ROWS, parallel_map, tensor_to_pixels
from PIL import Image
from torch import Tensor

Bytes = NDArray[np.uint8]
ANY_SIZE = 10**9
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def pixels_of(png: Png) -> Bytes:
    with Image.open(io.BytesIO(png.data)) as picture:
        assert picture.format == "PNG"
        assert picture.size == (png.width, png.height)
        return np.asarray(picture)


def sent(image: Tensor, max_pixels: int = ANY_SIZE) -> list[Bytes]:
    return [pixels_of(png) for png in images_to_pngs(image, max_pixels=max_pixels)]


def random_image(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def disc(side: int) -> Tensor:
    """A mask [side,side] with a soft edge."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return (side / 3 - torch.hypot(x - side / 2, y - side / 2)).clamp(0, 8) / 8


class TestLevels:
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_all_256_levels_arrive_exactly(self, dtype: torch.dtype) -> None:
        """A level of 8 bits survives every kind of float, the 8 bits of bfloat16 included."""
        levels = torch.arange(256).reshape(1, 16, 16, 1).expand(-1, -1, -1, 3)
        assert np.array_equal(sent((levels / 255).to(dtype))[0], levels[0].numpy())

    @pytest.mark.parametrize(
        ("value", "level"),
        [
            (-0.1, 0),
            (1.004, 255),
            (3e38, 255),
            (float("nan"), 0),
            (float("inf"), 255),
            (float("-inf"), 0),
            (0.4999 / 255, 0),
            (0.5001 / 255, 1),
            (254.4999 / 255, 254),
            (254.5001 / 255, 255),
        ],
    )
    def test_other_values_are_clamped_and_rounded(self, value: float, level: int) -> None:
        """Values outside 0..1 do not wrap, and what lies between two levels goes to the nearer one."""
        assert (sent(torch.full((2, 3, 3), value))[0] == level).all()

    @pytest.mark.parametrize(("channels", "mode"), [(1, "RGB"), (3, "RGB"), (4, "RGBA")])
    def test_channels_become_a_mode_that_the_service_takes(self, channels: int, mode: str) -> None:
        """Grey is sent as RGB of three equal channels: the service refuses grey."""
        image = random_image(1, 5, 7, channels)
        png = images_to_pngs(image, max_pixels=ANY_SIZE)[0]
        assert Image.open(io.BytesIO(png.data)).mode == mode
        expected = (image[0] * 255).round().expand(-1, -1, 3) if channels == 1 else (image[0] * 255).round()
        assert np.array_equal(pixels_of(png), expected.numpy())

    def test_transparent_pixels_keep_their_colour(self) -> None:
        """Pixels of alpha 0 are sent as they are, not blackened."""
        image = random_image(1, 6, 6, 4)
        image[..., 3] = 0
        assert np.array_equal(sent(image)[0], (image[0] * 255).round().numpy())


class OnDevice(Tensor):
    """A tensor that says it is on another device, and notes what is copied from there."""

    copied: ClassVar[list[torch.dtype]] = []

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return torch.device("cuda")

    def cpu(self, *_: object, **__: object) -> Tensor:  # type: ignore[override]
        self.copied.append(self.dtype)
        return self.as_subclass(Tensor)


@pytest.mark.parametrize("dtype", DTYPES)
class TestDevices:
    """There is no GPU here: what runs on one is torch's own arithmetic, run on the processor."""

    VALUES = torch.tensor([float("nan"), float("inf"), float("-inf"), -0.1, 1.004, 0.5, 1.5 / 255, 2.5 / 255, 3e4])

    def picture(self, dtype: torch.dtype) -> Tensor:
        values = torch.cat([torch.arange(256) / 255, torch.linspace(-0.01, 1.01, 8 * 999), self.VALUES])
        return values[: len(values) // 3 * 3].reshape(-1, 1, 3).to(dtype)

    def test_levels_are_made_there_and_are_the_same(self, dtype: torch.dtype) -> None:
        """A quarter of the bytes is copied, and every value becomes the level that the processor's way gives it."""
        OnDevice.copied.clear()
        picture = self.picture(dtype)
        levels = tensor_to_pixels(picture.as_subclass(OnDevice))
        assert OnDevice.copied == [torch.uint8]
        assert np.array_equal(levels, tensor_to_pixels(picture))

    def test_device_without_room_hands_over_the_floats(
        self, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A device whose memory a model fills still gives the same picture."""
        OnDevice.copied.clear()

        def full(_source: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(tensors, "_levels", full)
        picture = self.picture(dtype)
        levels = tensor_to_pixels(picture.as_subclass(OnDevice))
        assert OnDevice.copied == [dtype]
        assert np.array_equal(levels, tensor_to_pixels(picture))


class TestBatches:
    def test_every_picture_of_a_batch_is_sent_in_order(self) -> None:
        """A batch of n gives n files in its order."""
        image = torch.stack([torch.full((4, 5, 3), index / 255) for index in range(9)])
        assert [picture[0, 0, 0] for picture in sent(image)] == list(range(9))

    def test_a_single_picture_needs_no_batch_axis(self) -> None:
        """[H,W,C] is taken as a batch of one."""
        assert sent(random_image(4, 5, 3))[0].shape == (4, 5, 3)

    def test_batches_of_several_sizes_are_sent_together(self) -> None:
        """References of any size go along with the main picture."""
        pngs = images_to_pngs([random_image(2, 4, 5, 3), random_image(6, 7, 4)], max_pixels=ANY_SIZE)
        assert [(png.width, png.height) for png in pngs] == [(5, 4), (5, 4), (7, 6)]

    @pytest.mark.parametrize(
        "view",
        [
            lambda image: image.permute(0, 2, 1, 3),
            lambda image: image[:, ::2, 1::3],
            lambda image: image.flip(3),
            lambda image: image.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1),
            lambda image: image[:1].expand(3, -1, -1, -1),
        ],
    )
    def test_strided_tensors_are_sent_as_they_look(self, view: Callable[[Tensor], Tensor]) -> None:
        """Views of any layout need no copy by the caller."""
        image = view(random_image(2, 70, 9, 3))
        expected = (image * 255).round().numpy()
        assert all(np.array_equal(got, want) for got, want in zip(sent(image), expected, strict=True))

    def test_tensors_of_a_graph_are_sent(self) -> None:
        """A tensor that requires gradients is read without them."""
        assert sent(random_image(1, 4, 4, 3).requires_grad_())[0].shape == (4, 4, 3)

    def test_inputs_are_not_written_to(self) -> None:
        """What other nodes hold stays as it was: pictures, mask and markup."""
        image, mask, markup = random_image(2, 40, 40, 3), random_image(40, 40), random_image(1, 40, 40, 4)
        copies = [tensor.clone() for tensor in (image, mask, markup)]
        images_to_pngs(image, max_pixels=400)
        mask_to_png(mask, (40, 40), (20, 20))
        markup_to_png(markup, (40, 40), (20, 20))
        assert all(torch.equal(old, new) for old, new in zip(copies, (image, mask, markup), strict=True))

    def test_digest_names_the_pixels(self) -> None:
        """The digest is that of size, channels and raw pixels, so it outlives a change of the encoder."""
        image = random_image(1, 6, 4, 3)
        pixels = (image[0] * 255).round().to(torch.uint8).numpy()
        png = images_to_pngs(image, max_pixels=ANY_SIZE)[0]
        assert png.digest == hashlib.sha256(b"6x4x3:" + pixels.tobytes()).hexdigest()

    def test_digest_of_stripes_is_that_of_the_whole(self) -> None:
        """Rows are hashed while the next ones are made: of pictures and masks, more and fewer than there are cores."""
        image, mask = random_image(2 * (os.cpu_count() or 1) + 1, 3 * STRIPE_ROWS + 1, 3, 3), random_image(900, 3)
        for png in [*images_to_pngs(image, max_pixels=ANY_SIZE), mask_to_png(mask, (3, 900), (3, 900))]:
            pixels = pixels_of(png)
            told = "x".join(map(str, pixels.shape))
            assert png.digest == hashlib.sha256(f"{told}:".encode() + pixels.tobytes()).hexdigest()

    def test_pictures_of_a_batch_go_out_as_each_alone(self) -> None:
        """Where there is one for each core, none is cut into parts: the same bytes either way."""
        image = random_image(2 * (os.cpu_count() or 1) + 1, 3 * STRIPE_ROWS, 4, 3)
        alone = [images_to_pngs(picture, max_pixels=ANY_SIZE)[0].data for picture in image]
        together = images_to_pngs(image, max_pixels=ANY_SIZE)
        assert parallel_map(lambda png: png.data, together) == alone

    @pytest.mark.parametrize("count", [1, 2 * (os.cpu_count() or 1)])
    def test_what_fails_while_rows_are_made_is_told(self, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """No thread waits for a stripe that never comes."""

        def fail(*_: object) -> None:
            raise MemoryError

        monkeypatch.setattr(tensors, "_fill_levels", fail)
        with pytest.raises(MemoryError):
            images_to_pngs(random_image(count, 3 * STRIPE_ROWS, 4, 3), max_pixels=ANY_SIZE)
        with pytest.raises(MemoryError):
            mask_to_png(random_image(3 * STRIPE_ROWS, 4), (4, 3 * STRIPE_ROWS), (4, 3 * STRIPE_ROWS))

    @pytest.mark.parametrize("value", [2.0, -1.0, float("nan")])
    def test_values_out_of_range_in_some_rows_alone(self, value: float) -> None:
        """Rows without any take a shorter way."""
        image = random_image(3 * STRIPE_ROWS, 4, 3)
        image[STRIPE_ROWS + 70, 2, 1] = value
        levels = (image.nan_to_num(nan=0.0).clamp(0, 1) * 255).round().to(torch.uint8)
        assert np.array_equal(tensor_to_pixels(image), levels.numpy())


class TestScaling:
    @given(st.integers(1, 9000), st.integers(1, 9000), st.integers(1, 9_000_000))
    def test_scaled_size_fits_and_keeps_the_ratio(self, width: int, height: int, max_pixels: int) -> None:
        """Never above the limit, never larger than before, and of the same ratio to within a pixel."""
        new_width, new_height = scaled_size(width, height, max_pixels)
        assert 1 <= new_width <= width
        assert 1 <= new_height <= height
        assert new_width * new_height <= max_pixels
        if width * height <= max_pixels:
            assert (new_width, new_height) == (width, height)
        elif min(new_width, new_height) > 1:
            assert abs(new_width * height / width - new_height) <= 1

    def test_scaled_size_uses_the_room(self) -> None:
        """A 4K picture for a service that takes 2048 x 2048 pixels loses no more than it has to."""
        assert scaled_size(3840, 2160, 2048 * 2048) == (2730, 1536)

    def test_large_pictures_are_scaled_down(self) -> None:
        """The picture shows the same at its new size."""
        image = torch.zeros(1, 60, 80, 3)
        image[:, :, 40:] = 1
        picture = sent(image, max_pixels=1200)[0]
        assert picture.shape == (30, 40, 3)
        assert (picture[:, :16] == 0).all()
        assert (picture[:, 24:] == 255).all()

    def test_hidden_colours_do_not_bleed_when_scaled(self) -> None:
        """The colour under transparent pixels does not show at the edges of a smaller picture."""
        image = torch.zeros(1, 64, 64, 4)
        image[..., 0] = 1  # red, all transparent
        image[:, 16:48, 16:48] = torch.tensor([0.0, 1.0, 0.0, 1.0])
        picture = sent(image, max_pixels=32 * 32)[0]
        seen = picture[picture[..., 3] > 8]
        assert seen[:, 0].max() <= 16

    @given(st.integers(20, 90), st.integers(20, 90), st.integers(100, 3000))
    def test_mask_gets_exactly_the_size_of_its_picture(self, width: int, height: int, max_pixels: int) -> None:
        """Both were connected at one size, so both are sent at one size."""
        png = images_to_pngs(torch.zeros(1, height, width, 3), max_pixels=max_pixels)[0]
        size = (png.width, png.height)
        mask = mask_to_png(torch.ones(height, width), (width, height), size)
        markup = markup_to_png(torch.zeros(1, height, width, 4), (width, height), size)
        assert (mask.width, mask.height) == (markup.width, markup.height) == size


class TestMask:
    def test_white_becomes_transparent(self) -> None:
        """ComfyUI's 1 = replace is the service's alpha 0 = replace; the colour is black; soft edges stay soft."""
        mask = torch.arange(256).reshape(16, 16) / 255
        pixels = pixels_of(mask_to_png(mask, (16, 16), (16, 16)))
        assert (pixels[..., :3] == 0).all()
        assert np.array_equal(pixels[..., 3], 255 - np.arange(256).reshape(16, 16))

    @pytest.mark.parametrize("shape", [(5, 7), (1, 5, 7), (3, 5, 7), (2, 1, 5, 7)])
    def test_first_mask_of_any_shape_is_used(self, shape: tuple[int, ...]) -> None:
        """One mask belongs to one picture: the first of a batch is taken."""
        mask = torch.zeros(shape)
        mask.reshape(-1, 5, 7)[0] = 1
        assert (pixels_of(mask_to_png(mask, (7, 5), (7, 5)))[..., 3] == 0).all()

    def test_values_outside_are_clamped(self) -> None:
        """Arithmetic on masks may leave 0..1."""
        mask = torch.tensor([[-0.5, 1.5, float("nan")]])
        assert pixels_of(mask_to_png(mask, (3, 1), (3, 1)))[0, :, 3].tolist() == [255, 0, 255]

    def test_scaled_mask_stays_closed_where_it_was(self) -> None:
        """Scaling does not overshoot: away from the edge the alpha is exactly 0 or 255."""
        alpha = pixels_of(mask_to_png((disc(120) > 0.5).float(), (120, 120), (50, 50)))[..., 3]
        assert set(np.unique(alpha[:, :5])) == {255}
        assert set(np.unique(alpha[22:28, 22:28])) == {0}

    def test_mask_of_another_size_is_refused(self) -> None:
        """The message names both sizes and what to do."""
        with pytest.raises(ImageInputError, match=r"mask is 7x5 and the first picture is 8x6.*Scale the mask"):
            mask_to_png(torch.zeros(5, 7), (8, 6), (8, 6))

    @pytest.mark.parametrize("shape", [(7,), (1, 2, 5, 7), (1, 1, 1, 5, 7), (0, 5, 7)])
    def test_what_is_no_mask_is_refused(self, shape: tuple[int, ...]) -> None:
        """The message names the shape."""
        with pytest.raises(ImageInputError, match="mask of shape") as caught:
            mask_to_png(torch.zeros(shape), (7, 5), (7, 5))
        assert str(list(shape)) in str(caught.value)


class TestNoMask:
    @pytest.mark.parametrize("level", [0.0, 1 / 255])
    def test_load_images_stand_in_is_no_mask(self, level: float) -> None:
        """A picture without transparency comes with 64x64 or its own size, 0 or one level everywhere."""
        assert is_no_mask(torch.full((1, 64, 64), level), (1024, 768))
        assert is_no_mask(torch.full((64, 64), level), (64, 65))
        assert is_no_mask(torch.full((1, 64, 64), level), (64, 64))
        assert is_no_mask(torch.full((1, 768, 1024), level), (1024, 768))

    def test_everything_else_is_a_mask(self) -> None:
        """Two levels in one pixel, or another size, make it a mask."""
        drawn = torch.zeros(1, 64, 64)
        drawn[0, 3, 3] = 2 / 255
        assert not is_no_mask(drawn, (1024, 768))
        assert not is_no_mask(torch.zeros(1, 64, 63), (1024, 768))
        assert not is_no_mask(torch.zeros(1, 63, 64), (64, 64))


class TestMarkup:
    def test_marks_are_sent_with_their_transparency(self) -> None:
        """At its own size the markup is sent exactly; the first of a batch is taken."""
        markup = random_image(2, 9, 8, 4)
        assert np.array_equal(pixels_of(markup_to_png(markup, (8, 9), (8, 9))), (markup[0] * 255).round().numpy())

    @pytest.mark.parametrize("channels", [1, 3])
    def test_markup_without_alpha_is_refused(self, channels: int) -> None:
        """The message names the channels and the way to add one."""
        with pytest.raises(ImageInputError, match=rf"has {channels} channels and needs 4 .*alpha"):
            markup_to_png(torch.zeros(1, 9, 8, channels), (8, 9), (8, 9))

    def test_opaque_markup_is_refused(self) -> None:
        """A markup that covers everything is a mistake."""
        with pytest.raises(ImageInputError, match="no transparent pixel"):
            markup_to_png(torch.ones(1, 9, 8, 4), (8, 9), (8, 9))

    def test_markup_of_another_size_is_refused(self) -> None:
        """The message names both sizes."""
        with pytest.raises(ImageInputError, match="markup is 8x9 and the first picture is 8x10"):
            markup_to_png(torch.zeros(1, 9, 8, 4), (8, 10), (8, 10))


class TestRefusals:
    @pytest.mark.parametrize(
        "shape", [(5, 7), (1, 5, 7, 2), (1, 5, 7, 5), (0, 5, 7, 3), (1, 0, 7, 3), (1, 5, 0, 3), (1, 1, 5, 7, 3)]
    )
    def test_what_is_no_picture_is_refused(self, shape: tuple[int, ...]) -> None:
        """Other axes, other channels, nothing at all: the message names the shape and what is needed."""
        with pytest.raises(ImageInputError, match="1, 3 or 4 channels") as caught:
            images_to_pngs(torch.zeros(shape), max_pixels=ANY_SIZE)
        assert str(list(shape)) in str(caught.value)

    def test_integers_are_refused(self) -> None:
        """Levels 0..255 as integers are not guessed at."""
        with pytest.raises(ImageInputError, match=r"torch\.uint8.*divide it by 255"):
            images_to_pngs(torch.zeros(1, 4, 4, 3, dtype=torch.uint8), max_pixels=ANY_SIZE)

    def test_errors_have_a_short_name_in_comfyui(self) -> None:
        """ComfyUI shows module and class: the module is the pack, not a path."""
        assert f"{ImageInputError.__module__}.{ImageInputError.__qualname__}" == "openai_image_nodes.ImageInputError"
