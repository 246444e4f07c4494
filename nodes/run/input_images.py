"""From the connected pictures to the files that go out, and what the report should say about that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...api import FilePart
from ...utils import encode
from ...utils.input_tensors import mask_of, pictures_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class InputImages:
    """The connected pictures: image [B,H,W,C], mask [B,H,W] or [H,W], references [H,W,C] each, markup [B,H,W,4]."""

    image: Tensor | None = None
    mask: Tensor | None = None
    references: list[Tensor] | None = None
    markup: Tensor | None = None

    def checked(self) -> InputImages:
        """Return the same as tensors of floats; several in the place of one come before the references.

        Raises: ImageInputError for what is no picture or mask.
        """
        own = [] if self.image is None else pictures_of(self.image, "image")
        more = [] if self.references is None else pictures_of(self.references, "references")
        return InputImages(
            own[0] if own else None,
            None if self.mask is None else mask_of(self.mask, "mask"),
            [*own[1:], *more],
            None if self.markup is None else pictures_of(self.markup, "markup")[0],
        )

    def batches(self) -> list[Tensor]:
        """Return the pictures in the order that they go out, as batches [B,H,W,C] of one size each."""
        own = [] if self.image is None else [self.image]
        return [*own, *(picture[None] if picture.ndim == 3 else picture for picture in self.references or [])]


@dataclass
class EncodedInputs:
    """The files of one request; `first` is the first picture [H,W,C], `mask` what it is masked with."""

    files: list[FilePart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    first: Tensor | None = None
    mask: Tensor | None = None
    markup: bool = False
    count: int = 0

    @property
    def image_size(self) -> tuple[int, int] | None:
        """The first picture's (width, height) in pixels."""
        return None if self.first is None else (self.first.shape[1], self.first.shape[0])


def encode_inputs(images: InputImages, *, max_pixels: int) -> EncodedInputs:
    """Return the encoded pictures, mask and markup; larger pictures are scaled down to `max_pixels`.

    Raises: ImageInputError for shapes and sizes that do not fit.
    """
    batches = images.batches()
    encoded = EncodedInputs(count=sum(len(batch) for batch in batches))
    if not batches:
        encoded.mask, encoded.markup = images.mask, images.markup is not None
        return encoded
    pngs = encode.images_to_pngs(batches, max_pixels=max_pixels)
    encoded.first = batches[0][0]
    name = "image" if len(pngs) == 1 else "image[]"
    encoded.files = [_part(name, f"image_{index}.png", png) for index, png in enumerate(pngs)]
    encoded.notes = list(_scaling_notes(batches, pngs))
    size, sent_size = (encoded.first.shape[1], encoded.first.shape[0]), (pngs[0].width, pngs[0].height)
    if images.mask is not None:
        _add_mask(encoded, images.mask, size, sent_size)
    if images.markup is not None:
        encoded.files.append(_part("markup", "markup.png", encode.markup_to_png(images.markup, size, sent_size)))
        encoded.markup = True
    return encoded


def _add_mask(encoded: EncodedInputs, mask: Tensor, size: tuple[int, int], sent_size: tuple[int, int]) -> None:
    if encode.is_no_mask(mask, size):
        encoded.notes.append("The mask opens nothing, as that of a picture without transparency: no mask was sent.")
        return
    encoded.files.append(_part("mask", "mask.png", encode.mask_to_png(mask, size, sent_size)))
    encoded.mask = mask
    if mask.ndim > 2 and mask.shape[0] > 1:
        encoded.notes.append(f"{mask.shape[0]} masks are connected: only the first was used, for the first picture.")
    elif encoded.count > 1:
        encoded.notes.append("The mask belongs to the first of the pictures.")


def _scaling_notes(batches: list[Tensor], pngs: list[encode.Png]) -> Iterator[str]:
    sizes = [(picture.shape[1], picture.shape[0]) for batch in batches for picture in batch]
    for index, ((width, height), png) in enumerate(zip(sizes, pngs, strict=True)):
        if (width, height) != (png.width, png.height):
            yield f"Picture {index} was scaled from {width}x{height} to {png.width}x{png.height} for this connection."


def _part(name: str, filename: str, png: encode.Png) -> FilePart:
    return FilePart(name, filename, png.data, png.digest)
