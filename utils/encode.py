"""Tensors to the PNG files that go out, a mask to the alpha channel that the service reads."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from .errors import ImageInputError
from .input_tensors import MASK_REMEDY, as_batch, check_size, first_mask, size_of
from .png import encode_png
from .tensors import (
    STRIPE_ROWS,
    Pixels,
    Stripes,
    done,
    parallel_map,
    start_pixels,
    start_stripes,
    submit_digest,
    tensor_to_pixels,
    wait_for,
)

if TYPE_CHECKING:  # and where it is used: the commands do without torch, which takes seconds and 200 MB
    from torch import Tensor

Under = Literal["any", "white", "own colours"]
NO_MASK_SIZE = (64, 64)  # ComfyUI's LoadImage: torch.zeros((64, 64)) for a picture without transparency
OPENS_NOTHING = 1  # 8-bit level of a mask


class Png:
    """A picture that may go out; `digest` names its pixels: SHA-256 of b"{H}x{W}x{C}:" + raw pixels.

    It is encoded when it goes out: what the store has an answer to does not. `is_refilled` tells that colours under
    fully transparent pixels were changed.
    """

    def __init__(self, pixels: Pixels, digest: str) -> None:
        self.height, self.width, _ = pixels.shape
        self.digest = digest
        self.is_refilled = False
        self._pixels, self._data = pixels, b""
        self._lock = threading.Lock()

    @property
    def data(self) -> bytes:
        """The file, in place of the pixels once it was asked for."""
        with self._lock:
            if not self._data:
                self._data = encode_png(self._pixels)
                del self._pixels
            return self._data


def images_to_pngs(image: Tensor | Sequence[Tensor], *, max_pixels: int, under: Under = "any") -> list[Png]:
    """Make files of every picture of one or more batches [B,H,W,C] or [H,W,C] of floats 0..1 with 1, 3 or 4 channels.

    Pictures of more than `max_pixels` are scaled down, their ratio kept. Grey becomes RGB. `under` is the colour where
    a pixel is fully transparent, which models see: white, the picture's own, or whatever scaling leaves there.

    Raises: ImageInputError for another number of axes or channels, an empty batch, an empty picture, or no floats.
    """
    batches = [image] if not isinstance(image, Sequence) else image
    pictures = [picture for batch in batches for picture in as_batch(batch)]
    return parallel_map(partial(_picture_to_png, max_pixels=max_pixels, under=under), pictures)


def scaled_size(width: int, height: int, max_pixels: int) -> tuple[int, int]:
    """Return the largest (width, height) of the same ratio with at most `max_pixels`; never larger than it was."""
    if width * height <= max_pixels:
        return width, height
    scaled_width = min(max(1, math.floor(width * math.sqrt(max_pixels / (width * height)))), max_pixels)
    scaled_height = min(max(1, round(scaled_width * height / width)), max_pixels // scaled_width)
    return scaled_width, scaled_height


def markup_to_png(markup: Tensor, image_size: tuple[int, int], png_size: tuple[int, int]) -> Png:
    """Encode RGBA marks [B,H,W,4] or [H,W,4] (the first one), scaled to `png_size` as a mask is.

    Raises: ImageInputError for not four channels, another size than the picture's, or no transparent pixel.
    """
    pixels = tensor_to_pixels(as_batch(markup)[0])  # HWC
    if pixels.shape[2] != 4:
        raise ImageInputError(
            f"The markup has {pixels.shape[2]} channels and needs 4 (RGBA): marks on a transparent background."
            " Join the picture with an alpha mask first."
        )
    check_size("markup", pixels, image_size, "Draw the markup at the picture's size.")
    if pixels[..., 3].min() == 255:
        raise ImageInputError(
            "The markup has no transparent pixel, so it would cover the whole picture."
            " Leave everything but the marks transparent."
        )
    return pixels_to_png(resized(pixels, png_size, Image.Resampling.BILINEAR))


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


def _picture_to_png(picture: Tensor, max_pixels: int, under: Under) -> Png:
    pixels, stripes = start_pixels(picture)  # HWC
    height, width, channels = pixels.shape
    size = scaled_size(width, height, max_pixels)
    if size == (width, height) and channels == 3:
        return pixels_to_png(pixels, stripes)
    wait_for(stripes)
    rgb = np.repeat(pixels, 3, axis=2) if channels == 1 else pixels
    sent = resized(rgb, size, Image.Resampling.LANCZOS)
    if channels != 4 or under == "any" or bool(sent[..., 3].min()):
        return pixels_to_png(sent)
    hidden = sent[..., 3] == 0  # HW
    colours = 255 if under == "white" else resized(rgb[..., :3], size, Image.Resampling.LANCZOS)[hidden]
    if bool((sent[hidden, :3] == colours).all()):
        return pixels_to_png(sent)
    refilled = sent.copy()
    refilled[hidden, :3] = colours
    png = pixels_to_png(refilled)
    png.is_refilled = True
    return png


def resized(pixels: Pixels, size: tuple[int, int], resample: Image.Resampling) -> Pixels:
    """Scale [H,W,3|4] to (width, height); Pillow weighs the colours of RGBA by their alpha.

    Lanczos keeps pictures sharp. It also overshoots at edges, which would open a mask a little where it is closed:
    masks and markup take the bilinear filter, which cannot.
    """
    if size_of(pixels) == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, resample))


def pixels_to_png(pixels: Pixels, stripes: Stripes = ()) -> Png:
    """Name pixels that are there, or of which the stripes are being made."""
    digest = submit_digest(partial(_digest, pixels.shape, stripes or [done(pixels)]))
    wait_for(stripes)
    return Png(pixels, digest.result())


def _digest(shape: tuple[int, ...], stripes: Stripes) -> str:
    digest = hashlib.sha256(f"{'x'.join(map(str, shape))}:".encode())
    for stripe in stripes:
        digest.update(np.ascontiguousarray(stripe.result()).data)
    return digest.hexdigest()
