"""`openai-image jobs`: the paid pictures that are kept."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ..api import JobRecord, RefusedError, SharedStore, SharedStoreError, Store, stores
from ..api.backends.atomic_files import read_regular
from ..api.connections.resolve import SANDBOXES
from ..api.store import spending
from ..api.store.eviction import limit_bytes
from ..api.store.records import PICTURE_MAX_BYTES, prompt_of, read_record
from .one_job import named, opened, short_name, show, summary, when
from .terminal import print_json, printable, tell, tell_path

ACTIONS = ["list", "export", "prune", "sync", "find", "show", "open"]
NEEDS = {"find": "WORDS of the prompt", **dict.fromkeys(("show", "open", "export"), "the ID of a job")}
DAYS_LISTED = 31
PAGE_ROWS = 100


def jobs(argv: Sequence[str]) -> int:
    """List what is kept and spent; `find WORDS` searches prompts, `show ID` tells all of an answer, `open ID` opens its
    pictures, `export ID` copies them out, `prune` forgets read answers, `sync` shares."""
    parser = argparse.ArgumentParser(prog="openai-image jobs", description=jobs.__doc__)
    parser.add_argument("action", nargs="?", choices=ACTIONS, default="list")
    parser.add_argument("id", nargs="?", help="with export, show, open: the beginning of an id is enough")
    parser.add_argument("words", nargs="*", default=[], help="with find: words of the prompt, all of which it has")
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="with export: the folder to copy to")
    parser.add_argument("--max-bytes", type=int, help="with prune: how much may stay in each store")
    parser.add_argument("--page", type=_page, help="with list: the page to show, counted from 1; a terminal gets one")
    everything = "with list: not by pages; with sync: also what was kept before the store was shared"
    parser.add_argument("--all", action="store_true", help=everything)
    parser.add_argument("--json", action="store_true", help="with find and show: answer as JSON, for scripts")
    options = parser.parse_args(argv)
    if options.action in NEEDS and not options.id:
        parser.error(f"say {NEEDS[options.action]}: openai-image jobs {options.action} ...")
    if options.action == "find":
        return _find([word for word in (options.id, *options.words) if word], as_json=options.json)
    if options.action == "show":
        return show(named(options.id, answered=False), as_json=options.json)
    if options.action == "open":
        return opened(named(options.id))
    if options.action == "sync":
        paid = stores()[0]
        if not isinstance(paid, SharedStore):
            raise RefusedError("OPENAI_IMAGE_NODES_STORE names no bucket: a folder is shared by itself.")
        if options.all:
            paid.share_all()
        print(f"{paid.outbox.flush()} things shared with {paid.bucket.name}")
        return 0
    if options.action == "prune":
        limit = limit_bytes() if options.max_bytes is None else options.max_bytes
        print(f"{sum(store.prune(limit) for store in stores())} answers forgotten")
    elif options.action == "export":
        folder, record = named(options.id)
        options.output.mkdir(parents=True, exist_ok=True)
        for name in record.pictures:
            path = options.output / f"{short_name(folder)}_{name}"
            path.write_bytes(read_regular(folder / name, PICTURE_MAX_BYTES))
            tell_path(path)
        return 0
    else:
        paged = options.page if options.page or options.all or not sys.stdout.isatty() else 1
        _list(paged)
        _list_sums(stores()[0])
    return 0


def _list(page: int | None) -> None:
    """List what is kept, as it is read: all of it, or one page."""
    wanted = slice(None) if page is None else slice((page - 1) * PAGE_ROWS, page * PAGE_ROWS)
    places = [(store, path) for store in stores() for path in store.folders_by_use()]
    shown = places[wanted]
    for at in range(0, len(shown), PAGE_ROWS):
        part = [(store, Path(path)) for store, path in shown[at : at + PAGE_ROWS]]
        found = [(store, folder, _looked_at(store, folder)) for store, folder in part]
        is_mixed = len({record.account for _, _, record in found if isinstance(record, JobRecord)}) > 1
        for store, folder, record in found:
            if isinstance(record, JobRecord):
                _print_line(folder, record, _state(store, folder, record), is_mixed=is_mixed)
            elif record:
                print(printable(f"{folder}: cannot be used and is left alone ({record})"))
    if page is not None and len(places) > page * PAGE_ROWS:
        print(f"-- {len(places) - page * PAGE_ROWS:,} older ones: openai-image jobs --page {page + 1}, or --all --")


def _looked_at(store: Store, folder: Path) -> JobRecord | str | None:
    """Return a folder's record, None where there is none to be listed, or what is wrong with it."""
    try:
        record = read_record(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None  # a job that was never written down, or somebody else's file
    except OSError as exc:
        return exc.strerror or type(exc).__name__
    return None if folder.parent == store.journal.root and store.is_answered(record) else record


def _page(text: str) -> int:
    page = int(text)
    if page < 1:
        raise ValueError("pages are counted from 1")
    return page


def _print_line(folder: Path, record: JobRecord, state: str, *, is_mixed: bool = False) -> None:
    paid = "?" if record.cost_usd is None else f"{record.cost_usd:.4f} USD"
    words = [
        short_name(folder),
        time.strftime("%Y-%m-%d %H:%M", time.localtime(when(record))),
        record.model,
        record.said("size"),
        state,
        "free" if record.connection in SANDBOXES else paid,
        *([f"paid by {record.account or '?'}"] if is_mixed else []),
        f"{folder}: {', '.join(record.pictures) or '-'}",
    ]
    print(*(printable(str(word)) for word in words), sep="  ")


def _find(words: Sequence[str], *, as_json: bool) -> int:
    """List the jobs whose prompt, or what the service made of it, has all words; upper and lower case are the same."""
    wanted, found = [word.casefold() for word in words], []
    for store, folder, record in ((kept, *one) for kept in stores() for one in kept.records()):
        text = " ".join([prompt_of(record.fields), *record.revised_prompts]).casefold()
        if all(word in text for word in wanted):
            found.append((store, folder, record))
    if as_json:
        return print_json([summary(folder, record) for _, folder, record in found])
    for store, folder, record in found:
        _print_line(folder, record, _state(store, folder, record))
        print(f"    {printable(prompt_of(record.fields))}")
    if not found:
        print("no job has these words in its prompt", file=sys.stderr)
    return 0


def _list_sums(paid: Store) -> None:
    backend = paid.backend
    for day in spending.days(paid.root)[:DAYS_LISTED]:
        try:
            sums = spending.spent(paid.root, day, backend)
        except SharedStoreError as exc:
            tell(f"of this machine alone: {exc}")
            backend = None
            sums = spending.spent(paid.root, day)
        each = ", ".join(f"{name} {usd:.4f} USD" for name, usd in sorted(sums.items()))
        tell(f"{day}  spent {sum(sums.values()):.4f} USD: {each}")


def _state(store: Store, folder: Path, record: JobRecord) -> str:
    if store.is_running(folder):
        return f"{record.state}, on its way"
    return "sent, outcome unknown" if record.state in ("sent", "unknown") else record.state
