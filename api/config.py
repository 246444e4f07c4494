"""What the user may set: the state folder ("home"), and numbers in the environment.

The state folder holds connections, the user's models and the job store. It is never below anything ComfyUI serves.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

HOME_VARIABLE = "OPENAI_IMAGE_NODES_HOME"
NAME = "openai_image_nodes"

LOG = logging.getLogger(__name__)

_host_folder: Callable[[], str | None] = lambda: None  # noqa: E731
_host_serves_many: Callable[[], bool] = lambda: False  # noqa: E731


def use_host_folder(folder: Callable[[], str | None]) -> None:
    """Let the host say where its private folder is; the environment variable still comes first."""
    global _host_folder
    _host_folder = folder


def use_host_users(serves_many: Callable[[], bool]) -> None:
    """Let the host say whether several people use it, each with an account of their own."""
    global _host_serves_many
    _host_serves_many = serves_many


def serves_many() -> bool:
    """Tell whether several people use the host, each with an account of their own."""
    return _host_serves_many()


def folder() -> Path:
    """Return the path of the state folder, which may not exist yet."""
    told = os.environ.get(HOME_VARIABLE) or _host_folder()
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
        LOG.warning("%s is %r and should be a whole number: %d is used.", variable, text, default)
        return default
