"""The server's token, known to pentad_config so that nothing the spawner writes or shows has it in it."""

import hashlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pentad_config import Secret, redact

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[Any]
else:
    _Adapter = logging.LoggerAdapter

#: Variables of a job's environment that let their holder act for the user.
TOKENS = ("JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN")


def tokens_of(environment: Mapping[str, Any]) -> list[Secret]:
    """Return the tokens in a job's environment; while they are held, `redact` finds them in any text."""
    return [Secret(environment[name], name=name) for name in TOKENS if environment.get(name)]


def token_digest(token: str) -> str:
    """The SHA-256 of a token: enough to know it again, and safe to store."""
    return hashlib.sha256(token.encode()).hexdigest()


class RedactedLog(_Adapter):
    """A spawner's log without the values of live secrets, whoever writes to it."""

    def __init__(self, log: Any) -> None:
        super().__init__(log, {})

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log the message after its arguments were put in and secrets taken out."""
        if self.isEnabledFor(level):
            text = str(msg) % args if args else str(msg)
            # one frame further up than usual, so that the line names the caller
            super().log(level, "%s", redact(text), stacklevel=kwargs.pop("stacklevel", 1) + 1, **kwargs)
