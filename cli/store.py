"""`openai-image jobs`: the paid pictures that are kept."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from ..api.errors import RefusedError
from ..api.store import MAX_BYTES, Store, stores


def jobs(argv: Sequence[str]) -> int:
    """List what the store holds, newest first; `export ID` copies pictures out, `prune` forgets read answers."""
    parser = argparse.ArgumentParser(prog="openai-image jobs", description=jobs.__doc__)
    parser.add_argument("action", nargs="?", choices=["list", "export", "prune"], default="list")
    parser.add_argument("id", nargs="?", help="with export: the beginning of an id is enough")
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="with export: the folder to copy to")
    parser.add_argument("--max-bytes", type=int, default=MAX_BYTES, help="with prune: how much may stay")
    options = parser.parse_args(argv)
    if options.action == "prune":
        print(f"{sum(store.prune(options.max_bytes) for store in stores())} answers forgotten")
    elif options.action == "export":
        return _export(options.id or "", options.output)
    else:
        for store in stores():
            _list(store)
    return 0


def _list(store: Store) -> None:
    for folder, record in store.records():
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.answered_at or record.prepared_at))
        size = record.answer_fields.get("size") or record.fields.get("size")
        cost = "?" if record.cost_usd is None else f"{record.cost_usd:.4f} USD"
        files = ", ".join(record.pictures) or "-"
        state = "sent, outcome unknown" if record.state in ("sent", "unknown") else record.state
        print(f"{folder.name[:12]}  {when}  {record.model}  {size}  {state}  {cost}  {folder}: {files}")


def _export(beginning: str, target: Path) -> int:
    found = [
        (path, record) for store in stores() for path, record in store.records() if path.name.startswith(beginning)
    ]
    found = [(path, record) for path, record in found if record.pictures]
    if not beginning or len(found) != 1:
        raise RefusedError(f"{len(found)} answers have an id that begins with {beginning!r}; name exactly one.")
    folder, record = found[0]
    target.mkdir(parents=True, exist_ok=True)
    for name in record.pictures:
        print(shutil.copyfile(folder / name, target / f"{folder.name[:12]}_{name}").as_posix())
    return 0
