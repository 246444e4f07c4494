"""What the nodes that ask the service have in common."""

from __future__ import annotations

import uuid
from typing import Any

from ..api import OpenAIImageError, config
from ..utils import comfyui

REPORT_TOOLTIP = "What was requested, what it cost and what was changed on the way, as JSON text."
ORIGINALS_TOOLTIP = "The files exactly as the service sent them, for Save Original."


class ServiceNode:
    """A node whose `api_call` asks the service, or plans a job for a batch."""

    CATEGORY = "image/OpenAI"
    FUNCTION = "api_call"

    @classmethod
    def IS_CHANGED(cls, connection: str | None = "auto", **_values: Any) -> str:
        """Look again over a batch connection whenever answers may have come; else only inputs matter.

        Where many people use ComfyUI its own cache must not hand one's picture to another.
        """
        from ..api.connections.resolve import is_batch

        try:
            if connection is not None and not is_batch(connection):
                return _person()
            from ..api.batch.enqueue import generation

            return _person() + generation()
        except OpenAIImageError:
            return ""  # the run will tell


_persons: dict[str | None, str] = {}


def _person() -> str:
    """Return a word for who runs this prompt, or "". ComfyUI writes it down, so it is made up, and says nothing."""
    if not config.serves_many():
        return ""
    from ..api.connections.connection import user_of

    token, key = comfyui.signed_in()
    if not (token or key):
        return ""
    who = (user_of(token) or token) if token else key
    return _persons.setdefault(who, uuid.uuid4().hex[:8])
