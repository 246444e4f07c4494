"""Draws an SVG file as a picture, with what this machine has: resvg (of the development tools), else Chromium."""

from __future__ import annotations

import importlib
import io
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

SIDE = 1024  # pixels of a drawing
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--default-background-color=00000000")
PATIENCE_S = 60
ADVICE = "(not drawn here: pip install resvg-py)"


def drawn(path: Path) -> Image.Image | None:
    """Return a drawing, 1024 pixels wide, or None where nothing on this machine can draw it."""
    return _by_resvg(path) or _by_browser(path)


def _by_resvg(path: Path) -> Image.Image | None:
    try:
        resvg = importlib.import_module("resvg_py")
        return _opened(bytes(resvg.svg_to_bytes(svg_string=path.read_text(encoding="utf-8"), width=SIDE)))
    except (ImportError, ValueError, OSError, TypeError):  # another version of it is as good as none
        return None


def _by_browser(path: Path) -> Image.Image | None:
    named = os.environ.get("CHROMIUM")
    browser = named or next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder) / "page.html", Path(folder) / "shot.png"
        page.write_text(f'<body style="margin:0"><img width={SIDE} src="{path.resolve().as_uri()}">', encoding="utf-8")
        command = [browser, *QUIET, f"--window-size={SIDE},{SIDE}", f"--screenshot={shot}", page.as_uri()]
        try:
            subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=True)  # noqa: S603 - our own page
            return _opened(shot.read_bytes())
        except (OSError, subprocess.SubprocessError):
            return None


def _opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture
