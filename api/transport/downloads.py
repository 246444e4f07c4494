"""From an answer to the raw bytes of its pictures: base64, data URLs and addresses of files."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urljoin

import requests

from ..catalog.schemas import Image, OpenAIImageGenerationResponse
from ..connections.connection import is_loopback
from ..errors import BadAnswerError
from . import client
from .base64_json import base64_to_bytes
from .error_mapping import service_words

MAX_PICTURES = 16  # of an answer; the service makes at most 10. More would each be a file or a download
MAX_PICTURE_BYTES = 256 << 20
MAX_REDIRECTS = 3
DOWNLOAD_TRIES = 3
SILENCE_TIMEOUT_S = 120.0


@dataclass
class Pictures:
    """The pictures of an answer as bytes, and what could not be had, by index, in words.

    In place of such a picture stands what the answer had: its text or its address.
    """

    data: list[bytes] = field(default_factory=list, repr=False)
    faults: dict[int, str] = field(default_factory=dict)


def pictures_of(response: OpenAIImageGenerationResponse, *, body: bytes = b"") -> Pictures:
    """Return the encoded pictures of an answer; a single one that fails is a fault, not an error.

    `body` is what the service said: to be told where it said no picture, and kept whole, as one more file, where it has
    more than MAX_PICTURES.
    Raises: BadAnswerError if the answer has no picture at all.
    """
    images = response.data or []
    if not any(image.b64_json or image.url for image in images):
        said = service_words(body).message
        words = f" The service says: {said}." if said else ""
        raise BadAnswerError(
            f"The answer holds no picture.{words} Look at the account's usage page before asking again."
        )
    pictures = Pictures()
    for index, image in enumerate(images[:MAX_PICTURES]):
        try:
            pictures.data.append(_bytes_of(image))
        except (ValueError, requests.RequestException, OSError) as exc:
            pictures.data.append(_as_it_came(image))
            pictures.faults[index] = f"{type(exc).__name__}: {exc}"
    if len(images) > MAX_PICTURES:
        pictures.faults[len(pictures.data)] = f"{len(images)} pictures came: this is the whole answer, as it came"
        pictures.data.append(body)
    return pictures


def _bytes_of(image: Image) -> bytes:
    if image.b64_json:
        return base64_to_bytes(image.b64_json)
    if image.url and image.url.startswith("data:"):
        return base64_to_bytes(image.url)
    if image.url:
        return fetched(image.url)
    raise ValueError("neither b64_json nor url")


def _as_it_came(image: Image) -> bytes:
    text = image.b64_json or image.url or ""
    return text.encode() if isinstance(text, str) else bytes(text)


def fetched(url: str) -> bytes:
    """Return a file of the service, fetched without any of our credentials, of at most 256 MiB.

    Reading costs nothing, so a broken download is tried three times.
    Raises: ValueError for an address that is neither https nor loopback, requests.RequestException.
    """
    for left in reversed(range(DOWNLOAD_TRIES)):
        try:
            return _fetched_once(url)
        except requests.RequestException as exc:
            refused = exc.response is not None and exc.response.status_code < 500
            if left == 0 or refused or isinstance(exc, ValueError):
                raise
    raise AssertionError("unreachable")


def _fetched_once(url: str) -> bytes:
    for _ in range(MAX_REDIRECTS + 1):
        _refuse_foreign(url)
        with client.send("GET", url, silence_s=SILENCE_TIMEOUT_S) as response:
            if not response.is_redirect:
                response.raise_for_status()
                return b"".join(client.bounded_chunks(response, client.READ_BYTES, MAX_PICTURE_BYTES))
            url = urljoin(url, response.headers["location"])
    raise ValueError(f"more than {MAX_REDIRECTS} redirects")


def _refuse_foreign(url: str) -> None:
    if not (url.startswith("https://") or (url.startswith("http://") and is_loopback(url))):
        raise ValueError("the picture's address is neither https nor on this machine")
