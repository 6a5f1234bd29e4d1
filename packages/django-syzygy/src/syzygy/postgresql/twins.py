"""A second column that a trigger keeps equal to the first, and the return to one.

While both exist, code may write either. The trigger knows who wrote what: the new column has no default, so an INSERT
that leaves it NULL did not name it; an UPDATE that changes the new column, or else the old one, means that one. A
column that is renamed again meanwhile has a third one beside it, and one trigger keeps all of them equal.
"""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha1
from typing import Any, NamedTuple

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from syzygy.batches import update_in_batches

from .catalog import Catalog, bare, quoted
from .online import derived_name

__all__ = ("Twin",)

_NAMED = re.compile(r'(?:INDEX(?: CONCURRENTLY)?|ADD CONSTRAINT) "(?P<name>[^"]+)"')


TRIGGER_PREFIX = "syzygy_sync_"


class Synchronisation(NamedTuple):
    """The trigger `name` of a table, whose function has the same name, and the columns that it keeps equal.

    All names are quoted. Of the columns, the first has the default.
    """

    table: str
    name: str
    columns: list[str]

    def including(self, column: str) -> list[str]:
        """The statements that add a column without a default."""
        return self._made_for([*self._others(column), column])

    def without(self, column: str) -> list[str]:
        """The statements that leave a column out, which may drop the trigger altogether."""
        columns = self._others(column)
        if len(columns) > 1:
            return self._made_for(columns)
        return [f"DROP TRIGGER IF EXISTS {self.name} ON {self.table}", f"DROP FUNCTION IF EXISTS {self.name}()"]

    def _others(self, column: str) -> list[str]:
        return [other for other in self.columns if bare(other) != bare(column)]

    def _made_for(self, columns: list[str]) -> list[str]:
        arguments = ", ".join(_literal(bare(column)) for column in columns)
        return [
            self._function(columns),
            f"DROP TRIGGER IF EXISTS {self.name} ON {self.table}",
            (
                f"CREATE TRIGGER {self.name} BEFORE INSERT OR UPDATE ON {self.table} "
                f"FOR EACH ROW EXECUTE FUNCTION {self.name}({arguments})"
            ),
        ]

    def _function(self, columns: list[str]) -> str:
        first, *others = columns
        branches = [
            f"IF (TG_OP = 'INSERT' AND NEW.{column} IS NOT NULL) OR (TG_OP = 'UPDATE' AND "
            f"{_differs(f'NEW.{column}', f'OLD.{column}')}) THEN {_copied(column, columns)}"
            for column in reversed(others)
        ]
        return (
            f"CREATE OR REPLACE FUNCTION {self.name}() RETURNS trigger LANGUAGE plpgsql AS $syzygy$ BEGIN "
            f"{' ELS'.join(branches)} ELSE {_copied(first, columns)} END IF; RETURN NEW; END $syzygy$"
        )


def _copied(source: str, columns: list[str]) -> str:
    return " ".join(f"NEW.{column} := NEW.{source};" for column in columns if column != source)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class Twin(NamedTuple):
    """The column of `field`, made beside the column `source` of the table of `model`.

    `moved` tells the names that tables have now which the models know by others.
    """

    editor: Any
    model: type[models.Model]
    source: str
    field: "models.Field[Any, Any]"
    moved: Mapping[str, str] = {}

    @classmethod
    def of(
        cls,
        editor: BaseDatabaseSchemaEditor,
        model: type[models.Model],
        source: str,
        field: "models.Field[Any, Any]",
        moved: Mapping[str, str] | None = None,
    ) -> "Twin":
        """Name both columns as statements do."""
        return cls(editor, model, editor.quote_name(source), field, moved or {})

    @property
    def table(self) -> str:
        """The quoted name of the table."""
        return str(self.editor.quote_name(self.model._meta.db_table))

    @property
    def target(self) -> str:
        """The quoted name of the new column."""
        return str(self.editor.quote_name(self.field.column))

    def _synchronisation(self) -> Synchronisation:
        """The trigger that keeps the source column equal to others, made before or to be made now."""
        if not self.editor.collect_sql:
            for trigger, columns in Catalog(self.editor.connection).triggers(self.table, TRIGGER_PREFIX):
                if bare(self.source) in columns:
                    return Synchronisation(self.table, quoted(trigger), [quoted(column) for column in columns])
        fingerprint = _fingerprint(self.table, *sorted((self.source, self.target)))
        return Synchronisation(self.table, f'"{TRIGGER_PREFIX}{fingerprint}"', [self.source])

    def expand(self) -> None:
        """Add the column, keep both equal, fill it, and give it all that the other has; may be repeated."""
        self._add_column()
        self._fill()
        self._take_names()
        for statement in self._statements():
            self.editor.execute(statement, None)
        if not self.field.null:
            self.editor.execute(f"ALTER TABLE {self.table} ALTER COLUMN {self.target} SET NOT NULL", None)

    def contract(self) -> None:
        """Drop the source column and the trigger; the default moves to the column that stays. May be repeated."""
        statements = [
            *self._synchronisation().without(self.source),
            f"ALTER TABLE {self.table} DROP COLUMN IF EXISTS {self.source}",
        ]
        params: list[Any] = []
        if self.field.has_db_default():
            default, params = self.editor.db_default_sql(self.field)
            statements.append(f"ALTER TABLE {self.table} ALTER COLUMN {self.target} SET DEFAULT {default}")
        # One message to the server is one transaction, which can be repeated as a whole.
        self.editor.execute("; ".join([*statements, *self._names_given_back()]), params or None)

    def exists(self) -> bool:
        """Whether both columns are there."""
        columns = Catalog(self.editor.connection).columns(self.table)
        return self.editor.collect_sql or {bare(self.source), bare(self.target)} <= set(columns)

    def _add_column(self) -> None:
        parameters = self.field.db_parameters(connection=self.editor.connection)
        collation = f" {self.editor._collate_sql(parameters['collation'])}" if parameters.get("collation") else ""
        statements = [
            f"ALTER TABLE {self.table} ADD COLUMN IF NOT EXISTS {self.target} {parameters['type']}{collation} NULL",
            *self._synchronisation().including(self.target),
        ]
        self.editor._run("; ".join(statements))
        if self.field.db_comment:
            comment = self.editor._alter_column_comment_sql(
                self.model, self.field, parameters["type"], self.field.db_comment
            )
            self.editor.execute(*comment)

    def _fill(self) -> None:
        assignment = f"SET {self.target} = {self.source}"
        differs = _differs(self.target, self.source)
        if self.editor.collect_sql:
            self.editor.execute(f"UPDATE {self.table} {assignment} WHERE {differs}", None)
            return
        update_in_batches(self.editor.connection, self.table, assignment, differs)
        self.editor.execute(f"ANALYZE {self.table} ({self.target})", None)  # or new code is planned blindly

    def _statements(self) -> Iterator[str]:
        """What Django would create for the column, its foreign key last."""
        for statement in self._possible_statements():
            if statement is not None and self.target in (text := str(statement)):
                yield text

    def _possible_statements(self) -> Iterator[Any]:
        editor, model, field = self.editor, self.model, self.field
        check = field.db_parameters(connection=editor.connection)["check"]
        if check:
            name = bare(derived_name(self.table, self.target, "check"))
            yield editor._create_check_sql(model, name, check)
        if field.unique:
            yield editor._create_unique_sql(model, [field])
        yield from editor._field_indexes_sql(model, field)
        for together in model._meta.unique_together:
            yield editor._create_unique_sql(model, [model._meta.get_field(name) for name in together])
        for part in (*model._meta.indexes, *model._meta.constraints):
            yield part.create_sql(model, editor)
        if field.remote_field and getattr(field, "db_constraint", False):
            yield self._reference()

    def _reference(self) -> str:
        statement = self.editor._create_fk_sql(self.model, self.field, "_fk_%(to_table)s_%(to_column)s")
        quote = self.editor.quote_name
        table = self.field.remote_field.model._meta.db_table  # type: ignore[union-attr]
        before, after = f"REFERENCES {quote(table)} ", f"REFERENCES {quote(self.moved.get(table, table))} "
        return str(statement).replace(before, after)

    def _wanted_names(self) -> Iterator[str]:
        for statement in self._statements():
            found = _NAMED.search(statement)
            if found is not None:
                yield bare(found["name"])

    def _take_names(self) -> None:
        """Names are unique: where the new column needs the name of what the old one has, the old one gets another."""
        if self.editor.collect_sql:
            return
        taken = Catalog(self.editor.connection).using_column(self.table, self.source)
        for name in self._wanted_names():
            if name in taken:
                self.editor.execute(self._rename(name, self._other_name(self.source, name)), None)

    def _names_given_back(self) -> Iterator[str]:
        if self.editor.collect_sql:
            return
        catalog = Catalog(self.editor.connection)
        there = catalog.using_column(self.table, self.target)
        for name in self._wanted_names():
            other = self._other_name(self.target, name)
            if other in there and not catalog.has(self.table, name):
                yield self._rename(other, name)

    def _other_name(self, column: str, name: str) -> str:
        return f"syzygy_{_fingerprint(self.table, column, name)}"

    def drop_other(self, name: str) -> None:
        """Drop what the source column has had under this name until the new column took it."""
        other = self._other_name(self.source, name)
        if not self.editor.collect_sql and Catalog(self.editor.connection).has(self.table, other):
            self.editor.execute(f'ALTER TABLE {self.table} DROP CONSTRAINT IF EXISTS "{other}"', None)
            self.editor.execute(f'DROP INDEX IF EXISTS "{other}"', None)

    def _rename(self, name: str, other: str) -> str:
        if Catalog(self.editor.connection).constraint_is_valid(self.table, name) is not None:
            return f'ALTER TABLE {self.table} RENAME CONSTRAINT "{name}" TO "{other}"'
        return f'ALTER INDEX "{name}" RENAME TO "{other}"'


def _differs(one: str, other: str) -> str:
    """True also of types without an operator for equality, of NULL and a value, of 1.0 and 1.00."""
    return f"pg_catalog.record_image_ne(ROW({one}), ROW({other}))"


def _fingerprint(*names: str) -> str:
    return sha1("\0".join(names).encode(), usedforsecurity=False).hexdigest()[:16]
