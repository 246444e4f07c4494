"""The paths of files and batches (SDK, resources/files.py and resources/batches.py).

Under /v1 only: comfy.org's proxy has neither, and Azure none for images (docs/batch-api.md, "Azure, proxies").
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from .. import errors
from .batch import Batch, parse_batch_request
from .file_store import FileStore, StoredFile
from .manager import Batches
from .uploads import upload

PIECE_BYTES = 1 << 18
FILES_PAGE = (10_000, 10_000)  # SDK, file_list_params.py: the default and the most
BATCHES_PAGE = (20, 100)  # SDK, batch_list_params.py


def add_file_routes(app: web.Application, files: FileStore) -> None:
    """Add upload, list, look at, download and delete."""

    async def create(request: web.Request) -> web.Response:
        return web.json_response((await upload(request, files)).object())

    async def list_(request: web.Request) -> web.Response:
        errors.refuse_unknown(request.query, ("purpose", "limit", "after", "order"))
        order, purpose = request.query.get("order", "desc"), request.query.get("purpose")
        if order not in ("asc", "desc"):
            raise errors.not_one_of("order", order, ["asc", "desc"])
        listed = [file for file in files.listed() if purpose in (None, file.purpose)]
        return web.json_response(_page(listed if order == "asc" else listed[::-1], request.query, *FILES_PAGE))

    async def retrieve(request: web.Request) -> web.Response:
        return web.json_response(found(request).object())

    async def content(request: web.Request) -> web.Response:
        file = found(request)
        headers = {"Content-Length": str(file.bytes), "Content-Disposition": "attachment"}
        return web.Response(body=_pieces(file.path), content_type="application/octet-stream", headers=headers)

    async def delete(request: web.Request) -> web.Response:
        file = found(request)
        files.delete(file.id)
        return web.json_response({"object": "file", "id": file.id, "deleted": True})

    def found(request: web.Request) -> StoredFile:
        file_id = request.match_info["file_id"]
        file = files.find(file_id)
        if file is None:
            raise errors.refused(f"No such File object: {file_id}", param="id", status=404)
        return file

    app.router.add_post("/v1/files", create)
    app.router.add_get("/v1/files", list_)
    app.router.add_get("/v1/files/{file_id}", retrieve)
    app.router.add_get("/v1/files/{file_id}/content", content)
    app.router.add_delete("/v1/files/{file_id}", delete)


def add_batch_routes(app: web.Application, batches: Batches, files: FileStore) -> None:
    """Add create, list, look at and cancel."""

    async def create(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            raise errors.content_type(request.content_type, "application/json")
        asked = parse_batch_request(await request.read(), files)
        return web.json_response(batches.create(asked).object())

    async def list_(request: web.Request) -> web.Response:
        errors.refuse_unknown(request.query, ("after", "limit"))
        return web.json_response(_page(batches.listed(), request.query, *BATCHES_PAGE))

    async def retrieve(request: web.Request) -> web.Response:
        return web.json_response(found(request).object())

    async def cancel(request: web.Request) -> web.Response:
        batch = found(request)
        if not batch.cancel():
            raise errors.refused(f"Cannot cancel a batch with status '{batch.status}'.", status=409)
        return web.json_response(batch.object())

    def found(request: web.Request) -> Batch:
        batch_id = request.match_info["batch_id"]
        batch = batches.find(batch_id)
        if batch is None:
            raise errors.refused(f"No batch found with id '{batch_id}'.", param="batch_id", status=404)
        return batch

    app.router.add_post("/v1/batches", create)
    app.router.add_get("/v1/batches", list_)
    app.router.add_get("/v1/batches/{batch_id}", retrieve)
    app.router.add_post("/v1/batches/{batch_id}/cancel", cancel)


def _page(items: Sequence[StoredFile] | Sequence[Batch], query: Mapping[str, str], default: int, most: int) -> Any:
    """Return the page of a list that a query asks for: `after` an id, at most `limit` objects.

    Raises: RefusedError for a limit outside 1..most, or an `after` that is not in the list.
    """
    limit, begin, ids = _limit(query.get("limit", str(default)), most), 0, [item.id for item in items]
    if "after" in query:
        if query["after"] not in ids:
            raise errors.invalid("after", f"Invalid 'after': no object has the id '{query['after']}'.")
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
        raise errors.wrong_type("limit", "an integer", "a string")
    if not 1 <= int(text) <= most:
        raise errors.invalid("limit", f"Invalid 'limit': {text} is not between 1 and {most}.")
    return int(text)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
