"""Pixels of a picture file to 8-bit pixels. Every way in which Pillow can fail becomes one error."""

from __future__ import annotations

import io
import re
import stat
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, features
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from .containers import MAX_PARTS, TOO_MANY, has_too_many_parts, without_metadata
from .errors import BrokenPictureError
from .input_tensors import size_text
from .tensors import Pixels

MAX_PIXELS = 50_000_000  # six times the largest picture that the service makes
FILE_MAX_PIXELS = 178_956_970  # of a file somebody has: what Pillow refuses as a bomb, and so Load Image too
STRIP_ROWS = 64
STRIP_PIXELS = 1 << 22  # a strip of a picture a million wide would be one more picture
MAX_IN_JPEG = {
    b"\xff\xda": 1000,  # scans: it has some ten; one of 48 bytes takes as long as all pixels do
    b"Exif\0\0": 100,  # Pillow copies all those before for each
    b"8BIM": MAX_PARTS,  # resources of Photoshop, each read by Python
}
START_OF_JPEG = b"\xff\xd8\xff"
SIGNATURE_BYTES = 12
SHOWN_BYTES = 8
AVIF_KINDS = (b"ftypavif", b"ftypavis")
NOT_READ = {  # by the first bytes
    "AVIF": re.compile(rb".{4}ftypavi[fs]", re.DOTALL),
    "HEIC": re.compile(rb".{4}ftyp(hei|hev|mif|msf)", re.DOTALL),
    "video": re.compile(rb".{4}ftyp|\x1a\x45\xdf\xa3", re.DOTALL),
    "JPEG XL": re.compile(rb"\xff\x0a|\0\0\0\x0cJXL ", re.DOTALL),
    "JPEG 2000": re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", re.DOTALL),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]", re.DOTALL),
    "PDF": re.compile(rb"%PDF"),
    "ZIP": re.compile(rb"PK\x03\x04"),
    "SVG": re.compile(rb"\s*<(svg|\?xml)"),
}
TRANSPARENT_MODES = ("RGBA", "LA", "PA", "RGBa", "La")

# The bytes alone say what a picture is, never a name. Image.open is not used: it knows formats that start programs (an
# EPS runs Ghostscript), its check of the size warns, which is an error where warnings are, and its limit is global.
Openers = Sequence[tuple[bytes, type[ImageFile]]]
OPENERS: Openers = (
    (b"\x89PNG", PngImageFile),
    (START_OF_JPEG, JpegImageFile),
    (b"RIFF", WebPImageFile),
    (b"GIF8", GifImageFile),
    (b"BM", BmpImageFile),
)
FILE_OPENERS: Openers = (
    *OPENERS,
    *((mark, TiffImageFile) for mark in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")),
)

# What Pillow's readers may raise for damaged files (tests damage some); a warning only where warnings are errors.
READING_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, OverflowError, MemoryError),
    *(struct.error, zlib.error, Image.DecompressionBombError, Warning),
)


def decode_picture(data: bytes) -> Pixels:
    """Return a PNG, WebP, JPEG or GIF (its first frame) upright as [H,W,3], or [H,W,4] if some pixel is transparent.

    Any mode becomes 8-bit RGB; of 16 bits the upper 8 are kept.

    Raises: BrokenPictureError if the bytes cannot be decoded, or are more than MAX_PIXELS.
    """
    try:
        return _decoded(data)
    except BrokenPictureError as exc:
        return _decoded(_pixels_alone(data, exc))


def fault_of(data: bytes) -> str | None:
    """Return why a picture cannot be decoded, or None."""
    try:
        decode_picture(data)
    except BrokenPictureError as exc:
        return str(exc)
    return None


def open_picture(data: bytes) -> ImageFile:
    """Read the header of a picture, nothing more.

    Raises: BrokenPictureError if it is no picture, or one of more than MAX_PIXELS.
    """
    try:
        return _opened_bytes(data)
    except BrokenPictureError as exc:
        return _opened_bytes(_pixels_alone(data, exc))


def _opened_bytes(data: bytes) -> ImageFile:
    with image_errors():
        if data.startswith(START_OF_JPEG) and any(data.count(mark) > most for mark, most in MAX_IN_JPEG.items()):
            raise OverflowError("too many scans or pieces of metadata")
    if has_too_many_parts(data):
        raise BrokenPictureError(TOO_MANY)
    return _opened(io.BytesIO(data), OPENERS, MAX_PIXELS)


def _decoded(data: bytes) -> Pixels:
    picture = open_picture(data)
    with image_errors():
        ImageOps.exif_transpose(picture, in_place=True)
        return image_to_pixels(picture)


def _pixels_alone(data: bytes, fault: BrokenPictureError) -> bytes:
    """Return a file without its metadata: for a text or a profile of a wrong form no paid picture is withheld.

    Raises: the fault, where the file has nothing but its pixels, or has no order.
    """
    try:
        bare = without_metadata(data)
    except BrokenPictureError:
        raise fault from None
    if bare == data:
        raise fault
    return bare


@contextmanager
def open_picture_file(path: Path) -> Iterator[ImageFile]:
    """Read the header of a PNG, JPEG, WebP, GIF, BMP or TIFF file; what is raised inside is a damaged picture.

    Raises: BrokenPictureError if it is no ordinary file, no such picture, damaged, or one of more than FILE_MAX_PIXELS,
    OSError if it cannot be opened.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise BrokenPictureError("it is no ordinary file")  # to open a pipe waits for who writes to it
    with path.open("rb") as file, _opened(file, FILE_OPENERS, FILE_MAX_PIXELS) as picture, image_errors():
        yield picture


def _opened(file: BinaryIO, openers: Openers, max_pixels: int) -> ImageFile:
    start = file.read(SIGNATURE_BYTES)
    file.seek(0)
    opener = next((opener for signature, opener in openers if start.startswith(signature)), None)
    if opener is None and start[4:] in AVIF_KINDS and "avif" in features.modules and features.check("avif"):
        from PIL.AvifImagePlugin import AvifImageFile  # not every Pillow has it

        opener = AvifImageFile
    if opener is None:
        raise BrokenPictureError(_unknown(start))
    with image_errors():
        picture = opener(file)
    width, height = picture.size
    if width * height > max_pixels:
        raise BrokenPictureError(
            f"the picture is {size_text(width, height)}, more than the {max_pixels // 1_000_000} megapixels allowed"
        )
    return picture


def _unknown(start: bytes) -> str:
    """Return what is wrong with a file that begins so: it is empty, of a kind that is not read, or of none known."""
    if not start:
        return "the picture is empty"
    kind = next((kind for kind, mark in NOT_READ.items() if mark.match(start)), None)
    if kind is not None:
        return f"its format is {kind}, which is not read here: convert the kept file to PNG with another program"
    text = start[:SHOWN_BYTES].decode("latin-1")
    shown = text if text.isascii() and text.isprintable() else start[:SHOWN_BYTES].hex(" ")
    return f"the picture begins with {shown}, as no known format does"


@contextmanager
def image_errors() -> Iterator[None]:
    """Turn what Pillow raises inside into BrokenPictureError."""
    try:
        yield
    except READING_ERRORS as exc:
        raise BrokenPictureError(f"the picture is damaged ({exc})") from exc


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
    rows = min(STRIP_ROWS, max(1, STRIP_PIXELS // max(1, width)))
    for y in range(0, height, rows):
        strip = picture.crop((0, y, width, min(y + rows, height)))
        pixels[y : y + rows] = np.asarray(strip.convert(mode))
    return pixels
