"""The sandbox's pictures: what was asked, drawn so that it can be read, and the same bytes for the same request."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ...utils.png import encode_png
from ..requests.image_checks import read_image
from ..requests.validation import ValidatedRequest
from .primitives import Pixels, Rectangle, ground, hatching, panel, rounded, widest_box, write
from .svg import svg_text

DOT = "  \u00b7  "
LABEL_MIN_PX = (72, 36)
FILES_KEPT = 16
_FILES: dict[bytes, bytes] = {}
Render = Callable[[ValidatedRequest, int], bytes]  # a request and an index 0..n-1 -> the file of a picture
Change = Callable[[Image.Image, ValidatedRequest, int], Image.Image]


def render(request: ValidatedRequest, index: int, *, changed: Change | None = None) -> bytes:
    """Return picture `index` of a request as a file of its format.

    A generation shows prompt, model, size and quality; transparent, it is a round card on nothing. An edit is the first
    image with the opened area redrawn, or without a mask with a caption along its lower edge. Pixels where the mask's
    alpha is 255 stay bit-exact (PNG, the image's own size); soft alpha is blended. A GIF is endless: the lights of a
    generation, or of the caption, go round once. Called on worker threads, several at a time.
    changed: what is done to an edit before it becomes a file (an SVG or a GIF stays as it is drawn).
    """
    if request.output_format == "svg":
        return svg_text(request).encode()
    if request.output_format == "gif":
        return _gif(request, index)
    drawn = _drawn(request, index)
    if changed is not None and request.images:
        drawn = changed(drawn, request, index)
    return encoded(np.asarray(drawn), request.output_format, request.compression)


def partial(request: ValidatedRequest, picture: bytes, step: int) -> bytes:
    """Return a finished picture as it looks at a step (0-based) of its partial images: the earlier, the softer."""
    whole = read_image(picture)
    by = 2 ** (5 - 3 * step // max(1, request.partial_images))
    small = whole.resize((max(1, whole.width // by), max(1, whole.height // by)), Image.Resampling.BOX)
    soft = small.resize(whole.size, Image.Resampling.BICUBIC)
    return encoded(np.asarray(soft), request.output_format, request.compression)


def encoded(pixels: Pixels, output_format: str, compression: int) -> bytes:
    """Return uint8 [H,W,3|4] as a PNG, JPEG or WebP file; `compression` 0..100 is the quality of the last two."""
    if output_format == "png":
        return _same_png(np.ascontiguousarray(pixels))
    picture = Image.fromarray(pixels)
    if output_format == "jpeg" and picture.mode == "RGBA":
        picture = _on_white(picture)
    out = io.BytesIO()
    options = {"method": 0} if output_format == "webp" else {}
    picture.save(out, output_format.upper(), quality=compression, **options)
    return out.getvalue()


def _same_png(pixels: Pixels) -> bytes:
    """Return the file of pixels, and the same one again: isal packs the same pixels into other bytes now and then."""
    key = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()
    found = _FILES.get(key)
    if found is None:
        found = _FILES.setdefault(key, encode_png(pixels))
        while len(_FILES) > FILES_KEPT:
            with contextlib.suppress(KeyError, RuntimeError):  # another thread was there first
                del _FILES[next(iter(_FILES))]
    return found


def _on_white(picture: Image.Image) -> Image.Image:
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def _gif(request: ValidatedRequest, index: int) -> bytes:
    spec, count, out = request.spec.gif, request.frame_count, io.BytesIO()
    asked = int(request.fields.get("frame_duration_ms", spec.frame_duration_ms_default if spec else 0))
    step = spec.frame_duration_round_ms if spec else 1
    duration_ms = max(step, (asked + step // 2) // step * step)
    first, *others = (_drawn(request, index, turn=frame / count) for frame in range(count))
    first.save(out, "GIF", save_all=True, append_images=others, duration=duration_ms, loop=0, disposal=2)
    return out.getvalue()


def _drawn(request: ValidatedRequest, index: int, *, turn: float = 0.0) -> Image.Image:
    if not request.images:
        return _poster(request, index, turn=turn)
    base = _base(request)
    if request.mask is not None:
        return _redrawn(base, request, index)
    _caption(base, request, index, turn=turn)
    return base


def _seed(request: ValidatedRequest, index: int) -> str:
    return f"{request.model}|{request.quality}|{request.prompt}|{index}"


def _facts(request: ValidatedRequest, index: int, *more: str) -> str:
    number = [f"#{index + 1}"] if index else []
    size = request.size_text.replace("x", " x ")
    return DOT.join([request.model, size, request.quality, *more, *number, "sandbox"])


def _poster(request: ValidatedRequest, index: int, *, turn: float) -> Image.Image:
    size = request.size
    picture, short = Image.fromarray(ground(_seed(request, index), *size, turn=turn)), min(size)
    if request.transparent:
        edge = short // 16
        shape = Image.new("L", size)
        shape.paste(rounded(size[0] - 2 * edge, size[1] - 2 * edge, short // 8), (edge, edge))
        picture.putalpha(shape)
    area = Rectangle(0, size[1] // 4, *size).inset(short // 9)
    _label(picture, area, request.prompt, _facts(request, index), largest=short // 11, small=max(11, short // 38))
    return picture


def _label(picture: Image.Image, area: Rectangle, prompt: str, facts: str, *, largest: int, small: int) -> None:
    """Write prompt and facts, of at most `largest` and of `small` pixels, into a dark panel at the area's foot."""
    pad = max(4, (largest + small) * 3 // 10)
    room = Rectangle(0, 0, area.width - 2 * pad, area.height - 2 * pad - 2 * small)
    sheet = Image.new("RGBA", area[2:])
    used = write(sheet, room, prompt, largest=max(11, largest), smallest=11)
    below = Rectangle(0, used.bottom + small // 2, room.right, used.bottom + small // 2 + round(1.3 * small))
    last = write(sheet, below, facts, largest=small, smallest=9)
    words = sheet.crop((0, 0, max(used.right, last.right), last.bottom))
    top = max(area.top, area.bottom - words.height - 2 * pad)
    panel(picture, Rectangle(area.left, top, area.left + words.width + 2 * pad, area.bottom), radius=pad)
    picture.paste(words, (area.left + pad, top + pad), words)


def _base(request: ValidatedRequest) -> Image.Image:
    """Return the first image at the size asked, with the markup over it, as RGBA if transparent, else RGB."""
    base = read_image(request.images[0])
    if request.size != base.size:
        base = base.resize(request.size, Image.Resampling.LANCZOS)
    if request.markup is not None:
        drawn = read_image(request.markup).convert("RGBA").resize(base.size)
        base.paste(drawn, (0, 0), drawn)
    if request.transparent:
        return base.convert("RGBA")
    return _on_white(base) if base.mode == "RGBA" else base


def _redrawn(base: Image.Image, request: ValidatedRequest, index: int) -> Image.Image:
    """Return the picture with what the mask opens redrawn: where its alpha is 255 a pixel stays, where 0 it is new."""
    mask = read_image(request.mask or b"").convert("RGBA").getchannel("A")
    keep = np.asarray(mask if mask.size == base.size else mask.resize(base.size, Image.Resampling.BILINEAR))  # HW
    rows, columns = np.flatnonzero((keep < 255).any(axis=1)), np.flatnonzero((keep < 255).any(axis=0))
    if not rows.size:
        return base
    area = Rectangle(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    pixels = np.array(base)
    window = pixels[area.top : area.bottom, area.left : area.right]  # a view: writing changes `pixels`
    alpha = keep[area.top : area.bottom, area.left : area.right]
    new = np.asarray(_patch(window, alpha < 8, request, index)).astype(np.uint16)
    weight = alpha[:, :, None].astype(np.uint16)
    window[...] = (window * weight + new * (255 - weight) + 127) // 255
    return Image.fromarray(pixels)


def _patch(old: Pixels, opened: NDArray[np.bool_], request: ValidatedRequest, index: int) -> Image.Image:
    """Return what an area [H,W,3|4] is redrawn with: tinted by the prompt's colours, hatched, and labelled."""
    height, width = old.shape[:2]
    stripes = hatching(width, height, period=max(6, min(width, height) // 12))[:, :, None]
    colour = ground(_seed(request, index), width, height)
    grey = old[:, :, :3].sum(axis=2, keepdims=True, dtype=np.float32) * np.float32(0.25 / 3)
    tinted = (0.75 * colour.astype(np.float32) + grey + 34 * (stripes - 0.5)).clip(0, 255).astype(np.uint8)
    if request.transparent:
        tinted = np.concatenate([tinted, (stripes * 255).astype(np.uint8)], axis=2)
    picture, free = Image.fromarray(tinted), widest_box(opened)
    if free is not None and free.width >= LABEL_MIN_PX[0] and free.height >= LABEL_MIN_PX[1]:
        short = min(free.width, free.height)
        area = free.inset(short // 14)
        _label(picture, area, request.prompt, _facts(request, index), largest=short // 7, small=max(10, short // 24))
    return picture


def _caption(base: Image.Image, request: ValidatedRequest, index: int, *, turn: float) -> None:
    """Draw a strip along the lower edge of the picture, in place: the prompt, and the further images small."""
    (width, height), others = base.size, request.images[1:]
    strip = Rectangle(0, height - max(1, min(height * 3 // 20, width // 3)), width, height)
    colours = Image.fromarray(ground(_seed(request, index), width, strip.height, turn=turn)).convert(base.mode)
    if request.transparent:
        colours.putalpha(rounded(width, strip.height, strip.height // 3))
    base.paste(colours, (0, strip.top))
    pad = strip.height // 8
    right = _thumbnails(base, strip.inset(pad), others)
    text = Rectangle(2 * pad, strip.top + pad, right - pad, strip.bottom - pad)
    if text.width >= LABEL_MIN_PX[0] and text.height >= LABEL_MIN_PX[1] // 2:
        facts = _facts(request, index, *([f"{len(others) + 1} images"] if others else []))
        _label(base, text, request.prompt, facts, largest=strip.height // 3, small=max(9, strip.height // 8))


def _thumbnails(base: Image.Image, strip: Rectangle, images: Sequence[bytes]) -> int:
    """Paste the images as squares from the right, over at most half the strip; return where they begin."""
    side, left = strip.height, strip.right
    if side < 8:
        return left
    for data in reversed(images[: strip.width // 2 // (side + 4)]):
        square = ImageOps.fit(read_image(data).convert("RGB"), (side, side))
        left -= side
        base.paste(square.convert(base.mode), (left, strip.top), rounded(side, side, side // 8))
        left -= 4
    return left
