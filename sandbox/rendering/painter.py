"""The sandbox's pictures: what was asked, drawn so that it can be read, and the same bytes for the same request."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ...utils.png import encode_png
from .primitives import Box, Pixels, ground, hatching, panel, rounded, widest_box, write

INPUT_FORMATS = ("PNG", "JPEG", "WEBP")
DOT = "  \u00b7  "
LABEL_MIN_PX = (72, 36)


class Card(Protocol):
    """What the pictures tell about a request."""

    @property
    def prompt(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def size(self) -> str: ...
    @property
    def quality(self) -> str: ...


class SandboxPainter:
    """Draws the answers of the sandbox: fits the protocol `Painter` of api.sandbox. Sizes are (width, height)."""

    def measure(self, data: bytes) -> tuple[int, int]:
        """Return the size of a PNG, JPEG or WebP after orientation; ValueError if it cannot be read whole."""
        return _opened(data).size

    def has_transparency(self, data: bytes) -> bool:
        """Tell whether any pixel of the image is not fully opaque."""
        return _lowest_alpha(_opened(data)) < 255

    def generation(
        self,
        card: Card,
        *,
        size: tuple[int, int],
        output_format: str,
        compression: int,
        transparent: bool,
        index: int,
    ) -> bytes:
        """Return a picture of the prompt, model, size and quality; transparent: a round card on nothing."""
        picture = _poster(card, size, index, transparent=transparent)
        return encoded(np.asarray(picture), output_format, compression)

    def edit(
        self,
        card: Card,
        images: Sequence[bytes],
        mask: bytes | None,
        markup: bytes | None,
        *,
        size: tuple[int, int] | None,
        output_format: str,
        compression: int,
        transparent: bool,
        index: int,
    ) -> bytes:
        """Return the first image with the opened area redrawn, or with a caption along its lower edge.

        Pixels where the mask's alpha is 255 stay bit-exact (PNG, and `size` None or the image's own); soft
        alpha is blended. Without `transparent` an image with alpha is laid on white.
        """
        base = _base(images[0], markup, size, transparent=transparent)
        if mask is None:
            _caption(base, card, images[1:], index, transparent=transparent)
        else:
            base = _redrawn(base, _alpha(mask, base.size), card, index, transparent=transparent)
        return encoded(np.asarray(base), output_format, compression)

    def gif(
        self,
        card: Card,
        images: Sequence[bytes],
        markup: bytes | None,
        *,
        size: tuple[int, int] | None,
        frame_count: int,
        frame_duration_ms: int,
        transparent: bool,
        index: int,
    ) -> bytes:
        """Return an endless GIF whose lights go round once (generation) or whose caption does (edit)."""
        frames = [
            _frame(card, images, markup, size, index, turn=frame / frame_count, transparent=transparent)
            for frame in range(frame_count)
        ]
        out = io.BytesIO()
        frames[0].save(
            out, "GIF", save_all=True, append_images=frames[1:], duration=frame_duration_ms, loop=0, disposal=2
        )
        return out.getvalue()

    def partial(self, picture: bytes, *, step: int, steps: int, output_format: str, compression: int) -> bytes:
        """Return the picture as it looks at `step` of `steps` (0-based) on its way: the earlier, the softer."""
        whole = _opened(picture)
        by = 2 ** (5 - 3 * step // max(1, steps))
        small = whole.resize((max(1, whole.width // by), max(1, whole.height // by)), Image.Resampling.BOX)
        soft = small.resize(whole.size, Image.Resampling.BICUBIC)
        return encoded(np.asarray(soft), output_format, compression)


def encoded(pixels: Pixels, output_format: str, compression: int) -> bytes:
    """Return uint8 [H,W,3|4] as a PNG, JPEG or WebP file; `compression` 0..100 is the quality of the last two."""
    if output_format == "png":
        return encode_png(np.ascontiguousarray(pixels))
    picture = Image.fromarray(pixels)
    if output_format == "jpeg" and picture.mode == "RGBA":
        picture = _on_white(picture)
    out = io.BytesIO()
    options = {"method": 0} if output_format == "webp" else {}
    picture.save(out, output_format.upper(), quality=compression, **options)
    return out.getvalue()


def _opened(data: bytes) -> Image.Image:
    """Return the image upright, of mode RGB or RGBA."""
    try:
        with Image.open(io.BytesIO(data), formats=INPUT_FORMATS) as image:
            upright = ImageOps.exif_transpose(image)
            return upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise ValueError(f"unreadable image: {exc}") from exc


def _lowest_alpha(picture: Image.Image) -> int:
    return int(np.asarray(picture.getchannel("A")).min()) if picture.mode == "RGBA" else 255


def _on_white(picture: Image.Image) -> Image.Image:
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def _seed(card: Card, index: int) -> str:
    return f"{card.model}|{card.quality}|{card.prompt}|{index}"


def _facts(card: Card, index: int, *more: str) -> str:
    number = [f"#{index + 1}"] if index else []
    return DOT.join([card.model, card.size.replace("x", " x "), card.quality, *more, *number, "sandbox"])


def _poster(card: Card, size: tuple[int, int], index: int, *, transparent: bool, turn: float = 0.0) -> Image.Image:
    picture = Image.fromarray(ground(_seed(card, index), *size, turn=turn))
    short = min(size)
    if transparent:
        edge = short // 16
        shape = Image.new("L", size)
        shape.paste(rounded(size[0] - 2 * edge, size[1] - 2 * edge, short // 8), (edge, edge))
        picture.putalpha(shape)
    area = Box(0, size[1] // 4, *size).inset(short // 9)
    _label(picture, area, card.prompt, _facts(card, index), largest=short // 11, small=max(11, short // 38))
    return picture


def _label(picture: Image.Image, area: Box, prompt: str, facts: str, *, largest: int, small: int) -> None:
    """Write prompt and facts, of at most `largest` and of `small` pixels, into a dark panel at the area's foot."""
    pad = max(4, (largest + small) * 3 // 10)
    room = Box(0, 0, area.width - 2 * pad, area.height - 2 * pad - 2 * small)
    sheet = Image.new("RGBA", area[2:])
    used = write(sheet, room, prompt, largest=max(11, largest), smallest=11)
    below = Box(0, used.bottom + small // 2, room.right, used.bottom + small // 2 + round(1.3 * small))
    last = write(sheet, below, facts, largest=small, smallest=9)
    words = sheet.crop((0, 0, max(used.right, last.right), last.bottom))
    top = max(area.top, area.bottom - words.height - 2 * pad)
    panel(picture, Box(area.left, top, area.left + words.width + 2 * pad, area.bottom), radius=pad)
    picture.paste(words, (area.left + pad, top + pad), words)


def _base(first: bytes, markup: bytes | None, size: tuple[int, int] | None, *, transparent: bool) -> Image.Image:
    base = _opened(first)
    if size is not None and size != base.size:
        base = base.resize(size, Image.Resampling.LANCZOS)
    if markup is not None:
        drawn = _opened(markup).convert("RGBA").resize(base.size)
        base.paste(drawn, (0, 0), drawn)
    if transparent:
        return base.convert("RGBA")
    return _on_white(base) if base.mode == "RGBA" else base


def _alpha(mask: bytes, size: tuple[int, int]) -> Pixels:
    """Return the mask's alpha, uint8 [H,W]: 255 keeps the pixel, 0 opens it."""
    alpha = _opened(mask).convert("RGBA").getchannel("A")
    return np.asarray(alpha if alpha.size == size else alpha.resize(size, Image.Resampling.BILINEAR))


def _redrawn(base: Image.Image, keep: Pixels, card: Card, index: int, *, transparent: bool) -> Image.Image:
    rows, columns = np.flatnonzero((keep < 255).any(axis=1)), np.flatnonzero((keep < 255).any(axis=0))
    if not rows.size:
        return base
    area = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    pixels = np.array(base)
    window = pixels[area.top : area.bottom, area.left : area.right]  # a view: writing changes `pixels`
    alpha = keep[area.top : area.bottom, area.left : area.right]
    new = np.asarray(_patch(window, alpha < 8, card, index, transparent=transparent)).astype(np.uint16)
    weight = alpha[:, :, None].astype(np.uint16)
    window[...] = (window * weight + new * (255 - weight) + 127) // 255
    return Image.fromarray(pixels)


def _patch(old: Pixels, opened: NDArray[np.bool_], card: Card, index: int, *, transparent: bool) -> Image.Image:
    """Return what an area [H,W,3|4] is redrawn with: tinted by the prompt's colours, hatched, and labelled."""
    height, width = old.shape[:2]
    stripes = hatching(width, height, period=max(6, min(width, height) // 12))[:, :, None]
    colour = ground(_seed(card, index), width, height)
    grey = old[:, :, :3] @ np.full((3, 1), 0.25 / 3, dtype=np.float32)
    tinted = (0.75 * colour.astype(np.float32) + grey + 34 * (stripes - 0.5)).clip(0, 255).astype(np.uint8)
    if transparent:
        tinted = np.concatenate([tinted, (stripes * 255).astype(np.uint8)], axis=2)
    picture, free = Image.fromarray(tinted), widest_box(opened)
    if free is not None and free.width >= LABEL_MIN_PX[0] and free.height >= LABEL_MIN_PX[1]:
        short = min(free.width, free.height)
        area = free.inset(short // 14)
        _label(picture, area, card.prompt, _facts(card, index), largest=short // 7, small=max(10, short // 24))
    return picture


def _caption(
    base: Image.Image, card: Card, others: Sequence[bytes], index: int, *, transparent: bool, turn: float = 0.0
) -> None:
    """Draw a strip along the lower edge of the picture, in place: the prompt, and the further images small."""
    width, height = base.size
    strip = Box(0, height - max(1, min(height * 3 // 20, width // 3)), width, height)
    colours = Image.fromarray(ground(_seed(card, index), width, strip.height, turn=turn)).convert(base.mode)
    if transparent:
        colours.putalpha(rounded(width, strip.height, strip.height // 3))
    base.paste(colours, (0, strip.top))
    pad = strip.height // 8
    right = _thumbnails(base, strip.inset(pad), others)
    text = Box(2 * pad, strip.top + pad, right - pad, strip.bottom - pad)
    if text.width >= LABEL_MIN_PX[0] and text.height >= LABEL_MIN_PX[1] // 2:
        facts = _facts(card, index, *([f"{len(others) + 1} images"] if others else []))
        _label(base, text, card.prompt, facts, largest=strip.height // 3, small=max(9, strip.height // 8))


def _thumbnails(base: Image.Image, strip: Box, images: Sequence[bytes]) -> int:
    """Paste the images as squares from the right, over at most half the strip; return where they begin."""
    side, left = strip.height, strip.right
    if side < 8:
        return left
    for data in reversed(images[: strip.width // 2 // (side + 4)]):
        square = ImageOps.fit(_opened(data).convert("RGB"), (side, side))
        left -= side
        base.paste(square.convert(base.mode), (left, strip.top), rounded(side, side, side // 8))
        left -= 4
    return left


def _frame(
    card: Card,
    images: Sequence[bytes],
    markup: bytes | None,
    size: tuple[int, int] | None,
    index: int,
    *,
    turn: float,
    transparent: bool,
) -> Image.Image:
    if not images:
        return _poster(card, size or (512, 512), index, transparent=transparent, turn=turn)
    base = _base(images[0], markup, size, transparent=transparent)
    _caption(base, card, images[1:], index, transparent=transparent, turn=turn)
    return base
