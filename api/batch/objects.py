"""Files and batches as the service tells them; times in seconds since 1970.

Source: openai-python 3.54.0, types/batch.py, types/batch_error.py, types/file_object.py.
"""

from __future__ import annotations

from pydantic import BaseModel

from .records import Counts


class BatchFault(BaseModel):
    """Why a batch was not begun: the service's words, for one line (from 1) or for all."""

    code: str | None = None
    line: int | None = None
    message: str | None = None
    param: str | None = None


class BatchFaults(BaseModel):
    """The faults of a batch."""

    data: list[BatchFault] | None = None


class BatchObject(BaseModel):
    """A batch as the service tells it; times in seconds since 1970."""

    id: str
    status: str
    created_at: float = 0.0
    expires_at: float | None = None
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: BatchFaults | None = None
    request_counts: Counts | None = None
    metadata: dict[str, str] | None = None


class FileObject(BaseModel):
    """A file as the service tells it; `expires_at` in seconds since 1970."""

    id: str
    expires_at: float | None = None


class Page(BaseModel):
    """A part of the list of batches."""

    data: list[BatchObject]
    has_more: bool = False
