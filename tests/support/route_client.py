"""Our routes asked as a browser does, from any address."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from openai_image_nodes.nodes.web import routes

LAN_ADDRESS = "192.168.1.7"
STRANGE = {
    "another page": {"Origin": "https://evil.invalid"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "no page": {"Origin": ""},
    "a sandboxed page": {"Origin": "null"},
    "a foreign name for this machine": {"Origin": "http://evil.invalid", "Host": "evil.invalid"},
}


class Told(NamedTuple):
    """An answer."""

    status: int
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


def ask(
    method: str, path: str, *, remote: str | None = None, headers: Mapping[str, str] | None = None, **body: Any
) -> Told:
    """Ask a server with our routes, as somebody at the address `remote`; a POST comes from the server's own page."""

    @web.middleware
    async def seen_from(request: web.Request, handler: Any) -> web.StreamResponse:
        return await handler(request.clone(remote=remote) if remote else request)

    async def exchange() -> Told:
        table = web.RouteTableDef()
        routes.register(table)
        application = web.Application(middlewares=[seen_from])
        application.add_routes(table)
        async with TestClient(TestServer(application)) as client:
            own = {"Origin": str(client.make_url("")).rstrip("/"), "Content-Type": "application/json"}
            told = {name: value for name, value in {**own, **(headers or {})}.items() if value}
            data = json.dumps(body) if method == "POST" else None
            answer = await client.request(method, f"/openai_image_nodes/{path}", data=data, headers=told)
            return Told(answer.status, await answer.text())

    return asyncio.run(exchange())
