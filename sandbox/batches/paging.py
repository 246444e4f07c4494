"""Lists in pages, as the service gives them: `after` an id, at most `limit` objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .. import errors as refusals


class Listed(Protocol):
    """Something with an id that can tell of itself."""

    @property
    def id(self) -> str: ...
    def object(self) -> dict[str, Any]: ...


def known_query(query: Mapping[str, str], known: Sequence[str]) -> None:
    """Refuse a query that has more than the known names.

    Raises: RefusedError naming the first one.
    """
    for name in query:
        if name not in known:
            raise refusals.unknown(name)


def page(items: Sequence[Listed], query: Mapping[str, str], *, default: int, most: int) -> dict[str, Any]:
    """Return the page of a list that a query asks for.

    Raises: RefusedError for a limit outside 1..most, or an `after` that is not in the list.
    """
    limit, begin = _limit(query.get("limit", str(default)), most), 0
    if "after" in query:
        ids = [item.id for item in items]
        if query["after"] not in ids:
            raise refusals.invalid("after", f"Invalid 'after': no object has the id '{query['after']}'.")
        begin = ids.index(query["after"]) + 1
    found = items[begin : begin + limit]
    return {
        "object": "list",
        "data": [item.object() for item in found],
        "first_id": found[0].id if found else None,
        "last_id": found[-1].id if found else None,
        "has_more": begin + limit < len(items),
    }


def _limit(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit()):
        raise refusals.wrong_type("limit", "an integer", "a string")
    if not 1 <= int(text) <= most:
        raise refusals.invalid("limit", f"Invalid 'limit': {text} is not between 1 and {most}.")
    return int(text)
