"""The keys of the connections file: stored, forgotten, and told about without being shown."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from .. import config
from ..backends.atomic_files import make_private_folder, write_atomic
from ..backends.leases import acquire
from ..errors import OpenAIImageError, RefusedError
from . import pasted, resolve
from .connection import HostSecrets
from .pasted import text_fault

LONGEST_KEY = 4096
API_VERSION = re.compile(r"preview|latest|v1|\d{4}-\d{2}-\d{2}(-preview)?")
WAIT_S = 0.02
WITHOUT_STORED_KEY = ("auto", "comfy.org", "sandbox", "openai batch", "sandbox batch")
SAME_KEY = {"openai batch": "openai"}

KeySource = Literal["environment", "stored", "none"]


def store(name: str, key: str, base_url: str | None = None) -> None:
    """Store the key of a connection, and with it the one host that it may be sent to; "" for a server that wants none.

    Raises: RefusedError for a name that takes no key, a new name without an address, or a text that is no key; OSError.
    """
    refuse_name(name)
    with _changed(name) as entry:
        is_without = base_url and not key.strip() and name not in resolve.BUILT_IN and "key" not in entry
        if not is_without:
            entry["key"] = _checked(key)
        if base := address_of(name, base_url, entry):
            entry["base_url"] = pasted.base_url(base, "--base-url")  # a stored key is sent to this host only


def address_of(name: str, base_url: str | None, entry: Mapping[str, Any]) -> str:
    """Return where the key of a connection goes: as told, else as set or stored in its `entry`.

    Raises: RefusedError for a name of somebody's own without an address.
    """
    told, _ = resolve.told_base(name, entry)
    base = base_url or told or (resolve.OPENAI_BASE_URL if name == "openai" else "")
    if name not in resolve.BUILT_IN and not base:
        raise RefusedError(f"The connection {name} needs --base-url, as https://host/v1.")
    return base


def store_azure(endpoint: str, api_version: str = "", key: str = "") -> None:
    """Store where the resource of the connection azure is, its api-version, and its key; "" keeps what is stored.

    Raises: RefusedError for what is no such thing, or where a stored key would go to another host; OSError.
    """
    address, told_version = pasted.azure_endpoint(endpoint, "the settings")
    version = api_version.strip() or told_version
    if not address:
        raise RefusedError("azure needs the address of your resource, https://NAME.openai.azure.com.")
    if version and not API_VERSION.fullmatch(version):
        raise RefusedError(
            f"{version!r} is no API version. Azure's are, for example, 2025-04-01-preview, preview or v1."
        )
    own = _checked(key) if key.strip() else None
    with _changed("azure") as entry:
        hosts = {pasted.host_of(url).lower() for url in (str(entry.get("base_url") or ""), address)}
        if entry.get("key") and own is None and len(hosts) > 1:
            raise RefusedError("The stored key is for another host. Paste the key of this one with its address.")
        entry.update({"base_url": address, **({"api_version": version} if version else {})})
        if own is not None:
            entry["key"] = own


def azure_place() -> dict[str, str]:
    """Return the connection azure's endpoint and api_version as they are in force, "" for what is not set.

    Raises: RefusedError if the connections file cannot be read.
    """
    entry = resolve.stored().get("azure", {})
    (told, _), endpoint = resolve.told_base("azure", entry), ""
    with contextlib.suppress(OpenAIImageError):  # what is no address may hold anything, and is not shown
        endpoint, _ = pasted.azure_endpoint(told, "the settings")
    is_shown = "@" not in endpoint and pasted.address_fault(endpoint) is None
    version = str(os.environ.get("OPENAI_API_VERSION") or entry.get("api_version") or "")
    return {
        "endpoint": endpoint if is_shown else "",
        "api_version": version if API_VERSION.fullmatch(version) else "",
    }


def forget(name: str) -> None:
    """Take a stored key away; everything else about the connection stays. Raises: RefusedError, OSError."""
    refuse_name(name)
    with _changed(name) as entry:
        entry.pop("key", None)


def source(name: str) -> KeySource:
    """Return where the key of a connection comes from; the environment comes before what is stored.

    Raises: RefusedError if the connections file cannot be read.
    """
    name = SAME_KEY.get(name, name)
    entry = resolve.stored().get(name, {})
    variable, _ = resolve.VARIABLES.get(name, (resolve.key_variable(entry), ""))
    if pasted.key(os.environ.get(variable)):
        return "environment"
    return "stored" if pasted.key(entry.get("key")) else "none"


def set_form(
    name: str, *, omit: list[str] | None = None, edits: str | None = None, send: Mapping[str, Any] | None = None
) -> None:
    """Store which fields are never sent over a connection, which always are, and the form of its edits; None leaves
    each as it is.

    Raises: RefusedError for a name that takes none of them, or a value that cannot be; OSError.
    """
    refuse_name(name)
    with _changed(name) as entry:
        if name not in resolve.names():
            raise RefusedError(f"There is no connection called {name!r}. Store its key first.")
        new = {
            "omit": entry.get("omit") if omit is None else omit,
            "edits": entry.get("edits") if edits is None else edits,
            "send": entry.get("send") if send is None else dict(send),
        }
        resolve.form_of({**entry, **new}, f"the connection {name}")
        entry.update({field: value for field, value in new.items() if value is not None})


def form(name: str) -> dict[str, Any]:
    """Return a connection's `omit`, `edits` and `send` as they are in force, the defaults where the file's cannot be.

    Raises: RefusedError if the connections file cannot be read.
    """
    entry = resolve.stored().get(SAME_KEY.get(name, name), {})
    try:
        return resolve.form_of(entry, name)
    except RefusedError:  # what is refused may hold a key: why is told, and it is not shown
        return resolve.form_of({}, name)


def fault(name: str) -> str | None:
    """Return why a connection is not ready, in words that hold no key, or None; nobody is contacted."""
    try:
        resolve.resolve(name, HostSecrets(), lambda: "")
    except OpenAIImageError as exc:
        return str(exc).removeprefix(f"{name}: ")
    return None


def _checked(key: str) -> str:
    """Return a pasted key without what was copied along with it. Raises: RefusedError for a text that is no key."""
    bare = pasted.key(key)
    fault = text_fault(bare)
    if not bare or fault or len(bare) > LONGEST_KEY:
        raise RefusedError(f"That is no key: {fault or 'it is empty or too long'}. Copy the key again.")
    return bare


def refuse_name(name: str) -> None:
    """Refuse the name of a connection that takes no stored key. Raises: RefusedError."""
    if name in WITHOUT_STORED_KEY:
        raise RefusedError(
            f"{name} needs no stored key. comfy.org takes its key from ComfyUI's own sign-in,"
            " openai batch takes that of openai."
        )


@contextlib.contextmanager
def _changed(name: str) -> Iterator[dict[str, Any]]:
    """Give a connection's entry to be changed, and write it; nothing is written where there is none, before and after.

    No other process or thread changes the file meanwhile: who read it before would write its keys away.
    Raises: RefusedError if the connections file cannot be read, OSError.
    """
    place = make_private_folder(config.folder() / "connections.lock")
    while (ours := acquire(place)) is None:
        time.sleep(WAIT_S)
    try:
        told = resolve.stored_file()
        entries = told["connections"]
        entry = {**entries.get(name, {})}
        yield entry
        if entry or name in entries:
            told = {**told, "connections": {**entries, name: entry}}
            write_atomic(config.folder() / "connections.json", json.dumps(told, indent=1).encode())
    finally:
        ours.release()
