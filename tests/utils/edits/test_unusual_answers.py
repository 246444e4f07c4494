"""utils/edits/fit.py: answers that no drift explains are no error, and no worse than the plain paste."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import Mock

import pytest
import torch
from openai_image_nodes.utils.edits import composite
from openai_image_nodes.utils.edits.fit import fit
from openai_image_nodes.utils.edits.paste import paste
from support.drift import edited, photograph, rectangle
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d


def resized(pixels: Tensor, height: int, width: int) -> Tensor:
    """Return [H,W,C] scaled to [height,width,C]."""
    channels_first = pixels.permute(2, 0, 1)[None]
    return interpolate(channels_first, (height, width), mode="bilinear", antialias=True)[0].permute(1, 2, 0)


def text_page(changed: Tensor) -> Tensor:
    """Return white paper with rows of dark marks."""
    page = torch.ones_like(changed)
    page[10:-10:6, 12:-12] = 0.1
    page[:, ::5] = 1
    return page


def opaque(changed: Tensor) -> Tensor:
    return torch.cat([changed, torch.ones_like(changed[..., :1])], dim=2)


# What shows the edit where it belongs is judged by the edit, everything else by what a paste shows.
SHOWING: dict[str, Callable[[Tensor], Tensor]] = {
    "half the size": lambda changed: resized(changed, 64, 96),
    "square": lambda changed: resized(changed, 128, 128),
    "cut to another ratio": lambda changed: changed[:, 12:-12],
    "grey": lambda changed: changed.mean(dim=2, keepdim=True),
    "opaque RGBA": opaque,
    "faded": lambda changed: changed.mean(dim=2, keepdim=True) * 0.8 + changed * 0.2,
    "16 bits": lambda changed: (changed * 65535 + 0.4).floor() / 65535,
}
OTHERS: dict[str, Callable[[Tensor], Tensor]] = {
    "one pixel": lambda changed: changed[:1, :1],
    "one row": lambda changed: changed[:1],
    "all black": torch.zeros_like,
    "all white": torch.ones_like,
    "all transparent": lambda changed: torch.cat([changed, torch.zeros_like(changed[..., :1])], dim=2),
    "flat cartoon": lambda changed: (changed * 2).round() / 2,
    "text page": text_page,
    "turned": lambda changed: changed.rot90(),
    "upside down": lambda changed: changed.flip(0),
    "negative": lambda changed: 1 - changed,
    "cut to a square": lambda changed: changed[:, 32:-32],
    "tile of it": lambda changed: changed[:40, :60],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SHOWING, *OTHERS])
def test_unusual_answer_is_no_worse_than_a_paste(name: str) -> None:
    """Outside bit for bit; inside at most a level further from what should be there, in the mean, than a paste."""
    original = resized(photograph("coffee.jpg"), 128, 192)
    mask = rectangle(original, 0.3, 0.3, 0.7, 0.7)
    changed = edited(original, mask, -30)
    answer = {**SHOWING, **OTHERS}[name](changed)
    result, pasted = fit(original, answer, mask).image, paste(original, answer, mask)
    outside = max_pool2d(mask[None], 7, 1, 3)[0] == 0
    assert torch.equal(result[outside][:, :3], original[outside])
    assert (result[outside][:, 3:] == 1).all()
    inside = -max_pool2d(-mask[None], 13, 1, 6)[0] > 0
    wanted = (changed if name in SHOWING else pasted)[inside]
    channels = 4 if pasted.shape[2] == 4 and name not in SHOWING else 3
    assert result.shape == pasted.shape
    errors = [float((it[inside][:, :channels] - wanted[:, :channels]).abs().mean()) * 255 for it in (result, pasted)]
    assert errors[0] <= errors[1] + 1


@pytest.mark.slow
@pytest.mark.parametrize("lowest", [0.0, 1 / 255])
def test_what_a_mask_opens_by_less_than_a_level_stays(lowest: float) -> None:
    """A blurred mask goes on for ever, by less than 1/255: there the picture stays bit for bit."""
    original = resized(photograph("coffee.jpg"), 96, 144)
    mask = torch.exp(-(torch.arange(144) - 72).square() / 200).repeat(96, 1).clamp(min=lowest)
    closed = mask < lowest + 0.5 / 255
    assert (mask[closed] > 0).any()
    assert torch.equal(fit(original, 1 - original, mask, feather=0).image[closed], original[closed])
    assert torch.equal(paste(original, 1 - original, mask)[closed], original[closed])


@pytest.mark.parametrize("broken", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("channels", [3, 4])
def test_broken_pixels_of_the_original_are_repaired(broken: float, channels: int) -> None:
    """What a failed decoding left as no number is painted over as any other pixel is; outside it stays what it is."""
    original = torch.ones(96, 144, channels)
    original[..., :3] = resized(photograph("coffee.jpg"), 96, 144)
    mask = rectangle(original, 0.3, 0.3, 0.6, 0.7)
    answer = original[..., :3].clone()
    original[(mask > 0) | (torch.arange(96) < 3)[:, None]] = broken
    for result in (fit(original, answer, mask).image, paste(original, answer, mask)):
        assert result[mask > 0].isfinite().all()
        assert (result[mask > 0][:, :3] - answer[mask > 0]).abs().max() < 0.02 + (channels == 4)
        assert torch.equal(result[:3].nan_to_num(), original[:3].nan_to_num())


def test_a_pixel_is_the_mean_of_few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of a million pixels was read alone where the picture is one pixel, for five minutes without a stop."""
    original, mask = torch.zeros(1, 1, 3), torch.ones(1, 1)
    answer = torch.full((1024, 1024, 3), 0.25)
    answer[512:] = 0.75
    read = Mock(side_effect=composite.sample)
    monkeypatch.setattr(composite, "sample", read)
    assert fit(original, answer, mask).image.mean().item() == pytest.approx(0.5, abs=0.01)
    assert read.call_count <= composite.MOST_SAMPLES**2
