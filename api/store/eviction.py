"""What is kept by its last use: how much it may be, and which answers are forgotten first."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

from ..backends import atomic_files as files
from ..config import whole_number
from .records import NAME, RECORD, JobRecord, read_record, tell_once

UNREAD = "unread"
UNSHARED = "unshared"
MAX_BYTES_VARIABLE = "OPENAI_IMAGE_NODES_STORE_MAX_BYTES"
MAX_BYTES = 4_000_000_000
COUNT_EVERY = 256
SPARE = 0.05  # of the limit: a full store must not be searched for its oldest answer at every request


_users_lock = threading.Lock()
_users: WeakValueDictionary[tuple[Path, int], object] = WeakValueDictionary()  # by the folder that they need


def keep_for(user: object, folder: Path) -> None:
    """Forget an answer in this process only once nobody has the object that reads its files."""
    with _users_lock:
        _users[folder, id(user)] = user


class _Kept(NamedTuple):
    """An answer's folder: its bytes, when it was last used, and whether somebody has yet to have it."""

    name: str
    size: int
    used_at: float
    is_needed: bool


class SizeLimit:
    """Counts the bytes of the answers in a folder and forgets the longest unused, never one that nobody has yet."""

    def __init__(self, jobs: Path, trash: Path) -> None:
        self._jobs = jobs
        self._trash = trash
        self._bytes = 0
        self._bytes_left = 0
        self._uncounted = COUNT_EVERY

    @property
    def wanted_bytes(self) -> int:
        """How much should be left when room is made."""
        limit = limit_bytes()
        return int(limit * (1 - SPARE)) if self._bytes > limit else limit

    def is_short_after(self, added: int) -> bool:
        """Add the bytes of an answer; tell whether it is time to make room.

        All is counted again now and then, for others write here too.
        """
        limit = limit_bytes()
        self._bytes += added
        self._uncounted += 1
        # what was left when room was last made is unread: looking for more at every request would be in vain
        is_full = self._bytes > max(limit, self._bytes_left + int(limit * SPARE))
        return is_full or self._uncounted > COUNT_EVERY

    @property
    def is_full(self) -> bool:
        """Whether answers must be forgotten, as far as it is known."""
        return self._bytes > limit_bytes()

    def make(self, max_bytes: int) -> int:
        """Forget answers until at most `max_bytes` are left, or only unread ones; return how many were forgotten."""
        named = (folder for folder in files.folders_in(self._jobs) if NAME.fullmatch(folder.name))
        kept = [_measured(folder) for folder in named if not folder.is_symlink()]  # others are not ours to delete
        with _users_lock:
            in_use = {folder for folder, _ in _users}
        total, forgotten = sum(one.size for one in kept), 0
        for one in sorted(kept, key=lambda one: one.used_at):
            if total <= max_bytes:
                break
            folder = self._jobs / one.name
            is_needed = one.is_needed or folder in in_use or (folder / UNREAD).exists() or (folder / UNSHARED).exists()
            if not is_needed and files.remove_folder(folder, self._trash):
                total -= one.size
                forgotten += 1
        self._bytes = self._bytes_left = total
        self._uncounted = 0
        return forgotten


def _measured(folder: Path) -> _Kept:
    """Look at an answer's folder once: there may be very many."""
    size, used, needed = 0, time.time(), False
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = entry.stat(follow_symlinks=False)
            size += found.st_size
            needed |= entry.name in (UNREAD, UNSHARED)
            used = found.st_mtime if entry.name == RECORD else used
    return _Kept(folder.name, size, used, needed)


def limit_bytes() -> int:
    """Return how many bytes of answers a store may hold."""
    return whole_number(MAX_BYTES_VARIABLE, MAX_BYTES)


def by_use(path: Path, beginning: str = "") -> list[str]:
    """Return the paths of the jobs below a folder whose names begin so, the latest used first.

    They are text: of very many, to make a Path of each takes longer than to look at their times.
    """
    names = (name for name in files.names_in(path) if name.startswith(beginning) and not name.startswith("."))
    jobs = (os.path.join(path, name) for name in names)
    return sorted(jobs, key=_used_at, reverse=True)


def records_in(path: Path, beginning: str = "") -> Iterator[tuple[Path, JobRecord]]:
    """Yield the folders below a path whose names begin so, and the records in them, the latest used first."""
    for folder in map(Path, by_use(path, beginning)):
        try:
            record = read_record(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as exc:
            tell_once(f"{folder} holds no record that can be used ({exc.strerror})")
            continue
        yield folder, record


def _used_at(job: str) -> float:
    """Return when a job was last used, in seconds since 1970; now for one that is gone."""
    try:
        return os.stat(os.path.join(job, RECORD)).st_mtime
    except OSError:
        return time.time()
