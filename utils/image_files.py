"""Pictures in ordinary files: read as Load Image reads them, and converted to what a file's name asks for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from .decode import preview_image
from .read_image import TRANSPARENT_MODES, decode_picture, image_to_pixels, open_picture_file
from .tensors import pixels_to_tensor

if TYPE_CHECKING:  # and where it is used: the commands do without torch, which takes seconds and 200 MB
    from torch import Tensor

FLOAT_BYTES = 4
JPEG_QUALITY = 95
EXIF_ORIENTATION, TURNED, OPAQUE = 0x0112, (5, 6, 7, 8), 255
WRITABLE = {  # what a file's suffix asks for, in Pillow's names
    **{".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG", ".gif": "GIF"},
    **{".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF"},
}


def read_image(path: Path) -> tuple[Tensor, Tensor | None]:
    """Return an upright image float32 [1,H,W,3] and its mask float32 [1,H,W], 1 = transparent; None without any.

    Raises: BrokenPictureError if it is no picture, OSError if it cannot be read.
    """
    with open_picture_file(path) as opened:
        pixels = image_to_pixels(ImageOps.exif_transpose(opened))  # HWC
    floats = pixels_to_tensor(pixels)[None]
    if pixels.shape[2] == 3:
        return floats, None
    return floats[..., :3].contiguous(), 1 - floats[..., 3]


def read_mask(path: Path) -> Tensor:
    """Return a mask file as float32 [1,H,W], 1 = replace: the holes of a PNG with alpha, else what is white.

    Raises: as `read_image`.
    """
    with open_picture_file(path) as opened:
        upright = ImageOps.exif_transpose(opened)
        if upright.mode in TRANSPARENT_MODES or "transparency" in upright.info:
            return 1 - pixels_to_tensor(np.asarray(upright.convert("RGBA").getchannel("A")))[None]
        return pixels_to_tensor(np.asarray(upright.convert("L")))[None]


def image_bytes(path: Path, *, mask: bool = False) -> int:
    """Return how much memory `read_image` or `read_mask` takes, by the file's header. Raises: as `read_image`."""
    with open_picture_file(path) as header:
        channels = 1 if mask else 4 if header.has_transparency_data else 3
        return int(header.width * header.height * channels * FLOAT_BYTES)


def size_and_hole(path: Path) -> tuple[tuple[int, int], tuple[int, int, int, int, int] | None]:
    """Return an upright picture's (width, height), and the left, top, width, height and pixels of what is transparent.

    None in place of these where nothing is. Only the alpha is looked at.
    Raises: as `read_image`.
    """
    with open_picture_file(path) as opened:
        if not opened.has_transparency_data:
            turned = opened.getexif().get(EXIF_ORIENTATION, 1) in TURNED
            return (opened.height, opened.width) if turned else (opened.width, opened.height), None
        upright = ImageOps.exif_transpose(opened)
        alpha = upright.getchannel("A") if upright.mode == "RGBA" else upright.convert("RGBA").getchannel("A")
    closed = np.asarray(alpha) == OPAQUE
    rows, columns = np.flatnonzero(~closed.all(axis=1)), np.flatnonzero(~closed.all(axis=0))
    if not rows.size:
        return alpha.size, None
    left, top = int(columns[0]), int(rows[0])
    width, height = int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top
    return alpha.size, (left, top, width, height, int((~closed).sum()))


def converted(data: bytes, suffix: str) -> bytes:
    """Return a picture in the format of a file's suffix; JPEG has no transparency, so it is shown on white.

    Raises: BrokenPictureError if it cannot be decoded.
    """
    kind = WRITABLE[suffix.lower()]
    picture = preview_image(data) if kind == "JPEG" else Image.fromarray(decode_picture(data))
    out = io.BytesIO()
    picture.save(out, kind, **({"quality": JPEG_QUALITY} if kind == "JPEG" else {"lossless": True}))
    return out.getvalue()
