"""Numbers that the user may set in the environment."""

from __future__ import annotations

import logging
import os

LOG = logging.getLogger(__name__)


def whole_number(variable: str, default: int) -> int:
    """Return an environment variable as a whole number; a text that is none is told in the log and not used."""
    text = os.environ.get(variable, "").strip()
    try:
        return int(text) if text else default
    except ValueError:
        LOG.warning("%s is %r and should be a whole number: %d is used.", variable, text, default)
        return default
