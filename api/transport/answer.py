"""What the bytes of an answer mean: by what they are, not by what they are called.

Servers that call themselves compatible label JSON as events and events as JSON, send blanks or comments before it,
leave out fields, or put the picture elsewhere (docs/service.md, "What real servers do"). Only the picture decides:
what is beside it and does not fit is None.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..catalog.schemas import Image, OpenAIImageGenerationResponse, SvgUsage, TokenDetails, Usage
from ..connections.connection import Connection
from ..errors import BadAnswerError
from .base64_json import extract_base64, looks_like_base64
from .error_mapping import error_from_response, service_words
from .sse import EVENT_STREAM, PARTIAL, events, is_error, short_int

PICTURE_START = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|RIFF....WEBP|GIF8[79]a|(<\?xml[^>]{0,200}>\s*)?<svg[\s>]", re.DOTALL
)
BOMS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
MAX_OUTLINE_BYTES = 16 << 20  # of an answer without its pictures
MAX_IMAGES = 64  # more than any request asks for; the rest stays in the answer's own bytes
MAX_DEPTH = 8
MAX_TOKENS = 10**9
WORD_CHARS = 64
LISTS = ("data", "images", "output", "outputs", "results", "result", "artifacts", "predictions", "choices", "response")
MORE_LISTS = ("candidates", "parts", "generatedImages", "generated_images", "image_urls", "item")
INNER = ("image", "message", "content", "delta", "b64_json", "image_url", "image_base64", "inlineData", "inline_data")
BASE64_NAMES = ("b64_json", "b64", "base64", "image_base64", "imageBase64", "image", "result", "data", "bytes")
MORE_BASE64_NAMES = ("bytesBase64Encoded", "imageBytes", "image_bytes")
ADDRESS_NAMES = ("url", "image_url", "imageUrl", "uri", "href", "image", "b64_json", "file_url", "download_url")
ADDRESS = re.compile(r"\s*(https?:)?//\S+|\s*/[\w.~%-]+/\S*|\s*[\w./~%-]+\.(png|jpe?g|webp|gif|svg)(\?\S*)?\s*$", re.I)
IN_MARKDOWN = re.compile(r"!\[[^\]]{0,500}\]\(\s*(data:image/[^)\s]+|https?://[^)\s]+)")
CHAT_NAMES = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}


@dataclass(frozen=True)
class RawAnswer:
    """A success as it came, so that it can be written down before anything reads it."""

    body: bytes = field(repr=False)
    headers: dict[str, str]
    elapsed_s: float

    @property
    def request_id(self) -> str | None:
        """The service's own id of the request, for its support."""
        return self.headers.get("x-request-id")


def parse_answer(raw: RawAnswer, connection: Connection, *, model: str) -> OpenAIImageGenerationResponse:
    """Return the pictures of an answer and what fits of the rest.

    Raises: OpenAIImageError, by kind, if the service says 200 and means an error; BadAnswerError if nothing in it is
    a picture.
    """
    response = response_of(raw.body)
    if response is not None and any(image.has_picture for image in response.data or []):
        return response
    body = _error_event(raw.body) or raw.body
    words = service_words(body)
    if words.from_service:
        raise error_from_response(connection, 200, raw.headers, body, subject=model)
    said = f" The service says: {words.message[:200]}." if words.message else ""
    what = "holds no picture" if response is not None else "is not of the expected form"
    raise BadAnswerError(
        f"{connection.name}: the answer {what}.{said} Look at the account's usage page before asking again.",
        status=200,
        request_id=raw.request_id,
    )


def holds_picture(body: bytes) -> bool:
    """Tell whether the bytes of an answer that may not have come to its end hold a whole picture all the same."""
    response = response_of(body)
    return response is not None and any(image.has_picture for image in response.data or [])


def is_finished_json(body: bytes) -> bool:
    """Tell whether the bytes that came so far are whole JSON."""
    try:
        json.loads(extract_base64(body)[0])
    except (ValueError, RecursionError):
        return False
    return True


def response_of(body: bytes) -> OpenAIImageGenerationResponse | None:
    """Return what the bytes of a success say, or None where they are nothing known."""
    start = body[:4096].lstrip()
    if PICTURE_START.match(start):
        return OpenAIImageGenerationResponse(data=[Image(raw=body[body.find(start[:4]) :])])
    bare = start.strip(b'"')
    if bare[:11] == b"data:image/" or (bare[:1] not in b"{[" and looks_like_base64(bare[:200].decode("latin-1"))):
        return OpenAIImageGenerationResponse(data=[Image(b64_json=body.decode("latin-1").strip().strip('"'))])
    outline, long_texts = extract_base64(_utf8(body))
    if len(outline) > MAX_OUTLINE_BYTES:
        return None
    answers = [_response(document, long_texts) for document in _documents(outline)]
    with_pictures = [one for one in answers if one.data]
    if with_pictures and EVENT_STREAM.match(outline):
        return _joined(with_pictures)
    if with_pictures:
        return with_pictures[-1]  # lines of progress come before the answer
    if long_texts and not answers and PARTIAL.encode() not in outline:  # cut off behind its picture
        whole = [Image(b64_json=text) for text in long_texts.values() if looks_like_base64(text)]
        return OpenAIImageGenerationResponse(data=whole[:MAX_IMAGES])
    return answers[-1] if answers else None


def has_picture(document: object) -> bool:
    """Tell whether JSON, such as an event's, holds a finished picture."""
    return any(image.has_picture for image in _response(document, {}).data or [])


def response_from_document(document: object, long_texts: Mapping[str, memoryview]) -> OpenAIImageGenerationResponse:
    """Return what a JSON document says; `long_texts` are those that `extract_base64` took out of it."""
    return _response(document, long_texts)


def _error_event(body: bytes) -> bytes | None:
    """Return the error that a stream of events ends with, in the form of an error answer."""
    if not EVENT_STREAM.match(body):
        return None
    told = next((event for event in events([body]) if is_error(event)), None)
    if told is None:
        return None
    inner = told.get("response")
    nested = inner.get("error") if isinstance(inner, dict) else None
    return json.dumps({"error": told.get("error") or nested or told}).encode()


def _utf8(body: bytes) -> bytes:
    for mark, encoding in BOMS.items():
        if body.startswith(mark):
            rest = body[len(mark) :]
            return rest if encoding == "utf-8" else rest.decode(encoding, errors="replace").encode()
    return body


def _documents(outline: bytes) -> Iterator[object]:
    """Yield the JSON documents of an answer: one, one in each event, or one in each line."""
    if EVENT_STREAM.match(outline):
        yield from (event for event in events([outline]) if not str(event.get("type", "")).endswith(PARTIAL))
    text, at = outline.decode("utf-8", errors="replace"), 0
    if EVENT_STREAM.match(outline) and not re.match(r"\s*:[^\n]*\n+\s*[{\[]", text):
        return
    decoder = json.JSONDecoder(parse_int=short_int, strict=False)
    while start := re.compile(r"[{\[\"]").search(text, at):
        try:
            document, at = decoder.raw_decode(text, start.start())
            yield json.loads(document) if isinstance(document, str) and document.lstrip()[:1] == "{" else document
        except (ValueError, RecursionError):
            line_end = text.find("\n", start.start())
            at = line_end + 1 if line_end >= 0 else len(text)


def _response(document: object, texts: Mapping[str, memoryview]) -> OpenAIImageGenerationResponse:
    told: Mapping[str, Any] = document if isinstance(document, dict) else {}
    told = next((told[name] for name in ("response", "data") if _has_usage(told.get(name))), told)
    fields = {name: _word(told.get(name)) for name in ("size", "quality", "background", "output_format")}
    images = [_image(item, texts) for item in _items(document, texts)]
    if not any(image.has_picture for image in images):
        images = []
    return OpenAIImageGenerationResponse(
        data=images, usage=_usage(told.get("usage")), svg_usage=_svg_usage(told.get("svg_usage")), **fields
    )


def _has_usage(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("usage"), dict)


def _items(value: object, texts: Mapping[str, memoryview], depth: int = 0) -> list[object]:
    """Return what an answer has in the places of pictures, in its order."""
    if depth > MAX_DEPTH:
        return []
    if isinstance(value, list):
        found = [item for each in value[: MAX_IMAGES + 1] for item in (_items(each, texts, depth + 1) or [each])]
        return found[:MAX_IMAGES]
    if not isinstance(value, dict):
        return []
    if _image(value, texts).has_picture:
        return [value]
    for name in (*LISTS, *MORE_LISTS, *INNER):
        inner = value.get(name)
        if isinstance(inner, (dict, list)) and (items := _items(inner, texts, depth + 1)):
            pictures = [item for item in items if _image(item, texts).has_picture]
            if pictures or name == "data":
                return items if name in ("data", "images") else pictures
        elif isinstance(inner, str) and _image(inner, texts).has_picture:
            return [inner]
    return []


def _image(item: object, texts: Mapping[str, memoryview]) -> Image:
    """Return the picture of one item, or what stands in its place."""
    if isinstance(item, str):
        return _image_of_text(item, texts)
    if not isinstance(item, dict):
        return Image(other=json.dumps(item)[:WORD_CHARS])
    prompt = item.get("revised_prompt")
    revised = prompt if isinstance(prompt, str) else None
    if isinstance(own := item.get("b64_json"), str) and own.strip() and not ADDRESS.match(own):
        return Image(b64_json=texts.get(own, own), revised_prompt=revised)
    candidates = [item[name] for name in (*BASE64_NAMES, *MORE_BASE64_NAMES, *ADDRESS_NAMES) if name in item]
    candidates += [one["url"] for one in candidates if isinstance(one, dict) and "url" in one]
    for candidate in candidates:
        if isinstance(candidate, str) and (found := _image_of_text(candidate, texts)).has_picture:
            return found.model_copy(update={"revised_prompt": revised})
    content = item.get("content") or item.get("text")
    if isinstance(content, str) and (linked := IN_MARKDOWN.search(content)):
        return _image_of_text(linked[1], texts)
    return Image(other=json.dumps(item)[:500])


def _image_of_text(text: str, texts: Mapping[str, memoryview]) -> Image:
    known: str | memoryview = texts.get(text, text)
    if isinstance(known, str) and ADDRESS.match(known) and not looks_like_base64(known):
        return Image(url=known.strip())
    if looks_like_base64(known):
        return Image(b64_json=known)
    return Image(other=text[:500])


def _joined(answers: list[OpenAIImageGenerationResponse]) -> OpenAIImageGenerationResponse:
    """Return one answer of all final events: their pictures, and their tokens added up."""
    usages = [one.usage for one in answers if one.usage is not None]
    total = usages[0] if len(usages) == 1 else _added(usages) if usages else None
    return answers[0].model_copy(
        update={"data": [image for one in answers for image in one.data or []][:MAX_IMAGES], "usage": total}
    )


def _added(usages: list[Usage]) -> Usage:
    def details(name: str) -> TokenDetails | None:
        kinds = [one for usage in usages if (one := getattr(usage, name)) is not None]
        cached = [one.cached_tokens for one in kinds if one.cached_tokens is not None]
        if not kinds:
            return None
        sums = {kind: sum(getattr(one, kind) for one in kinds) for kind in ("text_tokens", "image_tokens")}
        return TokenDetails(**sums, cached_tokens=sum(cached) if cached else None)

    totals = {name: sum(getattr(usage, name) for usage in usages) for name in _TOTALS}
    names = ("input_tokens_details", "output_tokens_details")
    return Usage(**totals, **{name: details(name) for name in names})  # type: ignore[arg-type]


_TOTALS = ("input_tokens", "output_tokens", "total_tokens")


def _usage(value: object) -> Usage | None:
    """Return the tokens of an answer, or None where it does not say how many went out."""
    if not isinstance(value, dict):
        return None
    counts = {name: _tokens(value.get(name, value.get(CHAT_NAMES.get(name, "")))) for name in _TOTALS}
    if counts["output_tokens"] is None:
        return None
    details = {f"{kind}_tokens_details": _details(value.get(f"{kind}_tokens_details")) for kind in ("input", "output")}
    return Usage(**{name: count or 0 for name, count in counts.items()}, **details)  # type: ignore[arg-type]


def _details(value: object) -> TokenDetails | None:
    if not isinstance(value, dict):
        return None
    counts = {name: _tokens(value.get(name)) for name in ("text_tokens", "image_tokens", "cached_tokens")}
    if counts["text_tokens"] is None and counts["image_tokens"] is None:
        return None
    return TokenDetails(
        text_tokens=counts["text_tokens"] or 0,
        image_tokens=counts["image_tokens"] or 0,
        cached_tokens=counts["cached_tokens"],
    )


def _svg_usage(value: object) -> SvgUsage | None:
    if not isinstance(value, dict):
        return None
    names = ("input_tokens", "output_tokens", "reasoning_tokens", "total_tokens")
    counts = {name: _tokens(value.get(name)) or 0 for name in names}
    return SvgUsage(model=_word(value.get("model")), **counts) if any(counts.values()) else None


def _tokens(value: object) -> int | None:
    """Return a count of tokens, or None for what is none: also beside the range of any real one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MAX_TOKENS:
        return None
    return round(value)


def _word(value: object) -> str | None:
    return value[:WORD_CHARS] if isinstance(value, str) and value else None
