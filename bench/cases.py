"""The cases that are run both ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import ours, pictures, reference
from .answerer import Address

SIDE = 2048
SIZES = {"small": (1024, 1024), "large": (3840, 2160), "tiny": (64, 64)}
Way = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One case: `reference` and `ours` get the folder of files and the service, and return what is to be timed."""

    name: str
    reference: Callable[[Path, Address], Way]
    ours: Callable[[Path, Address], Way]
    quick: bool = False
    memory: bool = False
    quick_memory: bool = False
    is_upload: bool = False  # what both ways return are the files that go out


def write_files(folder: Path) -> None:
    """Write the pictures that go out, as floats, and the service's pictures."""
    kinds = {"photo": pictures.photograph, "noisy": pictures.noisy, "flat": pictures.flat, "rgba": pictures.rgba}
    for name, make in kinds.items():
        np.save(folder / f"{name}.npy", make(SIDE, SIDE).astype(np.float32) / np.float32(255))
    for size, count in (("small", 10), ("large", 4), ("tiny", 1)):
        for number, name in enumerate(_names(size, count)):
            (folder / name).write_bytes(pictures.png(pictures.photograph(*SIZES[size], number)))
    for size, count in (("small", 1), ("small", 4), ("small", 10), ("large", 4), ("tiny", 1)):
        files = [(folder / name).read_bytes() for name in _names(size, count)]
        (folder / f"{size}_{count}.json").write_bytes(pictures.answer(files))


def all_cases() -> list[Case]:
    """Return the cases in the order that they are run."""
    return [
        *(_encoding(kind, count) for kind in ("photo", "noisy", "flat") for count in (1, 4, 16)),
        _encoding("rgba", 1),
        _encoding("photo", 1, half=True),
        _encoding_mask(),
        *(_edit(count) for count in (1, 4, 16)),
        *(_decoding(size, count, form) for form in ("base64", "url") for size, count in DECODED),
        _generation(),
    ]


DECODED = (("small", 1), ("small", 4), ("small", 10), ("large", 4))
KINDS = {"photo": "photograph", "noisy": "noisy photograph", "flat": "flat artwork", "rgba": "photograph RGBA"}


def _encoding(kind: str, count: int, *, half: bool = False) -> Case:
    def way(encode: Callable[[Tensor], object]) -> Callable[[Path, Address], Way]:
        def loaded(folder: Path, _address: Address) -> Way:
            batch = load_batch(folder, kind, count, half=half)
            return lambda: encode(batch)

        return loaded

    name = f"encode {count} x {KINDS[kind]} 2048x2048{' fp16' if half else ''}"
    few = count == 1 and not half and kind != "rgba"
    quick = few or (kind, count) == ("photo", 4)
    memory = kind == "photo" and not half
    return Case(name, way(reference.encode), way(ours.encode), quick, memory=memory, is_upload=True)


def _encoding_mask() -> Case:
    ways = _mask(reference.encode_mask), _mask(ours.encode_mask)
    return Case("encode mask 2048x2048", *ways, quick=True, is_upload=True)


def _mask(encode: Callable[[Tensor], bytes]) -> Callable[[Path, Address], Way]:
    def loaded(_folder: Path, _address: Address) -> Way:
        mask = torch.zeros(1, SIDE, SIDE)
        mask[:, 400:1400, 600:1800] = 1
        return lambda: [encode(mask)]

    return loaded


def _edit(count: int) -> Case:
    def way(call: Callable[[str, Tensor], object]) -> Callable[[Path, Address], Way]:
        def loaded(folder: Path, address: Address) -> Way:
            batch = load_batch(folder, "photo", count)
            return lambda: call(address.answering("small_1"), batch)

        return loaded

    name = f"whole edit call, {count} x photograph 2048x2048"
    return Case(name, way(reference.call), way(ours.call), quick=count < 16, memory=True)


def _generation() -> Case:
    def way(call: Callable[[str, None], object]) -> Callable[[Path, Address], Way]:
        return lambda _folder, address: lambda: call(address.answering("large_4"), None)

    return Case("whole call, n = 4 of 3840x2160", way(reference.call), way(partial(ours.call, n=4)), memory=True)


def _decoding(size: str, count: int, form: str) -> Case:
    def way(decode: Callable[[bytes], object]) -> Callable[[Path, Address], Way]:
        def loaded(folder: Path, address: Address) -> Way:
            if form == "url":
                body = pictures.answer_with_addresses(_names(size, count), f"{address}/files")
                return lambda: decode(body)
            path = folder / f"{size}_{count}.json"
            return lambda: decode(path.read_bytes())

        return loaded

    name = f"decode n = {count} of {'x'.join(map(str, SIZES[size]))}, {form}"
    large = size == "large"
    quick = form == "base64" and (large or count == 1)
    return Case(name, way(reference.decode), way(ours.decode), quick, large, quick and large)


def load_batch(folder: Path, kind: str, count: int, *, half: bool = False) -> Tensor:
    """Return a batch [B,H,W,C] of one picture, which both ways encode as many times as it is there."""
    picture = torch.from_numpy(np.load(folder / f"{kind}.npy"))
    return (picture.half() if half else picture)[None].expand(count, -1, -1, -1)


def _names(size: str, count: int) -> list[str]:
    return [f"{size}_{number}.png" for number in range(count)]
