"""One way to the service, as it is used for one call: where to, with which key, and what it can carry."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from ..catalog import catalog, validation
from ..catalog.schemas import OpenAIImageGenerationRequest
from ..errors import RefusedError
from . import pasted
from .redaction import Redacting

BATCH_WINDOW = timedelta(hours=24)
OWN_KEY_MAX_PIXELS = 8_294_400  # the largest picture the models make, docs/service.md, "Sizes"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
OPENAI_HOSTS = ("api.openai.com", "eu.api.openai.com", "us.api.openai.com")  # a relay is never one, whatever its name
ENDING_KINDS = ("openai", "comfy.org", "sandbox")
ACCOUNT_DIGITS, ACCOUNT_ROUNDS, ACCOUNT_SALT = 16, 10_000, b"openai_image_nodes account"
TOKEN_MAX_CHARS = 16_384
USER_CLAIMS = ("sub", "user_id")
Edits = Literal["multipart", "json"]


@dataclass(frozen=True)
class Connection(Redacting):
    """One way to the service, resolved for one call; the key is never part of its repr.

    `personal` says that the host handed over the key, for the person who runs this; else it is the machine's.
    `omit` names fields that are never sent, `send` has fields that always are and that the nodes do not have, `edits`
    is the form of an edit: multipart, or JSON with the pictures as data URLs. `address_from` and `key_from` say in
    words which variable or file holds the address and the key.
    """

    name: str
    base_url: str
    kind: str = "compatible"
    key: SecretStr | None = None
    key_header: str = "Authorization"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    deployment_paths: bool = False
    max_image_pixels: int = OWN_KEY_MAX_PIXELS
    idempotent: bool = False
    batch: bool = False
    personal: bool = False
    omit: tuple[str, ...] = ()
    send: Mapping[str, Any] = field(default_factory=dict)
    edits: Edits = "multipart"
    address_from: str = ""
    key_from: str = ""

    @property
    def is_openai(self) -> bool:
        """Whether OpenAI itself answers, or our own stand-in: only there a failure means what OpenAI documents."""
        return self.kind == "sandbox" or urlsplit(self.base_url).hostname in OPENAI_HOSTS

    @property
    def host(self) -> str:
        """The host that requests go to, for the report."""
        return pasted.host_of(self.base_url)

    @property
    def service(self) -> str:
        """What is asked, whatever the key and the transport: part of a job's identity."""
        return "sandbox" if self.kind == "sandbox" else self.base_url

    @property
    def account(self) -> str | None:
        """Which account of comfy.org pays, as 16 hexadecimal digits: answers belong to it. None for other services.

        That is the user whose token it is, whatever the token of the hour, or whoever has that key; and one account for
        whatever key the machine itself has: those are everybody's who uses the machine, and may be exchanged.
        """
        if self.kind != "comfy.org":
            return None
        if not self.personal or self.key is None:
            return _account(self.service, "machine", "")
        key = self.key.get_secret_value()
        user = user_of(key) if self.key_header == "Authorization" else None
        return _account(self.service, "key", key) if user is None else _account(self.service, "user", user)

    def url(self, path: str, model: str | None = None) -> str:
        """Return the address of a path, of a model's endpoint where each model has its own."""
        if self.deployment_paths and model in (".", ".."):
            raise RefusedError(f"{self.name}: {model} is no name of a deployment. Choose another model.")
        middle = f"/deployments/{quote(model, safe='')}" if self.deployment_paths and model else ""
        return f"{self.base_url}{middle}/{path}"

    def auth_headers(self) -> dict[str, str]:
        """Return all headers of this connection, the key in clear among them: only for the wire."""
        headers = dict(self.headers)
        if self.key is not None:
            prefix = "Bearer " if self.key_header == "Authorization" else ""
            headers[self.key_header] = prefix + self.key.get_secret_value()
        return headers

    def check(self, request: OpenAIImageGenerationRequest) -> None:
        """Refuse what this connection cannot carry although the model could. Raises: RefusedError."""
        self.refuse_unsendable()
        spec = catalog.find(request.model)
        self.check_alive(request.model)
        if self.batch:
            self.check_batch(request.model)
        if self.kind == "comfy.org" and (spec is None or spec.comfy.proxy is False):
            raise RefusedError(
                f"comfy.org does not offer the model {request.model}. Choose another model or your own connection.",
                code="model_not_found",
            )
        if self.kind == "azure" and request.output_format not in (None, "png", "jpeg"):
            raise RefusedError(
                f"Azure makes png and jpeg only, output_format is {request.output_format}. Choose png or jpeg.",
                code="invalid_value",
            )

    def refuse_unsendable(self) -> None:
        """Refuse a connection that no request can go out over; nobody is contacted.

        Raises: RefusedError that names the variable or the file to fix.
        """
        entry = f"the entry {self.name} in connections.json"
        if self.key is not None and (fault := pasted.text_fault(self.key.get_secret_value())):
            raise pasted.unusable_key(self.name, self.key_from or entry, fault)
        for name, value in self.headers.items():
            fault = (
                "no header can have this name"
                if not pasted.HEADER_NAME.fullmatch(name)
                else pasted.text_fault(value, " \t")
            )
            if fault:
                place = pasted.HEADER_VARIABLES.get(name) or entry
                raise RefusedError(
                    f"{self.name}: the header {name!a} of {place} cannot be sent: {fault}. Type it again.",
                    code="invalid_value",
                )
        if fault := pasted.address_fault(self.base_url):
            raise pasted.unusable_address(self.name, self.address_from or entry, fault)
        if not is_loopback(self.base_url) and (found := pasted.proxy_fault(self.base_url)):
            raise RefusedError(
                f"{self.name}: the proxy address from {found[1]} cannot be used: {found[0]}."
                " It should be as http://host:port. Fix the variable, or take it away, and restart ComfyUI.",
                code="invalid_value",
            )

    def wire_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that go out over this connection: without those that it is told to leave out.

        To a compatible service "auto" is not sent: it says nothing, and servers that know less refuse it. What a job
        is (its identity) does not depend on either.
        """
        is_plain = self.kind == "compatible"
        return {
            name: value
            for name, value in fields.items()
            if name not in self.omit and not (is_plain and value == "auto" and name not in self.send)
        }

    def check_alive(self, model: str) -> None:
        """Refuse a model that OpenAI shut down, where OpenAI is asked: other servers may use its name for their own.

        Raises: RefusedError.
        """
        if self.kind in ENDING_KINDS:
            validation.refuse_ended(model)

    def check_batch(self, model: str) -> None:
        """Refuse a model that the service takes in no batch, or that ends before a batch begun now has to be done.

        Raises: RefusedError.
        """
        spec = catalog.find(model)
        if spec is None or (spec.batch.supported is not False and not spec.ended(catalog.utc_today() + BATCH_WINDOW)):
            return
        if spec.batch.supported is False:
            why = "cannot be asked for in a batch"
        else:
            why = f"is shut down on {spec.shutdown_date}, and a batch may take 24 hours"
        raise RefusedError(
            f"{self.name}: the model {model} {why}. Choose another, such as {catalog.surest_in_batch()}.",
            code="model_not_found",
        )


@dataclass(frozen=True)
class HostSecrets:
    """What the host hands to a node for one run: comfy.org's token and key, its address and its headers."""

    comfy_token: SecretStr | None = None
    comfy_key: SecretStr | None = None
    comfy_base_url: str | None = None
    comfy_headers: Mapping[str, str] = field(default_factory=dict)


def is_loopback(url: str) -> bool:
    """Tell whether a URL's host is this machine; what is no URL has none."""
    try:
        return urlsplit(url).hostname in LOOPBACK_HOSTS
    except ValueError:
        return False


def user_of(token: str) -> str | None:
    """Return the user that a token (JWT) names, or None for one that names nobody. Nothing is verified here."""
    parts = token.split(".") if len(token) <= TOKEN_MAX_CHARS else []
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    found = [claims[name] for name in USER_CLAIMS if claims.get(name)] if isinstance(claims, dict) else []
    return found[0] if found and isinstance(found[0], str) else None


@lru_cache(maxsize=256)
def _account(service: str, kind: str, payer: str) -> str:
    """Return a digest that tells people apart and leads back to no key."""
    what = json.dumps([service, kind, payer]).encode()
    return hashlib.pbkdf2_hmac("sha256", what, ACCOUNT_SALT, ACCOUNT_ROUNDS).hex()[:ACCOUNT_DIGITS]
