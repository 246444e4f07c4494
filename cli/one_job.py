"""One job of the store: found by the beginning of its id, shown whole, its pictures opened."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..api import JobRecord, RefusedError, stores
from ..api.backends.atomic_files import read_regular
from ..api.connections.resolve import SANDBOXES
from ..api.jobs.report import dimensions
from ..api.store.records import PICTURE_MAX_BYTES, prompt_of
from ..utils.c2pa import credentials_of
from ..utils.containers import form_of
from ..utils.svg import clean_svg
from .terminal import print_json, printable, tell_path, tell_row

ID_CHARS = 12
NOT_TOLD = {"idempotency_key", "headers", "pictures", "picture_digests"}  # told elsewhere, or of no use to a person


def named(beginning: str, *, answered: bool = True) -> tuple[Path, JobRecord]:
    """Return folder and record of the one answer whose id begins so, or of the one job, answered or not.

    Raises: RefusedError if there is none, or more than one.
    """
    all_jobs = [one for store in stores() for one in store.records(beginning.partition(".")[0])]
    kept = [one for one in all_jobs if one[1].pictures or not answered]
    found = [one for one in kept if beginning in (one[0].name, short_name(one[0]))]
    found = found or [one for one in kept if one[0].name.startswith(beginning)]
    if len(found) != 1:
        what = "answers" if answered else "jobs"
        raise RefusedError(f"{len(found)} {what} have an id that begins with {beginning!r}; name exactly one.")
    return found[0]


def show(job: tuple[Path, JobRecord], *, as_json: bool) -> int:
    """Print all that is known of an answer: what was asked, what it cost, its files and what they state."""
    folder, record = job
    facts = record.model_dump(include=JobRecord.model_fields.keys() - {*NOT_TOLD, "cost_usd"}, exclude_none=True)
    told = {**facts, **_cost(record), "files": list(_files(folder, record))}
    if as_json:
        return print_json({"id": short_name(folder), "folder": str(folder), **told})
    tell_row(f"{short_name(folder)}  {_date(when(record))}  {folder}")
    for name, value in told.items():
        if name == "files" or value in ([], {}, "", None):
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        tell_row(f"{name}: {_date(value) if name.endswith('_at') else text}")
    for file in told["files"]:
        stated, c2pa = "no Content Credentials (C2PA)", file["c2pa"]
        if c2pa is not None:
            issuer, program = (printable(c2pa[name] or "not known") for name in ("issuer", "generator"))
            stated = f"Content Credentials (C2PA), not verified: issuer {issuer}, made with {program}"
        size = file["size"] or "size not known"
        print(f"{file['name']}: {size}, {file['bytes']:,} bytes, SHA-256 {file['sha256']}; {stated}")
    return 0


def opened(job: tuple[Path, JobRecord]) -> int:
    """Open the pictures of an answer with what this machine opens such files with.

    Raises: RefusedError for what is no picture, a drawing that may run scripts, or where nothing opens it; OSError.
    """
    folder, record = job
    for name in record.pictures:
        path = folder / name
        data = read_regular(path, PICTURE_MAX_BYTES)
        form = form_of(data)
        if f".{form}" != path.suffix:  # in a folder that is shared it may be a link for Windows to follow
            raise RefusedError(f"{path} is no picture of this kind, so it is not opened. Export it to look into it.")
        if form == "svg" and clean_svg(data).notes:
            raise RefusedError(f"{path} may run scripts in a browser, so it is not opened. Export it to look into it.")
        tell_path(path)
        if sys.platform == "win32":
            os.startfile(path)  # noqa: S606 - a picture of ours
            continue
        program = "open" if sys.platform == "darwin" else "xdg-open"
        if subprocess.run([program, str(path)], check=False).returncode:  # noqa: S603 - no shell reads the path
            raise RefusedError(f"{program} could not open {path}.")
    return 0


def summary(folder: Path, record: JobRecord) -> dict[str, Any]:
    """Return the few facts of a job that a search tells."""
    return {
        "id": short_name(folder),
        "folder": str(folder),
        "state": record.state,
        "answered_at": record.answered_at,
        "model": record.model,
        "size": record.said("size"),
        **_cost(record),
        "seed": record.seed,
        "prompt": prompt_of(record.fields),
        "pictures": record.pictures,
    }


def when(record: JobRecord) -> float:
    """Return the second of the newest thing that happened to a job."""
    return record.answered_at or record.sent_at or record.prepared_at


def short_name(folder: Path) -> str:
    """Return the first digits of a job's identity, with the number of an answer that was asked for again."""
    return folder.name[:ID_CHARS] + folder.suffix


def _cost(record: JobRecord) -> dict[str, float | None]:
    """Return what a job cost; of one on the sandbox, which is free, what the service would have asked."""
    is_free = record.connection in SANDBOXES
    return {"cost_usd": None, "would_cost_usd": record.cost_usd} if is_free else {"cost_usd": record.cost_usd}


def _files(folder: Path, record: JobRecord) -> Iterator[dict[str, Any]]:
    for name in record.pictures:
        data = read_regular(folder / name, PICTURE_MAX_BYTES)
        size, credentials = dimensions(data), credentials_of(data)
        yield {
            "name": name,
            "bytes": len(data),
            "size": f"{size[0]}x{size[1]}" if size else None,
            "sha256": hashlib.sha256(data).hexdigest(),
            "c2pa": credentials._asdict() if credentials else None,
        }


def _date(second: Any) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
