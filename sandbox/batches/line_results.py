"""Answers one line of a batch as its endpoint would, in the form of the result files (docs/batch-api.md, "Results")."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ...api.catalog import pricing
from ...api.errors import RefusedError
from .. import errors
from ..billing import Billing
from ..rendering.painter import Render
from ..rendering.responses import json_response
from ..requests.json_body import parse_object
from ..requests.validation import validate
from ..state import Clock
from .batch import Batch
from .file_store import FileStore
from .scenarios import Scenario

LOG = logging.getLogger(__name__)
NOT_WORKED = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request could not be executed because the batch was cancelled."),
}


@dataclass(frozen=True)
class BatchContext:
    """What batches are worked with."""

    render: Render
    files: FileStore
    billing: Billing
    clock: Clock
    scenario: Callable[[], Scenario]


@dataclass(frozen=True)
class ResultLine:
    """A line of the output file, or, without `tokens`, of the error file."""

    text: bytes
    tokens: dict[str, Any] | None = None


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
