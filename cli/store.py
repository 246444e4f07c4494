"""`openai-image jobs`: the paid pictures that are kept."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from ..api import JobRecord, RefusedError, SharedStore, SharedStoreError, Store, stores
from ..api.backends.atomic_files import read_regular
from ..api.store import spending
from ..api.store.eviction import limit_bytes
from ..api.store.read_record import PICTURE_MAX_BYTES

DAYS_LISTED = 31


def jobs(argv: Sequence[str]) -> int:
    """List what is kept and spent; `export ID` copies pictures out, `prune` forgets read answers, `sync` shares."""
    parser = argparse.ArgumentParser(prog="openai-image jobs", description=jobs.__doc__)
    parser.add_argument("action", nargs="?", choices=["list", "export", "prune", "sync"], default="list")
    parser.add_argument("id", nargs="?", help="with export: the beginning of an id is enough")
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="with export: the folder to copy to")
    parser.add_argument("--max-bytes", type=int, help="with prune: how much may stay in each store")
    parser.add_argument("--all", action="store_true", help="with sync: also what was kept before the store was shared")
    options = parser.parse_args(argv)
    if options.action == "sync":
        return _sync(stores()[0], everything=options.all)
    if options.action == "prune":
        limit = limit_bytes() if options.max_bytes is None else options.max_bytes
        print(f"{sum(store.prune(limit) for store in stores())} answers forgotten")
    elif options.action == "export":
        return _export(options.id or "", options.output)
    else:
        for store in stores():
            _list(store)
        _list_sums(stores()[0])
    return 0


def _list(store: Store) -> None:
    records = store.records()
    is_mixed = len({record.account for _, record in records}) > 1
    for folder, record in records:
        when = record.answered_at or record.sent_at or record.prepared_at
        words = [
            _short(folder),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(when)),
            record.model,
            record.answer_fields.get("size") or record.fields.get("size"),
            _state(store, folder, record),
            "?" if record.cost_usd is None else f"{record.cost_usd:.4f} USD",
            *([f"paid by {record.account or '?'}"] if is_mixed else []),
            f"{folder}: {', '.join(record.pictures) or '-'}",
        ]
        print(*(_printable(str(word)) for word in words), sep="  ")
    for folder, fault in store.unfit():
        print(_printable(f"{folder}: cannot be used and is left alone ({fault})"))


def _printable(text: str) -> str:
    """Return a text on one line, without what a terminal would obey: records may come from elsewhere."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _sync(paid: Store, *, everything: bool) -> int:
    if not isinstance(paid, SharedStore):
        raise RefusedError("OPENAI_IMAGE_NODES_STORE names no bucket: a folder is shared by itself.")
    if everything:
        paid.share_all()
    print(f"{paid.outbox.flush()} things shared with {paid.bucket.name}")
    return 0


def _list_sums(paid: Store) -> None:
    backend = paid.backend
    for day in spending.days(paid.root)[:DAYS_LISTED]:
        try:
            sums = spending.spent(paid.root, day, backend)
        except SharedStoreError as exc:
            print(f"of this machine alone: {exc}")
            backend = None
            sums = spending.spent(paid.root, day)
        each = ", ".join(f"{name} {usd:.4f} USD" for name, usd in sorted(sums.items()))
        print(f"{day}  spent {sum(sums.values()):.4f} USD: {each}")


def _short(folder: Path) -> str:
    """Return the first 12 digits of a job's identity, with the number of an answer that was asked for again."""
    return folder.name[:12] + folder.suffix


def _state(store: Store, folder: Path, record: JobRecord) -> str:
    if store.is_running(folder):
        return f"{record.state}, on its way"
    return "sent, outcome unknown" if record.state in ("sent", "unknown") else record.state


def _export(beginning: str, target: Path) -> int:
    kept = [(path, record) for store in stores() for path, record in store.records() if record.pictures]
    found = [one for one in kept if beginning in (one[0].name, _short(one[0]))]
    found = found or [one for one in kept if one[0].name.startswith(beginning)]
    if not beginning or len(found) != 1:
        raise RefusedError(f"{len(found)} answers have an id that begins with {beginning!r}; name exactly one.")
    folder, record = found[0]
    target.mkdir(parents=True, exist_ok=True)
    for name in record.pictures:
        path = target / f"{_short(folder)}_{name}"
        path.write_bytes(read_regular(folder / name, PICTURE_MAX_BYTES))
        print(path.as_posix())
    return 0
