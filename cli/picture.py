"""`openai-image PROMPT ... -o OUT`: a picture from the shell, in the service's own bytes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..api import JOBS, Connection, Job, LargeSumError, OpenAIImageError, StoredAnswer, originals_of
from ..api.batch.enqueue import answered_or_planned
from ..api.catalog import catalog, pricing, validation
from ..nodes.run import large_sums
from ..nodes.run.answers import pictures_of
from ..nodes.run.execution import NodeRun, Outputs, PreparedJob, connection_of, not_decoded
from ..nodes.run.input_images import InputImages
from ..nodes.run.parameters import ANY_MODEL, ImageParameters, refusal
from ..utils import image_files
from ..utils.errors import BrokenPictureError
from .files import METADATA, check_place, written
from .terminal import is_sure, print_json, tell, tell_path
from .wait import answered

DEFAULTS = ImageParameters(prompt="")
SAME = ("prompt", "quality", "background", "n", "model", "mask_mode", "region_context", "live_preview")
OTHER_FILE = "Name another file; nothing was sent."

T = TypeVar("T")


def picture(argv: Sequence[str]) -> int:
    """Make or edit a picture and write it to a file."""
    options = _parser().parse_args(argv)
    same = {name: getattr(options, name) for name in SAME}
    parameters = ImageParameters(**same, **_size(options.size), output_format=options.format)
    linked = {name: None for name, told in (("references", options.image), ("mask", options.mask)) if told}
    told = {"seed": options.seed, "connection": options.connection, **linked}
    allowed = refusal({**vars(parameters), **told})
    if allowed is not True:
        raise OpenAIImageError(str(allowed))
    check_place(options.output, options.metadata)
    run = NodeRun(connection_of(options.connection), options.seed, not options.again)
    references = [_read(image_files.read_image, path)[0] for path in options.image] or None  # only this loads torch
    mask = _read(image_files.read_mask, options.mask) if options.mask else None
    asked = run.prepared(parameters, InputImages(references=references, mask=mask))
    answer = _answered(asked, run.connection, yes=options.yes)
    if answer is None:
        if options.json:
            print(json.dumps({"files": [], "planned": True}))
        print("planned, nothing was sent; see: openai-image batch plan", file=sys.stderr)
        return 0
    return _finished(answer, asked, run.connection, options)


def _read(read: Callable[[Path], T], path: Path) -> T:
    """Return what is read of a file; an error names it, and what to do. Raises: OSError, BrokenPictureError."""
    try:
        return read(path)
    except BrokenPictureError as exc:
        raise BrokenPictureError(f"{path} cannot be used as a picture: {exc}. {OTHER_FILE}") from exc
    except OSError as exc:
        raise OSError(exc.errno, f"{exc.strerror}. {OTHER_FILE}", str(path)) from exc


def _answered(asked: PreparedJob, connection: Connection, *, yes: bool) -> StoredAnswer | None:
    """Return the answer, or None for a job that is planned into a batch."""
    if connection.batch:
        answer = answered_or_planned(asked.job)
        return answer if isinstance(answer, StoredAnswer) else None
    _ask_first(asked.job, asked.encoded.count, yes=yes)
    return answered(asked.job)


def _finished(answer: StoredAnswer, asked: PreparedJob, connection: Connection, options: argparse.Namespace) -> int:
    """Write the pictures, and tell what they cost."""
    framing, outputs = asked.encoded.framing, Outputs((), [])
    try:
        if asked.encoded.first is not None and (framing.mode != "guide" or framing.region is not None):
            outputs = pictures_of(answer, asked.encoded, lambda: False)
        originals = originals_of(answer, is_sandbox=connection.kind == "sandbox", is_changed_here=bool(outputs.values))
        paths = written(originals, outputs.values, options.output, options.metadata)
    except BrokenPictureError as exc:
        raise not_decoded(answer, exc) from exc
    except OSError as exc:
        JOBS.put_back(asked.job, answer)
        place = f" The picture is kept in {answer.folder}." if answer.folder else ""
        raise OSError(exc.errno, f"{exc.strerror}.{place}", str(options.output)) from exc
    with JOBS.delivering(answer) as mine:
        told = json.loads(asked.report(mine, outputs))
    if options.json:
        return print_json({"files": [path.as_posix() for path in paths], "report": told}, indent=None)
    for path in paths:
        tell_path(path)
    cost = "unknown" if told["cost_usd"] is None else f"{told['cost_usd']:.4f} USD"
    paid = "nothing, it was kept" if told["reused"] else "none" if told["connection"] == "sandbox" else cost
    tell(f"{told['model']} on {told['connection']}, {told['size']}, cost: {paid}", is_aside=True)
    for fit in told.get("edit", {}).get("fits", []):
        if fit is not None:
            tell(fit["summary"], is_aside=True)
    for note in told["notes"]:
        tell(f"note: {note}", is_aside=True)
    return 0


def _ask_first(job: Job, image_count: int, *, yes: bool) -> None:
    """Ask before a request that may cost much; what is kept already costs nothing.

    Raises: LargeSumError without a yes.
    """
    limit, usd = large_sums.ask_above_usd(), large_sums.most_usd(job.connection, job.request.wire_fields(), image_count)
    if yes or usd <= limit or JOBS.is_kept(job):
        return
    sum_told = f"{large_sums.cents(usd):.2f} USD"
    if not sys.stdin.isatty():
        raise LargeSumError(
            f"This run may cost up to {sum_told}. You are asked before a run costs more than {pricing.in_words(limit)}"
            f" USD, and nobody can be asked here. To go on: --yes. To be asked at another sum, set"
            f" {large_sums.VARIABLE}."
        )
    if not is_sure(f"This may cost up to {sum_told}. Go on?"):
        raise LargeSumError("Nothing was sent.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="openai-image",
        description="Make or edit a picture with OpenAI's image models.",
        epilog="Also: openai-image doctor | jobs | batch | connect NAME | sandbox (each has --help).",
    )
    parser.add_argument("prompt", metavar="PROMPT")
    parser.add_argument("--image", action="append", default=[], type=Path, metavar="FILE", help="may be given again")
    parser.add_argument("--mask", type=Path, metavar="FILE", help="white is redrawn; or a PNG with a hole")
    parser.add_argument(
        "--mask-mode",
        default=DEFAULTS.mask_mode,
        metavar="MODE",
        help="guide (the model may touch the rest), lock (what is outside the mask is put back), blend (put back,"
        " aligned and without a seam), region (only the part around the mask is sent, then as blend)",
    )
    parser.add_argument(
        "--region-context",
        type=int,
        default=DEFAULTS.region_context,
        metavar="PERCENT",
        help="of the mask's size, sent on each side of it with --mask-mode region",
    )
    parser.add_argument("--connection", default="auto", metavar="NAME")
    parser.add_argument(
        "--model", default=DEFAULTS.model, metavar="ID", help=", ".join(catalog.choices()).replace("%", "%%")
    )
    parser.add_argument("--size", default=DEFAULTS.size, metavar="WxH")
    parser.add_argument("--quality", default=DEFAULTS.quality, metavar="Q")
    parser.add_argument("--background", default=DEFAULTS.background, metavar="B")
    parser.add_argument("-n", type=int, default=DEFAULTS.n, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="which paid result; never sent")
    parser.add_argument("--again", action="store_true", help="ask, and pay, again for what is already kept")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask, whatever it may cost")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT.png")
    formats = ANY_MODEL.output_formats
    sent = "what the service sends; OUT of another suffix is converted here"
    beside = "save what made the picture in a JSON file beside it, or in the file"
    sketches = "sketches to count while waiting, up to 3; each costs about 100 tokens"
    parser.add_argument("--format", choices=formats, default=DEFAULTS.output_format, help=sent)
    parser.add_argument("--metadata", choices=METADATA, default="none", help=beside)
    parser.add_argument("--live-preview", type=int, default=DEFAULTS.live_preview, metavar="N", help=sketches)
    parser.add_argument("--json", action="store_true", help="answer as JSON, for scripts")
    return parser


def _size(text: str) -> dict[str, Any]:
    """Return the size widgets for any size: one that no widget value names goes as custom."""
    parsed = validation.parse_size(text)
    if parsed is None:
        return {"size": text}
    return {"size": "custom", "custom_width": parsed[0], "custom_height": parsed[1]}
