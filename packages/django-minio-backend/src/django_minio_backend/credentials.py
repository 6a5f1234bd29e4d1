"""Access key and secret key: held as `Secret`, and given to whoever signs by a provider that follows rotation."""

from __future__ import annotations

import hashlib
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from minio.credentials.providers import Provider

from django_minio_backend.credentials_document import DocumentProvider
from django_minio_backend.rotation import Keys
from pentad_config import Secret
from pentad_config.minio import SecretProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_minio_backend.options import Options

__all__ = ["SECRETS", "held", "keys_of"]

SECRETS: Final = ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_SESSION_TOKEN")

_SALT = secrets.token_bytes(32)
_held: dict[tuple[str, bytes], Secret] = {}


def held(name: str, value: Any) -> Any:
    """Return a credential as a `Secret`: the same one for the same text, so that storages can share a connection.

    Text may be the value or a reference, `env:VARIABLE` or `file:/path`. A Secret is returned as it is. None and
    an empty text, which is what a variable without a value gives, are None.
    """
    if value is None or isinstance(value, Secret):
        return value
    if isinstance(value, (str, bytes)) and not value:
        return None
    if not isinstance(value, str):
        return Secret(value, name=name)
    place = name, hashlib.blake2b(value.encode(), key=_SALT).digest()
    return _held.setdefault(place, Secret.at(value, name=name))


def keys_of(options: Options) -> Keys:
    """Return what the SDK and our own requests ask for credentials, at every request."""
    return Keys(_reading(options))


def _reading(options: Options) -> Callable[[], Provider]:
    """Return a function whose every result has looked at nothing yet, unless a provider itself was given."""
    given: Provider | None = options.get("MINIO_CREDENTIALS")
    if isinstance(given, DocumentProvider):
        return partial(DocumentProvider, given.document)
    if given is not None:
        return lambda: given
    return partial(SecretProvider, *(secret for name in SECRETS if (secret := options.get(name)) is not None))
