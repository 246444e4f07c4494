"""From the connected pictures to the files that go out, and what the report should say about that."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ...api import Connection, FilePart
from ...api.catalog import validation
from ...api.catalog.schemas import OpenAIImageEditRequest, OpenAIImageGenerationRequest
from ...utils import encode
from ...utils.input_tensors import Size, as_batch, check_mask_size, first_mask, mask_of, pictures_of, size_of
from ...utils.tensors import is_lifted, opened
from .framing import Framing, Picture
from .parameters import FITTED, ImageParameters, refuse_nothing_to_match, service_fields, without_previews

if TYPE_CHECKING:
    from torch import Tensor


REFILLED = (
    "What is transparent in a connected picture was sent white, for the model sees the colours there. To send the"
    " picture's own, set transparent_pixels to own colours."
)


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

    @cached_property
    def first(self) -> Tensor | None:
        """The first picture [H,W,C], which mask and markup belong to. Raises: ImageInputError for what is none."""
        batches = self.batches()
        return as_batch(batches[0])[0] if batches else None

    @cached_property
    def has_mask(self) -> bool:
        """Tell whether there is a mask, and not ComfyUI's stand-in for none."""
        is_none = self.mask is None or (self.first is not None and encode.is_no_mask(self.mask, size_of(self.first)))
        return not is_none

    def known(self, mask_mode: str) -> Picture | None:
        """Return what decides how the first picture is sent under a mask mode, or None without a picture.

        Raises: ImageInputError for what is no picture, and for a mask that does not fit where the mode works with it.
        """
        first = self.first
        if first is None:
            return None
        if mask_mode not in FITTED or self.mask is None:
            return Picture(size_of(first), self.has_mask)
        if not self.has_mask:
            return Picture(size_of(first), has_mask=True)
        from ...utils.edits.regions import masked_area

        mask = first_mask(self.mask)
        check_mask_size(mask, first)
        return Picture(size_of(first), has_mask=True, area=masked_area(mask), was_open=is_lifted(mask))


@dataclass
class EncodedInputs:
    """The files of one request; `first` is the first picture [H,W,C], `mask` what it is masked with.

    framing: what is sent of that picture; sent_size: the (width, height) that this was sent at; is_new: whether earlier
    versions sent something else for the same.
    """

    files: list[FilePart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    first: Tensor | None = None
    mask: Tensor | None = None
    markup: bool = False
    count: int = 0
    framing: Framing = field(default_factory=Framing)
    sent_size: Size | None = None
    is_new: bool = False

    def request(self, parameters: ImageParameters, connection: Connection) -> OpenAIImageGenerationRequest:
        """Return the request for what goes out; it asks for a stream where sketches can be shown.

        Raises: RefusedError for what the model does not take.
        """
        edits, mask = self.count > 0, self.mask is not None
        connection.check_alive(parameters.model)
        refuse_nothing_to_match(parameters.size, edits=edits)
        fields = service_fields(vars(parameters), asked=self.framing.asked, edits=edits)
        if parameters.live_preview and without_previews(connection, parameters.n) is None:
            fields.update(stream=True, partial_images=parameters.live_preview)
        if not edits:
            sources = {"image_count": 0, "mask": mask, "markup": self.markup}
            validation.check({**fields, **sources}, operation="generations", shutdowns=False)
            return OpenAIImageGenerationRequest(**fields)
        return OpenAIImageEditRequest(**fields, image_count=self.count, mask=mask, markup=self.markup)


def encode_inputs(
    images: InputImages,
    framing: Framing | None = None,
    *,
    max_pixels: int,
    transparent_pixels: str = "filled white",
    as_before: bool = False,
) -> EncodedInputs:
    """Return the encoded pictures, mask and markup; larger pictures are scaled down to `max_pixels`.

    `as_before`: as versions sent them that knew neither `transparent_pixels` nor what masks open nothing.

    Raises: ImageInputError for shapes and sizes that do not fit.
    """
    framing = framing or Framing()
    batches = images.batches()
    encoded = EncodedInputs(count=sum(len(batch) for batch in batches), framing=framing)
    if not batches:
        encoded.mask, encoded.markup = images.mask, images.markup is not None
        return encoded
    encoded.first = batches[0][0]
    sent = _cut(images, framing, encoded.first)
    under: encode.Under = "any" if as_before else "own colours" if transparent_pixels == "own colours" else "white"
    pngs = encode.images_to_pngs(sent.batches(), max_pixels=max_pixels, under=under)
    encoded.is_new = any(png.is_refilled for png in pngs)
    if encoded.is_new and under == "white":
        encoded.notes.append(REFILLED)
    name = "image" if len(pngs) == 1 else "image[]"
    encoded.files = [_part(name, f"image_{index}.png", png) for index, png in enumerate(pngs)]
    sizes = [size_of(picture) for batch in sent.batches() for picture in batch]
    for number, ((width, height), png) in enumerate(zip(sizes, pngs, strict=True), 1):
        if (width, height) != (png.width, png.height):
            encoded.notes.append(
                f"Picture {number} was scaled from {width}x{height} to {png.width}x{png.height} for this connection."
            )
    size, sent_size = sizes[0], (pngs[0].width, pngs[0].height)
    encoded.sent_size = sent_size
    mask = images.mask
    if mask is not None and sent.mask is not None and (images.has_mask or (as_before and _was_mask(images))):
        encoded.files.append(_part("mask", "mask.png", encode.mask_to_png(sent.mask, size, sent_size)))
        encoded.mask = mask
        if mask.ndim > 2 and mask.shape[0] > 1:
            encoded.notes.append(
                f"{mask.shape[0]} masks are connected: only the first was used, for the first picture."
            )
        elif encoded.count > 1:
            encoded.notes.append("The mask belongs to the first of the pictures.")
    elif mask is not None:
        encoded.is_new = encoded.is_new or _was_mask(images)
        encoded.notes.append("The mask opens nothing, as that of a picture without transparency: no mask was sent.")
    if sent.markup is not None:
        encoded.files.append(_part("markup", "markup.png", encode.markup_to_png(sent.markup, size, sent_size)))
        encoded.markup = True
    return encoded


def _cut(images: InputImages, framing: Framing, first: Tensor) -> InputImages:
    """Return the pictures with what is sent of the first one, its mask and its markup in place of all of it."""
    region = framing.region
    if region is None or not framing.is_cut:
        return images
    from ...utils.edits.crop import cut_out, part

    batches, markup = images.batches(), images.markup
    mask = first_mask(images.mask) if images.mask is not None and images.has_mask else first.new_zeros(first.shape[:2])
    check_mask_size(mask, first)
    if region.is_whole:
        sent, mask = part(first, region.box), part(mask[..., None], region.box, mode="constant")[..., 0]
    else:
        sent, mask = cut_out(first, opened(mask), region)
    if markup is not None:
        markup = part(markup.reshape(-1, *markup.shape[-3:])[0], region.box, mode="constant")
    others = [batch for batch in (batches[0][1:], *batches[1:]) if len(batch)]
    return InputImages(sent[None], mask, others, markup)


def _was_mask(images: InputImages) -> bool:
    """Tell whether earlier versions sent the mask."""
    if images.mask is None or images.first is None:
        return False
    mask, size = first_mask(images.mask), size_of(images.first)
    return size_of(mask) == size and not encode.is_no_mask(mask, size, as_before=True)


def _part(name: str, filename: str, png: encode.Png) -> FilePart:
    return FilePart(name, filename, lambda: png.data, png.digest)
