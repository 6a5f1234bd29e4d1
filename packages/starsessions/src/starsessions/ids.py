"""Session ids: how they are made and which ones are taken from a cookie."""

from __future__ import annotations

import hashlib
import re
import secrets
import string

__all__ = ["fingerprint", "generate_session_id", "hash_id", "is_acceptable_id", "is_generated_id"]

_GENERATED = re.compile(r"[0-9a-f]{32}")
# Applications may name sessions themselves (an OpenID `sid`, a UUID), so more than our own form is looked up.
# The characters are harmless in cookies, headers and Redis keys (not in file names: a store of files has to hash
# them); the length bounds what is echoed.
_ACCEPTABLE = f"{string.ascii_letters}{string.digits}._~+/=-".encode()
_MAX_LENGTH = 128


def generate_session_id() -> str:
    """Return a new id: 32 lower-case hexadecimal digits, 128 random bits."""
    return secrets.token_hex(16)


def is_generated_id(value: str) -> bool:
    """Tell whether `value` has the form that `generate_session_id` gives."""
    return _GENERATED.fullmatch(value) is not None


def is_acceptable_id(value: str) -> bool:
    """Tell whether `value` may be looked up in a store; whether it exists is the store's answer."""
    # What is left when these characters are taken out: much quicker than a regular expression.
    return 0 < len(value) <= _MAX_LENGTH and value.isascii() and not value.encode().translate(None, _ACCEPTABLE)


def hash_id(session_id: str) -> str:
    """Return what stands for an id where the id itself would open the session: in key names and in lists.

    It has as many bits as an id of ours, so the one is as hard to find from the other as to guess.
    """
    return hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def fingerprint(session_id: str) -> str:
    """Return a short name for an id that logs may show: it cannot be used to take over the session."""
    return hash_id(session_id)[:12]
