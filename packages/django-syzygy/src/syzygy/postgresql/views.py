"""A table under a new name, and a view that lets code go on reading and writing it under the old one."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import NotSupportedError
from django.db.backends.base.base import BaseDatabaseWrapper

from .catalog import Catalog, bare

__all__ = ("RenamedTable", "around_views")

_MARK = "syzygy: the old name of a table "
_NAME = r'"(?:[^"]|"")+"'
_CHANGED_COLUMN = re.compile(
    rf"ALTER TABLE (?P<table>{_NAME}(?:\.{_NAME})?) [^;]*?(?:DROP COLUMN|ALTER COLUMN {_NAME} TYPE) "
)
_DROPPED = re.compile(rf"DROP COLUMN (?:IF EXISTS )?({_NAME})")


class RenamedTable:
    """The table `new`, formerly `old`; `columns` maps the names its columns had to those that they have."""

    def __init__(self, editor: Any, old: str, new: str, columns: Mapping[str, str] | None = None) -> None:
        self.editor = editor
        self.old, self.new = editor.quote_name(old), editor.quote_name(new)
        self.columns = {name: other for name, other in (columns or {}).items() if name != other}
        self.catalog = Catalog(editor.connection)

    def rename(self) -> None:
        """Rename the table and its columns and make the view, at once; may be repeated."""
        if self._is_view(self.old):
            return
        quote = self.editor.quote_name
        renamed = [f"ALTER TABLE {self.old} RENAME TO {self.new}"]
        renamed += [
            f"ALTER TABLE {self.new} RENAME COLUMN {quote(old)} TO {quote(new)}" for old, new in self.columns.items()
        ]
        # One message to the server is one transaction, which can be repeated as a whole.
        self._run([*renamed, *self._view(self.old)])

    def restore_view(self) -> None:
        """Make the view for a table that is renamed already, and may have been renamed once more since."""
        if not self._is_view(self.old):
            self._run(list(self._view_beside(self.new) or self._view(self.new)))

    def drop_view(self) -> None:
        """Take the old name away."""
        if self.editor.collect_sql or self._is_view(self.old):
            self._run([f"DROP VIEW {self.old}"])

    def rename_back(self) -> None:
        """Undo `rename`."""
        statements = [f"DROP VIEW {self.old}"] if self.editor.collect_sql or self._is_view(self.old) else []
        if self.editor.collect_sql or self.catalog.kind(self.new) is not None:
            quote = self.editor.quote_name
            statements += [
                f"ALTER TABLE {self.new} RENAME COLUMN {quote(new)} TO {quote(old)}"
                for old, new in self.columns.items()
            ]
            statements.append(f"ALTER TABLE {self.new} RENAME TO {self.old}")
            self._run(statements)

    def _is_view(self, name: str) -> bool:
        return not self.editor.collect_sql and self.catalog.kind(name) == "v"

    def _run(self, statements: list[str]) -> None:
        self.editor._run("; ".join(statements))

    def _view(self, table: str) -> Iterator[str]:
        """The statements of the view, made from what is known of `table` before it is renamed."""
        if self.editor.connection.pg_version < 150000 and self.catalog.has_row_security(table):
            raise NotSupportedError(
                f"The table {table} has row security, which a view keeps from PostgreSQL 15 on only: rename it "
                "between two deployments, or keep its name with Meta.db_table."
            )
        current = {new: old for old, new in self.columns.items()}
        positions = self.catalog.positions(table)
        renamed = {self.columns.get(name, name): position for name, position in positions.items()}
        shown = {current.get(name, name): position for name, position in renamed.items()}
        yield from view_statements(self.editor.connection, self.old, self.new, shown, renamed)
        yield from _grants(self.catalog, table, self.old)

    def _view_beside(self, view: str) -> list[str]:
        """The statements of the view where `view` is one of a later name: both show the table, neither the other."""
        if not self._is_view(view):
            return []
        table, comment = self.catalog.viewed(view)[0]
        current = {new: old for old, new in self.columns.items()}
        shown = {current.get(name, name): number for name, number in (_shown(comment) or {}).items()}
        made = view_statements(self.editor.connection, self.old, table, shown, self.catalog.positions(table))
        return [*made, *_grants(self.catalog, table, self.old)] if shown else []


def _shown(comment: str | None) -> dict[str, int] | None:
    """The columns that a view shows by its comment, and their numbers in the table; None if it is not one of ours."""
    if comment is None or not comment.startswith(_MARK):
        return None
    found: dict[str, int] = json.loads(comment.removeprefix(_MARK))
    return found


def view_statements(
    connection: BaseDatabaseWrapper, view: str, table: str, shown: Mapping[str, int], columns: Mapping[str, int]
) -> Iterator[str]:
    """Make a view that shows columns under the names in `shown`, those of the table being `columns`.

    Its comment remembers which is which by their numbers, so that it can be made anew whatever they are called then.
    """
    quote = connection.ops.quote_name
    names = {position: name for name, position in columns.items()}
    selected = ", ".join(f"{quote(names[number])} AS {quote(old)}" for old, number in shown.items()) or "*"
    # Rows are guarded by the table's policies for the one who asks, not for the owner of the view.
    guarded = " WITH (security_invoker = true)" if connection.pg_version >= 150000 else ""  # type: ignore[attr-defined]
    yield f"CREATE VIEW {view}{guarded} AS SELECT {selected} FROM {table}"
    comment = (_MARK + json.dumps(shown)).replace("'", "''")
    yield f"COMMENT ON VIEW {view} IS '{comment}'"


def _grants(catalog: Catalog, source: str, view: str) -> Iterator[str]:
    """The statements that let everybody do with the view what they may do with something else."""
    for role, privilege, grantable in catalog.privileges(source):
        if privilege in {"SELECT", "INSERT", "UPDATE", "DELETE"}:
            grantee = "PUBLIC" if role is None else catalog.connection.ops.quote_name(role)
            option = " WITH GRANT OPTION" if grantable else ""
            yield f"GRANT {privilege} ON {view} TO {grantee}{option}"


def around_views(connection: BaseDatabaseWrapper, statement: str, has_parameters: bool) -> str:
    """Return a statement that drops or alters columns with what makes the views of renamed tables follow.

    PostgreSQL neither alters the type of a column that a view shows nor drops it without the view.
    """
    found = _CHANGED_COLUMN.search(statement)
    if found is None:
        return statement
    catalog, table = Catalog(connection), found["table"]
    ours = {view: shown for view, comment in catalog.views(table) if (shown := _shown(comment)) is not None}
    if not ours:
        return statement
    added: list[str] = []
    gone = {bare(name) for name in _DROPPED.findall(statement)}
    columns = {name: number for name, number in catalog.positions(table).items() if name not in gone}
    for view, before in ours.items():
        shown = {old: number for old, number in before.items() if number in columns.values()}
        added += [*view_statements(connection, view, table, shown, columns), *_grants(catalog, view, view)]
    if has_parameters:
        added = [part.replace("%", "%%") for part in added]
    # One message to the server is one transaction.
    return "; ".join([*(f"DROP VIEW {view}" for view in ours), statement.rstrip("; \n"), *added])
