"""References to the files of an answer as they came: small, and while somebody has one the files are not forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import RefusedError
from .eviction import keep_for
from .records import PICTURE_SIGNATURES, StoredAnswer, picture_digests, suffix_of
from .store import Store, mark_read, stores

PICTURES = frozenset(PICTURE_SIGNATURES.values()) - {"url"}
GONE = (
    "The original file is no longer kept: the store made room for newer ones, or the file was deleted."
    " Save the image output with Save Image instead."
)


@dataclass(frozen=True)
class Originals:
    """The files of one answer. They are named by what they are, so that every machine of a shared store finds them.

    digests: the SHA-256 of each file, in the answer's order. facts: what made them, as it may stand beside a file, so
    without key or path. is_changed_here: the pictures of the outputs were changed here, these files were not.
    unkept: the files themselves, where no disk could take them.
    """

    identity: str
    is_sandbox: bool
    digests: tuple[str, ...]
    facts: Mapping[str, Any]
    is_changed_here: bool = False
    unkept: tuple[bytes, ...] = field(default=(), repr=False)

    def read(self, index: int) -> bytes:
        """Return one file, byte for byte as the service sent it.

        Raises: RefusedError if no store has it any more, SharedStoreError if a shared one cannot be asked.
        """
        if self.unkept:
            return self.unkept[index]
        store: Store = stores()[self.is_sandbox]
        data = store.file(self.identity, self.digests[index])
        if data is None and store.fetch(self.identity):
            data = store.file(self.identity, self.digests[index])
            if answer := store.find(self.identity):
                mark_read(answer)
        if data is None:
            raise RefusedError(GONE)
        return data


def originals_of(answer: StoredAnswer, *, is_sandbox: bool, is_changed_here: bool = False) -> Originals:
    """Return the references to an answer's files; what is no picture by its first bytes is left out."""
    record = answer.record
    files = tuple(data for data in answer.pictures if suffix_of(data) in PICTURES)
    facts = {
        "model": record.model,
        "operation": record.operation,
        "size": record.said("size"),
        "quality": record.said("quality"),
        "seed": record.seed,
        "connection": record.connection,
        "request_id": record.request_id,
        "answered_at": record.answered_at,
        "cost_usd": record.cost_usd,
        "credits": record.credits,
        "pictures": len(files),
        "identity": record.identity,
    }
    unkept = files if answer.folder is None else ()
    digests = tuple(picture_digests(files))
    references = Originals(record.identity, is_sandbox, digests, facts, is_changed_here, unkept)
    if answer.folder is not None:  # they may be saved only when a list of thousands is done
        keep_for(references, answer.folder)
    return references
