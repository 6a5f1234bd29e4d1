"""A credential provider for minio that follows rotating keys."""

from __future__ import annotations

from typing import Any

from minio.credentials.credentials import Credentials
from minio.credentials.providers import Provider

from pentad_config.secret import Secret
from pentad_config.together import Together

__all__ = ["SecretProvider"]


class _Credentials(Credentials):  # type: ignore[misc, unused-ignore]
    """minio's credentials without its repr, which shows the keys to every traceback with local variables."""

    def __repr__(self) -> str:
        return "<Credentials: redacted>"


class SecretProvider(Provider):  # type: ignore[misc, unused-ignore]
    """Give minio the current access key and secret key, always of one generation.

    minio asks at every request, so a rotated pair is used from the next request on.
    """

    def __init__(self, access_key: Secret, secret_key: Secret, session_token: Secret | None = None) -> None:
        secrets = (access_key, secret_key) if session_token is None else (access_key, secret_key, session_token)
        self._pair = Together(*secrets)

    @property
    def generation(self) -> int:
        """A number that moves with every rotation: cache presigned links by it."""
        self._pair.reveal()
        return self._pair.generation

    def retrieve(self) -> Credentials:
        """Return the credentials to sign with now."""
        access_key, secret_key, *token = (_text(value) for value in self._pair.reveal())
        return _Credentials(access_key, secret_key, token[0] if token else None)

    def __repr__(self) -> str:
        return f"<SecretProvider {self._pair!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return SecretProvider, self._pair.secrets


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else Secret(value, name="minio key").text()
