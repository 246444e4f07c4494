"""The answers to an order: one JSON object, or a stream of events (docs/service.md, "Answers" and "Streaming")."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from .. import usage
from ..requests.validation import Order
from .painting import Painter
from .render import draw, draw_partials

CREATED = 1_795_392_000  # a fixed day, 2026-11-23: the same request gets the same bytes
SVG_AUTHOR = "sandbox-svg-author"
EVENT_PREFIXES = {"generations": "image_generation", "edits": "image_edit"}
MIME_TYPES = {name: f"image/{name}" for name in ("png", "jpeg", "webp", "gif")} | {"svg": "image/svg+xml"}


def json_answer(order: Order, painter: Painter, link: Callable[[bytes, str], str] | None) -> bytes:
    """Return the whole answer as JSON; `link` keeps a picture of a MIME type and returns its address."""
    pictures = [draw(order, painter, index) for index in range(order.n)]
    kind = MIME_TYPES[order.output_format]
    data = [{"url": link(picture, kind)} if link else {"b64_json": _base64(picture)} for picture in pictures]
    answer = {"created": CREATED, **_settings(order), "data": data, "usage": usage.usage_of(order)}
    if order.output_format == "svg":
        answer["svg_usage"] = _svg_usage(order, len(pictures[0]))
    return json.dumps({**answer, **_identifier(order)}).encode()


def events_of(order: Order, painter: Painter, index: int) -> bytes:
    """Return the events of picture `index`: its partial images, then `completed`.

    Each `completed` carries its own picture's output tokens, the first also all input tokens, so that their sum
    is what an answer without a stream says (how the service splits them is not documented).
    """
    picture = draw(order, painter, index)
    prefix, settings = EVENT_PREFIXES[order.operation], {"created_at": CREATED, **_settings(order)}
    partials = [
        _event(f"{prefix}.partial_image", {"b64_json": _base64(soft), **settings, "partial_image_index": step})
        for step, soft in enumerate(draw_partials(order, painter, picture))
    ]
    text, image = (usage.text_tokens(order), usage.image_tokens(order)) if index == 0 else (0, 0)
    used = usage.shaped(text, image, usage.picture_tokens(order))
    done = {"b64_json": _base64(picture), **settings, "usage": used, **_identifier(order)}
    return b"".join([*partials, _event(f"{prefix}.completed", done)])


def _event(kind: str, fields: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _settings(order: Order) -> dict[str, str]:
    return {
        "background": "transparent" if order.transparent else "opaque",
        "output_format": order.output_format,
        "quality": order.quality,
        "size": order.card.size,
    }


def _identifier(order: Order) -> dict[str, str]:
    """Return the safety identifier in effect: the request's own, else its deprecated `user`."""
    identifier = order.fields.get("safety_identifier") or order.fields.get("user")
    return {"safety_identifier": identifier} if identifier else {}


def _svg_usage(order: Order, length: int) -> dict[str, Any]:
    """Return the author's part: the prompt in, a token for each 4 bytes of SVG out, no reasoning."""
    read, written = usage.text_tokens(order), -(-length // usage.BYTES_PER_TOKEN)
    author = (order.fields.get("svg") or {}).get("model", SVG_AUTHOR)
    return {
        "model": author,
        "input_tokens": read,
        "output_tokens": written,
        "reasoning_tokens": 0,
        "total_tokens": read + written,
    }
