"""The images that rows of a list name: found, told apart by their state on the disk, and loaded once each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...utils.encode import NO_MASK_SIZE
from ...utils.errors import BrokenPictureError
from ...utils.image_files import image_bytes, read_image, read_mask
from ...utils.input_tensors import size_text
from ...utils.tensors import parallel_map
from .files import inside, leads_outside
from .rows import Row
from .tables import PromptListError, Table, fault

if TYPE_CHECKING:  # and where it is used: the commands do without torch, which takes seconds and 200 MB
    from torch import Tensor

TOGETHER = 16  # files that are loaded before Cancel is looked at again
SHARE = 0.5  # of the free memory: what is made of the pictures takes as much again


class RowImages(NamedTuple):
    """What a row gives: image float32 [1,H,W,3] and mask float32 [1,H,W], 1 = replace; None for a row without."""

    image: Tensor | None
    mask: Tensor | None


def refuse_missing(rows: Iterable[Row], folder: Path, source: str) -> None:
    """Look for every picture that is named. Raises: PromptListError if one is not there; the message names the row."""
    there: dict[Path, bool] = {}
    for row, column, name, path in _named(rows, folder):
        if path not in there:
            there[path] = os.path.isfile(path)  # unlike Path, for a name that is too long it says no
        if not there[path]:
            told = f"{column} {name!r} is not in ComfyUI's input folder. Copy it there, or correct the name."
            raise fault(source, row.line, told)


def fingerprint(table: Table, folder: Path) -> str:
    """Return what changes with the rows of a list, and with the time or size of any picture that they name."""
    digest = hashlib.sha256(table.digest.encode())
    values = (record.fields.get(column) for record in table.records for column in ("image", "mask"))
    for name in sorted({value for value in values if isinstance(value, str)}):
        if not leads_outside(name):
            try:
                status = inside(folder, name).stat()
                state = status.st_mtime_ns, status.st_size
            except (OSError, ValueError):
                state = None
            digest.update(f"{name}:{state}".encode())
    return digest.hexdigest()


def load(
    rows: Sequence[Row], folder: Path, source: str, *, free_bytes: int | None, step: Callable[[int, int], None]
) -> list[RowImages]:
    """Return the pictures of each row, as Load Image has them; rows that name the same file share one tensor.

    A mask is the file of the column mask, else what is transparent in the picture, else Load Image's empty 64x64 one.
    `step` is told before each handful how many of all files are loaded, and may raise to stop.

    Raises: PromptListError if a file is missing or broken, a mask is of another size, or all need too much memory.
    """
    refuse_missing(rows, folder, source)
    unique: dict[tuple[str, Path], _File] = {}  # one that is picture and mask comes as both
    for row, column, name, path in _named(rows, folder):
        unique.setdefault((column, path), _File(path, column, source, row, name))
    files = list(unique.values())
    if free_bytes is not None:
        _refuse_too_much(files, source, free_bytes)
    read: dict[tuple[str, Path], RowImages] = {}
    for at in range(0, len(files), TOGETHER):
        step(at, len(files))
        some = files[at : at + TOGETHER]
        read.update(zip(((file.column, file.path) for file in some), parallel_map(_read, some), strict=True))
    return [_loaded(row, folder, source, read) for row in rows]


class _File(NamedTuple):
    """A file to load, and the row that names it first, for messages."""

    path: Path
    column: str
    source: str
    row: Row
    name: str

    def unreadable(self) -> PromptListError:
        return fault(self.source, self.row.line, f"{self.name!r} cannot be read as a picture. Replace it.")


def _named(rows: Iterable[Row], folder: Path) -> Iterator[tuple[Row, str, str, Path]]:
    for row in rows:
        for column, name in (("image", row.image), ("mask", row.mask)):
            if name:
                yield row, column, name, inside(folder, name)


def _refuse_too_much(files: Sequence[_File], source: str, free_bytes: int) -> None:
    needed, allowed = sum(parallel_map(_bytes, files)), int(free_bytes * SHARE)
    if needed > allowed:
        raise PromptListError(
            f"{source}: the {len(files)} pictures need {needed / 2**30:.1f} GB and {allowed / 2**30:.1f} GB are left"
            f" for them. Take fewer rows at a time: set limit to about {max(1, len(files) * allowed // needed)}."
        )


def _bytes(file: _File) -> int:
    try:
        return image_bytes(file.path, mask=file.column == "mask")
    except (BrokenPictureError, OSError) as exc:
        raise file.unreadable() from exc


def _read(file: _File) -> RowImages:
    """Return what is in a file: a mask [1,H,W], or an image [1,H,W,3] and the mask of what is transparent in it."""
    try:
        return RowImages(None, read_mask(file.path)) if file.column == "mask" else RowImages(*read_image(file.path))
    except (BrokenPictureError, OSError) as exc:
        raise file.unreadable() from exc


@cache
def _no_mask() -> Tensor:
    """Return the one empty mask that all pictures without holes share."""
    import torch

    return torch.zeros(1, *NO_MASK_SIZE)


def _loaded(row: Row, folder: Path, source: str, read: Mapping[tuple[str, Path], RowImages]) -> RowImages:
    if not row.image:
        return RowImages(None, None)
    image, transparent = read["image", inside(folder, row.image)]
    if not row.mask:
        return RowImages(image, _no_mask() if transparent is None else transparent)
    mask = read["mask", inside(folder, row.mask)].mask
    if image is not None and mask is not None and mask.shape[1:] != image.shape[1:3]:
        sizes = [size_text(width, height) for height, width in (mask.shape[1:], image.shape[1:3])]
        raise fault(source, row.line, f"the mask is {sizes[0]} and the image is {sizes[1]}. They must be of one size.")
    return RowImages(image, mask)
