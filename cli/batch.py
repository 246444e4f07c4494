"""`openai-image batch`: what workflows planned over a batch connection, sent together at half the price."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Container, Sequence

from ..api import OpenAIImageError, RefusedError, stores
from ..api.batch import describe
from ..api.batch.manager import BatchManager, refusal_of
from ..api.batch.plan import PlannedJob
from ..api.batch.records import COLLECTED, BatchRecord
from ..api.store.records import prompt_of
from ..nodes.run.execution import connection_of
from ..sandbox import end_running
from .terminal import is_sure, print_json, printable, tell, tell_row

PROMPT_CHARS = 60
BAR_CHARS = 30
OURS = "sandbox batch"
SANDBOX_EVERY_S = 1.0
LOOK_EVERY_S = (0.05, 3600.0)  # whatever is asked for: the service is not to be asked without a pause
EPILOG = """Run a workflow with the connection "openai batch": nothing is sent, each job is planned. Then submit the
plan, wait (a batch takes up to a day), collect, and run the same workflow again: the pictures come from the store."""


def batch(argv: Sequence[str]) -> int:
    """Plan, submit, look after and collect batches; nothing is sent without a yes."""
    parser = argparse.ArgumentParser(prog="openai-image batch", description=batch.__doc__, epilog=EPILOG)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, action in ACTIONS.items():
        own = actions.add_parser(name, help=action.__doc__, description=action.__doc__)
        own.add_argument("--json", action="store_true", help="answer as JSON, for scripts")
        if name in ("submit", "watch"):
            own.add_argument(
                "-y",
                "--yes",
                action="store_true",
                help="do not ask: send all that is planned, in a shared folder by others too",
            )
            own.add_argument("--model", help="only the jobs of this model")
        if name == "plan":
            own.add_argument("--retry", action="store_true", help="plan again what failed for good")
            own.add_argument(
                "--forget", action="store_true", help="take everything out of the plan that is in no batch"
            )
        if name in ("collect", "cancel"):
            own.add_argument("id", nargs="*", help="the beginning of a batch's id; all by default")
        if name == "cancel":
            own.add_argument(
                "--give-up",
                action="store_true",
                help="plan the jobs again without asking the service: if its answers are gone; may bill twice",
            )
        if name == "watch":
            own.add_argument("--every", type=float, default=10.0, metavar="S", help="seconds between two looks")
    options = parser.parse_args(argv)
    try:
        return ACTIONS[options.action](options)
    finally:
        end_running()  # while it still can break off: a picture half drawn at the end of Python is a traceback


def plan(options: argparse.Namespace) -> int:
    """List what is planned, with models and prices, and what failed."""
    for manager in _managers():
        seen = manager.overview()
        if options.forget:
            manager.forget([*seen.ready, *seen.failed])
        if options.retry:
            manager.plan_again(seen.failed)
    views = [manager.overview() for manager in _managers()]
    if options.json:
        listed = [one for seen in views for one in [*seen.ready, *seen.failed]]
        return print_json(
            [{**one.model_dump(exclude={"files"}), "pictures": [file.filename for file in one.files]} for one in listed]
        )
    for seen in views:
        for one in seen.ready:
            tell_row(f"{one.identity[:12]}  {_asked(one)}" + (f"  failed before: {one.fault}" if one.fault else ""))
        for one in seen.failed:
            tell_row(f"{one.identity[:12]}  {_asked(one)}  FAILED: {one.fault}")
        for part in seen.parts:
            tell_row(describe.part(part))
    ready = [part for seen in views for part in seen.parts]
    tell_row(f"planned: {describe.total(ready)}" if ready else describe.empty(views[0]))
    failed = sum(len(seen.failed) for seen in views)
    if failed:
        tell_row(f"failed for good: {failed}. Change them in the workflow, or: openai-image batch plan --retry")
    return 0


def submit(options: argparse.Namespace) -> int:
    """Send the plan, after a yes to its count, bytes and price; what is for the sandbox is collected at once."""
    begun = _submitted(options)
    if ours := {record.id for record in begun if record.connection == OURS}:  # they end with this command's sandbox
        ended = {record.id: record for record in _watched(SANDBOX_EVERY_S, only=ours)}
        begun = [ended.get(record.id, record) for record in begun]
    _tell_batches(begun, options, none="nothing was submitted")
    return 0


def status(options: argparse.Namespace) -> int:
    """Ask the service how far each batch is."""
    known = [(manager, record) for manager in _managers() for record in manager.batches()]
    looked = [_tried(manager.look, record) for manager, record in known]
    told = [found or record for found, (_, record) in zip(looked, known, strict=True)]
    _tell_batches(told, options, failures=False)
    return int(None in looked)


def collect(options: argparse.Namespace) -> int:
    """Bring what finished batches gave into the store; may be stopped and repeated."""
    collected = [_tried(manager.collect, record) for manager, record in _open_ones(options.id)]
    _tell_batches([record for record in collected if record], options)
    return int(None in collected)


def cancel(options: argparse.Namespace) -> int:
    """Stop batches; what the service has finished is charged, and comes with collect."""
    if options.give_up and not options.id:
        raise RefusedError("Say which batch to give up: openai-image batch cancel ID --give-up")
    open_ones = _open_ones(options.id)
    ended = [_tried(manager.give_up if options.give_up else manager.cancel, record) for manager, record in open_ones]
    _tell_batches([record for record in ended if record], options, failures=False)
    return int(None in ended)


def watch(options: argparse.Namespace) -> int:
    """Submit the plan after a yes, wait for every batch, and collect it; may be killed and started again."""
    _submitted(options)
    _tell_batches(_watched(options.every), options)
    return 0


ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "plan": plan,
    "submit": submit,
    "status": status,
    "collect": collect,
    "cancel": cancel,
    "watch": watch,
}


def _watched(every_s: float, only: Container[str] | None = None) -> list[BatchRecord]:
    """Wait for every batch, or for those of some ids, and collect it."""
    told = []
    for manager in _managers():
        told += manager.watch(_bar, look_every_s=min(max(LOOK_EVERY_S[0], every_s), LOOK_EVERY_S[1]), only=only)
        print(file=sys.stderr)
    return told


def _managers() -> list[BatchManager]:
    return [BatchManager(store, connection_of, _say) for store in stores()]


def _submitted(options: argparse.Namespace) -> list[BatchRecord]:
    begun = []
    for manager in _managers():
        parts = [part for part in manager.overview().parts if options.model in (None, part.model)]
        halves = manager.left_half_way()  # asked about again: where others write too, nobody may have agreed to them
        lines = [
            *(f"{describe.part(part)}; only partly submitted before" for part in halves if part.count),
            *map(describe.part, parts),
        ]
        for line in lines:
            tell_row(line, is_aside=options.json)
        if lines and not options.yes and not sys.stdin.isatty():
            raise RefusedError("Nobody can be asked here. To submit without a question: --yes")
        if lines and (options.yes or is_sure(f"Submit {describe.total([*halves, *parts])}?")):
            begun += manager.submit([*halves, *parts])
    return begun


def _open_ones(beginnings: Sequence[str]) -> list[tuple[BatchManager, BatchRecord]]:
    known = [(manager, record) for manager in _managers() for record in manager.batches()]
    for beginning in beginnings:
        if not beginning or not any(record.id.startswith(beginning) for _, record in known):
            raise RefusedError(f"There is no batch {beginning!r}. Look at the list: openai-image batch status.")
    open_ones = [(manager, record) for manager, record in known if record.is_open]
    return [pair for pair in open_ones if not beginnings or pair[1].id.startswith(tuple(beginnings))]


def _tried(work: Callable[[BatchRecord], BatchRecord], record: BatchRecord) -> BatchRecord | None:
    """Return what becomes of one batch, or None where that failed: the others are done all the same."""
    try:
        return work(record)
    except (OpenAIImageError, OSError) as exc:
        tell(f"openai-image: {exc}", is_aside=True)
        return None


def _tell_batches(
    records: Sequence[BatchRecord], options: argparse.Namespace, *, none: str = "no batches", failures: bool = True
) -> None:
    """Name batches and, with `failures`, the jobs that failed in them; or all of them as JSON."""
    if options.json:
        print_json([record.model_dump() for record in records])
        return
    for record in records:
        tell_row(describe.batch(record))
        refusal = refusal_of(record)
        if refusal is not None:
            tell_row(f"  {refusal}")
    if not records:
        tell_row(none)
    if not failures or not any(record.failed for record in records):
        return
    for seen in [manager.overview() for manager in _managers()]:
        for one in [*seen.ready, *seen.failed]:
            if one.fault:
                tell_row(f"failed  {one.identity[:12]}  {_asked(one)}  {one.fault}")


def _asked(one: PlannedJob) -> str:
    prompt = prompt_of(one.fields)
    shown = prompt if len(prompt) <= PROMPT_CHARS else prompt[: PROMPT_CHARS - 3] + "..."
    return f"{one.model}  {one.fields.get('size')}  {one.fields.get('quality')}  seed {one.seed}  {shown}"


def _say(words: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{printable(words):<70}", end="", file=sys.stderr, flush=True)


def _bar(record: BatchRecord) -> None:
    """Draw how far a batch is, over the line before."""
    counts = record.counts
    done = record.count if record.state == COLLECTED else counts.completed + counts.failed
    full = BAR_CHARS * done // max(1, counts.total or record.count)
    line = f"[{'#' * full}{'.' * (BAR_CHARS - full)}] {printable(describe.progress(record))}"
    print(f"\r{line:<100}" if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n", file=sys.stderr)
