"""utils/png.py and utils/deflate.py: exact pixels, whose last byte is never out later than that of Pillow's PNG."""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Callable
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from openai_image_nodes.utils import deflate, png
from openai_image_nodes.utils.png import encode_png
from PIL import Image, ImageDraw, ImageFont

Bytes = NDArray[np.uint8]
SIDE = 512
# Pillow takes at least 20 ns for a pixel and 70 ns for a byte that it makes; 20 Mbit/s carry a byte in 400 ns.
PIXELS_PER_BYTE, LARGEST_RATIO = 20, 1.17


@pytest.fixture(params=["isal", "zlib"])
def packing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The encoder with and without the optional package."""
    if request.param == "isal":
        pytest.importorskip("isal.igzip_lib")
    else:
        without_isal(monkeypatch)
    return str(request.param)


def without_isal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deflate, "igzip_lib", None)
    patch.setattr(deflate, "isal_zlib", None)


def pillow_png(pixels: Bytes) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG")
    return out.getvalue()


def decoded(data: bytes) -> Bytes:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


@lru_cache(maxsize=16)
def clouds(octaves: int, grain: float) -> Bytes:
    """Smooth shapes of all sizes, as photographs have, and the grain of a sensor; it is not to be written to."""
    random = np.random.default_rng(7)
    total = np.zeros((SIDE, SIDE, 3), np.float32)
    for octave in range(octaves):
        cells = random.integers(0, 256, (2**octave + 2, 2**octave + 2, 3), dtype=np.uint8)
        layer = Image.fromarray(cells).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        total += np.asarray(layer, np.float32) / 2**octave
    noise = random.normal(0, grain, total.shape)
    return (total / 2 + noise).clip(0, 255).round().astype(np.uint8)


@lru_cache(maxsize=14)
def content_and_pillows_bytes(content: str) -> tuple[Bytes, int]:
    """Return a picture, not to be written to, and how long Pillow's file of it is: the same for both packings."""
    pixels = CONTENTS[content]()
    return pixels, len(pillow_png(pixels))


def flat_art() -> Bytes:
    picture = Image.new("RGB", (SIDE, SIDE), (240, 235, 220))
    draw, random = ImageDraw.Draw(picture), np.random.default_rng(1)
    for _ in range(40):
        x, y, size, *colour = (int(value) for value in random.integers(0, 256, 6))
        draw.ellipse((2 * x, 2 * y, 2 * x + size, 2 * y + size), fill=(colour[0], colour[1], colour[2]))
    return np.asarray(picture)


def screenshot() -> Bytes:
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    for line in range(SIDE // 20):
        draw.text((8, 20 * line), f"{line * 7919 % 1000} lines of text that differ, {line**3} words", "black", font)
    return np.asarray(picture)


def gradient() -> Bytes:
    ramp = np.linspace(0, 255, SIDE)
    return np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], ramp[::-1, None]), axis=2).round().astype(np.uint8)


def photo_beside_text() -> Bytes:
    pixels = screenshot().copy()
    pixels[:, SIDE // 2 :] = clouds(6, 1.5)[:, SIDE // 2 :]
    return pixels


def cut_out() -> Bytes:
    """A photograph in a soft disc, transparent around it."""
    y, x = np.mgrid[:SIDE, :SIDE]
    alpha = (4 * (200 - np.hypot(x - SIDE / 2, y - SIDE / 2))).clip(0, 255).astype(np.uint8)
    return np.where(alpha[..., None] > 0, np.dstack([clouds(7, 2), alpha]), 0).astype(np.uint8)


CONTENTS: dict[str, Callable[[], Bytes]] = {
    "photograph": lambda: clouds(8, 1),
    "soft photograph": lambda: clouds(4, 0.4),
    "noisy photograph": lambda: clouds(7, 12),
    "grey photograph": lambda: np.repeat(clouds(7, 3)[..., :1], 3, axis=2),
    "repeated photograph": lambda: np.tile(clouds(8, 2)[:200, :200], (3, 3, 1)),
    "wallpaper": lambda: np.tile(clouds(8, 2)[:60, :60], (10, 10, 1)),
    "pure noise": lambda: np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8),
    "flat art": flat_art,
    "screenshot": screenshot,
    "gradient": gradient,
    "white": lambda: np.full((SIDE, SIDE, 3), 255, np.uint8),
    "photograph beside text": photo_beside_text,
    "cut out": cut_out,
    "mask": lambda: np.dstack([np.zeros((SIDE, SIDE, 3), np.uint8), cut_out()[..., 3]]),
}


@st.composite
def any_pixels(draw: st.DrawFn) -> Bytes:
    """Pictures of any size down to 1x1, grey, RGB or RGBA, of few colours or many."""
    height, width, channels = draw(st.integers(1, 70)), draw(st.integers(1, 70)), draw(st.sampled_from([1, 3, 4]))
    shape = (height, width) if channels == 1 else (height, width, channels)
    if draw(st.booleans()):
        levels = draw(st.integers(1, 256))
        return np.random.default_rng(draw(st.integers(0, 99))).integers(0, levels, shape, dtype=np.uint8)
    return draw(arrays(np.uint8, shape, elements=st.integers(0, 255), fill=st.just(draw(st.integers(0, 255)))))


@given(any_pixels())
def test_pillow_reads_back_the_pixels(pixels: Bytes) -> None:
    """Every picture survives the encoder unchanged, the smallest and the oddest included."""
    assert np.array_equal(decoded(encode_png(pixels)), pixels)


@given(any_pixels())
def test_pillow_reads_back_the_pixels_without_isal(pixels: Bytes) -> None:
    """The optional package changes the speed, not the pixels."""
    with pytest.MonkeyPatch.context() as patch:
        without_isal(patch)
        assert np.array_equal(decoded(encode_png(pixels)), pixels)


@given(any_pixels(), st.integers(0, 4))
def test_every_filter_is_pngs_own(pixels: Bytes, kind: int) -> None:
    """Each of the five filters is one that a PNG reader undoes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png, "_best_way", lambda *_: (kind, deflate.near, 1.0))
        assert np.array_equal(decoded(encode_png(pixels)), pixels)


@pytest.mark.slow
@pytest.mark.parametrize("content", CONTENTS)
def test_last_byte_is_out_no_later_than_pillows(content: str, packing: str) -> None:
    """A picture costs at most the bytes that a connection carries while Pillow would still search, and is exact."""
    pixels, pillows = content_and_pillows_bytes(content)
    data, area = encode_png(pixels), pixels.shape[0] * pixels.shape[1]
    assert len(data) <= LARGEST_RATIO * pillows + area / PIXELS_PER_BYTE
    assert np.array_equal(decoded(data), pixels)


@pytest.mark.slow
def test_photographs_come_out_smaller_than_pillows(packing: str) -> None:
    """Where nothing repeats, not searching for repeats saves bytes too."""
    pixels = clouds(8, 1)
    assert len(encode_png(pixels)) < len(pillow_png(pixels))


@pytest.mark.parametrize("shape", [(40, 31), (40, 31, 3), (40, 31, 4)])
def test_chunks_and_checksums_are_whole(shape: tuple[int, ...]) -> None:
    """The file is signature, IHDR, IDAT, IEND, each with its own CRC, and one zlib stream."""
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    data, kinds, at = encode_png(pixels), [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + length]
        kinds.append(body[:4])
        assert zlib.crc32(body) == int.from_bytes(data[at + 8 + length : at + 12 + length], "big")
        if body[:4] == b"IDAT":
            assert len(zlib.decompress(body[4:])) == pixels.size + shape[0]
        at += 12 + length
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]


def test_views_are_encoded_as_they_look() -> None:
    """Strided and reversed views need no copy by the caller."""
    pixels = clouds(5, 2)[::-2, 10:400:3]
    assert np.array_equal(decoded(encode_png(pixels)), pixels)


def test_same_pixels_give_same_bytes() -> None:
    """The encoder is deterministic: a repeated request has the same body."""
    assert encode_png(clouds(6, 2)) == encode_png(clouds(6, 2))


def test_what_isal_notes_of_a_streams_start_is_the_same_whichever_hash_it_falls_under() -> None:
    """isal notes place 2 under the hash of an address: the near window is too small to tell it from place 0."""
    assert 2 % (1 << deflate.NEAR_BITS) == 0


@pytest.mark.parametrize("stripe_bytes", [1, 5_000, 300_000])
@pytest.mark.parametrize("content", ["photograph", "pure noise", "screenshot", "mask", "white"])
def test_stripes_of_any_size_give_one_stream(
    content: str, stripe_bytes: int, packing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts that the cores make fit together, whatever is in them: one stream, its checksum over all of it."""
    monkeypatch.setattr(png, "STRIPE_BYTES", stripe_bytes)
    pixels = CONTENTS[content]()
    assert np.array_equal(decoded(encode_png(pixels)), pixels)


def test_number_of_cores_does_not_change_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripes are cut by size, not by cores: a request that is repeated on another machine has the same body."""
    pixels = np.tile(clouds(7, 2), (3, 3, 1))
    expected = encode_png(pixels)
    monkeypatch.setattr(png, "map_parts", lambda work, parts: [work(part) for part in parts])
    assert encode_png(pixels) == expected


@pytest.mark.slow
@given(st.lists(arrays(np.uint8, st.integers(1, 3000), elements=st.integers(0, 40)), min_size=1, max_size=6))
def test_blocks_go_on_one_after_the_other(chunks: list[Bytes]) -> None:
    """A stream that isal has ended is opened again only where its last bit is certain."""
    igzip = pytest.importorskip("isal.igzip_lib")
    streams = [igzip.compress(chunk, 1, igzip.COMP_DEFLATE, 0, 2) for chunk in chunks]
    opened = [(deflate.open_block(stream), chunk) for stream, chunk in zip(streams, chunks, strict=True)]
    blocks = [block for block, _ in opened if block is not None]
    expected = b"".join(chunk.tobytes() for block, chunk in opened if block is not None)
    assert zlib.decompress(b"".join(blocks) + deflate.END, -zlib.MAX_WBITS) == expected


@pytest.mark.parametrize("distinct", [2, 3, 6, 60, 256])
def test_blocks_of_most_pictures_are_opened(distinct: int) -> None:
    """Rows with few and with many levels: what cannot be opened costs a second pass, so it must be rare."""
    igzip = pytest.importorskip("isal.igzip_lib")
    random = np.random.default_rng(distinct)
    levels = random.geometric(1.5 / distinct, (20, deflate.BLOCK_BYTES)).clip(0, 255).astype(np.uint8)
    streams = [igzip.compress(row, 1, igzip.COMP_DEFLATE, igzip.MEM_LEVEL_EXTRA_LARGE, 2) for row in levels]
    assert sum(deflate.open_block(stream) is None for stream in streams) <= 2


@given(st.lists(st.binary(max_size=300), max_size=9))
def test_checksum_of_parts_is_that_of_the_whole(chunks: list[bytes]) -> None:
    """Adler-32 is put together from those of the parts, empty ones included."""
    arrays_ = [np.frombuffer(chunk, np.uint8) for chunk in chunks]
    parts = [deflate.deflate_part(array, deflate.wide) for array in arrays_]
    assert zlib.decompress(b"".join(deflate.joined(parts))) == b"".join(chunks)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_what_no_png_can_hold_is_refused(pixels: Bytes) -> None:
    """The message names the shape and the dtype."""
    with pytest.raises(ValueError, match="not of") as caught:
        encode_png(pixels)
    assert str(pixels.dtype) in str(caught.value)


def test_loads_without_isal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module imports and deflates where the package is not installed."""
    monkeypatch.setitem(sys.modules, "isal", None)
    monkeypatch.delitem(sys.modules, "isal.igzip_lib", raising=False)
    spec = spec_from_file_location("openai_image_nodes.utils.deflate_without_isal", Path(deflate.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.igzip_lib is None
    rows = clouds(6, 2).reshape(-1)
    stream = b"".join(module.joined([module.deflate_part(rows, way) for way in (module.near, module.wide)]))
    assert zlib.decompress(stream) == rows.tobytes() * 2
