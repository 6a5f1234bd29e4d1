"""pydantic knows `Secret` as a field type: text is taken as `Secret.at` takes it, dumps show the marker."""

from __future__ import annotations

from typing import Any

from pentad_config.marker import marker
from pentad_config.secret import Secret


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
        raise ValueError("text, bytes or a Secret is needed")

    return core_schema.no_info_plain_validator_function(
        build,
        serialization=core_schema.plain_serializer_function_ser_schema(lambda secret: marker(secret.name)),
    )
