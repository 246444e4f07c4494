"""The sandbox's HTTP side: paths, headers and the way of a request from body to answer."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, Literal, TypeVar

from aiohttp import web
from aiohttp.typedefs import Middleware

from ..api.catalog import catalog as catalogue
from ..api.catalog.catalog import ModelSpec
from ..api.errors import RefusedError
from . import errors as refusals
from . import usage
from .batches import Batches, Shop
from .batches.file_routes import FileRoutes
from .batches.references import picture_of
from .batches.routes import BatchRoutes
from .bodies import read
from .middleware import counting, in_the_services_shape, refusal
from .rendering.painting import Painter
from .rendering.responses import CREATED, events_of, json_answer
from .requests.form import Form
from .requests.validation import Order, order_of
from .state import Answer, Assets, Replays

MAX_BODY_BYTES = 16 * 50_000_000 + 100_000_000  # 16 images, mask, markup and text
IMAGES = "/images/{operation:generations|edits}"
Style = Literal["openai", "comfy", "azure"]
PREFIXES: dict[str, Style] = {
    "/v1": "openai",
    "/proxy/openai": "comfy",
    "/openai/v1": "azure",
    "/openai/deployments/{deployment}": "azure",
}
T = TypeVar("T")


class Service:
    """The handlers of one sandbox and what it remembers between requests."""

    def __init__(self, shop: Shop, batches: Batches, posts: Counter[str]) -> None:
        self.assets = Assets()
        self.replays = Replays()
        self._shop = shop
        self._batches = batches
        self._posts = posts
        self._ids = itertools.count(1)

    def application(self, middlewares: Sequence[Middleware]) -> web.Application:
        """Return the aiohttp application; the first of the middlewares sees a request first."""
        app = web.Application(
            client_max_size=MAX_BODY_BYTES, middlewares=[counting(self._posts), *middlewares, in_the_services_shape]
        )
        app.on_response_prepare.append(self._sign)
        for prefix in PREFIXES:
            app.router.add_post(prefix + IMAGES, self._images)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{model}", self._model)
        app.router.add_get("/assets/{name}", self._asset)
        FileRoutes(self._shop.files).add_to(app)
        BatchRoutes(self._batches, self._shop.files).add_to(app)
        return app

    async def _sign(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers.setdefault("x-request-id", f"req_sandbox_{next(self._ids):08d}")

    async def _images(self, request: web.Request) -> web.StreamResponse:
        style, operation = _style(request), request.match_info["operation"]
        body = await request.read()
        content_type = request.headers.get("Content-Type", "")
        lookup = partial(picture_of, self._shop.files) if style == "openai" else None
        form = await _in_thread(lambda: read(operation, content_type, body, lookup))
        if "deployment" in request.match_info:
            form.fields["model"] = request.match_info["deployment"]
        key = request.headers.get("Idempotency-Key") if style == "comfy" else None
        return await (self._once(request, form, key) if key else self._answered(request, form))

    async def _once(self, request: web.Request, form: Form, key: str) -> web.StreamResponse:
        """Answer, or give the answer that the key had before."""
        digest = await _in_thread(lambda: f"{request.path} {form.digest()}")
        known = self.replays.begin(key, digest)
        if known is not None:
            return web.Response(
                status=known.status, body=known.body, headers=known.headers, content_type="application/json"
            )
        try:
            response = await self._answered(request, form)
        except RefusedError as exc:
            response = refusal(exc)
        except BaseException:
            self.replays.drop(key)
            raise
        self.replays.finish(key, _replayable(response))
        return response

    async def _answered(self, request: web.Request, form: Form) -> web.Response:
        style, painter = _style(request), self._shop.painter
        operation = request.match_info["operation"]
        order = await _in_thread(lambda: order_of(operation, form, painter, azure=style == "azure"))
        headers = _credits(order) if style == "comfy" else {}
        if order.stream:
            self._bill(request, order)
            return web.Response(body=_events(order, painter), content_type="text/event-stream", headers=headers)
        as_url = style == "comfy" and request.headers.get("Comfy-Asset-Format", "").lower() == "url"
        origin, keep = request.url.origin(), self.assets.keep
        link = (lambda data, kind: f"{origin}/assets/{keep(data, kind)}") if as_url else None
        body = await _in_thread(lambda: json_answer(order, painter, link))
        self._bill(request, order)
        return web.Response(body=body, content_type="application/json", headers=headers)

    def _bill(self, request: web.Request, order: Order) -> None:
        spec = order.spec
        usd_per_m = usage.comfy_usd_per_m(spec) if _style(request) == "comfy" else spec.price_usd_per_m
        self._shop.ledger.bill(request.path, order, usd_per_m)

    async def _models(self, _request: web.Request) -> web.Response:
        listed = [_model_object(model, spec) for spec in catalogue.listed() for model in (spec.id, *spec.snapshots)]
        return web.json_response({"object": "list", "data": listed})

    async def _model(self, request: web.Request) -> web.Response:
        model = request.match_info["model"]
        spec = catalogue.find(model)
        if spec is None or spec.ended():
            raise refusals.no_model(model)
        return web.json_response(_model_object(model, spec))

    async def _asset(self, request: web.Request) -> web.Response:
        found = self.assets.find(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return web.Response(body=found[0], content_type=found[1])


def _style(request: web.Request) -> Style:
    resource = request.match_info.route.resource
    return PREFIXES[resource.canonical.split("/images/")[0]] if resource else "openai"


def _replayable(response: web.Response) -> Answer | None:
    body = response.body
    if not isinstance(body, bytes):
        return None
    kept = {name: value for name, value in response.headers.items() if name.lower().startswith("x-comfy-")}
    return Answer(response.status, body, kept)


def _credits(order: Order) -> dict[str, str]:
    amount = usage.credits_of(order)
    return {} if amount is None else {"X-Comfy-Credits-Used": f"{amount:.4f}"}


async def _events(order: Order, painter: Painter) -> AsyncIterator[bytes]:
    for index in range(order.n):
        yield await _in_thread(partial(events_of, order, painter, index))


def _model_object(model: str, spec: ModelSpec) -> dict[str, Any]:
    day = spec.shutdown_date.isoformat() if spec.shutdown_date else None
    return {"id": model, "object": "model", "created": CREATED, "owned_by": "openai", "shutdown_date": day}


async def _in_thread(work: Callable[[], T]) -> T:
    """Run work on a worker thread, so that the loop stays free for other requests."""
    return await asyncio.get_running_loop().run_in_executor(None, work)
