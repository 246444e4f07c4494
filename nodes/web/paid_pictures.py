"""What the store has for a node as it is set, with other seeds: a click on one sets its seed, and it costs nothing.

Shown is only what that is true of: an answer's identity must be the one that a run with its seed would look for.
"""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...api import Connection, Job, JobRecord, Store, store_of
from ...api import config as settings
from ...api.backends.atomic_files import read_regular
from ...api.store.eviction import records_in
from ...api.store.records import PICTURE_MAX_BYTES, number_of
from ...utils.decode import preview_image
from ...utils.errors import BrokenPictureError
from ..run.execution import NodeRun, find_recent, has_run
from ..run.input_images import InputImages
from ..run.parameters import WIDGET_FIELDS, ImageParameters, service_fields
from .estimates import asked_connection, node_of

MOST_SHOWN = 24
MOST_LOOKED_AT = 5000  # records, the latest used first
THUMBNAIL_PX = 160
PLACED = ("model", "size", "custom_width", "custom_height", "mask_mode", "region_context")  # what is sent of a picture


def pictures(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Answer {"pictures": [{"seed", "made_at", "cost_usd", "credits", "thumbnail"}, ...]} for a node.

    The body is {"node", "node_id", "values", "connected", "prompt_ids"}; `thumbnail` is a data address or null. Where
    something is connected, what comes from there is known of the node's last run alone: without one the answer is
    {"state": "run_once"}. What the sandbox made cost nothing.
    """
    job = _job(asked)
    if job is None:
        return {"state": "run_once", "pictures": []}
    is_free = job.connection.kind == "sandbox"
    found = itertools.islice(_same_but_seed(store_of(job.connection), job), MOST_SHOWN)
    return {
        "state": "known",
        "pictures": [
            {
                "seed": record.seed,
                "made_at": record.answered_at,
                "cost_usd": 0.0 if is_free else record.cost_usd,
                "credits": record.credits,
                "count": len(record.pictures),
                "thumbnail": _thumbnail(folder / record.pictures[0]),
            }
            for folder, record in found
        ],
    }


def _job(asked: Mapping[str, Any]) -> Job | None:
    """Return the job of a node as it is set, its files without bytes; None if that takes a run to know."""
    values, connected = dict(asked["values"]), set(map(str, asked.get("connected") or []))
    own = {name: value for name, value in values.items() if name not in connected}
    last = find_recent(map(str, asked.get("prompt_ids") or []), str(asked["node_id"])) if connected else None
    if connected and last is None:
        return None
    known = vars(last.parameters) if last else {}
    before = known.get("extra", {})
    node = node_of(asked)
    extra = before if "svg" in before and "svg_model" not in own else node.own_fields({**before, **own})
    told = {name: value for name, value in own.items() if name in WIDGET_FIELDS}
    parameters = ImageParameters(**{**known, **told, "extra": extra})
    connection = asked_connection(values)
    if last is None or not last.job.files:
        return NodeRun(connection, reuse=False).prepared(parameters, InputImages()).job
    if any(getattr(parameters, name) != getattr(last.parameters, name) for name in PLACED):
        return None
    update = {"input_fidelity": None, "complexity": None, **service_fields(vars(parameters), asked=None, edits=True)}
    update["size"] = last.job.fields.get("size")
    return replace(last.job, connection=connection, request=last.job.request.model_copy(update=update))


def _same_but_seed(store: Store, job: Job) -> Iterator[tuple[Path, JobRecord]]:
    """Yield the answers to a job with any seed, of each seed the newest, as the store has them."""
    newest: dict[int, tuple[Path, JobRecord]] = {}
    for folder, record in itertools.islice(records_in(store.jobs), MOST_LOOKED_AT):
        if record.fault or not record.pictures or not _may_be_seen(record, job.connection):
            continue
        if record.model != job.request.model or replace(job, seed=record.seed).identity != record.identity:
            continue
        before = newest.get(record.seed)
        number = number_of(folder.name, record.identity) or 0
        if before is None or number > (number_of(before[0].name, record.identity) or 0):
            newest[record.seed] = (folder, record)
    yield from sorted(newest.values(), key=lambda one: one[1].answered_at or 0.0, reverse=True)


def _may_be_seen(record: JobRecord, connection: Connection) -> bool:
    """Tell whether an answer is this machine's own.

    A page does not say whose token its runs would have: of accounts, those count that ran something here since the
    start, and none where one ComfyUI serves many people.
    """
    if record.account is None:  # of comfy.org's nobody knows whose those are, where one ComfyUI serves many people
        return not (settings.serves_many() and connection.kind == "comfy.org")
    return not settings.serves_many() and has_run(connection.service, record.account)


def _thumbnail(path: Path) -> str | None:
    """Return a small JPEG as a data address; None for what cannot be decoded, and for drawings."""
    try:
        picture = preview_image(read_regular(path, PICTURE_MAX_BYTES))
    except (BrokenPictureError, OSError):
        return None
    picture.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
