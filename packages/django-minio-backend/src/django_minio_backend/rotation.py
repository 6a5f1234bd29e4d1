"""Keys that are exchanged while requests are under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from minio.credentials.providers import Provider
from minio.error import S3Error

from pentad_config import ConfigError, Secret
from pentad_config.minio import SecretProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    import urllib3
    from minio.credentials.credentials import Credentials

__all__ = ["Keys"]

_T = TypeVar("_T")
_REFUSED: Final = frozenset({401, 403})
_TOKEN_REFUSED: Final = (b"<Code>ExpiredToken", b"<Code>InvalidToken")


class Keys(Provider):
    """The keys to sign with now; what a server refuses is looked up anew, and other keys are tried once.

    Two files of a pair cannot be written at the same instant. In between, a new access key stands beside the old
    secret key, which no server takes: then the keys that it last took are used until the files change again.
    `read` returns a provider that has looked at nothing yet.
    """

    def __init__(self, read: Callable[[], Provider]) -> None:
        self._read = read
        self._source = read()
        self._taken: SecretProvider | None = None
        self._refused: SecretProvider | None = None

    def retrieve(self) -> Credentials:
        """Return the keys to sign with."""
        found = self._source.retrieve()
        if self._refused is None or self._taken is None or not _are(self._refused, found):
            return found
        return self._taken.retrieve()

    def took(self, keys: Credentials) -> None:
        """Remember that the server accepts these keys."""
        if self._taken is None or not _are(self._taken, keys):
            self._taken = _kept(keys)
        if self._refused is not None and _are(self._refused, keys):
            self._refused = None

    def instead_of(self, refused: Credentials) -> Credentials | None:
        """Return other keys to try in place of those that the server refused, or None if there are none."""
        self._look_again()
        self._refused = _kept(refused)
        other = self.retrieve()
        return None if _are(self._refused, other) else other

    def exchange(
        self, send: Callable[[Credentials], urllib3.BaseHTTPResponse], again: Callable[[], object]
    ) -> urllib3.BaseHTTPResponse:
        """Send a request, and once more with other keys if its own are refused; `again` goes back to its start."""
        keys = self.retrieve()
        answer = send(keys)
        if not _may_refuse(answer):
            self.took(keys)
        elif (other := self.instead_of(keys)) is not None:
            answer.drain_conn()
            again()
            answer = send(other)
            if not _may_refuse(answer):
                self.took(other)
        return answer

    def ask(self, question: Callable[[], _T]) -> _T:
        """Return what a function of the SDK returns; it is called once more if its keys are refused."""
        keys = self.retrieve()
        try:
            found = question()
        except S3Error as error:
            if not _may_refuse(error.response) or self.instead_of(keys) is None:
                raise
            return question()
        self.took(keys)
        return found

    def _look_again(self) -> None:
        """Read the keys now, whenever they were last read. Those that cannot be read now stay as they were."""
        anew = self._read()
        try:
            anew.retrieve()
        except ConfigError:
            return
        self._source = anew


def _may_refuse(answer: Any) -> bool:
    """Tell whether an answer may be about the keys: one to HEAD has no code, and some servers say AccessDenied."""
    return answer.status in _REFUSED or (answer.status == 400 and any(code in answer.data for code in _TOKEN_REFUSED))


def _are(kept: SecretProvider, keys: Credentials) -> bool:
    return _parts(kept.retrieve()) == _parts(keys)


def _kept(keys: Credentials) -> SecretProvider:
    """Return a copy that shows nothing."""
    return SecretProvider(*(Secret(part, name="S3 key") for part in _parts(keys) if part is not None))


def _parts(keys: Credentials) -> tuple[str, str, str | None]:
    return keys.access_key, keys.secret_key, keys.session_token
