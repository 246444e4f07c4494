"""A shelf in a bucket, by an fsspec URL (s3://bucket/folder, gs://, abfs://, memory://): see bucket.py."""

from __future__ import annotations

import time

from .fsspec_client import Bucket, created

SETTLE_S = 1.0


class RemoteShelf:
    """Objects below one name in a bucket. Every step is made at least once: a lost answer must not stop a farm."""

    heartbeat_s = 12.0
    trusted_s = 20.0  # nobody follows a claim that was fresh so short a time ago

    def __init__(self, bucket: Bucket, base: str = "") -> None:
        self._bucket = bucket
        self._base = base

    @property
    def is_exclusive(self) -> bool:
        """Whether the bucket can create an object only where there is none; where not, the last writer has it."""
        return self._bucket.is_conditional

    def at(self, name: str) -> RemoteShelf:
        """Return the shelf below."""
        return RemoteShelf(self._bucket, f"{self._base}{name}/")

    def names(self, beginning: str = "") -> list[str]:
        """Return the names that begin so: one request for each thousand."""
        full = self._path(beginning)
        folder, _, prefix = full.rpartition("/")
        found: list[str] = self._bucket.do(lambda fs: list(fs.find(folder, prefix=prefix)), missing=[])
        start = len(self._path(""))
        return [name[start:] for name in found if name.startswith(full)]

    def read(self, name: str) -> bytes | None:
        """Return an object, or None."""
        return self._bucket.do(lambda fs: bytes(fs.cat_file(self._path(name))), missing=None)

    def write(self, name: str, data: bytes) -> None:
        """Replace an object."""
        self._bucket.do(lambda fs: fs.pipe_file(self._path(name), data))

    def create(self, name: str, data: bytes) -> bool:
        """Make an object that is not there; looked at twice where this is not one step."""
        if self.is_exclusive:
            if self._bucket.do(lambda fs: created(fs, self._path(name), data)):
                return True
        elif self.read(name) is None:
            self.write(name, data)
            time.sleep(SETTLE_S)
        return self.read(name) == data  # ours also where an earlier try arrived and only its answer was lost

    def touch(self, name: str, data: bytes) -> None:
        """Replace an object, so that others see it change."""
        self.write(name, data)

    def remove(self, name: str) -> None:
        """Delete an object."""
        self._bucket.do(lambda fs: fs.rm_file(self._path(name)), missing=None)

    def age_s(self, name: str, data: bytes) -> float:
        """Return for how long this process has seen an object unchanged: no two clocks are compared."""
        return self._bucket.unchanged_s(self._path(name), data)

    def _path(self, name: str) -> str:
        return f"{self._bucket.root}/{self._base}{name}"
