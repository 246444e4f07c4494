"""Answers one line of a batch as its endpoint would, in the form of the result files (docs/batch-api.md, "Results")."""

from __future__ import annotations

import json
import logging
import secrets
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from ...api.catalog import pricing as prices
from ...api.errors import RefusedError
from .. import errors as refusals
from .. import usage
from ..billing import Entry, Ledger
from ..rendering.painting import Painter
from ..rendering.responses import json_answer
from ..requests.json_body import form_of
from ..requests.validation import order_of
from .batch import Batch
from .clock import Clock
from .file_store import Files
from .references import picture_of
from .scenarios import Failure

LOG = logging.getLogger(__name__)
SERVER_ERROR = refusals.shape("The server had an error while processing your request.", "server_error", None, None)
REJECTED = "Your request was rejected by the safety system."
UNWORKED = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request could not be executed because the batch was cancelled."),
}


@dataclass(frozen=True)
class Shop:
    """What batches are worked with."""

    painter: Painter
    files: Files
    ledger: Ledger
    clock: Clock


@dataclass(frozen=True)
class Done:
    """A line of the output file, or, without `tokens`, of the error file."""

    text: bytes
    tokens: dict[str, Any] | None = None


def answer(raw: bytes, batch: Batch, shop: Shop) -> Done:
    """Draw what a line asks for and bill it; what the endpoint refuses is a failed line."""
    sent = json.loads(raw)
    custom_id, endpoint = sent["custom_id"], batch.wish.endpoint
    operation = endpoint.rsplit("/", 1)[1]
    try:
        order = order_of(operation, form_of(operation, sent["body"], partial(picture_of, shop.files)), shop.painter)
        body = json_answer(order, shop.painter, None)
    except RefusedError as exc:
        return _failed(custom_id, refusals.status_of(exc), refusals.on_the_wire(exc))
    except Exception:
        LOG.exception("the sandbox failed")
        return _failed(custom_id, 500, SERVER_ERROR)
    tokens, usd = usage.usage_of(order), usage.usd_of(order, prices.batch_usd_per_m(order.spec))
    shop.ledger.add(Entry(endpoint, str(order.fields["model"]), tokens, usd, batch.id, custom_id))
    return Done(_responded(custom_id, 200, body), tokens)


def failed_on_purpose(custom_id: str, failure: Failure) -> Done:
    """Return a line that failed because a plan said so."""
    if failure == "server_error":
        return _failed(custom_id, 500, SERVER_ERROR)
    refusal = refusals.refused(REJECTED, param=None, code="moderation_blocked")
    return _failed(custom_id, 400, refusals.on_the_wire(refusal))


def unworked(custom_id: str, why: Literal["expired", "cancelled"]) -> Done:
    """Return a line that nobody came to (docs/batch-api.md, "Results")."""
    code, message = UNWORKED[why]
    error = {"code": code, "message": message}
    return Done(json.dumps({"id": _new_id(), "custom_id": custom_id, "response": None, "error": error}).encode())


def _failed(custom_id: str, status: int, error: dict[str, Any]) -> Done:
    return Done(_responded(custom_id, status, json.dumps(error).encode()))


def _responded(custom_id: str, status: int, body: bytes) -> bytes:
    """Return a line around a body that is JSON already: pictures are large, and parsed only once by nobody."""
    head = json.dumps({"id": _new_id(), "custom_id": custom_id})[:-1]
    response = f'"response": {{"status_code": {status}, "request_id": "req_{secrets.token_hex(16)}", "body": '
    return b"".join([f"{head}, {response}".encode(), body, b'}, "error": null}'])


def _new_id() -> str:
    return f"batch_req_{secrets.token_hex(16)}"
