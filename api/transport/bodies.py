"""Request bodies: JSON and multipart, streamed from the buffers they were made of."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from urllib3.fields import RequestField

from ..connections.connection import Connection

CHUNK_BYTES = 256 * 1024
BOUNDARY_START = b"openai-image-nodes-"


@dataclass(frozen=True)
class FilePart:
    """A picture on its way out. `digest` is the SHA-256 of its pixels, whatever encoder made the bytes.

    source: the bytes, or what gives them: it is asked when they go out, for what is kept never does.
    """

    name: str
    filename: str
    source: bytes | Callable[[], bytes] = field(repr=False)
    digest: str
    content_type: str = "image/png"

    @property
    def data(self) -> bytes:
        """The bytes."""
        return self.source() if callable(self.source) else self.source


class RequestBody:
    """A body that knows how much of itself was handed to the connection.

    While `complete` is false the service cannot have the whole request, so it cannot have billed it.
    """

    def __init__(self, pieces: Sequence[bytes], content_type: str) -> None:
        self._pieces = pieces
        self._length = sum(len(piece) for piece in pieces)
        self.content_type = content_type
        self.prompt = ""  # in it
        self.handed = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes | memoryview]:
        self.handed = 0
        for piece in self._pieces:
            view = memoryview(piece)
            for start in range(0, len(piece), CHUNK_BYTES):
                chunk = view[start : start + CHUNK_BYTES]
                self.handed += len(chunk)  # before the yield: the socket may have sent it when we are asked again
                yield chunk

    @property
    def complete(self) -> bool:
        """Whether the last byte was handed over, so that the service may have the whole request."""
        return self.handed >= self._length


def json_body(fields: Mapping[str, Any]) -> RequestBody:
    """Return fields as a JSON body."""
    return RequestBody([json.dumps(fields, ensure_ascii=False).encode(errors="replace")], "application/json")


def request_body(
    connection: Connection, operation: str, fields: Mapping[str, Any], files: Sequence[FilePart]
) -> RequestBody:
    """Return what goes out for "generations" or "edits", in the form and with the fields that the connection takes."""
    told = {**connection.send, **connection.wire_fields(fields)}
    if operation == "generations":
        body = json_body(told)
    else:
        body = json_edit_body(told, files) if connection.edits == "json" else multipart_body(told, files)
    body.prompt = str(told.get("prompt") or "")
    return body


def json_edit_body(fields: Mapping[str, Any], files: Sequence[FilePart]) -> RequestBody:
    """Return an edit as JSON, its pictures as data URLs: for servers that read no multipart.

    Source: docs/service.md, "Wire format". The base64 text is a third longer than the pictures.
    """
    head = json.dumps(fields, ensure_ascii=False).encode().removesuffix(b"}")
    pieces = [head + (b", " if fields else b"") + b'"images": [']
    images = [file for file in files if file.name.startswith("image")]
    for number, file in enumerate(images):
        pieces += [b", " if number else b"", *_data_url(file)]
    pieces.append(b"]")
    for file in [file for file in files if not file.name.startswith("image")]:
        pieces += [b", " + json.dumps(file.name).encode() + b": ", *_data_url(file)]
    return RequestBody([*pieces, b"}"], "application/json")


def _data_url(file: FilePart) -> list[bytes]:
    start = f'{{"image_url": "data:{file.content_type};base64,'
    return [start.encode(), base64.b64encode(file.data), b'"}']


def multipart_body(fields: Mapping[str, Any], files: Sequence[FilePart]) -> RequestBody:
    """Return fields and files as multipart/form-data; the same content gives the same bytes, as idempotency wants it.

    The boundary is found in no part: a prompt that held it could add fields of its own.
    """
    texts = list(_flat(fields))
    parts = [(_part_headers(RequestField(name, value)), value.encode()) for name, value in texts]
    for file in files:
        field = RequestField(file.name, file.data, file.filename, {"Content-Type": file.content_type})
        parts.append((_part_headers(field), file.data))
    what = [texts, [(file.name, file.filename, file.digest) for file in files]]
    boundary = _boundary(json.dumps(what).encode(), [piece for part in parts for piece in part])
    pieces = [piece for headers, data in parts for piece in (b"--" + boundary + b"\r\n" + headers, data, b"\r\n")]
    pieces.append(b"--" + boundary + b"--\r\n")
    return RequestBody(pieces, f"multipart/form-data; boundary={boundary.decode()}")


def _part_headers(field: RequestField) -> bytes:
    field.make_multipart(content_type=field.headers.get("Content-Type"))
    return field.render_headers().encode()


def _boundary(what: bytes, pieces: Sequence[bytes]) -> bytes:
    """Return a boundary that follows from `what` a request is, and from nothing less, and occurs in none of it."""
    digests = (hashlib.sha256(b"%d %s" % (number, what)).hexdigest()[:32] for number in count())
    boundaries = (BOUNDARY_START + digest.encode() for digest in digests)
    # not `in`, which a mapped file has for single bytes
    return next(each for each in boundaries if all(piece.find(each) < 0 for piece in pieces))


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (name, text) pairs: nested names in brackets, booleans in lower case, as the official client does."""
    for key, value in fields.items():
        name = f"{prefix}[{key}]" if prefix else key
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        else:
            yield name, str(value).lower() if isinstance(value, bool) else str(value)
