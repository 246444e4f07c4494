"""A file system that behaves like that of Windows, put under whatever uses one folder: what is open cannot be moved or
deleted, nor what is read-only, names are case-blind, some are forbidden, a path has 259 characters at most, and time
stamps are as coarse as FAT's."""

from __future__ import annotations

import builtins
import errno
import io
import os
import pathlib
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PATH_MAX, FOLDER_MAX = 259, 247  # docs of Windows: MAX_PATH with the 0 at its end, and room for a file in a folder
# A portable ComfyUI, unpacked in the documents of somebody with a long name.
HOME = r"C:\Users\Maximiliane Musterfrau\Documents\ComfyUI_windows_portable\ComfyUI\user\__openai_image_nodes"
FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]\Z')
DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
ACCESS_DENIED, SHARING_VIOLATION = 5, 32
TICK_NS = 2_000_000_000  # FAT and exFAT


class WindowsError_(PermissionError):
    """What Python makes of Windows' refusals; `winerror` is its number."""

    def __init__(self, winerror: int, path: object) -> None:
        super().__init__(errno.EACCES, "the process cannot access the file", str(path))
        self.winerror = winerror


class Windows:
    """The rules for one folder; `longest` is the longest path that was used, as it would be on Windows."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.longest = ""
        self.refusals = 0
        self.flushed: list[Path] = []  # what the disk was waited for

    def check_name(self, path: Any, *, is_folder: bool = False) -> None:
        """Refuse a name that Windows cannot have."""
        inner = self._inner(path)
        if inner is None:
            return
        for part in inner.parts:
            if FORBIDDEN.search(part) or DEVICES.fullmatch(part):
                raise OSError(errno.EINVAL, "The filename, directory name, or volume label syntax is incorrect", part)
        whole = "\\".join([HOME, *inner.parts])
        self.longest = max(self.longest, whole, key=len)
        if len(whole) > (FOLDER_MAX if is_folder else PATH_MAX):
            raise FileNotFoundError(errno.ENOENT, "The system cannot find the path specified", whole)

    def check_new(self, path: Any) -> None:
        """Refuse a new name that differs from another only in its letters' case."""
        inner = self._inner(path)
        if inner is None or os.path.lexists(path):
            return
        parent = Path(os.fspath(path)).parent
        names = REAL["listdir"](parent) if parent.is_dir() else []
        if any(name.casefold() == inner.name.casefold() for name in names):
            raise FileExistsError(errno.EEXIST, "exists, in other letters", str(path))

    def check_free(self, path: Any) -> None:
        """Refuse to touch what is open, or a folder with something open in it."""
        if self._inner(path) is None:
            return
        place = os.path.realpath(Path(os.fspath(path)).parent) + os.sep + Path(os.fspath(path)).name
        for name in REAL["listdir"]("/proc/self/fd"):
            try:
                target = os.readlink(f"/proc/self/fd/{name}")
            except OSError:
                continue
            if target == place or target.startswith(place + os.sep):
                self.refusals += 1
                raise WindowsError_(SHARING_VIOLATION, path)

    def check_writable(self, path: Any) -> None:
        """Refuse to delete or replace a read-only file."""
        if self._inner(path) is None or not os.path.isfile(path) or os.path.islink(path):
            return
        if not os.stat(path).st_mode & stat.S_IWUSR:
            self.refusals += 1
            raise WindowsError_(ACCESS_DENIED, path)

    def round_times(self, *paths: Any) -> None:
        """Let what was changed tell an even second."""
        for path in paths:
            if self._inner(path) is not None and os.path.exists(path):
                found = os.stat(path)
                os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns // TICK_NS * TICK_NS))

    def _inner(self, path: Any) -> Path | None:
        """Return a path below the folder, None for any other."""
        if isinstance(path, int):
            return None
        text = os.path.abspath(os.fspath(path))
        root = os.path.abspath(self.root)
        return Path(text[len(root) + 1 :]) if text.startswith(root + os.sep) else None


REAL: dict[str, Callable[..., Any]] = {
    name: getattr(os, name) for name in ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "listdir", "fsync")
}

OPEN = io.open
# Python 3.10's paths keep the functions of `os` that they found when they were loaded.
ACCESSED = {"mkdir", "rename", "replace", "rmdir", "unlink"} if hasattr(pathlib, "_NormalAccessor") else set()


@contextmanager
def windows(root: Path) -> Iterator[Windows]:
    """Let everything below a folder behave as on Windows. Needs /proc, to see what is open."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("what is open is seen in /proc alone")
    import fcntl  # Windows has none

    rules = Windows(root)

    def opened(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if options.get("dir_fd") is None:
            rules.check_name(path)
            if os.path.isdir(path) and rules._inner(path) is not None:
                raise WindowsError_(ACCESS_DENIED, path)  # there are no descriptors of folders
            if flags & os.O_CREAT:
                rules.check_new(path)
        descriptor = int(REAL["open"](path, flags, *rest, **options))
        if flags & os.O_CREAT:
            rules.round_times(os.path.dirname(os.path.abspath(path)))
        return descriptor

    def opened_file(path: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if not isinstance(path, int):
            rules.check_name(path)
            if not set(mode).isdisjoint("wax"):
                rules.check_new(path)
        return OPEN(path, mode, *rest, **options)

    def mkdir(path: Any, *rest: Any, **options: Any) -> None:
        rules.check_name(path, is_folder=True)
        rules.check_new(path)
        REAL["mkdir"](path, *rest, **options)
        rules.round_times(path, Path(os.path.abspath(path)).parent)

    def rename(source: Any, target: Any, **options: Any) -> None:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "exists", str(target))
        replace(source, target, **options)

    def replace(source: Any, target: Any, **options: Any) -> None:
        rules.check_name(target, is_folder=os.path.isdir(source))
        if os.path.isdir(target):
            raise WindowsError_(ACCESS_DENIED, target)
        rules.check_new(target)
        rules.check_free(source)
        rules.check_free(target)
        rules.check_writable(target)
        REAL["rename"](source, target, **options)
        rules.round_times(target, *(Path(os.path.abspath(path)).parent for path in (source, target)))

    def unlink(path: Any, **options: Any) -> None:
        rules.check_free(path)
        rules.check_writable(path)
        REAL["unlink"](path, **options)
        rules.round_times(Path(os.path.abspath(path)).parent)

    def rmdir(path: Any, **options: Any) -> None:
        rules.check_free(path)
        REAL["rmdir"](path, **options)
        rules.round_times(Path(os.path.abspath(path)).parent)

    def fsync(descriptor: int) -> None:
        if not fcntl.fcntl(descriptor, fcntl.F_GETFL) & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EBADF, "not open for writing")
        REAL["fsync"](descriptor)
        rules.flushed.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))

    layer = {"open": opened, "fsync": fsync, "mkdir": mkdir, "rename": rename, "replace": replace, "rmdir": rmdir}
    with pytest.MonkeyPatch.context() as patch:
        for name, function in {**layer, "unlink": unlink, "remove": unlink}.items():
            patch.setattr(os, name, function)
            if name in ACCESSED:
                patch.setattr(pathlib._NormalAccessor, name, staticmethod(function))  # type: ignore[attr-defined]
        for owner in (io, builtins, *([pathlib._NormalAccessor] if ACCESSED else [])):  # type: ignore[attr-defined]
            patch.setattr(owner, "open", staticmethod(opened_file))
        patch.delattr(os, "sync")
        patch.setattr("shutil._use_fd_functions", False)  # as on Windows, where a tree is deleted by names
        yield rules
