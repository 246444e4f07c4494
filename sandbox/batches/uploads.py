"""Reads an upload from the wire onto the disk, piece by piece."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import BinaryIO

from aiohttp import web

from .. import errors
from ..requests.multipart import MultipartParser, PartHead, boundary_of, text_of
from .file_store import MAX_BYTES, PURPOSES, FileStore, StoredFile, largest, life_of

MAX_TEXT_BYTES = 1000
TEXTS = ("purpose", "expires_after[anchor]", "expires_after[seconds]")


@dataclass
class _Upload:
    texts: dict[str, bytearray] = field(default_factory=dict)
    head: PartHead | None = None  # of the file
    size: int = 0

    def text(self, name: str) -> str | None:
        return text_of(name, self.texts[name]) if name in self.texts else None


async def upload(request: web.Request, files: FileStore) -> StoredFile:
    """Return the file that a request brings, kept in `files`.

    Raises: RefusedError for a part that the endpoint does not take.
    """
    boundary = boundary_of(request.headers.get("Content-Type", ""))
    if not boundary:
        raise errors.content_type(request.content_type, "multipart/form-data")
    path = files.scratch()
    try:
        with path.open("wb") as file:
            sent = await _received(request, MultipartParser(boundary), file)
        purpose = _purpose(sent)
        return files.add(path, filename=_filename(sent, purpose), purpose=purpose, life_s=_life(sent))
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _received(request: web.Request, parser: MultipartParser, file: BinaryIO) -> _Upload:
    sent, name = _Upload(), ""
    async for piece in _pieces(request):
        for part in parser.feed(piece):
            if isinstance(part, PartHead):
                name = _begun(sent, part)
            elif name != "file":
                sent.texts[name] += part[: MAX_TEXT_BYTES - len(sent.texts[name])]
            else:
                sent.size += len(part)
                if sent.size <= MAX_BYTES:  # what is too long is read on, but no longer kept
                    await asyncio.to_thread(file.write, part)
    parser.close()
    return sent


async def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    """Yield the body as it comes, or whole where a middleware has read it already."""
    if request.content.at_eof():
        yield await request.read()
    async for piece in request.content.iter_any():
        yield piece


def _begun(sent: _Upload, head: PartHead) -> str:
    """Note the head of a part and return its name."""
    if head.name in sent.texts or (head.name == "file" and sent.head is not None):
        raise errors.repeated(head.name)
    if head.name == "file":
        sent.head = head
    elif head.name in TEXTS:
        sent.texts[head.name] = bytearray()
    else:
        raise errors.unknown(head.name)
    return head.name


def _purpose(sent: _Upload) -> str:
    """Return the purpose if the file fits it."""
    purpose = sent.text("purpose")
    if purpose is None:
        raise errors.missing("purpose")
    if purpose not in PURPOSES:
        raise errors.not_one_of("purpose", purpose, PURPOSES)
    if sent.head is None:
        raise errors.missing("file")
    if sent.size > largest(purpose):
        raise errors.too_large("file", sent.size, largest(purpose))
    return purpose


def _filename(sent: _Upload, purpose: str) -> str:
    if sent.head is None or not sent.head.filename:
        raise errors.wrong_type("file", "a file", "a string")
    if purpose == "batch" and not sent.head.filename.endswith(".jsonl"):
        raise errors.refused("Invalid file format for Batch API. Must be .jsonl")
    return sent.head.filename


def _life(sent: _Upload) -> int | None:
    """Return the life asked for in seconds; digits are an integer, as everywhere in a form."""
    asked: dict[str, object] = {}
    for name in TEXTS[1:]:
        text = sent.text(name)
        if text is not None:
            asked[name[len("expires_after[") : -1]] = int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text
    return life_of("expires_after", asked) if asked else None
