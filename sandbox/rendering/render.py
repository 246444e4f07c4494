"""Draws the pictures of an order, as files."""

from __future__ import annotations

from ..requests.validation import Order
from .painting import Painter
from .svg import svg_text

FRAME_DURATION_MS = 200  # SDK, image_generate_params.py
ROUND_MS = 10


def draw(order: Order, painter: Painter, index: int) -> bytes:
    """Return picture `index` of an order, in the order's format."""
    if order.output_format == "svg":
        return svg_text(order.card, order.size, transparent=order.transparent).encode()
    if order.output_format == "gif":
        return _gif(order, painter, index)
    if order.operation == "generations":
        return painter.generation(
            order.card,
            size=order.size,
            output_format=order.output_format,
            compression=_compression(order),
            transparent=order.transparent,
            index=index,
        )
    return painter.edit(
        order.card,
        order.images,
        order.mask,
        order.markup,
        size=order.size if order.size != order.input_sizes[0] else None,
        output_format=order.output_format,
        compression=_compression(order),
        transparent=order.transparent,
        index=index,
    )


def draw_partials(order: Order, painter: Painter, picture: bytes) -> list[bytes]:
    """Return the partial images of a finished picture, the softest first."""
    steps = order.partial_images
    return [
        painter.partial(
            picture, step=step, steps=steps, output_format=order.output_format, compression=_compression(order)
        )
        for step in range(steps)
    ]


def _compression(order: Order) -> int:
    return int(order.fields.get("output_compression", 100))


def _gif(order: Order, painter: Painter, index: int) -> bytes:
    asked = int(order.fields.get("frame_duration_ms", FRAME_DURATION_MS))
    return painter.gif(
        order.card,
        order.images,
        order.markup,
        size=order.size,
        frame_count=order.frame_count,
        frame_duration_ms=max(ROUND_MS, (asked + ROUND_MS // 2) // ROUND_MS * ROUND_MS),
        transparent=order.transparent,
        index=index,
    )
