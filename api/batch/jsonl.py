"""The lines of a batch's files: which jobs go into one, each as a request, and each result as an answer or an error.

Source of the forms: the service's batch guide, and `EditImageBodyJsonParam` of its OpenAPI description.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..catalog import catalog
from ..catalog.schemas import OpenAIImageGenerationResponse, Operation
from ..connections.connection import Connection
from ..errors import OpenAIImageError, ServiceDownError
from ..transport.answer import response_from_document
from ..transport.base64_json import extract_base64
from ..transport.error_mapping import Asked, error_from_response
from ..transport.loose_json import documents, strictly
from .plan import JobPlan, PlannedFile, PlannedJob, total_usd

INLINE_MAX_BYTES = 65_536  # larger pictures go out once each, as files; smaller ones cost less as text than a request
MAX_FILE_BYTES = catalog.BATCH_MAX_FILE_BYTES - 10_000_000  # the lines' lengths are estimated
REFERENCE_BYTES = 64  # {"file_id":"file-..."}
CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*"([0-9a-f]{64})"')
IDENTITY = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")  # gateways write something before it, or in capitals
WORD_MAX_CHARS = 200
UNFINISHED_CODES = ("batch_expired", "batch_cancelled")


@dataclass
class BatchPart:
    """The jobs of one batch to be: one model, one endpoint, within the service's limits.

    size: bytes of its lines; low_usd, high_usd: in USD, None where a price is not known; uploads: the bytes of each
    picture that goes out once as a file, by its SHA-256; planned_at: when the first of them was planned, in seconds
    since 1970; jobs: none where only the sums were asked for; batch: ours, where one was left half-way.
    """

    connection: str
    model: str
    operation: Operation
    jobs: list[PlannedJob] = field(default_factory=list, repr=False)
    count: int = 0
    size: int = 0
    low_usd: float | None = 0.0
    high_usd: float | None = 0.0
    uploads: dict[str, int] = field(default_factory=dict, repr=False)
    planned_at: float = math.inf
    batch: str = ""

    def has_room(self, size: int) -> bool:
        """Tell whether a line of so many bytes may be added."""
        return self.count < catalog.BATCH_MAX_REQUESTS and self.size + size <= MAX_FILE_BYTES

    def add(self, job: PlannedJob, size: int) -> None:
        """Count a job whose line has so many bytes."""
        self.count += 1
        self.size += size
        self.planned_at = min(self.planned_at, job.planned_at)
        self.low_usd, self.high_usd = total_usd([self, job], "low_usd"), total_usd([self, job], "high_usd")
        self.uploads.update((file.sha256, file.size) for file in job.files if not is_inline(file))


@dataclass(frozen=True)
class LineResult:
    """One line that came back: an answer (`raw` holds its bytes), an error, or neither: it was never worked on."""

    identity: str
    response: OpenAIImageGenerationResponse | None = None
    raw: bytes = field(default=b"", repr=False)
    request_id: str | None = None
    error: OpenAIImageError | None = None


def parts_of(jobs: Iterable[PlannedJob], *, sums_only: bool = False) -> list[BatchPart]:
    """Return the batches that jobs make, in the order of the jobs; `sums_only` keeps no job: there may be very many."""
    groups: dict[tuple[str, str, Operation], list[BatchPart]] = {}
    for one in jobs:
        key, size = (one.connection, one.model, one.operation), line_bytes(one)
        group = groups.setdefault(key, [])
        if not group or not group[-1].has_room(size):
            group.append(BatchPart(*key))
        group[-1].add(one, size)
        if not sums_only:
            group[-1].jobs.append(one)
    return [part for group in groups.values() for part in group]


def endpoint_of(operation: str) -> str:
    """Return the address that the lines of a batch name, such as "/v1/images/edits"."""
    return f"/v1/images/{operation}"


def is_inline(file: PlannedFile) -> bool:
    """Tell whether a picture stands in the line itself."""
    return file.size <= INLINE_MAX_BYTES


def line_bytes(planned: PlannedJob) -> int:
    """Return about how many bytes the line of a job will have, never less than it will."""
    files = sum(
        math.ceil(file.size / 3) * 4 + REFERENCE_BYTES if is_inline(file) else REFERENCE_BYTES for file in planned.files
    )
    return len(_as_json(_line(planned, []))) + files + REFERENCE_BYTES


def request_line(
    planned: PlannedJob, plan: JobPlan, file_ids: Mapping[str, str], *, connection: Connection | None = None
) -> bytes:
    """Return the line of a job; `file_ids` has the service's id for each content that is not inline, by its SHA-256.

    What a connection leaves out of its requests stands in none of its lines either.
    Raises: OSError if a picture is gone, KeyError if one was not uploaded.
    """
    references = []
    for file in planned.files:
        if is_inline(file):
            data = base64.b64encode(plan.picture(file)).decode()
            references.append({"image_url": f"data:image/png;base64,{data}"})
        else:
            references.append({"file_id": file_ids[file.sha256]})
    line = _line(planned, references)
    if connection is not None:
        line["body"] = connection.wire_fields(line["body"])
    return _as_json(line) + b"\n"


def identity_of(broken: bytes) -> str | None:
    """Return the job that a line which cannot be read seems to be for, or None."""
    found = CUSTOM_ID.search(broken)
    return found[1].decode() if found else None


def lines_in(line: bytes) -> list[bytes]:
    """Return the lines in one that is none itself: of a list, or of several without a break between them."""
    told = list(documents(line.decode("utf-8", errors="replace"))) if CUSTOM_ID.search(line) else []
    told = told[0] if len(told) == 1 and isinstance(told[0], list) else told if len(told) > 1 else []
    return [_as_json(each) for each in told if isinstance(each, dict) and "custom_id" in each]


def result_of(line: bytes, connection: Connection, model: str = "") -> LineResult | None:
    """Return what a line of an output or error file says, or None for one that cannot be read or names no job.

    Whatever stands in it, nothing is raised. Its pictures' base64 is not copied.
    """
    clean = connection.without_secrets(line)
    try:
        outline, long_texts = extract_base64(clean)
        told = strictly(outline)
        return _result(told, clean, long_texts, connection, model) if isinstance(told, dict) else None
    except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return None


def _result(
    told: dict[str, Any], line: bytes, long_texts: Mapping[str, memoryview], connection: Connection, model: str
) -> LineResult | None:
    named, answered, error = told.get("custom_id"), told.get("response", told.get("result")), told.get("error")
    found = IDENTITY.search(named.lower()) if isinstance(named, str) else None
    identity = found[0] if found else named if isinstance(named, str) else identity_of(line)
    if identity is None:
        return None
    answered = answered if isinstance(answered, dict) else {}
    code = _word(answered, "status_code") or ""
    status = int(code) if re.fullmatch(r"[1-5][0-9]{2}", code) else None  # of "OK" or 1e999
    body, request_id = answered.get("body", answered), _word(answered, "request_id")
    if status is None or 200 <= status < 300:
        response = response_from_document(body, long_texts)
        if status or response.data:  # a picture that came counts, whatever stands beside it
            return LineResult(identity, response if response.data else None, line, request_id)
    if not status and isinstance(error, dict) and error.get("code") in UNFINISHED_CODES:
        return LineResult(identity)
    told_apart = {"error": {"message": error} if isinstance(error, str) else error}  # beside what came, or alone
    said = told_apart if error and not (status and answered.get("body")) else body
    if not status and not error:
        return None
    headers = {"x-request-id": request_id} if request_id else {}
    words, asked = json.dumps(said).encode(), Asked(final=True)
    failure = error_from_response(
        connection, status or 500, headers, words, subject=model or identity[:12], asked=asked
    )
    return LineResult(identity, request_id=request_id, error=failure)


def _word(answered: Mapping[str, Any], name: str) -> str | None:
    value = answered.get(name)
    is_said = isinstance(value, (str, int)) and not isinstance(value, bool)
    return str(value)[:WORD_MAX_CHARS] if is_said and value != "" else None


def is_final(error: OpenAIImageError) -> bool:
    """Tell whether the same request would be refused again."""
    return not isinstance(error, ServiceDownError) and error.status is not None and error.status < 429


def _line(planned: PlannedJob, references: list[dict[str, str]]) -> dict[str, Any]:
    body = dict(planned.fields)
    images = [ref for file, ref in zip(planned.files, references, strict=False) if file.name.startswith("image")]
    masks = [ref for file, ref in zip(planned.files, references, strict=False) if file.name == "mask"]
    if planned.operation == "edits":
        body["images"] = images
    if masks:
        body["mask"] = masks[0]
    return {"custom_id": planned.identity, "method": "POST", "url": endpoint_of(planned.operation), "body": body}


def _as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
