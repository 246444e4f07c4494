"""Who works on a job: claim files that several processes and machines over a shared folder can trust.

A claim is a file `claim.N` in the job's pending folder, made with O_EXCL. The highest N owns the job. A dead owner
is followed by whoever makes N+1; two can never make the same file, so exactly one follows. Each claim holds a token
of its own: a folder may be cleared and made anew, and then the same name belongs to somebody else.
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
from functools import cache
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
    owner = _content(newest) if newest else None
    if newest is not None and not _is_stale(newest, owner):
        return None
    ours = _made(folder / f"claim.{1 + (_number(newest) if newest else 0)}")
    if ours is None:
        return None
    if newest is not None:
        if _content(newest) != owner:  # cleared and made anew since we judged it: the new owner lives
            ours.release()
            return None
        with contextlib.suppress(OSError):
            newest.unlink()  # its owner may only sleep, and must not find itself the newest again
    return ours


class Claim:
    """A job's folder in our hands, kept fresh by a heartbeat until it is released."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self._ours = content
        _heart.add(self)

    @property
    def held(self) -> bool:
        """Whether we still are the newest owner; one that slept through its claim is not."""
        return _newest(self.path.parent) == self.path and _content(self.path) == self._ours

    def beat(self) -> None:
        """Tell everybody that the owner lives."""
        with contextlib.suppress(OSError):
            os.utime(self.path)

    def release(self) -> None:
        """Give the folder back; a claim that is gone, or somebody else's by now, is left alone."""
        _heart.discard(self)
        with contextlib.suppress(OSError):
            if _content(self.path) == self._ours:
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


def is_claimed(folder: Path) -> bool:
    """Tell whether somebody alive works on a job."""
    newest = _newest(folder)
    with contextlib.suppress(OSError):
        return newest is not None and not _is_stale(newest, _content(newest))
    return False


def _newest(folder: Path) -> Path | None:
    claims = [path for path in folder.glob("claim.*") if path.suffix[1:].isdigit()]
    return max(claims, key=_number, default=None)


def _number(path: Path) -> int:
    return int(path.suffix[1:])


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _made(path: Path) -> Claim | None:
    """Make the file of a claim; None if somebody was faster."""
    content = json.dumps({"host": _host(), "pid": os.getpid(), "instance": INSTANCE, "token": uuid.uuid4().hex})
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    except FileExistsError:
        return None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode())
    except OSError:
        path.unlink()  # a claim without an owner would hold everybody up until it is stale
        raise
    return Claim(path, content.encode())


def _is_stale(path: Path, content: bytes | None) -> bool:
    """Tell whether a claim's owner is dead: at once on this machine, by its heartbeat on others."""
    if content is None:
        return True
    try:
        owner = json.loads(content)
    except ValueError:
        owner = {}  # made this moment and not yet written, or cut off by a crash: its age decides
    if owner.get("host") == _host() and _is_dead(owner):
        return True
    return _age_s(path) > STALE_AFTER_S


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
    """Return a file's age by the clock of its own file system, for shared folders have clocks of their own.

    Where nothing can be written, as on a full disk, this machine's clock must do.
    """
    probe = path.with_name(f".now.{uuid.uuid4().hex}")
    now = time.time()
    with contextlib.suppress(OSError):
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
    with contextlib.suppress(FileNotFoundError):
        return now - path.stat().st_mtime
    return float("inf")


@cache
def _host() -> str:
    """Name the running system and its process table: machines may share a name, and containers a machine."""
    name = socket.gethostname()
    with contextlib.suppress(OSError):
        name += "/" + Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        name += "/" + os.readlink("/proc/self/ns/pid")
    return name
