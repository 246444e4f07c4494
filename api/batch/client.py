"""The service's files and batches over the wire: what goes out is what the official client sends.

Source: openai-python 3.54.0, resources/files.py, resources/batches.py, types/batch.py, types/file_object.py.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from ..backends.atomic_files import move, open_regular, remove
from ..connections.connection import Connection
from ..errors import BadAnswerError, NoKeyError, OpenAIImageError, RefusedError
from ..transport.bodies import FilePart, RequestBody, json_body, multipart_body
from ..transport.client import request
from ..transport.retry import RetryPolicy
from ..transport.service_words import service_words
from .service_objects import BatchObject, BatchPage, FileObject, told_as

WINDOW = "24h"  # the only one there is
OUR_ID = "openai_image_nodes"
PAGE = 100
PAGES_MAX = 1000
SERVICE_CLOCKS_DIFFER_S = 600.0  # of the machines that note when a file and when a batch was made

Model = TypeVar("Model", bound=BaseModel)
T = TypeVar("T")


class BatchService:
    """Files and batches of one connection. All but `create` is safe to repeat and is repeated."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def upload(self, part: FilePart, *, purpose: str, lifetime_s: int) -> FileObject:
        """Give the service a file that it deletes after `lifetime_s` seconds (3,600 to 2,592,000).

        Raises: OpenAIImageError.
        """
        fields = {"purpose": purpose, "expires_after": {"anchor": "created_at", "seconds": lifetime_s}}
        return self._told("POST", "files", FileObject, multipart_body(fields, [part]))

    def has_file(self, file_id: str, filename: str) -> bool:
        """Tell whether the service surely has a file still, under the name that it was uploaded with.

        Some gateways and keys may upload files and not look at them: then it is uploaded again, which costs nothing.
        Raises: OpenAIImageError if the service cannot be reached.
        """
        with contextlib.suppress(RefusedError, NoKeyError, BadAnswerError):
            return self._told("GET", f"files/{quote(file_id, safe='')}", FileObject).filename == filename
        return False

    def create(self, input_file_id: str, endpoint: str, our_id: str) -> BatchObject:
        """Begin a batch. Nothing is repeated here: a lost answer may be that of a batch which costs money.

        Raises: OpenAIImageError; OutcomeUnknownError if it may have begun.
        """
        body = json_body(
            {
                "completion_window": WINDOW,
                "endpoint": endpoint,
                "input_file_id": input_file_id,
                "metadata": {OUR_ID: our_id},
            }
        )
        return self._read(BatchObject, self._once("POST", "batches", body))

    def retrieve(self, batch_id: str) -> BatchObject:
        """Return how far a batch is. Raises: OpenAIImageError."""
        return self._told("GET", f"batches/{quote(batch_id, safe='')}", BatchObject)

    def cancel(self, batch_id: str) -> BatchObject:
        """Ask the service to stop; what is finished by then is charged and kept. Raises: OpenAIImageError."""
        return self._told("POST", f"batches/{quote(batch_id, safe='')}/cancel", BatchObject)

    def found(self, our_id: str, *, since: float | None, input_file_id: str | None = None) -> BatchObject | None:
        """Return the batch that was begun with our id, or None if none was begun by then.

        Gateways lose what was noted with it: a batch of the file with our requests, which is in no other, is it too.
        `since` is a moment before it by the service's own clock, in seconds since 1970, so that not all of the list is
        read; this machine's clock may be hours off.
        Raises: OpenAIImageError, also where an entry cannot be read that may be the batch.
        """
        unread = 0
        for page in self._pages():
            for one in page.data:
                if (one.metadata or {}).get(OUR_ID) == our_id or (one.input_file_id or "") == input_file_id:
                    return one
            unread += page.unread
            times = [one.created_at for one in page.data if one.created_at is not None]
            is_newest_first = bool(times) and times[-1] < times[0]  # gateways begin with the oldest
            if is_newest_first and since is not None and times[-1] < since - SERVICE_CLOCKS_DIFFER_S:
                break
        if unread:
            raise BadAnswerError(
                f"{self._connection.name}: {unread} entries in the service's list of batches cannot be read. Look for"
                " the batch on the service's own pages, then submit again."
            )
        return None

    def download(self, file_id: str, target: Path, told: Callable[[int], None]) -> None:
        """Write a file of the service to the disk; what came of an earlier try is not fetched again.

        Raises: OpenAIImageError, OSError.
        """
        part = target.with_name(f"{target.name}.part")
        self._repeated(lambda: self._downloaded(file_id, part, told))
        move(part, target)

    def _pages(self) -> Iterator[BatchPage]:
        after: dict[str, str] = {}
        for _ in range(PAGES_MAX):
            page = self._told("GET", "batches", BatchPage, query={"limit": str(PAGE), **after})
            yield page
            if not page.has_more or not page.data:
                return
            if after.get("after") == page.data[-1].id:
                break  # it knows no `after`, and gives the same page for ever
            after = {"after": page.data[-1].id}
        raise BadAnswerError(
            f"{self._connection.name}: the service's list of batches does not end. Look for the batch on the"
            " service's own pages."
        )

    def _told(
        self,
        method: str,
        path: str,
        model: type[Model],
        body: RequestBody | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Model:
        return self._repeated(lambda: self._read(model, self._once(method, path, body, query)))

    def _repeated(self, work: Callable[[], T]) -> T:
        retries = RetryPolicy(idempotent=True)  # repeating these costs nothing
        while True:
            try:
                return work()
            except OpenAIImageError as error:
                delay = retries.delay_after(error)
                if delay is None:
                    raise
                time.sleep(delay)

    def _once(
        self, method: str, path: str, body: RequestBody | None = None, query: Mapping[str, str] | None = None
    ) -> bytes:
        may_cost = (method, path) == ("POST", "batches")
        with request(self._connection, method, path, body=body, query=query, may_cost=may_cost) as response:
            return response.checked().read()

    def _read(self, model: type[Model], body: bytes) -> Model:
        try:
            return told_as(model, body)
        except ValueError as exc:
            said = service_words(body).message[:200] or "nothing readable"
            raise BadAnswerError(
                f"{self._connection.name}: the answer is not of the expected form (the service says: {said}). Look on"
                " the service's own pages whether there is such a batch or file, then do it again."
            ) from exc

    def _downloaded(self, file_id: str, part: Path, told: Callable[[int], None]) -> None:
        have = part.stat().st_size if part.exists() else 0
        wanted = {"Accept-Encoding": "identity"}  # a range of what is packed is none of what is kept
        wanted |= {"Range": f"bytes={have}-"} if have else {}
        with request(self._connection, "GET", f"files/{quote(file_id, safe='')}/content", headers=wanted) as response:
            begins = response.headers.get("content-range", f"bytes {have}-").startswith(f"bytes {have}-")
            if have and (response.status == 416 or not begins):  # it has no more, or gives another part
                remove(part)
                return self._downloaded(file_id, part, told)
            goes_on = response.checked().status == 206
            with open_regular(part, "ab" if goes_on else "wb") as file:
                told(have if goes_on else 0)
                for chunk in response.chunks(max_bytes=None):
                    file.write(chunk)
                    told(len(chunk))
