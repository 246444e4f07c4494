"""What the user may set: the state folder ("home"), and numbers in the environment.

The state folder holds connections, the user's models and the job store. It is never below anything ComfyUI serves.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from .errors import visible

HOME_VARIABLE = "OPENAI_IMAGE_NODES_HOME"
NAME = "openai_image_nodes"

LOG = logging.getLogger(__name__)

# What the host is asked, who sets them: where its private folder is, and whether several people use it, each with an
# account of their own.
host_folder: Callable[[], str | None] = lambda: None  # noqa: E731
serves_many: Callable[[], bool] = lambda: False  # noqa: E731


def folder() -> Path:
    """Return the path of the state folder, which may not exist yet."""
    told = os.environ.get(HOME_VARIABLE) or host_folder()
    if told:
        return Path(told).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / NAME
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / NAME
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / NAME


def whole_number(variable: str, default: int) -> int:
    """Return an environment variable as a whole number; a text that is none is told in the log and not used."""
    text = os.environ.get(variable, "").strip()
    try:
        return int(text) if text else default
    except ValueError:
        tell_once(f"{variable} is {text!r} and should be a whole number: {default} is used.")
        return default


@lru_cache(maxsize=1024)
def tell_once(words: str) -> None:
    """Tell something in the log that is found again at every look."""
    LOG.warning("%s", visible(words))
