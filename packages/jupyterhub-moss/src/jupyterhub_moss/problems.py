"""Mistakes in the configuration, as they are shown when the hub starts."""

from pydantic import ValidationError

from pentad_config import Problem


def problems_of(error: ValidationError, setting: str) -> list[Problem]:
    """What pydantic found, each with the setting's name and without the value."""
    return [
        Problem(".".join((setting, *map(str, found["loc"]))), f"{found['msg']}.")
        for found in error.errors(include_url=False, include_input=False)
    ]
