"""What is connected, as the tensors that the rest of the pack works with, and their shapes.

Whatever has one certain meaning is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import ImageInputError

if TYPE_CHECKING:  # and where it is used: the commands do without torch, which takes seconds and 200 MB
    from torch import Tensor

Size = tuple[int, int]  # width and height in pixels
CHANNELS = (1, 3, 4)
COLLECTED = ("references",)  # of which there may be none
LEVELS = 255
MASK_REMEDY = "Scale the mask to the picture's size, or draw it on this picture."


def pictures_of(value: Any, name: str) -> list[Tensor]:
    """Return what is connected to the input `name` as pictures: batches [B,H,W,C] of floats 0..1, C 1, 3 or 4.

    Taken are batches, single pictures [H,W,C], lists of both, and bool or uint8 in place of floats.

    Raises: ImageInputError for anything else.
    """
    if isinstance(value, list | tuple):
        if not value and name not in COLLECTED:
            raise unusable(value, name)  # else what should be an edit would be made of the prompt alone
        return [batch for each in value for batch in pictures_of(each, name)]
    return [as_batch(_floats(_tensor(value, name), name))]


def mask_of(value: Any, name: str) -> Tensor:
    """Return what is connected to the input `name` as masks [B,H,W] of floats 0..1.

    Taken are [H,W], [B,H,W], [B,1,H,W] and [B,H,W,1], lists of them (the first counts), and bool or uint8.

    Raises: ImageInputError for anything else.
    """
    if isinstance(value, list | tuple) and value:
        return mask_of(value[0], name)
    tensor = _floats(_tensor(value, name), name)
    if tensor.ndim == 4 and 1 in (tensor.shape[1], tensor.shape[3]):
        return tensor[:, 0] if tensor.shape[1] == 1 else tensor[..., 0]
    if tensor.numel() == 0 or tensor.ndim not in (2, 3):
        is_picture = tensor.ndim == 4 and tensor.shape[3] in CHANNELS
        hint = " This is a picture: put Convert Image to Mask between." if is_picture else ""
        raise no_mask(tensor, hint)
    return tensor[None] if tensor.ndim == 2 else tensor


def as_batch(image: Tensor) -> Tensor:
    """Return [H,W,C] or [B,H,W,C] with 1, 3 or 4 channels as [B,H,W,C].

    Raises: ImageInputError if the tensor is of no shape of a picture, or empty; what it seems to be instead is told.
    """
    batch = image[None] if image.ndim == 3 else image
    if batch.ndim == 4 and batch.shape[3] in CHANNELS and batch.numel():
        return batch
    hint = " This looks like a mask: put Convert Mask to Image between." if image.ndim in (2, 3) else ""
    if image.ndim == 4 and image.shape[1] in CHANNELS:
        hint = " It seems to have its channels first: move them to the end."
    told = (
        f"A picture of shape {list(image.shape)} cannot be sent: connect an IMAGE [batch, height, width, channels]"
        " with at least one picture and 1, 3 or 4 channels."
    )
    raise ImageInputError(told + hint)


def first_mask(mask: Tensor) -> Tensor:
    """Return the first mask [H,W] of [H,W], [B,H,W] or [B,1,H,W].

    Raises: ImageInputError if the tensor has another shape.
    """
    single_channel = mask.ndim == 4 and mask.shape[1] == 1
    if mask.numel() == 0 or not (mask.ndim in (2, 3) or single_channel):
        raise no_mask(mask)
    return mask.reshape(-1, *mask.shape[-2:])[0]


def size_of(picture: Any) -> Size:
    """Return (width, height) of a tensor or an array [H,W,...] in pixels."""
    return picture.shape[1], picture.shape[0]


def size_text(width: int, height: int) -> str:
    """Return a size the way that messages write it."""
    return f"{width}x{height}"


def check_size(what: str, pixels: Any, image_size: Size, remedy: str) -> None:
    """Refuse what belongs to a picture of another (width, height); `pixels` are a tensor or an array [H,W,...].

    Raises: ImageInputError.
    """
    size = size_of(pixels)
    if size != image_size:
        raise ImageInputError(
            f"The {what} is {size_text(*size)} and the first picture is {size_text(*image_size)}:"
            f" they must be of one size. {remedy}"
        )


def check_mask_size(mask: Tensor, picture: Tensor) -> None:
    """Refuse a mask [H,W] of another size than its picture [H,W,C]. Raises: ImageInputError."""
    check_size("mask", mask, size_of(picture), MASK_REMEDY)


def _tensor(value: Any, name: str) -> Tensor:
    import torch

    if isinstance(value, torch.Tensor):
        return value
    if type(value).__name__ == "ndarray":
        return torch.from_numpy(value)
    raise unusable(value, name)


def unusable(value: Any, name: str) -> ImageInputError:
    """Return the error for what some node gives out in place of what the input `name` needs."""
    kind = type(value).__name__
    return ImageInputError(f"The input {name} cannot use a value of the kind {kind}. Connect another output.")


def no_mask(tensor: Tensor, hint: str = "") -> ImageInputError:
    """Return the error for a tensor that has not the shape of masks."""
    told = (
        f"A mask of shape {list(tensor.shape)} cannot be used: connect a MASK [height, width] or"
        " [batch, height, width]."
    )
    return ImageInputError(told + hint)


def no_floats(tensor: Tensor) -> ImageInputError:
    """Return the error for a picture of whole numbers, whose scale nobody knows."""
    return ImageInputError(
        f"The picture holds {tensor.dtype}, not floats from 0 to 1: convert it to float and divide it by 255."
    )


def _floats(tensor: Tensor, name: str) -> Tensor:
    """Return floats 0..1; of whole numbers only bool and levels 0..255 have one meaning."""
    import torch

    if tensor.is_floating_point():
        return tensor
    if tensor.dtype == torch.bool:
        return tensor.float()
    if tensor.dtype != torch.uint8:
        raise no_floats(tensor)
    if tensor.numel() and int(tensor.max()) == 1:
        raise ImageInputError(
            f"The input {name} holds whole numbers of 0 and 1 only, which may mean black and white or two almost equal"
            " levels: convert them to floats first."
        )
    return tensor.float() / LEVELS
