"""Reads an upload from the wire onto the disk, piece by piece."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from .. import errors as refusals
from ..requests.parts import Parts
from . import file_store as filestore
from .expiry import life_of
from .file_store import PURPOSES, Files, StoredFile

MAX_TEXT_BYTES = 1000
TEXTS = ("purpose", "expires_after[anchor]", "expires_after[seconds]")


@dataclass
class _Upload:
    texts: dict[str, str] = field(default_factory=dict)
    filename: str | None = None
    size: int | None = None


async def upload(request: web.Request, files: Files) -> StoredFile:
    """Return the file that a request brings, kept in `files`.

    Raises: RefusedError for a part that the endpoint does not take.
    """
    header = Message()
    header["content-type"] = request.headers.get("Content-Type", "")
    boundary = header.get_boundary()
    if request.content_type != "multipart/form-data" or not boundary:
        raise refusals.content_type(request.content_type, "'multipart/form-data'")
    path = files.scratch()
    try:
        sent = await _received(Parts(_pieces(request), boundary), path)
        purpose, filename = _purpose(sent), _filename(sent)
        return files.add(path, filename=filename, purpose=purpose, life_s=_life(sent))
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    """Yield the body as it comes, or whole where a middleware has read it already."""
    if request.content.at_eof():
        yield await request.read()
    async for piece in request.content.iter_any():
        yield piece


async def _received(parts: Parts, path: Path) -> _Upload:
    sent = _Upload()
    while (head := await parts.head()) is not None:
        if head.name in sent.texts or (head.name == "file" and sent.size is not None):
            raise refusals.repeated(head.name)
        if head.name == "file":
            sent.filename = head.filename
            with path.open("wb") as file:
                sent.size = await _written(parts, file)
        elif head.name in TEXTS:
            sent.texts[head.name] = await _text(head.name, parts)
        else:
            raise refusals.unknown(head.name)
    return sent


async def _written(parts: Parts, file: BinaryIO) -> int:
    """Write a part and return its length; beyond the largest file it is read on, but no longer kept."""
    loop, size = asyncio.get_running_loop(), 0
    async for piece in parts.data():
        size += len(piece)
        if size <= filestore.MAX_BYTES:
            await loop.run_in_executor(None, file.write, piece)
    return size


async def _text(name: str, parts: Parts) -> str:
    data = bytearray()
    async for piece in parts.data():
        data += piece[: MAX_TEXT_BYTES - len(data)]
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise refusals.invalid(name, f"Invalid '{name}': not UTF-8 text.") from exc


def _purpose(sent: _Upload) -> str:
    """Return the purpose if the file fits it."""
    purpose, size = sent.texts.get("purpose"), sent.size
    if purpose is None:
        raise refusals.missing("purpose")
    if purpose not in PURPOSES:
        values = ", ".join(f"'{value}'" for value in PURPOSES)
        raise refusals.invalid("purpose", f"Invalid value: '{purpose}'. Supported values are: {values}.")
    if size is None:
        raise refusals.missing("file")
    limit = filestore.MAX_BATCH_BYTES if purpose == "batch" else filestore.MAX_BYTES
    if size > limit:
        raise refusals.too_large("file", size, limit)
    return purpose


def _filename(sent: _Upload) -> str:
    if not sent.filename:
        raise refusals.wrong_type("file", "a file", "a string")
    if sent.texts["purpose"] == "batch" and not sent.filename.endswith(".jsonl"):
        raise refusals.refused("Invalid file format for Batch API. Must be .jsonl", param=None, code=None)
    return sent.filename


def _life(sent: _Upload) -> int | None:
    """Return the life asked for in seconds; digits are an integer, as everywhere in a form."""
    asked: dict[str, object] = {
        name[len("expires_after[") : -1]: int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text
        for name, text in sent.texts.items()
        if name != "purpose"
    }
    return life_of("expires_after", asked) if asked else None
