"""utils/pictures.py: the bytes that come back, of any format, mode and state, to tensors."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from openai_image_nodes.utils import containers, decode, read_image
from openai_image_nodes.utils.containers import without_metadata
from openai_image_nodes.utils.decode import alpha_of, gif_to_frames, pngs_to_image, preview_image
from openai_image_nodes.utils.errors import BrokenPictureError
from PIL import Image, ImageFile

Bytes = NDArray[np.uint8]
RANDOM = np.random.default_rng(3)
RGBA = RANDOM.integers(0, 256, (12, 10, 4), dtype=np.uint8)
RGB = RGBA[..., :3]
OPAQUE = Image.fromarray(np.ascontiguousarray(RGB))
TRANSPARENT = Image.fromarray(RGBA)


def file_of(picture: Image.Image | Bytes, file_format: str = "PNG", **options: Any) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def coloured(width: int, height: int, *colour: int) -> bytes:
    return file_of(np.full((height, width, len(colour)), colour, np.uint8))


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and holds no pixel."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    packed = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def levels(image: torch.Tensor) -> NDArray[np.float32]:
    return np.asarray(image * 255, np.float32)


class TestExactness:
    def test_every_level_is_level_over_255(self) -> None:
        """The floats are those that ComfyUI's LoadImage gives: uint8 / 255 in float32, bit for bit."""
        ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
        decoded = pngs_to_image([file_of(ramp)])
        assert decoded.image.dtype == torch.float32
        assert np.array_equal(decoded.image[0].numpy(), ramp.astype(np.float32) / 255.0)

    def test_opaque_pictures_have_three_channels_and_an_empty_alpha(self) -> None:
        """An alpha channel without a transparent pixel is dropped: most nodes take RGB only."""
        opaque = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)])
        decoded = pngs_to_image([file_of(opaque), file_of(OPAQUE)])
        assert decoded.image.shape == (2, 12, 10, 3)
        assert decoded.alpha.shape == (2, 12, 10)
        assert not decoded.alpha.any()
        assert decoded.notes == []
        assert decoded.broken == []

    def test_what_is_no_picture_takes_the_place_of_none(self) -> None:
        """Some servers send words among the pictures: what can be shown is, in its order, up to what was asked for."""
        decoded = pngs_to_image([b"null", file_of(OPAQUE), b"word", file_of(TRANSPARENT), file_of(OPAQUE)], at_most=2)
        assert np.array_equal(levels(decoded.image[0, ..., :3]).round(), RGB)
        assert np.array_equal(levels(decoded.image[1]).round(), RGBA)
        assert decoded.broken == [0, 2, 4]

    def test_a_small_copy_is_not_shown_in_place_of_the_picture(self) -> None:
        """Of more pictures than were asked for those with the most pixels are shown, of equals the first."""
        decoded = pngs_to_image([file_of(OPAQUE.resize((5, 6))), file_of(OPAQUE), file_of(TRANSPARENT)], at_most=1)
        assert np.array_equal(levels(decoded.image[0]).round(), RGB)
        assert decoded.broken == [0, 2]

    def test_alpha_has_load_images_polarity(self) -> None:
        """1 where transparent; the picture keeps the alpha channel as the file has it."""
        decoded = pngs_to_image([file_of(TRANSPARENT)])
        assert np.array_equal(levels(decoded.image[0]).round(), RGBA)
        assert np.array_equal(decoded.alpha[0].numpy(), 1 - RGBA[..., 3].astype(np.float32) / 255)

    def test_one_transparent_picture_gives_all_four_channels(self) -> None:
        """A batch has one number of channels: opaque pictures get alpha 1."""
        decoded = pngs_to_image([file_of(OPAQUE), file_of(TRANSPARENT)])
        assert decoded.image.shape[3] == 4
        assert (decoded.image[0, ..., 3] == 1).all()
        assert not decoded.alpha[0].any()
        assert np.array_equal(levels(decoded.image[0, ..., :3]).round(), RGB)

    @pytest.mark.parametrize("picture", [OPAQUE, TRANSPARENT])
    def test_alpha_of_an_image_is_that_of_the_file(self, picture: Image.Image) -> None:
        """The mask can be had from the picture alone, for one that was changed after read_image."""
        decoded = pngs_to_image([file_of(picture)])
        assert torch.equal(alpha_of(decoded.image), decoded.alpha)

    def test_tensors_are_ordinary_ones(self) -> None:
        """Other nodes may write into them and save them."""
        decoded = pngs_to_image([file_of(OPAQUE)])
        assert decoded.image.is_contiguous()
        assert decoded.alpha.is_contiguous()
        decoded.alpha.add_(1)
        decoded.image.mul_(0)


class TestFormats:
    @pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA"])
    def test_png_of_every_mode_is_read(self, mode: str) -> None:
        """The result is what Pillow's own conversion of the file shows."""
        data = file_of(TRANSPARENT.convert(mode))
        with Image.open(io.BytesIO(data)) as picture:
            expected = np.asarray(picture.convert("RGBA"))
        image = pngs_to_image([data]).image
        assert np.array_equal(levels(image[0, ..., :3]).round(), expected[..., :3])
        assert image.shape[3] == (4 if (expected[..., 3] < 255).any() else 3)

    def test_palette_with_a_transparent_colour_is_read(self) -> None:
        """A colour of the palette may be transparent."""
        flags = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "L").convert("P")
        decoded = pngs_to_image([file_of(flags, transparency=1)])
        assert decoded.alpha[0, 0].tolist() == [0, 1, 0]

    def test_transparent_colour_of_rgb_is_read(self) -> None:
        """PNG can name one RGB colour as transparent."""
        pixels = np.array([[[9, 8, 7], [1, 2, 3]]], np.uint8)
        decoded = pngs_to_image([file_of(pixels, transparency=(1, 2, 3))])
        assert decoded.alpha[0, 0].tolist() == [0, 1]

    def test_sixteen_bits_keep_their_upper_eight(self) -> None:
        """16-bit grey is scaled, not clipped to white."""
        ramp = np.arange(256, dtype=np.uint16).reshape(16, 16)
        decoded = pngs_to_image([file_of(Image.fromarray(ramp * 257))])
        assert np.array_equal(levels(decoded.image[0, ..., 0]).round(), ramp)

    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    def test_jpeg_of_every_mode_is_read(self, mode: str) -> None:
        """JPEG may be grey, colour or for print."""
        data = file_of(OPAQUE.convert(mode), "JPEG", quality=95)
        with Image.open(io.BytesIO(data)) as picture:
            expected = np.asarray(picture.convert("RGB"))
        assert np.array_equal(levels(pngs_to_image([data]).image[0]).round(), expected)

    @pytest.mark.parametrize("picture", [OPAQUE, TRANSPARENT])
    def test_webp_is_read(self, picture: Image.Image) -> None:
        """Lossless WebP is exact, with alpha and without."""
        decoded = pngs_to_image([file_of(picture, "WEBP", lossless=True, exact=True)])
        assert np.array_equal(levels(decoded.image[0]).round(), np.asarray(picture))

    @pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
    @pytest.mark.parametrize(("orientation", "turn"), [(3, 2), (6, 3), (8, 1)])
    def test_exif_orientation_is_applied(self, file_format: str, orientation: int, turn: int) -> None:
        """A picture that says it lies on its side is put upright."""
        exif = Image.Exif()
        exif[0x0112] = orientation
        stripes = np.zeros((16, 32, 3), np.uint8)
        stripes[:, :8] = 255
        options = {"lossless": True} if file_format == "WEBP" else {}
        image = pngs_to_image([file_of(stripes, file_format, exif=exif, **options)]).image[0]
        assert np.array_equal(image.numpy() > 0.5, np.rot90(stripes, turn) > 127)


class TestSizes:
    def test_nearly_equal_sizes_are_scaled_to_the_first(self) -> None:
        """Up to 16 pixels on both sides: scaled, and said."""
        decoded = pngs_to_image([coloured(64, 48, 255, 0, 0), coloured(80, 32, 0, 255, 0)])
        assert decoded.image.shape == (2, 48, 64, 3)
        assert decoded.notes == ["Picture 2 was scaled from 80x32 to 64x48, the size of picture 1."]
        assert (decoded.image[1] == torch.tensor([0.0, 1.0, 0.0])).all()

    def test_other_sizes_are_centred_on_black(self) -> None:
        """More than 16 pixels on one side: nothing is cut off or distorted, and both sizes are said."""
        decoded = pngs_to_image([coloured(64, 48, 255, 0, 0), coloured(32, 65, 0, 255, 0)])
        assert decoded.image.shape == (2, 65, 64, 3)
        assert decoded.notes == [
            "Picture 1 is 64x48 and was centred on 64x65, as a batch has one size.",
            "Picture 2 is 32x65 and was centred on 64x65, as a batch has one size.",
        ]
        expected = torch.zeros(2, 65, 64, 3)
        expected[0, 8:56, :, 0] = 1
        expected[1, :, 16:48, 1] = 1
        assert torch.equal(decoded.image, expected)
        assert not decoded.alpha.any()

    def test_canvas_of_transparent_pictures_is_transparent(self) -> None:
        """With alpha in the batch the added border is transparent, in the picture and in the mask."""
        decoded = pngs_to_image([coloured(20, 20, 255, 0, 0, 128), coloured(60, 20, 0, 255, 0)])
        assert decoded.image.shape == (2, 20, 60, 4)
        assert not decoded.image[0, :, :20].any()
        assert (decoded.alpha[0, :, :20] == 1).all()
        assert (decoded.image[1, ..., 3] == 1).all()
        assert not decoded.alpha[1].any()

    def test_near_and_far_sizes_meet_on_one_canvas(self) -> None:
        """Near sizes follow the first picture, the others decide the canvas."""
        decoded = pngs_to_image([coloured(40, 40, 255, 0, 0), coloured(44, 40, 0, 255, 0), coloured(40, 90, 0, 0, 255)])
        assert decoded.image.shape == (3, 90, 40, 3)
        assert len(decoded.notes) == 3
        assert decoded.notes[0].startswith("Picture 2 was scaled from 44x40 to 40x40")


class TestBroken:
    @pytest.mark.parametrize(
        "damaged",
        [
            b"",
            b"<html>502</html>",
            file_of(OPAQUE)[:-30],
            file_of(OPAQUE, "JPEG")[:200],
            file_of(OPAQUE, "WEBP")[:40],
            file_of(OPAQUE).replace(b"IDAT", b"IDAX"),
        ],
    )
    def test_broken_picture_is_left_out(self, damaged: bytes) -> None:
        """The others are paid for and are shown; the report says which one is missing and why."""
        decoded = pngs_to_image([damaged, file_of(OPAQUE), file_of(OPAQUE)])
        assert decoded.image.shape == (2, 12, 10, 3)
        assert np.array_equal(levels(decoded.image[0]).round(), RGB)
        assert decoded.broken == [0]
        assert len(decoded.notes) == 1
        assert decoded.notes[0].startswith("Picture 1 was left out: the picture ")

    @pytest.mark.parametrize("pictures", [[], [b""], [b"nothing", file_of(OPAQUE)[:-30]]])
    def test_nothing_to_show_is_an_error(self, pictures: list[bytes]) -> None:
        """Never a blank picture: the error gives the reason for each."""
        with pytest.raises(BrokenPictureError) as caught:
            pngs_to_image(pictures)
        assert str(caught.value).count("was left out") == len(pictures)

    @pytest.mark.parametrize("size", [(10_000, 5_001), (2**31 - 1, 1), (60_000, 60_000)])
    def test_huge_pictures_are_refused_by_their_header(self, size: tuple[int, int]) -> None:
        """A picture of more than 50 megapixels is not decoded; Pillow's warning about it stays inside."""
        with pytest.raises(BrokenPictureError, match=f"{size[0]}x{size[1]}, more than the 50 megapixels"):
            pngs_to_image([png_header(*size)])

    def test_largest_allowed_picture_gets_past_the_header(self) -> None:
        """50 megapixels are allowed: this one fails for having no pixels."""
        with pytest.raises(BrokenPictureError, match="damaged"):
            pngs_to_image([png_header(10_000, 5_000)])

    def test_limit_counts_for_each_format(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every format is measured before it is decoded."""
        monkeypatch.setattr(read_image, "MAX_PIXELS", 119)
        for file_format in ("PNG", "JPEG", "WEBP", "GIF"):
            with pytest.raises(BrokenPictureError, match="12, more than"):
                read_image.open_picture(file_of(OPAQUE, file_format))

    @pytest.mark.slow
    def test_damage_is_always_one_error(self) -> None:
        """Whatever byte is damaged, the picture is read or left out: nothing else is raised."""
        random = np.random.default_rng(0)
        files = [
            file_of(TRANSPARENT),
            file_of(OPAQUE, "JPEG"),
            file_of(TRANSPARENT, "WEBP"),
            file_of(OPAQUE.convert("P")),
        ]
        for data in files:
            for _ in range(150):
                damaged = bytearray(data)
                damaged[random.integers(4, len(data))] = random.integers(0, 256)
                assert len(pngs_to_image([file_of(OPAQUE), bytes(damaged)]).broken) <= 1

    def test_pillows_settings_stay_as_they_were(self) -> None:
        """The host and its other packs share Pillow's globals."""
        limit, truncated = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        pngs_to_image([file_of(OPAQUE), file_of(OPAQUE)[:-30]])
        assert limit == Image.MAX_IMAGE_PIXELS
        assert truncated == ImageFile.LOAD_TRUNCATED_IMAGES


class TestGif:
    def test_frames_are_composited_and_timed(self) -> None:
        """Every frame is whole, though a GIF stores only what changed, and keeps its duration."""
        frames = [np.zeros((20, 30, 3), np.uint8) for _ in range(3)]
        for index, frame in enumerate(frames):
            frame[: 5 * (index + 1)] = (255, 0, 0)
        pictures = [Image.fromarray(frame) for frame in frames]
        data = file_of(pictures[0], "GIF", save_all=True, append_images=pictures[1:], duration=[50, 100, 150])
        decoded = gif_to_frames(data)
        assert np.array_equal(levels(decoded.image), np.stack(frames))
        assert decoded.durations_ms == [50, 100, 150]
        assert decoded.alpha.shape == (3, 20, 30)
        assert not decoded.alpha.any()

    def test_transparent_frames_keep_their_alpha(self) -> None:
        """A GIF with a transparent colour gives four channels."""
        frames = [np.zeros((8, 8, 4), np.uint8) for _ in range(2)]
        frames[0][:4], frames[1][4:] = (255, 0, 0, 255), (0, 0, 255, 255)
        pictures = [Image.fromarray(frame) for frame in frames]
        decoded = gif_to_frames(file_of(pictures[0], "GIF", save_all=True, append_images=pictures[1:], disposal=2))
        assert decoded.image.shape == (2, 8, 8, 4)
        assert np.array_equal(decoded.alpha.numpy(), [frame[..., 3] == 0 for frame in frames])

    def test_still_gif_is_one_frame(self) -> None:
        """A GIF need not move, and need not say how long it is shown."""
        decoded = gif_to_frames(file_of(OPAQUE.convert("P"), "GIF"))
        assert decoded.image.shape == (1, 12, 10, 3)
        assert decoded.durations_ms == [0]

    @pytest.mark.parametrize("data", [b"", b"GIF89a", file_of(OPAQUE, "GIF")[:60]])
    def test_broken_gif_is_an_error(self, data: bytes) -> None:
        """The message says why."""
        with pytest.raises(BrokenPictureError, match="the picture "):
            gif_to_frames(data)


class TestBombs:
    def test_pictures_beyond_those_asked_for_are_not_decoded(self) -> None:
        """Who asks for one gets one, whatever came; the others are named, to be kept as they came."""
        pictures = [coloured(4, 4, index, 0, 0) for index in range(20)]
        decoded = pngs_to_image(pictures, at_most=1)
        assert decoded.image.shape == (1, 4, 4, 3)
        assert decoded.broken == list(range(1, 20))
        assert decoded.notes == ["20 pictures came and 1 can be shown: the others were left out."]
        assert pngs_to_image(pictures, at_most=1000).image.shape[0] == 16

    def test_a_million_items_are_not_looked_at(self) -> None:
        """Those beyond the first are not even read."""
        decoded = pngs_to_image([file_of(OPAQUE), *[b"x"] * 1_000_000], at_most=1)
        assert (len(decoded.image), len(decoded.notes), len(decoded.broken)) == (1, 1, 1_000_000)

    def test_pictures_share_one_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each may be as large as one of them; all together may not, and are known by their headers."""
        monkeypatch.setattr(decode, "pixel_limit", lambda _count: 1000)
        decoded = pngs_to_image([coloured(20, 30, 9, 9, 9), png_header(30, 30), coloured(1, 1, 9, 9, 9)], at_most=3)
        assert decoded.image.shape == (1, 30, 20, 3)
        assert decoded.notes == [
            "Picture 2 was left out: the picture is 30x30, too much for one batch with the others.",
            "Picture 3 was left out: the picture is 1x1, too much for one batch with the others.",
        ]

    @pytest.mark.parametrize("count", [1, 4, 10])
    def test_limit_is_twice_what_the_service_makes(self, count: int) -> None:
        """And never less than one picture may have."""
        assert count * 3840 * 2160 < decode.pixel_limit(count) <= max(read_image.MAX_PIXELS, count * 3840 * 2160 * 2)

    @pytest.mark.slow
    def test_thin_pictures_do_not_meet_on_a_huge_canvas(self) -> None:
        """A column and a row of a million pixels each would need one of a million million."""
        column, row = coloured(1, 1_000_000, 255, 0, 0), coloured(1_000_000, 1, 0, 255, 0)
        decoded = pngs_to_image([column, row, coloured(1, 999_990, 0, 0, 255)], at_most=3)
        assert decoded.image.shape == (2, 1_000_000, 1, 3)
        assert decoded.broken == [1]
        assert "1000000x1, too much for one batch" in decoded.notes[0]

    def test_pictures_that_are_turned_count_as_they_are_shown(self) -> None:
        """The canvas is that of the pictures upright: two thin ones that lie and stand may be the same."""
        exif = Image.Exif()
        exif[0x0112] = 6
        turned = file_of(Image.new("RGB", (60_000, 1)), "JPEG", exif=exif)
        decoded = pngs_to_image([turned, file_of(Image.new("RGB", (1, 60_000)))], at_most=2)
        assert decoded.image.shape == (2, 60_000, 1, 3)
        assert pngs_to_image([turned, file_of(Image.new("RGB", (60_000, 1)))], at_most=2).broken == [1]

    @pytest.mark.slow
    @pytest.mark.parametrize("bomb", ["text", "profile", "pixels"])
    def test_compressed_bombs_inside_of_a_picture_stay_small(self, bomb: str) -> None:
        """Texts, profiles and pixels that unfold to a gigabyte are cut or refused."""
        packer = zlib.compressobj(9)
        packed = b"".join([packer.compress(bytes(1 << 20)) for _ in range(64)] + [packer.flush()])
        kind, data = {
            "text": (b"zTXt", b"a\0\0" + packed),
            "profile": (b"iCCP", b"a\0\0" + packed),
            "pixels": (b"IDAT", packed),
        }[bomb]
        whole = file_of(OPAQUE)
        at = whole.index(b"IDAT") - 4
        chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        tracemalloc.start()
        pngs_to_image([whole[:at] + chunk + whole[at:], file_of(OPAQUE)])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 << 20

    @pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "fill bytes"])
    def test_picture_of_very_many_empty_parts_is_refused(self, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two millions of them, in 24 MB, took a minute; a few do no harm."""
        kind = "JPEG" if form == "fill bytes" else form
        data = file_of(Image.new("RGB", (8, 8)), kind)
        at = {"PNG": 33, "JPEG": 2, "GIF": data.find(b",", 13)}[kind]
        part = {"PNG": b"\0\0\0\0abCd" + zlib.crc32(b"abCd").to_bytes(4, "big"), "JPEG": b"\xff\xef\0\x02"}
        part |= {"GIF": b"!\xfe\0", "fill bytes": b"\xff"}
        assert read_image.decode_picture(data[:at] + part[form] * 50 + data[at:]).shape == (8, 8, 3)
        monkeypatch.setattr(containers, "MAX_PARTS", 40)
        with pytest.raises(BrokenPictureError, match="parts"):
            read_image.decode_picture(data[:at] + part[form] * 50 + data[at:])
        assert read_image.decode_picture(data).shape == (8, 8, 3)

    def test_gif_of_very_many_blocks_in_one_part_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A hundred millions of them fit in what is read; those of pixels are longer, and may be as many."""
        data = file_of(Image.new("RGB", (8, 8)), "GIF")
        at = data.find(b",", 13)
        monkeypatch.setattr(containers, "MAX_PARTS", 40)
        with pytest.raises(BrokenPictureError, match="parts"):
            read_image.decode_picture(data[:at] + b"!\xff\x0bABCDEFGH123" + b"\1a" * 50 + b"\0" + data[at:])
        full = b"!\xff\x0bABCDEFGH123" + (b"\xff" + bytes(255)) * 90 + b"\0"
        assert read_image.decode_picture(data[:at] + full + data[at:]).shape == (8, 8, 3)

    @pytest.mark.parametrize(
        "part", [b"\xff\xe1\0\x09Exif\0\0a", b"\xff\xed\0\x1cPhotoshop 3.0\x008BIM\4\4\0\0\0\0\0\0"]
    )
    def test_metadata_of_very_many_pieces_is_not_read(self, part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pillow copies an EXIF for each piece: 60 MB of them, from any server, kept the whole process for minutes."""
        read: list[bytes] = []
        real = read_image.JpegImageFile
        monkeypatch.setattr(
            read_image, "OPENERS", ((b"\xff\xd8", lambda file: read.append(file.getvalue()) or real(file)),)
        )
        monkeypatch.setitem(read_image.MAX_IN_JPEG, b"8BIM", 100)
        data = file_of(Image.new("RGB", (8, 8)), "JPEG")
        for count in (100, 101):
            assert read_image.decode_picture(data[:2] + part * count + data[2:]).shape == (8, 8, 3)
        assert [part in each for each in read] == [True, False]

    def test_jpeg_of_very_many_scans_is_refused(self) -> None:
        """Each takes as long as all pixels do: a megabyte of them kept a thread for minutes. Metadata is none."""
        data = file_of(Image.new("RGB", (8, 8)), "JPEG", progressive=True)
        scans = data[data.index(b"\xff\xda") : -2]
        with pytest.raises(BrokenPictureError, match="scans"):
            read_image.decode_picture(data[:-2] + scans * 1000 + data[-2:])
        assert read_image.decode_picture(data[:-2] + scans * 9 + data[-2:]).shape == (8, 8, 3)
        comment = b"\xff\xfe\xff\xff" + b"\xff\xda" * 0x7FFE + b"\0"
        assert read_image.decode_picture(data[:2] + comment + data[2:]).shape == (8, 8, 3)

    def test_gif_of_many_frames_is_cut(self) -> None:
        """Sixteen are decoded, and a note says that there were more."""
        frames = [Image.new("P", (4, 4), index) for index in range(20)]
        decoded = gif_to_frames(gif_of(*frames))
        assert (len(decoded.image), len(decoded.durations_ms)) == (16, 16)
        assert decoded.notes == ["The animation has more than 16 frames; those after them were left out."]
        assert (len(gif_to_frames(gif_of(*frames[:16])).image), gif_to_frames(gif_of(*frames[:16])).notes) == (16, [])

    def test_gif_of_large_frames_is_cut(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """All frames together have the pixels of one picture."""
        monkeypatch.setattr(decode, "MAX_PIXELS", 500)
        assert len(gif_to_frames(gif_of(*[Image.new("P", (10, 10))] * 9)).image) == 5

    @pytest.mark.parametrize("grown", [(9_000, 9_000), (65_535, 65_535), (65_535, 1_000)])
    def test_gif_that_grows_is_cut_before_it_is_large(self, grown: tuple[int, int]) -> None:
        """A later frame may be larger than the animation says: 4,000 million pixels in a hundred bytes."""
        still, decoded = Image.new("P", (8, 8)), gif_to_frames(gif_of(*[Image.new("P", (8, 8))] * 2, grown=grown))
        assert decoded.image.shape == (1, 8, 8, 3)
        assert len(decoded.notes) == 1
        with pytest.raises(BrokenPictureError):
            gif_to_frames(gif_of(still, grown=grown))

    def test_gif_that_breaks_off_keeps_what_came(self) -> None:
        """The frames before the damage were paid for."""
        whole = gif_of(*[Image.new("P", (8, 8), index) for index in range(4)])
        decoded = gif_to_frames(gif_of(*[Image.new("P", (8, 8))] * 3, grown=(8, 9)))
        assert len(decoded.image) == 2
        assert decoded.notes[0].startswith("The animation ends after 2 frames: the picture is damaged")
        assert len(gif_to_frames(whole).image) == 4


def gif_of(*frames: Image.Image, grown: tuple[int, int] | None = None) -> bytes:
    """Return a GIF of these frames; the last one says that it has the size `grown`, for which it holds too little."""
    parts = [file_of(frame, "GIF") for frame in frames]
    start = 13 + 3 * 2 ** ((parts[0][10] & 7) + 1)  # header and palette
    blocks = [part[part.index(b"\x2c", start) : -1] for part in parts]
    if grown:
        blocks[-1] = blocks[-1][:5] + struct.pack("<HH", *grown) + blocks[-1][9:]
    return parts[0][:start] + b"".join(blocks) + b"\x3b"


class TestPreview:
    def test_preview_can_be_sent_as_jpeg(self) -> None:
        """ComfyUI encodes previews as JPEG, so transparency is shown on white."""
        preview = preview_image(coloured(4, 4, 0, 0, 0, 0))
        assert preview.mode == "RGB"
        assert preview.getpixel((0, 0)) == (255, 255, 255)
        preview.save(io.BytesIO(), "JPEG")

    def test_opaque_preview_is_the_picture(self) -> None:
        """An opaque picture is shown as it is."""
        assert np.array_equal(np.asarray(preview_image(file_of(OPAQUE))), RGB)

    def test_broken_preview_is_an_error(self) -> None:
        """The caller decides what a missing preview means."""
        with pytest.raises(BrokenPictureError):
            preview_image(b"half a picture")


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


LARGE_TEXT = zlib.compress(b"a" * 3_000_000)
ODD_CHUNKS = {
    "a text larger than Pillow takes": png_chunk(b"zTXt", b"k\0\0" + LARGE_TEXT),
    "an international text": png_chunk(b"iTXt", b"k\0\1\0\0\0" + LARGE_TEXT),
    "a profile": png_chunk(b"iCCP", b"k\0\0" + LARGE_TEXT),
    "an EXIF that is none": png_chunk(b"eXIf", b"x"),
    "a short gamma": png_chunk(b"gAMA", b"x"),
    "short primaries": png_chunk(b"cHRM", b"abc"),
    "a resolution of nothing": png_chunk(b"pHYs", b""),
    "an intent of nothing": png_chunk(b"sRGB", b""),
    "a short animation": png_chunk(b"acTL", b"x"),
    "a frame of no animation": png_chunk(b"fcTL", b"x" * 26),
    "a wrong checksum": png_chunk(b"tEXt", b"a\0b")[:-1] + b"\x00",
    "texts of 70 MB together": png_chunk(b"zTXt", b"k\0\0" + zlib.compress(b"a" * 1_000_000)) * 70,
}


@pytest.mark.filterwarnings("ignore:Invalid APNG")
@pytest.mark.parametrize("chunk", ODD_CHUNKS.values(), ids=ODD_CHUNKS)
def test_picture_is_not_withheld_for_what_stands_beside_its_pixels(chunk: bytes) -> None:
    """The file's pixels are whole: a chunk that Pillow refuses is left aside, before them or behind them."""
    file = io.BytesIO()
    Image.new("RGBA", (8, 6), (200, 30, 20, 128)).save(file, "PNG")
    plain = file.getvalue()
    for place in (plain.index(b"IDAT") - 4, plain.index(b"IEND") - 4):
        decoded = pngs_to_image([plain[:place] + chunk + plain[place:]])
        assert torch.equal(decoded.image, pngs_to_image([plain]).image)
        assert decoded.broken == []


def test_webp_and_jpeg_are_not_withheld_for_an_exif_of_another_form() -> None:
    """The same for the other formats; what is no picture stays damaged, with the first reason."""
    for kind in ("WEBP", "JPEG"):
        file = io.BytesIO()
        Image.new("RGB", (8, 6), (200, 30, 20)).save(file, kind, exif=b"Exif\0\0junk", icc_profile=b"x" * 70)
        assert read_image.decode_picture(file.getvalue()).shape == (6, 8, 3)
        with pytest.raises(BrokenPictureError):
            read_image.decode_picture(file.getvalue()[:60])


def test_bare_files_hold_the_same_pixels() -> None:
    """Without metadata each format decodes to what it decoded to with it."""
    picture = Image.effect_noise((40, 30), 90).convert("RGB")
    for kind, options in (("PNG", {}), ("JPEG", {}), ("WEBP", {"lossless": True})):
        file = io.BytesIO()
        picture.save(file, kind, icc_profile=np.random.default_rng(1).bytes(400), **options)
        bare = without_metadata(file.getvalue())
        assert len(bare) < len(file.getvalue()) - 300
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(bare))), np.asarray(Image.open(file)))
        assert not Image.open(io.BytesIO(bare)).info.get("icc_profile")
