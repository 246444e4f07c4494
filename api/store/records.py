"""What is written down of a job, and a job's answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ..catalog.schemas import SvgUsage, Usage
from ..errors import RUN_ANYWAY, BadAnswerError

RECORD = "record.json"
TEXT_MAX_CHARS = 100_000  # of one text in a record
ITEMS_MAX = 1000
TOLD_BY_SERVICE = ("request_id", "headers", "answer_fields", "revised_prompts", "faults", "fault")
PICTURE_SIGNATURES = {
    b"\x89PNG": "png",
    b"\xff\xd8\xff": "jpg",
    b"RIFF": "webp",
    b"GIF8": "gif",
    b"<svg": "svg",
    b"<?xml": "svg",
    b"http": "url",
}


class JobRecord(BaseModel):
    """What is written down of a job. Times in seconds since 1970, UTC; `fields` are the service's own, prompt included.

    `state` is prepared (not sent), sent (on its way, or the process died), unknown (sent and no answer came, and no
    key to ask for it again), batched (part of the batch that `batch` names) or answered. `picture_digests` are the
    SHA-256 of the files that `pictures` names, `account` tells who paid (see connections/connection.py); records from
    before these were written down have none.
    """

    identity: str
    state: str = "prepared"
    service: str
    connection: str
    operation: str
    model: str
    fields: dict[str, Any] = {}
    seed: int = 0
    input_digests: list[str] = []
    idempotency_key: str | None = None
    batch: str | None = None
    prepared_at: float = 0.0
    sent_at: float | None = None
    answered_at: float | None = None
    elapsed_s: float | None = None
    request_id: str | None = None
    headers: dict[str, str] = {}
    usage: Usage | None = None
    svg_usage: SvgUsage | None = None
    answer_fields: dict[str, str] = {}
    revised_prompts: list[str] = []
    cost_usd: float | None = None
    credits: float | None = None
    pictures: list[str] = []
    faults: dict[int, str] = {}
    fault: str | None = None
    picture_digests: list[str] = []
    account: str | None = None

    @property
    def fingerprint(self) -> str:
        """Tell one answer from every other, also from those of the same job; 32 digits."""
        what = [self.identity, self.sent_at, self.answered_at, self.request_id]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]


@dataclass
class StoredAnswer:
    """A finished job: its record and the encoded pictures, `folder` None where it could not be kept."""

    record: JobRecord
    pictures: list[bytes] = field(repr=False)
    folder: Path | None = None
    reused: bool = False
    notes: list[str] = field(default_factory=list)
    delivered: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it has its pictures, and not what they could not be made of, or their addresses."""
        return not self.record.fault and not any(suffix_of(data) == "url" for data in self.pictures)


def record_bytes(record: JobRecord) -> bytes:
    """Return a record as it is written down: what the service said is shortened to what is read again."""
    told = record.model_dump(exclude_none=True)
    for name in TOLD_BY_SERVICE:
        if name in told:
            told[name] = _shortened(told[name])
    return json.dumps(told, indent=1, ensure_ascii=False).encode(errors="replace")


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value[:TEXT_MAX_CHARS]
    if isinstance(value, dict):
        return {key: _shortened(one) for key, one in list(value.items())[:ITEMS_MAX]}
    return [_shortened(one) for one in value[:ITEMS_MAX]]


def unreadable(record: JobRecord, folder: Path | None) -> BadAnswerError:
    """Return the error for an answer without pictures: where its bytes are, and how to ask again."""
    place = f"It is kept in {folder}." if folder else "It could not be kept."
    return BadAnswerError(
        f"{record.connection}: the service answered, but not with a picture that can be read ({record.fault})."
        f" {place} It may have been billed. {RUN_ANYWAY}",
        status=200,
        request_id=record.request_id,
    )


def suffix_of(data: bytes) -> str:
    """Return the file suffix of encoded data by its first bytes; `bin` for what is no picture."""
    return next((suffix for start, suffix in PICTURE_SIGNATURES.items() if data.startswith(start)), "bin")


def picture_digests(pictures: Sequence[bytes]) -> list[str]:
    """Return the SHA-256 of an answer's files, as its record has them."""
    return [hashlib.sha256(data).hexdigest() for data in pictures]


def exchanged(record: JobRecord, pictures: Sequence[bytes]) -> list[str]:
    """Return the names of the files that are not those which the record was written with."""
    told = zip(record.pictures, record.picture_digests, picture_digests(pictures), strict=False)
    return [name for name, written, found in told if written != found] if record.picture_digests else []


def picture_names(pictures: Sequence[bytes]) -> list[str]:
    """Return the names of an answer's files in its folder."""
    return [f"picture_{index}.{suffix_of(data)}" for index, data in enumerate(pictures)]
