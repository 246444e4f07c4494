"""What the batch panel in the browser asks of the server: the plan, the batches, and to send, look, collect, cancel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from ...api.errors import store_fault
from ..run.execution import connection_of
from .batch_panel import BatchPanel
from .responses import answering, refuse_other_pages

Asked = Mapping[str, Any]
PANEL = BatchPanel(connection_of)


def view(_asked: Asked) -> dict[str, Any]:
    """Answer what is planned and under way, prompts among it."""
    try:
        return PANEL.view()
    except OSError as exc:
        raise web.HTTPInternalServerError(text=store_fault(exc)) from exc


def _seen(asked: Asked) -> dict[str, Any]:
    """Return what else a person saw of the plan; an older page does not tell."""
    kinds = {"left": int, "high_usd": float}
    return {name: kind(asked[name]) for name, kind in kinds.items() if asked.get(name) is not None}


def _acting(act: Callable[[Asked], None]) -> Callable[[Asked], dict[str, Any]]:
    """Return the work of a route that does something, which may cost money, and answers what is to be seen then."""

    def work(asked: Asked) -> dict[str, Any]:
        act(asked)
        return view(asked)

    return work


ACTIONS: dict[str, Callable[[Asked], None]] = {
    "submit": lambda asked: PANEL.submit(int(asked["count"]), **_seen(asked)),
    "look": lambda _asked: PANEL.look(),
    "collect": lambda _asked: PANEL.collect(),
    "cancel": lambda asked: PANEL.cancel(str(asked["id"])),
    "forget": lambda _asked: PANEL.forget(),
    "retry": lambda _asked: PANEL.retry(),
}
HANDLERS = {
    ("GET", "/batch"): answering(view, refuse_other_pages),
    **{("POST", f"/batch/{name}"): answering(_acting(act), refuse_other_pages) for name, act in ACTIONS.items()},
}
