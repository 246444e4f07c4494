"""How our routes answer: JSON, with words of ours where something is not as it should be, and never a key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from ...api import OpenAIImageError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answering(handle: Callable[[web.Request], Awaitable[dict[str, Any]]]) -> Handler:
    """Return a handler that answers with JSON, and with words of ours where the request is not as it should be."""

    async def answer(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return refusal(415, "The request must be JSON.")
        try:
            return web.json_response(await handle(request))
        except web.HTTPForbidden as exc:
            return refusal(403, exc.text or "")
        except OpenAIImageError as exc:
            return refusal(400, str(exc))
        except (ValueError, KeyError, TypeError, AttributeError):
            return refusal(400, "The request is not as expected.")  # what it holds may be a key: it is not repeated
        except OSError as exc:
            return refusal(500, f"The state folder cannot be written to: {exc.strerror}.")

    return answer


def refuse_other_pages(request: web.Request) -> None:
    """Let only a page of this very server in.

    Raises: HTTPForbidden.
    """
    origin, host = urlsplit(request.headers.get("Origin", "")), urlsplit(f"//{request.host}")
    if not origin.netloc or origin.netloc != host.netloc:
        raise web.HTTPForbidden(text="This can only be done from ComfyUI's own page.")


def refusal(status: int, message: str) -> web.Response:
    """Return an answer that says what is wrong."""
    return web.json_response({"error": message}, status=status)
