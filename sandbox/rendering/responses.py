"""The answers to a request: one JSON object, or a stream of events (docs/service.md, "Answers" and "Streaming")."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from .. import billing
from ..requests.validation import ValidatedRequest
from .painter import Render, partial

CREATED = 1_795_392_000  # a fixed day, 2026-11-23: the same request gets the same bytes
SVG_AUTHOR = "sandbox-svg-author"
EVENT_PREFIXES = {"generations": "image_generation", "edits": "image_edit"}
MIME_TYPES = {name: f"image/{name}" for name in ("png", "jpeg", "webp", "gif")} | {"svg": "image/svg+xml"}


def json_response(request: ValidatedRequest, render: Render, link: Callable[[bytes, str], str] | None = None) -> bytes:
    """Return the whole answer as JSON; `link` keeps a picture of a MIME type and returns its address."""
    pictures = [render(request, index) for index in range(request.n)]
    kind = MIME_TYPES[request.output_format]
    data = [{"url": link(picture, kind)} if link else {"b64_json": _base64(picture)} for picture in pictures]
    answer = {"created": CREATED, **_settings(request), "data": data, "usage": billing.usage_of(request)}
    if request.output_format == "svg":
        answer["svg_usage"] = _svg_usage(request, len(pictures[0]))
    return json.dumps({**answer, **_identifier(request)}).encode()


def events_of(request: ValidatedRequest, render: Render, index: int) -> bytes:
    """Return the events of picture `index`: its partial images, then `completed`.

    Each `completed` carries its own picture's output tokens, the first also all input tokens, so that their sum
    is what an answer without a stream says (how the service splits them is not documented).
    """
    picture = render(request, index)
    prefix, settings = EVENT_PREFIXES[request.operation], {"created_at": CREATED, **_settings(request)}
    partials = [
        _event(
            f"{prefix}.partial_image",
            {"b64_json": _base64(partial(request, picture, step)), **settings, "partial_image_index": step},
        )
        for step in range(request.partial_images)
    ]
    text, image = (billing.text_tokens(request), billing.image_tokens(request)) if index == 0 else (0, 0)
    used = billing.shaped(text, image, billing.picture_tokens(request))
    done = {"b64_json": _base64(picture), **settings, "usage": used, **_identifier(request)}
    return b"".join([*partials, _event(f"{prefix}.completed", done)])


def _event(kind: str, fields: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _settings(request: ValidatedRequest) -> dict[str, str]:
    return {
        "background": "transparent" if request.transparent else "opaque",
        "output_format": request.output_format,
        "quality": request.quality,
        "size": request.size_text,
    }


def _identifier(request: ValidatedRequest) -> dict[str, str]:
    """Return the safety identifier in effect: the request's own, else its deprecated `user`."""
    identifier = request.fields.get("safety_identifier") or request.fields.get("user")
    return {"safety_identifier": identifier} if identifier else {}


def _svg_usage(request: ValidatedRequest, length: int) -> dict[str, Any]:
    """Return the author's part: the prompt in, the SVG's text out, no reasoning."""
    read, written = billing.text_tokens(request), billing.bytes_tokens(length)
    author = (request.fields.get("svg") or {}).get("model", SVG_AUTHOR)
    return {
        "model": author,
        "input_tokens": read,
        "output_tokens": written,
        "reasoning_tokens": 0,
        "total_tokens": read + written,
    }
