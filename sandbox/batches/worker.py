"""Takes a batch through its life: its lines checked, answered by a few threads as their endpoint would, and its files
written in the form of docs/batch-api.md, "Results".
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import secrets
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal

from ...api.catalog import pricing
from ...api.errors import RefusedError
from .. import errors
from ..billing import Billing
from ..rendering.painter import Render
from ..rendering.responses import json_response
from ..requests.json_body import parse_object
from ..requests.validation import validate
from ..state import Clock
from .batch import Batch, ResultLine, Scenario, batch_error
from .file_store import FileStore
from .input_file import InputIndex, InputLine, index_lines

LOG = logging.getLogger(__name__)
AHEAD = 4  # lines in memory: two being drawn, two waiting
POLL_S = 0.02
NOT_WORKED = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request could not be executed because the batch was cancelled."),
}
End = Literal["cancelled", "expired", "stopped"]


@dataclass(frozen=True)
class BatchContext:
    """What batches are worked with."""

    render: Render
    files: FileStore
    billing: Billing
    clock: Clock
    scenario: Callable[[], Scenario]


def work(batch: Batch, context: BatchContext, pool: ThreadPoolExecutor) -> None:
    """Work a batch to its end; break off where `batch.interrupted` is set: it was cancelled, or the sandbox stops."""
    stored = context.files.find(batch.request.input_file_id)
    if stored is None:
        gone = errors.refused("The input file is no longer there.", param="input_file_id", code="file_not_found")
        batch.reject([batch_error(gone)])
        return
    with stored.path.open("rb") as file:
        index = index_lines(file, batch.request.endpoint)
        message = batch.scenario.validation_error(index.lines)
        if message is not None:
            index.refuse(errors.refused(message, code="invalid_request"))
        if index.errors:
            batch.reject(index.errors)
            return
        batch.begin(index.model, len(index.lines))
        with contextlib.closing(ResultFiles(context.files, batch)) as results:
            _Worker(batch, context, pool, results).work(file, index)


class ResultFiles:
    """The output and the error file while they are written, each made with its first line."""

    def __init__(self, files: FileStore, batch: Batch) -> None:
        self._files = files
        self._batch = batch
        self._open: dict[str, tuple[Path, BinaryIO]] = {}

    def write(self, result: ResultLine) -> None:
        """Add a line, to the output if it was answered, else to the errors, and count it."""
        kind = "error" if result.tokens is None else "output"
        if kind not in self._open:
            path = self._files.scratch()
            self._open[kind] = (path, path.open("wb"))
        self._open[kind][1].write(result.text + b"\n")
        self._batch.count(result.tokens)

    def keep(self) -> tuple[str | None, str | None]:
        """Return the ids of the output and the error file, which the store has from now on; None for one unmade."""
        return self._kept("output"), self._kept("error")

    def close(self) -> None:
        """Drop what was not kept."""
        for path, file in self._open.values():
            file.close()
            path.unlink(missing_ok=True)

    def _kept(self, kind: str) -> str | None:
        if kind not in self._open:
            return None
        path, file = self._open.pop(kind)
        file.close()
        name, life_s = f"{self._batch.id}_{kind}.jsonl", self._batch.request.output_life_s
        return self._files.add(path, filename=name, purpose="batch_output", life_s=life_s).id


class _Worker:
    """The lines of one batch on their way, in an order of their own that is the same each time."""

    def __init__(self, batch: Batch, context: BatchContext, pool: ThreadPoolExecutor, results: ResultFiles) -> None:
        self._batch, self._context, self._pool, self._results = batch, context, pool, results
        self._left: deque[InputLine] = deque()
        self._ahead: deque[tuple[InputLine, Future[ResultLine | None]]] = deque()
        self._begun = 0

    def work(self, file: BinaryIO, index: InputIndex) -> None:
        """Work the lines of a file and finish the batch."""
        self._left.extend(index.lines[name] for name in shuffled(index.lines, "order"))
        end = self._work_until_end(file)
        while self._ahead:
            self._settle()
        if end == "stopped":
            return
        for line in self._left:
            self._results.write(not_worked(line.custom_id, end or "expired"))
        ended_early = end if self._left else None
        if ended_early is None:
            self._batch.finalize()
        self._batch.finish(ended_early or "completed", self._results.keep())

    def _work_until_end(self, file: BinaryIO) -> End | None:
        """Return what ended the work, None if all lines are done."""
        while self._left or self._ahead:
            if self._batch.interrupted.is_set():
                return "cancelled" if self._batch.status == "cancelling" else "stopped"
            has_place = self._left and len(self._ahead) < AHEAD
            step = self._batch.scenario.next_step(self._begun) if has_place else "wait"
            if self._batch.is_late() or (step == "expire" and not self._ahead):
                return "expired"
            if step == "go on":
                self._begin(file)
            elif self._ahead:
                self._settle()
            else:
                self._batch.interrupted.wait(POLL_S)
        return None

    def _begin(self, file: BinaryIO) -> None:
        line = self._left.popleft()
        file.seek(line.offset)
        raw = file.read(line.length)
        self._ahead.append((line, self._pool.submit(self._worked, line, raw)))
        self._begun += 1

    def _worked(self, line: InputLine, raw: bytes) -> ResultLine | None:
        """Answer a line, on a thread of the pool; None if it was not begun because all is to stop."""
        if self._batch.interrupted.is_set():
            return None
        work = partial(answered, raw, self._batch, self._context)
        return self._batch.scenario.line(line.custom_id, work)

    def _settle(self) -> None:
        line, future = self._ahead.popleft()
        result = future.result()
        if result is None:
            self._left.append(line)
        else:
            self._results.write(result)


def shuffled(names: Collection[str], salt: str) -> list[str]:
    """Return the names in an order that looks like chance and is always the same."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{salt} {name}".encode("utf-8", "surrogatepass")).digest())


def answered(raw: bytes, batch: Batch, context: BatchContext) -> ResultLine:
    """Draw what a line asks for and bill it; what the endpoint refuses is a failed line."""
    sent = json.loads(raw)
    custom_id, endpoint = sent["custom_id"], batch.request.endpoint
    operation = endpoint.rsplit("/", 1)[1]
    try:
        request = validate(operation, parse_object(operation, sent["body"], context.files.picture))
        body = json_response(request, context.render)
    except RefusedError as exc:
        return failed(custom_id, exc)
    except Exception:
        LOG.exception("the sandbox failed")
        return failed(custom_id, errors.server_error())
    prices = pricing.batch_usd_per_m(request.spec)
    billed = context.billing.bill(endpoint, request, prices, batch_id=batch.id, custom_id=custom_id)
    return ResultLine(_responded(custom_id, 200, body), billed.usage)


def failed(custom_id: str, error: RefusedError) -> ResultLine:
    """Return the line of a request that the endpoint refused."""
    return ResultLine(_responded(custom_id, errors.status_of(error), json.dumps(errors.on_the_wire(error)).encode()))


def not_worked(custom_id: str, why: Literal["expired", "cancelled"]) -> ResultLine:
    """Return a line that nobody came to (docs/batch-api.md, "Results")."""
    code, message = NOT_WORKED[why]
    error = {"code": code, "message": message}
    return ResultLine(json.dumps({"id": _new_id(), "custom_id": custom_id, "response": None, "error": error}).encode())


def _responded(custom_id: str, status: int, body: bytes) -> bytes:
    """Return a line around a body that is JSON already: pictures are large, and parsed only once by nobody."""
    head = json.dumps({"id": _new_id(), "custom_id": custom_id})[:-1]
    response = f'"response": {{"status_code": {status}, "request_id": "req_{secrets.token_hex(16)}", "body": '
    return b"".join([f"{head}, {response}".encode(), body, b'}, "error": null}'])


def _new_id() -> str:
    return f"batch_req_{secrets.token_hex(16)}"
