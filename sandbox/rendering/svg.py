"""The sandbox's SVG: the prompt on a coloured ground, as text that any browser draws."""

from __future__ import annotations

import colorsys
import hashlib
import textwrap
from xml.sax.saxutils import escape

from ..requests.validation import ValidatedRequest

LETTERS_IN_A_LINE = 24
MAX_LINES = 8


def svg_text(request: ValidatedRequest) -> str:
    """Return an SVG document of the size asked, in pixels; the same request gives the same text."""
    width, height = size = request.size
    dice = hashlib.sha256(f"{request.model}|{request.quality}|{request.prompt}".encode()).digest()
    hue, unit = dice[0] / 255, min(size)
    shapes = "\n".join(_light(dice[3 * k : 3 * k + 3], size, hue) for k in range(1, 6))
    card_size = f'x="{unit // 16}" y="{unit // 16}" rx="{unit // 8}"' if request.transparent else 'x="0" y="0"'
    inset = unit // 16 * 2 if request.transparent else 0
    frame = f'{card_size} width="{width - inset}" height="{height - inset}"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">
<title>{_safe(request.prompt)}</title>
<defs>
<linearGradient id="ground" x1="0" y1="0" x2="1" y2="1">
<stop offset="0" stop-color="{_colour(hue, 0.2)}"/><stop offset="1" stop-color="{_colour(hue + 0.1, 0.42)}"/>
</linearGradient>
<clipPath id="frame"><rect {frame}/></clipPath>
</defs>
<g clip-path="url(#frame)">
<rect width="{width}" height="{height}" fill="url(#ground)"/>
{shapes}
</g>
{_words(request)}
</svg>
"""


def _light(dice: bytes, size: tuple[int, int], hue: float) -> str:
    x, y, radius = dice[0] * size[0] // 255, dice[1] * size[1] // 255, min(size) * (60 + dice[2]) // 900
    fill = _colour(hue + 0.25 + dice[2] / 1500, 0.65)
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" fill-opacity="0.35"/>'


def _colour(hue: float, lightness: float) -> str:
    """Return "#rrggbb"; the hue turns around at 1."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue % 1, lightness, 0.6))


def _words(request: ValidatedRequest) -> str:
    """Return the prompt's first lines and the facts below them, from the bottom up."""
    size = request.size
    lines = textwrap.wrap(request.prompt, LETTERS_IN_A_LINE, max_lines=MAX_LINES, placeholder="...") or ["..."]
    unit = min(size) // 14
    left, bottom = min(size) // 9, size[1] - min(size) // 7
    top = bottom - round(1.25 * unit * len(lines))
    spans = "".join(
        f'<tspan x="{left}" y="{top + round(1.25 * unit * row)}">{_safe(line)}</tspan>'
        for row, line in enumerate(lines)
    )
    facts = f"{request.model} - {request.size_text} - {request.quality} - sandbox"
    return (
        f'<g font-family="Helvetica, Arial, sans-serif" fill="white">\n<text font-size="{unit}">{spans}</text>\n'
        f'<text font-size="{unit * 2 // 5}" x="{left}" y="{bottom}">{_safe(facts)}</text>\n</g>'
    )


def _safe(text: str) -> str:
    """Return text for XML 1.0: escaped, without the control characters that it does not allow."""
    return escape("".join(letter if letter >= " " and letter not in "\ufffe\uffff" else " " for letter in text))
