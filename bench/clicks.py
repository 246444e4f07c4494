"""`python -m bench.clicks [--rounds N] [--delay S]`: by hand from an empty canvas to a picture, in a real browser.

COMFYUI_PATH and COMFYUI_PYTHON name a ComfyUI of 0.20 or newer, COMFYUI_FRONTEND another frontend than its own,
CHROMIUM the browser (/usr/bin/chromium). ComfyUI's own node and ours ask the same service, a sandbox that takes the
same time for every picture; the last column is ours on the sandbox that comes with it, as the examples are set, without
that time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import ours

sys.path[:0] = [str(ours.ROOT / "tests"), str(ours.ROOT / "scripts")]
ours.load()

from playwright.sync_api import Browser, sync_playwright  # noqa: E402
from playwright.sync_api import Error as PlaywrightError  # noqa: E402
from support.browser import HEIGHT, WIDTH, Canvas, launched  # noqa: E402
from support.by_hand import JOBS, Counts, Desk, own_photos  # noqa: E402
from support.comfyui import ComfyUI, named_with_frontend  # noqa: E402
from support.faults import Fault, Faults  # noqa: E402

ROUNDS, DELAY_S = 5, 1.0
RUN_GATE = "partner_run_gate_enabled"  # without a value it is off
SIDES: dict[str, Callable[[Desk, str], None]] = {
    "ComfyUI's own": lambda desk, job: desk.built_in(job),
    "ours": lambda desk, job: desk.ours(job, "service"),
    "ours, its own sandbox": lambda desk, job: desk.ours(job, None),
}


@dataclass
class Found:
    """What one side took for one job, round by round."""

    counts: list[Counts] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        [counts] = {str(counts) for counts in self.counts}  # a person's way does not change from round to round
        low, high = min(self.seconds), max(self.seconds)
        return f"{counts}; {statistics.median(self.seconds):.1f} s ({low:.1f} to {high:.1f})"


def main() -> None:
    """Do every job by hand on every side, in turn, and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m bench.clicks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--delay", type=float, default=DELAY_S, help="seconds the service takes for a picture")
    options = parser.parse_args()
    missing = [name for name in ("COMFYUI_PATH", "COMFYUI_PYTHON") if not os.environ.get(name)]
    if missing:
        sys.exit(f"This needs a real ComfyUI. Set {' and '.join(missing)}.")
    with tempfile.TemporaryDirectory() as name:
        _measure(Path(name), options.rounds, options.delay)


def _measure(folder: Path, rounds: int, delay_s: float) -> None:
    faults = Faults()
    faults.add(Fault(delay_before_s=delay_s), times=2 * rounds * len(JOBS))
    with ours.part("sandbox").Sandbox(middlewares=[faults]) as service:
        comfyui = named_with_frontend(folder, "--comfy-api-base", service.base_url, *_as_signed_in())
        comfyui.connect(service=f"{service.base_url}/v1")
        with comfyui, sync_playwright() as playwright, launched(playwright) as browser:
            print(f"ComfyUI {_version(comfyui)}, {rounds} rounds in turn, {delay_s} s for a picture")
            found = {(job, side): Found() for job in JOBS for side in SIDES}
            for number in range(rounds):
                for (job, side), entry in found.items():
                    _do(browser, comfyui, job, side, entry, own_photos(folder / "photos"))
                    print(f"  {number + 1}: {job}, {side}: {entry.seconds[-1]:.2f} s", flush=True)
            if faults.posts != 2 * rounds * len(JOBS):
                raise RuntimeError("a picture came from a store, or was asked for twice")
            for (job, side), entry in found.items():
                print(f"{job:<24} {side:<22} {entry}")


def _do(browser: Browser, comfyui: ComfyUI, job: str, side: str, entry: Found, photos: Path) -> None:
    shutil.rmtree(comfyui.home / "store", ignore_errors=True)  # else ours would give back the picture it has
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    desk = Desk(Canvas(context.new_page(), comfyui, f"clicks {job} {side}"), photos, shots=False)
    started = time.perf_counter()
    try:
        SIDES[side](desk, job)
    except PlaywrightError:
        desk.canvas.shot("failed")
        raise
    entry.seconds.append(time.perf_counter() - started)
    entry.counts.append(desk.hand.counts)
    if comfyui.newest_run().end != "execution_success":
        raise RuntimeError(comfyui.newest_run().failure)
    context.close()


def _as_signed_in() -> tuple[str, ...]:
    """Return what makes newer frontends show Run above ComfyUI's own node to somebody who is not signed in."""
    options = Path(os.environ["COMFYUI_PATH"], "comfy", "cli_args.py").read_text(encoding="utf-8")
    return ("--feature-flag", f"{RUN_GATE}=") if "--feature-flag" in options else ()


def _version(comfyui: ComfyUI) -> str:
    return str(comfyui.json("/system_stats")["system"]["comfyui_version"])


if __name__ == "__main__":
    main()
