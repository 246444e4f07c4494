"""Whose account pays over a connection: a short digest that tells accounts apart and leads back to no key."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import Connection

DIGITS = 16
ROUNDS = 10_000  # a key may be a short word on a server of one's own
SALT = b"openai_image_nodes account"
TOKEN_MAX_CHARS = 16_384
USER_CLAIMS = ("sub", "user_id")
ORGANIZATION = "OpenAI-Organization"


def account_of(connection: Connection) -> str | None:
    """Return 16 hexadecimal digits for the account that pays over a connection; None on the sandbox, which is free.

    That is the user of comfy.org whose token it is, whatever the token of the hour; the organization that is set; the
    resource on Azure, which has two keys to change between; else the key.
    """
    if connection.kind == "sandbox":
        return None
    key = connection.key.get_secret_value() if connection.key else ""
    if connection.kind == "comfy.org":
        user = user_of(key) if connection.key_header == "Authorization" else None
        payer = ("key", key) if user is None else ("user", user)
    elif connection.kind == "azure":
        payer = ("resource", "")
    else:
        organization = connection.headers.get(ORGANIZATION)
        payer = ("organization", organization) if organization else ("key", key)
    return _digest(connection.service, *payer)


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
def _digest(service: str, kind: str, payer: str) -> str:
    what = json.dumps([service, kind, payer]).encode()
    return hashlib.pbkdf2_hmac("sha256", what, SALT, ROUNDS).hex()[:DIGITS]
