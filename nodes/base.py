"""What the nodes that ask the service have in common."""

from __future__ import annotations

from typing import Any

from ..api import OpenAIImageError
from ..api.batch import enqueue
from ..api.connections.resolve import is_batch


class ServiceNode:
    """A node whose `api_call` asks the service, or plans a job for a batch."""

    CATEGORY = "image/OpenAI"
    FUNCTION = "api_call"

    @classmethod
    def IS_CHANGED(cls, connection: str | None = "auto", **_values: Any) -> str:
        """Look again over a batch connection whenever answers may have come; else only inputs matter."""
        try:
            return enqueue.generation() if connection is None or is_batch(connection) else ""
        except OpenAIImageError:
            return ""  # the run will tell
