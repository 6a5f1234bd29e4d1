"""A credential provider for redis-py that follows a rotating password."""

from __future__ import annotations

from redis.credentials import CredentialProvider

from pentad_config.secret import Secret

__all__ = ["RedisCredentials"]


class RedisCredentials(CredentialProvider):
    """Give redis-py the current password at every new connection."""

    def __init__(self, password: Secret, username: str | None = None) -> None:
        self._password = password
        self._username = username

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return what AUTH is sent with: the password, or user name and password."""
        password = self._password.text()
        return (self._username, password) if self._username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """Return the same for the asyncio client."""
        return self.get_credentials()

    def __repr__(self) -> str:
        return f"<RedisCredentials {self._password!r}>"
