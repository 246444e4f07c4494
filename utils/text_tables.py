"""Texts that hold tables to rows, each with the line that it begins in, from 1."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from .strangers_json import read_json

T = TypeVar("T")

MAX_LINES = 1_000_000  # rows may have several lines, and there may be blank ones
MAX_ROW_CHARS = 1_000_000  # Python takes fifty times as much memory for a line of JSON


class TableError(ValueError):
    """A text is not the table that it should be; `line` is where."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def text_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line that is not blank, stripped; splitlines would break a line at U+2028 as well.

    Raises: TableError if there are more than MAX_LINES, or one has more than MAX_ROW_CHARS.
    """
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        _refuse_long(number, len(line))
        if stripped := line.strip():
            yield number, stripped


def csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty; the first one shows whether comma, semicolon or tab divides them.

    Raises: TableError if the quotes are not as they should be, or as `text_lines`; a row's lines count together.
    """
    _, header = next(text_lines(text), (1, ""))
    delimiter = max(",;\t", key=re.sub(r'"[^"]*"', "", header).count)
    begins, chars = 1, 0

    def lines() -> Iterator[str]:
        nonlocal chars
        for number, line in enumerate(io.StringIO(text, newline=""), 1):
            chars += len(line)
            _refuse_long(number, chars)
            yield line

    reader = csv.reader(lines(), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begins, cells
            begins, chars = reader.line_num + 1, 0
    except csv.Error as exc:
        raise TableError(begins, f"this is no CSV ({exc}). Look for a double quote that is never closed.") from exc


def json_rows(text: str) -> Iterator[tuple[int, list[tuple[str, Any]]]]:
    """Yield the names and values of the JSON object in each line that is not blank; a name may be there twice.

    Raises: TableError if a line is no JSON object, or as `text_lines`.
    """
    for line, content in text_lines(text):
        try:  # a tuple is an object, a list an array
            pairs = read_json(content, pairs_hook=tuple)
        except (ValueError, RecursionError) as exc:
            raise TableError(line, f"this is no JSON ({exc}). Each line is an object of its own.") from exc
        if not isinstance(pairs, tuple):
            raise TableError(line, 'this is no JSON object. Write {"prompt": "..."} on one line.')
        yield line, list(pairs)


def at_most(count: int, rows: Iterable[tuple[int, T]]) -> Iterator[tuple[int, T]]:
    """Yield the rows. Raises: TableError if there are more."""
    for number, (line, row) in enumerate(rows, 1):
        if number > count:
            raise TableError(line, f"there are more than {count:,} rows. Split the list into several files.")
        yield line, row


def _refuse_long(line: int, row_chars: int) -> None:
    if line > MAX_LINES:
        raise TableError(line, f"there are more than {MAX_LINES:,} lines. Split the list into several files.")
    if row_chars > MAX_ROW_CHARS:
        raise TableError(line, f"the row has more than {MAX_ROW_CHARS:,} characters. Shorten it.")
