"""What only PostgreSQL's catalog knows about the relations of a statement."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from .modes import LockMode
from .statements import Related, StatementLock

__all__ = ("Holder", "TableLock", "TableSize", "count_waits", "holders", "resolve", "table_sizes")


class TableLock(NamedTuple):
    """A lock on a table by its name; no name where only PostgreSQL knows."""

    mode: LockMode
    table: str | None


class TableSize(NamedTuple):
    """Bytes on disk with indexes and oversized values, and PostgreSQL's estimate of the number of rows."""

    bytes: int
    rows: int


class Holder(NamedTuple):
    """A session that holds a lock, the mode as `pg_locks` names it, and for how many seconds its transaction lasts."""

    pid: int
    application: str
    state: str
    seconds: float
    mode: str

    def __str__(self) -> str:
        name = f" ({self.application})" if self.application else ""
        return f"process {self.pid}{name}, {self.state} for {self.seconds:.0f} s"


_SELF = "SELECT c.oid::regclass::text FROM pg_class c WHERE c.oid = to_regclass(%(name)s) AND c.relkind <> 'i'"
_TABLE_OF_INDEX = "SELECT indrelid::regclass::text FROM pg_index WHERE indexrelid = to_regclass(%(name)s)"
_OTHER_TABLES = {
    Related.CONSTRAINT: """
        SELECT confrelid::regclass::text FROM pg_constraint
        WHERE contype = 'f' AND conrelid = to_regclass(%(name)s) AND conname = %(member)s
    """,
    Related.COLUMN: """
        SELECT CASE WHEN conrelid = a.attrelid THEN confrelid ELSE conrelid END::regclass::text
        FROM pg_attribute a JOIN pg_constraint ON contype = 'f' AND (
            (conrelid = a.attrelid AND a.attnum = ANY(conkey)) OR (confrelid = a.attrelid AND a.attnum = ANY(confkey))
        )
        WHERE a.attrelid = to_regclass(%(name)s) AND a.attname = %(member)s
    """,
    Related.TABLE: """
        SELECT CASE WHEN conrelid = to_regclass(%(name)s) THEN confrelid ELSE conrelid END::regclass::text
        FROM pg_constraint WHERE contype = 'f' AND to_regclass(%(name)s) IN (conrelid, confrelid)
    """,
    Related.REFERRING: """
        WITH RECURSIVE referring AS (
            SELECT to_regclass(%(name)s)::oid AS relation
            UNION
            SELECT conrelid FROM pg_constraint JOIN referring ON contype = 'f' AND confrelid = relation
        )
        SELECT relation::regclass::text FROM referring WHERE relation IS NOT NULL
    """,
}
_SIZES = """
    SELECT name, pg_total_relation_size(c.oid), greatest(c.reltuples, 0)::bigint
    FROM unnest(%s::text[]) AS name JOIN pg_class c ON c.oid = to_regclass(name)
"""
_HOLDERS = """
    SELECT a.pid, a.application_name, coalesce(a.state, a.wait_event_type, 'at work'),
        coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float, l.mode
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.granted AND l.pid <> pg_backend_pid() AND l.locktype = 'relation'
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.relation IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
    ORDER BY a.xact_start LIMIT 3
"""


def resolve(connection: BaseDatabaseWrapper, locks: Iterable[StatementLock]) -> list[TableLock]:
    """Return the strongest lock on each table that is there now, related tables included, the strongest first."""
    found: dict[str | None, LockMode] = {}
    for lock in locks:
        for table in _tables(connection, lock):
            found[table] = max(lock.mode, found.get(table, lock.mode))
    return [TableLock(mode, table) for table, mode in sorted(found.items(), key=lambda item: (-item[1], item[0] or ""))]


def count_waits(connection: BaseDatabaseWrapper, locks: Iterable[StatementLock]) -> int:
    """Return how many tables may be waited for, one after the other; the catalog is asked only if it has to be."""
    locks = list(locks)
    if any(lock.related in {Related.COLUMN, Related.TABLE, Related.REFERRING} for lock in locks):
        return max(len(resolve(connection, locks)), 1)
    others = sum(lock.related is Related.CONSTRAINT for lock in locks)
    return len({lock.relation for lock in locks}) + others


def _tables(connection: BaseDatabaseWrapper, lock: StatementLock) -> Iterator[str | None]:
    if lock.relation is None:
        yield None
        return
    parameters = {"name": lock.relation, "member": _unquoted(lock.member or "")}
    queries = [_TABLE_OF_INDEX] if lock.related is Related.TABLE_OF_INDEX else [_SELF]
    queries += [_OTHER_TABLES[lock.related]] if lock.related in _OTHER_TABLES else []
    with connection.cursor() as cursor:
        for query in queries:
            cursor.execute(query, parameters)
            yield from (table for (table,) in cursor.fetchall())


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def table_sizes(connection: BaseDatabaseWrapper, tables: Iterable[str]) -> dict[str, TableSize]:
    """Return the sizes of those tables that exist."""
    with connection.cursor() as cursor:
        cursor.execute(_SIZES, [sorted(tables)])
        return {name: TableSize(size, rows) for name, size, rows in cursor.fetchall()}


def holders(connection: BaseDatabaseWrapper, tables: Iterable[str]) -> list[Holder]:
    """Return other sessions that hold locks on the tables now, those with the oldest transactions first."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS, [sorted(tables)])
        return [Holder(*row) for row in cursor.fetchall()]
