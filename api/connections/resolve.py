"""Connections: where a request goes and with which key. A workflow carries a connection's name and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from .. import config
from ..backends.atomic_files import read_settings
from ..catalog.schemas import OpenAIImageEditRequest
from ..config import tell_once
from ..errors import NoKeyError, RefusedError
from . import pasted
from .connection import Connection, HostSecrets, is_loopback
from .extra_fields import KEY_TEXT, extra_fields, nameable
from .pasted import HEADER_VARIABLES, text_fault, unusable_key
from .redaction import SHORTEST_SECRET

COMFY_MAX_PIXELS = 2048 * 2048  # ComfyUI 0.28 scales references to this for its proxy
COMFY_BASE_URL = "https://api.comfy.org"
OPENAI_BASE_URL = "https://api.openai.com/v1"
FIRST = ("auto", "comfy.org", "openai", "azure")
SANDBOXES = ("sandbox", "sandbox batch")
LAST = ("sandbox", "openai batch", "sandbox batch")
BUILT_IN = (*FIRST, *LAST)
VARIABLES = {  # of the built-in connections with a key: for the key, and for the address
    "openai": ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
    "azure": ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"),
}
NEVER_OMITTED = ("model", "prompt", "image_count", "mask", "markup")
EDIT_FORMS = ("multipart", "json")
STORED_BASE = "base_url of {} in connections.json"
Entries = Mapping[str, Mapping[str, Any]]

NO_CONNECTION = (
    "No connection is ready. The easiest way: paste an OpenAI key under Settings > OpenAI Image Nodes in ComfyUI; no"
    " restart is needed. Or sign in to comfy.org under Settings > User. Or set the environment variable OPENAI_API_KEY"
    " (or run: openai-image connect openai) and restart ComfyUI. Or choose the connection sandbox, which is free and"
    " needs no account."
)


def names() -> list[str]:
    """Return the names for a widget: the built-in ones, then the user's own."""
    own = [name for name in stored() if name not in BUILT_IN]
    return [*FIRST, *own, *LAST]


def offered() -> list[str]:
    """Return `names()`, or the built-in ones while the connections file is broken: a widget must not fail."""
    try:
        return names()
    except RefusedError:
        return list(BUILT_IN)


def stored() -> dict[str, dict[str, Any]]:
    """Return the connections file's entries by name; an absent file is an empty one. Raises: RefusedError."""
    entries: dict[str, dict[str, Any]] = stored_file()["connections"]
    return entries


def stored_file() -> dict[str, Any]:
    """Return the whole connections file, of which a newer version may have written more than the entries.

    Raises: RefusedError if the file is not readable as JSON.
    """
    path = config.folder() / "connections.json"
    try:
        told = json.loads(read_settings(path).decode("utf-8-sig"))
        found = {**told, "connections": {name: {**entry} for name, entry in told["connections"].items()}}
        state = path.stat()
        if hasattr(os, "getuid") and (state.st_uid != os.getuid() or state.st_mode & 0o077):
            tell_once(f"{path} can be read or changed by others: it should belong to you and have mode 0600.")
    except (FileNotFoundError, NotADirectoryError):
        return {"connections": {}}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RefusedError(
            "connections.json in the state folder cannot be read as JSON. Fix it, or delete it and store the keys"
            " again."
        ) from None
    return found


def is_batch(name: str) -> bool:
    """Tell whether the connection of a name plans instead of sending.

    Raises: RefusedError if the connections file is broken.
    """
    if not isinstance(name, str):
        return False  # a workflow may have anything there: the run refuses it
    return name in ("openai batch", "sandbox batch") or stored().get(name, {}).get("batch") is True


def resolve(name: str, host: HostSecrets, sandbox_url: Callable[[], str]) -> Connection:
    """Return the connection of a name, ready to be used.

    Raises: NoKeyError if its key is missing, RefusedError for a name that nobody defined or an address that
    would carry a key in clear.
    """
    if name == "auto":
        for first in ("openai", "comfy.org"):
            with contextlib.suppress(NoKeyError):
                return resolve(first, host, sandbox_url)
        raise NoKeyError(NO_CONNECTION)
    if name in SANDBOXES:
        batch = name != "sandbox"
        return Connection(name=name, kind="sandbox", base_url=f"{sandbox_url()}/v1", batch=batch)
    entries, makers = stored(), {"openai": _openai, "openai batch": _openai, "azure": _azure}
    connection = _comfy(host) if name == "comfy.org" else makers.get(name, _named)(name, entries)
    connection.refuse_unsendable()
    if "@" in urlsplit(connection.base_url).netloc:
        raise RefusedError(
            f"The address of the connection {connection.name} holds a user name or a password for {connection.host}."
            " Take it out: the key comes from its environment variable or from connections.json."
        )
    # A key may leave over https, or over http to this machine; other http only if the connections file says so.
    address, says_so = urlsplit(connection.base_url), entries.get(name, {}).get("allow_http") is True
    holds_key = connection.key or connection.headers or KEY_TEXT.search(address.path)
    is_allowed = not holds_key or says_so or is_loopback(connection.base_url)
    if address.scheme not in ("https", "http" if is_allowed else "https"):
        raise RefusedError(
            f"The connection {connection.name} would send its key to {connection.host} without encryption."
            ' Use an https address, or say "allow_http": true for it in connections.json.'
        )
    return connection


def _comfy(host: HostSecrets) -> Connection:
    place = "ComfyUI's option --comfy-api-base" if host.comfy_base_url else "COMFY_API_BASE"
    base = pasted.base_url(host.comfy_base_url or os.environ.get("COMFY_API_BASE") or COMFY_BASE_URL, place)
    key, key_from = host.comfy_key, "ComfyUI's sign-in"
    if key is None:
        key, key_from = _secret(os.environ.get("COMFY_API_KEY"), "comfy.org", "COMFY_API_KEY"), "COMFY_API_KEY"
    token = host.comfy_token
    if token is None and key is None:
        raise NoKeyError(
            "comfy.org: nobody is signed in and there is no key. Sign in under Settings > User in ComfyUI, or set"
            " COMFY_API_KEY, or choose another connection (sandbox is free)."
        )
    return Connection(
        name="comfy.org",
        kind="comfy.org",
        base_url=f"{base}/proxy/openai",
        key=token or key,
        key_header="Authorization" if token else "X-API-KEY",
        headers={**host.comfy_headers, "Comfy-Asset-Format": "url"},
        max_image_pixels=COMFY_MAX_PIXELS,
        idempotent=True,
        personal=host.comfy_token is not None or host.comfy_key is not None,
        address_from=place,
        key_from="ComfyUI's sign-in" if token else key_from,
    )


def _openai(name: str, entries: Entries) -> Connection:
    entry = entries.get("openai", {})
    key, key_from = _key_of("openai", entry)
    told, address_from = told_base("openai", entry)
    base = pasted.base_url(told, address_from)
    base, address_from = (base, address_from) if base else (OPENAI_BASE_URL, "its default")
    _refuse_other_host("openai", entry, base)
    told_headers = {
        one: os.environ.get(at, "").strip(pasted.QUOTES + " \t\r\n") for one, at in HEADER_VARIABLES.items()
    }
    return Connection(
        name=name,
        kind="openai",
        base_url=base,
        key=key,
        headers={header: value for header, value in told_headers.items() if value},
        batch=name == "openai batch",
        address_from=address_from,
        key_from=key_from,
        **form_of(entry, _place("openai")),
    )


def _azure(name: str, entries: Entries) -> Connection:
    entry = entries.get(name, {})
    key, key_from = _key_of(name, entry)
    told, address_from = told_base(name, entry)
    endpoint, told_version = pasted.azure_endpoint(told, address_from)
    if not endpoint:
        raise NoKeyError("azure: set AZURE_OPENAI_ENDPOINT to your resource, https://NAME.openai.azure.com.")
    _refuse_other_host(name, entry, endpoint)
    own_version = str(os.environ.get("OPENAI_API_VERSION") or "").strip(pasted.QUOTES + " ") or entry.get("api_version")
    version = str(own_version or told_version or "2025-04-01-preview")
    classic = version not in ("preview", "v1")
    return Connection(
        name=name,
        kind="azure",
        base_url=endpoint + ("/openai" if classic else "/openai/v1"),
        key=key,
        key_header="api-key",
        query={} if version == "v1" else {"api-version": version},
        deployment_paths=classic,
        address_from=address_from,
        key_from=key_from,
        **form_of(entry, _place(name)),
    )


def _named(name: str, entries: Entries) -> Connection:
    entry = entries.get(name)
    if entry is None:
        raise unknown(name)
    told_address, place = told_base(name, entry)
    base = pasted.base_url(told_address, place)
    if not base:
        raise RefusedError(f"The connection {name!r} has no base_url in connections.json. Add one.")
    key, key_from = _told_key(name, entry, key_variable(entry))
    told = entry.get("headers")
    return Connection(
        name=name,
        base_url=base,
        key=key,
        headers=pasted.headers(told) if isinstance(told, dict) else {},
        batch=entry.get("batch") is True,
        address_from=place,
        key_from=key_from,
        **form_of(entry, _place(name)),
    )


def unknown(name: Any) -> RefusedError:
    """Return the error of a name that nobody defined. Raises: RefusedError if the connections file is broken."""
    return RefusedError(
        f"There is no connection called {name!r}. Known are {', '.join(names())};"
        " new ones go into connections.json (openai-image connect NAME)."
    )


def key_variable(entry: Mapping[str, Any]) -> str:
    """Return the environment variable that an entry names for its key, or "" for what is no name of one."""
    name = str(entry.get("key_env") or "")
    return name if name.isprintable() else ""  # Python fails to look for half of a character


def form_of(entry: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return in which form a connection's requests go out, as its entry says: the fields to leave out, those to add,
    and `edits`.

    Raises: RefusedError for what one of them cannot be.
    """
    omit, edits = entry.get("omit") or [], entry.get("edits") or "multipart"
    fields = [name for name in OpenAIImageEditRequest.model_fields if name not in NEVER_OMITTED]
    wrong = [name for name in omit if name not in fields] if isinstance(omit, list) else [omit]
    if wrong:
        raise RefusedError(
            f'"omit" of {place} holds {", ".join(map(nameable, wrong))}. It must be a list of fields that are never'
            f" sent, of these: {', '.join(fields)}."
        )
    if edits not in EDIT_FORMS:
        raise RefusedError(
            f'"edits" of {place} is {nameable(edits)}, but must be "multipart" or "json": the form in which pictures'
            " are sent."
        )
    send, key = entry.get("send"), str(entry.get("key") or "")
    added = {} if send in (None, {}) else extra_fields(send, place, key if len(key) >= SHORTEST_SECRET else "")
    return {"omit": tuple(omit), "edits": edits, "send": added}


def _place(name: str) -> str:
    return f"the entry {name} in connections.json"


def _key_of(name: str, entry: Mapping[str, Any]) -> tuple[SecretStr, str]:
    """Return a built-in connection's key and where it comes from, in words."""
    variable, _ = VARIABLES[name]
    key, key_from = _told_key(name, entry, variable)
    if key is not None:
        return key, key_from
    raise NoKeyError(
        f"{name}: there is no key. The easiest way: paste it under Settings > OpenAI Image Nodes in ComfyUI; no"
        f" restart is needed. Or set the environment variable {variable} and restart ComfyUI, or run: openai-image"
        f" connect {name}. The connection sandbox is free and needs no key."
    )


def _told_key(name: str, entry: Mapping[str, Any], variable: str) -> tuple[SecretStr | None, str]:
    """Return a connection's key as it was told, and where it comes from: the environment before what is stored."""
    for told, key_from in ((os.environ.get(variable), variable), (entry.get("key"), _place(name))):
        if key := _secret(told, name, key_from):
            return key, key_from
    return None, ""


def told_base(name: str, entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return a connection's address as it was told, perhaps "", and where it comes from."""
    _, variable = VARIABLES.get(name, ("", ""))
    told = os.environ.get(variable, "").strip()
    return (told, variable) if told else (str(entry.get("base_url") or ""), STORED_BASE.format(name))


def _refuse_other_host(name: str, entry: Mapping[str, Any], base: str) -> None:
    """Keep a stored key to the host that it was stored for, whatever the environment says today."""
    key_variable, _ = VARIABLES[name]
    home_base = pasted.base_url(str(entry.get("base_url") or ""), STORED_BASE.format(name))
    own, asked = pasted.host_of(home_base), pasted.host_of(base)
    if os.environ.get(key_variable, "").strip() or not home_base or own == asked:
        return
    raise RefusedError(
        f"The stored key of {name} belongs to {own} and is not sent to {asked}."
        f" Set {key_variable} for that host, or store its key: openai-image connect {name} --base-url URL."
    )


def _secret(value: object, name: str, place: str) -> SecretStr | None:
    """Return a key without what was copied along with it, or None if nothing is left.

    Raises: RefusedError if no request could carry it.
    """
    key = pasted.key(value)
    fault = text_fault(key)
    if fault:
        raise unusable_key(name, place, fault)
    return SecretStr(key) if key else None
