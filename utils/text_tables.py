"""Texts that hold tables to rows, each with the line that it begins in, from 1."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any


class TableError(ValueError):
    """A text is not the table that it should be; `line` is where."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def text_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line that is not blank, stripped; splitlines would break a line at U+2028 as well."""
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if line.strip():
            yield number, line.strip()


def csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty; the first one shows whether comma, semicolon or tab divides them.

    Raises:
        TableError: the quotes are not as they should be.
    """
    _, header = next(text_lines(text), (1, ""))
    delimiter = max(",;\t", key=re.sub(r'"[^"]*"', "", header).count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as exc:
        raise TableError(line, f"this is no CSV ({exc}). Look for a double quote without its second.") from exc


def json_rows(text: str) -> Iterator[tuple[int, list[tuple[str, Any]]]]:
    """Yield the names and values of the JSON object in each line that is not blank; a name may be there twice.

    Raises:
        TableError: a line is no JSON object.
    """
    for line, content in text_lines(text):
        try:
            pairs = json.loads(content, object_pairs_hook=tuple)  # a tuple is an object, a list an array
        except (ValueError, RecursionError) as exc:
            raise TableError(line, f"this is no JSON ({exc}). Each line is an object of its own.") from exc
        if not isinstance(pairs, tuple):
            raise TableError(line, 'this is no JSON object. Write {"prompt": "..."} on one line.')
        yield line, list(pairs)
