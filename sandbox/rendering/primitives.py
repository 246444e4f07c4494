"""What the sandbox's pictures are made of: a coloured ground, hatching, panels and fitted text. No file formats."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Two colours of the gradient, then two of the lights in it; dark enough at one end for white text.
PALETTES = (
    ("1b2154", "5b35a8", "ff7b54", "ffd166"),
    ("06304f", "0a7f96", "4fe0c8", "8fd3ff"),
    ("0f3329", "2f7d57", "b8e04a", "f4f1a6"),
    ("3f1240", "9c2f6f", "ff8fa3", "ffc8a2"),
    ("14274e", "2f6fb3", "7fd6ff", "c9b6ff"),
    ("4a1c12", "c2542d", "ffb35c", "ffe3a8"),
    ("16083a", "5a189a", "c77dff", "ff7eb6"),
    ("00353f", "00808c", "ffd05a", "7ff0b2"),
)
LINE_HEIGHT = 1.24
MAX_DRAWN_CHARS = 900
BLOCK_ROWS = 32
FIRST_WIDE = 0x2E80  # Chinese, Japanese and Korean begin here
WIDE_FONTS = ("NotoSansCJK-Regular.ttc", "msyh.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc", "DroidSansFallback.ttf")


class Rectangle(NamedTuple):
    """A rectangle in pixels: left and top included, right and bottom excluded."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def inset(self, by: int) -> Rectangle:
        """Return the box made smaller by `by` pixels on each side."""
        return Rectangle(self.left + by, self.top + by, self.right - by, self.bottom - by)


def ground(seed: str, width: int, height: int, *, turn: float = 0.0) -> Pixels:
    """Return a smooth gradient with five soft lights, uint8 [H,W,3]; `turn` 0..1 moves the lights once around.

    A pixel is the weighted mean of the gradient's colour and the lights'. Every weight is a product of one curve
    over the rows and one over the columns; they are summed in a fixed order, for a matrix product's depends on where
    in memory it is done, and the same request is to give the same bytes.
    """
    dice = [byte / 255 for byte in hashlib.sha256(seed.encode()).digest()]
    palette = PALETTES[min(int(dice[0] * len(PALETTES)), len(PALETTES) - 1)]
    first, last, *lights = (np.array(list(bytes.fromhex(name)), dtype=np.float32) for name in palette)
    x, y = np.linspace(0, 1, width, dtype=np.float32), np.linspace(0, 1, height, dtype=np.float32)
    slope = 0.25 + dice[1] / 2
    rows, columns = [np.ones_like(y), np.ones_like(y), y], [np.ones_like(x), x, np.ones_like(x)]
    colours = [first, (last - first) * slope, (last - first) * (1 - slope)]
    for light in range(5):
        across, down, wide, strong = dice[2 + 4 * light : 6 + 4 * light]
        angle, radius = 2 * math.pi * (turn + strong), 0.10 + 0.16 * wide
        gain = math.sqrt(1.0 + 3.0 * strong)
        columns.append(gain * _bell(x, across + 0.12 * math.cos(angle), radius * math.sqrt(min(1, height / width))))
        rows.append(gain * _bell(y, down + 0.12 * math.sin(angle), radius * math.sqrt(min(1, width / height))))
        colours.append(lights[light % 2])
    right = np.stack(columns)[:, :, None] * np.stack(colours)[:, None, :]
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, BLOCK_ROWS):  # scratch arrays stay in the processor's cache
        part = [row[top : top + BLOCK_ROWS] for row in rows]
        total = _products(part, right.reshape(len(rows), -1)).reshape(-1, width, 3)
        weights = 1 + _products(part[3:], columns[3:])
        pixels[top : top + BLOCK_ROWS] = np.divide(total, weights[:, :, None], out=total).astype(np.uint8)
    return pixels


def _products(rows: Sequence[NDArray[np.float32]], columns: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the sum of rows [h] times columns [w], one after the other: float32 [h,w]."""
    terms = (row[:, None] * column[None, :] for row, column in zip(rows, columns, strict=True))
    total = next(terms)
    for term in terms:
        total += term
    return total


def _bell(axis: NDArray[np.float32], centre: float, radius: float) -> NDArray[np.float32]:
    bell: NDArray[np.float32] = np.exp(-(((axis - centre) / radius) ** 2) / 2)
    return bell


def hatching(width: int, height: int, *, period: int) -> NDArray[np.float32]:
    """Return diagonal stripes of half a period, smooth at their edges: float32 [H,W], 1 on a stripe."""
    phase = (np.arange(width + height, dtype=np.float32) % period) / period
    wave = np.clip(0.5 + (np.abs(phase - 0.5) - 0.25) * period / 1.5, 0, 1).astype(np.float32)
    stripes: NDArray[np.float32] = np.lib.stride_tricks.sliding_window_view(wave, width)[:height]
    return stripes


def rounded(width: int, height: int, radius: int) -> Image.Image:
    """Return a filled rectangle with round corners as a soft-edged mask of mode L."""
    large = Image.new("L", (2 * width, 2 * height))
    ImageDraw.Draw(large).rounded_rectangle((0, 0, 2 * width - 1, 2 * height - 1), 2 * radius, fill=255)
    return large.resize((width, height), Image.Resampling.BOX)


def panel(picture: Image.Image, box: Rectangle, *, radius: int) -> None:
    """Darken the box of the picture by half in place, with round corners."""
    mask = rounded(box.width, box.height, radius).point([round(level / 2) for level in range(256)])
    dark = (12, 14, 24, 255) if picture.mode == "RGBA" else (12, 14, 24)
    picture.paste(dark, (box.left, box.top), mask)


@lru_cache(maxsize=128)
def font_of(size: int, *, wide: bool = False) -> Font:
    """Return a scalable font of a height in pixels: Pillow's own, or for `wide` text one of the system if any."""
    name = _wide_font_name() if wide else None
    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)


@lru_cache(maxsize=1)
def _wide_font_name() -> str | None:
    """Return the first system font with Chinese and Japanese letters, which Pillow's own lacks, or None."""
    for name in WIDE_FONTS:
        try:
            ImageFont.truetype(name, 12)
        except OSError:
            continue
        return name
    return None


def wrapped(text: str, font: Font, width: int) -> list[str]:
    """Return the words of the text as lines of about `width` pixels at most; longer words are cut."""
    lines, end, space = [""], 0.0, font.getlength(" ")
    for word in text.split():
        length = font.getlength(word)
        if end and end + space + length <= width:
            lines[-1], end = f"{lines[-1]} {word}", end + space + length
            continue
        while length > width and len(word) > 1:
            cut = max(1, int(len(word) * width / length))
            lines.append(word[:cut])
            word = word[cut:]
            length = font.getlength(word)
        lines.append(word)
        end = length
    return lines[1:]


def fitted(text: str, width: int, height: int, *, largest: int, smallest: int) -> tuple[Font, int, list[str]]:
    """Return the largest font with which the text fits into the box, its size, and the lines.

    At the smallest size what does not fit is cut off with three dots.
    """
    wide = any(ord(letter) >= FIRST_WIDE for letter in text)
    text = text[:MAX_DRAWN_CHARS]
    # A letter is about half as wide as high: no use in trying sizes that are far too large.
    size = max(smallest, min(largest, int(1.7 * math.sqrt(max(1, width * height) / max(1, len(text))))))
    while True:
        font, room = font_of(size, wide=wide), max(1, int(height / (size * LINE_HEIGHT)))
        lines = wrapped(text, font, width)
        if len(lines) <= room or size <= smallest:
            break
        size = max(smallest, int(size * 0.9))
    return font, size, lines if len(lines) <= room else [*lines[: room - 1], lines[room - 1][:-3] + "..."]


def write(picture: Image.Image, box: Rectangle, text: str, *, largest: int, smallest: int = 12) -> Rectangle:
    """Write the text in white into the box of the picture, from the top left; return the box that it filled."""
    font, size, lines = fitted(text, box.width, box.height, largest=largest, smallest=smallest)
    draw, step = ImageDraw.Draw(picture), round(size * LINE_HEIGHT)
    for row, line in enumerate(lines):
        draw.text((box.left, box.top + row * step), line, font=font, fill="white")
    right = max((math.ceil(font.getlength(line)) for line in lines), default=0)
    return Rectangle(box.left, box.top, min(box.right, box.left + right), box.top + len(lines) * step)


def widest_box(opened: NDArray[np.bool_]) -> Rectangle | None:
    """Return about the largest upright rectangle of True in a [H,W] mask, None if there is none.

    Looked for on a grid of at most 48 cells a side: for each row, the run of full cells above each column.
    """
    height, width = opened.shape
    cell = max(1, -(-max(height, width) // 48))
    trimmed = opened[: height // cell * cell, : width // cell * cell]
    grid = np.asarray(trimmed.reshape(height // cell, cell, width // cell, cell).all(axis=(1, 3)))
    best, found, depth = 0, None, np.zeros(grid.shape[1], dtype=np.int64)
    for row in range(grid.shape[0]):
        depth = (depth + 1) * grid[row]
        for left in np.flatnonzero(depth):
            low = np.minimum.accumulate(depth[left:])
            areas = low * np.arange(1, low.size + 1)
            end = int(areas.argmax())
            if areas[end] > best:
                best, tall = int(areas[end]), int(low[end])
                found = Rectangle(*(cell * v for v in (int(left), row + 1 - tall, int(left) + end + 1, row + 1)))
    return found
