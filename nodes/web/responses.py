"""How our routes ask and answer: JSON of a bounded size, from this server's own page, and never a key."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import cache, partial
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from ...api import OpenAIImageError
from ...api.jobs.threads import run_in_thread
from ...utils.strangers_json import read_object

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Work = Callable[[dict[str, Any]], dict[str, Any]]

REMOTE_VARIABLE = "OPENAI_IMAGE_NODES_ALLOW_REMOTE_KEYS"
MAX_BODY_BYTES = 1 << 20  # a node's values; a prompt has 32,000 characters at most
MAX_DEPTH = 32
OTHER_PAGE = "This can only be done from ComfyUI's own page."
NOT_AS_EXPECTED = (ArithmeticError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
OWN_SITES = ("same-origin", "none")  # none: somebody typed the address
PROXY_HEADERS = re.compile(
    r"forwarded|x-forwarded-.+|x-real-ip|x-client-ip|x-cluster-client-ip|x-original-.+|x-proxyuser-ip|via|cf-.+"
    r"|true-client-ip|fastly-client-ip|fly-client-ip|x-appengine-.+|x-azure-.+|x-amzn?-.+|x-envoy-.+|x-arr-.+|proxy-.+"
    r"|tailscale-.+|cdn-loop|client-ip|wl-proxy-client-ip",
    re.IGNORECASE,
)


def answering(
    work: Work, *guards: Callable[[web.Request], None], run: Callable[[Callable[[], Any]], Future[Any]] = run_in_thread
) -> Handler:
    """Return a handler that answers with the JSON of what `work` makes of the object that was posted, {} for a GET.

    It works on a thread: a file may lie on a slow disk, and a lock be held, while the server has pages to serve. What
    is not as it should be is told in words of ours. `guards` refuse whom it is not for; pages of other origins get no
    answer at all, also where ComfyUI is told to let them read (`--enable-cors-header`).
    """

    async def answer(request: web.Request) -> web.Response:
        try:
            for guard in (_refuse_other_origins, *guards):
                guard(request)
            asked = await posted(request) if request.method == "POST" else {}
            return web.json_response(await asyncio.wrap_future(run(partial(work, asked))))
        except web.HTTPException as exc:
            return refusal(exc.status, exc.text or "")
        except OpenAIImageError as exc:
            return refusal(400, str(exc))
        except (*NOT_AS_EXPECTED, web.RequestPayloadError):
            return refusal(400, "The request is not as expected.")  # what it holds may be a key: it is not repeated
        except OSError as exc:
            return refusal(500, f"The state folder cannot be written to: {exc.strerror}. Check its disk and rights.")

    return answer


async def posted(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of a request.

    Raises: HTTPUnsupportedMediaType, HTTPRequestEntityTooLarge, ValueError for what is no JSON object, or a deep one.
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="The request must be JSON.")
    body = b""
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise web.HTTPRequestEntityTooLarge(
                MAX_BODY_BYTES, len(body), text=f"The request has more than {MAX_BODY_BYTES:,} bytes."
            )
    return read_object(body, max_depth=MAX_DEPTH)


def refuse_other_pages(request: web.Request) -> None:
    """Let only a page of this very server in, to what shows prompts, costs money or stores something.

    A foreign name that was made to point at this machine, for a browser on it, is no page of ours, though it says so:
    there only an address, localhost and the machine's own name are.

    Raises: HTTPForbidden.
    """
    _refuse_other_origins(request)
    nameless_get = request.method == "GET" and "Origin" not in request.headers  # as a GET of our own page is
    if not (nameless_get or _names_this_server(request)):
        raise web.HTTPForbidden(text=OTHER_PAGE)
    name = urlsplit(f"//{request.host}").hostname or ""
    if _is_from_here(request) and not (_remote_allowed() or _is_own_name(name)):
        raise web.HTTPForbidden(
            text="This can only be done at an IP address, localhost or this machine's own name."
            f" To allow it at other names, start ComfyUI with {REMOTE_VARIABLE}=1."
        )


def _refuse_other_origins(request: web.Request) -> None:
    """Let a page of this server in, also behind a proxy that gives the server another name, and what is no browser.

    Raises: HTTPForbidden.
    """
    site = request.headers.get("Sec-Fetch-Site")  # which no page can set
    is_unsaid = site is None and ("Origin" not in request.headers or _names_this_server(request))
    if not (is_unsaid or site in OWN_SITES):
        raise web.HTTPForbidden(text=OTHER_PAGE)


def _names_this_server(request: web.Request) -> bool:
    host = urlsplit(f"//{request.host}").netloc
    return urlsplit(request.headers.get("Origin", "")).netloc == host != ""


def refuse_other_machines(request: web.Request) -> None:
    """Let only a page of this very server in, and only where page and person are on this machine.

    What a proxy on this machine passes on comes from this machine as well: its headers tell.

    Raises: HTTPForbidden.
    """
    refuse_other_pages(request)
    if _remote_allowed():
        return
    here = _is_loopback(request.remote or "") and _is_loopback(urlsplit(f"//{request.host}").hostname or "")
    if not here or any(PROXY_HEADERS.fullmatch(name) for name in request.headers):
        raise web.HTTPForbidden(
            text="A key can only be stored on the machine that ComfyUI runs on, at http://127.0.0.1 or localhost."
            f" To allow it from elsewhere, start ComfyUI with {REMOTE_VARIABLE}=1."
        )


def refusal(status: int, message: str) -> web.Response:
    """Return an answer that says what is wrong."""
    return web.json_response({"error": message}, status=status)


def _is_from_here(request: web.Request) -> bool:
    """Tell a browser on this machine, whichever of the machine's addresses it asked."""
    asked = request.transport.get_extra_info("sockname") if request.transport else None
    return _is_loopback(request.remote or "") or (asked is not None and asked[0] == request.remote)


def _remote_allowed() -> bool:
    return os.environ.get(REMOTE_VARIABLE) == "1"


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _is_own_name(host: str) -> bool:
    """Tell a name that no stranger's domain has: an address, localhost, or what this machine calls itself."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower() in _own_names()
    return True


@cache
def _own_names() -> set[str]:
    name = socket.gethostname().lower()
    return {"localhost", name, f"{name.partition('.')[0]}.local"}
