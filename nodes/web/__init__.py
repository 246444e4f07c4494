"""Routes for the browser: connections, prices, keys, and the batch panel; what answers is loaded when it is asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

LOG = logging.getLogger(__name__)
PREFIX = "/openai_image_nodes"
PATHS = (
    *(("GET", path) for path in ("/models", "/connections", "/replacements", "/batch")),
    *(
        ("POST", path)
        for path in (
            "/estimate",
            "/list_estimates",
            "/allow_sum",
            "/key",
            "/form",
            "/azure",
            "/pictures",
            "/last_words",
        )
    ),
    *(("POST", f"/batch/{act}") for act in ("submit", "look", "collect", "cancel", "forget", "retry")),
)
Handler = Callable[[Any], Awaitable[Any]]


def register(routes: Any) -> None:
    """Add our routes to the server's table; where that fails, the nodes work without them."""
    try:
        for method, path in PATHS:
            routes.route(method, f"{PREFIX}{path}")(_loading(method, path))
    except Exception as exc:  # noqa: BLE001 - another server than we know: the nodes matter more than their panel
        LOG.warning("The routes for the browser could not be added: %s", exc)


def serve_help(routes: Any, pack: Path) -> None:
    """Serve the help pages of a pack whose folder has a dot in its name: frontends ask below what stands before it.

    Nothing is done where another folder has that name. Source: docs/comfyui-host.md, "Help pages and locales".
    """
    name = pack.name.partition(".")[0]
    if name in ("", pack.name) or (pack.parent / name).exists():
        return
    try:
        routes.static(f"/extensions/{name}/docs", pack / "web" / "docs")
    except Exception as exc:  # noqa: BLE001 - as above
        LOG.warning("The help pages could not be served: %s", exc)


def _loading(method: str, path: str) -> Handler:
    async def handle(request: Any) -> Any:
        routes = await asyncio.to_thread(import_module, ".routes", __name__)
        return await routes.HANDLERS[method, path](request)

    return handle
