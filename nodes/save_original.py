"""The node that saves what was paid for: the service's own bytes, into ComfyUI's output folder."""

from __future__ import annotations

import hashlib
import reprlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api import RefusedError
from ..utils import comfyui
from ..utils.errors import BrokenPictureError
from ..utils.input_tensors import unusable
from . import inputs

if TYPE_CHECKING:
    from ..api import Originals
    from ..utils.c2pa import Credentials

SIDECAR, IN_FILE, NONE = METADATA = ("sidecar", "in file", "none")
PREFIX = "ComfyUI"
CHANGED_HERE = "as the service sent it: what was done to the output here (see the report) is not in it"


@dataclass
class _Saved:
    """What was saved, what the node shows of it, and says of it."""

    names: list[str] = field(default_factory=list)
    images: list[dict[str, str]] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)  # in order, each once
    is_animated: bool = False


class SaveOriginal:
    """Writes the files of an answer as they came: nothing is decoded, nothing is encoded."""

    CATEGORY = "image/OpenAI"
    FUNCTION = "save"
    OUTPUT_NODE = True
    place = staticmethod(comfyui.save_place)
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("files",)
    OUTPUT_TOOLTIPS = ("The names of the saved files below the output folder, one per line.",)
    DESCRIPTION = (
        "Saves the files that the service sent, byte for byte, into ComfyUI's output folder: the format they came in,"
        " with their Content Credentials (C2PA). Save Image encodes a picture again and loses these."
    )
    SEARCH_ALIASES = ("save original", "save openai image", "c2pa", "content credentials", "save png", "save webp")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the reference, where to save, and what is saved with the file."""
        prefix = (
            "The beginning of the file's name, with folders where you like. %date:yyyy-MM-dd%, %width% and"
            " %Node name.widget% are filled in as in Save Image."
        )
        metadata = (
            "Where workflow, model and cost are saved. sidecar: in a JSON file beside it, the file stays as it came."
            " in file: workflow and prompt in the file, so that dropping it on the canvas loads the workflow; the"
            " pixels stay, but its C2PA signature no longer covers it. none: nowhere."
        )
        return {
            "required": {
                "originals": inputs.socket_input("OIN_ORIGINALS", "The originals output of OpenAI GPT Image."),
                "filename_prefix": ("STRING", {"default": PREFIX, "tooltip": prefix}),
                "metadata": inputs.combo_input(METADATA, SIDECAR, metadata),
            },
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO", "unique_id": "UNIQUE_ID"},
        }

    def save(
        self,
        originals: Originals,
        filename_prefix: str = PREFIX,
        metadata: str = SIDECAR,
        prompt: Any = None,
        extra_pnginfo: Mapping[str, Any] | None = None,
        unique_id: str | None = None,
    ) -> dict[str, Any]:
        """Write the files; return what ComfyUI shows in the node and lists in its history, as Save Image does.

        Raises: RefusedError for a place outside the output folder or files that are gone, SharedStoreError, OSError.
        """
        if not hasattr(originals, "digests"):  # an output of any type can be linked
            raise unusable(originals, "originals")
        graphs = _graphs(prompt, extra_pnginfo)
        if not originals.digests:
            raise RefusedError("The answer holds no file of a known format, so there is nothing to save.")
        saved = _Saved(notes=dict.fromkeys([CHANGED_HERE] if originals.is_changed_here else []))
        if not isinstance(metadata, str) or metadata not in METADATA:  # a link may give it
            told = f"the workflow is beside the file, because metadata {reprlib.repr(metadata)} is not known"
            saved.notes[told], metadata = None, SIDECAR
        for index in range(len(originals.digests)):
            self._save_one(saved, originals, index, filename_prefix, (metadata, graphs))
        told = f"saved {saved.names[0]}" if len(saved.names) == 1 else f"saved {len(saved.names)} files"
        listed = "\n".join(saved.names)
        comfyui.show_text("; ".join([told, *saved.notes]), unique_id)
        animated = {"animated": (True,)} if saved.is_animated else {}
        return {"ui": {"images": saved.images, **animated}, "result": (listed,)}

    def _save_one(
        self, saved: _Saved, originals: Originals, index: int, prefix: str, wanted: tuple[str, Mapping[str, Any]]
    ) -> None:
        from ..api.jobs.report import dimensions
        from ..utils.c2pa import credentials_of
        from ..utils.containers import form_of
        from ..utils.picture_metadata import NoPlaceError, with_texts
        from ..utils.strangers_json import json_text

        data = originals.read(index)
        metadata, graphs = wanted
        form, credentials, written = form_of(data) or "bin", credentials_of(data), data
        if metadata == IN_FILE and graphs:
            try:
                written = with_texts(data, {name: json_text(graph, ascii_only=True) for name, graph in graphs.items()})
            except NoPlaceError as exc:
                metadata = SIDECAR
                saved.notes[f"the workflow is beside the file, because {exc}"] = None
        if written is not data and credentials is not None:
            saved.notes["its C2PA signature no longer covers the changed file"] = None
        facts = {**originals.facts, "picture": index, **described(written, credentials), **graphs}
        told = json_text(facts, indent=1).encode(errors="replace")
        place = self._place(prefix, *(dimensions(data) or (0, 0)))
        path, subfolder = _written(written, told if metadata == SIDECAR else None, f".{form}", index, place)
        saved.names.append(f"{subfolder}/{path.name}" if subfolder else path.name)
        saved.is_animated |= form == "gif"
        shown = {"filename": path.name, "subfolder": subfolder, "type": "output"}
        saved.images += [shown] if form != "svg" else _drawing(data, shown, saved.notes)

    def _place(self, prefix: str, width: int, height: int) -> comfyui.SavePlace:
        try:
            place = self.place(prefix, width, height)
        except ValueError:
            raise RefusedError(
                f"filename_prefix {prefix!r} leads out of ComfyUI's output folder. Choose a name inside it."
            ) from None
        if place is None:
            raise RefusedError("Save Original writes into ComfyUI's output folder, and there is no ComfyUI here.")
        return place


def _graphs(prompt: Any, extra_pnginfo: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return prompt and workflow, in the order in which ComfyUI writes them, unless it was told to write neither."""
    if not comfyui.saves_metadata():
        return {}
    more = extra_pnginfo if isinstance(extra_pnginfo, Mapping) else {}  # whoever posts a prompt says what it is
    found = {"prompt": prompt, "workflow": more.get("workflow")}
    return {name: graph for name, graph in found.items() if graph is not None}


def described(written: bytes, credentials: Credentials | None) -> dict[str, Any]:
    """Return what stands beside a file of the file itself: SHA-256, size in bytes, what it states of its origin."""
    return {
        "sha256": hashlib.sha256(written).hexdigest(),
        "bytes": len(written),
        "c2pa": credentials._asdict() if credentials else None,
    }


def _written(data: bytes, sidecar: bytes | None, suffix: str, index: int, place: comfyui.SavePlace) -> tuple[Path, str]:
    """Write a file and the one beside it under the next free number; nothing is ever replaced."""
    counter, stem = place.counter, place.name.replace("%batch_num%", str(index))
    while True:
        path = place.folder / f"{stem}_{counter:05}_{suffix}"
        counter += 1
        try:
            if sidecar is not None:
                _write_new(path.with_suffix(".json"), sidecar)
            try:
                _write_new(path, data)
            except OSError:
                if sidecar is not None:
                    path.with_suffix(".json").unlink()
                raise
        except FileExistsError:
            continue  # another run took the number this moment
        return path, place.subfolder


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that was not there, whole or not at all."""
    with path.open("xb") as file:
        try:
            file.write(data)
        except OSError:
            file.close()
            path.unlink()
            raise


def _drawing(data: bytes, shown: dict[str, str], notes: dict[str, None]) -> list[dict[str, str]]:
    """Return what the page shows of an SVG: the file itself only if nothing in it can run or load."""
    from ..utils.svg import clean_svg

    try:
        drawing = clean_svg(data)
    except BrokenPictureError as exc:
        notes[f"it is not shown, because {exc}"] = None
        return []
    if drawing.data == data:
        return [shown]
    notes[f"{shown['filename']} is as it came and may run scripts in a browser; what is shown is without them"] = None
    folder = comfyui.temp_folder()
    if folder is None:
        return []
    preview = folder / f"oin_{uuid.uuid4().hex}.svg"
    preview.write_bytes(drawing.data)
    return [{"filename": preview.name, "subfolder": "", "type": "temp"}]
