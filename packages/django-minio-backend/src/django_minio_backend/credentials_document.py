"""Access key and secret key in one file: they change together, as no two files do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NoReturn

from minio.credentials.providers import Provider

from pentad_config import ConfigError, Problem, Secret, Together
from pentad_config.minio import SecretProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from minio.credentials.credentials import Credentials

__all__ = ["DocumentProvider"]

_SPELLINGS: Final = (
    ("accessKey", "AccessKeyId"),
    ("secretKey", "SecretAccessKey"),
    ("sessionToken", "SessionToken"),
)


class DocumentProvider(Provider):
    """Gives the keys that stand in a JSON document, at every request those that stand there now.

    Understood are MinIO's `accessKey` and `secretKey`, as its console and `mc ... --json` write them, and the
    `AccessKeyId` and `SecretAccessKey` of AWS's credential processes; a session token may stand beside them.
    """

    def __init__(self, document: Secret) -> None:
        self.document = document
        self._read = Together(document)
        self._understood: tuple[int, SecretProvider] | None = None

    def retrieve(self) -> Credentials:
        """Return the keys. Raises ConfigError, which shows nothing of the document, if there are none in it."""
        self._read.reveal()
        generation, kept = self._read.generation, self._understood
        if kept is None or kept[0] != generation:
            # passed on without a name: a traceback with local variables would show it
            kept = self._understood = generation, self._keys(self._parsed(*self._read.reveal()))
        return kept[1].retrieve()

    def _parsed(self, text: str | bytes) -> Mapping[str, Any]:
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        del text
        if not isinstance(found, dict):
            del found
            self._refuse("is not a JSON object")
        return found

    def _keys(self, found: Mapping[str, Any]) -> SecretProvider:
        written = [next((found[name] for name in names if found.get(name)), None) for names in _SPELLINGS]
        del found
        wrong = [names[0] for names, part in zip(_SPELLINGS, written, strict=True) if not isinstance(part, str | None)]
        wrong += [names[0] for names, part in zip(_SPELLINGS[:2], written, strict=False) if part is None]
        if wrong:
            del written
            self._refuse(f"has no text as {', '.join(wrong)}")
        return SecretProvider(*(Secret(part, name=self.document.name) for part in written if part is not None))

    def _refuse(self, what: str) -> NoReturn:
        example = '{"accessKey": "...", "secretKey": "..."}'
        raise ConfigError([Problem(self.document.name, f"{what}; write {example}.")])
