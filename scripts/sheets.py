"""Before and after on one picture: the contact sheet of the demo and the thumbnails of the examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pack
from PIL import Image, ImageDraw, ImageOps

drawing = pack.part("sandbox.rendering.primitives")
Box = drawing.Rectangle

WIDTH, ROW_HEIGHT, EDGE = 1600, 360, 28
TEXT_WIDTH, AFTER_WIDTH, GAP, ARROW, CAPTION = 380, 400, 18, 70, 26
THUMBNAIL, STRIP = 512, 150
COLUMNS, PROMPT_HEIGHT = 6, 36
PAPER, CARD, INK, QUIET, ACCENT = "#14161d", "#1e222d", "#f4f5f8", "#9aa3b5", "#5fb3a1"


@dataclass(frozen=True)
class Row:
    """One job, or a list of them: what went in, what came out (pictures, or the names of files), and facts of it."""

    title: str
    prompts: Sequence[str]
    facts: Sequence[str]
    before: Sequence[Image.Image]
    after: Sequence[Image.Image]
    written: Sequence[str] = ()


def contact_sheet(heading: str, rows: Sequence[Row]) -> Image.Image:
    """Return all rows one below the other, under a heading."""
    top = 96
    sheet = Image.new("RGB", (WIDTH, top + len(rows) * (ROW_HEIGHT + GAP) + EDGE - GAP), PAPER)
    ImageDraw.Draw(sheet).text((EDGE, 32), heading, font=drawing.font_of(34), fill=INK)
    for number, row in enumerate(rows):
        _draw_row(sheet, row, top + number * (ROW_HEIGHT + GAP))
    return sheet


def grid_sheet(heading: str, facts: Sequence[str], pictures: Sequence[Image.Image]) -> Image.Image:
    """Return pictures in rows of six, under a heading and lines of facts."""
    cell = (WIDTH - 2 * EDGE - (COLUMNS - 1) * GAP) // COLUMNS
    small = [_within(shown(picture), cell, cell) for picture in pictures]
    height = max(picture.height for picture in small) + GAP
    top = 96 + 26 * len(facts) + GAP
    sheet = Image.new("RGB", (WIDTH, top + -(-len(small) // COLUMNS) * height + EDGE - GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((EDGE, 32), heading, font=drawing.font_of(34), fill=INK)
    for number, fact in enumerate(facts):
        draw.text((EDGE, 90 + 26 * number), fact, font=drawing.font_of(19), fill=QUIET)
    for number, picture in enumerate(small):
        row, column = divmod(number, COLUMNS)
        sheet.paste(picture, (EDGE + column * (cell + GAP), top + row * height))
    return sheet


def thumbnail(before: Sequence[Image.Image], after: Sequence[Image.Image]) -> Image.Image:
    """Return a square of 512 pixels: what went in along the top, what came out below; without input what came out."""
    square = Image.new("RGB", (THUMBNAIL, THUMBNAIL), PAPER)
    if len(after) > 1:
        _in_two_columns(square, after, Box(0, GAP // 2, THUMBNAIL, THUMBNAIL - GAP // 2))
        return square
    if not before:
        return ImageOps.fit(shown(after[0]), (THUMBNAIL, THUMBNAIL))
    inputs = [_within(shown(picture), (THUMBNAIL - 40) // len(before), STRIP - 16) for picture in before]
    _in_a_row(square, inputs, Box(0, 8, THUMBNAIL, STRIP - 8))
    result = _within(shown(after[0]), THUMBNAIL, THUMBNAIL - STRIP)
    square.paste(result, ((THUMBNAIL - result.width) // 2, STRIP + (THUMBNAIL - STRIP - result.height) // 2))
    return square


def shown(picture: Image.Image) -> Image.Image:
    """Return a picture as RGB, with a chequered ground where it is transparent."""
    if "A" not in picture.getbands():
        return picture.convert("RGB")
    rows, columns = np.indices((picture.height, picture.width)) // 8
    squares = np.where((rows + columns) % 2, 235, 190).astype(np.uint8)
    ground = Image.fromarray(squares).convert("RGBA")
    return Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")


def _draw_row(sheet: Image.Image, row: Row, top: int) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.rounded_rectangle((EDGE, top, WIDTH - EDGE, top + ROW_HEIGHT), 14, fill=CARD)
    _write_text(draw, row, EDGE + GAP, top + GAP)
    left, right = EDGE + GAP + TEXT_WIDTH + GAP, WIDTH - EDGE - GAP - AFTER_WIDTH
    if row.before:
        _draw_pictures(sheet, "before", row.before, Box(left, top, right - ARROW, top + ROW_HEIGHT))
    else:
        _write_prompts(draw, row.prompts, (left, top, right - ARROW - GAP))
    _draw_arrow(draw, right - ARROW // 2, top + ROW_HEIGHT // 2)
    if not row.after:
        _write_prompts(draw, row.written, (right, top, right + AFTER_WIDTH))
    elif len(row.after) > 1:
        _in_two_columns(sheet, row.after, Box(right, top + GAP, right + AFTER_WIDTH, top + ROW_HEIGHT - GAP))
    else:
        _draw_pictures(sheet, "after", row.after, Box(right, top, right + AFTER_WIDTH, top + ROW_HEIGHT))


def _draw_pictures(sheet: Image.Image, label: str, pictures: Sequence[Image.Image], box: Box) -> None:
    """Draw pictures side by side, each as large as fits, with what it is and its own size below."""
    width = (box.width - GAP * (len(pictures) - 1)) // len(pictures)
    small = [_within(shown(picture), width, box.height - 2 * GAP - 2 * CAPTION) for picture in pictures]
    draw, font = ImageDraw.Draw(sheet), drawing.font_of(15)
    for picture, (x, y), fitted in zip(pictures, _in_a_row(sheet, small, box), small, strict=True):
        text = f"{label}, {picture.width} x {picture.height}"
        draw.text((x + fitted.width // 2, y + fitted.height + 6), text, font=font, fill=QUIET, anchor="ma")


def _write_text(draw: ImageDraw.ImageDraw, row: Row, left: int, top: int) -> None:
    right = left + TEXT_WIDTH
    below = _write_lines(draw, row.title, 28, INK, (left, top, right)) + 14
    for prompt in row.prompts[:1] if row.before else []:
        below = _write_lines(draw, f'"{prompt}"', 20, INK, (left, below, right)) + 16
    for fact in row.facts:
        below = _write_lines(draw, fact, 16, QUIET, (left, below, right)) + 4


def _write_prompts(draw: ImageDraw.ImageDraw, prompts: Sequence[str], place: tuple[int, int, int]) -> None:
    """Write one prompt large, several small, in the middle of a row that begins at the top."""
    left, top, right = place
    if len(prompts) == 1:
        _write_lines(draw, f'"{prompts[0]}"', 30, INK, (left, top + 130, right))
        return
    below = top + (ROW_HEIGHT - len(prompts) * PROMPT_HEIGHT) // 2
    for number, prompt in enumerate(prompts):
        _write_lines(draw, f'"{prompt}"', 20, INK, (left, below + number * PROMPT_HEIGHT, right))


def _write_lines(draw: ImageDraw.ImageDraw, text: str, size: int, colour: str, place: tuple[int, int, int]) -> int:
    """Write text between left and right from a top downwards; return where it ends."""
    left, top, right = place
    font = drawing.font_of(size)
    for line in drawing.wrapped(text, font, right - left):
        draw.text((left, top), line, font=font, fill=colour)
        top += round(size * 1.3)
    return top


def _draw_arrow(draw: ImageDraw.ImageDraw, x: int, y: int) -> None:
    draw.line((x - 18, y, x + 8, y), fill=ACCENT, width=6)
    draw.polygon([(x + 4, y - 13), (x + 20, y), (x + 4, y + 13)], fill=ACCENT)


def _within(picture: Image.Image, width: int, height: int) -> Image.Image:
    return ImageOps.contain(picture, (width, height), Image.Resampling.LANCZOS)


def _in_two_columns(sheet: Image.Image, pictures: Sequence[Image.Image], box: Box) -> None:
    """Paste pictures two by two, each as large as fits."""
    rows = -(-len(pictures) // 2)
    width, height = (box.width - GAP) // 2, (box.height - (rows - 1) * GAP) // rows
    for row in range(rows):
        pair = [_within(shown(picture), width, height) for picture in pictures[2 * row : 2 * row + 2]]
        top = box.top + row * (height + GAP)
        _in_a_row(sheet, pair, Box(box.left, top, box.right, top + height))


def _in_a_row(sheet: Image.Image, pictures: Sequence[Image.Image], box: Box) -> list[tuple[int, int]]:
    """Paste pictures side by side, in the middle of a box; return where their top left corners are."""
    x = box.left + (box.width - sum(picture.width for picture in pictures) - GAP * (len(pictures) - 1)) // 2
    places = []
    for picture in pictures:
        places.append((x, box.top + (box.height - picture.height) // 2))
        sheet.paste(picture, places[-1])
        x += picture.width + GAP
    return places
