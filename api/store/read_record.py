"""Records as they are read: where others write too, a record is a stranger's text until it was looked at.

An identity, or the name of a picture, becomes part of a path; a number is calculated with; a text is printed.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import re
import stat
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from ..backends.atomic_files import read_regular
from ..connections.connection import ACCOUNT_DIGITS
from .records import ITEMS_MAX, PICTURE_SIGNATURES, RECORD, TEXT_MAX_CHARS, JobRecord, exchanged

LOG = logging.getLogger(__name__)
RECORD_MAX_BYTES = 8 << 20
PICTURE_MAX_BYTES = 1 << 30
LAST_SECOND = 253_402_300_799.0  # of the year 9999: later ones are no dates
NAME = re.compile(r"([0-9a-f]{64})(?:\.([2-9]|[1-9][0-9]{1,8}))?")
JOB_NAME = re.compile(r"([0-9a-f]{64})(?:\.[a-z]{1,16}-[0-9a-f]{1,64})*")
ACCOUNT = re.compile(rf"[0-9a-f]{{{ACCOUNT_DIGITS}}}")
SUFFIXES = "|".join(sorted({*PICTURE_SIGNATURES.values(), "bin"}))
FIELD_TEXTS = ("model", "prompt", "size", "quality", "background", "output_format")


class UnfitRecord(OSError):
    """A record that is no record of ours, with what is wrong with it in words that repeat nothing of it."""

    def __init__(self, place: object, words: str) -> None:
        super().__init__(errno.EINVAL, words, str(place))


class TornRecord(UnfitRecord):
    """A record that is no JSON: the machine went down before the disk had it."""


def _or_unknown(value: float | None) -> float | None:
    """Return an amount or None: a picture is not withheld for an odd number beside it."""
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def _date_or_none(value: float | None) -> float | None:
    return value if value is not None and 0 <= value <= LAST_SECOND else None


def _account_or_nobodys(value: object) -> str | None:
    """Return an account, or "" for what is none: it is no reason to withhold a picture, nor to give it to anybody."""
    if value is None:
        return None
    return value if isinstance(value, str) and ACCOUNT.fullmatch(value) else ""


def _unique(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise ValueError("twice")
    return values


def _askable(fields: dict[str, Any]) -> dict[str, Any]:
    n = fields.get("n", 1)
    if isinstance(n, bool) or not isinstance(n, int) or not 0 < n <= ITEMS_MAX:
        raise ValueError("n")
    if not all(isinstance(fields.get(name, ""), str) for name in FIELD_TEXTS):
        raise ValueError("no text")
    return fields


Text = Annotated[str, Field(max_length=TEXT_MAX_CHARS)]
ShortText = Annotated[str, Field(max_length=2048)]
Word = Annotated[str, Field(pattern=r"^[0-9A-Za-z_.:-]{1,200}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PictureName = Annotated[str, Field(pattern=rf"^picture_(0|[1-9][0-9]{{0,5}})\.({SUFFIXES})$")]
Second = Annotated[float, Field(ge=0, le=LAST_SECOND, allow_inf_nan=False)]
Moment = Annotated[float | None, AfterValidator(_date_or_none)]  # what a service says of its own time
Amount = Annotated[float | None, AfterValidator(_or_unknown)]


class _ReadRecord(JobRecord):
    """A record within its bounds; fields that nobody knows are left out."""

    identity: Digest
    state: Literal["prepared", "sent", "unknown", "batched", "answered"] = "prepared"
    service: ShortText
    connection: ShortText
    operation: ShortText
    model: ShortText
    fields: Annotated[dict[str, Any], AfterValidator(_askable)] = Field(default_factory=dict)
    seed: Annotated[int, Field(ge=0, lt=1 << 64)] = 0
    input_digests: list[ShortText] = Field(default_factory=list)
    idempotency_key: Word | None = None
    batch: Word | None = None
    prepared_at: Second = 0.0
    sent_at: Second | None = None
    answered_at: Second | None = None
    elapsed_s: Amount = None
    request_id: Text | None = None
    headers: dict[Text, Text] = Field(default_factory=dict)
    answer_fields: dict[Text, Text] = Field(default_factory=dict)
    revised_prompts: list[Text] = Field(default_factory=list)
    cost_usd: Amount = None
    credits: Amount = None
    pictures: Annotated[list[PictureName], AfterValidator(_unique)] = Field(default_factory=list)
    faults: dict[int, Text] = Field(default_factory=dict)
    fault: Text | None = None
    picture_digests: list[Digest] = Field(default_factory=list)
    account: Annotated[str | None, BeforeValidator(_account_or_nobodys)] = None


def record_from(data: bytes, identity: str, place: object) -> JobRecord:
    """Return the record that some bytes are, if it is the one of an identity; `place` is where they were found.

    Raises: UnfitRecord.
    """
    try:
        record = JobRecord.model_construct(**dict(_ReadRecord.model_validate_json(data)))
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_context=False, include_input=False)
        if errors[0]["type"] == "json_invalid":
            raise TornRecord(place, "no JSON") from None
        names = sorted({str(error["loc"][0]) for error in errors if error["loc"]})
        raise UnfitRecord(place, f"not as a record is: {', '.join(names) or 'no fields'}") from None
    if record.identity != identity:
        raise UnfitRecord(place, "the record of another request")
    if record.picture_digests and len(record.picture_digests) != len(record.pictures):
        raise UnfitRecord(place, "not as a record is: picture_digests")
    return record


def read_record(folder: Path) -> JobRecord:
    """Return the record in a folder of a store.

    Raises: OSError; UnfitRecord if it is none, or not that of the folder's name.
    """
    identity = identity_of(folder.name)
    if identity is None:
        raise UnfitRecord(folder, "no name of a request")
    if stat.S_ISLNK(os.lstat(folder).st_mode):
        raise UnfitRecord(folder, "a link")
    return record_from(read_regular(folder / RECORD, RECORD_MAX_BYTES), identity, folder)


def read_pictures(folder: Path, record: JobRecord) -> list[bytes]:
    """Return the pictures of the record in a folder.

    Raises: OSError; UnfitRecord if one is missing or is not the one that was kept.
    """
    try:
        pictures = [read_regular(folder / name, PICTURE_MAX_BYTES) for name in record.pictures]
    except FileNotFoundError as exc:
        os.lstat(folder / RECORD)  # raises if all of it was forgotten this moment
        raise UnfitRecord(folder, f"{Path(exc.filename).name} is missing") from None
    for name in exchanged(record, pictures):
        raise UnfitRecord(folder, f"{name} is not the picture that was kept")
    return pictures


def identity_of(name: str) -> str | None:
    """Return the identity in the name of an answer's or a job's folder, or None for a name of somebody else's."""
    found = NAME.fullmatch(name) or JOB_NAME.fullmatch(name)
    return found[1] if found else None


def number_of(name: str, identity: str) -> int | None:
    """Return which answer of a job a folder holds, from 1, or None for a name of somebody else's."""
    found = NAME.fullmatch(name)
    return int(found[2] or 1) if found and found[1] == identity else None


@lru_cache(maxsize=1024)
def tell_once(words: str) -> None:
    """Tell in the log of something that is left alone; it is found again at every look."""
    LOG.warning("%s. It is left alone.", words)
