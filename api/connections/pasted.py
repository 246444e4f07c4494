"""Addresses and keys as people paste them: put right where it is certain what is meant, else told what they must be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from ..errors import RefusedError

QUOTES = "\"'`<>\u2018\u2019\u201c\u201d\u00ab\u00bb"
LOCAL = re.compile(r"(localhost|[\d.]+|\[[^\]]*\]|[^./:]+)(:\d*)?(/|$)", re.IGNORECASE)
ENDPOINT = re.compile(
    r"/+(images/(generations|edits|variations)|chat/completions)$"
    r"|(?<=/v\d)/+(images|chat|completions|responses|models|embeddings|messages|files|batches|audio/\w+)$",
    re.IGNORECASE,
)
SCHEME = re.compile(r"(https?)\s*(?::\s*[/\\]*|[/\\]{2,})(?=[^/\\])", re.IGNORECASE)
ANY_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
ASSIGNED = re.compile(r"(?:export\s+|set\s+|\$env:)?[A-Za-z0-9_]*(?:KEY|TOKEN)\s*=\s*(?=\S)", re.IGNORECASE)
KEY_HEADER = re.compile(r"(?:(?:Authorization|api-key|x-api-key)\s*:\s*)?(?:Bearer\s+)?", re.IGNORECASE)
AZURE_PATH = re.compile(r"/openai(/.*)?$", re.IGNORECASE)


def base_url(text: str, place: str) -> str:
    """Return an address as it is meant: no blanks or quotes around it, with a scheme, without an endpoint behind it.

    `place` is the variable or the file that it comes from. An address that was right stays as it is.
    Raises: RefusedError with the form that it should have.
    """
    address = _unquoted(re.sub(r"^[A-Z][A-Z0-9_]*\s*=\s*", "", _unquoted(text)))
    scheme = SCHEME.match(address)
    if scheme and not re.match(r"https?://[^/\\]", address, re.IGNORECASE):
        address = f"{scheme[1]}://{address[scheme.end() :]}"
    elif address and not scheme and not ANY_SCHEME.match(address):
        address = _with_scheme(address, place)
    second = re.match(r"https?://(?=https?://)", address, re.IGNORECASE)
    address = address[second.end() :] if second else address
    plain = re.split(r"[?#]", address)[0]
    bare = ENDPOINT.sub("", plain.rstrip("/"))
    if address != plain and bare == plain.rstrip("/"):
        raise RefusedError(
            f"The address from {place} has a query or a mark behind it. Write it without: {plain.rstrip('/')}",
            param="connection",
        )
    if re.fullmatch(r"https://api\.openai\.com", bare, re.IGNORECASE):
        return f"{bare}/v1"
    return bare


def azure_endpoint(text: str, place: str) -> tuple[str, str | None]:
    """Return the resource's address, and the api-version if the pasted address names one.

    Raises: as `base_url`.
    """
    query = dict(parse_qsl(text.partition("?")[2].strip(QUOTES + " \t\r\n")))
    address = base_url(text.partition("?")[0], place)
    return AZURE_PATH.sub("", address), query.get("api-version")


def key(text: object) -> str:
    """Return a key without what was copied along with it: blanks, quotes, `Bearer`, a header's or variable's name."""
    bare = _unquoted(str(text or ""))
    bare = _unquoted(ASSIGNED.sub("", bare, count=1)) if ASSIGNED.match(bare) else bare
    return _unquoted(KEY_HEADER.sub("", f"{bare} ", count=1).strip())


def headers(told: Mapping[object, object]) -> dict[str, str]:
    """Return headers as texts without blanks around them."""
    return {str(name).strip().rstrip(":"): str(value).strip() for name, value in told.items()}


def _with_scheme(address: str, place: str) -> str:
    bare = address.lstrip("/\\")
    if LOCAL.match(bare):  # http or https, nobody knows
        raise RefusedError(
            f"The address from {place} does not say whether it is http or https. Write http://{bare} or https://{bare}.",
            param="connection",
        )
    return f"https://{bare}"


def _unquoted(text: str) -> str:
    text = text.strip()
    while text and (text[0] in QUOTES or text[-1] in QUOTES):
        text = text.strip(QUOTES).strip()
    return text.rstrip(",;").strip() if text.endswith((",", ";")) else text


def host_of(url: str) -> str:
    """Return the host and port of an address, "" for what is none."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""
