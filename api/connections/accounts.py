"""Whose account pays over comfy.org: a short digest that tells people apart and leads back to no key.

A machine's own keys, of whatever service, are everybody's who uses the machine, and may be exchanged.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import Connection

DIGITS = 16
ROUNDS = 10_000
SALT = b"openai_image_nodes account"
TOKEN_MAX_CHARS = 16_384
USER_CLAIMS = ("sub", "user_id")


def account_of(connection: Connection) -> str | None:
    """Return 16 hexadecimal digits for the account that pays over comfy.org, None for any other service.

    That is the user whose token it is, whatever the token of the hour, or whoever has that key; and one account for
    whatever key the machine itself has.
    """
    if connection.kind != "comfy.org":
        return None
    if not connection.personal or connection.key is None:
        return _digest(connection.service, "machine", "")
    key = connection.key.get_secret_value()
    user = user_of(key) if connection.key_header == "Authorization" else None
    return _digest(connection.service, "key", key) if user is None else _digest(connection.service, "user", user)


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
