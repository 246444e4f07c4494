"""`openai-image doctor | connect | sandbox`: what is ready, and what is needed for more."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence

import certifi

from ..api import HostSecrets, OpenAIImageError, SharedStore, config, stores
from ..api.connections import extra_fields, keys
from ..api.connections import resolve as connections
from ..api.transport import probe
from .terminal import asked_secret, printable, tell_row

NO_LIST = "but without a list of models: if no picture comes, check the address (most base addresses end on /v1)"


def doctor(argv: Sequence[str]) -> int:
    """Tell which connections are ready and why not, without showing a key. Costs nothing."""
    parser = argparse.ArgumentParser(prog="openai-image doctor", description=doctor.__doc__)
    parser.add_argument("--offline", action="store_true", help="look at the settings only, contact nobody")
    offline = parser.parse_args(argv).offline
    tell_row(f"state folder   {config.folder()}")
    tell_row(
        f"certificates   {os.environ.get('REQUESTS_CA_BUNDLE') or os.environ.get('CURL_CA_BUNDLE') or certifi.where()}"
    )
    tell_row(f"store          {_line_about_store(offline=offline)}")
    for name in [name for name in connections.names() if name != "auto"]:
        for line in _lines_about(name, offline=offline):
            tell_row(f"{name:<14} {line}")
            name = ""
    return 0


def _line_about_store(*, offline: bool) -> str:
    try:
        paid = stores()[0]
        if not isinstance(paid, SharedStore):
            return str(paid.root)
        place = f"{paid.bucket.name}, in front of it {paid.root}"
        if offline:
            return place
        is_conditional = paid.bucket.probe()
    except OpenAIImageError as exc:
        return f"not ready: {exc}"
    exclusive = "yes" if is_conditional else "no: looked at twice instead, the last writer has it"
    waiting = len(paid.outbox.names())
    left = f"; {waiting} things yet to be shared (openai-image jobs sync)" if waiting else ""
    return f"reachable: {place}; conditional writes: {exclusive}{left}"


def _lines_about(name: str, *, offline: bool) -> Iterator[str]:
    if name in connections.SANDBOXES:
        yield "ready: free and offline"
        return
    try:
        link = connections.resolve(name, HostSecrets(), lambda: "")
    except OpenAIImageError as exc:
        yield f"not ready: {str(exc).removeprefix(f'{name}: ')}"
        return
    if link.batch and name == "openai batch":
        yield f"ready: {link.host}, with the key of openai"
        return
    has_list = link.kind != "comfy.org" and not link.deployment_paths
    found = probe.probe(link) if has_list and not offline else None
    is_sure = found is None or found.has_list
    ready = "not ready" if found and found.fault else "ready" if is_sure else "perhaps ready"
    yield f"{ready}: {link.host}, {'with a key' if link.key else 'without a key'}"
    if link.omit:
        yield f"leaves out {', '.join(link.omit)}"
    if link.send:
        yield f"sends as well {extra_fields.shown(link.send)}"
    proxy = probe.proxy_of(link)
    if proxy:
        yield f"through the proxy {proxy}"
    if found is not None:
        pictures = [model for model in found.models if "image" in model]
        listed = f'{len(found.models)} models, {len(pictures)} with "image" in the name'
        yield found.fault or f"reachable, {listed if found.has_list else NO_LIST}"
        for model, day in found.ending.items():
            yield f"{model} is shut down on {day}"
        if found.skew_s is not None and abs(found.skew_s) > probe.SKEW_WORTH_TELLING_S:
            yield f"this machine's clock is off by {found.skew_s:.0f} s"


def connect(argv: Sequence[str]) -> int:
    """Store the key of a connection, or that it needs none; it is asked for without being shown."""
    parser = argparse.ArgumentParser(prog="openai-image connect", description=connect.__doc__)
    parser.add_argument("name", metavar="NAME", help="openai, azure, or a name of your own")
    parser.add_argument("--base-url", metavar="URL", help="needed for a name of your own, and for azure")
    parser.add_argument(
        "--omit",
        action="append",
        metavar="FIELD",
        help="never send this field; again for more, '' for none; asks no key",
    )
    parser.add_argument(
        "--send",
        action="append",
        metavar="FIELD=VALUE",
        help="always send this field as well; again for more, '' for none; asks no key",
    )
    parser.add_argument("--edits", choices=("multipart", "json"), help="the form in which pictures to edit are sent")
    options = parser.parse_args(argv)
    keys.refuse_name(options.name)
    if options.omit is not None or options.send is not None or options.edits:
        fields = (
            None if options.omit is None else [field for told in options.omit for field in told.split(",") if field]
        )
        send = None if options.send is None else extra_fields.fields_of_texts(options.send)
        keys.set_form(options.name, omit=fields, edits=options.edits, send=send)
        told = keys.form(options.name)
        tell_row(f"stored; {options.name} leaves out {', '.join(told['omit']) or 'nothing'}, edits as {told['edits']}")
        tell_row(f"it sends as well {extra_fields.shown(told['send']) or 'nothing'}")
        return 0
    keys.address_of(options.name, options.base_url, connections.stored().get(options.name, {}))  # before it asks
    hint = "not shown" if options.name in connections.BUILT_IN else "not shown; Enter alone if it wants none"
    keys.store(options.name, asked_secret(f"Key for {printable(options.name)} ({hint}): "), options.base_url)
    tell_row(f"stored; {options.name} {next(_lines_about(options.name, offline=True))}")
    return 0


def serve_sandbox(argv: Sequence[str]) -> int:
    """Serve the sandbox on a loopback port until Ctrl+C, for other programs to try things on."""
    from ..sandbox import KINDS, Sandbox, drifting

    parser = argparse.ArgumentParser(prog="openai-image sandbox", description=serve_sandbox.__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--edits", choices=KINDS, help="how edits come back; without it what the mask keeps is kept")
    options = parser.parse_args(argv)
    with Sandbox(port=options.port, render=drifting(options.edits)) as sandbox:
        print(f"OPENAI_BASE_URL={sandbox.base_url}/v1", flush=True)
        print(f"COMFY_API_BASE={sandbox.base_url}", flush=True)
        while sandbox.is_running:
            time.sleep(1.0)
    return 0
