"""The files of one sandbox: on disk in a temporary folder, which goes with it."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...api.catalog import catalog
from .. import errors
from ..requests.form import ReceivedFile, typed
from ..state import Clock

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")  # SDK, file_purpose.py
PICTURE_PURPOSES = ("vision", "user_data")  # docs/batch-api.md, "Input file"
MAX_BYTES = 512_000_000  # SDK, resources/files.py; whether MB are 10^6 or 2^20 bytes it does not say: the stricter
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


class FileStore:
    """The files by their ids, in the order of their making. Thread-safe.

    The folder is made for the first file. It is removed by `close`, or at the latest when the process ends by
    itself; a killed process leaves it behind.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._kept: dict[str, StoredFile] = {}
        self._folder: Path | None = None
        self._removal: weakref.finalize[..., FileStore] | None = None

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
        life_s, now = life_s or own_s, int(self._clock())
        ends = None if life_s is None else now + life_s
        stored = StoredFile(f"file-{path.name}", path, filename, purpose, path.stat().st_size, now, ends)
        with self._lock:
            self._kept[stored.id] = stored
        return stored

    def find(self, file_id: str) -> StoredFile | None:
        """Return a file that is there, or None."""
        return next((file for file in self.listed() if file.id == file_id), None)

    def listed(self) -> list[StoredFile]:
        """Return the files that are there, the oldest first."""
        now = self._clock()
        with self._lock:
            for file in list(self._kept.values()):
                if file.expires_at is not None and file.expires_at <= now:
                    self.delete(file.id)
            return list(self._kept.values())

    def picture(self, param: str, file_id: str) -> ReceivedFile:
        """Return the picture in a file, for the field `param` of a request.

        Raises: RefusedError if there is no such file, or none for pictures.
        """
        stored, name = self.find(file_id), f"{param}.file_id"
        if stored is None:
            raise errors.invalid(name, f"Invalid '{name}': no such File object: {file_id}")
        if stored.purpose not in PICTURE_PURPOSES:
            purposes = " and ".join(f"'{name}'" for name in PICTURE_PURPOSES)
            raise errors.invalid(
                name, f"Invalid '{name}': its purpose is '{stored.purpose}', supported are {purposes}."
            )
        try:
            data = stored.path.read_bytes()
        except FileNotFoundError as exc:
            raise errors.invalid(name, f"Invalid '{name}': the file is gone.") from exc
        return ReceivedFile(param, data, _mime_type(data))

    def delete(self, file_id: str) -> None:
        """Remove a file if it is there. Whoever reads it right now may go on."""
        with self._lock:
            stored = self._kept.pop(file_id, None)
        if stored is not None:
            stored.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove all files and their folder."""
        with self._lock:
            self._kept.clear()
            if self._removal is not None:
                self._removal()
            self._folder = self._removal = None


def largest(purpose: str) -> int:
    """Return how many bytes a file of a purpose may have."""
    return catalog.BATCH_MAX_FILE_BYTES if purpose == "batch" else MAX_BYTES


def life_of(name: str, asked: Mapping[str, object]) -> int:
    """Return the seconds in an expiry, {anchor: "created_at", seconds: 3600..2592000} (SDK, file_create_params.py).

    Raises: RefusedError naming the field, as `name.seconds`.
    """
    for key in ("anchor", "seconds"):
        if key not in asked:
            raise errors.missing(f"{name}.{key}")
    if asked["anchor"] != "created_at":
        raise errors.not_one_of(f"{name}.anchor", asked["anchor"], ["created_at"])
    seconds, (low, high) = int(typed(f"{name}.seconds", asked["seconds"], int)), LIFE_S
    if not low <= seconds <= high:
        message = f"Invalid '{name}.seconds': {seconds} is not between {low} and {high}."
        raise errors.invalid(f"{name}.seconds", message)
    return seconds


def _mime_type(data: bytes) -> str:
    """Return the MIME type by the first bytes; the name of a file says nothing."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else "application/octet-stream"
