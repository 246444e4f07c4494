"""Pictures and what models really made of them: only where OPENAI_IMAGE_NODES_TEST_PAIRS names a folder of them.

The folder holds one folder for each pair with input.*, output.* and perhaps mask.*, where black (or transparent) is
what was to change. No pair is in the repository: most have no licence.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
import torch
from openai_image_nodes.utils.edits.changes import find_changes
from openai_image_nodes.utils.edits.composite import Composite
from openai_image_nodes.utils.edits.fit import Fit, fit
from openai_image_nodes.utils.edits.gates import decide
from openai_image_nodes.utils.edits.pair import make_pair
from openai_image_nodes.utils.edits.regions import Box
from openai_image_nodes.utils.edits.seam import Border
from PIL import Image
from support.drift import across_border, tensor
from torch import Tensor
from torch.nn.functional import max_pool2d

FOLDER = os.environ.get("OPENAI_IMAGE_NODES_TEST_PAIRS", "")
PAIRS = sorted(path for path in Path(FOLDER).iterdir() if path.is_dir()) if FOLDER else []
if not PAIRS:
    pytest.skip("OPENAI_IMAGE_NODES_TEST_PAIRS names no folder with pairs", allow_module_level=True)

# What is said of each pair, and the scales of its content, in place where there are none.
IN_PLACE = (1.0, 1.0)
SAID: dict[str, tuple[str, tuple[float, float]]] = {
    "c25_flare_1": ("aligned", IN_PLACE),
    "c25_flare_3": ("aligned", IN_PLACE),
    "c25_flare_5": ("aligned", IN_PLACE),
    "c25_sunburst_1": ("aligned", IN_PLACE),
    "c25_sunburst_3": ("aligned", IN_PLACE),
    "c25_sunburst_6": ("aligned", IN_PLACE),
    "pica_Optics_0865": ("not compared", IN_PLACE),
    "pica_Optics_1056": ("aligned", IN_PLACE),
    "pica_State_0372": ("not compared", IN_PLACE),
    "pppp_155203": ("roughly aligned", IN_PLACE),
    "ret_appt_160342": ("aligned", (0.968, 0.953)),
    "samA_business-attire-gpt-image-2": ("aligned", (0.932, 0.923)),
    "sam_high-add-tagline-text-gpt-image-2": ("aligned", (0.968, 0.963)),
    "sam_high-business-attire-gpt-image-2": ("aligned", (0.945, 0.940)),
    "sam_low-add-tagline-text-gpt-image-2": ("aligned", IN_PLACE),
    "sam_low-business-attire-gpt-image-2": ("aligned", IN_PLACE),
    "sam_medium-business-attire-gpt-image-1-5": ("not compared", IN_PLACE),
    "sam_medium-business-attire-gpt-image-2": ("aligned", IN_PLACE),
}

# Its halves were redrawn by maps of their own, whose scales are 0.951 and 0.970: a corner is told to 4 px, no better.
REDRAWN_IN_PARTS = {"ret_appt_160342": 0.01}

pytestmark = pytest.mark.slow
EVERY_PAIR = pytest.mark.parametrize("folder", PAIRS, ids=[path.name for path in PAIRS])


@cache
def pair(folder: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Return picture, answer and mask of a pair; without a mask, what was found to have changed."""
    pictures = []
    for name in ("input", "output"):
        with Image.open(next(folder.glob(f"{name}.*"))) as image:
            pictures.append(tensor(image.convert("RGB")))
    masks = list(folder.glob("mask.*"))
    if not masks:
        return pictures[0], pictures[1], find_changes(*pictures).mask
    with Image.open(masks[0]) as image:
        transparency = image.mode in ("RGBA", "LA") and image.getextrema()[-1] != (255, 255)
        values = tensor(image.getchannel("A") if transparency else image.convert("L"))
    return pictures[0], pictures[1], (values < 0.5).float()


@cache
def fitted(folder: Path) -> Fit:
    """Return the fit of a pair."""
    return fit(*pair(folder))


def of_models(*names: str) -> list[Path]:
    """Return the pairs that have one of these in their folder's name."""
    return [path for path in PAIRS if any(name in path.name for name in names)]


def unblended(folder: Path) -> Tensor:
    """Return the whole answer in place and in colour."""
    original, answer, mask = pair(folder)
    working = make_pair(original, answer, mask)
    everywhere = torch.ones_like(working.mask)
    result = original.clone()
    box = Box(0, 0, original.shape[1], original.shape[0])
    Composite(working, decide(working), Border(everywhere, everywhere), answer, box).write(
        result, torch.ones_like(mask)
    )
    return result


@EVERY_PAIR
def test_outside_is_kept_bit_for_bit(folder: Path) -> None:
    """Whatever the verdict."""
    original, _, mask = pair(folder)
    radius = 20 * max(mask.shape) // 1024
    far = max_pool2d((mask > 0).float()[None], 2 * radius + 1, 1, radius)[0] == 0
    assert torch.equal(fitted(folder).image[far], original[far])


@pytest.mark.parametrize("folder", [path for path in PAIRS if path.name in SAID], ids=lambda path: path.name)
def test_what_is_said_of_each_pair(folder: Path) -> None:
    """The verdict, and by how much the content was found smaller."""
    verdict, scales = SAID[folder.name]
    result = fitted(folder)
    assert result.verdict == verdict
    assert (result.scale_x, result.scale_y) == pytest.approx(scales, abs=REDRAWN_IN_PARTS.get(folder.name, 0.004))


@EVERY_PAIR
def test_seam_is_no_stronger_than_the_picture(folder: Path) -> None:
    """Across the border there is at most 1.2 times the contrast of picture and answer there, where one was accepted."""
    result = fitted(folder)
    if result.verdict in ("redrawn", "not compared") or result.relit:
        pytest.skip(f"told: {result.summary}")
    original, _, mask = pair(folder)
    natural = (across_border(original, mask) + across_border(unblended(folder), mask)) / 2
    assert across_border(result.image, mask) <= 1.2 * max(natural, 1.0)


@pytest.mark.parametrize("folder", of_models("sam_high", "samA"), ids=lambda path: path.name)
def test_reframed_answers_come_back(folder: Path) -> None:
    """gpt-image-2 at high: smaller content is put back, and the difference falls to a quarter of what it was."""
    result = fitted(folder)
    assert "alignment" in result.applied
    assert result.verdict == "aligned"
    assert 0.9 < result.scale_x < 0.98
    assert result.figures.difference <= 0.25 * result.figures.difference_before


@pytest.mark.parametrize("folder", of_models("sam_low", "sam_medium"), ids=lambda path: path.name)
def test_answers_in_place_stay(folder: Path) -> None:
    """gpt-image-2 at low and medium: nothing is resampled; gpt-image-1.5 at medium is redrawn, and told."""
    result = fitted(folder)
    assert not {"alignment", "flow"} & set(result.applied)
    if "1-5" in folder.name:
        assert result.verdict in ("redrawn", "not compared")
    else:
        assert result.verdict == "aligned"


@pytest.mark.parametrize("folder", of_models("c25_"), ids=lambda path: path.name)
def test_colours_alone_are_matched(folder: Path) -> None:
    """gpt-image-2.5: the frame is in place, at most its colours are matched."""
    result = fitted(folder)
    assert "alignment" not in result.applied
    assert result.verdict in ("aligned", "roughly aligned")
    assert result.figures.difference <= result.figures.difference_before


@pytest.mark.parametrize("folder", of_models("ret_appt"), ids=lambda path: path.name)
def test_room_is_looked_at_again_without_what_changed(folder: Path) -> None:
    """gpt-image-1: half of the room was redrawn, and with that the rest matched only roughly."""
    result = fitted(folder)
    assert {"alignment", "colour match"} <= set(result.applied)
    assert result.figures.match > 0.8
    assert result.figures.difference <= 0.45 * result.figures.difference_before


@pytest.mark.parametrize("folder", of_models("pica_Optics_0865"), ids=lambda path: path.name)
def test_relit_scene_is_told(folder: Path) -> None:
    """gpt-image-1: a red lamp lights the whole room; that is no colour drift."""
    original, answer, _ = pair(folder)
    mask = torch.zeros(original.shape[:2])
    mask[100:580, 400:] = 1
    result = fit(original, answer, mask)
    assert result.relit
    assert "colour match" not in result.applied
