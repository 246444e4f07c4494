"""What the extension in the browser asks of the server: models, prices, connections, the batch panel; and a way to
store a key.

No answer holds a key or an address with one. Keys come in by `/key` alone, and never go out again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from ...api.catalog import catalog
from ...api.connections import keys
from ...api.connections import resolve as connections
from ...api.errors import store_fault
from ...api.jobs.threads import run_bounded
from ...utils import comfyui
from ..migration import replacements
from ..run import large_sums
from ..run.execution import connection_of
from . import estimates, paid_pictures
from .batch_panel import BatchPanel
from .responses import answering, refuse_other_machines, refuse_other_pages

Asked = Mapping[str, Any]
PANEL = BatchPanel(connection_of)
PUBLIC_FACTS = {"quality", "background", "output_formats", "input_fidelity", "complexity", "markup", "sizes"}


def models(_asked: Asked) -> dict[str, Any]:
    """Answer what each model that can be chosen takes; the names are those of the widgets."""
    told = {}
    for name in catalog.choices():
        if spec := catalog.find(name):
            ends = spec.shutdown_date and spec.shutdown_date.isoformat()
            told[name] = {**spec.model_dump(mode="json", include=PUBLIC_FACTS), "ends": ends}
    return {"models": told}


def list_connections(_asked: Asked) -> dict[str, Any]:
    """Answer which connections are ready, why not, and whether the panel can store a key for them."""
    return {"connections": [_connection(name) for name in connections.names() if name != "auto"]}


def list_replacements(_asked: Asked) -> dict[str, Any]:
    """Answer how ComfyUI's own nodes become ours."""
    return replacements.described()


def store_key(asked: Asked) -> dict[str, Any]:
    """Store the key of {"name", "key"}, or forget it where the key is null; the key is never part of an answer."""
    name, key = str(asked["name"]), asked["key"]
    if key is None:
        keys.forget(name)
    else:
        keys.store(name, str(key))
    return {"connection": _connection(name)}


def store_form(asked: Asked) -> dict[str, Any]:
    """Store fields that are never sent and the form of edits: {"name", "omit", "edits"}; null leaves one as it is."""
    name, edits = str(asked["name"]), asked.get("edits")
    keys.set_form(name, omit=asked.get("omit"), edits=None if edits is None else str(edits))
    return {"connection": _connection(name)}


def allow_sum(asked: Asked) -> dict[str, Any]:
    """Let the run that {"prompt_id"} asked about go up to the sum that was told, once; answer that sum in USD.

    Raises: HTTPNotFound where nothing was asked, or it was answered.
    """
    question = large_sums.QUESTIONS.say_yes(str(asked["prompt_id"]))
    if question is None:
        raise web.HTTPNotFound(text="Nothing is asked about this run any more. Run it again.")
    return {"usd": large_sums.cents(question.usd), "count": question.count}


def last_words(asked: Asked) -> dict[str, Any]:
    """Answer what each node said last in the run of {"prompt_id"}, for a page that was not there to hear it."""
    return {"said": comfyui.said_in(str(asked["prompt_id"]))}


def store_azure(asked: Asked) -> dict[str, Any]:
    """Store {"endpoint", "api_version", "key"} of azure; an empty key or version keeps what is stored."""
    keys.store_azure(*(str(asked.get(name) or "") for name in ("endpoint", "api_version", "key")))
    return {"connection": _connection("azure")}


def _connection(name: str) -> dict[str, Any]:
    fault = keys.fault(name)
    return {
        "name": name,
        "ready": fault is None,
        "reason": fault,
        "key": keys.source(name),
        "takes_key": name not in keys.WITHOUT_STORED_KEY,
        **keys.form(name),
        **(keys.azure_place() if name == "azure" else {}),
    }


def batch_view(_asked: Asked) -> dict[str, Any]:
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
        return batch_view(asked)

    return work


ACTIONS: dict[str, Callable[[Asked], None]] = {
    "submit": lambda asked: PANEL.submit(int(asked["count"]), **_seen(asked)),
    "look": lambda _asked: PANEL.look(),
    "collect": lambda _asked: PANEL.collect(),
    "cancel": lambda asked: PANEL.cancel(str(asked["id"])),
    "forget": lambda _asked: PANEL.forget(),
    "retry": lambda _asked: PANEL.retry(),
}
HANDLERS = {  # by method and path: what nodes/web/__init__.py names is loaded from here
    ("GET", "/models"): answering(models),
    ("GET", "/connections"): answering(list_connections),
    ("GET", "/replacements"): answering(list_replacements),
    ("POST", "/estimate"): answering(estimates.estimate, run=run_bounded),
    ("POST", "/list_estimates"): answering(estimates.list_estimates, refuse_other_pages, run=run_bounded),
    ("POST", "/key"): answering(store_key, refuse_other_machines),
    ("POST", "/form"): answering(store_form, refuse_other_machines),
    ("POST", "/azure"): answering(store_azure, refuse_other_machines),
    ("POST", "/allow_sum"): answering(allow_sum, refuse_other_pages),
    ("POST", "/last_words"): answering(last_words, refuse_other_pages),
    ("POST", "/pictures"): answering(paid_pictures.pictures, refuse_other_pages, run=run_bounded),
    ("GET", "/batch"): answering(batch_view, refuse_other_pages),
    **{("POST", f"/batch/{name}"): answering(_acting(act), refuse_other_pages) for name, act in ACTIONS.items()},
}
