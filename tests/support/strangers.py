"""What strangers write, for fuzzing: odd values, odd JSON, and good files with something wrong in them."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from PIL import Image

NUMBERS = [0, -1, 1, 2**31, 2**63, -(2**70), 10**400, 0.5, -0.0, 1e308, float("inf"), float("-inf"), float("nan")]
TEXTS = [
    *(
        "",
        " ",
        "\x00",
        "\ud800",
        "\u202e",
        "\uff11",
        "a" * 5000,
        "../../x",
        "/etc/passwd",
        "C:\\x",
        "CON",
        "~/x",
        "%s%n",
    ),
    *("<img src=x onerror=alert(1)>", "javascript:alert(1)", "=1+1", "@SUM(A1)", "${x}", "a\r\nX-Injected: 1", "null"),
    *("http://127.0.0.1:1/x", "https://[::1]/x", "data:image/png;base64,", "1e999", "NaN", "2026-13-45", "\u0660" * 64),
    *(
        "0" * 64,
        "f" * 64,
        "picture_0.png",
        "sandbox",
        "openai",
        "openai batch",
        "comfy.org",
        "auto",
        "custom",
        "match image",
    ),
]
TOKENS = [
    *(text.encode(errors="replace") for text in TEXTS),
    b"{",
    b"}",
    b"[" * 500,
    b"]" * 500,
    b'"',
    b"\\u",
    b",",
    b":",
]
DEEP = "[" * 5000 + "]" * 5000
MOST_BYTES = 4000

odd_texts = st.sampled_from(TEXTS) | st.text(max_size=30)
odd_scalars = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.integers() | st.floats() | odd_texts


def odd_values(max_leaves: int = 12) -> st.SearchStrategy[Any]:
    """Return values that JSON can say, of any kind and nesting."""
    return st.recursive(
        odd_scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd_texts, inner, max_size=4),
        max_leaves=max_leaves,
    )


def changed(good: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects like a good one, in which some fields are odd, missing or new, also deeper in it."""

    def deeper(value: Any) -> st.SearchStrategy[Any]:
        if isinstance(value, dict) and value:
            return st.just(value) | changed(value) | odd_values()
        if isinstance(value, list) and value:
            return st.just(value) | st.lists(st.just(value[0]) | deeper(value[0]), max_size=4) | odd_values()
        return st.just(value) | odd_values(4)

    known = st.fixed_dictionaries({}, optional={name: deeper(value) for name, value in good.items()})
    few = st.lists(st.sampled_from(sorted(good)), unique=True, max_size=3).flatmap(
        lambda names: st.fixed_dictionaries({name: deeper(good[name]) for name in names})
    )
    near = few.map(lambda some: {**good, **some})
    more = st.dictionaries(odd_texts, odd_values(4), max_size=2)
    return near | known | st.tuples(near, more).map(lambda both: {**both[0], **both[1]})


def as_json(value: Any) -> bytes:
    """Return a value as JSON, with what JSON cannot say said as Python says it."""
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")


@st.composite
def damaged(draw: st.DrawFn, good: list[bytes]) -> bytes:
    """Return a good file with bytes changed, taken out, put in twice, or cut off."""
    data = bytearray(draw(st.sampled_from(good)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.integers(0, 5))
        if kind == 0 and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == 1:
            data[at:at] = draw(st.sampled_from(TOKENS))[:2000]
        elif kind == 2:
            del data[at : at + draw(st.integers(1, 40))]
        elif kind == 3:
            end = at + draw(st.integers(1, 400))
            data[at:at] = data[at:end]
        elif kind == 4:
            data[at : at + 4] = struct.pack(">I", draw(st.sampled_from([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1])))
        else:
            del data[at:]
    return bytes(data[: 1 << 20])


def picture_bytes(kind: str, *, size: tuple[int, int] = (5, 4), mode: str = "RGB", **options: Any) -> bytes:
    """Return a small picture file."""
    out = io.BytesIO()
    Image.new(mode, size, 7 if mode in ("L", "P") else tuple(range(9, 9 + len(mode)))).save(out, kind, **options)
    return out.getvalue()


def png_claiming(width: int, height: int, depth: int = 8, colour: int = 6) -> bytes:
    """Return a PNG whose header claims a size that its data does not have."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b"\x00" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def gif_of(frames: int) -> bytes:
    """Return an animation."""
    pictures = [Image.new("P", (6, 5), index) for index in range(frames)]
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=90)
    return out.getvalue()


PICTURES = [
    *(picture_bytes("PNG", mode=mode) for mode in ("RGB", "RGBA", "L", "P", "LA")),
    *(
        picture_bytes("JPEG"),
        picture_bytes("JPEG", mode="CMYK"),
        picture_bytes("WEBP"),
        picture_bytes("WEBP", mode="RGBA"),
    ),
    *(picture_bytes("GIF", mode="P"), picture_bytes("BMP"), picture_bytes("TIFF"), gif_of(3)),
    *(png_claiming(1 << 30, 1 << 30), png_claiming(1 << 15, 1 << 15), png_claiming(0, 5), png_claiming(60_000, 4)),
]
ANSWER: dict[str, Any] = {
    "created": 1,
    "data": [{"b64_json": base64.b64encode(PICTURES[0]).decode(), "revised_prompt": "a fox"}],
    "background": "opaque",
    "output_format": "png",
    "quality": "low",
    "size": "1024x1024",
    "usage": {
        "input_tokens": 10,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 0, "cached_tokens": 0},
        "output_tokens": 196,
        "output_tokens_details": {"image_tokens": 196, "text_tokens": 0},
        "total_tokens": 206,
    },
}
EVENTS = [
    b'event: image_generation.partial_image\ndata: {"type":"image_generation.partial_image","b64_json":"%s"}\n\n'
    b'event: image_generation.completed\ndata: {"type":"image_generation.completed","b64_json":"%s"}\n\n'
    % (base64.b64encode(PICTURES[0]), base64.b64encode(PICTURES[1])),
]
DRAWINGS = [
    b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="10" height="10">'
    b'<style>.a{fill:url(#g)}</style><defs><linearGradient id="g"><stop offset="0" stop-color="red"/></linearGradient>'
    b'<path id="p" d="M0 0L5 5"/></defs><use xlink:href="#p"/><a href="https://x/"><text class="a">hi</text></a></svg>',
    b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>',
    b'<svg:svg xmlns:svg="http://www.w3.org/2000/svg" onload="alert(1)"><svg:script>alert(1)</svg:script></svg:svg>',
    b'<svg xmlns="http://www.w3.org/2000/svg"><rect id="r"/><set href="#r" attributeName="href" to="javascript:x(1)"/>'
    b"<foreignObject><body xmlns='http://www.w3.org/1999/xhtml' onload='x()'/></foreignObject></svg>",
]
