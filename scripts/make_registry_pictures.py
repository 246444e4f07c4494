"""Draws the icon (400x400) and the banner (21:9) that the registry and ComfyUI Manager show, into docs/registry/.

`pyproject.toml` names them under `[tool.comfy]`. Everything is drawn here: no logo of anybody, no font file.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "registry"
ICON, BANNER = 400, (1260, 540)  # pixels; docs.comfy.org/registry/specifications: at most 400x400, and 21:9
FINER = 4  # drawn so much larger, for smooth edges
NIGHT, DEEP, PAPER, SUN = (24, 30, 38), (21, 58, 48), (234, 255, 245), (255, 190, 92)
SKY, HILL, NEAR, WIRE = (96, 165, 190), (52, 120, 96), (36, 88, 72), (150, 214, 190)
SOCKETS = (-0.236, 0.0, 0.236)  # shares of a node's side, from its middle
NAME, SUBTITLE = "OpenAI Image Nodes", "Text to image, editing, references and masks in ComfyUI"
NOTICE = "Not made by or affiliated with OpenAI"

Box = tuple[float, float, float, float]


def main() -> None:
    """Write both files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, picture in (("icon.png", icon()), ("banner.png", banner())):
        picture.quantize(256, dither=Image.Dither.NONE).save(FOLDER / name, optimize=True)
        print(f"{name}: {picture.width}x{picture.height}, {(FOLDER / name).stat().st_size / 1e3:.0f} kB")


def icon() -> Image.Image:
    """Return the icon: a node with a picture in it, of which a masked part was redrawn."""
    side = ICON * FINER
    picture, draw = _ground((side, side))
    _wires(draw, (side * 0.04, side * 0.96), side * 0.5, side * 0.72)
    _node(picture, (side * 0.14, side * 0.14, side * 0.86, side * 0.86))
    return picture.resize((ICON, ICON), Image.Resampling.LANCZOS)


def banner() -> Image.Image:
    """Return the banner: the node on the left, name and what it does on the right."""
    width, height = (side * FINER for side in BANNER)
    picture, draw = _ground((width, height))
    _wires(draw, (0, width * 0.37), height * 0.5, height * 0.66)
    _node(picture, (width * 0.055, height * 0.17, width * 0.055 + height * 0.66, height * 0.83))
    for y, size, colour, text in (
        (0.36, 0.125, PAPER, NAME),
        (0.53, 0.051, WIRE, SUBTITLE),
        (0.64, 0.043, (160, 172, 182), NOTICE),
    ):
        font = ImageFont.load_default(height * size)
        draw.text((width * 0.40, height * y), text, fill=colour, font=font, anchor="lm")
    return picture.resize(BANNER, Image.Resampling.LANCZOS)


def _ground(size: tuple[int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return a dark ground that is a little lighter at the top."""
    ramp = Image.linear_gradient("L").resize(size)
    picture = Image.composite(Image.new("RGB", size, (15, 19, 25)), Image.new("RGB", size, NIGHT), ramp)
    return picture, ImageDraw.Draw(picture)


def _wires(draw: ImageDraw.ImageDraw, ends: tuple[float, float], middle: float, side: float) -> None:
    """Draw what goes into a node of this side, and out of it."""
    (left, right), centre = ends, sum(ends) / 2
    for share in SOCKETS:
        draw.line((left, middle + side * share, centre, middle + side * share), fill=WIRE, width=int(side * 0.025))
    draw.line((centre, middle, right, middle), fill=SUN, width=int(side * 0.025))


def _node(picture: Image.Image, box: Box) -> None:
    left, top, right, bottom = box
    side, draw = right - left, ImageDraw.Draw(picture)
    draw.rounded_rectangle(box, side * 0.09, fill=DEEP, outline=WIRE, width=int(side * 0.012))
    inner = (left + side * 0.10, top + side * 0.10, right - side * 0.10, bottom - side * 0.10)
    _scene(picture, inner)
    for share in SOCKETS:
        _dot(draw, left, (top + bottom) / 2 + side * share, side * 0.035, WIRE)
    _dot(draw, right, (top + bottom) / 2, side * 0.035, SUN)


def _scene(picture: Image.Image, box: Box) -> None:
    """Draw a landscape with rounded corners, and in a masked circle a sun that was not there."""
    left, top, right, bottom = box
    width, height = int(right - left), int(bottom - top)
    scene = Image.new("RGB", (width, height), SKY)
    draw = ImageDraw.Draw(scene)
    draw.polygon(
        [
            (0, height * 0.66),
            (width * 0.36, height * 0.40),
            (width * 0.90, height * 0.80),
            (width * 0.5, height),
            (0, height),
        ],
        fill=HILL,
    )
    draw.polygon([(width, height * 0.52), (width * 0.20, height), (width, height)], fill=NEAR)
    draw.rectangle((0, height * 0.86, width, height), fill=NEAR)
    centre, radius = (width * 0.66, height * 0.31), width * 0.20
    draw.ellipse(_around(centre, radius), fill=(243, 228, 196))
    draw.ellipse(_around(centre, radius * 0.58), fill=SUN)
    for start in range(0, 360, 24):
        draw.arc(_around(centre, radius), start, start + 13, fill=PAPER, width=int(width * 0.016))
    corners = Image.new("L", scene.size, 0)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, width - 1, height - 1), width * 0.07, fill=255)
    picture.paste(scene, (int(left), int(top)), corners)


def _dot(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
    draw.ellipse(_around((x, y), radius), fill=colour, outline=NIGHT, width=int(radius * 0.3))


def _around(centre: tuple[float, float], radius: float) -> Box:
    x, y = centre
    return x - radius, y - radius, x + radius, y + radius


if __name__ == "__main__":
    main()
