"""The files that hold lists of prompts: found in ComfyUI's input folder, never outside it, and read."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath

from .tables import PromptListError, Table, csv_table, fault, json_table, line_table

READERS = {".csv": csv_table, ".jsonl": json_table, ".ndjson": json_table, ".txt": line_table}
SUFFIXES = tuple(READERS)
MAX_BYTES = 100_000_000  # twice a full batch of 50,000 prompts of 1,000 letters
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def list_files(folder: Path | None) -> list[str]:
    """Return the names of the lists that lie in a folder, not below it; none where there is no folder."""
    try:
        entries = list(os.scandir(folder)) if folder else []
    except OSError:
        return []
    return sorted(entry.name for entry in entries if entry.name.lower().endswith(SUFFIXES) and entry.is_file())


def leads_outside(name: str) -> bool:
    """Tell an absolute path, or one with a step up, from one below a folder; in the notation of any system."""
    path = PureWindowsPath(name)  # knows both slashes, drives and shares
    return bool(path.anchor) or ".." in path.parts


def inside(folder: Path, name: str) -> Path:
    """Return the file of this name in a folder or below. Links that somebody put there are followed, as ComfyUI does.

    Raises:
        PromptListError: the name leads outside.
    """
    if leads_outside(name):
        raise PromptListError(
            f"{name!r} leads outside ComfyUI's input folder. Name a file in it, such as cats/tom.png."
        )
    return folder.joinpath(*PureWindowsPath(name).parts)


def file_table(folder: Path, name: str) -> Table:
    """Return the records of a list in a folder or below, read by its suffix.

    Raises:
        PromptListError: it is not there, of another kind, too large, not UTF-8, or some line is not as it should be.
    """
    path = inside(folder, name)
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise PromptListError(f"{name} is no list of prompts. Choose a file that ends in {', '.join(SUFFIXES)}.")
    return read(_text(path, name), name)


def _text(path: Path, name: str) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PromptListError(f"{name} has more than {MAX_BYTES // 1_000_000} MB. Split it into several files.")
        data = path.read_bytes()
    except OSError as exc:
        raise PromptListError(f"{name} cannot be read from ComfyUI's input folder ({exc.strerror}).") from exc
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        kind = "UTF-16" if data.startswith(UTF_16) else "not UTF-8"
        line = data.count(b"\n", 0, exc.start) + 1
        raise fault(name, line, f"the file is {kind}. Save it as UTF-8; spreadsheets call it CSV UTF-8.") from exc
