"""The bytes that come back to tensors: the mirror of encode.py."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageSequence

from .errors import BrokenPictureError
from .input_tensors import size_of, size_text
from .read_image import MAX_PIXELS, decode_picture, image_errors, image_to_pixels, open_picture
from .tensors import Pixels, parallel_map, pixels_to_tensor

if TYPE_CHECKING:  # and where it is used: the commands do without torch, which takes seconds and 200 MB
    from torch import Tensor

MOST_PICTURES = 16  # and frames: the service makes at most 10 and 16
LARGEST_PIXELS = 8_294_400  # of a picture that the service makes, 3840x2160 (docs/service.md)
MARGIN = 2  # a compatible server may make larger ones
NEAR_PX = 16  # sizes that differ by no more are made equal by scaling; the eye does not see that
GONE = np.empty((0, 0, 3), np.uint8)


class Decoded(NamedTuple):
    """Pictures as ComfyUI has them.

    image: float32 [n,H,W,3], or [n,H,W,4] if some pixel of some picture is transparent. alpha: float32 [n,H,W] in
    LoadImage's polarity, 1 = transparent. notes: what was changed. broken: the indices of what could not be decoded.
    """

    image: Tensor
    alpha: Tensor
    notes: list[str]
    broken: list[int]


class Frames(NamedTuple):
    """An animation: image and alpha as in Decoded, one per frame, how long each is shown, and what was left out."""

    image: Tensor
    alpha: Tensor
    durations_ms: list[int]
    notes: list[str]


def pixel_limit(count: int) -> int:
    """Return how many pixels a batch of `count` pictures may have in all, the canvas around them included."""
    return max(MAX_PIXELS, count * LARGEST_PIXELS * MARGIN)


def pngs_to_image(pictures: Sequence[bytes], *, at_most: int = MOST_PICTURES) -> Decoded:
    """Decode PNG, WebP or JPEG files into one batch; level k becomes k / 255 exactly.

    Sizes that differ by up to NEAR_PX from the first one are scaled to it; others are centred on a canvas that holds
    all: black, or transparent if some picture has transparency. What cannot be decoded is left out, so are the
    smallest where there are more than `at_most`, and what makes more of all together than `pixel_limit`.

    Raises: BrokenPictureError if none can be decoded.
    """
    count = min(at_most, MOST_PICTURES)
    chosen = _largest(pictures, count)
    within = _within(pixel_limit(count), [pictures[index] for index in chosen])
    results = dict(zip(chosen, parallel_map(_decoded_or_error, within), strict=True))
    _leave_out_large_canvas(results, pixel_limit(count))
    good = {index: result for index, result in results.items() if not isinstance(result, BrokenPictureError)}
    faults = {index: result for index, result in results.items() if isinstance(result, BrokenPictureError)}
    results.clear()
    notes = [f"Picture {index + 1} was left out: {fault}." for index, fault in faults.items()]
    if not good:
        raise BrokenPictureError(" ".join(notes) or "There are no pictures.")
    left = [index for index in range(len(pictures)) if index not in chosen]
    if left:
        notes.append(f"{len(pictures)} pictures came and {count} can be shown: the others were left out.")
    notes += _bring_to_one_size(good)
    waiting = list(good.values())
    good.clear()
    return Decoded(*_batch(waiting), notes, sorted([*faults, *left]))


def _largest(pictures: Sequence[bytes], count: int) -> list[int]:
    """Return the indices of `count` pictures: of the largest ones, else the first ones."""
    if len(pictures) <= count:
        return list(range(len(pictures)))
    areas = [_area(data) for data in pictures[: MOST_PICTURES + 1]]
    return sorted(sorted(range(len(areas)), key=areas.__getitem__, reverse=True)[:count])


def _area(data: bytes) -> int:
    """Return how many pixels a picture has, 0 for what is none."""
    try:
        width, height = open_picture(data).size
    except BrokenPictureError:
        return 0
    return width * height


def alpha_of(image: Tensor) -> Tensor:
    """Return the mask [n,H,W] of an image [n,H,W,3|4] in LoadImage's polarity, 1 = transparent."""
    import torch

    return 1 - image[..., 3] if image.shape[3] == 4 else torch.zeros(image.shape[:3])


def is_opaque(alpha: Tensor) -> bool:
    """Tell whether a picture among [n,H,W], 1 = transparent, has nothing transparent."""
    return not bool((alpha > 0).flatten(1).any(1).all())


def gif_to_frames(data: bytes) -> Frames:
    """Decode the frames of a GIF as they are seen, composited onto the ones before.

    At most MOST_PICTURES, and no more than MAX_PIXELS have room for: all frames together are one picture's work.

    Raises: BrokenPictureError if it cannot be decoded.
    """
    animation = open_picture(data)
    frames: list[Pixels] = []
    durations_ms: list[int] = []
    notes: list[str] = []
    try:
        with image_errors():
            for frame in ImageSequence.Iterator(animation):
                most = min(MOST_PICTURES, MAX_PIXELS // max(1, frame.width * frame.height))  # a later one may be larger
                if len(frames) >= most:
                    notes.append(f"The animation has more than {len(frames)} frames; those after them were left out.")
                    break
                frames.append(image_to_pixels(frame))
                durations_ms.append(int(frame.info.get("duration", 0)))
    except BrokenPictureError as exc:
        if not frames:
            raise
        notes.append(f"The animation ends after {len(frames)} frames: {exc}.")
    return Frames(*_batch(frames), durations_ms, notes)


def preview_image(data: bytes) -> Image.Image:
    """Decode a picture for ComfyUI's previews: RGB, as they are sent as JPEG; transparency is shown on white.

    Raises: BrokenPictureError if it cannot be decoded.
    """
    picture = Image.fromarray(decode_picture(data))
    if picture.mode == "RGB":
        return picture
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _within(limit: int, pictures: Sequence[bytes]) -> list[bytes | BrokenPictureError]:
    """Return the pictures, by their headers only as many as the limit has room for, and an error for each other."""
    taken: list[bytes | BrokenPictureError] = []
    for data in pictures:
        try:
            width, height = open_picture(data).size
        except BrokenPictureError as exc:
            taken.append(exc)
            continue
        fits = width * height <= limit
        limit -= width * height if fits else 0
        taken.append(data if fits else _too_large(width, height))
    return taken


def _leave_out_large_canvas(pictures: dict[int, Pixels | BrokenPictureError], limit: int) -> None:
    """Put an error in place of each picture with which one size for all would have more pixels than the limit."""
    height = width = count = 0
    for index, pixels in pictures.items():
        if isinstance(pixels, BrokenPictureError):
            continue
        larger = max(height, pixels.shape[0]), max(width, pixels.shape[1])
        if larger[0] * larger[1] * (count + 1) > limit:
            pictures[index] = _too_large(*size_of(pixels))
        else:
            (height, width), count = larger, count + 1


def _too_large(width: int, height: int) -> BrokenPictureError:
    return BrokenPictureError(f"the picture is {size_text(width, height)}, too much for one batch with the others")


def _decoded_or_error(data: bytes | BrokenPictureError) -> Pixels | BrokenPictureError:
    if isinstance(data, BrokenPictureError):
        return data
    try:
        return decode_picture(data)
    except BrokenPictureError as exc:
        return exc


def _bring_to_one_size(pictures: dict[int, Pixels]) -> list[str]:
    """Scale, in place, what is nearly of the first one's size to it; return notes on that and on what is centred."""
    first = next(iter(pictures))
    size, notes = size_of(pictures[first]), []
    for index, pixels in pictures.items():
        old = size_of(pixels)
        if old != size and max(abs(old[0] - size[0]), abs(old[1] - size[1])) <= NEAR_PX:
            pictures[index] = np.array(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
            notes.append(
                f"Picture {index + 1} was scaled from {size_text(*old)} to {size_text(*size)},"
                f" the size of picture {first + 1}."
            )
    height, width = _canvas(list(pictures.values()))
    notes += [
        f"Picture {index + 1} is {size_text(*size_of(pixels))} and was centred on {size_text(width, height)},"
        " as a batch has one size."
        for index, pixels in pictures.items()
        if size_of(pixels) != (width, height)
    ]
    return notes


def _canvas(pictures: Sequence[Pixels]) -> tuple[int, int]:
    """Return the (height, width) that holds all."""
    return max(len(pixels) for pixels in pictures), max(pixels.shape[1] for pixels in pictures)


def _batch(pictures: list[Pixels]) -> tuple[Tensor, Tensor]:
    """Return image [n,H,W,3|4] and alpha [n,H,W]; empties `pictures` on the way, to hold nothing twice."""
    import torch

    height, width = _canvas(pictures)
    channels = max(pixels.shape[2] for pixels in pictures)
    one_size = all(pixels.shape[:2] == (height, width) for pixels in pictures)
    image = (torch.empty if one_size else _zeros)((len(pictures), height, width, channels))
    alpha = _zeros((len(pictures), height, width))
    parallel_map(partial(_fill, image, alpha, pictures), range(len(pictures)))
    return image, alpha


def _zeros(shape: tuple[int, ...]) -> Tensor:
    """Return zeros that take no memory before they are written to, unlike torch's."""
    import torch

    return torch.from_numpy(np.zeros(shape, np.float32))


def _fill(image: Tensor, alpha: Tensor, pictures: list[Pixels], index: int) -> None:
    import torch

    pixels, pictures[index] = pictures[index], GONE
    (height, width, channels), canvas = pixels.shape, image[index]
    top, left = (canvas.shape[0] - height) // 2, (canvas.shape[1] - width) // 2
    window = canvas[top : top + height, left : left + width]  # HWC
    pixels_to_tensor(pixels, window[..., :channels])
    if canvas.shape[2] == 4:
        if channels == 3:
            window[..., 3] = 1
        torch.sub(1, canvas[..., 3], out=alpha[index])
