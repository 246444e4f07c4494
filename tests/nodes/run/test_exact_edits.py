"""mask_mode blend and region over real HTTP: what is sent, what comes out, what is told, and what is not paid twice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from openai_image_nodes.api.batch.manager import BatchManager
from openai_image_nodes.api.errors import RefusedError
from openai_image_nodes.api.store.store import stores
from openai_image_nodes.nodes.run import framing
from openai_image_nodes.nodes.run.execution import connection_of
from openai_image_nodes.utils import comfyui
from openai_image_nodes.utils.edits import fit as fitting
from openai_image_nodes.utils.errors import ImageInputError
from support.asker import until
from support.drift import Drift, ellipse
from support.drifting import DriftingService, scene
from support.node_calls import GPTImage, References, asked, awaited, node, together

FREE, FIXED = "gpt-image-2.6-flare", "gpt-image-1.5"
WIDTH, HEIGHT = 720, 480
BAND = 21.0  # of the longer side of what was sent / 1024: docs/exact-edits.md, "Seam"
LIFTED = 1 - 255 / 256  # ComfyUI 0.33's mask where a WebP is opaque
SMALLER = Drift(scale=(0.95, 0.94), shift=(-0.05, -0.04))


@pytest.fixture(scope="module")
def running() -> Iterator[DriftingService]:
    with DriftingService() as service:
        yield service


@pytest.fixture
def service(running: DriftingService, monkeypatch: pytest.MonkeyPatch) -> DriftingService:
    """A service that has seen nothing and answers in place."""
    running.asked, running.holes, running.drift, running.redraws = [], [], Drift(), False
    running.faults = type(running.faults)()
    running.point(monkeypatch)
    return running


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return scene(WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def mask(photo: torch.Tensor) -> torch.Tensor:
    return ellipse(photo, (0.55, 0.5), 0.06)


@pytest.fixture
def unfitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer can be fitted: quick, for what is told by the requests alone."""
    monkeypatch.setattr(fitting, "fit", broken)


def broken(*_args: Any, **_options: Any) -> None:
    raise RuntimeError("no memory")


def asked_alone(monkeypatch: pytest.MonkeyPatch, **inputs: Any) -> dict[str, Any]:
    """Run the node without a fit and return its report: for what was sent, or found in the store."""
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "fit", broken)
        return node(**inputs)[2]


def outside(mask: torch.Tensor, long_side: int) -> torch.Tensor:
    """Return [H,W], true where a pixel is further from the mask than the band of an edit of that long side."""
    rows, columns = (mask > 0).any(dim=1).nonzero()[:, 0], (mask > 0).any(dim=0).nonzero()[:, 0]
    band = round(BAND * max(1.0, long_side / 1024))
    far = torch.ones_like(mask, dtype=torch.bool)
    top, left = max(0, int(rows[0]) - band), max(0, int(columns[0]) - band)
    far[top : int(rows[-1]) + band, left : int(columns[-1]) + band] = False
    return far


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "mode"),
    [(FREE, "region"), (FIXED, "region"), (FIXED, "blend")],
)
def test_outside_the_band_every_pixel_is_the_pictures(
    service: DriftingService, photo: torch.Tensor, mask: torch.Tensor, mode: str, model: str
) -> None:
    """Of a reframed answer too: the size is the picture's, and the mask's inside is another."""
    service.drift = SMALLER
    image, alpha, report = node(image=photo[None], mask=mask[None], mask_mode=mode, model=model)
    assert image.shape == (1, HEIGHT, WIDTH, 3)
    assert not alpha.any()
    far = outside(mask, WIDTH)
    assert torch.equal(image[0][far], photo[far])
    assert (image[0] - photo).abs().mean(dim=2)[mask > 0.9].mean() > 0.05
    (fit,) = report["edit"]["fits"]
    assert fit["verdict"] == "aligned"
    assert "% smaller" in fit["summary"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["region", pytest.param("blend", marks=pytest.mark.slow), "lock"])
def test_mask_that_is_nowhere_quite_closed_opens_what_was_painted(
    service: DriftingService, photo: torch.Tensor, mask: torch.Tensor, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ComfyUI 0.33 reads an opaque pixel of a WebP as 255/256: 1/255 is no opening, whatever works with the mask."""
    service.drift = SMALLER
    image, _, report = node(image=photo[None], mask=mask.clamp(min=LIFTED)[None], mask_mode=mode)
    far = outside(mask, WIDTH)
    kept = (photo * 255).round() / 255 if mode == "lock" else photo
    assert torch.equal(image[0][far], kept[far])
    assert (image[0] - photo).abs().mean(dim=2)[mask > 0.9].mean() > 0.05
    assert mode == "lock" or report["edit"]["fits"][0]["verdict"] == "aligned"
    assert (service.asked[-1].input_sizes[0] == (WIDTH, HEIGHT)) is (mode != "region")
    assert not any("covers the whole picture" in note for note in report["notes"])
    if mode == "region":  # what was painted is open in what goes out, and nothing else, not a little either
        clean = asked_alone(monkeypatch, image=photo[None], mask=mask[None], mask_mode=mode)
        assert clean["reused"] is True


@pytest.mark.slow
def test_whole_picture_that_was_paid_for_in_place_of_a_region_is_not_bought_again(
    service: DriftingService, photo: torch.Tensor, mask: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier versions took such a mask for one of everything, and sent what blend sends."""
    inputs = {"image": photo[None], "mask": mask.clamp(min=LIFTED)[None]}
    asked_alone(monkeypatch, **inputs, mask_mode="blend")
    image, _, report = node(**inputs, mask_mode="region")
    assert report["reused"] is True
    far = outside(mask, WIDTH)
    assert torch.equal(image[0][far], photo[far])
    assert service.faults.billed == 1


@pytest.mark.parametrize(
    ("mode", "size", "has_mask", "asked"),
    [("blend", "auto", True, (928, 928)), ("guide", "match image", False, (816, 816))],
)
def test_answer_that_was_paid_for_at_a_dear_size_is_looked_for(
    mode: str, size: str, asked: tuple[int, int], *, has_mask: bool
) -> None:
    """Earlier versions asked for the size of the very ratio, whatever it cost; one pays for it no second time."""
    values = {"model": FREE, "mask_mode": mode, "size": size}
    picture = framing.Picture((400, 402), has_mask, framing.SPOT)
    own = framing.frame(values, picture)
    assert own.asked == asked
    assert (2672, 2688) in [one.asked for one in framing.alternatives(values, picture, own)]


@pytest.mark.slow
def test_report_tells_what_was_found_and_done(
    service: DriftingService, photo: torch.Tensor, mask: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verdict, shift, scales, gains, what was applied and refused, the box, the sent size, the scale; and briefly."""
    said: list[str] = []
    monkeypatch.setattr(comfyui, "show_text", lambda text, _node: said.append(text))
    service.drift = SMALLER
    _, _, report = node(image=photo[None], mask=mask[None], mask_mode="region", unique_id="1")
    edit, (fit,) = report["edit"], report["edit"]["fits"]
    box, (width, height) = edit["box"], service.asked[0].size
    assert edit["mode"] == "region"
    assert edit["sent_size"] == edit["asked_size"] == f"{width}x{height}"
    assert edit["scale"] == pytest.approx(width / box["width"], abs=1e-5) == pytest.approx(height / box["height"])
    assert (fit["scale_x"], fit["scale_y"]) == (pytest.approx(0.95, abs=2e-3), pytest.approx(0.94, abs=2e-3))
    assert fit["dx"] == pytest.approx(-0.05 * max(box["width"], box["height"]) / 2, abs=1)
    assert len(fit["gain"]) == 3
    assert "alignment" in fit["applied"]
    assert all({"step", "reason"} == set(one) for one in fit["refused"])
    assert "fitting the answer" in said
    assert said[-1].startswith("done, ")
    assert "aligned: was 5.5 % smaller" in said[-1]


@pytest.mark.slow
def test_answer_in_place_and_in_colour_is_not_resampled(service: DriftingService) -> None:
    """At the picture's own scale the middle of the mask is the answer's pixels, no more and no less."""
    photo = scene(1440, 1120)
    mask = ellipse(photo, (0.5, 0.5), 0.178)
    image, _, report = node(image=photo[None], mask=mask[None], mask_mode="region")
    (fit,), box = report["edit"]["fits"], report["edit"]["box"]
    assert report["edit"]["scale"] == 1
    assert fit["summary"] == "aligned: in place"
    assert "alignment" not in fit["applied"]
    sent = service.sent()
    other = torch.stack([sent[..., 2], sent[..., 0] * 0.6 + 0.1, sent[..., 1]], dim=2)
    middle = slice(510, 610), slice(670, 770)
    there = slice(510 - box["top"], 610 - box["top"]), slice(670 - box["left"], 770 - box["left"])
    assert (image[0][middle] - other[there]).abs().max() < 2 / 255


@pytest.mark.slow
@pytest.mark.usefixtures("unfitted")
def test_more_context_sends_more(service: DriftingService, photo: torch.Tensor, mask: torch.Tensor) -> None:
    """The widget is a percentage of the mask's size on each side; it changes what is sent, so it is a new job."""
    shares = []
    for context in (0, 200):
        node(image=photo[None], mask=mask[None], mask_mode="region", region_context=context)
        shares.append(service.holes[-1])
    assert shares[0] > shares[1]
    assert service.faults.billed == 2


@pytest.mark.slow
@pytest.mark.usefixtures("unfitted")
@pytest.mark.parametrize(
    "size", ["auto", *(pytest.param(other, marks=pytest.mark.slow) for other in ("match image", "1536x1024"))]
)
def test_changing_the_mode_afterwards_costs_nothing(
    service: DriftingService, photo: torch.Tensor, mask: torch.Tensor, size: str
) -> None:
    """guide, lock and blend are one job, whichever came first; the raw answer is kept."""
    asked_for = {"image": photo[None, :400, 150:551], "mask": mask[None, :400, 150:551], "size": size}
    for seed, first in enumerate(("guide", "blend")):
        raw = []
        for mode in (first, "lock", "guide", "blend", "lock"):
            _, _, report = node(**asked_for, mask_mode=mode, seed=seed)
            raw.append(report["kept_in"])
            assert report["reused"] is (len(raw) > 1)
        assert len(set(raw)) == 1
        assert service.faults.billed == seed + 1


def test_mode_that_was_changed_while_a_request_got_lost_is_not_sent_again(
    service: DriftingService, photo: torch.Tensor, mask: torch.Tensor
) -> None:
    """Nobody knows whether it was billed; another mask_mode does not buy it a second time."""
    inputs = {"image": photo[None], "mask": mask[None]}
    service.faults.drop("after_work")
    with pytest.raises(Exception, match="billed"):
        node(**inputs, mask_mode="guide")
    with pytest.raises(Exception, match="billed"):
        node(**inputs, mask_mode="blend")
    assert service.faults.posts == 1


@pytest.mark.slow
@pytest.mark.usefixtures("unfitted")
def test_reuse_off_asks_for_the_mode_itself(service: DriftingService, photo: torch.Tensor, mask: torch.Tensor) -> None:
    """Whoever wants the size of blend after guide gets it by asking again."""
    inputs = {"image": photo[None], "mask": mask[None]}
    node(**inputs, mask_mode="guide")
    _, _, report = node(**inputs, mask_mode="blend", reuse=False)
    assert service.faults.billed == 2
    assert report["edit"]["asked_size"] is not None


@pytest.mark.slow
def test_batch_and_references_go_along_and_the_mask_is_the_firsts(
    service: DriftingService, photo: torch.Tensor, mask: torch.Tensor
) -> None:
    """Only the first picture is cut; the others go out as they are."""
    both = torch.stack([photo, photo.flip(1)])
    references = References().collect(image_1=photo[None, :300, :500])[0]
    image, _, _ = node(image=both, mask=mask[None], mask_mode="region", references=references)
    assert service.asked[0].input_sizes[1:] == ((WIDTH, HEIGHT), (500, 300))
    assert service.asked[0].input_sizes[0] == service.asked[0].size != (WIDTH, HEIGHT)
    assert image.shape == (1, HEIGHT, WIDTH, 3)
    far = outside(mask, WIDTH)
    assert torch.equal(image[0][far], photo[far])


@pytest.mark.slow
def test_rows_of_a_list_have_pictures_and_masks_of_their_own(
    service: DriftingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several runs of one node at once, of other sizes, one without a picture: the line counts how they ended."""
    said: list[str] = []
    monkeypatch.setattr(comfyui, "show_text", lambda text, _node: said.append(text))
    rows = [(scene(700, 500, seed=1), 0.3), (scene(640, 800, seed=2), 0.7)]
    calls = [
        {"image": photo[None], "mask": ellipse(photo, (place, 0.5), 0.05)[None], "prompt": f"row {place}"}
        for photo, place in rows
    ]
    outputs = together(
        *({**one, "mask_mode": "region", "unique_id": "3"} for one in [*calls, {"prompt": "no picture"}])
    )
    for (photo, _), call, output in zip(rows, calls, outputs, strict=False):
        far = outside(call["mask"][0], max(photo.shape))
        assert torch.equal(output[0][0][far], photo[far])
    assert outputs[2][0].shape[0] == 1
    assert service.faults.billed == 3
    assert said[-1] == "3 done"


@pytest.mark.slow
def test_several_answers_are_each_fitted(service: DriftingService, photo: torch.Tensor, mask: torch.Tensor) -> None:
    """n pictures: n results, n entries in the report."""
    service.drift = SMALLER
    image, alpha, report = node(image=photo[None], mask=mask[None], mask_mode="region", n=2)
    assert image.shape == (2, HEIGHT, WIDTH, 3)
    assert alpha.shape == (2, HEIGHT, WIDTH)
    assert [fit["verdict"] for fit in report["edit"]["fits"]] == ["aligned"] * 2
    far = outside(mask, WIDTH)
    assert all(torch.equal(one[far], photo[far]) for one in image)


@pytest.mark.slow
def test_transparency_is_kept(service: DriftingService, photo: torch.Tensor, mask: torch.Tensor) -> None:
    """Four channels where something is transparent, outside bit for bit; an alpha that hides nothing is left out."""
    hole = torch.ones(HEIGHT, WIDTH, 1)
    hole[:100, :100] = 0.25
    for alpha_in, channels in ((hole, 4), (torch.ones_like(hole), 3)):
        picture = torch.cat([photo, alpha_in], dim=2)
        image, alpha, _ = node(image=picture[None], mask=mask[None], mask_mode="blend")
        assert image.shape == (1, HEIGHT, WIDTH, channels)
        far = outside(mask, WIDTH)
        assert torch.equal(image[0][far], picture[far][:, :channels])
        assert bool(alpha.any()) is (channels == 4)


@pytest.mark.slow
@pytest.mark.usefixtures("unfitted")
def test_colours_below_transparency_do_not_bleed_into_what_is_sent(service: DriftingService) -> None:
    """A scaled region weighs colours by their alpha: what nobody sees is not mixed into what is seen."""
    picture = torch.zeros(HEIGHT, WIDTH, 4)
    picture[..., 1] = 1.0
    picture[:, WIDTH // 2 :, 3] = 1.0  # the left half is transparent and red
    picture[:, : WIDTH // 2, :2] = torch.tensor([1.0, 0.0])
    node(image=picture[None], mask=ellipse(picture, (0.5, 0.5), 0.05)[None], mask_mode="region")
    sent = service.sent()
    seen = sent[..., 3] > 0.02
    assert sent[..., 0][seen].max() < 0.02
    assert sent[..., 1][seen].min() > 0.98


@pytest.mark.slow
def test_values_between_the_levels_are_kept(service: DriftingService, photo: torch.Tensor, mask: torch.Tensor) -> None:
    """What is put back are the floats themselves, not what eight bits have of them."""
    fine = (photo * 0.9 + 0.001).clamp(0, 1)
    image, _, _ = node(image=fine[None], mask=mask[None], mask_mode="region")
    far = outside(mask, WIDTH)
    assert torch.equal(image[0][far], fine[far])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "size", "model"),
    [
        *(("guide", size, model) for size in ((900, 600), (1201, 397), (1001, 997)) for model in (FREE, FIXED)),
        *(("lock", (640, 1000), FIXED), ("blend", (640, 1000), FIXED), ("blend", (1400, 300), FREE)),
    ],
)
def test_ratio_asked_for_is_that_of_what_is_sent(
    service: DriftingService, mode: str, size: tuple[int, int], model: str
) -> None:
    """To 0.1 %, with padding where no size has it; the padding is cut off again, and nothing is stretched."""
    photo = scene(*size)
    mask = ellipse(photo, (0.5, 0.5), 0.05)
    image, _, report = node(image=photo[None], mask=mask[None], mask_mode=mode, model=model, size="match image")
    (width, height), (wide, high) = service.asked[0].size, service.asked[0].input_sizes[0]
    assert width * high / (height * wide) == pytest.approx(1, abs=1e-3)
    if mode == "guide":
        assert image.shape[2] / image.shape[1] == pytest.approx(size[0] / size[1], rel=0.01)
    else:
        assert image.shape[1:3] == (size[1], size[0])
        far = outside(mask, max(size))
        assert torch.equal(image[0][far], photo[far])
    padded = (wide, high) != size
    assert any("padded" in note for note in report["notes"]) is padded


@pytest.mark.slow
@pytest.mark.usefixtures("unfitted")
def test_padded_picture_keeps_its_pixels_and_its_mask(service: DriftingService) -> None:
    """The edge goes on beyond it, where nothing of the mask is; an answer in place gives the picture back."""
    photo = scene(800, 720)
    mask = ellipse(photo, (0.5, 0.5), 0.05)
    _, _, report = node(image=photo[None], mask=mask[None], mask_mode="blend", model=FIXED)
    box, sent = report["edit"]["box"], service.sent()
    left, top = -box["left"], -box["top"]
    assert (box["width"], box["height"]) == (sent.shape[1], sent.shape[0]) != (800, 720)
    assert torch.equal(sent[top : top + 720, left : left + 800], photo)
    assert service.holes[0] * box["width"] * box["height"] == pytest.approx(float(mask.sum()), rel=0.01)


@pytest.mark.slow
def test_answer_without_padding_that_was_paid_for_before_is_found(service: DriftingService) -> None:
    """Earlier versions asked for the nearest size of the picture as it is: what they paid for is not bought again."""
    photo = scene(800, 720)
    earlier = {"image": photo[None], "model": FIXED, "size": "1024x1024"}  # what match image came to
    node(**earlier)
    _, _, report = node(**{**earlier, "size": "match image"})
    assert report["reused"] is True
    assert any("earlier version" in note for note in report["notes"])
    assert service.faults.billed == 1


@pytest.mark.slow
@pytest.mark.usefixtures("unfitted")
def test_explicit_size_of_another_ratio_tells_how_many_pixels(
    service: DriftingService, photo: torch.Tensor, mask: torch.Tensor
) -> None:
    """blend asks for the picture's ratio, near the number of pixels that was chosen."""
    sizes = {}
    for size in ("1024x1024", "2048x1152"):
        _, _, report = node(image=photo[None], mask=mask[None], mask_mode="blend", size=size)
        sizes[size] = service.asked[-1].size
        assert any("has the ratio of the picture" in note for note in report["notes"])
    assert [round(width * height / 1e6) for width, height in sizes.values()] == [1, 2]


def test_empty_mask_is_refused_before_anything_is_sent(service: DriftingService, photo: torch.Tensor) -> None:
    """Nothing would change: that is not paid for. The message says what to do instead."""
    for mode in ("blend", "region"):
        for empty in (torch.zeros(1, HEIGHT, WIDTH), torch.zeros(1, 64, 64)):
            with pytest.raises(RefusedError, match=r"mask is empty.*Nothing was sent.*mask_mode to guide"):
                node(image=photo[None], mask=empty, mask_mode=mode)
    assert service.faults.posts == 0


@pytest.mark.slow
@pytest.mark.usefixtures("unfitted")
@pytest.mark.parametrize(
    ("radius", "told"), [(0.45, r"would be \d+ % of the picture: all of it is sent"), (2.0, "covers the whole picture")]
)
def test_region_that_is_most_of_the_picture_is_all_of_it(
    service: DriftingService, photo: torch.Tensor, radius: float, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is said before it is sent, and it is the job of blend: to change to that costs nothing."""
    said: list[tuple[str, int]] = []
    monkeypatch.setattr(comfyui, "show_text", lambda text, _node: said.append((text, service.faults.posts)))
    inputs = {"image": photo[None], "mask": ellipse(photo, (0.5, 0.5), radius)[None], "unique_id": "1"}
    image, _, report = node(**inputs, mask_mode="region")
    assert service.asked[0].input_sizes[0] == (WIDTH, HEIGHT)
    (note,) = [note for note in report["notes"] if re.search(told, note)]
    assert (note, 0) in said
    assert image.shape == (1, HEIGHT, WIDTH, 3)
    assert node(**inputs, mask_mode="blend")[2]["reused"] is True


@pytest.mark.slow
def test_without_a_mask_the_picture_comes_as_the_model_draws_it(service: DriftingService, photo: torch.Tensor) -> None:
    """As with lock: rows of a list may have a mask or none."""
    for mode in ("blend", "region"):
        image, _, report = node(image=photo[None], mask_mode=mode, size="1024x1024", seed=len(mode))
        assert image.shape == (1, 1024, 1024, 3)
        assert any("There is no mask" in note for note in report["notes"])
    assert node(mask_mode="region", size="1024x1024")[0].shape == (1, 1024, 1024, 3)


def test_mask_of_another_size_is_refused_before_it_is_paid(service: DriftingService, photo: torch.Tensor) -> None:
    """Nothing is sent."""
    for mode in ("blend", "region"):
        with pytest.raises(ImageInputError, match="must be of one size"):
            node(image=photo[None], mask=torch.ones(1, 100, 100), mask_mode=mode)
    assert service.faults.posts == 0


@pytest.mark.slow
def test_redrawn_answer_comes_with_what_to_do(
    service: DriftingService, photo: torch.Tensor, mask: torch.Tensor
) -> None:
    """It is put in all the same, and the report says how to get a better one, or this one as it is."""
    service.redraws = True
    _, _, report = node(image=photo[None], mask=mask[None], mask_mode="blend")
    (fit,) = report["edit"]["fits"]
    assert fit["verdict"] == "redrawn"
    told = " ".join(report["notes"])
    assert "redrawn" in told
    assert "gpt-image-2" in told
    assert "set mask_mode to guide: that costs nothing" in told


@pytest.mark.usefixtures("unfitted")
def test_picture_that_cannot_be_fitted_is_pasted(
    service: DriftingService, photo: torch.Tensor, mask: torch.Tensor
) -> None:
    """It was paid for: no fault of ours keeps it back."""
    image, _, report = node(image=photo[None], mask=mask[None], mask_mode="region")
    assert any("could not be fitted (no memory)" in note for note in report["notes"])
    assert torch.equal(image[0][mask == 0], photo[mask == 0])
    assert (image[0] - photo)[mask > 0.9].abs().mean() > 0.05


@pytest.mark.slow
def test_cancel_while_fitting_ends_the_node_and_the_work(
    service: DriftingService, photo: torch.Tensor, mask: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node ends at once, the thread at its next look; the paid answer is there for the next run."""
    begun, ended = [], []

    def endless(*_args: Any, should_stop: Any, **_options: Any) -> None:
        begun.append(True)
        while not should_stop():
            pass
        ended.append(True)
        raise RuntimeError("stopped")

    class Interrupted(BaseException):
        pass

    def stop() -> None:
        if begun:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "fit", endless)
        patch.setattr(comfyui, "raise_if_stopped", stop)
        with pytest.raises(Interrupted):
            awaited(GPTImage().api_call(**asked({"image": photo[None], "mask": mask[None], "mask_mode": "region"})))
    until(lambda: ended)
    assert asked_alone(monkeypatch, image=photo[None], mask=mask[None], mask_mode="region")["reused"] is True
    assert service.faults.billed == 1


@pytest.mark.slow
def test_batch_job_is_fitted_when_it_is_collected(
    service: DriftingService, photo: torch.Tensor, mask: torch.Tensor
) -> None:
    """Planned under one mask_mode, it is not planned again under another; the answer is fitted in the next run."""
    inputs = {"image": photo[None], "mask": mask[None], "connection": "openai batch", "model": "gpt-image-2"}
    for mode in ("region", "blend", "lock", "guide"):
        assert awaited(GPTImage().api_call(**asked({**inputs, "mask_mode": mode})))[0] is None
    manager = BatchManager(stores()[0], connection_of, lambda _words: None)
    assert len(manager.overview().ready) == 2
    manager.submit(manager.overview().parts)
    service.drift = SMALLER
    manager.watch(lambda _record: None, look_every_s=0.1)
    for mode in ("region", "blend"):
        image, _, report, _ = awaited(GPTImage().api_call(**asked({**inputs, "mask_mode": mode})))
        far = outside(mask, WIDTH)
        assert torch.equal(image[0][far], photo[far])
        assert json.loads(report)["edit"]["fits"][0]["verdict"] == "aligned"


@pytest.mark.slow
@pytest.mark.longest
def test_region_of_a_large_picture(service: DriftingService) -> None:
    """The region alone is sent, at the model's best size; every other pixel of the result is the picture's own."""
    photo = scene(750, 600).repeat(4, 4, 1)
    mask = torch.zeros(photo.shape[:2])
    mask[900:1500, 900:1700] = 1
    service.drift = SMALLER
    image, _, report = node(image=photo[None], mask=mask[None], mask_mode="region", model=FIXED)
    assert service.asked[0].input_sizes[0] == service.asked[0].size
    width, height = service.asked[0].size
    assert width * height <= 1536 * 1024 < report["edit"]["box"]["width"] * report["edit"]["box"]["height"]
    assert report["edit"]["fits"][0]["verdict"] == "aligned"
    box = report["edit"]["box"]
    rows, columns = slice(box["top"], box["top"] + box["height"]), slice(box["left"], box["left"] + box["width"])
    assert torch.equal(image[0, : rows.start], photo[: rows.start])
    assert torch.equal(image[0, rows.stop :], photo[rows.stop :])
    assert torch.equal(image[0, rows, : columns.start], photo[rows, : columns.start])
    assert torch.equal(image[0, rows, columns.stop :], photo[rows, columns.stop :])
    far = outside(mask[rows, columns], max(box["width"], box["height"]))
    assert torch.equal(image[0, rows, columns][far], photo[rows, columns][far])
