"""pydantic knows `Secret` as a field type: text is taken as `Secret.at` takes it, dumps show the marker.

`SecretSource` adds `X_FILE` to a pydantic-settings class. When a field is missing, pydantic shows all of the model's
input, what was given for the secret too: set `hide_input_in_errors=True` in the configuration of a model that is made
from text.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pentad_config.errors import ConfigError, Problem
from pentad_config.marker import marker
from pentad_config.secret import Secret

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ValidationError

__all__ = ["SecretSource", "secret_schema"]


def secret_schema(cls: type[Secret]) -> Any:
    """Return the core schema for `cls`; called by pydantic through `Secret`."""
    from pydantic_core import core_schema

    def build(value: object) -> Secret:
        if isinstance(value, Secret):
            return value
        if isinstance(value, str):
            return cls.at(value)
        if isinstance(value, bytes):
            return cls(value)
        raise _wrong_type(type(value).__name__)

    return core_schema.no_info_plain_validator_function(
        build,
        serialization=core_schema.plain_serializer_function_ser_schema(lambda secret: marker(secret.name)),
    )


def _wrong_type(found: str) -> ValidationError:
    """Return an error whose input is the type's name: pydantic shows the input, and a list may hold the secret."""
    from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

    problem = PydanticCustomError("secret_type", "text, bytes or a Secret is needed")
    details = InitErrorDetails(type=problem, input=f"<{found}: redacted>")
    return ValidationError.from_exception_data("Secret", [details])


class SecretSource:
    """A settings source for pydantic-settings: the `Secret` fields of a class, from `X` or from `X_FILE`.

    Put it first in `settings_customise_sources`. The fields hold a `Secret` before pydantic looks at them, so that
    the error about another field does not quote their values, and files are followed while the process runs.
    """

    def __init__(self, settings_cls: type[BaseModel]) -> None:
        self._settings = settings_cls

    def __call__(self) -> dict[str, Secret]:
        """Return the secrets found in the environment by field name. Raises ConfigError if one is set twice."""
        prefix = dict(self._settings.model_config).get("env_prefix") or ""
        fields = (name for name, field in self._settings.model_fields.items() if field.annotation is Secret)
        found = {name: _in_environment(name, f"{prefix}{name}".upper()) for name in fields}
        return {name: secret for name, secret in found.items() if secret is not None}


def _in_environment(name: str, variable: str) -> Secret | None:
    text, path = os.environ.get(variable), os.environ.get(f"{variable}_FILE")
    if text and path:
        raise ConfigError([Problem(name, f"both {variable} and {variable}_FILE are set. Unset one.")])
    if path:
        return Secret.at(f"file:{path}", name=name)
    references = ("env:", "file:", "literal:")
    return Secret.at(text if text.startswith(references) else f"env:{variable}", name=name) if text else None
