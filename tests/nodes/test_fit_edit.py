"""Fit Edit to Picture: an edit of whatever model, put back into its original. Nothing is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from openai_image_nodes import NODE_CLASS_MAPPINGS
from openai_image_nodes.api.errors import RefusedError
from openai_image_nodes.utils import comfyui
from openai_image_nodes.utils.errors import ImageInputError
from support.asker import until
from support.drift import Drift, edited, ellipse, rectangle
from support.drifting import scene
from support.node_calls import awaited

FitEdit = NODE_CLASS_MAPPINGS["OIN_FitEdit"]
WIDTH, HEIGHT = 600, 400
SMALLER = Drift(scale=(0.95, 0.94), shift=(-0.05, -0.04), gain=(0.97, 1.0, 0.98))


def fit(original: Any, edit: Any, **inputs: Any) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    """Run the node and return image, mask and the report's content."""
    image, mask, report = awaited(FitEdit().fit_edit(original, edit, **inputs))
    return image, mask, json.loads(report)


@pytest.mark.parametrize("name", ["original", "edited"])
def test_list_without_pictures_is_told(name: str) -> None:
    """An output of any type can be linked, also an empty list."""
    pictures = {"original": torch.rand(1, 8, 8, 3), "edited": torch.rand(1, 8, 8, 3), name: []}
    with pytest.raises(ImageInputError, match=f"{name} cannot use a value of the kind list"):
        awaited(FitEdit().fit_edit(**pictures))


@pytest.mark.parametrize("mode", ["x", "Blend", "", None, 5, b"blend", ["blend"], {"mode": "blend"}])
def test_mode_that_nobody_knows_is_refused(mode: Any) -> None:
    """A link may give anything: it is neither taken for paste, nor an error that says nothing."""
    with pytest.raises(RefusedError, match=r"^mode .* is not known\. Choose one of blend, paste"):
        awaited(FitEdit().fit_edit(torch.rand(1, 8, 8, 3), torch.rand(1, 8, 8, 3), mode=mode))


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return scene(WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def mask(photo: torch.Tensor) -> torch.Tensor:
    return ellipse(photo, (0.55, 0.5), 0.07)


@pytest.fixture(scope="module")
def edit(photo: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return SMALLER.answer(edited(photo, mask), supersampled=1)


@pytest.mark.slow
def test_edit_is_put_back_in_place(photo: torch.Tensor, mask: torch.Tensor, edit: torch.Tensor) -> None:
    """Inside the mask it is what a perfect answer shows; far from it every pixel is the original's, bit for bit."""
    fine = photo * 0.98 + 0.003  # floats between the levels
    image, used, report = fit(fine[None], edit[None], mask=mask[None])
    (told,) = report["fits"]
    assert told["summary"].startswith("aligned: was 5.5 % smaller")
    assert (told["scale_x"], told["scale_y"]) == (pytest.approx(0.95, abs=2e-3), pytest.approx(0.94, abs=2e-3))
    assert torch.equal(used[0], mask)
    far = ellipse(photo, (0.55, 0.5), 0.12) == 0
    assert torch.equal(image[0][far], fine[far])
    inner = ellipse(photo, (0.55, 0.5), 0.05) > 0.5
    assert (image[0] - edited(photo, mask))[inner].abs().mean() < 0.03


@pytest.mark.slow
def test_without_a_mask_what_changed_is_found(photo: torch.Tensor, mask: torch.Tensor, edit: torch.Tensor) -> None:
    """It is given out as a mask that covers the change and little more."""
    image, used, _ = fit(photo[None], edit[None])
    assert used[0][mask > 0.5].mean() > 0.98
    assert used.mean() < 4 * mask.mean()
    assert torch.equal(image[0][:, :125], photo[:, :125])


@pytest.mark.slow
def test_stand_in_for_no_mask_is_none() -> None:
    """ComfyUI gives 64x64 zeros, or in newer versions the picture's size, at 1/255 where a file is opaque."""
    photo = scene(96, 64)
    changed = photo.clone()
    changed[20:40, 30:60] = 0.5
    found = fit(photo[None], changed[None])
    for stand_in in (torch.zeros(1, 64, 64), torch.zeros(1, 64, 96), torch.full((1, 64, 96), 1 - 255 / 256)):
        again = fit(photo[None], changed[None], mask=stand_in)
        assert torch.equal(again[0], found[0])
        assert torch.equal(again[1], found[1])
    assert found[1].any()


@pytest.mark.slow
def test_same_picture_comes_back_as_it_was(photo: torch.Tensor) -> None:
    """Nothing changed, so nothing is shown of the edit, and that is said."""
    image, used, report = fit(photo[None], photo[None])
    assert torch.equal(image[0], photo)
    assert not used.any()
    assert any("Nothing was found" in note for note in report["notes"])


@pytest.mark.slow
def test_picture_that_changed_all_over_is_shown_and_told(photo: torch.Tensor) -> None:
    """There is nothing to keep without a mask."""
    _, used, report = fit(photo[None], scene(WIDTH, HEIGHT, seed=99)[None])
    assert used.all()
    assert any("changed the whole picture" in note for note in report["notes"])


@pytest.mark.slow
def test_mask_that_the_edit_shows_in_part_is_told(photo: torch.Tensor) -> None:
    """What it shows is put in its place, far beyond its edge the original stays, and a note says so."""
    mask = rectangle(photo, 0.8, 0.3, 1, 0.7)
    larger = Drift(scale=(1.08, 1.08), shift=(0.08, 0.06)).answer(edited(photo, mask), supersampled=1)
    image, _, report = fit(photo[None], larger[None], mask=mask[None])
    assert report["fits"][0]["verdict"] == "aligned"
    assert report["fits"][0]["figures"]["shown"] == pytest.approx(0.63, abs=0.02)
    assert any("does not show all that lies in the mask" in note for note in report["notes"])
    shown, missing = (rectangle(photo, left, 0.35, right, 0.65) > 0 for left, right in ((0.83, 0.91), (0.98, 1)))
    assert (image[0] - edited(photo, mask))[shown].abs().mean() < 0.03
    assert torch.equal(image[0][missing], photo[missing])


def test_paste_is_the_edit_in_the_mask_as_it_is(photo: torch.Tensor, mask: torch.Tensor, edit: torch.Tensor) -> None:
    """No alignment, no colours: for comparison, and where somebody wants just that."""
    image, _, report = fit(photo[None], edit[None], mask=mask[None], mode="paste")
    assert torch.equal(image[0][mask == 0], photo[mask == 0])
    assert torch.allclose(image[0][mask == 1], edit[mask == 1], atol=1e-6)
    assert report["fits"] == [None]


@pytest.mark.slow
def test_each_edit_takes_its_own_original(photo: torch.Tensor, mask: torch.Tensor, edit: torch.Tensor) -> None:
    """One original serves all edits of a batch; edits may have any size."""
    image, used, report = fit(photo[None], torch.stack([edit, edited(photo, mask)]), mask=mask[None])
    assert image.shape == (2, HEIGHT, WIDTH, 3)
    assert used.shape == (2, HEIGHT, WIDTH)
    assert [one["verdict"] for one in report["fits"]] == ["aligned", "aligned"]
    both = torch.stack([photo, photo.flip(1)])
    masks = torch.stack([mask, mask.flip(1)])
    image, _, _ = fit(both, torch.stack([edit, edit.flip(1)]), mask=masks, mode="paste")
    assert torch.equal(image[masks == 0], both[masks == 0])
    assert torch.equal(image[1], image[0].flip(1))


@pytest.mark.slow
def test_transparency_of_the_original_is_kept(photo: torch.Tensor, mask: torch.Tensor, edit: torch.Tensor) -> None:
    """Four channels where something is transparent."""
    alpha = torch.ones(HEIGHT, WIDTH, 1)
    alpha[:50] = 0.5
    image, _, _ = fit(torch.cat([photo, alpha], dim=2)[None], edit[None], mask=mask[None])
    assert image.shape == (1, HEIGHT, WIDTH, 4)
    assert torch.equal(image[0, :50, :, 3:], alpha[:50])


def test_mask_of_another_size_is_refused(photo: torch.Tensor, edit: torch.Tensor) -> None:
    """It belongs to the original."""
    with pytest.raises(ImageInputError, match="must be of one size"):
        fit(photo[None], edit[None], mask=torch.ones(1, 100, 100))


@pytest.mark.slow
def test_node_tells_what_it_does_and_what_it_did(
    photo: torch.Tensor, mask: torch.Tensor, edit: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it works, and in a few words at the end."""
    said: list[str] = []
    monkeypatch.setattr(comfyui, "show_text", lambda text, _node: said.append(text))
    fit(photo[None], edit[None], mask=mask[None], unique_id="7")
    assert said[0] == "fitting the answer"
    assert said[-1].startswith("fitted, aligned: was 5.5 % smaller")


def test_cancel_ends_the_work(
    photo: torch.Tensor, mask: torch.Tensor, edit: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node ends at once, and its thread with the next look."""
    looks: list[bool] = []

    class Interrupted(BaseException):
        pass

    def endless(*_args: Any, should_stop: Any, **_options: Any) -> None:
        looks.append(False)
        while not should_stop():
            pass
        looks.append(True)

    def stop() -> None:
        if looks:
            raise Interrupted

    monkeypatch.setattr("openai_image_nodes.utils.edits.fit.fit", endless)
    monkeypatch.setattr(comfyui, "raise_if_stopped", stop)
    with pytest.raises(Interrupted):
        fit(photo[None], edit[None], mask=mask[None])
    until(lambda: looks[-1])
