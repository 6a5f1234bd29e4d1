"""Mistakes in the configuration and in requests, in words."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pentad_config import Problem

# pydantic's kinds of errors in the fields of a request
_WORDS = {
    "missing": "is required",
    "too_short": "is required",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
}


def problems_of(error: ValidationError, setting: str) -> list[Problem]:
    """What pydantic found in a configuration, each with the setting's name and without the value."""
    return [
        Problem(".".join((setting, *map(str, found["loc"]))), f"{found['msg']}.")
        for found in error.errors(include_url=False, include_input=False)
    ]


def field_problem(found: Mapping[str, Any]) -> str:
    """A sentence for the person whose request has this error of pydantic's in one of its fields."""
    kind, context = found["type"], found.get("ctx", {})
    if kind == "value_error":
        words = str(context["error"])
    else:
        wanted = "must be a whole number" if kind.startswith("int") else "must be a text"
        words = _WORDS.get(kind, wanted).format(**context)
    return f"{found['loc'][0]}: {words}"
