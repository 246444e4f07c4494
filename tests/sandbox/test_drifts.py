"""sandbox/rendering/drifts.py: edits that come back as the models return them, told from outside."""

from __future__ import annotations

import io

import numpy as np
import pytest
from openai_image_nodes.sandbox import KINDS, drifting, server
from openai_image_nodes.sandbox.rendering.painter import render
from openai_image_nodes.sandbox.requests.validation import ValidatedRequest
from openai_image_nodes.utils.edits.fit import Fit, fit
from PIL import Image
from support.drift import ellipse, photograph, picture, tensor

from .test_painter import asked, file_of, mask_of, pixels

ORIGINAL = photograph("cat.png")
MASK = ellipse(ORIGINAL, (0.5, 0.5), 0.12)
SIZE = (ORIGINAL.shape[1], ORIGINAL.shape[0])


def edit(prompt: str = "a bowl of cherries", image: Image.Image | None = None) -> ValidatedRequest:
    """Return a request to edit the photograph inside the mask."""
    mask = mask_of(((1 - MASK) * 255).byte().numpy())
    return asked(prompt, size=SIZE, operation="edits", images=(file_of(image or picture(ORIGINAL)),), mask=mask)


def fitted(kind: str, prompt: str = "a bowl of cherries") -> Fit:
    """Return what the chain makes of an answer of a kind."""
    with Image.open(io.BytesIO(drifting(kind)(edit(prompt), 0))) as image:
        return fit(ORIGINAL, tensor(image.convert("RGB")), MASK)


@pytest.mark.slow
@pytest.mark.parametrize("prompt", ["a bowl of cherries", "a red fox"])
def test_reframed_is_smaller_and_at_the_top_left(prompt: str) -> None:
    """By 3 to 9 %, unequally; the top left corner stays within 2 px at 1024."""
    result = fitted("reframed", prompt)
    assert result.applied[0] == "alignment"
    assert 0.89 < result.scale_x < 0.975
    assert 0.004 < abs(result.scale_x - result.scale_y) < 0.021
    width, height = SIZE
    corner = (result.dx + (1 - result.scale_x) * width / 2, result.dy + (1 - result.scale_y) * height / 2)
    assert max(abs(side) for side in corner) < 2.5 * max(SIZE) / 1024


@pytest.mark.slow
def test_recoloured_stays_in_place() -> None:
    """Gains only: nothing moves, the colours are matched."""
    result = fitted("recoloured")
    assert "colour match" in result.applied
    assert "alignment" not in result.applied


@pytest.mark.slow
def test_in_place_needs_nothing() -> None:
    """New grain is no drift."""
    assert fitted("in-place").applied == ()


@pytest.mark.slow
@pytest.mark.parametrize("prompt", ["a bowl of cherries", "a red fox"])
def test_redrawn_and_relit_are_told(prompt: str) -> None:
    """Nothing is aligned to the one, nothing matched to the other."""
    redrawn, relit = fitted("redrawn", prompt), fitted("relit", prompt)
    assert redrawn.verdict == "redrawn"
    assert not redrawn.relit
    assert relit.relit
    assert not {"alignment", "colour match"} & {*redrawn.applied, *relit.applied}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_same_request_gets_the_same_bytes(kind: str) -> None:
    """And another prompt others; a generation is drawn as ever."""
    drawn = drifting(kind)
    first = drawn(edit(), 0)
    assert first == drawn(edit(), 0)
    assert first not in (drawn(edit("a red fox"), 0), drawn(edit(), 1))
    assert drawn(asked(), 0) == render(asked(), 0)


@pytest.mark.parametrize("kind", KINDS)
def test_transparent_edit_keeps_its_channels(kind: str) -> None:
    """A picture with alpha comes back with alpha and the size that was asked."""
    request = edit()
    request = asked(size=SIZE, operation="edits", images=request.images, mask=request.mask, transparent=True)
    assert pixels(drifting(kind)(request, 0)).shape == (*SIZE[::-1], 4)


def test_nothing_told_is_the_sandbox_as_ever() -> None:
    """What the mask keeps is kept bit for bit."""
    kept = MASK.numpy() == 0
    answer = pixels(drifting(None)(edit(), 0))
    assert np.array_equal(answer[kept], np.asarray(picture(ORIGINAL))[kept])


@pytest.mark.parametrize(("told", "kind"), [("", None), ("reframed", "reframed"), ("sideways", None)])
def test_kind_of_the_shared_sandbox(told: str, kind: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """A word that is no kind is told in the log and not used."""
    assert server._kind(told) == kind
    assert ("sideways" in caplog.text) == (told == "sideways")
