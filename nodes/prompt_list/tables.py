"""Text, CSV and JSON lines to records of columns, each with the line that it begins in."""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

COLUMNS = ("prompt", "seed", "size", "quality", "image", "mask", "name")
COMMENT = "#"
NEARLY = 0.8  # of difflib: imgae and images are nearly image, frame is not nearly name


class PromptListError(ValueError):
    """A list of prompts cannot be used as it is: the message names the file and the line, and says what to change."""


PromptListError.__module__ = "openai_image_nodes"


class Record(NamedTuple):
    """The columns of one row as the file has them, under the names of COLUMNS; what is empty is absent."""

    line: int
    fields: dict[str, Any]


def fault(source: str, line: int, told: str) -> PromptListError:
    """Return the error for one line."""
    return PromptListError(f"{source}, line {line}: {told}")


def line_records(text: str) -> Iterator[Record]:
    """Yield a prompt per line; blank lines and lines that start with # are skipped."""
    return (Record(number, {"prompt": line}) for number, line in _lines(text) if not line.startswith(COMMENT))


def csv_records(text: str, source: str, ignored: dict[str, None]) -> Iterator[Record]:
    """Yield a record per row; the first row names the columns and shows whether comma, semicolon or tab divides them.

    What means nothing here is added to `ignored`.

    Raises:
        PromptListError: the columns or the quotes are not as they should be.
    """
    _, header = next(_lines(text), (1, ""))
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=_delimiter(header), skipinitialspace=True, strict=True)
    columns: list[str] = []
    for line, cells in _csv_rows(reader, source):
        if not columns:
            columns = _columns(cells, source, line, ignored)
            if "prompt" not in columns:
                raise fault(
                    source, line, f"no column is called prompt. The first line names the columns: {_choices()}."
                )
        elif len(cells) != len(columns):
            told = f"{_counted(len(cells))} here and {_counted(len(columns))} in the header."
            raise fault(source, line, f"{told} Put a text that holds a comma or a line break in double quotes.")
        else:
            yield _record(line, zip(columns, cells, strict=True))


def json_records(text: str, source: str, ignored: dict[str, None]) -> Iterator[Record]:
    """Yield a record per line, which is a JSON object; what means nothing here is added to `ignored`.

    Raises:
        PromptListError: a line is no JSON object, or its names are not as they should be.
    """
    for line, content in _lines(text):
        try:
            pairs = json.loads(content, object_pairs_hook=tuple)  # a tuple is an object, a list an array
        except (ValueError, RecursionError) as exc:
            raise fault(source, line, f"this is no JSON ({exc}). Each line is an object of its own.") from exc
        if not isinstance(pairs, tuple):
            raise fault(source, line, 'this is no JSON object. Write {"prompt": "..."} on one line.')
        columns = _columns([str(key) for key, _ in pairs], source, line, ignored)
        yield _record(line, zip(columns, (value for _, value in pairs), strict=True))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line that is not blank, with its number; splitlines would break a prompt at U+2028 as well."""
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if line.strip():
            yield number, line.strip()


def _delimiter(header: str) -> str:
    bare = re.sub(r'"[^"]*"', "", header)
    return max(",;\t", key=bare.count)


def _csv_rows(reader: Any, source: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, each with the line that it begins in."""
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as exc:
        raise fault(source, line, f"this is no CSV ({exc}). Look for a double quote without its second.") from exc


def _record(line: int, pairs: Any) -> Record:
    stripped = ((column, value.strip() if isinstance(value, str) else value) for column, value in pairs)
    return Record(line, {column: value for column, value in stripped if column in COLUMNS and value not in ("", None)})


def _columns(names: Sequence[str], source: str, line: int, ignored: dict[str, None]) -> list[str]:
    """Return the columns in lower case, and note those that mean nothing here."""
    columns = [name.strip().lower() for name in names]
    for name, column in zip(names, columns, strict=True):
        if column and columns.count(column) > 1:
            raise fault(source, line, f"the column {column} is there twice. Keep one.")
        if column and column not in COLUMNS:
            if meant := _meant(column):
                raise fault(
                    source, line, f"the column {column} is not known. If it is {meant}, rename it; else drop it."
                )
            ignored[name.strip()] = None
    return columns


@lru_cache
def _meant(column: str) -> str | None:
    return next(iter(difflib.get_close_matches(column, COLUMNS, 1, NEARLY)), None)


def _choices() -> str:
    return f"prompt and, if you like, {', '.join(COLUMNS[1:])}"


def _counted(cells: int) -> str:
    return "1 column is" if cells == 1 else f"{cells} columns are"
