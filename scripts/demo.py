"""The main job on a fresh machine: runs every example on the sandbox and shows the pictures on one contact sheet."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

import pack
import runs
from sheets import Row, contact_sheet

FOLDER = pack.ROOT / "demo_output"


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
        print(f"{done.picture.name:<33}  {cost_line(done.report)}", flush=True)
        rows.append(Row(done.title, done.prompt, facts(done.report), done.before(), done.after()))
    sheet = folder / "contact_sheet.png"
    contact_sheet("OpenAI Image Nodes: the examples on the sandbox", rows).save(sheet)
    print(f"\n{len(rows)} pictures and {sheet.name} are in {folder}")


def cost_line(report: dict[str, Any]) -> str:
    """Return what was asked and what it would cost, in one line."""
    return f"{report['model']}  {report['size']}  {report['quality']}  {cost(report)}"


def cost(report: dict[str, Any]) -> str:
    """Return the cost in words; the sandbox reports the real service's price and takes nothing."""
    if report["cost_usd"] is None:
        return "cost not known"
    return f"{report['cost_usd']:.4f} USD on the real service, free here"


def facts(report: dict[str, Any]) -> list[str]:
    """Return the lines that go below the prompt on the contact sheet."""
    tokens = report["tokens"] or {}
    return [
        f"{report['model']}, {report['operation']}, quality {report['quality']}",
        f"{report['n']} picture of {report['size'].replace('x', ' x ')}",
        f"{tokens.get('input_tokens')} tokens in, {tokens.get('output_tokens')} out",
        cost(report),
        *report["notes"][:2],
    ]


if __name__ == "__main__":
    main()
