"""The files that hold lists of prompts: found in ComfyUI's input folder, never outside it, and read."""

from __future__ import annotations

import hashlib
import os
import stat
from functools import lru_cache
from pathlib import Path, PureWindowsPath
from typing import Any

from .tables import PromptListError, Table, csv_table, fault, json_table, line_table

READERS = {".csv": csv_table, ".jsonl": json_table, ".ndjson": json_table, ".txt": line_table}
SUFFIXES = tuple(READERS)
MAX_BYTES = 100_000_000  # twice a full batch of 50,000 prompts of 1,000 letters
QUICK_BYTES = 1_000_000  # what is read at once while a prompt is queued, when nothing else is done for anybody
QUICK_LINES = 20_000
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

    Raises: PromptListError if the name leads outside.
    """
    if leads_outside(name):
        raise PromptListError(
            f"{name!r} leads outside ComfyUI's input folder. Name a file in it, such as cats/tom.png."
        )
    return folder.joinpath(*PureWindowsPath(name).parts)


def is_long(text: str | bytes) -> bool:
    """Tell whether a list is too long to be read while others wait for it."""
    ends: tuple[Any, Any] = ("\n", "\r") if isinstance(text, str) else (b"\n", b"\r")
    return len(text) > QUICK_BYTES or max(map(text.count, ends)) > QUICK_LINES


def is_long_file(folder: Path, name: str) -> bool:
    """Tell whether a file is too long to be read while others wait for it; of one that is refused at once it is not.

    Raises: as `file_table`.
    """
    path = _list_path(folder, name)
    size, *_ = _version(path, name)
    return size > QUICK_BYTES or is_long(_bytes(path, name))


def file_table(folder: Path, name: str) -> Table:
    """Return the records of a list in a folder or below, read by its suffix, once as long as the file stays as it is.

    Raises: PromptListError if it is not there, of another kind, too large, not UTF-8, or a line is not as it should be.
    """
    path = _list_path(folder, name)
    table = _read_once(path, name, _version(path, name))
    if isinstance(table, PromptListError):
        raise PromptListError(str(table))  # one of its own: where it is raised is written into it
    return table


@lru_cache(2)
def _read_once(path: Path, name: str, _version: tuple[int, ...]) -> Table | PromptListError:
    try:
        data = _bytes(path, name)
        table = READERS[path.suffix.lower()](_text(data, name), name)
    except PromptListError as exc:
        return exc.with_traceback(None)
    return table._replace(digest=hashlib.sha256(data).hexdigest())


def _list_path(folder: Path, name: str) -> Path:
    path = inside(folder, name)
    if path.suffix.lower() not in SUFFIXES:
        raise PromptListError(f"{name} is no list of prompts. Choose a file that ends in {', '.join(SUFFIXES)}.")
    return path


def _version(path: Path, name: str) -> tuple[int, ...]:
    """Return a file's size in bytes, and what else changes when it does."""
    try:
        status = path.stat()
    except (OSError, ValueError) as exc:
        raise _unreadable(name, exc) from exc
    if not stat.S_ISREG(status.st_mode):  # to open a pipe waits for who writes to it
        raise PromptListError(f"{name} is no ordinary file. Put a copy of the list into ComfyUI's input folder.")
    if status.st_size > MAX_BYTES:
        raise _too_large(name)
    return status.st_size, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _bytes(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise _unreadable(name, exc) from exc
    if len(data) > MAX_BYTES:
        raise _too_large(name)
    return data


def _too_large(name: str) -> PromptListError:
    return PromptListError(f"{name} has more than {MAX_BYTES // 1_000_000} MB. Split it into several files.")


def _unreadable(name: str, exc: Exception) -> PromptListError:
    reason = exc.strerror if isinstance(exc, OSError) else exc
    return PromptListError(f"{name} cannot be read from ComfyUI's input folder ({reason}).")


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        kind = "UTF-16" if data.startswith(UTF_16) else "not UTF-8"
        line = data.count(b"\n", 0, exc.start) + 1
        raise fault(name, line, f"the file is {kind}. Save it as UTF-8; spreadsheets call it CSV UTF-8.") from exc
