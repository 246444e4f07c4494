"""Many prompts at once: a text or a file to lists that drive the other nodes, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...api.catalog.validation import SEED_MAX, out_of_range
from ...utils import comfyui
from ..inputs import combo_input, int_input
from ..run.parameters import ANY_MODEL, SIZES, ImageParameters, kind_fault
from . import files
from .rows import Row, portion_of, rows_of
from .tables import PromptListError, Table, line_table

NO_FILE = "none"
ROWS_MAX = 1_000_000
RANGES = {"start": (1, ROWS_MAX), "limit": (0, ROWS_MAX), "portion": (1, ROWS_MAX), "first_seed": (0, SEED_MAX)}
DEFAULTS: dict[str, Any] = {
    **{"text": "", "file": NO_FILE, "start": 1, "limit": 0, "portion": 1, "first_seed": 0},
    **{"size": ImageParameters.size, "quality": ImageParameters.quality},  # of rows that have none
}
Lists = tuple[list[str], list[int], list[str], list[str], list[Any], list[Any], list[str], int]


class AnyCombo(str):
    """The type of an output for widgets with a closed set of values: the canvas knows it as COMBO.

    ComfyUI compares it with the widget's own list, which no text equals, and on 0.3.64 not even "*" passes; what says
    that it does not differ passes everywhere (comfy_execution/validation.py, validate_node_input).
    """

    __slots__ = ()

    def __ne__(self, other: object) -> bool:
        return not isinstance(other, list) and str.__ne__(self, other)


COMBO = AnyCombo("COMBO")


class Selection(NamedTuple):
    """The rows of one run, and what they are a part of."""

    table: Table
    total: int
    rows: list[Row]


class RowKind(NamedTuple):
    """What the price of a row depends on; `image` and `mask` tell whether there is one."""

    size: str
    quality: str
    image: bool
    mask: bool


class PromptList:
    """Rows of a text, CSV or JSONL file as lists: the nodes behind it run once for each row."""

    CATEGORY = "image/OpenAI"
    FUNCTION = "lists"
    RETURN_TYPES = ("STRING", "INT", COMBO, COMBO, "IMAGE", "MASK", "STRING", "INT")
    RETURN_NAMES = ("prompt", "seed", "size", "quality", "image", "mask", "name", "count")
    OUTPUT_IS_LIST = (True, True, True, True, True, True, True, False)
    OUTPUT_TOOLTIPS = (
        "The prompts, one per row: the node that they go to runs once per row.",
        "The seeds: the column seed, else first_seed, counted up where a row asks for the same as one above.",
        "The sizes: the column size, else the widget.",
        "The qualities: the column quality, else the widget.",
        "The pictures. A row without one gives nothing: OpenAI GPT Image then makes its picture from the prompt alone.",
        "The masks: the column mask, else what is transparent in the picture. White (1) is redrawn.",
        "The names: the column name, else row_00001 and so on. For filename_prefix of Save Image.",
        "How many rows this run has.",
    )
    DESCRIPTION = (
        "Runs a list of prompts: a text with one prompt per line, or a CSV or JSONL file of ComfyUI's input folder with"
        " columns for prompt, seed, size, quality, image, mask and name. Connect what you need to OpenAI GPT Image."
    )
    SEARCH_ALIASES = ("prompt list", "csv", "jsonl", "bulk prompts", "batch prompts", "prompts from file")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs; the files are those that lie in ComfyUI's input folder now."""
        optional = _inputs(files.list_files(comfyui.input_folder()))
        return {"required": {}, "optional": optional, "hidden": {"unique_id": "UNIQUE_ID"}}

    @classmethod
    def VALIDATE_INPUTS(cls, **values: Any) -> bool | str:
        """Refuse what can be known before anything runs; linked values are None here and are checked in the run.

        So is a long list: ComfyUI asks on the thread that serves every page and prompt.

        Raises: PromptListError in place of a text when ComfyUI asks: it writes a text once for every input.
        """
        from . import images

        try:
            known = {name: value for name, value in values.items() if value is not None}
            _refuse_counts(known)
            if known.keys() >= values.keys() & DEFAULTS.keys() and not cls._is_long(known):
                selected = cls._selected(known)
                images.refuse_missing(selected.rows, cls.folder(), selected.table.source)
        except PromptListError as exc:
            if "unique_id" in values:
                raise
            return str(exc)
        return True

    @classmethod
    def IS_CHANGED(cls, **values: Any) -> str:
        """Return what changes with the file and the pictures that it names; the widgets ComfyUI sees by itself."""
        from . import images

        name = str(values.get("file") or NO_FILE)
        try:
            return name if name == NO_FILE else images.fingerprint(_table("", name, cls.folder()), cls.folder())
        except PromptListError as exc:
            return str(exc)

    def lists(
        self,
        text: str = "",
        file: str = NO_FILE,
        start: int = 1,
        limit: int = 0,
        portion: int = 1,
        first_seed: int = 0,
        size: str = "auto",
        quality: str = "low",
        unique_id: str | None = None,
    ) -> Lists:
        """Return for each row prompt, seed, size, quality, image float32 [1,H,W,3], mask float32 [1,H,W] and name.

        Image and mask are None for a row without a picture. Last comes the number of rows.

        Raises: PromptListError, ComfyUI's interruption.
        """
        from . import images

        def step(done: int, total: int) -> None:
            comfyui.raise_if_stopped()
            comfyui.show_progress(done, total, unique_id)

        values = {"text": text, "file": file, "start": start, "limit": limit, "portion": portion}
        selected = self._selected({**values, "first_seed": first_seed, "size": size, "quality": quality})
        rows, free = selected.rows, comfyui.available_memory()
        loaded = images.load(rows, self.folder(), selected.table.source, free_bytes=free, step=step)
        ignored = selected.table.ignored
        part = "" if len(rows) == selected.total else f", {rows[0].number} to {rows[-1].number} of {selected.total}"
        unused = f"; columns not used: {', '.join(ignored)}" if ignored else ""
        comfyui.show_text(("1 row" if len(rows) == 1 else f"{len(rows)} rows") + part + unused, unique_id)
        return (
            [row.prompt for row in rows],
            [row.seed for row in rows],
            [row.size for row in rows],
            [row.quality for row in rows],
            [each.image for each in loaded],
            [each.mask for each in loaded],
            [row.name for row in rows],
            len(rows),
        )

    @classmethod
    def kinds(cls, values: Mapping[str, Any]) -> Counter[RowKind]:
        """Return of how many rows the price is the same, by what it depends on; `values` are those of the widgets.

        Raises: PromptListError.
        """
        rows = cls._selected({name: values[name] for name in DEFAULTS if name in values}).rows
        return Counter(RowKind(row.size, row.quality, bool(row.image), bool(row.mask or row.image)) for row in rows)

    @staticmethod
    def folder() -> Path:
        """Return ComfyUI's input folder, or without ComfyUI the folder that we are in."""
        return comfyui.input_folder() or Path()

    @classmethod
    def _is_long(cls, values: Mapping[str, Any]) -> bool:
        text, file = values.get("text", ""), values.get("file", NO_FILE)
        _refuse_both(text, file)
        return files.is_long(text) if file == NO_FILE else files.is_long_file(cls.folder(), file)

    @classmethod
    def _selected(cls, values: Mapping[str, Any]) -> Selection:
        told = {**DEFAULTS, **values}
        _refuse_counts(told)
        table = _table(told["text"], told["file"], cls.folder())
        rows = rows_of(table, size=told["size"], quality=told["quality"], first_seed=told["first_seed"])
        part = {name: told[name] for name in ("start", "limit", "portion")}
        return Selection(table, len(rows), portion_of(rows, table.source, **part))


def _inputs(names: list[str]) -> dict[str, Any]:
    """Return all widgets, in the order that saved workflows rely on; `names` are the lists to choose from."""
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
            [NO_FILE, *names],
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


def _refuse_counts(values: Mapping[str, Any]) -> None:
    """Refuse what no widget gives: ComfyUI does not look at values where a node looks itself."""
    for name in DEFAULTS.keys() & values.keys():
        if fault := kind_fault(name, values[name], is_number=name in RANGES):
            raise PromptListError(fault)
    for name, (low, high) in RANGES.items():
        if not low <= values.get(name, low) <= high:
            raise PromptListError(out_of_range(name, values[name], low, high))


def _table(text: str, file: str, folder: Path) -> Table:
    _refuse_both(text, file)
    return line_table(text, "Text") if file == NO_FILE else files.file_table(folder, file)


def _refuse_both(text: str, file: str) -> None:
    if file != NO_FILE and text.strip():
        raise PromptListError(f"There are prompts in the text and in {file}. Empty the text, or set file to none.")
