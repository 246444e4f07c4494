"""utils/edits/gates.py: a step is made only where it shows on the untouched area that it helps."""

from __future__ import annotations

import pytest
import torch
from openai_image_nodes.utils.edits import alignment, gates, registration
from openai_image_nodes.utils.edits.alignment import HOPELESS, ROUGHLY, SURE
from openai_image_nodes.utils.edits.gates import Decision, decide
from openai_image_nodes.utils.edits.geometry import identity
from openai_image_nodes.utils.edits.pair import make_pair
from PIL import Image, ImageDraw
from support.drift import (
    PHOTOGRAPHS,
    Drift,
    blurred,
    corner_error,
    edited,
    ellipse,
    photograph,
    picture,
    rectangle,
    tensor,
)
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

pytestmark = pytest.mark.slow


def decision(original: Tensor, answer: Tensor, mask: Tensor | None = None) -> Decision:
    """Return what is decided for an answer to a picture with a mask in its middle."""
    return decide(make_pair(original, answer, ellipse(original, (0.5, 0.5), 0.12) if mask is None else mask))


def refused(decided: Decision) -> dict[str, str]:
    """Return the reason of each refusal by its step."""
    return {refusal.step: refusal.reason for refusal in decided.refused}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_answer_in_place_and_in_colour_is_left_alone(name: str) -> None:
    """JPEG and noise are no reason to move or recolour anything."""
    decided = decision(photograph(name), Drift(noise=2, jpeg=90).answer(photograph(name)))
    assert decided.verdict == "aligned"
    assert torch.equal(decided.view.mapping.affine, identity())
    assert decided.view.mapping.is_identity
    assert decided.colour.is_identity


def test_half_a_pixel_is_in_place() -> None:
    """What is off by less than 0.6 px at a long side of 1024 is not resampled."""
    original = photograph("coffee.jpg")
    decided = decision(original, Drift(shift=(0.5 / 512, 0)).answer(original))
    assert decided.view.mapping.is_identity
    assert "alignment" not in refused(decided)


def test_small_shift_is_put_back() -> None:
    """A pixel is not much of a correlation, but it is put back where all of it speaks for that."""
    original = photograph("coffee.jpg")
    decided = decision(original, Drift(shift=(1 / 512, -1 / 512)).answer(original))
    assert decided.applied[0] == "alignment"


def test_few_details_on_plain_paper_are_put_back() -> None:
    """Of a logo on white paper three quarters are white either way: what moves is judged, not the paper."""
    original = torch.ones(288, 384, 3)
    for left, top, colour in ((0.1, 0.1, (0.1, 0.3, 0.8)), (0.7, 0.15, (0.2, 0.2, 0.2)), (0.2, 0.75, (0.9, 0.2, 0.1))):
        part = rectangle(original, left, top, left + 0.15, top + 0.12)[..., None] > 0
        original = torch.where(part, torch.tensor(colour), original)
    drift = Drift((0.95, 0.94), (-0.05, -0.045), noise=1, jpeg=92)
    decided = decision(original, drift.answer(original))
    assert decided.verdict == "aligned"
    assert "alignment" in decided.applied
    assert corner_error(decided.view.mapping.affine.tolist(), drift, (384, 288)) < 0.5


def test_sky_over_hills_is_put_back() -> None:
    """Three quarters of it differ by half a level wherever it lies: what is left tells of the place, not they."""
    down, across = torch.linspace(0, 1, 512)[:, None, None], torch.linspace(0, 6, 512)[None, :, None]
    sky = torch.tensor([0.16, 0.35, 0.7]) * (1 - down) + torch.tensor([0.98, 0.67, 0.43]) * down + 0.01 * across
    hills = down > 0.77 - 0.05 * (1.7 * across).sin() - 0.03 * (4.1 * across).sin()
    original = torch.where(hills, torch.tensor([0.12, 0.14, 0.18]), sky).clamp(0, 1)
    drift = Drift((0.905, 0.9), (-0.09, -0.098), gain=(0.95, 1, 1.03), noise=2, jpeg=85)
    decided = decision(original, drift.answer(original), ellipse(original, (0.3, 0.4), 0.03))
    assert "alignment" in decided.applied
    assert corner_error(decided.view.mapping.affine.tolist(), drift, (512, 512)) < 1


def test_tiny_picture_is_put_back() -> None:
    """At 64 px the last steps go on moving a corner by 0.04 px: that is 0.6 px at 1024, but nobody sees it."""
    tiny = tensor(picture(photograph("rocket.jpg")).resize((64, 43), Image.Resampling.LANCZOS))
    mask = ellipse(tiny, (0.5, 0.5), 0.2)
    drift = Drift((0.952, 0.943), (-0.048, -0.043 * 43 / 64), gain=(0.96, 1, 1.03), noise=1, jpeg=92)
    decided = decision(tiny, drift.answer(edited(tiny, mask, -8)), mask)
    assert decided.verdict == "aligned"
    assert corner_error(decided.view.mapping.affine.tolist(), drift, (64, 43)) * 64 / 1024 < 0.15


def test_two_blobs_on_plain_paper_are_put_back_roughly() -> None:
    """They tell little of a scale across the line between them: corners are off by more than is said to be aligned."""
    original = torch.ones(288, 384, 3)
    for middle, colour in (((0.15, 0.5), (0.1, 0.3, 0.8)), ((0.86, 0.52), (0.9, 0.2, 0.1))):
        original = torch.where(ellipse(original, middle, 0.024)[..., None] > 0, torch.tensor(colour), original)
    drift = Drift((0.95, 0.94), (-0.05, -0.045), noise=1, jpeg=92)
    decided = decision(original, drift.answer(original))
    assert "alignment" in decided.applied
    assert decided.verdict == "roughly aligned"


def test_soft_shadow_on_paper_is_scaled_from_the_upper_left() -> None:
    """Its tone and its place can stand for its size: a free map was 5 to 60 px off, and it was called aligned."""
    original, mask = product_on_paper(0.1)
    drift = Drift((0.95, 0.94), (-0.05, -0.06), gain=(0.97, 0.97, 0.97), noise=1, jpeg=90)
    decided = decision(original, drift.answer(original), mask)
    assert corner_error(decided.view.mapping.affine.tolist(), drift, (384, 384)) < 2
    assert decided.verdict == "roughly aligned"
    assert refused(decided)["shift"] == gates.TOO_PLAIN
    in_place = decision(original, Drift(noise=1, jpeg=90).answer(original), mask)
    assert in_place.view.mapping.is_identity
    assert in_place.verdict == "roughly aligned"


def test_shadow_that_tells_little_is_not_called_aligned() -> None:
    """Of a darker one a free map is looked for; it stays some pixels off."""
    original, mask = product_on_paper(0.7)
    drift = Drift((0.95, 0.94), (-0.05, -0.06), gain=(0.97, 0.97, 0.97), noise=1, jpeg=90)
    decided = decision(original, drift.answer(original), mask)
    assert "shift" not in refused(decided)
    assert decided.verdict == "roughly aligned"


@pytest.mark.parametrize("scale", [1.0, 0.96])
def test_plain_page_is_found_where_it_was_shifted(scale: float) -> None:
    """A line and a word on white tell little of a scale, but of a shift: it was called redrawn, 18 px off."""
    page = Image.new("RGB", (640, 640), (250, 250, 251))
    drawn = ImageDraw.Draw(page)
    drawn.rectangle((0, 0, 640, 51), fill=(242, 243, 245))
    drawn.line((0, 51, 640, 51), fill=(225, 226, 229))
    drawn.text((12, 19), "Inbox", fill=(60, 60, 70))
    drawn.rounded_rectangle((580, 12, 626, 38), 6, outline=(190, 190, 200))
    original = tensor(page)
    drift = Drift((scale, scale), (0.03, -0.02), noise=1, jpeg=90)
    decided = decision(original, drift.answer(original), rectangle(original, 0.2, 0.2, 0.8, 0.9))
    assert (
        corner_error(decided.view.mapping.affine.tolist(), drift, (640, 640)) < 14
    )  # the lower ones: nothing is there
    assert decided.figures.match > 0.9
    assert decided.verdict == "roughly aligned"
    assert "shift" not in refused(decided)


def product_on_paper(dark: float) -> tuple[Tensor, Tensor]:
    """Return white paper with a thing whose soft shadow alone lies outside its mask, and that mask."""
    original = torch.ones(384, 384, 3)
    shadow = blurred(rectangle(original, 0.2, 0.76, 0.85, 0.86)[..., None].expand(-1, -1, 3), 24)
    original = original - dark * shadow
    original[rectangle(original, 0.33, 0.23, 0.67, 0.77) > 0] = torch.tensor((0.1, 0.3, 0.6))
    return original, rectangle(original, 0.3, 0.2, 0.7, 0.8)


def test_soft_shadow_in_place_is_not_sought_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What six numbers find where two do is the same place: refining it took a second and changed nothing."""
    compared = []
    monkeypatch.setattr(alignment, "lack", lambda *_: compared.append(_) or 0.0)
    original, mask = product_on_paper(0.5)
    decided = decision(original, Drift(noise=1, jpeg=92).answer(original), mask)
    assert decided.view.mapping.is_identity
    assert not compared
    assert refused(decided)["shift"] == gates.TOO_PLAIN


def test_colours_alone_are_matched() -> None:
    """An answer in place with other colours is not moved."""
    original = photograph("coffee.jpg")
    decided = decision(original, Drift(gain=(0.9, 0.95, 0.98), offset=(0.02, 0.0, 0.01), noise=1).answer(original))
    assert decided.view.mapping.is_identity
    assert "colour match" in decided.applied
    assert (1 / decided.colour.gain).tolist() == pytest.approx([0.9, 0.95, 0.98], abs=0.02)


def test_another_picture_is_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever map fits another photograph best, it is not taken, and one round of the last steps tells that."""
    rounds, matched = [], alignment.matched
    monkeypatch.setattr(alignment, "matched", lambda shown: rounds.append(shown) or matched(shown))
    original, other = photograph("coffee.jpg"), photograph("cat.png")
    answer = interpolate(other.permute(2, 0, 1)[None], original.shape[:2], mode="bilinear")[0].permute(1, 2, 0)
    decided = decision(original, answer)
    assert decided.verdict == "redrawn"
    assert decided.view.mapping.is_identity
    assert not decided.relit
    assert "alignment" in refused(decided)
    assert decided.membrane is None
    assert len(rounds) == 1


@pytest.mark.parametrize("kind", ["negative", "mirrored"])
def test_map_that_does_not_match_in_the_end_is_no_alignment(kind: str) -> None:
    """A negative's features match worse than nothing: a map that they fit a little better under moves no pixel."""
    original = photograph("cat.png")
    decided = decision(original, 1 - original if kind == "negative" else original.flip(1))
    assert decided.verdict == "redrawn"
    assert decided.view.mapping.is_identity
    assert "alignment" in refused(decided)


def test_frame_that_was_redrawn_takes_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each was a tenth shorter than the one before, for round after round: 70 and more, of which nothing came."""
    steps, step = [], registration._Solver._step
    original = photograph("coffee.jpg")
    height, width = original.shape[:2]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    bent = torch.stack([x + 0.03 * torch.sin(5 * y + 1), y + 0.03 * torch.sin(4 * x)], dim=2)[None]
    redrawn = grid_sample(original.permute(2, 0, 1)[None], bent, padding_mode="reflection", align_corners=False)
    answer = blurred(redrawn[0].permute(1, 2, 0), 2)

    def counted(solver: registration._Solver, affine: torch.Tensor) -> torch.Tensor:
        steps.append(solver._level.frame.long_side)
        return step(solver, affine)

    monkeypatch.setattr(registration._Solver, "_step", counted)
    assert decision(original, answer).view.mapping.is_identity
    assert 0 < steps.count(max(steps)) <= 24


@pytest.mark.parametrize(("ratio", "settles"), [(0.5, True), (1.0, False)])
def test_steps_that_shrink_are_gone_on_with(ratio: float, settles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where noise lets the match hardly rise: a page of text was left 18 px off. Those that wander end soon."""
    original, rounds = photograph("coffee.jpg"), []

    def step(*_: object, **__: object) -> torch.Tensor:
        rounds.append(1)
        moved = identity()
        moved[len(rounds) % 2, 2] = 0.002 * ratio ** len(rounds)
        return moved

    drift = Drift((0.97, 0.96), (-0.03, -0.02), noise=40)
    monkeypatch.setattr(alignment, "register", lambda *_, **__: torch.tensor(drift.map))
    monkeypatch.setattr(alignment, "remaining", step)
    found = decision(original, drift.answer(blurred(original, 1.5))).view
    assert ROUGHLY < found.match < SURE
    assert (len(rounds) > HOPELESS) == settles


def test_map_that_does_not_come_to_rest_is_not_called_aligned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a thin rim and from 40 px off, where the steps end while they still move it: that is no match."""
    original = photograph("cat.png")
    drift = Drift((0.97, 0.96), (-0.03, -0.02))
    mask = rectangle(original, 0.08, 0.08, 0.92, 0.92)
    off = torch.tensor(drift.map) + torch.tensor([[0.03, 0, 0.03], [0, 0.03, 0.03]])
    monkeypatch.setattr(alignment, "register", lambda *_, **__: off)
    monkeypatch.setattr(alignment, "ROUNDS", 2)
    decided = decision(original, drift.answer(edited(original, mask, -10)), mask)
    assert decided.verdict == "redrawn"
    assert decided.view.mapping.affine.equal(identity())
    assert "not settled" in refused(decided)["alignment"]


def test_relit_scene_is_told_and_not_recoloured() -> None:
    """Light from another side differs by more than colours can explain: nothing is matched to it."""
    original = photograph("coffee.jpg")
    light = torch.linspace(-0.6, 0.9, original.shape[1])[None, :, None]
    answer = (blurred(original, 0.7) * (1 + light) * torch.tensor([1.0, 0.6, 0.3])).clamp(0, 1)
    decided = decision(original, answer)
    assert decided.relit
    assert decided.colour.is_identity
    assert decided.membrane is None
    assert not {"colour match", "tone curve", "seam"} & set(decided.applied)
    assert decided.figures.rest > 12


@pytest.mark.parametrize(
    "drift",
    [Drift((0.7, 0.7)), Drift((0.97, 0.97), turn=(0.08, -0.08)), Drift(turn=(0.06, 0))],
    ids=["scale", "rotation", "shear"],
)
def test_what_no_model_does_is_not_undone(drift: Drift) -> None:
    """A zoom, turn or shear beyond what models do to a frame is another picture, however well it fits."""
    original = photograph("cat.png")
    decided = decision(original, drift.answer(original))
    assert decided.view.mapping.is_identity
    assert "the best fit is no drift" in refused(decided)["alignment"]
    assert not decided.relit


def test_mask_that_left_the_frame_is_not_aligned() -> None:
    """If what lies in the mask is not in the answer, aligning would show nothing there."""
    original = photograph("coffee.jpg")
    drift = Drift((1.15, 1.15), (0.1, 0.1))
    decided = decision(original, drift.answer(original), rectangle(original, 0.88, 0.85, 1, 1))
    assert refused(decided)["alignment"] == "what lies in the mask is not in the answer"
    assert decided.verdict == "misplaced"
    assert not decided.relit


def test_mask_that_is_shown_in_part_is_aligned() -> None:
    """What there is of it is put in its place; the part that is missing stays as it was."""
    original = photograph("coffee.jpg")
    mask = rectangle(original, 0.6, 0.6, 1, 1)
    decided = decision(original, Drift((1.09, 1.1), (0.09, 0.067)).answer(original), mask)
    assert "alignment" in decided.applied
    assert decided.verdict == "aligned"


def test_plain_page_is_left_in_place_and_that_is_told() -> None:
    """A white page has nothing to align by: nothing is moved if it is as white, and no gain comes of it."""
    page = torch.full((400, 600, 3), 0.97)
    answer = page - 2 / 255
    decided = decision(page, answer)
    assert decided.verdict == "roughly aligned"
    assert "too plain" in refused(decided)["alignment"]
    assert decided.colour.gain.tolist() == pytest.approx([1, 1, 1], abs=0.01)


@pytest.mark.parametrize("covered", [1.0, 0.995])
def test_mask_over_everything_cannot_be_compared(covered: float) -> None:
    """Without an untouched area there is no verdict on it, and nothing is applied."""
    original = photograph("cat.png")
    decided = decision(
        original, edited(original, torch.ones(original.shape[:2])), rectangle(original, 0, 0, 1, covered)
    )
    assert decided.verdict == "not compared"
    assert decided.applied == ()


def warped(original: Tensor, pixels: float) -> Tensor:
    """Return a picture that is bent smoothly by up to so many pixels at a long side of 1024."""
    height, width = original.shape[:2]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    bend = pixels / 512
    grid = torch.stack([x + bend * torch.sin(3 * y) * torch.cos(2 * x), y + bend * torch.cos(3 * x + 1)], dim=2)
    channels_first = original.permute(2, 0, 1)[None]
    moved = grid_sample(channels_first, grid[None], mode="bicubic", padding_mode="border", align_corners=True)
    return moved[0].permute(1, 2, 0).clamp(0, 1)


def test_smooth_bend_is_put_back() -> None:
    """What an affine map leaves of a smooth bend is taken out by the flow, and the difference falls."""
    original = photograph("cat.png")
    decided = decision(original, warped(original, 2.5))
    assert "flow" in decided.applied
    assert decided.figures.flow < 4
    assert decided.figures.difference < 0.6 * decided.figures.difference_before


def test_flow_without_need_is_not_made() -> None:
    """An affine drift is explained by the affine map: nothing is bent for the sake of it."""
    original = photograph("cat.png")
    decided = decision(original, Drift((0.95, 0.96), (-0.03, -0.02), noise=2, jpeg=88).answer(original))
    assert decided.applied[0] == "alignment"
    assert "flow" not in decided.applied


def test_untouched_area_gets_nearer() -> None:
    """A reframed answer's difference on the untouched area falls to less than a quarter."""
    original = photograph("coffee.jpg")
    mask = ellipse(original, (0.45, 0.5), 0.15)
    drift = Drift((0.94, 0.955), (-0.055, -0.03), gain=(0.97, 1, 1.02), noise=2, jpeg=90)
    figures = decision(original, drift.answer(edited(original, mask, 20)), mask).figures
    assert figures.difference < 0.25 * figures.difference_before
    assert figures.match > 0.95
