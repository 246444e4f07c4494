"""Small things about files that the store needs everywhere: whole or not at all, and on the disk when it says so."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file that only its owner reads, and wait until the disk has it.

    Raises: OSError.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file by a new one in one step; readers see the old or the new content, never half of it.

    Raises: OSError.
    """
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        write_synced(fresh, data)
        fresh.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def sync_folder(path: Path) -> None:
    """Wait until the disk has the names in a folder; systems that cannot do this are left alone."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_private_folder(path: Path) -> Path:
    """Return a folder, made with all above it if need be, readable by its owner only.

    Raises: OSError.
    """
    path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    return path


def remove_folder(path: Path, trash: Path) -> None:
    """Take a folder out of sight in one step, then delete it."""
    doomed = trash / uuid.uuid4().hex
    with contextlib.suppress(OSError):
        make_private_folder(trash)
        path.replace(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
