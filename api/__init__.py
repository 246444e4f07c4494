"""The client of the service: connections, what models take and cost, jobs, their store, and batches.

These are the names that the rest of the pack uses most; the rooms below say what they hold.
"""

from .connections.connection import Connection, HostSecrets
from .errors import (
    BadAnswerError,
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
from .jobs.job import Job, JobHandle
from .jobs.manager import JOBS, JobManager
from .store.originals import Originals, originals_of
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
