"""What a price depends on of the pictures that Load Image shows: their size, and what is painted in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...utils import comfyui
from ...utils.edits.regions import Box, MaskedArea
from ...utils.errors import BrokenPictureError
from ...utils.image_files import size_and_hole
from ..prompt_list.files import inside, leads_outside
from ..run.framing import Picture

INPUT = " [input]"  # what Load Image adds to the name of a file of ComfyUI's input folder
SPOT = MaskedArea(Box(0, 0, 1, 1), 1)


def picture_of(files: Mapping[str, Any], connected: Collection[str], *, mask_mode: str) -> Picture | None:
    """Return what is known of the picture in a node's input, or None where its size or what matters is not.

    files: the file names of the Load Image nodes behind the inputs `image` and `mask`.
    """
    path = _path(files.get("image"))
    if path is None or ("references" in connected and "image" not in connected):
        return None
    try:
        status = path.stat()
        size, area = _facts(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError, BrokenPictureError):  # a name that no file can have, too
        return None
    if "mask" not in connected:
        return Picture(size)
    if files.get("mask") == files.get("image"):
        return Picture(size, has_mask=True, area=area)
    return None if mask_mode == "region" else Picture(size, has_mask=True, area=SPOT)


def _path(name: Any) -> Path | None:
    folder = comfyui.input_folder()
    if folder is None or not isinstance(name, str) or not name:
        return None
    name = name.removesuffix(INPUT)
    return None if leads_outside(name) else inside(folder, name)


@lru_cache(maxsize=64)
def _facts(path: Path, _changed: int, _bytes: int) -> tuple[tuple[int, int], MaskedArea | None]:
    size, hole = size_and_hole(path)
    return size, None if hole is None else MaskedArea(Box(*hole[:4]), hole[4])
