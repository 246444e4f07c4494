"""JSON: of strangers, read so that no number and no depth of it costs more than its length; and ours, as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

MAX_DIGITS = 20  # of whole numbers that are read as such: to read a longer one takes the square of its length


def read_json(text: str | bytes, *, pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Return what JSON says; `pairs_hook` makes an object of its pairs. Raises: ValueError, RecursionError."""
    return json.loads(text, object_pairs_hook=pairs_hook, parse_int=_whole_number)


def read_object(text: bytes, *, max_depth: int) -> dict[str, Any]:
    """Return a JSON object in which lists and objects lie at most `max_depth` deep.

    Raises: ValueError, RecursionError.
    """
    told = read_json(text)
    if not isinstance(told, dict) or _depth(told) > max_depth:
        raise ValueError("no object, or a deep one")
    return told


def json_text(value: object, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """Return a value as JSON, letters of all languages as they are or escaped."""
    return json.dumps(value, indent=indent, ensure_ascii=ascii_only)


def _depth(value: Any) -> int:
    """Return how deep lists and objects lie in each other, level by level, as a deep one has no end for a call."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            part
            for one in level
            if isinstance(one, (dict, list))
            for part in (one.values() if isinstance(one, dict) else one)
        ]
    return depth


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)
