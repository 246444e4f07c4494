"""What is kept by its last use: how much it may be, and which answers are forgotten first."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

from ..backends import atomic_files as files
from ..config import tell_once, whole_number
from ..errors import RefusedError
from ..start_thread import start_thread
from .records import NAME, RECORD, JobRecord, read_record

UNREAD = "unread"
UNSHARED = "unshared"
MAX_BYTES_VARIABLE = "OPENAI_IMAGE_NODES_STORE_MAX_BYTES"
MAX_BYTES = 4_000_000_000
COUNT_EVERY = 256
FEW = 500  # answers that are counted in a moment
PRUNING = "openai-image-prune"
PRUNE_WAIT_S = 0.5
COUNT_LATER_S = 20.0
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
    """Counts the bytes of the answers in a folder and forgets the longest unused, never one that nobody has yet.

    `prune` is what makes room down to a number of bytes, `make` and what the store tidies up besides.
    """

    def __init__(self, jobs: Path, trash: Path, prune: Callable[[int], object]) -> None:
        self._jobs = jobs
        self._trash = trash
        self._prune = prune
        self._bytes = 0
        self._bytes_left = 0
        self._uncounted = COUNT_EVERY
        self._is_large = False  # so that to look through all takes a while
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_resting = False
        self._rests_until = float("-inf")

    def add(self, added: int) -> None:
        """Count the bytes of an answer and, if it is time to, make room on a thread.

        Where there is no more room, or little to look through, that is waited for a moment. Else it is only time to
        count again, for others write here too; which is not done while requests begin, and takes a hundredth of all
        time.
        """
        limit = limit_bytes()
        self._bytes += added
        self._uncounted += 1
        # what was left when room was last made is unread: looking for more at every request would be in vain
        is_short = self._bytes > max(limit, self._bytes_left + int(limit * SPARE))
        if not is_short and self._uncounted <= COUNT_EVERY:
            return
        self._is_large = self._is_large or files.has_more_than(self._jobs, FEW)  # one that was once is not looked at
        is_full = self._bytes > limit or not self._is_large
        with self._lock:  # answers of many requests come at the same moment
            is_due = is_full or time.monotonic() > self._rests_until
            is_free = self._thread is None or not self._thread.is_alive() or (is_full and self._is_resting)
            if not is_due or not is_free:
                return
            self._is_resting = not is_full
            try:
                self._thread = thread = start_thread(self._make_room, 0.0 if is_full else COUNT_LATER_S, name=PRUNING)
            except RefusedError:  # no thread can be had now: an answer that is kept is not lost for that
                return
        if is_full:
            thread.join(PRUNE_WAIT_S)

    def _make_room(self, pause_s: float) -> None:
        time.sleep(pause_s)
        began, limit = time.monotonic(), limit_bytes()
        with contextlib.suppress(OSError):
            self._prune(int(limit * (1 - SPARE)) if self._bytes > limit else limit)
        self._rests_until = time.monotonic() + 100 * (time.monotonic() - began)

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
            tell_once(f"{folder} holds no record that can be used ({exc.strerror}). It is left alone.")
            continue
        yield folder, record


def _used_at(job: str) -> float:
    """Return when a job was last used, in seconds since 1970; now for one that is gone."""
    try:
        return os.stat(os.path.join(job, RECORD)).st_mtime
    except OSError:
        return time.time()
