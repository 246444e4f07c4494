"""`openai-image PROMPT ... -o OUT.png`: the main node from the shell."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..api import LargeSumError, OpenAIImageError
from ..api.catalog import catalog, validation
from ..nodes.gpt_image import GPTImage
from ..nodes.run import large_sums
from ..nodes.run.parameters import ImageParameters
from ..utils import image_files


def picture(argv: Sequence[str]) -> int:
    """Make or edit a picture and write it to a file."""
    options = _parser().parse_args(argv)
    same = ("prompt", "seed", "quality", "background", "n", "model", "connection", "mask_mode", "region_context")
    asked = {**{name: getattr(options, name) for name in same}, **_size(options.size)}
    allowed = GPTImage.VALIDATE_INPUTS(**asked)
    if allowed is not True:
        raise OpenAIImageError(str(allowed))
    references = [image_files.read_image(path)[0] for path in options.image] or None
    mask = image_files.read_mask(options.mask) if options.mask else None

    def run() -> tuple[Any, ...]:
        call = GPTImage().api_call(**asked, references=references, mask=mask, reuse=not options.again)
        return asyncio.run(call)

    try:
        image, _alpha, report, _ = run()
    except LargeSumError as exc:
        if not _agreed(yes=options.yes):
            raise LargeSumError(f"{exc} Or in the shell: --yes") from exc
        image, _alpha, report, _ = run()
    if image is None:
        print("planned, nothing was sent; see: openai-image batch plan", file=sys.stderr)
        return 0
    for path in image_files.write_pictures(image, options.output):
        print(path)
    _print_summary(json.loads(report))
    return 0


def _agreed(*, yes: bool) -> bool:
    """Tell whether the sum that was just asked about may be spent; somebody at a terminal is asked."""
    question = large_sums.QUESTIONS.asked("")
    if question is None or not (yes or sys.stdin.isatty()):
        return False
    words = f"This may cost up to {large_sums.cents(question.usd):.2f} USD. Go on? [y/N] "
    if not yes and input(words).strip().lower() not in ("y", "yes"):
        raise LargeSumError("Nothing was sent.")
    return large_sums.QUESTIONS.say_yes("") is not None


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
        default=ImageParameters.mask_mode,
        metavar="MODE",
        help="guide (the model may touch the rest), lock (what is outside the mask is put back), blend (put back,"
        " aligned and without a seam), region (only the part around the mask is sent, then as blend)",
    )
    parser.add_argument(
        "--region-context",
        type=int,
        default=ImageParameters.region_context,
        metavar="PERCENT",
        help="of the mask's size, sent on each side of it with --mask-mode region",
    )
    parser.add_argument("--connection", default="auto", metavar="NAME")
    parser.add_argument("--model", default=ImageParameters.model, metavar="ID", help=", ".join(catalog.choices()))
    parser.add_argument("--size", default=ImageParameters.size, metavar="WxH")
    parser.add_argument("--quality", default=ImageParameters.quality, metavar="Q")
    parser.add_argument("--background", default=ImageParameters.background, metavar="B")
    parser.add_argument("-n", type=int, default=ImageParameters.n, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="which paid result; never sent")
    parser.add_argument("--again", action="store_true", help="ask, and pay, again for what is already kept")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask, whatever it may cost")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT.png")
    return parser


def _size(text: str) -> dict[str, Any]:
    """Return the size widgets for any size: one that no widget value names goes as custom."""
    parsed = validation.parse_size(text)
    if parsed is None:
        return {"size": text}
    return {"size": "custom", "custom_width": parsed[0], "custom_height": parsed[1]}


def _print_summary(report: dict[str, Any]) -> None:
    cost = "unknown" if report["cost_usd"] is None else f"{report['cost_usd']:.4f} USD"
    paid = "nothing, it was kept" if report["reused"] else "none" if report["connection"] == "sandbox" else cost
    print(f"{report['model']} on {report['connection']}, {report['size']}, cost: {paid}", file=sys.stderr)
    for fit in report.get("edit", {}).get("fits", []):
        if fit is not None:
            print(fit["summary"], file=sys.stderr)
    for note in report["notes"]:
        print(f"note: {note}", file=sys.stderr)
