"""Pictures in files that somebody sent: told by their content, and read by no other program."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai_image_nodes.utils import read_image as opening
from openai_image_nodes.utils.errors import BrokenPictureError
from openai_image_nodes.utils.image_files import image_bytes, read_image, read_mask
from PIL import EpsImagePlugin, Image

PICTURE = Image.fromarray(np.random.default_rng(5).integers(0, 256, (6, 8, 3), dtype=np.uint8))
READERS: list[Callable[[Path], Any]] = [read_image, read_mask, image_bytes]
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\n%%EndComments\n8 6 scale showpage\n%%EOF\n"


def file_of(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    PICTURE.save(out, kind, **options)
    return out.getvalue()


KNOWN = {
    "PNG": file_of("PNG"),
    "JPEG": file_of("JPEG"),
    "WebP": file_of("WEBP", lossless=True),
    "GIF": file_of("GIF"),
    "BMP": file_of("BMP"),
    "TIFF": file_of("TIFF"),
    "TIFF of the other order": file_of("TIFF", big_tiff=True),
}
OTHERS = {
    "EPS": EPS,
    "EPS with a preview": b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 30, len(EPS), 0, 0, 0, 0) + b"\xff\xff" + EPS,
    "PDF": b"%PDF-1.4\n",
    "PostScript": b"%!PS\nshowpage\n",
    "PPM": file_of("PPM"),
    "TGA": file_of("TGA"),
    "ICO": file_of("ICO"),
    "PCX": file_of("PCX"),
    "SGI": file_of("SGI"),
    "JPEG 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n",
    "AVIF": b"\x00\x00\x00\x1cftypavif",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "XBM": b"#define im_width 8\n#define im_height 6\nstatic char im_bits[] = {0};\n",
    "WMF": b"\xd7\xcd\xc6\x9a\x00\x00" + bytes(60),
    "GRIB": b"GRIB\x00\x00\x00\x01",
    "HDF5": b"\x89HDF\r\n\x1a\n",
    "MPEG": b"\x00\x00\x01\xb3\x00\x80\x06\x00",
    "WAV": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "text": b"a red fox",
    "nothing": b"",
}


@pytest.mark.parametrize("kind", KNOWN)
@pytest.mark.parametrize("name", ["cat.png", "cat.eps", "cat"])
def test_six_kinds_are_read_whatever_their_name(tmp_path: Path, kind: str, name: str) -> None:
    """The content says what it is."""
    path = tmp_path / name
    path.write_bytes(KNOWN[kind])
    image, mask = read_image(path)
    assert (image.shape, mask) == ((1, 6, 8, 3), None)
    if kind not in ("JPEG", "GIF"):
        assert np.array_equal((image[0] * 255).round().numpy(), np.asarray(PICTURE))
    assert read_mask(path).shape == (1, 6, 8)
    assert image_bytes(path) == 8 * 6 * 3 * 4


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("read", READERS)
def test_every_other_kind_is_refused_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, read: Callable[[Path], Any]
) -> None:
    """An EPS called cat.png started Ghostscript, which is a language of its own."""
    started: list[Any] = []
    for name in ("Popen", "call", "check_call", "run", "check_output"):
        monkeypatch.setattr(subprocess, name, lambda *told, **_options: started.append(told))
    monkeypatch.setattr(os, "system", started.append)
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *told, **_options: started.append(told))
    path = tmp_path / "cat.png"
    path.write_bytes(OTHERS[kind])
    with pytest.raises(BrokenPictureError):
        read(path)
    assert started == []


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")
@pytest.mark.parametrize("read", READERS)
def test_what_is_no_ordinary_file_is_refused(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    """To open a pipe would wait for ever, also over a link, and a device may never end."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", tmp_path / "link.png", Path("/dev/zero"), tmp_path):
        with pytest.raises(BrokenPictureError, match="no ordinary file"):
            read(path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.png")


@pytest.mark.parametrize("kind", KNOWN)
@pytest.mark.parametrize("read", READERS)
def test_size_is_refused_by_the_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, read: Callable[[Path], Any]
) -> None:
    """Before a pixel is decoded, for every kind."""
    monkeypatch.setattr(opening, "FILE_MAX_PIXELS", 47)
    path = tmp_path / "cat.png"
    path.write_bytes(KNOWN[kind])
    with pytest.raises(BrokenPictureError, match="8x6, more than"):
        read(path)


def test_a_thin_picture_is_converted_in_small_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow warns of strips that are larger than a picture may be; they are not."""
    strips: list[tuple[int, int]] = []
    crop = Image.Image.crop

    def noted(self: Image.Image, box: Any) -> Image.Image:
        strips.append((box[2] - box[0], box[3] - box[1]))
        return crop(self, box)

    monkeypatch.setattr(Image.Image, "crop", noted)
    assert opening.image_to_pixels(Image.new("L", (1 << 20, 9))).shape == (9, 1 << 20, 3)
    assert max(width * height for width, height in strips) <= opening.STRIP_PIXELS
