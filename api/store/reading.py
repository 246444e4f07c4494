"""From a kept answer's folder back to the answer."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pydantic import ValidationError

from ..backends.atomic_files import write_atomic
from ..errors import RUN_ANYWAY, BadAnswerError
from ..transport.downloads import fetched
from .records import RECORD, JobRecord, StoredAnswer, read_record, record_bytes, suffix_of, unreadable


def read_answer(folder: Path) -> StoredAnswer:
    """Read an answer and touch it.

    Raises: FileNotFoundError, BadAnswerError if it holds no picture or cannot be read.
    """
    try:
        record = read_record(folder)
        pictures = [(folder / name).read_bytes() for name in record.pictures]
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise FileNotFoundError(folder) from exc
    except (OSError, ValidationError) as exc:
        raise BadAnswerError(
            f"The answer to this request is kept in {folder}, but cannot be read ({type(exc).__name__})."
            f" Fix the folder or look into it. {RUN_ANYWAY}"
        ) from exc
    with contextlib.suppress(OSError):
        os.utime(folder / RECORD)
    if record.fault:
        raise unreadable(record, folder)
    _late_downloads(folder, record, pictures)
    return StoredAnswer(record, pictures, folder, reused=True)


def _late_downloads(folder: Path, record: JobRecord, pictures: list[bytes]) -> None:
    """Fetch and keep what could not be fetched when the answer came; its address is all that was kept."""
    for index, data in enumerate(pictures):
        if suffix_of(data) == "url":
            with contextlib.suppress(OSError, ValueError):
                pictures[index] = fetched(data.decode())
                record.pictures[index] = f"picture_{index}.{suffix_of(pictures[index])}"
                record.faults.pop(index, None)
                write_atomic(folder / record.pictures[index], pictures[index])
                write_atomic(folder / RECORD, record_bytes(record))
