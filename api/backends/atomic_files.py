"""Small things about files that the store needs everywhere: whole or not at all, and on the disk when it says so."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

T = TypeVar("T")

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
SETTINGS_MAX_BYTES = 1 << 24
TEMPORARY_CHARS = 16
ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION = 5, 32  # Windows' numbers, which Python makes PermissionError
PAUSES_S = (0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.4)  # a second in all
# where others can write too, a name may be a link to somewhere else, or a pipe that never ends
NO_DETOURS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: Path, mode: Literal["rb", "wb", "ab"]) -> BinaryIO:
    """Open an ordinary file, which only its owner reads if it is made here; a link, a pipe or a device is not opened.

    Raises: OSError, also for what is no ordinary file.
    """
    is_there = mode == "rb" or os.path.lexists(path)
    if is_there and not stat.S_ISREG(os.lstat(path).st_mode):  # some systems cannot refuse links when they open
        raise OSError(errno.EINVAL, "no ordinary file", str(path))
    opener = lambda name, flags: os.open(name, flags | NO_DETOURS, PRIVATE_FILE)  # noqa: E731
    with contextlib.ExitStack() as closing:
        file = closing.enter_context(open(path, mode, opener=opener))
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "no ordinary file", str(path))
        closing.pop_all()  # the caller closes it
    return file


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Return what an ordinary file holds, of at most `max_bytes`; a link, a pipe or a device is not opened.

    Raises: OSError, also for what is no ordinary file or too large.
    """
    with _patiently(lambda: open_regular(path, "rb")) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(max_bytes + 1) if size <= max_bytes else b""
    if size > max_bytes or len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"larger than {max_bytes:,} bytes", str(path))
    return data


def read_settings(path: Path) -> bytes:
    """Return what a person's settings file holds, also where a link leads to it; a pipe or a device is not opened.

    Raises: OSError.
    """
    return read_regular(Path(os.path.realpath(path)), SETTINGS_MAX_BYTES)


def move(source: Path, target: Path) -> None:
    """Move a file in place of another, or a folder to where nothing is, in one step.

    Where it is held open, as by a virus scanner on Windows, it is tried again for a second.
    Raises: OSError.
    """
    _patiently(lambda: os.replace(source, target), target)


def link(source: Path, target: Path) -> None:
    """Give a file a second name, in place of what has it; where a disk knows no such names it is moved.

    Raises: OSError.
    """
    try:
        os.link(source, target)
    except OSError:
        move(source, target)


def remove(path: Path) -> None:
    """Delete a file; one that is held open is tried again for a second. Raises: OSError."""
    _patiently(lambda: os.unlink(path), path)


def _patiently(act: Callable[[], T], doomed: Path | None = None) -> T:
    """Do something to files that others may hold; `doomed` is what goes by it, which on Windows may be read-only."""
    for pause_s in PAUSES_S:
        try:
            return act()
        except PermissionError as exc:
            if not is_held(exc):
                raise
            if doomed is None or not _made_writable(doomed):
                time.sleep(pause_s)
    return act()


def _made_writable(path: Path) -> bool:
    """Tell whether a file was read-only, as what comes out of a backup is, and is no longer."""
    try:
        mode = os.lstat(path).st_mode  # a link can always be written to, and what it leads to is not ours
        if mode & stat.S_IWRITE:
            return False
        os.chmod(path, stat.S_IMODE(mode) | stat.S_IWRITE)
    except OSError:
        return False
    return True


def is_held(exc: OSError) -> bool:
    """Tell whether Windows says that another program has a file open; elsewhere nobody can hold one."""
    return getattr(exc, "winerror", None) in (ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION)


def write_synced(path: Path, data: bytes, *, synced: bool = True) -> None:
    """Write a new file that only its owner reads, and wait until the disk has it unless told not to.

    Raises: OSError.
    """
    with open_regular(path, "wb") as file:
        file.write(data)
        if synced:
            file.flush()
            os.fsync(file.fileno())


def write_atomic(path: Path, data: bytes, *, synced: bool = True) -> None:
    """Replace a file by a new one in one step; readers see the old or the new content, never half of it.

    Raises: OSError.
    """
    fresh = path.with_name(f".{uuid.uuid4().hex[:TEMPORARY_CHARS]}")  # Windows takes paths of 259 characters at most
    try:
        write_synced(fresh, data, synced=synced)
        move(fresh, path)
    except OSError:
        with contextlib.suppress(OSError):
            remove(fresh)
        raise
    if synced:
        sync(path.parent)


def append(path: Path, data: bytes) -> None:
    """Add to a file that only its owner reads, made if need be; the disk may have it later. Raises: OSError."""
    with open_regular(path, "ab") as file:
        file.write(data)


def sync(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder; systems that cannot do this are left alone."""
    for access in (os.O_RDWR, os.O_RDONLY):  # Windows flushes only what is open for writing, others a folder too
        with contextlib.suppress(OSError):
            descriptor = os.open(path, access | getattr(os, "O_NONBLOCK", 0))  # a pipe would be waited for
            try:
                return os.fsync(descriptor)
            finally:
                os.close(descriptor)


def look_anew(folder: Path) -> None:
    """Have the names in a folder looked up at the server that has it, and not in what this machine remembers.

    An NFS client says for up to a minute that a name is not there, until the folder is opened (nfs(5), "Close-to-open
    cache consistency").
    """
    with contextlib.suppress(OSError):
        os.close(os.open(folder, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)))


def make_private_folder(path: Path) -> Path:
    """Return a folder, made with all above it if need be, readable by its owner only. Raises: OSError."""
    try:
        path.mkdir(mode=PRIVATE_FOLDER)
    except FileExistsError:
        if not path.is_dir():
            raise
    except FileNotFoundError:
        if path.parent == path:
            raise
        make_private_folder(path.parent)  # mkdir(parents=True) would let everybody read those above
        path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    return path


def folders_in(path: Path) -> Iterator[Path]:
    """Yield what lies below a path, in no order; nothing where there is no folder."""
    with contextlib.suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            yield path / entry.name


def has_more_than(path: Path, count: int) -> bool:
    """Tell whether more than so many things lie below a path, without counting all of them."""
    return sum(1 for _ in islice(folders_in(path), count + 1)) > count


def names_in(path: Path) -> set[str]:
    """Return the names of what lies below a path; none where there is no folder. There may be very many."""
    try:
        return set(os.listdir(path))
    except OSError:
        return set()


def folder_bytes(path: Path) -> int:
    """Return how many bytes the files of a folder have; 0 if it is gone."""
    try:
        with os.scandir(path) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return 0


def remove_folder(path: Path, trash: Path) -> bool:
    """Take a folder out of sight in one step, then delete it; tell whether it is gone.

    One that cannot be moved, as another program has a file of it open, stays whole.
    """
    doomed = trash / uuid.uuid4().hex
    try:
        try:
            move(path, doomed)
        except FileNotFoundError:  # there is no trash yet, or it is emptied this moment
            make_private_folder(trash)
            move(path, doomed)
    except FileNotFoundError:
        return not os.path.lexists(path)
    except OSError:
        doomed = path.with_name(f".{uuid.uuid4().hex}")  # a full disk has no room for the trash either
        try:
            move(path, doomed)
        except OSError:
            return False
    remove_tree(doomed)
    return True


def remove_tree(folder: Path) -> None:
    """Delete a folder with all that is in it, as far as it can be; read-only files, which Windows keeps, as well.

    What lies behind a link is not ours, and a pipe would be waited for.
    """
    with contextlib.suppress(OSError):  # it ignores most errors, and not those of a disk that fails while it looks
        if folder.is_symlink() or not folder.is_dir():
            return
        shutil.rmtree(folder, ignore_errors=True)
        if os.path.lexists(folder) and any([_made_writable(path) for path in (folder, *folder.rglob("*"))]):
            shutil.rmtree(folder, ignore_errors=True)


def passing_folders(path: Path) -> list[Path]:
    """Return what lies in a folder of things for a passing use, which may be deleted; behind a link nothing is."""
    if path.is_symlink():
        return []
    return [folder for folder in path.glob("*") if not folder.is_symlink()]


def syncs_all() -> bool:
    """Tell whether `sync_all` does something here; where not, what must not be lost is synced one by one."""
    return hasattr(os, "sync")


def sync_all() -> None:
    """Wait until the disk has everything that was written, where the system can do this at once."""
    if syncs_all():
        os.sync()
