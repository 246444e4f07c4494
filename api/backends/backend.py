"""Where small things lie that several processes and machines share: a folder, or a bucket (fsspec_client.py).

Both hold named bytes. Names have slashes for what lies deeper; each step is seen by others whole or not at all.
`heartbeat_s` is how often a claim tells that its owner lives, `trusted_s` how long it need not be looked at again.
They raise OSError where a folder fails, SharedStoreError where a bucket does.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .atomic_files import PRIVATE_FILE, make_private_folder, read_regular, remove, write_atomic

if TYPE_CHECKING:
    from .fsspec_client import BucketBackend

READ_MAX_BYTES = 1 << 20  # of a claim or a note; records and pictures are larger
SEEN_MAX = 4096

_seen: dict[tuple[Path, float], float] = {}  # when files were first seen whose time is still to come


class LocalBackend:
    """A folder of this machine or of its network."""

    heartbeat_s = 5.0
    trusted_s = 0.0
    is_exclusive = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def at(self, name: str) -> LocalBackend:
        """Return the folder below, which need not exist."""
        return LocalBackend(self.path / name)

    def names(self, beginning: str = "") -> list[str]:
        """Return the names of files that begin so. Nothing is there where there is no folder, or a link to one."""
        if self.path.is_symlink():  # where others can write too, it may lead anywhere
            return []
        below = beginning.rpartition("/")[0]
        top, found = os.path.join(self.path, below), []
        for folder, _, names in os.walk(top, onerror=_raise_unless_gone):
            deeper = "/".join(word for word in (below, folder[len(top) :].replace(os.sep, "/").strip("/")) if word)
            found += [f"{deeper}/{name}" for name in names] if deeper else names
        return [name for name in found if name.startswith(beginning)]

    def read(self, name: str, max_bytes: int = READ_MAX_BYTES) -> bytes | None:
        """Return what an ordinary file of at most `max_bytes` holds, or None."""
        try:
            return read_regular(self.path / name, max_bytes)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, data: bytes) -> None:
        """Replace a file in one step, its folder made if need be."""
        make_private_folder((self.path / name).parent)
        write_atomic(self.path / name, data)

    def create(self, name: str, data: bytes) -> bool:
        """Make a file with O_EXCL unless something is there; tell whether it was us. `data` is like nobody else's.

        The folder must be there: who cleared it this moment must not be undone.
        """
        path = self.path / name
        if self.path.is_symlink():
            raise OSError(errno.EINVAL, "a link, and no folder", str(self.path))
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), PRIVATE_FILE)
        except FileExistsError:
            if path.is_dir():  # nobody's: it would be waited for without an end
                raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path)) from None
            return False
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except OSError:
            remove(path)  # a claim without an owner would hold everybody up until it is stale
            raise
        return True

    def touch(self, name: str, data: bytes) -> None:
        """Let a file that is ours look young: its time is set. `data` says the same and differs from what it was."""
        os.utime(self.path / name)

    def remove(self, name: str) -> None:
        """Delete a file; nothing there is fine too."""
        with contextlib.suppress(FileNotFoundError):
            remove(self.path / name)

    def age_s(self, name: str, data: bytes) -> float:
        """Return a file's age by the clock of its own file system, for shared folders have clocks of their own.

        Where nothing can be written, as on a full disk, this machine's clock must do. Where its time is still to come,
        as after a clock was set right, it is as old as this process has seen it so.
        """
        path = self.path / name
        probe, now = path.with_name(f".now.{uuid.uuid4().hex}"), time.time()
        with contextlib.suppress(OSError):
            probe.touch()
            now = probe.stat().st_mtime
            remove(probe)
        with contextlib.suppress(FileNotFoundError):
            modified = path.stat().st_mtime
            if modified <= now:
                return now - modified
            if len(_seen) > SEEN_MAX:
                _seen.clear()
            return time.monotonic() - _seen.setdefault((path, modified), time.monotonic())
        return float("inf")


def _raise_unless_gone(exc: OSError) -> None:
    """Raise for a folder that cannot be listed: to take it for empty would be to take its owner for gone."""
    if not isinstance(exc, (FileNotFoundError, NotADirectoryError)):
        raise exc


Backend: TypeAlias = "LocalBackend | BucketBackend"
