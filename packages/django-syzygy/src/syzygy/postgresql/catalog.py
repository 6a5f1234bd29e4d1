"""What PostgreSQL's catalog says about a table: the questions that make a step safe to repeat.

Names are passed quoted, as they stand in a statement, and are looked up on the search path like there.
"""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ("NAME_LENGTH", "Catalog")

NAME_LENGTH = 63  # bytes, while Django counts characters

_INDEX = """
    SELECT indisvalid FROM pg_index
    WHERE indexrelid = to_regclass(%s) AND indrelid = to_regclass(%s)
"""
_CONSTRAINT = """
    SELECT convalidated FROM pg_constraint WHERE conrelid = to_regclass(%s) AND quote_ident(conname) = quote_ident(%s)
"""
_NOT_NULL = """
    SELECT attnotnull FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attname = %s AND NOT attisdropped
"""
_COLUMNS = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
# A unique constraint depends on its columns and its index on the constraint; a plain index on the columns itself.
_USES_COLUMN = """
    SELECT coalesce(c.conname, i.relname)
    FROM pg_attribute a
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
    LEFT JOIN pg_constraint c ON d.classid = 'pg_constraint'::regclass AND c.oid = d.objid AND c.conrelid = a.attrelid
    LEFT JOIN pg_class i ON d.classid = 'pg_class'::regclass AND i.oid = d.objid AND i.relkind IN ('i', 'I')
    WHERE a.attrelid = to_regclass(%s) AND a.attname = %s AND coalesce(c.conname, i.relname) IS NOT NULL
"""
_TRIGGERS = """
    SELECT tgname, tgargs FROM pg_trigger
    WHERE tgrelid = to_regclass(%s) AND NOT tgisinternal AND starts_with(tgname, %s) ORDER BY tgname
"""
_POSITIONS = """
    SELECT attname, attnum FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_VIEWS = """
    SELECT DISTINCT v.oid::regclass::text, obj_description(v.oid, 'pg_class')
    FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
        AND d.refobjid = to_regclass(%s) AND v.relkind = 'v'
"""
_VIEWED = """
    SELECT DISTINCT t.oid::regclass::text, obj_description(v.oid, 'pg_class')
    FROM pg_class v JOIN pg_rewrite r ON r.ev_class = v.oid
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_class t ON t.oid = d.refobjid AND t.oid <> v.oid
    WHERE v.oid = to_regclass(%s) AND v.relkind = 'v'
"""
_PARTITIONS = """
    SELECT '"' || replace(n.nspname, '"', '""') || '"', '"' || replace(c.relname, '"', '""') || '"'
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE i.inhparent = to_regclass(%s) AND NOT EXISTS (
        SELECT FROM pg_index part JOIN pg_inherits of ON of.inhrelid = part.indexrelid
        WHERE part.indrelid = c.oid AND of.inhparent = to_regclass(%s)
    )
    ORDER BY 1, 2
"""
_PRIVILEGES = """
    SELECT CASE WHEN acl.grantee = 0 THEN NULL ELSE pg_get_userbyid(acl.grantee) END,
           acl.privilege_type, acl.is_grantable
    FROM pg_class c, aclexplode(c.relacl) acl
    WHERE c.oid = to_regclass(%s) AND acl.grantee <> c.relowner
"""


class Catalog:
    """Answers about one database."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    def _first(self, sql: str, *parameters: str) -> Any:
        rows = self._all(sql, *parameters)
        return rows[0][0] if rows else None

    def _all(self, sql: str, *parameters: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def index_is_valid(self, index: str, table: str) -> bool | None:
        """Whether an index of the table can be used; None if there is no such index."""
        answer: bool | None = self._first(_INDEX, index, table)
        return answer

    def constraint_is_valid(self, table: str, constraint: str) -> bool | None:
        """Whether all rows are known to satisfy a constraint; None if there is no such constraint."""
        answer: bool | None = self._first(_CONSTRAINT, table, bare(constraint))
        return answer

    def is_not_null(self, table: str, column: str) -> bool:
        """Whether a column is NOT NULL."""
        return bool(self._first(_NOT_NULL, table, bare(column)))

    def columns(self, table: str) -> list[str]:
        """The bare names of the columns of a table or view, in order; empty if it does not exist."""
        return [name for (name,) in self._all(_COLUMNS, table)]

    def positions(self, table: str) -> dict[str, int]:
        """The bare names of the columns of a table, and the numbers that they keep under whichever name."""
        return dict(self._all(_POSITIONS, table))

    def views(self, table: str) -> list[tuple[str, str | None]]:
        """The names, quoted as needed, of the views that read a table, and the comment on each."""
        return list(self._all(_VIEWS, table))

    def viewed(self, view: str) -> list[tuple[str, str | None]]:
        """The names, quoted as needed, of the tables that a view reads, each with the comment on the view."""
        return list(self._all(_VIEWED, view))

    def using_column(self, table: str, column: str) -> set[str]:
        """The bare names of the table's own constraints and indexes that a column is part of."""
        return {name for (name,) in self._all(_USES_COLUMN, table, bare(column))}

    def has(self, table: str, name: str) -> bool:
        """Whether the table has a constraint or an index of this bare name."""
        quoted = '"{}"'.format(name.replace('"', '""'))
        return self.constraint_is_valid(table, name) is not None or self.index_is_valid(quoted, table) is not None

    def triggers(self, table: str, prefix: str) -> list[tuple[str, list[str]]]:
        """The bare names of the table's triggers that begin like this, and the arguments of each."""
        rows = self._all(_TRIGGERS, table, prefix)
        return [(name, [part.decode() for part in bytes(arguments).split(b"\0")[:-1]]) for name, arguments in rows]

    def kind(self, table: str) -> str | None:
        """PostgreSQL's letter for what has this name (`r` table, `p` partitioned table, `v` view), None if nothing."""
        kind = self._first("SELECT relkind::text FROM pg_class WHERE oid = to_regclass(%s)", table)
        return None if kind is None else str(kind)

    def partitions_without(self, index: str, table: str) -> list[tuple[str, str]]:
        """`(schema, table)`, quoted, of the partitions that have no part of a table's index."""
        return [(schema, name) for schema, name in self._all(_PARTITIONS, table, index)]

    def has_row_security(self, table: str) -> bool:
        """Whether policies decide who sees which rows of a table."""
        return bool(self._first("SELECT relrowsecurity FROM pg_class WHERE oid = to_regclass(%s)", table))

    def privileges(self, table: str) -> list[tuple[str | None, str, bool]]:
        """`(role or None for everybody, privilege, may be passed on)` of everybody but the owner."""
        return [(role, privilege, grantable) for role, privilege, grantable in self._all(_PRIVILEGES, table)]


def bare(name: str) -> str:
    """Return a name as the catalog has it: without its quotes, and cut where PostgreSQL cuts names."""
    unquoted = name[1:-1].replace('""', '"') if name.startswith('"') else name
    return unquoted.encode()[:NAME_LENGTH].decode(errors="ignore")


def quoted(name: str) -> str:
    """Return a bare name in quotes."""
    return '"' + name.replace('"', '""') + '"'
