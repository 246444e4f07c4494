"""What cannot go out at all: a key, a header, an address or a proxy that no request can carry, told before anything is.

Each refusal names the variable or the file that holds it, and never shows a key.
"""

from __future__ import annotations

import os
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from requests.utils import get_auth_from_url, get_environ_proxies, select_proxy
from urllib3.util import parse_url

from ..errors import RefusedError

if TYPE_CHECKING:
    from .connection import Connection

CONNECTIONS_FILE = "connections.json"
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VARIABLES = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
HOST_MAX_CHARS, LABEL_MAX_CHARS = 253, 63
PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


def refuse_unsendable(connection: Connection) -> None:
    """Refuse a connection that no request can go out over; nobody is contacted.

    Raises: RefusedError that names the variable or the file to fix.
    """
    entry = f"the entry {connection.name} in {CONNECTIONS_FILE}"
    if connection.key is not None:
        fault = text_fault(connection.key.get_secret_value())
        if fault:
            raise unusable_key(connection.name, connection.key_from or entry, fault)
    for name, value in connection.headers.items():
        fault = (
            "its name is none that a header can have" if not HEADER_NAME.fullmatch(name) else text_fault(value, " \t")
        )
        if fault:
            place = HEADER_VARIABLES.get(name) or entry
            raise _refusal(f"{connection.name}: the header {name!a} of {place} cannot be sent: {fault}. Type it again.")
    fault = address_fault(connection.base_url)
    if fault:
        place = connection.address_from or entry
        raise _refusal(
            f"{connection.name}: the address from {place} cannot be used: {fault}. It should be as https://host/v1."
        )
    _refuse_proxy(connection)


def unusable_key(name: str, place: str, fault: str) -> RefusedError:
    """Return the error for a key with something in it that no key has."""
    return _refusal(f"{name}: the key from {place} cannot be sent: {fault}. Copy it again and store it once more.")


def text_fault(text: str, also: str = "") -> str | None:
    """Return what in a text cannot stand in a header, by its name and its place, or None; `also` may stand there."""
    for place, each in enumerate(text, 1):
        if not ("!" <= each <= "~") and each not in also:
            name = unicodedata.name(each, "a hidden character").lower()
            return f"character {place} of {len(text)} is U+{ord(each):04X} ({'a blank' if each == ' ' else name})"
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


def _refuse_proxy(connection: Connection) -> None:
    if connection.is_loopback:
        return
    try:
        proxy = select_proxy(connection.base_url, get_environ_proxies(connection.base_url))
        fault = _proxy_fault(proxy) if proxy else None
    except Exception:  # noqa: BLE001 - whatever is wrong with it: it comes from outside of this pack
        fault = "it is no address"
    if fault:
        raise _refusal(
            f"{connection.name}: the proxy address from {_proxy_variable(connection.base_url)} cannot be used: {fault}."
            " It should be as http://host:port. Fix the variable, or take it away, and restart ComfyUI."
        )


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


def _proxy_variable(url: str) -> str:
    """Return the name of the variable that the proxy for an address comes from."""
    scheme = urlsplit(url).scheme
    names = [f"{scheme}_proxy", f"{scheme}_PROXY".upper(), "all_proxy", "ALL_PROXY"]
    return next((name for name in names if os.environ.get(name)), "the system's settings")


def _refusal(message: str) -> RefusedError:
    return RefusedError(message, param="connection", code="invalid_value")
