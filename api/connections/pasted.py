"""Addresses, keys and headers as people write them down: put right where it is certain what is meant, else refused.

What no request can carry is told before anything goes out: each refusal names the variable or the file that holds it,
and never shows a key.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.utils import get_auth_from_url, get_environ_proxies, select_proxy
from urllib3.util import parse_url

from ..errors import RefusedError
from .extra_fields import KEY_TEXT

QUOTES = "\"'`<>\u2018\u2019\u201c\u201d\u00ab\u00bb"
LOCAL = re.compile(r"(localhost|[\d.]+|\[[^\]]*\]|[^./:]+)(:\d*)?(/|$)", re.IGNORECASE)
ENDPOINT = re.compile(
    r"(?<!/)/+(images/(generations|edits|variations)|chat/completions)$"
    r"|(?<=/v\d)/+(images|chat|completions|responses|models|embeddings|messages|files|batches|audio/\w+)$",
    re.IGNORECASE,
)
SCHEME = re.compile(r"(https?)\s*(?::\s*[/\\]*|[/\\]{2,})(?=[^/\\])", re.IGNORECASE)
ANY_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
ASSIGNED = re.compile(r"(?:export\s+|set\s+|\$env:)?[A-Za-z0-9_]*(?:KEY|TOKEN)\s*=\s*(?=\S)", re.IGNORECASE)
KEY_HEADER = re.compile(r"(?:(?:Authorization|api-key|x-api-key)\s*:\s*)?(?:Bearer\s+)?", re.IGNORECASE)
AZURE_PATH = re.compile(r"/openai(/.*)?$", re.IGNORECASE)
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VARIABLES = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
HOST_MAX_CHARS, LABEL_MAX_CHARS, LOCAL_MAX_CHARS = 253, 63, 20
PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


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
        rest = address.lstrip("/\\")
        if LOCAL.match(rest) and len(re.split("[:/]", rest)[0]) > LOCAL_MAX_CHARS:  # perhaps a key, and not repeated
            raise unusable_address("connections", place, "it is no address")
        if LOCAL.match(rest):  # http or https, nobody knows
            shown = _without_key(rest)
            raise RefusedError(
                f"The address from {place} does not say whether it is http or https. Write http://{shown} or"
                f" https://{shown}."
            )
        address = f"https://{rest}"
    second = re.match(r"https?://(?=https?://)", address, re.IGNORECASE)
    address = address[second.end() :] if second else address
    plain = re.split(r"[?#]", address)[0]
    bare = ENDPOINT.sub("", plain.rstrip("/"))
    if address != plain and bare == plain.rstrip("/"):
        raise RefusedError(
            f"The address from {place} has a query or a mark behind it. Write it without: {_without_key(plain)}"
        )
    if re.fullmatch(r"https://api\.openai\.com", bare, re.IGNORECASE):
        return f"{bare}/v1"
    return bare


def _without_key(address: str) -> str:
    """Return an address as a message may repeat it: without its query, a name and a password, or a key in its path."""
    plain = re.sub(r"^(\w+://|(?!\w+://))([^/]*@|[^/:\[]*:(?!\d+(/|$)).*@)", r"\1", re.split(r"[?#]", address)[0])
    return KEY_TEXT.sub("...", plain.rstrip("/"))


def azure_endpoint(text: str, place: str) -> tuple[str, str | None]:
    """Return the resource's address, and the api-version if the pasted address names one. Raises: as `base_url`."""
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


def unusable_address(name: str, place: str, fault: str) -> RefusedError:
    """Return the error for an address to which no request can go."""
    told = f"{name}: the address from {place} cannot be used: {fault}. It should be as https://host/v1."
    return RefusedError(told, code="invalid_value")


def unusable_key(name: str, place: str, fault: str) -> RefusedError:
    """Return the error for a key with something in it that no key has."""
    told = f"{name}: the key from {place} cannot be sent: {fault}. Copy it again and store it once more."
    return RefusedError(told, code="invalid_value")


def text_fault(text: str, also: str = "") -> str | None:
    """Return what in a text cannot stand in a header, by its name and its place, or None; `also` may stand there."""
    for place, each in enumerate(text, 1):
        if not ("!" <= each <= "~") and each not in also:
            if each == " ":
                return f"character {place} of {len(text)} is a blank"
            name = unicodedata.name(each, "a hidden character").lower()
            return f"character {place} of {len(text)} is U+{ord(each):04X} ({name})"
    return None


def address_fault(url: str) -> str | None:
    """Return why no request can go to an address, in words, or None."""
    hidden = next((each for each in url if each.isspace() or not each.isprintable()), None)
    if hidden is not None:
        return f"it holds U+{ord(hidden):04X} ({unicodedata.name(hidden, 'a hidden character').lower()})"
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
        requests.PreparedRequest().prepare_url(url, None)
    except Exception:  # noqa: BLE001 - requests' InvalidURL, and what urllib3 and idna raise for what is no host
        return "it is no address"
    labels = host.rstrip(".").split(".")
    if ":" not in host and (
        len(host) > HOST_MAX_CHARS or any(not 1 <= len(each) <= LABEL_MAX_CHARS for each in labels)
    ):
        return "its host name is empty or too long"
    return None


def proxy_fault(url: str) -> tuple[str, str] | None:
    """Return why no request can go through the proxy of an address, and what names that proxy, or None."""
    try:
        proxy = select_proxy(url, get_environ_proxies(url))
        fault = _proxy_fault(proxy) if proxy else None
    except Exception:  # noqa: BLE001 - whatever is wrong with it: it comes from outside of this pack
        fault = "it is no address"
    scheme = urlsplit(url).scheme
    variables = [f"{scheme}_proxy", f"{scheme}_PROXY".upper(), "all_proxy", "ALL_PROXY"]
    place = next((name for name in variables if os.environ.get(name)), "the system's settings")
    return (fault, place) if fault else None


def _proxy_fault(proxy: str) -> str | None:
    if text_fault(proxy):
        return "it holds a blank or a character that no address has"
    parts = parse_url(proxy if "://" in proxy else f"http://{proxy}")
    if parts.scheme not in PROXY_SCHEMES:
        return f"{parts.scheme} is no kind of proxy"
    if not parts.host or address_fault(f"http://{parts.host}/"):
        return "it names no host"
    if parts.port is not None and not 0 < parts.port < 1 << 16:
        return "its port is no number from 1 to 65535"
    "".join(get_auth_from_url(proxy)).encode("latin-1")
    return None
