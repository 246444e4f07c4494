"""Which pictures the service has already: each content is uploaded once, whatever the number of jobs and batches."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time

from ..backends.atomic_files import make_private_folder, write_atomic
from ..connections.connection import Connection
from ..store.store import Store
from .objects import FileObject
from .plan import FOLDER

PICTURE_LIFETIME_S = 7 * 86_400
LONGEST_USE_S = 2 * 86_400  # a batch takes up to a day; what the service deletes sooner is uploaded again


class Uploads:
    """Which pictures the service has already, for one account."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self._folder = store.root / FOLDER / "uploads" / account_of(connection)

    def known(self, sha256: str) -> str | None:
        """Return the service's id of a picture that it keeps for long enough, or None."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            told = json.loads((self._folder / f"{sha256}.json").read_text(encoding="utf-8"))
            if told["expires_at"] - time.time() > LONGEST_USE_S:
                return str(told["id"])
        return None

    def note(self, sha256: str, sent: FileObject) -> str:
        """Write down that the service has a picture, and return its id."""
        expires_at = sent.expires_at or time.time() + PICTURE_LIFETIME_S
        with contextlib.suppress(OSError):
            folder = make_private_folder(self._folder)
            content = json.dumps({"id": sent.id, "expires_at": expires_at}).encode()
            write_atomic(folder / f"{sha256}.json", content, synced=False)
        return sent.id


def account_of(connection: Connection) -> str:
    """Return 16 digits that differ from account to account; the key cannot be found from them."""
    key = connection.key.get_secret_value() if connection.key else ""
    return hashlib.sha256(f"{connection.service}\n{key}".encode()).hexdigest()[:16]
