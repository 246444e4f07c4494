"""The only file that knows ComfyUI. Every function does something sensible where ComfyUI is absent."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import re
import shutil
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from .end_of_process import before_end

LOG = logging.getLogger(__name__)
STATE_FOLDER = "openai_image_nodes"
EXAMPLE_SUFFIXES = (".png", ".jpg", ".webp", ".csv")
SHOWN_CHARS = 300
# What means something in HTML, to what looks like it. Frontends up to 1.42 put a node's text into innerHTML as it is,
# and all make links of addresses and of [[word|address]], with a marker of their own in between that they trust.
LOOK_ALIKES = str.maketrans("<>&\"'`[]", "\u2039\u203a\uff06\u201d\u2019\u2018\uff3b\uff3d")
LINK_STARTS = {"://": ":\u2215\u2215", "www.": "www\u2024", "__LNK": "_ _LNK"}
RUNS_HEARD = 50  # as many as the page remembers
INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # controls, bidi marks, halves of surrogates, line separators


_loaded: Callable[[str], Any] = sys.modules.get  # a module of ComfyUI that it has loaded: we import none ourselves
_said: dict[str, dict[str, str]] = {}  # what nodes said last in the newest runs, by prompt and node


class SavePlace(NamedTuple):
    """Where ComfyUI saves the next file: its folder and name, the next number, and the folder below the output's."""

    folder: Path
    name: str
    counter: int
    subfolder: str


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


def save_place(prefix: str, width: int, height: int) -> SavePlace | None:
    """Return where ComfyUI saves pictures of a size in pixels under a prefix.

    ComfyUI makes the folder, and fills in its placeholders; without ComfyUI there is no such place.

    Raises: ValueError for a prefix that leads out of the output folder.
    """
    folder_paths = _loaded("folder_paths")
    if folder_paths is None:
        return None
    output = os.path.abspath(folder_paths.get_output_directory())
    try:
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, output, width, height)
    except OSError:
        raise
    except Exception as exc:  # ComfyUI raises nothing more special
        raise ValueError(prefix) from exc
    if os.path.commonpath([output, os.path.abspath(folder)]) != output:
        raise ValueError(prefix)
    return SavePlace(Path(folder), name, counter, subfolder)


def temp_folder() -> Path | None:
    """Return the folder of what is shown and not kept, made if need be, or None without ComfyUI."""
    folder_paths = _loaded("folder_paths")
    if folder_paths is None:
        return None
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def saves_metadata() -> bool:
    """Tell whether workflows may be saved with files: not if ComfyUI was started with --disable-metadata."""
    return not _started_with("disable_metadata")


def at_exit(work: Callable[[], object], undo: Callable[[], object]) -> None:
    """Stop the prompt and do work when ComfyUI ends or restarts (see `before_end`); where there is none, never.

    The prompt's thread runs on until Python has come to its end, and would fail at the next node.
    """

    def end() -> None:
        interrupt = getattr(_loaded("comfy.model_management"), "interrupt_current_processing", None)
        if interrupt is not None:
            interrupt()
        work()

    if _server() is not None:
        before_end(end, undo)


def install_examples(folder: Path) -> None:
    """Copy a folder's pictures and lists into the folder that Load Image reads from, where they are missing.

    They lie there directly: Load Image lists no subfolders, and frontends call what is not listed missing. Without
    ComfyUI nothing happens; a folder that cannot be written to is told in the log.
    """
    target = input_folder()
    if target is None:
        return
    try:
        for source in folder.iterdir():
            if source.suffix in EXAMPLE_SUFFIXES and not (target / source.name).exists():
                part = target / f"{source.name}.part"  # a file is there whole or not at all
                shutil.copyfile(source, part)
                part.replace(target / source.name)
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
    """Show a line of text in the node while it runs; whoever wrote it, in the page it is text and nothing else."""
    server = _server()
    if server is not None and node_id:
        shown = inert(text)
        _said.setdefault(running_prompt_id(), {})[node_id] = shown
        for old in list(_said)[:-RUNS_HEARD]:
            _said.pop(old, None)
        server.send_progress_text(shown, node_id, sid=server.client_id)


def said_in(prompt_id: str) -> dict[str, str]:
    """Return what each node said last in a run: ComfyUI's history has nothing of it, and a page may have been away."""
    return dict(_said.get(prompt_id, {}))


def inert(text: str) -> str:
    """Return a text as one line of at most SHOWN_CHARS that no frontend takes for markup, a link or a line break.

    What means something to a page becomes a letter that looks like it: to escape it would show `&lt;` in the frontends
    that escape by themselves (since 1.49; docs/comfyui-host.md).
    """
    cut = text if len(text) <= 4 * SHOWN_CHARS else text[: 4 * SHOWN_CHARS]  # blanks and marks still go
    visible = "".join(" " if unicodedata.category(letter) in INVISIBLE else letter for letter in cut)
    line = " ".join(visible.split()).translate(LOOK_ALIKES)
    for start, harmless in LINK_STARTS.items():
        line = re.sub(re.escape(start), harmless, line, flags=re.IGNORECASE)
    return line if len(line) <= SHOWN_CHARS and cut is text else f"{line[:SHOWN_CHARS].rstrip()} ..."


def show_progress(value: int, total: int, node_id: str | None, preview: Any = None) -> None:
    """Move the node's progress bar; `preview` is a PIL picture. Call it from the node's coroutine only."""
    utils = _loaded("comfy.utils")
    if utils is not None and node_id:
        shown = ("JPEG", preview, None) if preview is not None else None
        utils.ProgressBar(total, node_id=node_id).update_absolute(value, total, shown)


def blocker() -> Any:
    """Return what ends the branch of a graph without an error, or None without ComfyUI."""
    graph_utils = _loaded("comfy_execution.graph_utils")
    return graph_utils.ExecutionBlocker(None) if graph_utils else None


def web_routes() -> Any:
    """Return ComfyUI's table of web routes, to which a pack may add its own, or None without ComfyUI."""
    return getattr(_server(), "routes", None)


def when_served(work: Callable[[], object]) -> None:
    """Do work on a thread as soon as ComfyUI's server is up; where there is none, never."""

    async def start(_app: object) -> None:
        with contextlib.suppress(RuntimeError):  # no thread can be had now: ComfyUI must start all the same
            threading.Thread(target=work, name="openai-image-start", daemon=True).start()

    started = getattr(getattr(_server(), "app", None), "on_startup", None)
    if started is not None and not getattr(started, "frozen", False):
        started.append(start)


def has_node(name: str, *, besides: object = None) -> bool:
    """Tell whether ComfyUI has a node of this id, another than the class `besides`."""
    found = getattr(_loaded("nodes"), "NODE_CLASS_MAPPINGS", {}).get(name)
    return found is not None and found is not besides


def refuse_second_copy(name: str, own: type) -> None:
    """Refuse to be loaded where ComfyUI has a node of this id from another copy of the pack, `own` being ours.

    Of two copies it would be chance whose routes, page and nodes are met: a yes to a price could reach the wrong one.
    A copy that is loaded again under its own module name may go on.

    Raises: ImportError, with which ComfyUI and its Manager show the pack as not loaded.
    """
    other = getattr(_loaded("nodes"), "NODE_CLASS_MAPPINGS", {}).get(name)
    if other is None or other.__module__ == own.__module__:
        return
    first, second = (_pack_folder(node) for node in (other, own))
    raise ImportError(
        f"OpenAI Image Nodes is installed twice: {first} is used, {second} is not. Remove one of the two folders from"
        " custom_nodes and restart ComfyUI. Pictures, keys and workflows are not in them and stay."
    )


def _pack_folder(node: type) -> str:
    file = getattr(sys.modules.get(node.__module__), "__file__", None)
    return str(Path(file).parent.parent) if file else node.__module__


def on_prompt(handler: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Have ComfyUI hand the body of every POST to /prompt to `handler`, and take what that returns."""
    add = getattr(_server(), "add_on_prompt_handler", None)
    if add is not None:
        add(handler)


def offer_replacements(replacements: Iterable[Mapping[str, Any]]) -> None:
    """Tell ComfyUI (0.14 and newer) by which nodes of ours missing ones can be replaced, as `io.NodeReplace` has it."""
    manager = getattr(_server(), "node_replace_manager", None)
    if manager is None:
        return
    try:
        io = importlib.import_module("comfy_api.latest").io
        for arguments in replacements:
            manager.register(io.NodeReplace(**arguments))
    except Exception as exc:  # noqa: BLE001 - another ComfyUI than we know: the nodes matter more
        LOG.warning("The replacements for built-in nodes could not be registered: %s", exc)


def available_memory() -> int | None:
    """Return how many bytes of memory are free, or None where ComfyUI has not loaded what tells it."""
    psutil = _loaded("psutil")
    return int(psutil.virtual_memory().available) if psutil else None


def serves_many() -> bool:
    """Tell whether ComfyUI was started for several people (--multi-user)."""
    return bool(_started_with("multi_user"))


def running_prompt_id() -> str:
    """Return the id of the prompt that runs now, or ""."""
    return next((str(item[1]) for item in _running()), "")


def signed_in() -> tuple[str | None, str | None]:
    """Return comfy.org's token and key of whoever queued the prompt that runs now; nodes alone are handed these."""
    for item in _running():
        # (number, prompt id, prompt, extra_data, outputs, what of extra_data is sensitive): ComfyUI since 0.3.65
        told = {name: value for part in (item[3], *item[5:6]) if isinstance(part, dict) for name, value in part.items()}
        return told.get("auth_token_comfy_org"), told.get("api_key_comfy_org")
    return None, None


def comfy_api_base() -> str | None:
    """Return the address of comfy.org's API that ComfyUI was started with, or None."""
    base: str | None = _started_with("comfy_api_base")
    return base


def comfy_headers() -> Mapping[str, str]:
    """Return the headers that ComfyUI's own clients send to comfy.org; none without ComfyUI.

    Source: ComfyUI 0.28.0 comfy_api_nodes/util/_helpers.py.
    """
    version = _loaded("comfyui_version")
    if version is None:
        return {}
    deploy, executing = _loaded("comfy.deploy_environment"), _loaded("comfy_execution.utils")  # since ComfyUI 0.20
    context = getattr(executing, "get_executing_context", lambda: None)()
    headers: dict[str, str] = {
        "Comfy-Env": str(deploy.get_deploy_environment()) if deploy else "local-git",
        "Comfy-Usage-Source": "comfyui-api",
        "Comfy-Core-Version": str(getattr(version, "__version__", "")),
        "Comfy-Job-Id": getattr(context, "prompt_id", None) or "",
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


def _running() -> list[Any]:
    return list(getattr(getattr(_server(), "prompt_queue", None), "currently_running", {}).values())


def _server() -> Any:
    return getattr(getattr(_loaded("server"), "PromptServer", None), "instance", None)


def _started_with(option: str) -> Any:
    """Return an option that ComfyUI was started with; None without it, and where this ComfyUI does not know it."""
    return getattr(getattr(_loaded("comfy.cli_args"), "args", None), option, None)
