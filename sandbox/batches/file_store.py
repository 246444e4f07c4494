"""The files of one sandbox: on disk in a temporary folder, which goes with it."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .clock import Clock

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")  # SDK, file_purpose.py
MAX_BYTES = 512_000_000  # SDK, resources/files.py; whether MB are 10^6 or 2^20 bytes it does not say: the stricter
MAX_BATCH_BYTES = 200_000_000
LIFE_S = (3600, 2_592_000)  # SDK, file_create_params.py
BATCH_LIFE_S = 2_592_000  # SDK: files of purpose batch end after 30 days, docs/batch-api.md, "Results": outputs too


@dataclass(frozen=True)
class StoredFile:
    """A file and what is known of it. Times in Unix seconds, `expires_at` None for never."""

    id: str
    path: Path
    filename: str
    purpose: str
    bytes: int
    created_at: int
    expires_at: int | None

    def object(self) -> dict[str, Any]:
        """Return what the service tells of it (SDK, file_object.py)."""
        return {
            "object": "file",
            "id": self.id,
            "purpose": self.purpose,
            "filename": self.filename,
            "bytes": self.bytes,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "status": "processed",
            "status_details": None,
        }


class Files:
    """The files by their ids, in the order of their making. Thread-safe.

    The folder is made for the first file. It is removed by `close`, or at the latest when the process ends by
    itself; a killed process leaves it behind.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, StoredFile] = {}
        self._folder: Path | None = None
        self._removal: weakref.finalize[..., Files] | None = None

    def scratch(self) -> Path:
        """Return the path of a file to be written and then handed to `add`."""
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="openai-image-sandbox-"))
                self._removal = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            return self._folder / secrets.token_hex(12)

    def add(self, path: Path, *, filename: str, purpose: str, life_s: int | None = None) -> StoredFile:
        """Take over a file; `life_s` None gives it the life of its purpose."""
        own_s = BATCH_LIFE_S if purpose in ("batch", "batch_output") else None
        life_s, now = life_s or own_s, self._clock.now()
        ends = None if life_s is None else now + life_s
        stored = StoredFile(f"file-{path.name}", path, filename, purpose, path.stat().st_size, now, ends)
        with self._lock:
            self._kept[stored.id] = stored
        return stored

    def find(self, file_id: str) -> StoredFile | None:
        """Return a file that is there, or None."""
        self._drop_ended()
        with self._lock:
            return self._kept.get(file_id)

    def listed(self) -> list[StoredFile]:
        """Return the files that are there, the oldest first."""
        self._drop_ended()
        with self._lock:
            return list(self._kept.values())

    def delete(self, file_id: str) -> bool:
        """Remove a file; tell whether it was there. Whoever reads it right now may go on."""
        with self._lock:
            stored = self._kept.pop(file_id, None)
        if stored is None:
            return False
        stored.path.unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """Remove all files and their folder."""
        with self._lock:
            self._kept.clear()
            if self._removal is not None:
                self._removal()
            self._folder = self._removal = None

    def _drop_ended(self) -> None:
        now = self._clock.now()
        with self._lock:
            ended = [file.id for file in self._kept.values() if file.expires_at is not None and file.expires_at <= now]
        for file_id in ended:
            self.delete(file_id)
