"""The expiry that may be asked for files: `expires_after` of an upload, `output_expires_after` of a batch."""

from __future__ import annotations

from collections.abc import Mapping

from .. import errors as refusals
from ..requests.form import called
from .file_store import LIFE_S


def life_of(name: str, asked: Mapping[str, object]) -> int:
    """Return the seconds in an object {anchor: "created_at", seconds: 3600..2592000} (SDK, file_create_params.py).

    Raises: RefusedError naming the field, as `name.seconds`.
    """
    for key in ("anchor", "seconds"):
        if key not in asked:
            raise refusals.missing(f"{name}.{key}")
    anchor, seconds = asked["anchor"], asked["seconds"]
    if anchor != "created_at":
        raise refusals.invalid(f"{name}.anchor", f"Invalid value: '{anchor}'. Supported values are: 'created_at'.")
    if type(seconds) is not int:
        raise refusals.wrong_type(f"{name}.seconds", "an integer", called(type(seconds)))
    low, high = LIFE_S
    if not low <= seconds <= high:
        message = f"Invalid '{name}.seconds': {seconds} is not between {low} and {high}."
        raise refusals.invalid(f"{name}.seconds", message)
    return seconds
