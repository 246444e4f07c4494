"""Putting an answer into a picture as it came: scaled to its place, by the mask's own values."""

from __future__ import annotations

from torch import Tensor

from ..input_tensors import check_mask_size
from ..mask_composite import blend, scaled, with_channels
from ..tensors import closed_below
from .fit import channels_of
from .regions import Box


def paste(original: Tensor, answer: Tensor, mask: Tensor, *, box: Box | None = None) -> Tensor:
    """Return the original [H,W,1|3|4] with an answer [h,w,1|3|4] inside the mask [H,W], 1 = show the answer.

    The answer shows `box` of the original, by default all of it. Where the mask opens nothing the result has the
    original's values bit for bit. It has 3 channels, or 4 if the original has or the answer is transparent somewhere.

    Raises:
        ImageInputError: the mask is not of the original's size.
    """
    check_mask_size(mask, original)
    height, width = mask.shape
    box = box or Box(0, 0, width, height)
    inner = box.inside(width, height)
    channels = channels_of(original, answer)
    result = with_channels(original, channels).float().clone()
    fitted = scaled(with_channels(answer.float(), max(3, channels)), box.height, box.width)
    top, left = inner.top - box.top, inner.left - box.left
    fitted = fitted[top : top + inner.height, left : left + inner.width]
    place = (slice(inner.top, inner.bottom), slice(inner.left, inner.right))
    out = result[place]
    share = mask[place].float().clamp(0, 1)
    blend(fitted, out.clone(), share.where(share >= closed_below(mask), 0.0), out)
    return result
