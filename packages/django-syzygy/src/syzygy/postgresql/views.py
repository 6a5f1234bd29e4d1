"""A table under a new name, and a view that lets code go on reading and writing it under the old one."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import NotSupportedError

from .catalog import Catalog

__all__ = ("RenamedTable",)


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
        """Make the view for a table that is renamed already."""
        if not self._is_view(self.old):
            self._run(list(self._view(self.new)))

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
        quote = self.editor.quote_name
        current = {new: old for old, new in self.columns.items()}
        names = [(self.columns.get(name, name), current.get(name, name)) for name in self.catalog.columns(table)]
        selected = ", ".join(f"{quote(new)} AS {quote(old)}" for new, old in names) or "*"
        yield f"CREATE VIEW {self.old}{self._options(table)} AS SELECT {selected} FROM {self.new}"
        for role, privilege, grantable in self.catalog.privileges(table):
            if privilege in {"SELECT", "INSERT", "UPDATE", "DELETE"}:
                grantee = "PUBLIC" if role is None else quote(role)
                option = " WITH GRANT OPTION" if grantable else ""
                yield f"GRANT {privilege} ON {self.old} TO {grantee}{option}"

    def _options(self, table: str) -> str:
        """Rows are guarded by the table's policies for the one who asks, not for the owner of the view."""
        if self.editor.connection.pg_version >= 150000:
            return " WITH (security_invoker = true)"
        if self.catalog.has_row_security(table):
            raise NotSupportedError(
                f"The table {table} has row security, which a view keeps from PostgreSQL 15 on only: rename it "
                "between two deployments, or keep its name with Meta.db_table."
            )
        return ""
