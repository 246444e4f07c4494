"""The client of the service: connections, what models take and cost, jobs, their store, and batches.

These are the names that the rest of the pack uses most; the rooms below say what they hold.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import (
    BadAnswerError,
    LargeSumError,
    ModeratedError,
    NoKeyError,
    OpenAIImageError,
    OutcomeUnknownError,
    OutOfCreditError,
    RateLimitError,
    RefusedError,
    ServiceDownError,
    SharedStoreError,
    StillRunningError,
)

if TYPE_CHECKING:  # the others come by `__getattr__`: ComfyUI's start needs none of them
    from .connections.connection import Connection, HostSecrets
    from .jobs.job import Job, JobHandle
    from .jobs.manager import JOBS, JobManager
    from .store.original_references import Originals, originals_of
    from .store.records import JobRecord, StoredAnswer
    from .store.shared import SharedStore
    from .store.store import Store, store_of, stores
    from .transport.bodies import FilePart

__all__ = [
    "JOBS",
    "BadAnswerError",
    "Connection",
    "FilePart",
    "HostSecrets",
    "Job",
    "JobHandle",
    "JobManager",
    "JobRecord",
    "LargeSumError",
    "ModeratedError",
    "NoKeyError",
    "OpenAIImageError",
    "Originals",
    "OutOfCreditError",
    "OutcomeUnknownError",
    "RateLimitError",
    "RefusedError",
    "ServiceDownError",
    "SharedStore",
    "SharedStoreError",
    "StillRunningError",
    "Store",
    "StoredAnswer",
    "originals_of",
    "store_of",
    "stores",
]

_ROOMS = {
    "Connection": "connections.connection",
    "FilePart": "transport.bodies",
    "HostSecrets": "connections.connection",
    "JOBS": "jobs.manager",
    "Job": "jobs.job",
    "JobHandle": "jobs.job",
    "JobManager": "jobs.manager",
    "JobRecord": "store.records",
    "Originals": "store.original_references",
    "SharedStore": "store.shared",
    "Store": "store.store",
    "StoredAnswer": "store.records",
    "originals_of": "store.original_references",
    "store_of": "store.store",
    "stores": "store.store",
}


def __getattr__(name: str) -> Any:
    """Return one of the names above from its room, which is loaded now."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_ROOMS[name]}", __name__), name)
