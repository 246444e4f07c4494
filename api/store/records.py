"""What is written down of a job, as it is written and read, whose it is, and a job's answer.

Where others write too, a record is a stranger's text until it was looked at: an identity, or the name of a picture,
becomes part of a path; a number is calculated with; a text is printed.

What a user of comfy.org paid for belongs to that user. Requests of theirs on their way have names of their own,
`<identity>.of-<account>`: to nobody else they exist. What a machine's own keys pay for, at whatever service, is
everybody's who uses the machine or shares its store.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from .. import config
from ..backends.atomic_files import read_regular
from ..catalog.pricing import amount
from ..catalog.schemas import SvgUsage, Usage
from ..catalog.validation import LINKED_SEEDS
from ..connections.connection import ACCOUNT_DIGITS, Connection
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
UNREAD_KINDS = ("url", "bin")  # an address, or what nobody could read when it was kept
RECORD_MAX_BYTES = 8 << 20
PICTURE_MAX_BYTES = 1 << 30
ANSWER_MAX_BYTES = 2 << 30  # what was kept whole, and its pictures
LAST_SECOND = 32_503_679_999.0  # of the year 2999: Windows can name no day of later ones
NAME = re.compile(r"([0-9a-f]{64})(?:\.([2-9]|[1-9][0-9]{1,8}))?")
JOB_NAME = re.compile(r"([0-9a-f]{64})(?:\.[a-z]{1,16}-[0-9a-f]{1,64})*")
ACCOUNT = re.compile(rf"[0-9a-f]{{{ACCOUNT_DIGITS}}}")
SUFFIXES = "|".join(sorted({*PICTURE_SIGNATURES.values(), "bin"}))
PICTURE_FILE = re.compile(rf"picture_(0|[1-9][0-9]{{0,5}})\.({SUFFIXES})")
FIELD_TEXTS = ("model", "prompt", "size", "quality", "background", "output_format")
OF = ".of-"
NUMBERS_EACH = 1000
PLACES = 900_000


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


def _usage_or_none(value: object, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


AskedFields = Annotated[dict[str, Any], AfterValidator(_askable)]
Text = Annotated[str, Field(max_length=TEXT_MAX_CHARS)]
ShortText = Annotated[str, Field(max_length=2048)]
Word = Annotated[str, Field(pattern=r"^[0-9A-Za-z_.:-]{1,200}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PictureName = Annotated[str, Field(pattern=f"^{PICTURE_FILE.pattern}$")]
Second = Annotated[float, Field(ge=0, le=LAST_SECOND, allow_inf_nan=False)]
Moment = Annotated[  # what a service says of its own time
    float | None, AfterValidator(lambda said: said if said is not None and 0 <= said <= LAST_SECOND else None)
]
Amount = Annotated[  # a picture is not withheld for an odd number beside it
    float | None, BeforeValidator(lambda said: said if isinstance(said, (int, float)) else None), AfterValidator(amount)
]


class JobRecord(BaseModel):
    """What is written down of a job. Times in seconds since 1970, UTC; `fields` are the service's own, prompt included.

    `state` is prepared (not sent), sent (on its way, or the process died), unknown (sent and no answer came, and no
    key to ask for it again), batched (part of the batch that `batch` names) or answered. `picture_digests` are the
    SHA-256 of the files that `pictures` names, `account` tells who paid (see connections/connection.py); records from
    before these were written down have none. What a newer version wrote beside these stays when it is written again.
    """

    model_config = ConfigDict(extra="allow")

    identity: Digest
    state: Literal["prepared", "sent", "unknown", "batched", "answered"] = "prepared"
    service: ShortText
    connection: ShortText
    operation: ShortText
    model: ShortText
    fields: AskedFields = {}
    seed: Annotated[int, Field(ge=LINKED_SEEDS[0], le=LINKED_SEEDS[1])] = 0
    input_digests: list[ShortText] = []
    idempotency_key: Word | None = None
    batch: Word | None = None
    prepared_at: Second = 0.0
    sent_at: Second | None = None
    answered_at: Second | None = None
    elapsed_s: Amount = None
    request_id: Text | None = None
    headers: dict[Text, Text] = {}
    usage: Annotated[Usage | None, WrapValidator(_usage_or_none)] = None
    svg_usage: Annotated[SvgUsage | None, WrapValidator(_usage_or_none)] = None
    answer_fields: dict[Text, Text] = {}
    revised_prompts: list[Text] = []
    cost_usd: Amount = None
    credits: Amount = None
    pictures: Annotated[list[PictureName], AfterValidator(_unique)] = []
    faults: dict[int, Text] = {}
    fault: Text | None = None
    picture_digests: list[Digest] = []
    account: Annotated[str | None, BeforeValidator(_account_or_nobodys)] = None

    @property
    def image_count(self) -> int:
        """How many pictures went out, mask and markup left aside."""
        return sum(digest.startswith("image") for digest in self.input_digests)

    def said(self, name: str) -> Any:
        """Return a field such as size or quality as the service said it was, else as it was asked for."""
        return self.answer_fields.get(name) or self.fields.get(name)

    @property
    def lacks(self) -> int:
        """How much of the answer could not be had: it may come later."""
        return len(self.faults) + bool(self.fault)

    @property
    def fingerprint(self) -> str:
        """Tell one answer from every other, also from those of the same job; 32 digits."""
        what = [self.identity, self.sent_at, self.answered_at, self.request_id]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]


@dataclass
class StoredAnswer:
    """A finished job: its record and the encoded pictures, `folder` None where it could not be kept.

    delivered: somebody waited for it and has it; was_had: somebody had it before, as an answer of an earlier run.
    """

    record: JobRecord
    pictures: list[bytes] = field(repr=False)
    folder: Path | None = None
    reused: bool = False
    notes: list[str] = field(default_factory=list)
    delivered: bool = False
    was_had: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it has its pictures, and not what they could not be made of, or their addresses."""
        return not self.record.fault and not any(suffix_of(data) in UNREAD_KINDS for data in self.pictures)


def prompt_of(asked: Mapping[str, Any]) -> str:
    """Return what was asked for in the service's own fields, on one line."""
    return " ".join(str(asked.get("prompt", "")).split())


def record_bytes(record: JobRecord) -> bytes:
    """Return a record as it is written down: what the service said is shortened to what is read again.

    What a newer version, or a stranger, wrote beside it goes first: it may take more room here than it had.
    """
    told, data = record.model_dump(exclude_none=True), b""
    ours = _without_strange(record, told)
    # at last: a hundred headers, each of them not too long
    for kept, max_chars in ((told, TEXT_MAX_CHARS), (ours, TEXT_MAX_CHARS), (ours, TEXT_MAX_CHARS // 100)):
        short = {name: _shortened(kept[name], max_chars) for name in TOLD_BY_SERVICE if name in kept}
        data = as_json({**kept, **short})
        if len(data) <= RECORD_MAX_BYTES:
            break
    return data


def known_bytes(record: BaseModel, *, indent: int | None = 1) -> bytes:
    """Return another record as it is written down, without what a newer version wrote where it would be too large."""
    told = record.model_dump(exclude_none=True)
    data = as_json(told, indent=indent)
    return data if len(data) <= RECORD_MAX_BYTES else as_json(_without_strange(record, told), indent=indent)


def _without_strange(record: BaseModel, told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name in type(record).model_fields}


def as_json(told: dict[str, Any], *, indent: int | None = 1) -> bytes:
    """Return what is written down, as every file can hold it: JSON may say halves of characters."""
    return json.dumps(told, indent=indent, ensure_ascii=False).encode(errors="replace")


def _shortened(value: Any, max_chars: int) -> Any:
    if isinstance(value, str):
        return value[:max_chars]
    if isinstance(value, dict):
        items = list(value.items())[:ITEMS_MAX]
        return {key[:max_chars] if isinstance(key, str) else key: _shortened(one, max_chars) for key, one in items}
    if isinstance(value, list):
        return [_shortened(one, max_chars) for one in value[:ITEMS_MAX]]
    return value


def unreadable(record: JobRecord, folder: Path | None) -> BadAnswerError:
    """Return the error for an answer without pictures: where its bytes are, and how to ask again."""
    place = f"It is kept in {folder}." if folder else "It could not be kept."
    return BadAnswerError(
        f"{record.connection}: the service answered, but not with a picture that can be read ({record.fault})."
        f" {place} It may have been billed. {RUN_ANYWAY}",
        status=200,
        request_id=record.request_id,
    )


def unreadable_folder(folder: Path, reason: str) -> BadAnswerError:
    """Return the error for an answer whose folder is there and cannot be read."""
    return BadAnswerError(
        f"The answer to this request is kept in {folder}, but cannot be read ({reason})."
        f" Fix the folder or look into it. {RUN_ANYWAY}"
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


class UnfitRecord(OSError):
    """A record that is no record of ours, with what is wrong with it in words that repeat nothing of it."""

    def __init__(self, place: object, words: str) -> None:
        super().__init__(errno.EINVAL, words, str(place))


class TornRecord(UnfitRecord):
    """A record that is no JSON: the machine went down before the disk had it."""


def record_from(data: bytes, identity: str, place: object) -> JobRecord:
    """Return the record that some bytes are, if it is the one of an identity; `place` is where they were found.

    Raises: UnfitRecord.
    """
    try:
        record = JobRecord.model_validate_json(data)
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
        pictures = read_all(record, lambda name, max_bytes: read_regular(folder / name, max_bytes))
    except FileNotFoundError as exc:
        os.lstat(folder / RECORD)  # raises if all of it was forgotten this moment
        raise UnfitRecord(folder, f"{Path(exc.filename).name} is missing") from None
    for name in exchanged(record, pictures):
        raise UnfitRecord(folder, f"{name} is not the picture that was kept")
    return pictures


def read_all(record: JobRecord, read: Callable[[str, int], bytes]) -> list[bytes]:
    """Return an answer's files; `read` gives one of a name, of at most so many bytes: holes and links take no room."""
    found, left = list[bytes](), ANSWER_MAX_BYTES
    for name in record.pictures:
        found.append(read(name, min(left, PICTURE_MAX_BYTES)))
        left -= len(found[-1])
    return found


def identity_of(name: str) -> str | None:
    """Return the identity in the name of an answer's or a job's folder, or None for a name of somebody else's."""
    found = NAME.fullmatch(name) or JOB_NAME.fullmatch(name)
    return found[1] if found else None


def number_of(name: str, identity: str) -> int | None:
    """Return which answer of a job a folder holds, from 1, or None for a name of somebody else's."""
    found = NAME.fullmatch(name)
    return int(found[2] or 1) if found and found[1] == identity else None


def folder_name(identity: str, number: int) -> str:
    """Return the name of the folder of a job's answer with a number."""
    return identity if number == 1 else f"{identity}.{number}"


@dataclass(frozen=True)
class Owner:
    """An account, None where everything is everybody's.

    `is_apart`: its requests have names of their own. `takes_unowned`: records from before accounts were written down
    are its own as well.
    """

    account: str | None = None
    is_apart: bool = False
    takes_unowned: bool = True

    def owns(self, record: JobRecord) -> bool:
        """Tell whether what a record is about is this account's."""
        if self.account is None:
            return True
        return self.takes_unowned if record.account is None else record.account == self.account

    def name(self, identity: str) -> str:
        """Return what a request is called while it is on its way."""
        return self.own_name(identity) if self.is_apart else identity

    def own_name(self, identity: str) -> str:
        """Return a name that no other account uses."""
        return identity if self.account is None else f"{identity}{OF}{self.account}"


EVERYBODY = Owner()


def owner_over(connection: Connection) -> Owner:
    """Return whose answers and requests somebody over a connection sees."""
    account, is_many = connection.account, config.serves_many()
    return Owner(account, is_apart=connection.personal or is_many, takes_unowned=not is_many) if account else EVERYBODY


def payer_over(connection: Connection) -> str | None:
    """Return the account that is written down of what a connection pays for.

    None for what the machine pays where one person uses it: who signs in there later has that too.
    """
    return connection.account if connection.personal or config.serves_many() else None


def first_number(account: str | None) -> int:
    """Return the number that an account's answers begin at.

    Where many people use one ComfyUI, each account has numbers of its own: else the second answer would tell that there
    is a first.
    """
    if not (config.serves_many() and account):
        return 1
    return NUMBERS_EACH * (1 + int(account, 16) % PLACES)


def next_number(names: Iterable[str], identity: str, account: str | None) -> int:
    """Return the number of an account's next answer to a job, of which there are these.

    That is not the first one that is free, where an old answer was forgotten: the highest is taken for the newest.
    """
    first = first_number(account)
    ours = (number for name in names if (number := number_of(name, identity)))
    return 1 + max((number for number in ours if first <= number < first + NUMBERS_EACH - 1), default=first - 1)
