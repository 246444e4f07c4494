"""The only file that knows ComfyUI. Every function does something sensible where ComfyUI is absent."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

LOG = logging.getLogger(__name__)
STATE_FOLDER = "openai_image_nodes"
PICTURE_SUFFIXES = (".png", ".jpg")


def state_folder() -> str | None:
    """Return ComfyUI's private folder for this pack, which it never serves, or None without ComfyUI."""
    folder_paths = _loaded("folder_paths")
    if folder_paths is None:
        return None
    if hasattr(folder_paths, "get_system_user_directory"):  # since ComfyUI 0.3.76
        return str(folder_paths.get_system_user_directory(STATE_FOLDER))
    return os.path.join(folder_paths.get_user_directory(), f"__{STATE_FOLDER}")


def input_folder() -> Path | None:
    """Return the folder that Load Image reads from, or None without ComfyUI."""
    folder_paths = _loaded("folder_paths")
    return Path(folder_paths.get_input_directory()) if folder_paths else None


def install_examples(folder: Path) -> None:
    """Copy a folder's pictures into the folder that Load Image reads from, where they are missing.

    They lie there directly: Load Image lists no subfolders, and frontends call what is not listed missing. Without
    ComfyUI nothing happens; a folder that cannot be written to is told in the log.
    """
    target = input_folder()
    if target is None:
        return
    try:
        for source in folder.iterdir():
            if source.suffix in PICTURE_SUFFIXES and not (target / source.name).exists():
                _copy_whole(source, target / source.name)
    except OSError as exc:
        LOG.warning("The pictures of the example workflows could not be copied to %s: %s", target, exc)


def raise_if_stopped() -> None:
    """Raise ComfyUI's own interruption if the person pressed Cancel; call it from the node's coroutine only.

    Raises: InterruptProcessingException, which ComfyUI shows as interrupted, not as an error.
    """
    management = _loaded("comfy.model_management")
    if management is not None:
        management.throw_exception_if_processing_interrupted()


def show_text(text: str, node_id: str | None) -> None:
    """Show a line of text in the node while it runs."""
    server = _server()
    if server is not None and node_id:
        server.send_progress_text(text, node_id, sid=server.client_id)


def show_progress(value: int, total: int, node_id: str | None, preview: Any = None) -> None:
    """Move the node's progress bar; `preview` is a PIL picture. Call it from the node's coroutine only."""
    utils = _loaded("comfy.utils")
    if utils is not None and node_id:
        shown = ("JPEG", preview, None) if preview is not None else None
        utils.ProgressBar(total, node_id=node_id).update_absolute(value, total, shown)


def web_routes() -> Any:
    """Return ComfyUI's table of web routes, to which a pack may add its own, or None without ComfyUI."""
    return getattr(_server(), "routes", None)


def comfy_api_base() -> str | None:
    """Return the address of comfy.org's API that ComfyUI was started with, or None."""
    arguments = _loaded("comfy.cli_args")
    return getattr(arguments.args, "comfy_api_base", None) if arguments else None


def comfy_headers(usage_source: str | None = None) -> Mapping[str, str]:
    """Return the headers that ComfyUI's own clients send to comfy.org; none without ComfyUI.

    Source: ComfyUI 0.28.0 comfy_api_nodes/util/_helpers.py.
    """
    version = _loaded("comfyui_version")
    if version is None:
        return {}
    headers: dict[str, str] = {
        "Comfy-Env": _deploy_environment(),
        "Comfy-Usage-Source": usage_source or "comfyui-api",
        "Comfy-Core-Version": str(getattr(version, "__version__", "")),
        "Comfy-Job-Id": _prompt_id() or "",
    }
    return {name: value for name, value in headers.items() if value}


def svg(drawings: Sequence[bytes]) -> Any:
    """Return drawings as ComfyUI's own SVG type, or without ComfyUI as an object with the same `data`."""
    streams = [BytesIO(drawing) for drawing in drawings]
    for name in ("comfy_api.latest._util", "comfy_extras.nodes_images"):
        with contextlib.suppress(ImportError, AttributeError):
            if _loaded("folder_paths") is not None:
                return importlib.import_module(name).SVG(streams)
    return SimpleNamespace(data=streams)


def _copy_whole(source: Path, target: Path) -> None:
    """Copy a file so that it is there whole or not at all."""
    part = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, part)
    part.replace(target)


def _deploy_environment() -> str:
    module = _loaded("comfy.deploy_environment")  # since ComfyUI 0.20
    return str(module.get_deploy_environment()) if module else "local-git"


def _prompt_id() -> str | None:
    executing = _loaded("comfy_execution.utils")
    context = executing.get_executing_context() if executing and hasattr(executing, "get_executing_context") else None
    return getattr(context, "prompt_id", None)


def _server() -> Any:
    module = _loaded("server")
    return getattr(getattr(module, "PromptServer", None), "instance", None)


def _loaded(name: str) -> Any:
    """Return a module of ComfyUI if ComfyUI has loaded it; we never import it ourselves."""
    module: ModuleType | None = sys.modules.get(name)
    return module
