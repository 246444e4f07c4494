"""What the batch panel in the browser asks of the server: the plan, the batches, and to send, look, collect, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from ...api.jobs.threads import run_in_thread
from ..run.execution import connection_of
from .batch_panel import BatchPanel
from .responses import answering, posted, refuse_other_pages

PANEL = BatchPanel(connection_of)


async def view(request: web.Request) -> dict[str, Any]:
    """Answer what is planned and under way, prompts among it; a large plan is read on a thread."""
    refuse_other_pages(request)
    try:
        return await asyncio.wrap_future(run_in_thread(PANEL.view))
    except OSError as exc:
        raise web.HTTPInternalServerError(
            text=f"The store cannot be read: {exc.strerror or exc}. Check its disk and rights."
        ) from exc


def _seen(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what else a person saw of the plan; an older page does not tell."""
    kinds = {"left": int, "high_usd": float}
    return {name: kind(asked[name]) for name, kind in kinds.items() if asked.get(name) is not None}


def _acting(act: Callable[[dict[str, Any]], None]) -> Callable[[web.Request], Any]:
    """Return a handler for something that may cost money: only for this server's own page."""

    async def handle(request: web.Request) -> dict[str, Any]:
        refuse_other_pages(request)
        asked = await posted(request)
        await asyncio.wrap_future(run_in_thread(lambda: act(asked)))
        return await asyncio.wrap_future(run_in_thread(PANEL.view))

    return handle


ACTIONS: dict[str, Callable[[dict[str, Any]], None]] = {
    "submit": lambda asked: PANEL.submit(int(asked["count"]), **_seen(asked)),
    "look": lambda _asked: PANEL.look(),
    "collect": lambda _asked: PANEL.collect(),
    "cancel": lambda asked: PANEL.cancel(str(asked["id"])),
    "forget": lambda _asked: PANEL.forget(),
    "retry": lambda _asked: PANEL.retry(),
}
HANDLERS = {
    ("GET", "/batch"): answering(view),
    **{("POST", f"/batch/{name}"): answering(_acting(act)) for name, act in ACTIONS.items()},
}
