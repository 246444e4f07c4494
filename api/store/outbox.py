"""What the other machines have yet to get, because their shared store could not be reached: small files in a folder.

    outbox/<identity>.<id>       an answer of this job has yet to be shared; it holds a file `unshared`
    outbox/<name>.dropped        this job is on its way no more, which the others do not know yet

A file is there before there is anything to share, so that no crash leaves anything out.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from ..backends.atomic_files import make_private_folder, read_regular, remove, write_synced
from ..errors import RefusedError, SharedStoreError
from ..start_thread import start_thread
from .bucket import SharedBucket
from .eviction import UNSHARED
from .records import JobRecord, read_pictures, read_record

LOG = logging.getLogger(__name__)
DROPPED = ".dropped"
FRESH_S = 600.0
FAILURES_MAX = 3
NOTE_MAX_BYTES = 1000


class Outbox:
    """The notes of one store; `folders_of` tells where the answers of a job are."""

    def __init__(self, root: Path, bucket: SharedBucket, folders_of: Callable[[str], Iterable[Path]]) -> None:
        self._folder = root / "outbox"
        self._bucket = bucket
        self._folders_of = folders_of
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._thread: threading.Thread | None = None

    def announce(self, identity: str) -> Path:
        """Note that an answer of a job is about to be kept here, and then delivered. Raises: OSError."""
        note = self.note(identity)
        self._busy.add(note.name)
        return note

    def note(self, identity: str) -> Path:
        """Note that an answer of a job is to be shared. Raises: OSError."""
        return self._noted(f"{identity}.{uuid.uuid4().hex}", b"")

    def holds(self, identity: str) -> bool:
        """Tell whether an answer of a job has yet to be shared."""
        return any(name.startswith(f"{identity}.") and not name.endswith(DROPPED) for name in self.names())

    def deliver(self, note: Path, folder: Path, record: JobRecord, pictures: list[bytes]) -> None:
        """Share an answer, or leave its note for later."""
        try:
            self._bucket.put(record, pictures)
        except SharedStoreError as exc:
            LOG.warning("An answer is kept here and not yet shared: %s", exc)
            return
        finally:
            self._busy.discard(note.name)
        _done(folder / UNSHARED, note)
        self.flush_soon()

    def withdraw(self, note: Path) -> None:
        """Take back what was announced: the answer could not be kept here."""
        _done(note)
        self._busy.discard(note.name)

    def drop(self, name: str, record: JobRecord | None) -> None:
        """Let the others know that a job is on its way no more, at once or later."""
        try:
            self._bucket.drop_job(name)
        except SharedStoreError as exc:
            LOG.warning("That a request is on its way no more could not be shared yet: %s", exc)
            with contextlib.suppress(OSError):
                self._noted(f"{name}{DROPPED}", str(record.sent_at if record else None).encode())

    def names(self) -> list[str]:
        """Return the names of all notes."""
        try:
            return sorted(os.listdir(self._folder))
        except OSError:
            return []

    def flush(self) -> int:
        """Share all that waits; returns how many notes are done.

        Raises: SharedStoreError if something is left because the shared store cannot be used.
        """
        done, failures = 0, list[SharedStoreError]()
        with self._lock:
            for name in self.names():
                if name in self._busy:
                    continue  # being shared this moment
                try:
                    done += self._flushed(name)
                except SharedStoreError as exc:
                    failures.append(exc)  # one that is broken must not hold up the others
                if len(failures) == FAILURES_MAX:
                    break
        if failures:
            raise failures[0]
        return done

    def flush_soon(self) -> None:
        """Try to share what waits, on a thread of its own."""
        if set(self.names()) - self._busy and (self._thread is None or not self._thread.is_alive()):
            with contextlib.suppress(RefusedError):  # it waits on: nobody who keeps an answer must lose it for that
                self._thread = start_thread(self._flush_quietly, name="openai-image-outbox")

    def settle(self, name: str) -> None:
        """Let the others know what they have yet to know of one job. Raises: SharedStoreError."""
        if f"{name}{DROPPED}" in self.names():
            with self._lock:
                self._flushed(f"{name}{DROPPED}")

    def _flush_quietly(self) -> None:
        with contextlib.suppress(SharedStoreError):
            self.flush()

    def _flushed(self, name: str) -> bool:
        if name.endswith(DROPPED):
            return self._dropped(name)
        folders = [folder for folder in self._folders_of(name.partition(".")[0]) if (folder / UNSHARED).exists()]
        try:
            if not folders and time.time() - (self._folder / name).stat().st_mtime < FRESH_S:
                return False  # its answer is being kept this moment
            for folder in folders:
                record = read_record(folder)
                self._bucket.put(record, read_pictures(folder, record))
                self._bucket.drop_answered(record)
                _done(folder / UNSHARED)
        except OSError as exc:
            LOG.warning("An answer that is not yet shared cannot be read: %s", type(exc).__name__)
            return False
        _done(self._folder / name)
        return True

    def _dropped(self, note: str) -> bool:
        name = note.removesuffix(DROPPED)
        try:
            sent_at = read_regular(self._folder / note, NOTE_MAX_BYTES).decode(errors="replace")
        except OSError:
            return False
        job = self._bucket.usable_job(name)
        if job is not None and str(job.sent_at) == sent_at:  # else somebody asks for it by now
            self._bucket.drop_job(name)
        _done(self._folder / note)
        return True

    def _noted(self, name: str, data: bytes) -> Path:
        path = make_private_folder(self._folder) / name
        write_synced(path, data)
        return path


def _done(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            remove(path)
