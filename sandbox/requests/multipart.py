"""Reads multipart/form-data (RFC 7578) from bytes: strict about delimiters, content types and text values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes
from typing import Any

from .. import errors as refusals
from .form import BOOLEANS, EDIT_FIELDS, INTEGERS, File, Form, svg_object

FILES = {"image": "image", "image[]": "image", "mask": "mask", "markup": "markup"}
NESTED = re.compile(r"svg(?:\[(model)\]|\[(reasoning)\]\[(effort)\])")


@dataclass(frozen=True)
class Part:
    """One part of a form. Without a header of its own its content type is application/octet-stream."""

    name: str
    content_type: str
    data: bytes


def multipart_form(body: bytes, boundary: str) -> Form:
    """Return the form in a multipart body of edits.

    Raises: RefusedError for a part that the endpoint does not take.
    """
    form = Form()
    svg: dict[str, Any] = {}
    for part in parts(body, boundary):
        if part.name in FILES:
            _add_file(form, File(FILES[part.name], part.data, part.content_type))
        elif nested := NESTED.fullmatch(part.name):
            _nest(svg, [step for step in nested.groups() if step], _text(part))
        elif part.name not in EDIT_FIELDS or part.name == "svg":
            raise refusals.unknown(part.name)
        elif part.name in form.fields:
            raise refusals.repeated(part.name)
        else:
            form.fields[part.name] = _parsed(part.name, _text(part))
    if svg:
        form.fields["svg"] = svg_object(svg)
    return form


def parts(body: bytes, boundary: str) -> list[Part]:
    """Return the parts of a body in order.

    Raises: RefusedError if there is no boundary, no closing delimiter, or a part without a name.
    """
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if not boundary or len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise refusals.unparsable("multipart form")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    head, blank, data = piece.partition(b"\r\n\r\n")
    headers = message_from_bytes(head.lstrip(b" \t\r\n"))
    name = headers.get_param("name", header="content-disposition")
    if not blank or not isinstance(name, str):
        raise refusals.unparsable("multipart form")
    kind = headers.get_content_type() if "content-type" in headers else "application/octet-stream"
    return Part(name, kind, data)


def _add_file(form: Form, file: File) -> None:
    """Put a file in its place. `image` may come again: it is read like `image[]`."""
    if file.param == "image":
        form.images.append(file)
    elif getattr(form, file.param) is not None:
        raise refusals.repeated(file.param)
    else:
        setattr(form, file.param, file)


def _nest(target: dict[str, Any], steps: list[str], value: str) -> None:
    for step in steps[:-1]:
        target = target.setdefault(step, {})
    target[steps[-1]] = value


def _text(part: Part) -> str:
    try:
        return part.data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise refusals.invalid(part.name, f"Invalid '{part.name}': not UTF-8 text.") from exc


def _parsed(name: str, text: str) -> object:
    """Return a scalar of a form: integers as digits, booleans as true and false, nothing else."""
    if name in INTEGERS:
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise refusals.wrong_type(name, "an integer", "a string")
        return int(text)
    if name in BOOLEANS:
        if text not in ("true", "false"):
            raise refusals.wrong_type(name, "a boolean", "a string")
        return text == "true"
    return text
