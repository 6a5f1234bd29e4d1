"""What stands in the way of making a change while old and new code run: texts for people, `None` for nothing."""

from collections.abc import Iterator
from typing import Any

from django.db import connections, router
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.utils import field_references

from .targets import vendors

__all__ = ("field_rename_obstacle", "model_rename_obstacle", "type_change_obstacle")


def field_rename_obstacle(state: ProjectState, model_state: ModelState, name: str) -> str | None:
    """Tell why a column cannot have two names for a while."""
    field = model_state.get_field(name)
    if obstacle := _database_obstacle(model_state.app_label):
        return obstacle
    if field.primary_key:
        return "it is the primary key"
    if field.null and field.has_db_default():
        return "it may be NULL and has a default in the database: no value cannot be told from NULL"
    if field.generated or any(_mentions(other, name) for other in model_state.fields.values()):
        return "a generated column is involved"
    if any(_refers_to(state, model_state, name)):
        return "a foreign key of another table refers to it"
    return None


def model_rename_obstacle(state: ProjectState, old: ModelState, new: ModelState) -> str | None:
    """Tell why a table cannot have two names for a while."""
    if obstacle := _database_obstacle(old.app_label):
        return obstacle
    if old.options.get("db_table") or new.options.get("db_table"):
        return "the name of its table is set by Meta.db_table"
    key = f"{old.app_label}.{old.name_lower}"
    if any(isinstance(base, str) and base.lower() == key for model in state.models.values() for base in model.bases):
        return "other models inherit from it, and their columns are named after it"
    return None


def _database_obstacle(app_label: str) -> str | None:
    others = vendors(app_label) - {"postgresql"}
    if others or not vendors(app_label):
        return f"this needs PostgreSQL, and the settings say {', '.join(sorted(others)) or 'no database'}"
    return None


def _mentions(field: Any, name: str) -> bool:
    """Whether a generated column is computed from a field."""
    if not field.generated:
        return False
    names = (getattr(part, "name", "") for part in field.expression.flatten())
    return name in {path.split("__")[0] for path in names if isinstance(path, str)}


def _refers_to(state: ProjectState, model_state: ModelState, name: str) -> Iterator[bool]:
    target = (model_state.app_label, model_state.name_lower)
    for key, other in state.models.items():
        for field in other.fields.values():
            reference = field_references(key, field, target, name, model_state.get_field(name))
            if reference and reference.to and not field.many_to_many:
                yield True


def type_change_obstacle(app_label: str, old: Any, new: Any) -> str | None:
    """Tell why a column cannot get another type while the table is in use."""
    if old.many_to_many or new.many_to_many or old.is_relation or new.is_relation or old.generated or new.generated:
        return None
    for connection in (connections[alias] for alias in connections if router.allow_migrate(alias, app_label)):
        if connection.vendor not in {"postgresql", "mysql"}:
            continue
        before, after = old.db_type(connection), new.db_type(connection)
        if before and after and not _stays(before, after, old, new):
            return f"from {before} to {after} {connection.display_name} writes the whole table anew and locks it"
    return None


def _stays(before: str, after: str, old: Any, new: Any) -> bool:
    """Whether the rows can stay as they are."""
    if before == after:
        return True
    kinds = before.partition("(")[0], after.partition("(")[0]
    if kinds in {("varchar", "varchar"), ("varbit", "varbit")}:
        return new.max_length is None or (old.max_length is not None and old.max_length <= new.max_length)
    if kinds == ("numeric", "numeric"):
        return bool(old.decimal_places == new.decimal_places and old.max_digits <= new.max_digits)
    return kinds in {("varchar", "text"), ("varchar", "citext"), ("citext", "text"), ("text", "citext")}
