"""The pictures of the prompt list: as Load Image has them, each file once, and never more than there is memory for."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from openai_image_nodes.nodes.prompt_list import images
from openai_image_nodes.nodes.prompt_list.tables import PromptListError
from PIL import Image
from support.prompt_lists import Lists, inputs, lists, picture, write

__all__ = ["inputs"]  # a fixture


def run(folder: Path, *rows: str, **values: Any) -> Lists:
    """Run a list with the columns prompt, image and mask."""
    return lists(file=write(folder, "a.csv", "prompt,image,mask\n" + "\n".join(rows)), **values)


def refused(folder: Path, *rows: str) -> str:
    """Return what such a list is refused with."""
    with pytest.raises(PromptListError) as caught:
        run(folder, *rows)
    return str(caught.value)


def levels(path: Path, mode: str) -> torch.Tensor:
    """Return a picture's levels / 255."""
    with Image.open(path) as opened:
        return torch.from_numpy(np.asarray(opened.convert(mode), np.float32) / 255)


def test_a_picture_is_what_load_image_gives(inputs: Path) -> None:
    """Float32 [1,H,W,3] in 0..1, and the empty mask for a picture without transparency."""
    picture(inputs, "cats/tom.png")
    result = run(inputs, "fox,cats/tom.png,", "fox,cats\\tom.png,")
    assert torch.equal(result.image[0], levels(inputs / "cats/tom.png", "RGB")[None])
    assert result.image[0].dtype == result.mask[0].dtype == torch.float32
    assert torch.equal(result.mask[0], torch.zeros(1, 64, 64))


def test_transparency_becomes_the_mask(inputs: Path) -> None:
    """1 - alpha: what is transparent is redrawn, and the colours below stay."""
    picture(inputs, "tom.png", "RGBA")
    result = run(inputs, "fox,tom.png,")
    rgba = levels(inputs / "tom.png", "RGBA")[None]
    assert torch.equal(result.image[0], rgba[..., :3])
    assert result.image[0].is_contiguous()
    assert torch.equal(result.mask[0], 1 - rgba[..., 3])


def test_the_mask_of_the_row_wins(inputs: Path) -> None:
    """White is redrawn."""
    picture(inputs, "tom.png", "RGBA")
    picture(inputs, "mask.png", "L")
    result = run(inputs, "fox,tom.png,mask.png")
    assert torch.equal(result.mask[0], levels(inputs / "mask.png", "L")[None])


def test_pictures_are_turned_upright(inputs: Path) -> None:
    """By the camera's note in the file."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(inputs, "tom.jpg", size=(8, 6), exif=exif)
    assert run(inputs, "fox,tom.jpg,").image[0].shape == (1, 8, 6, 3)


@pytest.mark.parametrize("suffix", ["bmp", "tiff", "webp", "gif"])
def test_other_formats(inputs: Path, suffix: str) -> None:
    """Whatever Pillow reads."""
    assert run(inputs, f"fox,{picture(inputs, f'tom.{suffix}')},").image[0].shape == (1, 6, 8, 3)


def test_rows_with_the_same_file_share_one_tensor(inputs: Path) -> None:
    """A thousand prompts for one picture need its memory once."""
    picture(inputs, "tom.png", "RGBA")
    picture(inputs, "mask.png", "L")
    result = run(inputs, *["fox,tom.png,"] * 500, *["fox,tom.png,mask.png"] * 500)
    assert len({id(image) for image in result.image}) == 1
    assert len({id(mask) for mask in result.mask}) == 2
    assert len(result.image) == len(result.mask) == result.count == 1000


def test_rows_without_a_picture_give_none(inputs: Path) -> None:
    """OpenAI GPT Image then makes a picture from the prompt alone, in the same run as the edits."""
    picture(inputs, "tom.png")
    result = run(inputs, "fox,,", "fox,tom.png,", "hare,,")
    assert [image is None for image in result.image] == [True, False, True]
    assert [mask is None for mask in result.mask] == [True, False, True]


def test_only_the_pictures_of_the_portion_are_loaded(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else takes time or memory."""
    read: list[str] = []
    original = images._read
    monkeypatch.setattr(images, "_read", lambda file: (read.append(file.name), original(file))[1])
    rows = [f"fox,{picture(inputs, f'{number}.png')}," for number in range(6)]
    run(inputs, *rows, start=2, limit=2)
    assert sorted(read) == ["1.png", "2.png"]


def test_a_mask_of_another_size(inputs: Path) -> None:
    """The message names the line, which the node behind could not."""
    picture(inputs, "tom.png")
    picture(inputs, "mask.png", "L", (9, 6))
    told = "a.csv, line 3: the mask is 9x6 and the image is 8x6. They must be of one size."
    assert refused(inputs, "fox,tom.png,", "fox,tom.png,mask.png") == told


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_no_picture(inputs: Path, content: bytes) -> None:
    """The first row that names it is named, and no path of the disk."""
    write(inputs, "tom.png", content)
    told = "a.csv, line 3: 'tom.png' cannot be read as a picture. Replace it."
    assert refused(inputs, "hare,,", "fox,tom.png,", "fox,tom.png,") == told


def test_a_picture_that_is_cut_off(inputs: Path) -> None:
    """Its header is in order, its end is not."""
    picture(inputs, "tom.png", size=(64, 64))
    whole = (inputs / "tom.png").read_bytes()
    write(inputs, "tom.png", whole[: len(whole) // 2])
    assert refused(inputs, "fox,tom.png,") == "a.csv, line 2: 'tom.png' cannot be read as a picture. Replace it."


def test_more_than_the_memory_holds_is_refused(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any is loaded, with a limit that fits: half of what is free, for the results need as much."""
    free = 10 * 6 * 8 * 3 * 4
    psutil = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=free))
    monkeypatch.setitem(sys.modules, "psutil", psutil)
    rows = [f"fox,{picture(inputs, f'{number}.png')}," for number in range(6)]
    assert run(inputs, *rows[:5], *rows[:5]).count == 10
    told = refused(inputs, *rows)
    assert told.startswith("a.csv: the 6 pictures need 0.0 GB and 0.0 GB are left for them.")
    assert told.endswith("set limit to about 5.")


def test_cancel_ends_the_loading(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ComfyUI's own interruption comes out."""

    class Interrupted(BaseException):
        pass

    def stop() -> None:
        raise Interrupted

    management = SimpleNamespace(throw_exception_if_processing_interrupted=stop)
    monkeypatch.setitem(sys.modules, "comfy.model_management", management)
    picture(inputs, "tom.png")
    with pytest.raises(Interrupted):
        run(inputs, "fox,tom.png,")
