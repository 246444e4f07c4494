"""The sandbox's pictures: informative, repeatable, and exact where nothing was to be changed."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from openai_image_nodes.api.catalog import catalog
from openai_image_nodes.sandbox.rendering import painter
from openai_image_nodes.sandbox.rendering.painter import partial, render
from openai_image_nodes.sandbox.rendering.primitives import Rectangle, fitted, ground, widest_box
from openai_image_nodes.sandbox.requests.image_checks import is_transparent, read_image
from openai_image_nodes.sandbox.requests.validation import ValidatedRequest
from PIL import Image

MODEL = "gpt-image-2.6-flare"
PROMPT = "A red fox asleep in the snow"


def asked(
    prompt: str = PROMPT, model: str = MODEL, size: tuple[int, int] = (320, 240), **options: Any
) -> ValidatedRequest:
    """Return a request; options that it has no room for are fields of the service."""
    spec = catalog.find(MODEL)
    assert spec is not None
    own = {name: options.pop(name) for name in list(options) if name in ValidatedRequest.__dataclass_fields__}
    fields = {"prompt": prompt, "model": model, **options}
    return ValidatedRequest(
        **{"operation": "generations", "quality": "low", **own}, fields=fields, spec=spec, size=size
    )


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def file_of(array: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    out = io.BytesIO()
    image.save(out, kind, **{"compress_level": 1, **options})  # the least work: nothing here depends on the length
    return out.getvalue()


def photo(width: int = 320, height: int = 240, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (height, width, channels), dtype=np.uint8)


def mask_of(alpha: np.ndarray) -> bytes:
    return file_of(np.dstack([np.zeros((*alpha.shape, 3), np.uint8), alpha]))


def opened_box(width: int = 320, height: int = 240) -> np.ndarray:
    alpha = np.full((height, width), 255, np.uint8)
    alpha[40:200, 60:300] = 0
    return alpha


def edit(image: np.ndarray, **options: Any) -> np.ndarray:
    size = (image.shape[1], image.shape[0])
    return pixels(render(asked(**{"size": size, **options}, operation="edits", images=(file_of(image),)), 0))


@pytest.mark.parametrize("size", [(1024, 1024), (480, 1440), (1440, 480), (16, 16)])
def test_generation_has_the_size_asked(size: tuple[int, int]) -> None:
    """Any size is drawn, also one with no room for words."""
    drawn = pixels(render(asked(size=size), 0))
    assert drawn.shape == (size[1], size[0], 3)


def test_same_request_same_bytes() -> None:
    """Nothing is drawn by chance."""
    first, second = (render(asked(), 0) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    "other", [{"prompt": "A blue fox"}, {"model": "gpt-image-2"}, {"quality": "high"}, {"size": (240, 320)}]
)
def test_another_request_is_another_picture(other: dict[str, Any]) -> None:
    """Prompt, model, quality and size can each be seen."""
    assert render(asked(), 0) != render(asked(**other), 0)


def test_pictures_of_one_request_differ() -> None:
    """n pictures are n different ones."""
    drawn = {render(asked(), index) for index in range(3)}
    assert len(drawn) == 3


def test_transparent_generation_has_nothing_at_the_corners_and_something_within() -> None:
    """A transparent ground is truly transparent."""
    alpha = pixels(render(asked(size=(320, 320), transparent=True), 0))[:, :, 3]
    assert (alpha[0, 0], alpha[-1, -1], alpha[160, 160]) == (0, 0, 255)


@pytest.mark.parametrize(("output_format", "mode"), [("png", "RGB"), ("jpeg", "RGB"), ("webp", "RGB")])
def test_output_formats(output_format: str, mode: str) -> None:
    """A file is of the format asked."""
    data = render(asked(output_format=output_format), 0)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format.lower(), image.mode, image.size) == (output_format, mode, (320, 240))


def test_compression_makes_smaller_files() -> None:
    """output_compression is the quality of jpeg and webp."""
    for output_format in ("jpeg", "webp"):
        small, large = (render(asked(output_format=output_format, output_compression=level), 0) for level in (10, 100))
        assert len(small) < len(large)


def test_masked_edit_leaves_other_pixels_exact_and_changes_the_opened_ones() -> None:
    """Only where the mask's alpha is below 255 may a pixel change, and where it is 0 all of them do."""
    image, alpha = photo(), opened_box()
    result = edit(image, mask=mask_of(alpha))
    assert np.array_equal(result[alpha == 255], image[alpha == 255])
    assert (result[alpha == 0] != image[alpha == 0]).any(axis=1).mean() > 0.99


def test_soft_mask_is_blended() -> None:
    """A pixel with alpha 128 lies about half way between the old and the new."""
    image = photo()
    hard, soft = (edit(image, mask=mask_of(np.full((240, 320), level, np.uint8))) for level in (0, 128))
    top = np.s_[:20]  # no label up there, which would not be drawn under a soft mask
    expected = (image[top].astype(int) * 128 + hard[top].astype(int) * 127) / 255
    assert np.abs(soft[top] - expected).max() <= 1


def test_mask_that_opens_nothing_changes_nothing() -> None:
    """An all-opaque mask gives the image back."""
    image = photo()
    assert np.array_equal(edit(image, mask=mask_of(np.full((240, 320), 255, np.uint8))), image)


def test_edit_without_mask_writes_a_caption_at_the_foot_only() -> None:
    """The strip takes at most 15 percent of the height; above it nothing changes."""
    image = photo()
    result = edit(image)
    assert np.array_equal(result[:204], image[:204])
    assert (result[204:] != image[204:]).mean() > 0.9


def test_further_references_are_shown() -> None:
    """Another second image is another picture."""
    first, black, white = file_of(photo()), *(file_of(np.full((64, 64, 3), level, np.uint8)) for level in (0, 255))
    results = {render(asked(operation="edits", images=(first, other)), 0) for other in (black, white)}
    assert len(results) == 2


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 48), (33, 700)])
def test_small_images_can_be_edited(size: tuple[int, int]) -> None:
    """No image is too small for an edit, with and without a mask."""
    image = photo(*size)
    nothing = mask_of(np.zeros((size[1], size[0]), np.uint8))
    assert edit(image).shape == edit(image, mask=nothing).shape == image.shape


def test_edit_is_scaled_to_the_size_asked() -> None:
    """Image and mask are scaled together."""
    result = edit(photo(), mask=mask_of(opened_box()), size=(640, 480))
    scaled = np.array(Image.fromarray(photo()).resize((640, 480), Image.Resampling.LANCZOS))
    assert result.shape == (480, 640, 3)
    assert np.array_equal(result[:70], scaled[:70])


def test_markup_is_drawn_over_the_image() -> None:
    """What was marked can be seen; the rest stays."""
    markup = np.zeros((240, 320, 4), np.uint8)
    markup[10:20, 10:20] = (255, 0, 0, 255)
    result = edit(photo(), markup=file_of(markup))
    assert (result[10:20, 10:20] == (255, 0, 0)).all()
    assert np.array_equal(result[:10], photo()[:10])


def test_transparent_edit_keeps_alpha_and_opens_some() -> None:
    """Kept pixels keep their alpha; in the redrawn area some pixels are transparent."""
    image, alpha = photo(channels=4), opened_box()
    result = edit(image, mask=mask_of(alpha), transparent=True)
    assert np.array_equal(result[alpha == 255], image[alpha == 255])
    assert result[alpha == 0][:, 3].min() == 0


def test_opaque_edit_lays_alpha_on_white() -> None:
    """Without transparency the answer has three channels."""
    image = np.zeros((240, 320, 4), np.uint8)
    result = edit(image)
    assert result.shape == (240, 320, 3)
    assert (result[:200] == 255).all()


def test_orientation_is_applied() -> None:
    """A photograph on its side (EXIF 6) is measured and edited upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = file_of(photo(), "JPEG", exif=exif)
    assert read_image(data).size == (240, 320)
    assert pixels(render(asked(operation="edits", size=(240, 320), images=(data,)), 0)).shape == (320, 240, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_measure_reads_the_three_input_formats(kind: str) -> None:
    """png, jpeg and webp are what the service takes."""
    assert read_image(file_of(photo(), kind)).size == (320, 240)


@pytest.mark.parametrize(
    "data",
    [b"", b"no picture", file_of(photo())[:2000], file_of(photo(), "JPEG")[:3000], file_of(photo(), "GIF")],
    ids=["empty", "text", "half a png", "half a jpeg", "gif"],
)
def test_measure_refuses_what_cannot_be_read_whole(data: bytes) -> None:
    """A damaged file is found out, not only a wrong beginning."""
    with pytest.raises(ValueError, match="unreadable image"):
        read_image(data)


def test_has_transparency_looks_at_the_pixels() -> None:
    """An alpha channel alone is not transparency; a palette's transparent colour is."""
    opaque = Image.new("RGBA", (4, 4), (1, 2, 3, 255))
    palette = Image.new("P", (4, 4))
    assert not is_transparent(read_image(file_of(photo())))
    assert not is_transparent(read_image(file_of(opaque)))
    assert is_transparent(read_image(file_of(palette, transparency=0)))


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("images", [(), (file_of(photo()),)], ids=["generation", "edit"])
def test_gif_has_frames_and_timing(images: tuple[bytes, ...], transparent: bool) -> None:
    """Every frame is there, as long as asked, in an endless loop."""
    options = {"output_format": "gif", "transparent": transparent, "frame_count": 5, "frame_duration_ms": 120}
    data = render(asked(size=(96, 64), images=images, **options), 0)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size, image.n_frames) == ("GIF", (96, 64), 5)
        assert (image.info["duration"], image.info["loop"]) == (120, 0)
        assert ("transparency" in image.info) == transparent


def test_partials_come_nearer_to_the_picture() -> None:
    """Each step differs less from the finished picture than the one before, and has its size."""
    request = asked(stream=True, partial_images=3)
    whole = render(request, 0)
    steps = [partial(request, whole, step) for step in range(3)]
    distances = [np.abs(pixels(step).astype(int) - pixels(whole)).mean() for step in steps]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] > 0


@pytest.mark.parametrize(
    "prompt", ["", "x" * 5000, "word " * 5000, "\u5915\u713c\u3051 " * 50, "a\nb\tc", "\U0001f98a"]
)
def test_any_prompt_can_be_drawn(prompt: str) -> None:
    """No prompt is too long or too strange for a picture."""
    assert render(asked(prompt), 0)


def test_fitted_text_stays_within_its_box() -> None:
    """At a size above the smallest nothing is cut off, and lines times height fit."""
    words = "A watercolour of a lighthouse at dusk with gulls"
    _font, size, lines = fitted(words, 300, 100, largest=60, smallest=8)
    assert " ".join(lines) == words
    assert len(lines) * size <= 100


def test_widest_box_finds_the_open_rectangle() -> None:
    """The box lies in the opened area and takes most of a rectangle's room."""
    opened = opened_box() == 0
    box = widest_box(opened)
    assert box is not None
    assert opened[box.top : box.bottom, box.left : box.right].all()
    assert box.width * box.height > 0.8 * opened.sum()
    assert widest_box(np.zeros((10, 10), bool)) is None


def test_ground_turns_back_to_where_it_began() -> None:
    """An animation over `turn` 0..1 is a loop."""
    assert np.abs(ground("s", 64, 48).astype(int) - ground("s", 64, 48, turn=1.0)).max() <= 1
    assert not np.array_equal(ground("s", 64, 48), ground("s", 64, 48, turn=0.5))


def test_box_inset() -> None:
    """A box becomes smaller on all four sides."""
    assert Rectangle(0, 10, 100, 50).inset(5) == Rectangle(5, 15, 95, 45)


def test_pixels_are_one_file_however_they_are_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """isal gives other bytes now and then; who asks again gets the file that was given before."""
    files = iter([b"first", b"second", b"third"])
    monkeypatch.setattr(painter, "encode_png", lambda _pixels: next(files))
    one, other = (np.full((2, 2, 3), value, np.uint8) for value in (231, 232))
    assert [painter.encoded(each, "png", 100) for each in (one, other, one)] == [b"first", b"second", b"first"]
    for value in range(painter.FILES_KEPT):
        monkeypatch.setattr(painter, "encode_png", lambda _pixels: b"more")
        painter.encoded(np.full((3, 1, 3), value, np.uint8), "png", 100)
    assert len(painter._FILES) == painter.FILES_KEPT
    painter._FILES.clear()
