"""Pictures to files of the shell: copied byte for byte, converted only where a file's name asks for another format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..api import Originals, RefusedError
from ..nodes.save_original import IN_FILE, METADATA, SIDECAR, described
from ..utils.c2pa import credentials_of
from ..utils.containers import form_of
from ..utils.errors import BrokenPictureError
from ..utils.image_files import WRITABLE, converted
from ..utils.picture_metadata import NoPlaceError, with_texts
from ..utils.png import encode_png
from ..utils.read_image import fault_of
from ..utils.strangers_json import read_object
from ..utils.tensors import tensor_to_pixels
from .terminal import tell

__all__ = ["METADATA", "check_place", "written"]

SAME = {".jpeg": ".jpg"}
TEXT_NAME = "openai_image_nodes"
SIDECAR_DEPTH = 200
TAKEN = "is another file already."


def check_place(path: Path, metadata: str) -> None:
    """Refuse a place to which nothing can be written, or only over something else, before anything is paid.

    Raises: RefusedError.
    """
    if path.suffix.lower() not in WRITABLE:
        known = ", ".join(WRITABLE)
        raise RefusedError(f"{path} has no suffix of a picture. Choose one of {known}.")
    if not path.parent.is_dir():
        raise RefusedError(f"The folder {path.parent} is not there. Make it first.")
    if path.is_dir():
        raise RefusedError(f"{path} is a folder. Name a file in it.")
    beside = path.with_suffix(".json")
    if metadata == SIDECAR and _is_anothers(beside):
        raise RefusedError(f"{beside} {TAKEN} Choose another name.")


def _is_anothers(beside: Path) -> bool:
    """Tell whether a file is there and is none that was written beside a picture, which may be written again."""
    try:
        told = read_object(beside.read_bytes(), max_depth=SIDECAR_DEPTH)
    except FileNotFoundError:
        return False
    except (OSError, ValueError, RecursionError):
        return True
    return not {"identity", "sha256"} <= set(told)


def written(originals: Originals, changed: Sequence[Any], path: Path, metadata: str) -> list[Path]:
    """Write an answer's pictures to a file, or to NAME_1, NAME_2 ... for several; return their paths.

    `changed` are a node's outputs (image [n,H,W,3|4] first) where the answer was put back into a picture: these are
    written then, encoded.

    Raises: OSError, RefusedError, BrokenPictureError where there is none, or one that must be converted cannot be read.
    """
    files = [encode_png(tensor_to_pixels(one)) for one in changed[0]] if changed else []
    count = len(files or originals.digests)
    if not count:
        raise BrokenPictureError("No file in it is a picture of a known format.")
    targets = [path] if count == 1 else [path.with_name(f"{path.stem}_{at + 1}{path.suffix}") for at in range(count)]
    for index, target in enumerate(targets):
        facts = {**originals.facts, "picture": index}
        data, place = files[index] if files else originals.read(index), metadata
        fault = None if files else fault_of(data)
        suffix = target.suffix.lower()
        if f".{form_of(data)}" != SAME.get(suffix, suffix):
            data = converted(data, suffix)
        if place == IN_FILE:
            try:
                data = with_texts(data, {TEXT_NAME: json.dumps(facts)})
            except NoPlaceError as exc:
                place = SIDECAR
                tell(f"note: what made {target} is beside it, because {exc}", is_aside=True)
        target.write_bytes(data)
        if fault:
            tell(f"note: {target} is as it came, but cannot be read here: {fault}", is_aside=True)
        beside = target.with_suffix(".json")
        if place == SIDECAR and _is_anothers(beside):
            tell(f"note: what made {target} is not saved, because {beside} {TAKEN}", is_aside=True)
        elif place == SIDECAR:
            told = {**facts, **described(data, credentials_of(data))}
            beside.write_bytes(json.dumps(told, indent=1, ensure_ascii=False).encode(errors="replace"))
    return targets
