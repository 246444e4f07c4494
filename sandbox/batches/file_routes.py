"""The paths of files: upload, list, look at, download, delete (SDK, resources/files.py)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from .. import errors as refusals
from .file_store import Files, StoredFile
from .paging import known_query, page
from .uploads import upload

PIECE_BYTES = 1 << 18
PAGE = 10_000  # SDK, file_list_params.py: the default and the most
ORDERS = ("asc", "desc")


class FileRoutes:
    """The handlers over one store of files."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def add_to(self, app: web.Application) -> None:
        """Add the paths; under /v1 only: neither comfy.org nor Azure's images know files."""
        app.router.add_post("/v1/files", self._create)
        app.router.add_get("/v1/files", self._list)
        app.router.add_get("/v1/files/{file_id}", self._retrieve)
        app.router.add_get("/v1/files/{file_id}/content", self._content)
        app.router.add_delete("/v1/files/{file_id}", self._delete)

    async def _create(self, request: web.Request) -> web.Response:
        return web.json_response((await upload(request, self._files)).object())

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        known_query(query, ("purpose", "limit", "after", "order"))
        order = query.get("order", "desc")
        if order not in ORDERS:
            raise refusals.invalid("order", f"Invalid value: '{order}'. Supported values are: 'asc' and 'desc'.")
        files = [file for file in self._files.listed() if query.get("purpose", file.purpose) == file.purpose]
        return web.json_response(page(files if order == "asc" else files[::-1], query, default=PAGE, most=PAGE))

    async def _retrieve(self, request: web.Request) -> web.Response:
        return web.json_response(self._found(request).object())

    async def _content(self, request: web.Request) -> web.Response:
        file = self._found(request)
        headers = {"Content-Length": str(file.bytes), "Content-Disposition": "attachment"}
        return web.Response(body=_pieces(file.path), content_type="application/octet-stream", headers=headers)

    async def _delete(self, request: web.Request) -> web.Response:
        file = self._found(request)
        self._files.delete(file.id)
        return web.json_response({"object": "file", "id": file.id, "deleted": True})

    def _found(self, request: web.Request) -> StoredFile:
        file_id = request.match_info["file_id"]
        file = self._files.find(file_id)
        if file is None:
            raise refusals.refused(f"No such File object: {file_id}", param="id", code=None, status=404)
        return file


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    with path.open("rb") as file:
        while piece := await loop.run_in_executor(None, file.read, PIECE_BYTES):
            yield piece
