"""The state folder ("home"): connections, the user's models, the job store. Never below anything ComfyUI serves."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

HOME_VARIABLE = "OPENAI_IMAGE_NODES_HOME"
NAME = "openai_image_nodes"

_host_folder: Callable[[], str | None] = lambda: None  # noqa: E731


def use_host_folder(folder: Callable[[], str | None]) -> None:
    """Let the host say where its private folder is; the environment variable still comes first."""
    global _host_folder
    _host_folder = folder


def folder() -> Path:
    """Return the path of the state folder, which may not exist yet."""
    told = os.environ.get(HOME_VARIABLE) or _host_folder()
    return Path(told).expanduser() if told else _platform_folder()


def made_folder() -> Path:
    """Return the state folder, made with mode 0700 if it was not there.

    Raises: OSError where the folder cannot be made.
    """
    path = folder()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def _platform_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / NAME
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / NAME
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / NAME
