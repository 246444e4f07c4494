"""Request bodies: JSON and multipart, streamed from the buffers they were made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from urllib3.fields import RequestField

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class FilePart:
    """A picture on its way out. `digest` is the SHA-256 of its pixels, whatever encoder made the bytes."""

    name: str
    filename: str
    data: bytes
    digest: str
    content_type: str = "image/png"


class RequestBody:
    """A body that knows how much of itself was handed to the connection.

    While `complete` is false the service cannot have the whole request, so it cannot have billed it.
    """

    def __init__(self, pieces: Sequence[bytes], content_type: str) -> None:
        self._pieces = pieces
        self._length = sum(len(piece) for piece in pieces)
        self.content_type = content_type
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
    return RequestBody([json.dumps(fields, ensure_ascii=False).encode()], "application/json")


def multipart_body(fields: Mapping[str, Any], files: Sequence[FilePart], boundary: str) -> RequestBody:
    """Return fields and files as multipart/form-data; the same boundary gives the same bytes."""
    parts: list[tuple[RequestField, bytes]] = []
    for name, value in _flat(fields):
        parts.append((RequestField(name, value), value.encode()))
    for file in files:
        parts.append((RequestField(file.name, file.data, filename=file.filename), file.data))
        parts[-1][0].headers["Content-Type"] = file.content_type
    pieces: list[bytes] = []
    for field, data in parts:
        content_type = field.headers.get("Content-Type")
        field.make_multipart(content_type=content_type)
        pieces += [f"--{boundary}\r\n{field.render_headers()}".encode(), data, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return RequestBody(pieces, f"multipart/form-data; boundary={boundary}")


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (name, text) pairs: nested names in brackets, booleans in lower case, as the official client does."""
    for key, value in fields.items():
        name = f"{prefix}[{key}]" if prefix else key
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        else:
            yield name, str(value).lower() if isinstance(value, bool) else str(value)
