"""The client of the service: connections, what models take and cost, jobs, their store, and batches.

These are the names that the rest of the pack uses most; the rooms below say what they hold.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import BadAnswerError as BadAnswerError
from .errors import LargeSumError as LargeSumError
from .errors import ModeratedError as ModeratedError
from .errors import NoKeyError as NoKeyError
from .errors import OpenAIImageError as OpenAIImageError
from .errors import OutcomeUnknownError as OutcomeUnknownError
from .errors import OutOfCreditError as OutOfCreditError
from .errors import RateLimitError as RateLimitError
from .errors import RefusedError as RefusedError
from .errors import ServiceDownError as ServiceDownError
from .errors import SharedStoreError as SharedStoreError
from .errors import StillRunningError as StillRunningError

if TYPE_CHECKING:  # the others come by `__getattr__`: ComfyUI's start needs none of them
    from .connections.connection import Connection as Connection
    from .connections.connection import HostSecrets as HostSecrets
    from .jobs.job import Job as Job
    from .jobs.job import JobHandle as JobHandle
    from .jobs.manager import JOBS as JOBS
    from .jobs.manager import JobManager as JobManager
    from .store.original_references import Originals as Originals
    from .store.original_references import originals_of as originals_of
    from .store.records import JobRecord as JobRecord
    from .store.records import StoredAnswer as StoredAnswer
    from .store.shared import SharedStore as SharedStore
    from .store.store import Store as Store
    from .store.store import store_of as store_of
    from .store.store import stores as stores
    from .transport.bodies import FilePart as FilePart

_NAMES = {
    "connections.connection": ("Connection", "HostSecrets"),
    "jobs.job": ("Job", "JobHandle"),
    "jobs.manager": ("JOBS", "JobManager"),
    "store.original_references": ("Originals", "originals_of"),
    "store.records": ("JobRecord", "StoredAnswer"),
    "store.shared": ("SharedStore",),
    "store.store": ("Store", "store_of", "stores"),
    "transport.bodies": ("FilePart",),
}
_ROOMS = {name: room for room, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Return one of the names above from its room, which is loaded now."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_ROOMS[name]}", __name__), name)
