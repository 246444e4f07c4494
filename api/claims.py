"""Who works on a job: claim files that several processes and machines over a shared folder can trust.

A claim is a file `claim.N` in the job's pending folder, made with O_EXCL. The highest N owns the job. A dead owner
is followed by whoever makes N+1; two can never make the same file, so exactly one follows.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
import uuid
from pathlib import Path

from .files import PRIVATE_FILE

HEARTBEAT_S = 5.0
STALE_AFTER_S = 60.0
INSTANCE = uuid.uuid4().hex


def claim(folder: Path) -> Claim | None:
    """Take a job's folder for this process, or return None while a live owner has it.

    Raises: OSError if the folder cannot be written.
    """
    newest = _newest(folder)
    if newest is not None and not _is_stale(newest):
        return None
    number = 1 + (int(newest.suffix[1:]) if newest else 0)
    path = folder / f"claim.{number}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    except FileExistsError:
        return None
    with os.fdopen(descriptor, "w") as file:
        json.dump({"host": _host(), "pid": os.getpid(), "instance": INSTANCE}, file)
    return Claim(path)


class Claim:
    """A job's folder in our hands, kept fresh by a heartbeat until it is released."""

    def __init__(self, path: Path) -> None:
        self.path = path
        _heart.add(self)

    @property
    def held(self) -> bool:
        """Whether we still are the newest owner; one that slept through its claim is not."""
        return _newest(self.path.parent) == self.path

    def beat(self) -> None:
        """Tell everybody that the owner lives."""
        with contextlib.suppress(OSError):
            os.utime(self.path)

    def release(self) -> None:
        """Give the folder back; one that is gone already is no error."""
        _heart.discard(self)
        with contextlib.suppress(OSError):
            self.path.unlink()


class _Heart:
    """One daemon thread that keeps all claims of this process fresh; it runs while there are any."""

    def __init__(self) -> None:
        self._claims: set[Claim] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, held: Claim) -> None:
        with self._lock:
            self._claims.add(held)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._beat, name="openai-image-claims", daemon=True)
                self._thread.start()

    def discard(self, held: Claim) -> None:
        with self._lock:
            self._claims.discard(held)

    def _beat(self) -> None:
        while True:
            time.sleep(HEARTBEAT_S)
            with self._lock:
                if not self._claims:
                    self._thread = None
                    return
                claims = list(self._claims)
            for held in claims:
                held.beat()


_heart = _Heart()


def _newest(folder: Path) -> Path | None:
    claims = [path for path in folder.glob("claim.*") if path.suffix[1:].isdigit()]
    return max(claims, key=lambda path: int(path.suffix[1:]), default=None)


def _is_stale(path: Path) -> bool:
    """Tell whether a claim's owner is dead: at once on this machine, by its heartbeat on others."""
    try:
        owner = json.loads(path.read_text())
    except FileNotFoundError:
        return True
    except ValueError:
        owner = {}  # made this moment and not yet written, or cut off by a crash: its age decides
    if owner.get("host") == _host() and _is_dead(owner):
        return True
    try:
        return _age_s(path) > STALE_AFTER_S
    except OSError:
        return True


def _is_dead(owner: dict[str, object]) -> bool:
    pid = owner.get("pid")
    if pid == os.getpid():
        return owner.get("instance") != INSTANCE
    if sys.platform == "win32" or not isinstance(pid, int):
        return False  # os.kill would end the process there; the heartbeat decides
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _age_s(path: Path) -> float:
    """Return a file's age by the clock of its own file system: shared folders have clocks of their own."""
    probe = path.with_name(f".now.{uuid.uuid4().hex}")
    probe.touch()
    try:
        return probe.stat().st_mtime - path.stat().st_mtime
    finally:
        probe.unlink()


def _host() -> str:
    """Name the machine and its process table; two containers may share a name, but not a table."""
    with contextlib.suppress(OSError):
        return f"{socket.gethostname()}/{os.readlink('/proc/self/ns/pid')}"
    return socket.gethostname()
