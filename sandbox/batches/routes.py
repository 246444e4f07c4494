"""The paths of batches: create, list, look at, cancel (SDK, resources/batches.py)."""

from __future__ import annotations

from aiohttp import web

from .. import errors as refusals
from .batch import Batch
from .creation import wish_of
from .file_store import Files
from .manager import Batches
from .paging import known_query, page

PAGE, MOST = 20, 100  # SDK, batch_list_params.py


class BatchRoutes:
    """The handlers over the batches of a sandbox."""

    def __init__(self, batches: Batches, files: Files) -> None:
        self._batches = batches
        self._files = files

    def add_to(self, app: web.Application) -> None:
        """Add the paths; under /v1 only: comfy.org has no batches, and Azure none for images.

        Source: docs/batch-api.md, "Azure, proxies".
        """
        app.router.add_post("/v1/batches", self._create)
        app.router.add_get("/v1/batches", self._list)
        app.router.add_get("/v1/batches/{batch_id}", self._retrieve)
        app.router.add_post("/v1/batches/{batch_id}/cancel", self._cancel)

    async def _create(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            raise refusals.content_type(request.content_type, "'application/json'")
        wish = wish_of(await request.read(), self._files)
        return web.json_response(self._batches.create(wish).object())

    async def _list(self, request: web.Request) -> web.Response:
        known_query(request.query, ("after", "limit"))
        return web.json_response(page(self._batches.listed(), request.query, default=PAGE, most=MOST))

    async def _retrieve(self, request: web.Request) -> web.Response:
        return web.json_response(self._found(request).object())

    async def _cancel(self, request: web.Request) -> web.Response:
        batch = self._found(request)
        if not batch.cancel():
            message = f"Cannot cancel a batch with status '{batch.status}'."
            raise refusals.refused(message, param=None, code=None, status=409)
        return web.json_response(batch.object())

    def _found(self, request: web.Request) -> Batch:
        batch_id = request.match_info["batch_id"]
        batch = self._batches.find(batch_id)
        if batch is None:
            raise refusals.refused(f"No batch found with id '{batch_id}'.", param="batch_id", code=None, status=404)
        return batch
