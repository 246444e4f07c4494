"""Records of a list of prompts to rows that can run: every value checked, what is missing filled in."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

from ...api.catalog.validation import SEED_MAX, parse_size
from ..run.parameters import ANY_MODEL, SIZES
from .files import leads_outside
from .tables import PromptListError, Record, Table, fault


class Row(NamedTuple):
    """One row; `number` counts the rows of the whole list and `line` the lines of its file, both from 1."""

    number: int
    line: int
    prompt: str
    seed: int
    size: str
    quality: str
    image: str | None
    mask: str | None
    name: str


class _Draft(NamedTuple):
    """A row whose seed may still have to be found."""

    line: int
    wanted: tuple[str, str, str, str | None, str | None]  # prompt, size, quality, image, mask
    seed: int | None
    name: str | None


def rows_of(table: Table, *, size: str, quality: str, first_seed: int) -> list[Row]:
    """Return all rows of a list; `size` and `quality` are those of rows that have none.

    A row without a seed gets `first_seed`, or the next free number if rows above ask for exactly the same: equal rows
    are several pictures, and rows that are put in or moved leave the seeds of all others as they are.

    Raises: PromptListError if some value is not as it should be, or there is no row.
    """
    drafts = [_draft(record, table.source, size, quality) for record in table.records]
    if not drafts:
        raise PromptListError(f"{table.source} holds no prompt. Write one per line, or one per row.")
    return [
        Row(number, draft.line, draft.wanted[0], seed, *draft.wanted[1:], draft.name or f"row_{number:05}")
        for number, (draft, seed) in enumerate(zip(drafts, _seeds(drafts, first_seed), strict=True), 1)
    ]


def portion_of(rows: Sequence[Row], source: str, *, start: int, limit: int, portion: int) -> list[Row]:
    """Return the rows from `start` (from 1) on, all of them, or of `limit` rows each the portion of this number.

    Raises: PromptListError if there are none.
    """
    first = start - 1 + (portion - 1) * limit
    taken = list(rows[first : first + limit] if limit else rows[start - 1 :])
    if not taken:
        at = f"start {start}, limit {limit}, portion {portion}" if limit else f"start {start}"
        raise PromptListError(f"{source} ends at row {len(rows)}, and {at} is past that. Nothing is left to run.")
    return taken


def _draft(record: Record, source: str, default_size: str, default_quality: str) -> _Draft:
    def refuse(told: str) -> PromptListError:
        return fault(source, record.line, told)

    texts = {column: value for column, value in record.fields.items() if column != "seed"}
    for column, value in texts.items():
        if not isinstance(value, str):
            raise refuse(f"{column} must be a text, and is {reprlib.repr(value)}. Put it in double quotes.")
    size = texts.get("size", default_size).lower()
    quality = texts.get("quality", default_quality).lower()
    if size not in SIZES and parse_size(size) is None:
        raise refuse(f"size {size} is not known. Write WIDTHxHEIGHT in pixels or one of {', '.join(SIZES)}.")
    if quality not in ANY_MODEL.quality:
        raise refuse(f"quality {quality} is not known. Choose one of {', '.join(ANY_MODEL.quality)}.")
    if "mask" in texts and "image" not in texts:
        raise refuse("there is a mask and no image. Name the picture that it belongs to.")
    for named in ("image", "mask", "name"):
        path = texts.get(named)
        if path and (leads_outside(path) or not path.isprintable()):
            folder = "output" if named == "name" else "input"
            raise refuse(f"{named} {path!r} leads outside ComfyUI's {folder} folder. Name a file in it or below.")
    prompt = texts.get("prompt", "")
    if not prompt:
        raise refuse("the prompt is empty. Write one, or take the row out.")
    most = ANY_MODEL.prompt_max_chars
    if len(prompt) > most:
        raise refuse(f"the prompt has {len(prompt):,} characters, more than {most:,}. Shorten it.")
    wanted = (prompt, size, quality, texts.get("image"), texts.get("mask"))
    return _Draft(record.line, wanted, _seed(record.fields.get("seed"), refuse), texts.get("name"))


def _seed(value: Any, refuse: Callable[[str], PromptListError]) -> int | None:
    """Return a seed from a whole number or its digits; None stays None."""
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= SEED_MAX:
        raise refuse(
            f"seed {reprlib.repr(value)} is no whole number from 0 to {SEED_MAX}. Correct it, or leave it empty."
        )
    return value


def _seeds(drafts: Sequence[_Draft], first_seed: int) -> Iterator[int]:
    """Yield the seed of each row."""
    taken: dict[Any, set[int]] = {}
    for draft in drafts:
        taken.setdefault(draft.wanted, set()).update(() if draft.seed is None else (draft.seed,))
    free = {wanted: _free(first_seed, seeds) for wanted, seeds in taken.items()}
    return (next(free[draft.wanted]) if draft.seed is None else draft.seed for draft in drafts)


def _free(first_seed: int, taken: set[int]) -> Iterator[int]:
    """Yield the seeds from the first one on that are not taken; after SEED_MAX comes 0."""
    seeds = ((first_seed + step) % (SEED_MAX + 1) for step in count())
    return (seed for seed in seeds if seed not in taken)
