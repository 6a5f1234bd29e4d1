"""A schema editor whose statements let everybody go on reading and writing.

Django's editor decides what has to be done; here each of its statements that would hold a table until it has read all
of it is replaced by steps that do not. Every step first asks the catalog whether it is done, so that the whole can be
repeated after a failure at any point.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha1
from typing import Any

from django.db import Error
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from syzygy.batches import update_in_batches
from syzygy.repeating import RepeatableDrops

from .catalog import NAME_LENGTH, Catalog, bare, quoted

__all__ = ("OnlineStatements", "derived_name", "online_editor")

# PostgreSQL's letters for kinds of relations.
_PARTITIONED, _PARTITIONED_INDEX = "p", "I"
_NAME = r'"(?:[^"]|"")+"'
_EACH_NAME = re.compile(_NAME)
_TABLE = rf"{_NAME}(?:\.{_NAME})?"
_ADD = rf"ALTER TABLE (?P<table>{_TABLE}) ADD CONSTRAINT (?P<name>{_NAME})"

_CREATE_INDEX = re.compile(
    rf"CREATE (?P<unique>UNIQUE )?INDEX (?:CONCURRENTLY )?(?P<name>{_NAME}) ON (?P<table>{_TABLE})(?P<rest>.*)",
    re.DOTALL,
)
_DROP_INDEX = re.compile(rf"DROP INDEX (?:CONCURRENTLY )?IF EXISTS (?P<name>{_TABLE})$")
_ADD_UNIQUE = re.compile(
    rf"{_ADD} UNIQUE(?P<nulls> NULLS NOT DISTINCT)? \((?P<columns>[^()]+)\)(?P<deferrable> DEFERRABLE [A-Z ]+)?$"
)
_ADD_CHECKED = re.compile(rf"{_ADD} (?P<rest>(?:CHECK|FOREIGN KEY) .*)", re.DOTALL)
_ADD_COLUMN = re.compile(
    rf"ALTER TABLE (?P<table>{_TABLE}) ADD COLUMN (?P<column>{_NAME}) (?P<definition>.*?)"
    rf'(?P<unique> UNIQUE)?(?P<check> CHECK \("[^()]*\))?$',
    re.DOTALL,
)
_SET_NOT_NULL = re.compile(
    rf"ALTER TABLE (?P<table>{_TABLE}) .*?ALTER COLUMN (?P<column>{_NAME}) SET NOT NULL(?:,|$)", re.DOTALL
)
_FILL = re.compile(
    rf"UPDATE (?P<table>{_TABLE}) SET (?P<column>{_NAME}) = (?P<value>.*) WHERE (?P=column) IS NULL"
    r"; SET CONSTRAINTS ALL IMMEDIATE$",
    re.DOTALL,
)


class OnlineStatements(RepeatableDrops):
    """Mixin for PostgreSQL's schema editor; works outside of a transaction only."""

    connection: Any
    # Django then adds the constraint by a statement of its own.
    sql_create_column_inline_fk = None

    def _run(self, sql: str, params: Any = None) -> None:
        super().execute(sql, params)  # type: ignore[misc]

    @property
    def _catalog(self) -> Catalog:
        return Catalog(self.connection)

    def execute(self, sql: Any, params: Any = ()) -> None:
        """Run a statement of Django's, or what replaces it."""
        text = str(sql)
        for pattern, replacement in _REPLACEMENTS:
            found = pattern.match(text)
            if found is not None:
                replacement(self, found, params)
                return
        self._run(text, params)

    def _create_index(self, found: re.Match[str], params: Any) -> None:
        name, table = found["name"], found["table"]
        if not self.collect_sql and self._catalog.kind(table) == _PARTITIONED:
            self._create_partitioned_index(name, table, found, params)
            return
        state = None if self.collect_sql else self._catalog.index_is_valid(name, table)
        if state:
            return
        if state is False:
            self._run(f"DROP INDEX CONCURRENTLY {name}")
        statement = f"CREATE {found['unique'] or ''}INDEX CONCURRENTLY {name} ON {table}{found['rest']}"
        try:
            self._run(statement, params)
        except Error:
            self._drop_unfinished_index(name, table)
            raise

    def _create_partitioned_index(self, name: str, table: str, found: re.Match[str], params: Any) -> None:
        """PostgreSQL makes none concurrently on the whole, but takes in those of all partitions."""
        unique, rest = found["unique"] or "", found["rest"]
        if self._catalog.index_is_valid(name, table):
            return
        self._run(f"CREATE {unique}INDEX IF NOT EXISTS {name} ON ONLY {table}{rest}", params)
        for schema, partition in self._catalog.partitions_without(name, table):
            part = derived_name(partition, name, "part")
            self.execute(f"CREATE {unique}INDEX {part} ON {schema}.{partition}{rest}", params)
            self._run(f"ALTER INDEX {name} ATTACH PARTITION {schema}.{part}")

    def _drop_unfinished_index(self, name: str, table: str) -> None:
        """An index that could not be built still slows every write, a unique one even refuses some."""
        if self.connection.is_usable() and self._catalog.index_is_valid(name, table) is False:
            self._run(f"DROP INDEX CONCURRENTLY {name}")

    def _drop_index(self, found: re.Match[str], params: Any) -> None:
        partitioned = not self.collect_sql and self._catalog.kind(found["name"]) == _PARTITIONED_INDEX
        self._run(f"DROP INDEX {'' if partitioned else 'CONCURRENTLY '}IF EXISTS {found['name']}", params)

    def _add_unique(self, found: re.Match[str], params: Any) -> None:
        name, table = found["name"], found["table"]
        if not self._is_missing(table, name):
            return
        if not self.collect_sql and self._catalog.kind(table) == _PARTITIONED:
            self._run(found.string, params)  # it can be made of no index
            return
        self.execute(f"CREATE UNIQUE INDEX {name} ON {table} ({found['columns']}){found['nulls'] or ''}", params)
        self._run(f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}{found['deferrable'] or ''}")

    def _is_missing(self, table: str, constraint: str) -> bool:
        return self.collect_sql or self._catalog.constraint_is_valid(table, constraint) is None

    def _add_checked(self, found: re.Match[str], params: Any) -> None:
        name, table = found["name"], found["table"]
        if self._is_missing(table, name):
            later = "" if self._must_check_at_once(table, found["rest"]) else " NOT VALID"
            self._run(f"ALTER TABLE {table} ADD CONSTRAINT {name} {found['rest']}{later}", params)
        if self.collect_sql or not self._catalog.constraint_is_valid(table, name):
            self._run(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")

    def _must_check_at_once(self, table: str, rest: str) -> bool:
        """PostgreSQL before 18 refuses a foreign key of a partitioned table that is not valid yet."""
        if self.collect_sql or not rest.startswith("FOREIGN KEY") or self.connection.pg_version >= 180000:
            return False
        return self._catalog.kind(table) == _PARTITIONED

    def _add_column(self, found: re.Match[str], params: Any) -> None:
        table, column = found["table"], found["column"]
        self._run(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column} {found['definition']}", params)
        if found["unique"]:
            self.execute(
                f"ALTER TABLE {table} ADD CONSTRAINT {derived_name(table, column, 'key')} UNIQUE ({column})", None
            )
        if found["check"]:
            self.execute(
                f"ALTER TABLE {table} ADD CONSTRAINT {derived_name(table, column, 'check')}{found['check']}", None
            )

    def _set_not_null(self, found: re.Match[str], params: Any) -> None:
        """PostgreSQL believes a validated check and does not read the table under the strong lock."""
        table, column = found["table"], found["column"]
        check = derived_name(table, column, "not_null")
        if self.collect_sql or not self._catalog.is_not_null(table, column):
            self.execute(f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL)", None)
        self._run(found.string, params)
        self._run(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}")

    def _fill(self, found: re.Match[str], params: Any) -> None:
        table, column = found["table"], found["column"]
        if self.collect_sql:
            self._run(f"UPDATE {table} SET {column} = {found['value']} WHERE {column} IS NULL", params)
            return
        update_in_batches(
            self.connection, table, f"SET {column} = {found['value']}", f"{column} IS NULL", list(params or ())
        )


def derived_name(table: str, column: str, suffix: str) -> str:
    """Return the quoted name that PostgreSQL itself would choose for what belongs to a column, both quoted."""
    name = f"{bare(_EACH_NAME.findall(table)[-1])}_{bare(column)}_{suffix}"
    if len(name.encode()) > NAME_LENGTH:  # PostgreSQL would cut names, and two might become one
        beginning = name.encode()[:40].decode(errors="ignore")
        name = f"{beginning}_{sha1(name.encode(), usedforsecurity=False).hexdigest()[:8]}_{suffix}"
    return quoted(name)


_Replacement = Callable[[OnlineStatements, "re.Match[str]", Any], None]
_REPLACEMENTS: list[tuple[re.Pattern[str], _Replacement]] = [
    (_CREATE_INDEX, OnlineStatements._create_index),
    (_DROP_INDEX, OnlineStatements._drop_index),
    (_ADD_UNIQUE, OnlineStatements._add_unique),
    (_ADD_CHECKED, OnlineStatements._add_checked),
    (_ADD_COLUMN, OnlineStatements._add_column),
    (_SET_NOT_NULL, OnlineStatements._set_not_null),
    (_FILL, OnlineStatements._fill),
]


@contextmanager
def online_editor(editor: BaseDatabaseSchemaEditor) -> Iterator[BaseDatabaseSchemaEditor]:
    """Yield an editor on the same connection, of the same kind, that works online."""
    if isinstance(editor, OnlineStatements):
        yield editor  # Django reverts some operations by applying them to exchanged states
        return
    kind = type("OnlineSchemaEditor", (OnlineStatements, type(editor)), {})
    with kind(editor.connection, collect_sql=editor.collect_sql, atomic=False) as online:
        yield online
    if editor.collect_sql:
        editor.collected_sql.extend(online.collected_sql)
