"""Keys that are exchanged while requests are under way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

from minio.credentials.providers import Provider
from minio.error import S3Error

from django_minio_backend.credentials_document import DocumentProvider
from pentad_config import ConfigError, Secret
from pentad_config.minio import SecretProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    import urllib3
    from minio.credentials.credentials import Credentials

__all__ = ["Keys"]

_T = TypeVar("_T")
_REFUSED: Final = frozenset({401, 403})
_HIDING: Final = (SecretProvider, DocumentProvider)
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
        self._question = threading.local()

    def retrieve(self) -> Credentials:
        """Return the keys to sign with: during a question to the SDK those that it began with, else those of now."""
        return getattr(self._question, "keys", None) or self._current()

    def _current(self) -> Credentials:
        found, refused, taken = self._found(), self._refused, self._taken  # others may change them meanwhile
        return taken.retrieve() if refused and taken and _are(refused, found) else found

    def _found(self) -> Credentials:
        found = self._source.retrieve()
        # what the SDK's own providers give would be shown by every traceback with local variables
        return found if isinstance(self._source, _HIDING) else _kept(found).retrieve()

    def instead_of(self, refused: Credentials) -> Credentials | None:
        """Return other keys to try in place of those that the server refused, or None if there are none."""
        self._look_again()
        taken, self._refused = self._taken, _kept(refused)
        candidates = (self._found(), taken.retrieve() if taken else None)
        return next((keys for keys in candidates if keys and _parts(keys) != _parts(refused)), None)

    def exchange(
        self, send: Callable[[Credentials], urllib3.BaseHTTPResponse], again: Callable[[], object]
    ) -> urllib3.BaseHTTPResponse:
        """Send a request, and once more with other keys if its own are refused; `again` goes back to its start."""
        keys = self.retrieve()
        answer = send(keys)
        if _may_refuse(answer) and (other := self.instead_of(keys)) is not None:
            answer.drain_conn()
            again()
            keys, answer = other, send(other)
        self._learn(keys, answer)
        return answer

    def ask(self, question: Callable[[], _T]) -> _T:
        """Return what a function of the SDK returns; it is called once more if its keys are refused."""
        keys = self.retrieve()
        try:
            found = self._asked_with(keys, question)
        except S3Error as error:
            if not _may_refuse(error.response) or (other := self.instead_of(keys)) is None:
                raise
            return self._asked_again(other, question)
        self._took(keys)
        return found

    def _asked_again(self, keys: Credentials, question: Callable[[], _T]) -> _T:
        try:
            found = self._asked_with(keys, question)
        except S3Error as error:
            self._learn(keys, error.response)
            raise
        self._took(keys)
        return found

    def _asked_with(self, keys: Credentials, question: Callable[[], _T]) -> _T:
        """Ask with the same keys to the end: a listing sends many requests, between which those of now may change."""
        self._question.keys = keys
        try:
            return question()
        finally:
            del self._question.keys

    def _learn(self, keys: Credentials, last_answer: Any) -> None:
        """Take note of whether the server accepts the keys that were tried last."""
        if not _may_refuse(last_answer):
            self._took(keys)
        else:
            self._refused = None  # with whatever keys, so a policy may be the reason, and the newest may be good

    def _took(self, keys: Credentials) -> None:
        taken, refused = self._taken, self._refused
        if taken is None or not _are(taken, keys):
            self._taken = _kept(keys)
        if refused is not None and _are(refused, keys):
            self._refused = None

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
    if answer.status == 400:
        return not answer.data or any(code in answer.data for code in _TOKEN_REFUSED)
    return answer.status in _REFUSED


def _are(kept: SecretProvider, keys: Credentials) -> bool:
    return _parts(kept.retrieve()) == _parts(keys)


def _kept(keys: Credentials) -> SecretProvider:
    """Return a copy that shows nothing."""
    return SecretProvider(*(Secret(part, name="S3 key") for part in _parts(keys) if part is not None))


def _parts(keys: Credentials) -> tuple[str, str, str | None]:
    return keys.access_key, keys.secret_key, keys.session_token
