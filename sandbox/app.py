"""The sandbox's HTTP side: paths, headers, the way of a request from body to answer, and the shape of errors."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, Literal

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ..api.catalog import catalog
from ..api.catalog.catalog import ModelSpec
from ..api.errors import RefusedError
from . import billing, errors
from .batches.manager import Batches
from .batches.routes import add_batch_routes, add_file_routes
from .batches.worker import BatchContext
from .rendering.painter import Render
from .rendering.responses import CREATED, events_of, json_response
from .requests.form import ParsedRequest, json_object
from .requests.json_body import parse_object
from .requests.multipart import boundary_of, parse_multipart
from .requests.validation import ValidatedRequest, validate
from .state import CachedResponse, IdempotencyCache, ResponseCache

LOG = logging.getLogger(__name__)
MAX_BODY_BYTES = 16 * 50_000_000 + 100_000_000  # 16 images, mask, markup and text
IMAGES = "/images/{operation:generations|edits}"
Style = Literal["openai", "comfy", "azure"]
PREFIXES: dict[str, Style] = {
    "/v1": "openai",
    "/proxy/openai": "comfy",
    "/openai/v1": "azure",
    "/openai/deployments/{deployment}": "azure",
}
NOT_AT_AZURE = {"error": {"code": "404", "message": "Resource not found"}}  # openai-python#2608
NO_DEPLOYMENT = {
    "error": {
        "code": "DeploymentNotFound",
        "message": "The API deployment for this resource does not exist. If you created the deployment within the last"
        " 5 minutes, please wait a moment and try again.",
    }
}
SERVICE_HEADERS = {  # docs/service.md, "Rate limits"
    "openai-version": "2020-10-01",
    "x-ratelimit-limit-requests": "250",
    "x-ratelimit-remaining-requests": "249",
    "x-ratelimit-reset-requests": "240ms",
}


class SandboxApp:
    """The handlers of one sandbox and what they remember between requests."""

    def __init__(self, context: BatchContext, batches: Batches) -> None:
        self._context = context
        self._batches = batches
        self._assets = ResponseCache(context.clock)
        self._idempotency = IdempotencyCache(context.clock)
        self._ids = itertools.count(1)

    def application(self, middlewares: Sequence[Middleware]) -> web.Application:
        """Return the aiohttp application; the first of the middlewares sees a request first."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[*middlewares, errors_in_shape])
        app.on_response_prepare.append(self._sign)
        for prefix in PREFIXES:
            app.router.add_post(prefix + IMAGES, self._images)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{model}", self._model)
        app.router.add_get("/assets/{name}", self._asset)
        add_file_routes(app, self._context.files)
        add_batch_routes(app, self._batches, self._context.files)
        return app

    async def _sign(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers.setdefault("x-request-id", f"req_sandbox_{next(self._ids):08d}")

    async def _images(self, request: web.Request) -> web.StreamResponse:
        began, style = time.monotonic(), _style(request)
        body = await request.read()
        parsed = await asyncio.to_thread(self._parsed, request, body)
        key = request.headers.get("Idempotency-Key") if style == "comfy" else None
        response = await (self._once(request, parsed, key) if key else self._answered(request, parsed))
        if style == "openai":
            response.headers.update(SERVICE_HEADERS)
            response.headers["openai-processing-ms"] = str(round((time.monotonic() - began) * 1000))
        return response

    def _parsed(self, request: web.Request, body: bytes) -> ParsedRequest:
        operation, kind = request.match_info["operation"], request.headers.get("Content-Type", "")
        if request.content_type == "application/json":
            lookup = self._context.files.picture if _style(request) == "openai" else None
            parsed = parse_object(operation, json_object(body), lookup)
        elif request.content_type == "multipart/form-data" and operation == "edits":
            parsed = parse_multipart(body, boundary_of(kind) or "")
        else:
            forms = ["multipart/form-data"] if operation == "edits" else []
            raise errors.content_type(request.content_type if kind else "none", *forms, "application/json")
        if "deployment" in request.match_info:
            parsed.fields["model"] = request.match_info["deployment"]
        return parsed

    async def _once(self, request: web.Request, parsed: ParsedRequest, key: str) -> web.StreamResponse:
        """Answer, or give the answer that the key had before."""
        digest = f"{request.path} {await asyncio.to_thread(parsed.digest)}"
        known = self._idempotency.begin(key, digest)
        if known is not None:
            return _again(known)
        try:
            response = await self._answered(request, parsed)
        except RefusedError as exc:
            response = _refusal(exc)
        except BaseException:
            self._idempotency.drop(key)
            raise
        self._idempotency.finish(key, _replayable(response))
        return response

    async def _answered(self, request: web.Request, parsed: ParsedRequest) -> web.Response:
        style, render = _style(request), self._context.render
        operation = request.match_info["operation"]
        asked = await asyncio.to_thread(validate, operation, parsed, azure=style == "azure")
        used = billing.credits_of(asked) if style == "comfy" else None
        headers = {} if used is None else {"X-Comfy-Credits-Used": f"{used:.4f}"}
        if asked.stream:
            self._bill(request, asked)
            return web.Response(body=_events(asked, render), content_type="text/event-stream", headers=headers)
        as_url = style == "comfy" and request.headers.get("Comfy-Asset-Format", "").lower() == "url"
        link = partial(self._linked, f"{request.url.origin()}") if as_url else None
        body = await asyncio.to_thread(json_response, asked, render, link)
        self._bill(request, asked)
        return web.Response(body=body, content_type="application/json", headers=headers)

    def _bill(self, request: web.Request, asked: ValidatedRequest) -> None:
        is_comfy = _style(request) == "comfy"
        prices = billing.comfy_usd_per_m(asked.spec) if is_comfy else asked.spec.price_usd_per_m
        self._context.billing.bill(request.path, asked, prices)

    def _linked(self, origin: str, picture: bytes, mime_type: str) -> str:
        name = hashlib.sha256(picture).hexdigest()
        self._assets.keep(name, CachedResponse(200, picture, {"Content-Type": mime_type}))
        return f"{origin}/assets/{name}"

    async def _models(self, _request: web.Request) -> web.Response:
        listed = [_model_object(model, spec) for spec in catalog.listed() for model in (spec.id, *spec.snapshots)]
        return web.json_response({"object": "list", "data": listed})

    async def _model(self, request: web.Request) -> web.Response:
        model = request.match_info["model"]
        spec = catalog.find(model)
        if spec is None or spec.ended():
            raise errors.no_model(model)
        return web.json_response(_model_object(model, spec))

    async def _asset(self, request: web.Request) -> web.Response:
        found = self._assets.find(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return _again(found)


@web.middleware
async def errors_in_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every error the service's shape."""
    try:
        return await handler(request)
    except RefusedError as exc:
        is_missing = request.path.startswith("/openai/") and exc.code == "model_not_found"  # of a deployment, there
        return web.json_response(NO_DEPLOYMENT, status=404) if is_missing else _refusal(exc)
    except web.HTTPException as exc:
        if exc.status == 404 and request.path.startswith("/openai/"):
            return web.json_response(NOT_AT_AZURE, status=404)
        words = {404: "Invalid URL", 405: "Not allowed to"}.get(exc.status, exc.reason)
        message = f"{words} ({request.method} {request.path})"
        return web.json_response(errors.shape(message, "invalid_request_error"), status=exc.status)
    except Exception:
        LOG.exception("the sandbox failed")
        return _refusal(errors.server_error())


def _refusal(exc: RefusedError) -> web.Response:
    return web.json_response(errors.on_the_wire(exc), status=errors.status_of(exc))


def _style(request: web.Request) -> Style:
    resource = request.match_info.route.resource
    return PREFIXES[resource.canonical.split("/images/")[0]] if resource else "openai"


def _replayable(response: web.Response) -> CachedResponse | None:
    body = response.body
    if not isinstance(body, bytes):
        return None
    kept = {name: value for name, value in response.headers.items() if name.lower().startswith("x-comfy-")}
    return CachedResponse(response.status, body, {**kept, "Content-Type": "application/json"})


def _again(cached: CachedResponse) -> web.Response:
    return web.Response(status=cached.status, body=cached.body, headers=cached.headers)


async def _events(asked: ValidatedRequest, render: Render) -> AsyncIterator[bytes]:
    for index in range(asked.n):
        yield await asyncio.to_thread(events_of, asked, render, index)


def _model_object(model: str, spec: ModelSpec) -> dict[str, Any]:
    day = spec.shutdown_date.isoformat() if spec.shutdown_date else None
    return {"id": model, "object": "model", "created": CREATED, "owned_by": "openai", "shutdown_date": day}
