"""Pictures in ordinary files: read as Load Image reads them, written as Save Image writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:  # and where it is used: the commands do without torch, which takes seconds and 200 MB
    from torch import Tensor


def read_picture(path: Path) -> Tensor:
    """Return a picture file as float32 [H,W,3] in 0..1, turned upright.

    Raises: OSError if it cannot be read as a picture.
    """
    import torch

    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    return torch.from_numpy(np.asarray(upright, dtype=np.float32) / 255.0)


def read_mask(path: Path) -> Tensor:
    """Return a mask file as float32 [H,W] in 0..1, 1 = replace: the holes of a PNG with alpha, else what is white.

    Raises: OSError if it cannot be read as a picture.
    """
    import torch

    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened)
        if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
            alpha = np.asarray(upright.convert("RGBA").getchannel("A"), dtype=np.float32)
            return torch.from_numpy(1.0 - alpha / 255.0)
        return torch.from_numpy(np.asarray(upright.convert("L"), dtype=np.float32) / 255.0)


def write_pictures(image: Tensor, path: Path) -> Iterator[Path]:
    """Write [n,H,W,3|4] to a file, or to NAME_1, NAME_2 ... for several, and yield each path.

    Raises: OSError, ValueError for a suffix that Pillow does not know.
    """
    import torch

    for index, picture in enumerate(image.mul(255.0).round().to(torch.uint8).cpu().numpy()):
        target = path if len(image) == 1 else path.with_name(f"{path.stem}_{index + 1}{path.suffix}")
        Image.fromarray(picture).save(target)
        yield target
