"""A mask to the alpha channel that the service reads, and ComfyUI's stand-ins for no mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .encode import Png, pixels_to_png, resized
from .input_tensors import MASK_REMEDY, check_size, first_mask, size_of
from .tensors import STRIPE_ROWS, start_stripes, tensor_to_pixels, wait_for

if TYPE_CHECKING:  # as in encode.py
    from torch import Tensor

NO_MASK_SIZE = (64, 64)  # ComfyUI's LoadImage: torch.zeros((64, 64)) for a picture without transparency
OPENS_NOTHING = 1  # 8-bit level of a mask


def mask_to_png(mask: Tensor, image_size: tuple[int, int], png_size: tuple[int, int]) -> Png:
    """Encode a mask [H,W], [B,H,W] or [B,1,H,W] (the first one), 1 = replace, as RGBA: transparent = replace.

    The polarity turns here and nowhere else on the way out. `image_size` is the (width, height) of the picture that
    the mask belongs to, `png_size` the one that the picture was sent at; the mask is scaled to the latter.

    Raises: ImageInputError if the mask is of another size than the picture, or of no shape of a mask.
    """
    selected = first_mask(mask)  # HW
    check_size("mask", selected, image_size, MASK_REMEDY)
    rgba = np.zeros((*selected.shape, 4), np.uint8)

    def fill(rows: slice) -> None:
        np.subtract(255, tensor_to_pixels(selected[rows]), out=rgba[rows, :, 3])

    stripes = start_stripes(rgba, fill)
    if image_size == png_size:
        return pixels_to_png(rgba, stripes)
    wait_for(stripes)
    return pixels_to_png(resized(rgba, png_size, Image.Resampling.BILINEAR))


def is_no_mask(mask: Tensor, image_size: tuple[int, int], *, as_before: bool = False) -> bool:
    """Tell ComfyUI's stand-ins for "this picture has no transparency" from a mask: what opens nothing.

    They are 64x64 or, in newer versions, of the picture's size; 0 everywhere, or 1/255 for grey with alpha and CMYK.
    `image_size` is the picture's (width, height). `as_before`: what earlier versions knew, 64x64 zeros alone.

    Raises: ImageInputError if the tensor is of no shape of a mask.
    """
    first = first_mask(mask)
    size = size_of(first)
    if as_before:
        return size == NO_MASK_SIZE and size != image_size and not bool(first.any())
    if size not in (NO_MASK_SIZE, image_size):
        return False
    stripes = (first[y : y + STRIPE_ROWS] for y in range(0, len(first), STRIPE_ROWS))
    return not any(bool((tensor_to_pixels(rows) > OPENS_NOTHING).any()) for rows in stripes)
