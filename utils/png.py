"""PNG encoding for an upload: what counts is when the last byte is out, encoding and sending together.

Pillow tries every filter on every row and then searches long for repeats. Here a few sampled rows choose one filter for
the picture and one of the quick ways to deflate it (deflate.py); the rows are filtered and deflated in stripes on all
cores. A longer search, as Pillow's, would save less time on the way out than it costs: for a mask 24 KB, which take 10
ms at 20 Mbit/s, and the search 45.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable

import numpy as np

from . import deflate
from .deflate import Deflate, deflate_part
from .tensors import Pixels, map_parts

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # channels -> grey, RGB, RGBA
STRIPE_BYTES = 1 << 20  # the same on every machine: the same pixels give the same bytes
BLOCK_ROWS = 64  # filtered together; the scratch arrays stay in the processor's cache
FLAT = 1 / 40  # of the size: a core filters and deflates a stripe of such a picture in the time that another wakes in
BANDS, BAND_ROWS = 12, 3  # the sample; a band's first row only serves the second as the row above
GOLDEN = 0.618034  # spaces the bands evenly but in step with no pattern of the picture


def encode_png(pixels: Pixels) -> bytes:
    """Encode [H,W], [H,W,3] or [H,W,4] 8-bit pixels as a PNG.

    Raises: ValueError for another dtype, number of axes or channels, or an empty picture.
    """
    pixels = np.ascontiguousarray(pixels[..., None] if pixels.ndim == 2 else pixels)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in COLOUR_TYPES or pixels.size == 0:
        raise ValueError(f"a PNG is made of [H,W], [H,W,3] or [H,W,4] uint8, not of {pixels.shape} {pixels.dtype}")
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    kind, way, ratio = _best_way(pixels)
    step = max(1, STRIPE_BYTES // (1 + pixels[0].size))
    stripes = [(y, min(y + step, len(pixels))) for y in range(0, len(pixels), step)]
    every = map_parts if ratio > FLAT else map
    rows = deflate.joined(list(every(lambda part: deflate_part(_filter_rows(pixels, kind, *part), way), stripes)))
    return b"".join((SIGNATURE, *_chunk(b"IHDR", [header]), *_chunk(b"IDAT", rows), *_chunk(b"IEND", [])))


def _chunk(kind: bytes, pieces: list[bytes]) -> Iterable[bytes]:
    checksum = zlib.crc32(kind)
    for piece in pieces:
        checksum = deflate.crc32(piece, checksum)
    return struct.pack(">I", sum(map(len, pieces))), kind, *pieces, struct.pack(">I", checksum)


def _best_way(pixels: Pixels) -> tuple[int, Deflate, float]:
    """Return the filter type and the way to deflate that make a sample of the picture smallest, and how small.

    Here and not in parts on all cores: each is done sooner than another core is awake.
    """
    sizes = []
    for kind in range(len(PREDICTORS)):
        rows = _sample_rows(pixels, kind)
        sizes += [(len(way(rows)) / rows.size, kind, way) for way in (deflate.near, deflate.wide)]
    ratio, kind, way = min(sizes, key=lambda size: size[0])
    return kind, way, ratio


def _sample_rows(pixels: Pixels, kind: int) -> Pixels:
    """Filter whole rows from all over the picture (all rows of a very low one), each with its true row above."""
    last = len(pixels) - BAND_ROWS
    if len(pixels) < BANDS * BAND_ROWS:
        return _filter_rows(pixels, kind, 0, len(pixels))
    starts = [round(last * (i * GOLDEN % 1)) for i in range(BANDS)]
    bands = np.concatenate([pixels[y : y + BAND_ROWS] for y in starts])
    filtered = _filter_rows(bands, kind, 0, len(bands))
    return np.ascontiguousarray(filtered.reshape(BANDS, BAND_ROWS, -1)[:, 1:])


def _filter_rows(pixels: Pixels, kind: int, start: int, stop: int) -> Pixels:
    """Return some rows as PNG stores them: [H, 1 + W*C], the filter type first, then differences to a prediction."""
    width, step = pixels[0].size, pixels.shape[2]
    rows, predict = pixels.reshape(-1, width), PREDICTORS[kind]
    filtered = np.empty((stop - start, 1 + width), np.uint8)
    filtered[:, 0] = kind
    edged = np.zeros((1 + BLOCK_ROWS, step + width), np.uint8)  # with the row above and a black pixel on the left
    for y in range(start, stop, BLOCK_ROWS):
        n = min(BLOCK_ROWS, stop - y)
        if y:
            edged[0, step:] = rows[y - 1]
        edged[1 : 1 + n, step:] = rows[y : y + n]
        here, above = edged[1 : 1 + n], edged[:n]
        predicted = predict(here[:, :-step], above[:, step:], above[:, :-step])
        np.subtract(here[:, step:], predicted, out=filtered[y - start : y - start + n, 1:])
    return filtered


def _paeth(left: Pixels, up: Pixels, corner: Pixels) -> Pixels:
    """Return whichever of the three is nearest to left + up - corner, without leaving 8 bits.

    With the corner clipped to the range of the other two, that point is `to_high` from the lower one, `to_low` from the
    higher one, and their difference from the corner, which wins unless one of them is at most half the other.
    """
    low, high = np.minimum(left, up), np.maximum(left, up)
    middle = np.maximum(corner, low)
    np.minimum(middle, high, out=middle)
    to_low, to_high = middle - low, np.subtract(high, middle, out=high)
    half = np.right_shift(to_low, 1, out=low)
    is_down = to_high <= half
    is_up = to_low <= np.right_shift(to_high, 1, out=half)
    middle -= np.multiply(to_low, is_down, out=to_low)
    middle += np.multiply(to_high, is_up, out=to_high)
    return middle


PREDICTORS: tuple[Callable[[Pixels, Pixels, Pixels], Pixels], ...] = (  # the position is PNG's filter type
    lambda left, up, corner: np.zeros_like(left),
    lambda left, up, corner: left,
    lambda left, up, corner: up,
    lambda left, up, corner: (left & up) + ((left ^ up) >> 1),  # (left + up) // 2 without leaving 8 bits
    _paeth,
)
