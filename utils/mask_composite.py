"""Putting back what lies outside a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .input_tensors import check_mask_size, first_mask
from .tensors import opened, pixels_to_tensor, tensor_to_pixels

if TYPE_CHECKING:  # and where it is used: the commands do without torch, which takes seconds and 200 MB
    from torch import Tensor


def lock_outside_mask(result: Tensor, original: Tensor, mask: Tensor) -> Tensor:
    """Return the results with the original's pixels wherever the mask is 0; soft edges are blended.

    result: [n,h,w,3|4], scaled to the original's size if it has another. original: [H,W,C] or [B,H,W,C] (the first),
    C 1, 3 or 4. mask: [H,W], [B,H,W] or [B,1,H,W] (the first), 1 = keep the result. Returns float32 [n,H,W,3], or
    [n,H,W,4] if some pixel of it is transparent, whether by the result or by what was put back.
    Where the mask's 8-bit value opens nothing, the output is the original's 8-bit levels / 255 exactly. Colours are
    blended weighed by their alpha, as the colour of a transparent pixel means nothing. The inputs are not written to.

    Raises: ImageInputError if the mask is not of the original's size, or of no shape of a mask.
    """
    import torch

    weight = _eight_bit(opened(first_mask(mask)))  # HW
    kept = _eight_bit(original[0] if original.ndim == 4 else original)  # HWC
    height, width = weight.shape
    check_mask_size(weight, kept)
    channels = 4 if result.shape[3] == 4 or _has_transparency(kept) else 3
    kept = with_channels(kept, channels)
    locked = torch.empty((len(result), height, width, channels))
    for picture, out in zip(result.detach().cpu().float(), locked, strict=True):
        blend(scaled(with_channels(picture, channels), height, width), kept, weight, out)
    return locked if _has_transparency(locked) else locked[..., :3].contiguous()


def _eight_bit(tensor: Tensor) -> Tensor:
    """Return floats rounded to the 8-bit levels that were sent."""
    return pixels_to_tensor(tensor_to_pixels(tensor))


def _has_transparency(picture: Tensor) -> bool:
    return picture.shape[-1] == 4 and bool(picture[..., 3].min() < 1)


def with_channels(picture: Tensor, channels: int) -> Tensor:
    """[H,W,1|3|4] -> [H,W,channels]; alpha is added as opaque, and dropped where it is."""
    import torch

    colours = picture.expand(-1, -1, 3) if picture.shape[2] == 1 else picture
    if colours.shape[2] >= channels:
        return colours[..., :channels]
    return torch.cat([colours, torch.ones_like(colours[..., :1])], dim=2)


def scaled(picture: Tensor, height: int, width: int) -> Tensor:
    """Return [h,w,3|4] scaled to [height,width,C], colours weighed by alpha."""
    import torch

    if picture.shape[:2] == (height, width):
        return picture
    if picture.shape[2] == 3:
        return _resized(picture, height, width).clamp_(0, 1)
    alpha = picture[..., 3:]
    scaled = _resized(torch.cat([picture[..., :3] * alpha, alpha], dim=2), height, width)
    scaled[..., :3] /= scaled[..., 3:].clamp(min=1 / 255)
    return scaled.clamp_(0, 1)


def _resized(picture: Tensor, height: int, width: int) -> Tensor:
    from torch.nn.functional import interpolate

    channels_first = picture.permute(2, 0, 1)[None]  # HWC -> BCHW
    resized = interpolate(channels_first, (height, width), mode="bicubic", antialias=True, align_corners=False)
    return resized[0].permute(1, 2, 0)  # BCHW -> HWC


def blend(picture: Tensor, kept: Tensor, weight: Tensor, out: Tensor) -> None:
    """Write kept * (1 - weight) + picture * weight, all [H,W,C] but weight [H,W], into `out`.

    What is no number in `kept` counts for the black or white that was sent of it, or no weight would hide it.
    """
    import torch

    if not bool(kept.sum().isfinite()):
        blend(picture, kept.nan_to_num(nan=0.0, posinf=1.0, neginf=0.0), weight, out)
        out.copy_(torch.where(weight[..., None] == 0, kept, out))
        return
    if out.shape[2] == 3:
        torch.lerp(kept, picture, weight[..., None], out=out)
        return
    new, old = weight * picture[..., 3], (1 - weight) * kept[..., 3]  # HW, what each adds to the alpha
    alpha = new + old
    share = torch.where(alpha > 0, new / alpha, weight)[..., None]  # HW1
    out[..., :3] = torch.lerp(kept[..., :3], picture[..., :3], share)
    out[..., 3] = alpha
    out.copy_(torch.where(weight[..., None] == 0, kept, out))
