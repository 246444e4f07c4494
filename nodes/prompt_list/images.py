"""The pictures that rows of a list name: found, told apart by their state on the disk, and loaded once each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageOps

from ...utils.encode import NO_MASK_SIZE
from ...utils.errors import BrokenPictureError
from ...utils.image_files import read_mask
from ...utils.read_image import picture_to_pixels, reading
from ...utils.tensors import in_parallel, pixels_to_tensor, size_text
from .files import PromptListError, Table, fault, inside, leads_outside
from .rows import Row

if TYPE_CHECKING:  # and where it is used: the commands do without torch, which takes seconds and 200 MB
    from torch import Tensor

TOGETHER = 16  # files that are loaded before Cancel is looked at again
FLOAT_BYTES = 4
SHARE = 0.5  # of the free memory: what is made of the pictures takes as much again
MISSING = "is not in ComfyUI's input folder. Copy it there, or correct the name."


class Loaded(NamedTuple):
    """What a row gives: image float32 [1,H,W,3] and mask float32 [1,H,W], 1 = replace; None for a row without."""

    image: Tensor | None
    mask: Tensor | None


def refuse_missing(rows: Iterable[Row], folder: Path, source: str) -> None:
    """Look for every picture that is named.

    Raises:
        PromptListError: one is not there; the message names the row.
    """
    there: dict[Path, bool] = {}
    for row, column, name, path in _named(rows, folder):
        if path not in there:
            there[path] = path.is_file()
        if not there[path]:
            raise fault(source, row.line, f"{column} {name!r} {MISSING}")


def fingerprint(table: Table, folder: Path) -> str:
    """Return what changes with the rows of a list, and with the time or size of any picture that they name."""
    digest = hashlib.sha256(repr(table).encode())
    names = {str(record.fields.get(column, "")) for record in table.records for column in ("image", "mask")}
    for name in sorted(names):
        if name and not leads_outside(name):
            digest.update(f"{name}:{_state(inside(folder, name))}".encode())
    return digest.hexdigest()


def load(
    rows: Sequence[Row], folder: Path, source: str, *, free_bytes: int | None, step: Callable[[int, int], None]
) -> list[Loaded]:
    """Return the pictures of each row, as Load Image has them; rows that name the same file share one tensor.

    A mask is the file of the column mask, else what is transparent in the picture, else Load Image's empty 64x64 one.
    `step` is told before each handful how many of all files are loaded, and may raise to stop.

    Raises:
        PromptListError: a file is missing or broken, a mask is of another size, or all need too much memory.
    """
    refuse_missing(rows, folder, source)
    files = _files(rows, source, folder)
    _refuse_too_much(files, source, free_bytes)
    tensors: dict[tuple[str, Path], tuple[Tensor, ...]] = {}
    for at in range(0, len(files), TOGETHER):
        step(at, len(files))
        some = files[at : at + TOGETHER]
        tensors.update(zip(((file.column, file.path) for file in some), in_parallel(_read, some), strict=True))
    return [_loaded(row, folder, source, tensors) for row in rows]


class _File(NamedTuple):
    """A file to load, and the row that names it first, for messages."""

    path: Path
    column: str
    source: str
    row: Row
    name: str


def _named(rows: Iterable[Row], folder: Path) -> Iterator[tuple[Row, str, str, Path]]:
    for row in rows:
        for column, name in (("image", row.image), ("mask", row.mask)):
            if name:
                yield row, column, name, inside(folder, name)


def _files(rows: Sequence[Row], source: str, folder: Path) -> list[_File]:
    """Return each file once, in the order of the rows; one that is picture and mask comes as both."""
    files: dict[tuple[str, Path], _File] = {}
    for row, column, name, path in _named(rows, folder):
        files.setdefault((column, path), _File(path, column, source, row, name))
    return list(files.values())


def _state(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size


def _refuse_too_much(files: Sequence[_File], source: str, free_bytes: int | None) -> None:
    if free_bytes is None:
        return
    needed, allowed = sum(in_parallel(_float_bytes, files)), int(free_bytes * SHARE)
    if needed > allowed:
        raise PromptListError(
            f"{source}: the {len(files)} pictures need {needed / 2**30:.1f} GB and {allowed / 2**30:.1f} GB are left"
            f" for them. Take fewer rows at a time: set limit to about {max(1, len(files) * allowed // needed)}."
        )


def _float_bytes(file: _File) -> int:
    with _readable(file), Image.open(file.path) as header:
        channels = 1 if file.column == "mask" else 4 if header.has_transparency_data else 3
        return int(header.width * header.height * channels * FLOAT_BYTES)


@contextmanager
def _readable(file: _File) -> Iterator[None]:
    try:
        with reading():
            yield
    except BrokenPictureError as exc:
        raise fault(file.source, file.row.line, f"{file.name!r} cannot be read as a picture. Replace it.") from exc


def _read(file: _File) -> tuple[Tensor, ...]:
    """Return the mask [1,H,W] of a mask's file, and of a picture's [1,H,W,3] and, where it has holes, their mask."""
    with _readable(file):
        if file.column == "mask":
            return (read_mask(file.path)[None],)
        with Image.open(file.path) as opened:
            pixels = picture_to_pixels(ImageOps.exif_transpose(opened))  # HWC
    import torch

    floats = torch.empty(pixels.shape)
    pixels_to_tensor(pixels, floats)
    image = floats[None, ..., :3]
    return (image,) if pixels.shape[2] == 3 else (image.contiguous(), 1 - floats[None, ..., 3])


@cache
def _no_mask() -> Tensor:
    """Return the one empty mask that all pictures without holes share."""
    import torch

    return torch.zeros(1, *NO_MASK_SIZE)


def _loaded(row: Row, folder: Path, source: str, tensors: Mapping[tuple[str, Path], tuple[Tensor, ...]]) -> Loaded:
    if not row.image:
        return Loaded(None, None)
    image, *holes = tensors["image", inside(folder, row.image)]
    if not row.mask:
        return Loaded(image, holes[0] if holes else _no_mask())
    [mask] = tensors["mask", inside(folder, row.mask)]
    if mask.shape[1:] != image.shape[1:3]:
        sizes = [size_text(width, height) for height, width in (mask.shape[1:], image.shape[1:3])]
        raise fault(source, row.line, f"the mask is {sizes[0]} and the image is {sizes[1]}. They must be of one size.")
    return Loaded(image, mask)
