"""The widgets of the prompt list, in the order that saved workflows rely on: only ever append."""

from __future__ import annotations

from typing import Any

from ...api.catalog import validation
from .. import inputs

NO_FILE = "none"
ROWS_MAX = 1_000_000
LEAST = {"start": 1, "limit": 0, "portion": 1, "first_seed": 0}
DEFAULTS: dict[str, Any] = {"text": "", "file": NO_FILE, **LEAST, "size": "auto", "quality": "low"}


def optional_inputs(files: list[str]) -> dict[str, Any]:
    """Return all widgets; `files` are the lists to choose from."""
    return {**_source_inputs(files), **_part_inputs(), **_missing_inputs()}


def qualities() -> list[str]:
    """Return the qualities of the main node."""
    return list(inputs.optional_inputs()["quality"][0])


def _source_inputs(files: list[str]) -> dict[str, Any]:
    text = "One prompt per line. Blank lines and lines that start with # are skipped. Not together with a file."
    file = (
        "A .csv, .jsonl, .ndjson or .txt file that lies in ComfyUI's input folder. Copy it there and press R to see it"
        " here. none: the text is used."
    )
    return {
        "text": ("STRING", {"multiline": True, "default": "", "tooltip": text}),
        "file": inputs.choice([NO_FILE, *files], NO_FILE, file),
    }


def _part_inputs() -> dict[str, Any]:
    return {
        "start": inputs.whole(1, ROWS_MAX, 1, "The row to begin with, counted from 1 without the header."),
        "limit": inputs.whole(0, ROWS_MAX, 0, "How many rows one run has at most. 0: all."),
        "portion": inputs.whole(
            1,
            ROWS_MAX,
            1,
            "Which portion to run, counted from 1; a portion has as many rows as limit says. Set control after generate"
            " below to increment and queue several runs: each takes the next portion. Not used with limit 0.",
            control_after_generate=True,
        ),
    }


def _missing_inputs() -> dict[str, Any]:
    seed = (
        "The seed of rows that have none. A row that asks for the same as one above gets the next number, and so"
        " buys a picture of its own."
    )
    return {
        "first_seed": inputs.whole(0, validation.SEED_MAX, 0, seed),
        "size": inputs.choice(list(inputs.SIZES), DEFAULTS["size"], "The size of rows that have none."),
        "quality": inputs.choice(qualities(), DEFAULTS["quality"], "The quality of rows that have none."),
    }
