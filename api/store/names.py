"""Which names in a folder are about a job, without a listing for each job: among 20,000 answers one took 25 ms.

Almost every job has one name, its identity, and that is looked up by itself. The others, as of a second answer, are
few. They are found in one listing, which is made again when the folder has changed, but not sooner than RESCAN_S after
the last one: what this process adds is noted, and of an answer that another process adds the first name tells. Before
money is spent `look_again` makes it sure.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from pathlib import Path

RESCAN_S = 30.0
TICK_NS = 3_000_000_000  # FAT and some shares tell even seconds alone


class NameIndex:
    """The names in a folder that are more than an identity. Safe for many threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._others: dict[str, set[str]] = {}
        self._changed_at: int | None = None
        self._scanned_at = float("-inf")

    def others(self, identity: str) -> set[str]:
        """Return the names of a job besides its identity; what they name may be gone by now."""
        with self._lock:
            if time.monotonic() - self._scanned_at >= RESCAN_S:
                self._scan()
            return set(self._others.get(identity, ()))

    def look_again(self) -> None:
        """Find what other processes have added by now, at the cost of one listing if anything was."""
        with self._lock:
            self._scan()

    def note(self, name: str) -> None:
        """Remember a name that this process has added."""
        identity, dot, _ = name.partition(".")
        if dot:
            with self._lock:
                self._others.setdefault(identity, set()).add(name)

    def _scan(self) -> None:
        try:
            changed_at = self._folder.stat().st_mtime_ns
            if changed_at == self._changed_at:
                return
            found = defaultdict(set)
            for name in os.listdir(self._folder):
                identity, dot, _ = name.partition(".")
                if dot:
                    found[identity].add(name)
        except OSError:
            return  # to read an answer will tell what is wrong
        self._others, self._scanned_at = dict(found), time.monotonic()
        # one that was changed this moment may change once more within the same tick of the file system's clock
        self._changed_at = changed_at if time.time_ns() - changed_at > TICK_NS else None
