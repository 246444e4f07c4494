"""What is printed where a terminal may read it: words of strangers are letters, and nothing that a terminal obeys."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path


def printable(text: str) -> str:
    """Return a text on one line, without what a terminal would obey: records may come from elsewhere."""
    return "".join(char if char.isprintable() else "?" for char in text)


def tell(text: object, *, is_aside: bool = False) -> None:
    """Print lines that may hold the words of a service, a list or a record; `is_aside` to the error stream."""
    lines = str(text).split("\n")
    print("\n".join(map(printable, lines)), file=sys.stderr if is_aside else sys.stdout)


def tell_row(text: object, *, is_aside: bool = False) -> None:
    """Print one line: a record's break of the line must not begin another that looks like ours."""
    print(printable(str(text)), file=sys.stderr if is_aside else sys.stdout)


def asked_secret(question: str) -> str:
    """Return what somebody types without being shown, or the line that a script pipes in. Raises: EOFError."""
    if sys.stdin.isatty():
        return getpass.getpass(question)
    if line := sys.stdin.readline():
        return line
    raise EOFError


def is_sure(question: str) -> bool:
    """Tell whether somebody says yes; asked beside what a script reads or a file takes. Raises: EOFError."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return input().strip().lower() in ("y", "yes")


def tell_path(path: Path) -> None:
    """Print a file's path: as it is for a script that reads it, as letters on a terminal."""
    print(printable(path.as_posix()) if sys.stdout.isatty() else path.as_posix())


def print_json(value: object, *, indent: int | None = 1) -> int:
    """Print a value for scripts: what a terminal would obey is escaped, as JSON escapes it, so nothing is lost."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    print("".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text))
    return 0
