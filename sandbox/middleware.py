"""What every request passes on its way: POSTs are counted, and errors get the service's shape."""

from __future__ import annotations

import logging
from collections import Counter

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ..api.errors import RefusedError
from . import errors as refusals

log = logging.getLogger(__name__)


def counting(posts: Counter[str]) -> Middleware:
    """Return a middleware that counts POSTs by their path."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "POST":
            posts[request.path] += 1
        return await handler(request)

    return count


@web.middleware
async def in_the_services_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every error the service's shape."""
    try:
        return await handler(request)
    except RefusedError as exc:
        return refusal(exc)
    except web.HTTPException as exc:
        words = {404: "Invalid URL", 405: "Not allowed to"}.get(exc.status, exc.reason)
        message = f"{words} ({request.method} {request.path})"
        return web.json_response(refusals.shape(message, "invalid_request_error", None, None), status=exc.status)
    except Exception:
        log.exception("the sandbox failed")
        message = "The server had an error while processing your request."
        return web.json_response(refusals.shape(message, "server_error", None, None), status=500)


def refusal(exc: RefusedError) -> web.Response:
    """Return the response of a refusal."""
    return web.json_response(refusals.on_the_wire(exc), status=refusals.status_of(exc))
