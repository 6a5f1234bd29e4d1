"""JSON Web Tokens: when one expires. Slurm's REST interface, Kubernetes and many clouds hand out such secrets."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["seconds_left"]


def seconds_left(value: str | bytes) -> float | None:
    """Return the seconds until a token expires, negative if it has; None if it is no token or never expires.

    The token's own word (`exp`, RFC 7519) is taken for it: nothing is verified, as the key is somebody else's.
    """
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    parts = text.split(".")
    if len(parts) != 3 or "alg" not in _claims(parts[0]):
        return None
    expires = _claims(parts[1]).get("exp")
    if not isinstance(expires, (int, float)) or isinstance(expires, bool):
        return None
    return expires - time.time()


def _claims(part: str) -> dict[str, Any]:
    """Return what one part of a token says; nothing if it is not a JSON object in base64."""
    from base64 import urlsafe_b64decode
    from json import loads

    try:
        found = loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
