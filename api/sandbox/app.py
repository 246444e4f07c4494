"""The sandbox's HTTP side: paths, headers and the way of a request from body to answer."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, Literal, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from .. import catalogue
from ..catalogue import ModelSpec
from ..errors import RefusedError
from . import refusals
from .answers import CREATED, events_of, json_answer
from .bodies import read
from .forms import Form
from .memory import Answer, Assets, Replays
from .orders import Order, order_of
from .painting import Painter
from .usage import credits_of

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
log = logging.getLogger(__name__)


class Service:
    """The handlers of one sandbox and what it remembers between requests."""

    def __init__(self, painter: Painter) -> None:
        self.assets = Assets()
        self.replays = Replays()
        self._painter = painter
        self._ids = itertools.count(1)

    def application(self, middlewares: Sequence[Middleware]) -> web.Application:
        """Return the aiohttp application; the first of the middlewares sees a request first."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[*middlewares, in_the_services_shape])
        app.on_response_prepare.append(self._sign)
        for prefix in PREFIXES:
            app.router.add_post(prefix + IMAGES, self._images)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{model}", self._model)
        app.router.add_get("/assets/{name}", self._asset)
        return app

    async def _sign(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers.setdefault("x-request-id", f"req_sandbox_{next(self._ids):08d}")

    async def _images(self, request: web.Request) -> web.StreamResponse:
        style, operation = _style(request), request.match_info["operation"]
        body = await request.read()
        content_type = request.headers.get("Content-Type", "")
        form = await _in_thread(lambda: read(operation, content_type, body))
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
            response = _refusal(exc)
        except BaseException:
            self.replays.drop(key)
            raise
        self.replays.finish(key, _replayable(response))
        return response

    async def _answered(self, request: web.Request, form: Form) -> web.Response:
        style, painter = _style(request), self._painter
        operation = request.match_info["operation"]
        order = await _in_thread(lambda: order_of(operation, form, painter, azure=style == "azure"))
        headers = _credits(order) if style == "comfy" else {}
        if order.stream:
            return web.Response(body=_events(order, painter), content_type="text/event-stream", headers=headers)
        as_url = style == "comfy" and request.headers.get("Comfy-Asset-Format", "").lower() == "url"
        origin, keep = request.url.origin(), self.assets.keep
        link = (lambda data, kind: f"{origin}/assets/{keep(data, kind)}") if as_url else None
        body = await _in_thread(lambda: json_answer(order, painter, link))
        return web.Response(body=body, content_type="application/json", headers=headers)

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


@web.middleware
async def in_the_services_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every error the service's shape."""
    try:
        return await handler(request)
    except RefusedError as exc:
        return _refusal(exc)
    except web.HTTPException as exc:
        words = {404: "Invalid URL", 405: "Not allowed to"}.get(exc.status, exc.reason)
        message = f"{words} ({request.method} {request.path})"
        return web.json_response(refusals.shape(message, "invalid_request_error", None, None), status=exc.status)
    except Exception:
        log.exception("the sandbox failed")
        message = "The server had an error while processing your request."
        return web.json_response(refusals.shape(message, "server_error", None, None), status=500)


def _style(request: web.Request) -> Style:
    resource = request.match_info.route.resource
    return PREFIXES[resource.canonical.split("/images/")[0]] if resource else "openai"


def _refusal(exc: RefusedError) -> web.Response:
    return web.json_response(refusals.on_the_wire(exc), status=refusals.status_of(exc))


def _replayable(response: web.Response) -> Answer | None:
    body = response.body
    if not isinstance(body, bytes):
        return None
    kept = {name: value for name, value in response.headers.items() if name.lower().startswith("x-comfy-")}
    return Answer(response.status, body, kept)


def _credits(order: Order) -> dict[str, str]:
    amount = credits_of(order)
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
