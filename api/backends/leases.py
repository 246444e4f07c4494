"""Who works on a job: leases that several processes and machines over a shared folder or bucket can trust.

A lease is a file `claim.N` in the job's backend, made exclusively. The highest N owns the job. A dead owner is followed
by whoever makes N+1; two can never make the same file, so exactly one follows. Each lease holds a token of its own:
a folder may be cleared and made again, and then the same name belongs to somebody else.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import socket
import sys
import threading
import time
import uuid
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import RefusedError, SharedStoreError
from ..start_thread import start_thread
from .backend import Backend, LocalBackend

STALE_AFTER_S = 60.0
CLOCK_SET_S = 5.0  # what no clock drifts by between two looks
INSTANCE = uuid.uuid4().hex
PREFIX = "claim."
CLAIM = re.compile(r"claim\.([1-9][0-9]{0,14})")
PID_MAX = 1 << 31


def acquire(place: Path | Backend) -> Lease | None:
    """Take a job's folder for this process, or return None while a live owner has it.

    Raises: OSError if the folder cannot be written, SharedStoreError if the bucket cannot.
    """
    backend = _backend(place)
    newest = _newest(backend)
    owner = backend.read(newest) if newest else None
    if newest is not None and not _is_stale(backend, newest, owner):
        return None
    ours = _made(backend, f"{PREFIX}{1 + int((newest or '0').removeprefix(PREFIX))}")
    if ours is None:
        return None
    if newest is not None:
        try:
            is_as_judged = backend.read(newest) == owner
        except BaseException:
            ours.release()  # else it would be kept fresh, and nobody would have it
            raise
        if not is_as_judged:  # cleared and made again since: the new owner lives
            ours.release()
            return None
        with contextlib.suppress(OSError, SharedStoreError):
            backend.remove(newest)  # its owner may only sleep, and must not find itself the newest again
    return ours


class Lease:
    """A job's folder in our hands, kept fresh by a heartbeat until it is released."""

    def __init__(self, backend: Backend, name: str, owner: dict[str, Any]) -> None:
        self.backend = backend
        self.name = name
        self._owner = owner
        self._beats = 0
        self._is_given_back = False
        self._lock = threading.Lock()  # a beat that is on its way must not put back what is given back
        self._seen_at = _now()
        _heart(backend.heartbeat_s).add(self)

    @property
    def held(self) -> bool:
        """Whether we still are the newest owner; one that slept through its claim is not.

        Raises: OSError, SharedStoreError.
        """
        if self._is_given_back:
            return False
        trusted_s = self.backend.trusted_s
        if all(0 <= now - seen < trusted_s for now, seen in zip(_now(), self._seen_at, strict=True)):
            return True
        return self._is_ours() and _newest(self.backend) == self.name

    def beat(self) -> None:
        """Tell everybody that the owner lives; or give back what could not be given back before."""
        with contextlib.suppress(OSError, SharedStoreError), self._lock:
            now = _now()
            if self._is_given_back:
                self._give_back()
            elif self._is_ours():  # who wakes up must not put back what a follower took away
                self._beats += 1
                self.backend.touch(self.name, _content(self._owner, self._beats))
                self._seen_at = now

    def release(self) -> None:
        """Give the folder back, later if need be; a claim that is somebody else's by now is left alone."""
        with contextlib.suppress(OSError, SharedStoreError), self._lock:
            self._is_given_back = True
            self._give_back()

    def _give_back(self) -> None:
        if self._is_ours():
            self.backend.remove(self.name)
        _heart(self.backend.heartbeat_s).discard(self)

    def _is_ours(self) -> bool:
        token: str = self._owner["token"]
        return _owner(self.backend.read(self.name)).get("token") == token


class _Heart:
    """One daemon thread that keeps claims of this process fresh; it runs while there are any."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._claims: set[Lease] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, held: Lease) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = start_thread(self._beat, name="openai-image-claims")
            self._claims.add(held)

    def discard(self, held: Lease) -> None:
        with self._lock:
            self._claims.discard(held)

    def _beat(self) -> None:
        while True:
            time.sleep(self._interval_s)
            with self._lock:
                if not self._claims:
                    self._thread = None
                    return
                claims = list(self._claims)
            for held in claims:
                held.beat()


# one for each kind of backend: a bucket that does not answer must not let the claims of folders die
_heart = cache(_Heart)


def is_leased(place: Path | Backend) -> bool:
    """Tell whether somebody alive works on a job."""
    with contextlib.suppress(OSError, SharedStoreError):
        backend = _backend(place)
        newest = _newest(backend)
        return newest is not None and not _is_stale(backend, newest, backend.read(newest))
    return False


def signature() -> bytes:
    """Return what says that something is in the hands of this process, until it dies: see `is_of_the_dead`."""
    started = _start_of(os.getpid()) if sys.platform == "win32" else None
    return json.dumps({**_this_process(), "started": started}).encode()


def is_of_the_dead(signed: bytes) -> bool:
    """Tell whether a signature is that of a process of this machine that is no more, as none is after a restart."""
    owner, ours = _owner(signed), _host().split("/")
    theirs = str(owner.get("host")).split("/")
    is_restarted = bool(owner) and theirs[0] == ours[0] and theirs[1:2] != ours[1:2]
    return is_restarted or (theirs == ours and _is_dead(owner))


def _this_process() -> dict[str, Any]:
    return {"host": _host(), "pid": os.getpid(), "instance": INSTANCE}


def _backend(place: Path | Backend) -> Backend:
    return LocalBackend(place) if isinstance(place, Path) else place


def _newest(backend: Backend) -> str | None:
    named = (name for name in backend.names(PREFIX) if CLAIM.fullmatch(name))
    return max(named, key=lambda name: int(name.removeprefix(PREFIX)), default=None)


def _made(backend: Backend, name: str) -> Lease | None:
    """Make the file of a claim; None if somebody was faster.

    Raises: SharedStoreError where somebody counted so far that no claim can follow, RefusedError where it could not be
    kept fresh.
    """
    if not CLAIM.fullmatch(name):
        raise SharedStoreError(
            f"A file that is not this pack's lies in front of {name}, where it is noted who asks for what, so this"
            " request cannot begin. Delete that file."
        )
    owner = {**_this_process(), "token": uuid.uuid4().hex}
    if not backend.create(name, _content(owner, 0)):
        return None
    try:
        return Lease(backend, name, owner)
    except RefusedError:  # nobody would see that its owner lives
        with contextlib.suppress(OSError, SharedStoreError):
            backend.remove(name)
        raise


def _content(owner: dict[str, Any], beats: int) -> bytes:
    return json.dumps({**owner, "beats": beats}).encode()


def _owner(content: bytes | None) -> dict[str, Any]:
    """Return what a claim says of its owner; nothing for one that is gone, half written or cut off by a crash."""
    with contextlib.suppress(ValueError, RecursionError):
        owner = json.loads(content or b"")
        return owner if isinstance(owner, dict) else {}
    return {}


def _is_stale(backend: Backend, name: str, content: bytes | None) -> bool:
    """Tell whether a claim's owner is dead: at once on this machine, by its heartbeat on others."""
    if content is None:
        return True
    owner = _owner(content)
    if owner.get("host") == _host():
        if _is_dead(owner):
            return True
        if _clock.was_set_lately():
            return False
    return backend.age_s(name, content) > STALE_AFTER_S


class _Clock:
    """Whether this machine slept, or its clock was set: until a minute later a file's age tells nothing of its owner,
    who has not beaten since. Of two processes that wake up the one must not take the other for dead."""

    def __init__(self) -> None:
        self._ahead_s = self._ahead()
        self._set_at = float("-inf")

    def was_set_lately(self) -> bool:
        before, self._ahead_s = self._ahead_s, self._ahead()
        if abs(self._ahead_s - before) > CLOCK_SET_S:
            self._set_at = time.monotonic()
        return time.monotonic() - self._set_at < STALE_AFTER_S

    @staticmethod
    def _ahead() -> float:
        return time.time() - time.monotonic()


_clock = _Clock()


def _is_dead(owner: dict[str, Any]) -> bool:
    pid = owner.get("pid")
    if pid == os.getpid():
        return owner.get("instance") != INSTANCE
    if not isinstance(pid, int) or not 0 < pid < PID_MAX:
        return False
    if sys.platform == "win32":  # os.kill would end the process there, and its number soon is another's
        told, started = owner.get("started"), _start_of(pid)
        return None not in (told, started) and told != started  # leases tell none: the heartbeat decides
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _start_of(pid: int) -> float | None:
    """Return when a process began, 0.0 if it is no more, and None where nobody can tell: psutil comes with ComfyUI."""
    try:
        psutil = importlib.import_module("psutil")
    except ImportError:
        return None
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0
    except (OSError, psutil.Error):
        return None


def _now() -> tuple[float, float]:
    """Return this moment by two clocks: one stands still while a machine sleeps, the other may be set."""
    return time.monotonic(), time.time()


@cache
def _host() -> str:
    """Name the running system and its process table: machines may share a name, and containers a machine."""
    name = socket.gethostname()
    with contextlib.suppress(OSError):
        name += "/" + Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        name += "/" + os.readlink("/proc/self/ns/pid")
    return name
