"""The widgets of the prompt list, in the order that saved workflows rely on: only ever append."""

from __future__ import annotations

from typing import Any

from ...api.catalog.validation import SEED_MAX
from ..inputs import combo_input, int_input
from ..run.parameters import ANY_MODEL, SIZES, ImageParameters

NO_FILE = "none"
ROWS_MAX = 1_000_000
RANGES = {"start": (1, ROWS_MAX), "limit": (0, ROWS_MAX), "portion": (1, ROWS_MAX), "first_seed": (0, SEED_MAX)}
DEFAULTS: dict[str, Any] = {
    **{"text": "", "file": NO_FILE, "start": 1, "limit": 0, "portion": 1, "first_seed": 0},
    **{"size": ImageParameters.size, "quality": ImageParameters.quality},  # of rows that have none
}


def optional_inputs(files: list[str]) -> dict[str, Any]:
    """Return all widgets; `files` are the lists to choose from."""
    return {
        "text": (
            "STRING",
            {
                "multiline": True,
                "default": DEFAULTS["text"],
                "tooltip": "One prompt per line. Blank lines and lines that start with # are skipped. Not together with"
                " a file.",
            },
        ),
        "file": combo_input(
            [NO_FILE, *files],
            DEFAULTS["file"],
            "A .csv, .jsonl, .ndjson or .txt file that lies in ComfyUI's input folder. Copy it there and press R to see"
            " it here. none: the text is used.",
        ),
        "start": _number("start", "The row to begin with, counted from 1 without the header."),
        "limit": _number("limit", "How many rows one run has at most. 0: all."),
        "portion": _number(
            "portion",
            "Which portion to run, counted from 1; a portion has as many rows as limit says. Set control after generate"
            " below to increment and queue several runs: each takes the next portion. Not used with limit 0.",
            control_after_generate=True,
        ),
        "first_seed": _number(
            "first_seed",
            "The seed of rows that have none. A row that asks for the same as one above gets the next number, and so"
            " buys a picture of its own.",
        ),
        "size": combo_input(SIZES, DEFAULTS["size"], "The size of rows that have none."),
        "quality": combo_input(ANY_MODEL.quality, DEFAULTS["quality"], "The quality of rows that have none."),
    }


def _number(name: str, tooltip: str, **options: Any) -> Any:
    return int_input(*RANGES[name], DEFAULTS[name], tooltip, **options)
