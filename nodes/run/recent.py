"""What nodes asked for lately, without the pictures: so that what else is kept of the same can be shown for a node."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...api import FilePart, Job
from .parameters import ImageParameters

KEPT = 500


@dataclass(frozen=True)
class Recent:
    """How a node was set, and the job that came of it; its files have digests and no bytes."""

    parameters: ImageParameters
    job: Job


_lock = threading.Lock()
_recent: OrderedDict[tuple[str, str], Recent] = OrderedDict()
_accounts: set[tuple[str, str]] = set()  # by service: whoever ran something since the start


def note(prompt_id: str, node_id: str | None, parameters: ImageParameters, job: Job) -> None:
    """Remember what a node of a prompt asked for; of a list the last."""
    if job.connection.account:
        _accounts.add((job.connection.service, job.connection.account))
    if not prompt_id or node_id is None:
        return
    files = [FilePart(file.name, file.filename, b"", file.digest) for file in job.files]
    with _lock:
        _recent[prompt_id, str(node_id)] = Recent(parameters, replace(job, files=files))
        _recent.move_to_end((prompt_id, str(node_id)))
        while len(_recent) > KEPT:
            _recent.popitem(last=False)


def find(prompt_ids: Iterable[str], node_id: str) -> Recent | None:
    """Return what a node asked for in the first of these prompts in which it ran."""
    with _lock:
        return next((_recent[one, node_id] for one in prompt_ids if (one, node_id) in _recent), None)


def has_run(service: str, account: str) -> bool:
    """Tell whether an account asked a service for something since the start."""
    return (service, account) in _accounts
