"""The demo's contact sheet shows a vector drawing as a picture, by whatever this machine has to draw it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import vectors

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20"><rect width="10" height="20" fill="#ff0000"/></svg>'


@pytest.fixture
def drawing(tmp_path: Path) -> Path:
    path = tmp_path / "one drawing.svg"
    path.write_text(SVG, encoding="utf-8")
    return path


def test_drawing_is_a_picture(drawing: Path) -> None:
    """Its left half is red, and what it leaves free is transparent."""
    picture = vectors.drawn(drawing)
    assert picture is not None
    assert picture.size == (vectors.SIDE, vectors.SIDE)
    assert picture.convert("RGBA").getpixel((100, 500)) == (255, 0, 0, 255)
    assert picture.convert("RGBA").getpixel((900, 500))[3] == 0


def test_what_cannot_be_drawn_is_named(drawing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the tool and without a browser nothing is made up; what is no drawing is none either."""
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    monkeypatch.setattr(vectors, "BROWSERS", ())
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert vectors.drawn(drawing) is None
    monkeypatch.undo()
    drawing.write_text("no drawing", encoding="utf-8")
    assert vectors._by_resvg(drawing) is None
