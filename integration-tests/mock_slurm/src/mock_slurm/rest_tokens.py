"""JSON Web Tokens as slurmctld checks them with auth/jwt."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

__all__ = ["account_in", "key_in"]


def key_in(path: Path) -> bytes:
    """The signing key in a file, made if there is none."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    return path.read_bytes()


def account_in(token: str, key: bytes) -> str | None:
    """The account for which a token was made; None for one that is not valid (any more)."""
    try:
        head, payload, signature = token.split(".")
        expected = hmac.new(key, f"{head}.{payload}".encode(), hashlib.sha256).digest()
        if _decoded(head)["alg"] != "HS256" or not hmac.compare_digest(_raw(signature), expected):
            return None
        claims = _decoded(payload)
        return str(claims["sun"]) if claims["exp"] > time.time() else None
    except (ValueError, KeyError, TypeError):
        return None


def _raw(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _decoded(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_raw(part))
    return found
