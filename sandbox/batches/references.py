"""Pictures that a request names by the id of an uploaded file."""

from __future__ import annotations

from .. import errors as refusals
from ..requests.form import File
from .file_store import Files

PICTURE_PURPOSES = ("vision", "user_data")  # docs/batch-api.md, "Input file"


def picture_of(files: Files, param: str, file_id: str) -> File:
    """Return the picture in a file, for the field `param`.

    Raises: RefusedError if there is no such file, or none for pictures.
    """
    stored = files.find(file_id)
    if stored is None:
        raise refusals.invalid(f"{param}.file_id", f"Invalid '{param}.file_id': no such File object: {file_id}")
    if stored.purpose not in PICTURE_PURPOSES:
        purposes = " and ".join(f"'{name}'" for name in PICTURE_PURPOSES)
        message = f"Invalid '{param}.file_id': its purpose is '{stored.purpose}', supported are {purposes}."
        raise refusals.invalid(f"{param}.file_id", message)
    try:
        data = stored.path.read_bytes()
    except FileNotFoundError as exc:
        raise refusals.invalid(f"{param}.file_id", f"Invalid '{param}.file_id': the file is gone.") from exc
    return File(param, data, _kind_of(data))


def _kind_of(data: bytes) -> str:
    """Return the MIME type by the first bytes; the name of a file says nothing."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else "application/octet-stream"
