"""The sandbox as a server: a thread of its own with a loop of its own, on a loopback port."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from typing_extensions import Self

from .batches.batch import Scenario
from .batches.file_store import FileStore
from .batches.manager import Batches
from .batches.worker import BatchContext
from .billing import Billing
from .rendering.drifts import KINDS, Kind, drifting
from .rendering.painter import Render, render
from .state import Clock

if TYPE_CHECKING:
    from aiohttp.typedefs import Middleware

HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0
PATIENCE_WITH_OPEN_REQUESTS_S = 0.2
LOG = logging.getLogger(__name__)


class Sandbox:
    """A stand-in for the images service. Use it as a context manager, or `start` and `stop` it.

    What it is to do otherwise is passed in: `middlewares` are aiohttp's, the first one outermost, and see every request
    and answer; `render` draws picture `index` of a request; a `scenario` is made for each batch and lets it go wrong;
    files, batches and what is remembered end by the `clock`. Port 0 takes a free one. `billing` has what was worked
    and its price, `files` the uploads, `batches` the batches; the last two end with `stop`.
    """

    def __init__(
        self,
        *,
        middlewares: Sequence[Middleware] = (),
        render: Render = render,
        scenario: Callable[[], Scenario] = Scenario,
        clock: Clock = time.time,
        port: int = 0,
    ) -> None:
        self.billing, self.files = Billing(), FileStore(clock)
        self._context = BatchContext(render, self.files, self.billing, clock, scenario)
        self.batches = Batches(self._context)
        self._middlewares = middlewares
        self._port = port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def base_url(self) -> str:
        """The address without a path, such as "http://127.0.0.1:40123"; known once started."""
        return f"http://{HOST}:{self._port}"

    @property
    def is_running(self) -> bool:
        """Whether it answers requests."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> Self:
        """Begin to listen; return when it does. Starting twice does nothing. Raises: OSError if the port is taken."""
        if self.is_running:
            return self
        listening: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, args=(listening,), name="openai-image-sandbox", daemon=True)
        self._thread.start()
        self._port = listening.result(START_TIMEOUT_S)
        return self

    def stop(self) -> None:
        """Stop listening, break what is still open and end the thread. Stopping twice does nothing."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(STOP_TIMEOUT_S)
        self._thread = self._loop = self._stopping = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _run(self, listening: Future[int]) -> None:
        try:
            asyncio.run(self._serve(listening))
        except BaseException as exc:
            if listening.done():
                raise
            listening.set_exception(exc)

    async def _serve(self, listening: Future[int]) -> None:
        from aiohttp import web

        from .app import SandboxApp

        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        app = SandboxApp(self._context, self.batches).application(self._middlewares)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=PATIENCE_WITH_OPEN_REQUESTS_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self._port).start()
            listening.set_result(int(runner.addresses[0][1]))
            await self._stopping.wait()
        finally:
            await runner.cleanup()
            self.batches.close()
            self.files.close()


_lock = threading.Lock()
_shared: list[Sandbox] = []


def running(edits: str = "") -> Sandbox:
    """Return the sandbox of this process, started on first use; edits: how they come back (`drifts.KINDS`)."""
    with _lock:
        if not _shared or not _shared[0].is_running:
            _shared[:] = [Sandbox(render=drifting(_kind(edits))).start()]
        return _shared[0]


def end_running() -> None:
    """Stop the sandbox of this process, if there is one: nothing can be drawn any more once Python ends."""
    with _lock:
        while _shared:
            _shared.pop().stop()


def _kind(told: str) -> Kind | None:
    """Return a kind by its name; one that is none is told in the log and not used."""
    kind = next((kind for kind in KINDS if kind == told.strip()), None)
    if told.strip() and kind is None:
        LOG.warning("The sandbox knows no edits that are %r, but %s: edits stay exact.", told, ", ".join(KINDS))
    return kind
