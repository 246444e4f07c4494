"""Text, CSV and JSON lines to records of columns, each with the line that it begins in."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from ...api.errors import visible
from ...utils.text_tables import TableError, at_most, csv_rows, json_rows, text_lines

COLUMNS = ("prompt", "seed", "size", "quality", "image", "mask", "name")
MAX_ROWS = 100_000  # twice a full batch
MAX_COLUMNS = 100
MAX_FAULT_CHARS = 600
COMMENT = "#"
NEARLY = 0.8  # of difflib: imgae and images are nearly image, frame is not nearly name


class PromptListError(ValueError):
    """A list of prompts cannot be used as it is: the message names the file and the line, and says what to change."""

    def __init__(self, message: str) -> None:
        super().__init__(visible(message))


PromptListError.__module__ = "openai_image_nodes"


class Record(NamedTuple):
    """The columns of one row as the file has them, under the names of COLUMNS; what is empty is absent."""

    line: int
    fields: dict[str, Any]


class Table(NamedTuple):
    """All records; `source` is what messages call the file, `ignored` are the columns that mean nothing here.

    `digest` changes with what a file holds.
    """

    source: str
    records: list[Record]
    ignored: list[str]
    digest: str = ""


def fault(source: str, line: int, told: str) -> PromptListError:
    """Return the error for one line; of a long one the middle is left out."""
    return PromptListError(f"{source}, line {line}: {visible(told, MAX_FAULT_CHARS)}")


def line_table(text: str, source: str) -> Table:
    """Return a prompt per line; blank lines and lines that start with # are skipped.

    Raises: PromptListError if there are too many lines, or one is too long.
    """
    lines = ((number, line) for number, line in text_lines(text) if not line.startswith(COMMENT))
    with _told_of(source):
        return Table(source, [Record(number, {"prompt": line}) for number, line in at_most(MAX_ROWS, lines)], [])


def csv_table(text: str, source: str) -> Table:
    """Return a record per row; the first row names the columns.

    Raises: PromptListError if the columns or the quotes are not as they should be.
    """
    columns: list[str] = []
    records: list[Record] = []
    ignored: dict[str, None] = {}
    with _told_of(source):
        for line, cells in at_most(MAX_ROWS + 1, csv_rows(text)):  # one names the columns
            if not columns:
                columns = _columns(cells, line, ignored)
                if "prompt" not in columns:
                    names = f"prompt and, if you like, {', '.join(COLUMNS[1:])}"
                    raise TableError(line, f"no column is called prompt. The first line names the columns: {names}.")
            elif len(cells) != len(columns):
                told = f"{_counted(len(cells))} here and {_counted(len(columns))} in the header."
                raise TableError(line, f"{told} Put a text that holds a comma or a line break in double quotes.")
            else:
                records.append(_record(line, zip(columns, cells, strict=True)))
    return Table(source, records, list(ignored))


def json_table(text: str, source: str) -> Table:
    """Return a record per line, which is a JSON object.

    Raises: PromptListError if a line is no JSON object, or its names are not as they should be.
    """
    records: list[Record] = []
    ignored: dict[str, None] = {}
    with _told_of(source):
        for line, pairs in at_most(MAX_ROWS, json_rows(text)):
            columns = _columns([str(name) for name, _ in pairs], line, ignored)
            records.append(_record(line, zip(columns, (value for _, value in pairs), strict=True)))
    return Table(source, records, list(ignored))


@contextmanager
def _told_of(source: str) -> Iterator[None]:
    try:
        yield
    except TableError as exc:
        raise fault(source, exc.line, str(exc)) from exc


def _record(line: int, pairs: Iterable[tuple[str, Any]]) -> Record:
    stripped = ((column, value.strip() if isinstance(value, str) else value) for column, value in pairs)
    return Record(line, {column: value for column, value in stripped if column in COLUMNS and value not in ("", None)})


def _columns(names: Sequence[str], line: int, ignored: dict[str, None]) -> list[str]:
    """Return the columns in lower case, and note those that mean nothing here."""
    if len(names) > MAX_COLUMNS:
        raise TableError(line, f"{len(names)} columns are here, at most {MAX_COLUMNS} are read. Drop the others.")
    columns = [name.strip().lower() for name in names]
    times = Counter(columns)
    for name, column in zip(names, columns, strict=True):
        if column and times[column] > 1:
            raise TableError(line, f"the column {column} is there twice. Keep one.")
        if column and column not in COLUMNS:
            if meant := _meant(column):
                raise TableError(line, f"the column {column} is not known. If it is {meant}, rename it; else drop it.")
            ignored[name.strip()] = None
            if len(ignored) > MAX_COLUMNS:
                raise TableError(line, f"more than {MAX_COLUMNS} different columns mean nothing here. Drop them.")
    return columns


@lru_cache(2 * MAX_COLUMNS)
def _meant(column: str) -> str | None:
    if len(column) > 2 * max(map(len, COLUMNS)):
        return None
    return next(iter(difflib.get_close_matches(column, COLUMNS, 1, NEARLY)), None)


def _counted(cells: int) -> str:
    return "1 column is" if cells == 1 else f"{cells} columns are"
