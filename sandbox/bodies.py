"""Picks the reader for a body by its content type."""

from __future__ import annotations

from email.message import Message

from . import errors as refusals
from .requests.form import Form
from .requests.json_body import Lookup, json_form
from .requests.multipart import multipart_form


def read(operation: str, content_type: str, body: bytes, lookup: Lookup | None = None) -> Form:
    """Return the form in a body of generations or edits; `lookup` finds files by id, where they are kept.

    Raises: RefusedError for a body, field or type that the endpoint does not take.
    """
    header = Message()
    header["content-type"] = content_type
    kind = header.get_content_type() if content_type else "none"
    if kind == "application/json":
        return json_form(operation, body, lookup)
    if kind == "multipart/form-data" and operation == "edits":
        return multipart_form(body, str(header.get_boundary("")))
    accepted = "'multipart/form-data' and 'application/json'" if operation == "edits" else "'application/json'"
    raise refusals.content_type(kind, accepted)
