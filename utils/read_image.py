"""Pixels of a picture file to 8-bit pixels. Every way in which Pillow can fail becomes one error."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from .errors import BrokenPictureError
from .tensors import Pixels, size_text

MAX_PIXELS = 50_000_000  # six times the largest picture that the service makes
STRIP_ROWS = 64
TRANSPARENT_MODES = ("RGBA", "LA", "PA", "RGBa", "La")

# Image.open is not used: its check of the size warns, which is an error where warnings are, and its limit is global.
OPENERS: tuple[tuple[bytes, type[ImageFile]], ...] = (
    (b"\x89PNG", PngImageFile),
    (b"\xff\xd8\xff", JpegImageFile),
    (b"RIFF", WebPImageFile),
    (b"GIF8", GifImageFile),
)

# What Pillow's readers may raise for damaged files (tests damage some); a warning only where warnings are errors.
READING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Warning,
)


def decode_picture(data: bytes) -> Pixels:
    """Return a PNG, WebP, JPEG or GIF (its first frame) upright as [H,W,3], or [H,W,4] if some pixel is transparent.

    Any mode becomes 8-bit RGB; of 16 bits the upper 8 are kept.

    Raises:
        BrokenPictureError: the bytes cannot be decoded, or are more than MAX_PIXELS.
    """
    picture = open_picture(data)
    with image_errors():
        ImageOps.exif_transpose(picture, in_place=True)
        return image_to_pixels(picture)


def open_picture(data: bytes) -> ImageFile:
    """Read the header of a picture, nothing more.

    Raises:
        BrokenPictureError: it is no picture, or one of more than MAX_PIXELS.
    """
    opener = next((opener for signature, opener in OPENERS if data.startswith(signature)), None)
    if opener is None:
        raise BrokenPictureError(
            "the picture is empty" if not data else f"the picture begins with {data[:8]!r}, like no known one"
        )
    with image_errors():
        picture = opener(io.BytesIO(data))
    if picture.width * picture.height > MAX_PIXELS:
        raise BrokenPictureError(
            f"the picture is {size_text(*picture.size)}, more than the {MAX_PIXELS // 1_000_000} megapixels allowed"
        )
    return picture


@contextmanager
def image_errors() -> Iterator[None]:
    """Turn what Pillow raises inside into BrokenPictureError."""
    try:
        yield
    except READING_ERRORS as exc:
        raise BrokenPictureError(f"the picture is damaged ({type(exc).__name__}: {exc})") from exc


def image_to_pixels(picture: Image.Image) -> Pixels:
    """Return a picture of any mode as [H,W,3], or [H,W,4] if some pixel is transparent."""
    picture.load()
    if picture.mode.startswith("I"):  # 16-bit grey, which `convert` would clip
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode not in TRANSPARENT_MODES and "transparency" not in picture.info:
        return _converted(picture, "RGB")
    pixels = _converted(picture, "RGBA")
    return pixels if pixels[..., 3].min() < 255 else np.ascontiguousarray(pixels[..., :3])


def _converted(picture: Image.Image, mode: str) -> Pixels:
    """Return the pixels [H,W,len(mode)], copied in strips: Pillow's own way holds the picture four times."""
    width, height = picture.size
    pixels = np.empty((height, width, len(mode)), np.uint8)
    for y in range(0, height, STRIP_ROWS):
        strip = picture.crop((0, y, width, min(y + STRIP_ROWS, height)))
        pixels[y : y + STRIP_ROWS] = np.asarray(strip.convert(mode))
    return pixels
