"""Checks the pictures of a request: kind, length, readability, and what a mask and a markup must be like."""

from __future__ import annotations

from ...api.catalog.catalog import ModelSpec
from .. import errors as refusals
from ..rendering.painting import Painter
from .form import File, Form
from .png import png_facts

IMAGE_TYPES = ["image/jpeg", "image/png", "image/webp"]
PNG_ONLY = ["image/png"]


def check(form: Form, spec: ModelSpec, painter: Painter) -> tuple[tuple[int, int], ...]:
    """Return the sizes of the images (width, height), in their order.

    Raises: RefusedError for a file that the service does not take.
    """
    for file in form.images:
        _kind_and_length(file, IMAGE_TYPES, spec.max_input_image_bytes)
    sizes = tuple(_measured(file, number, painter) for number, file in enumerate(form.images, start=1))
    if form.mask is not None:
        _mask(form.mask, sizes[0], spec, painter)
    if form.markup is not None:
        _markup(form.markup, sizes[0], spec, painter)
    return sizes


def _kind_and_length(file: File, types: list[str], limit: int) -> None:
    if file.content_type not in types:
        raise refusals.mimetype(file.param, file.content_type, types)
    if len(file.data) > limit:
        raise refusals.too_large(file.param, len(file.data), limit)


def _measured(file: File, number: int, painter: Painter) -> tuple[int, int]:
    try:
        return painter.measure(file.data)
    except ValueError as exc:
        raise refusals.unreadable(file.param, number) from exc


def _mask(mask: File, size: tuple[int, int], spec: ModelSpec, painter: Painter) -> None:
    """A mask is a PNG with alpha, of the first image's size (SDK, image_edit_params.py)."""
    _kind_and_length(mask, PNG_ONLY, spec.mask_max_bytes)
    facts = png_facts(mask.data)
    if facts is None:
        raise refusals.bad_mask("mask must be a PNG file")
    if not facts.has_alpha:
        raise refusals.bad_mask("mask must have an alpha channel")
    if _measured(mask, 1, painter) != size:
        raise refusals.bad_mask("mask size does not match image size")


def _markup(markup: File, size: tuple[int, int], spec: ModelSpec, painter: Painter) -> None:
    """A markup is a PNG of the first image's size with transparent pixels (SDK, image_edit_params.py)."""
    _kind_and_length(markup, PNG_ONLY, spec.max_input_image_bytes)
    if png_facts(markup.data) is None:
        raise refusals.invalid("markup", "Invalid markup: it must be a PNG file.")
    if _measured(markup, 1, painter) != size:
        raise refusals.invalid("markup", "Invalid markup: its size does not match the image's.")
    if not painter.has_transparency(markup.data):
        raise refusals.invalid("markup", "Invalid markup: it has no transparent pixels.")
