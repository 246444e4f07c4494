"""Checks the pictures of a request: kind, length, readability, and what a mask and a markup must be like."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from ...api.catalog.catalog import ModelSpec
from .. import errors
from .form import ParsedRequest, ReceivedFile

FORMATS = ("PNG", "JPEG", "WEBP")
IMAGE_TYPES = ["image/jpeg", "image/png", "image/webp"]
PNG_ONLY = ["image/png"]
Size = tuple[int, int]


def read_image(data: bytes) -> Image.Image:
    """Return an image upright: of mode RGBA if it has an alpha channel or a transparent colour, else RGB.

    Raises: ValueError if it is no PNG, JPEG or WebP that can be read whole.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            upright = ImageOps.exif_transpose(image)
            return upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise ValueError(f"unreadable image: {exc}") from exc


def is_transparent(image: Image.Image) -> bool:
    """Tell whether any pixel is not fully opaque."""
    return image.mode == "RGBA" and image.getchannel("A").getextrema()[0] != 255


def check(parsed: ParsedRequest, spec: ModelSpec) -> tuple[Size, ...]:
    """Return the sizes of the images (width, height), in their order.

    Raises: RefusedError for a file that the service does not take.
    """
    for file in parsed.images:
        _kind_and_length(file, IMAGE_TYPES, spec.max_input_image_bytes)
    sizes = tuple(_readable(file, number).size for number, file in enumerate(parsed.images, start=1))
    if parsed.mask is not None:
        _mask(parsed.mask, sizes[0], spec)
    if parsed.markup is not None:
        _markup(parsed.markup, sizes[0], spec)
    return sizes


def _kind_and_length(file: ReceivedFile, types: list[str], limit: int) -> None:
    if not file.content_type:
        raise errors.no_mimetype(file.param)
    if file.content_type not in types:
        raise errors.mimetype(file.param, file.content_type, types)
    if len(file.data) > limit:
        raise errors.too_large(file.param, len(file.data), limit)


def _readable(file: ReceivedFile, number: int = 1) -> Image.Image:
    try:
        return read_image(file.data)
    except ValueError as exc:
        raise errors.unreadable(file.param, number) from exc


def _is_png(data: bytes) -> bool:
    return data.startswith(b"\x89PNG\r\n\x1a\n")


def _mask(mask: ReceivedFile, size: Size, spec: ModelSpec) -> None:
    """A mask is a PNG with alpha, of the first image's size (SDK, image_edit_params.py)."""
    _kind_and_length(mask, PNG_ONLY, spec.mask_max_bytes)
    if not _is_png(mask.data):
        raise errors.bad_mask("mask must be a PNG file")
    image = _readable(mask)
    if image.mode != "RGBA":
        raise errors.bad_mask("mask must have an alpha channel")
    if image.size != size:
        raise errors.bad_mask("mask size does not match image size")


def _markup(markup: ReceivedFile, size: Size, spec: ModelSpec) -> None:
    """A markup is a PNG of the first image's size with transparent pixels (SDK, image_edit_params.py)."""
    _kind_and_length(markup, PNG_ONLY, spec.max_input_image_bytes)
    if not _is_png(markup.data):
        raise errors.invalid("markup", "Invalid markup: it must be a PNG file.")
    image = _readable(markup)
    if image.size != size:
        raise errors.invalid("markup", "Invalid markup: its size does not match the image's.")
    if not is_transparent(image):
        raise errors.invalid("markup", "Invalid markup: it has no transparent pixels.")
