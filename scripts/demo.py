"""The main job on a fresh machine: runs every example on the sandbox and shows the pictures on one contact sheet."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

import pack
import runs
from batch_demo import run_batch
from edits_demo import edits_sheet, run_edits
from sheets import Row, contact_sheet, grid_sheet

FOLDER = pack.ROOT / "demo_output"
FRAMES_SHOWN = 6


def main() -> None:
    """Run the examples; nothing outside the folder is touched, nothing is sent beyond this machine."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=Path, default=FOLDER, help="the folder for the pictures")
    folder = parser.parse_args().output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / "sandbox_state"
    shutil.rmtree(state, ignore_errors=True)  # what was made before would only be shown again
    os.environ["OPENAI_IMAGE_NODES_HOME"] = str(state)
    rows = []
    for done in runs.run_all(folder):
        for path, report in zip(done.files or done.pictures, done.reports, strict=True):
            print(f"{path.relative_to(folder).as_posix():<33}  {cost_line(report)}", flush=True)
        rows.append(row_of(done))
    sheet = folder / "contact_sheet.png"
    contact_sheet("OpenAI Image Nodes: the examples on the sandbox", rows).save(sheet)
    print("\na batch of small jobs:")
    told = run_batch()
    print("\n".join(f"  {line}" for line in told.lines))
    batch = folder / "batch.png"
    grid_sheet("OpenAI Image Nodes: a batch on the sandbox", told.lines, told.pictures).save(batch)
    print("\nedits as models return them, and what becomes of them:")
    edits = []
    for edit in run_edits():
        edits.append(edit)
        print(f"  {edit.kind:<12} {edit.said}", flush=True)
    fitted = folder / "edits.png"
    edits_sheet("OpenAI Image Nodes: edits, pasted and fitted", edits).save(fitted)
    print(f"\nthe pictures, {sheet.name}, {batch.name} and {fitted.name} are in {folder}")


def row_of(done: runs.Done) -> Row:
    """Return what the contact sheet shows of an example; of one in two steps the second."""
    told = (done.title, done.prompts, facts(done.reports))
    if not done.files:
        return Row(*told, done.before(), done.after())
    drawings = done.drawings()
    shown = [one for one in drawings if not isinstance(one, str)]
    written = [one for one in drawings if isinstance(one, str)]
    return Row(*told, done.after(), [*done.frames()[:FRAMES_SHOWN], *shown], written)


def cost_line(report: dict[str, Any]) -> str:
    """Return what was asked and what it would cost, in one line; Fit Edit asks nobody."""
    if "model" not in report:
        return "no connection, no cost"
    return f"{report['model']}  {report['size']}  {report['quality']}  {cost([report])}"


def cost(reports: list[dict[str, Any]]) -> str:
    """Return the cost in words; the sandbox reports the real service's price and takes nothing."""
    costs = [report["would_cost_usd"] for report in reports]
    return "cost not known" if None in costs else f"{sum(costs):.4f} USD on the real service, free here"


def facts(reports: list[dict[str, Any]]) -> list[str]:
    """Return the lines that go below the prompt on the contact sheet; of several reports their sums."""
    if any("model" not in report for report in reports):
        return ["no connection, no cost", *[note for report in reports for note in report.get("notes", [])][:2]]
    tokens = [report["tokens"] or {} for report in reports]
    came_in, went_out = (sum(each.get(f"{way}_tokens", 0) for each in tokens) for way in ("input", "output"))
    count = sum(report["n"] for report in reports)
    sizes = _each("size", reports).replace("x", " x ")
    return [
        f"{_each('model', reports)}, {_each('operation', reports)}, quality {_each('quality', reports)}",
        f"{count} {'picture' if count == 1 else 'pictures'} of {sizes}",
        f"{came_in} tokens in, {went_out} out",
        cost(reports),
        *list(dict.fromkeys(note for report in reports for note in report["notes"]))[:2],
    ]


def _each(key: str, reports: list[dict[str, Any]]) -> str:
    return ", ".join(dict.fromkeys(str(report[key]) for report in reports))


if __name__ == "__main__":
    main()
