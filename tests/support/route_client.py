"""Our routes asked as a browser does, from any address."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from openai_image_nodes.nodes.web import register

LAN_ADDRESS = "192.168.1.7"
STRANGE = {
    "another page": {"Origin": "https://evil.invalid"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "no page": {"Origin": ""},
    "a sandboxed page": {"Origin": "null"},
    "a page that says so itself": {"Sec-Fetch-Site": "cross-site"},
    "a page of another port": {"Sec-Fetch-Site": "same-site"},
    "a foreign name for this machine": {"Origin": "http://evil.invalid", "Host": "evil.invalid"},
    "a foreign name of this machine": {"Origin": "http://127.0.0.1.evil.invalid", "Host": "127.0.0.1.evil.invalid"},
    "a foreign local name": {"Origin": "http://localhost.evil.invalid:8188", "Host": "localhost.evil.invalid:8188"},
}


class Told(NamedTuple):
    """An answer."""

    status: int
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


def ask(
    method: str,
    path: str,
    *middlewares: Any,
    remote: str | None = None,
    headers: Mapping[str, str] | None = None,
    data: bytes | None = None,
    **body: Any,
) -> Told:
    """Ask a server with our routes, as somebody at the address `remote`; a POST comes from the server's own page.

    It has the JSON of `body`, or `data` as it is.
    """

    @web.middleware
    async def seen_from(request: web.Request, handler: Any) -> web.StreamResponse:
        return await handler(request.clone(remote=remote) if remote else request)

    async def exchange() -> Told:
        table = web.RouteTableDef()
        register(table)
        application = web.Application(middlewares=[*middlewares, seen_from])
        application.add_routes(table)
        async with TestClient(TestServer(application)) as client:
            own = {"Origin": str(client.make_url("")).rstrip("/"), "Content-Type": "application/json"}
            told = {name: value for name, value in {**own, **(headers or {})}.items() if value}
            sent = io.BytesIO(data or json.dumps(body).encode()) if method == "POST" else None
            answer = await client.request(method, f"/openai_image_nodes/{path}", data=sent, headers=told)
            return Told(answer.status, await answer.text())

    return asyncio.run(exchange())
