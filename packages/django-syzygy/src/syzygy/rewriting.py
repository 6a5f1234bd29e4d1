"""Indexes and constraints of a model, rewritten for a field that has another name.

Django's own renaming of a field leaves `Meta.indexes` and `Meta.constraints` alone, to be dropped and made again.
"""

import copy
from typing import Any, TypeVar

from django.db import models
from django.db.migrations.state import ProjectState
from django.db.models.constants import LOOKUP_SEP
from django.db.models.constraints import BaseConstraint

__all__ = ("rename_field", "renamed_options")

_Part = TypeVar("_Part", bound="models.Index | BaseConstraint")
_REWRITTEN = (models.Index, models.UniqueConstraint, models.CheckConstraint)


def rename_field(state: ProjectState, app_label: str, model_name: str, old_name: str, new_name: str) -> None:
    """Rename a field of a project state, in the model's indexes and constraints too."""
    model_state = state.models[app_label, model_name]
    model_state.options = renamed_options(model_state.options, old_name, new_name)
    state.rename_field(app_label, model_name, old_name, new_name)


def renamed_options(options: dict[str, Any], old_name: str, new_name: str) -> dict[str, Any]:
    """Return a model's options with its indexes and constraints rewritten."""
    rewritten: dict[str, Any] = {
        name: [_renamed_part(part, old_name, new_name) for part in options[name]]
        for name in ("indexes", "constraints")
        if name in options
    }
    return {**options, **rewritten}


def _renamed_part(part: _Part, old_name: str, new_name: str) -> _Part:
    if type(part) not in _REWRITTEN and not isinstance(part, models.Index):
        return part  # of a kind that may keep names where nobody knows
    _, args, kwargs = part.deconstruct()
    rewrite = _Rewrite(old_name, new_name)
    return type(part)(*map(rewrite, args), **{name: rewrite(value, name) for name, value in kwargs.items()})


class _Rewrite:
    """Puts one name in the place of another wherever a field is meant."""

    def __init__(self, old_name: str, new_name: str) -> None:
        self.old_name, self.new_name = old_name, new_name

    def __call__(self, value: Any, keyword: str | None = None) -> Any:
        if keyword in {"fields", "include"}:
            return type(value)(map(self._ordered, value))
        if isinstance(value, models.Q):
            return self._condition(value)
        if isinstance(value, models.F):
            return type(value)(self._path(vars(value)["name"]))
        if hasattr(value, "get_source_expressions"):
            return self._expression(value)
        if isinstance(value, (list, tuple)):
            return type(value)(map(self, value))
        return value

    def _ordered(self, name: str) -> str:
        descending = "-" if name.startswith("-") else ""
        return descending + self._path(name.removeprefix("-"))

    def _path(self, path: str) -> str:
        first, separator, rest = path.partition(LOOKUP_SEP)
        return f"{self.new_name if first == self.old_name else first}{separator}{rest}"

    def _condition(self, condition: models.Q) -> models.Q:
        rewritten = copy.copy(condition)
        rewritten.children = [
            (self._path(child[0]), self(child[1])) if isinstance(child, tuple) else self(child)
            for child in condition.children
        ]
        return rewritten

    def _expression(self, expression: Any) -> Any:
        rewritten = expression.copy()
        sources = [None if source is None else self(source) for source in expression.get_source_expressions()]
        rewritten.set_source_expressions(sources)
        # Expressions compare by what they were constructed from.
        if hasattr(expression, "_constructor_args"):
            args, kwargs = expression._constructor_args  # noqa: SLF001
            rewritten._constructor_args = (  # noqa: SLF001
                tuple(self._argument(argument) for argument in args),
                {name: self._argument(argument) for name, argument in kwargs.items()},
            )
            rewritten.__dict__.pop("identity", None)
        return rewritten

    def _argument(self, argument: Any) -> Any:
        return self._path(argument) if isinstance(argument, str) and argument == self.old_name else self(argument)
