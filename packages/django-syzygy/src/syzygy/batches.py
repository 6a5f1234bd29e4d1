"""Changing many rows in portions, so that none is locked for long."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ("BATCH_SIZE", "key_ranges", "update_in_batches")

BATCH_SIZE = 5000
"""Rows of one portion."""


def update_in_batches(
    connection: BaseDatabaseWrapper, table: str, assignment: str, condition: str, parameters: Sequence[Any] = ()
) -> None:
    """Run `UPDATE table assignment WHERE condition` once for each portion of the table.

    `table` is quoted; `parameters` are those of the assignment and the condition, in this order. Outside of a
    transaction each portion is committed by itself. Rows that come to lie before the current portion are not seen.
    """
    for within, bounds in key_ranges(connection, table):
        with connection.cursor() as cursor:
            statement = f"UPDATE {table} {assignment} WHERE ({condition}){within}"
            cursor.execute(statement, [*parameters, *bounds])


def key_ranges(connection: BaseDatabaseWrapper, table: str, size: int | None = None) -> Iterator[tuple[str, list[Any]]]:
    """Yield conditions (beginning with ` AND`, or empty) and their parameters that divide a table by primary key.

    The last range has no end. A table without a primary key is one range.
    """
    keys = _primary_key(connection, table)
    if not keys:
        yield "", []
        return
    key = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
    after = ""
    lower: list[Any] = []
    while (upper := _last_key(connection, table, keys, after, lower, size or BATCH_SIZE)) is not None:
        yield f"{after} AND {key} <= {_marks(keys)}", [*lower, *upper]
        after, lower = f" AND {key} > {_marks(keys)}", upper
    yield after, lower


def _marks(keys: Sequence[str]) -> str:
    return "%s" if len(keys) == 1 else f"({', '.join(['%s'] * len(keys))})"


def _primary_key(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        columns = connection.introspection.get_primary_key_columns(cursor, _bare(table))
    return [quote(column) for column in columns or ()]


def _bare(table: str) -> str:
    """The name without its quotes, which are the database's own."""
    mark = table[:1]
    return table[1:-1].replace(mark * 2, mark) if mark in {'"', "`"} else table


def _last_key(
    connection: BaseDatabaseWrapper, table: str, keys: Sequence[str], after: str, lower: Sequence[Any], size: int
) -> list[Any] | None:
    columns = ", ".join(keys)
    statement = (
        f"SELECT {columns} FROM {table} WHERE 1 = 1{after} "  # noqa: S608 - made of quoted names
        f"ORDER BY {columns} LIMIT 1 OFFSET {size - 1}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, list(lower))
        row = cursor.fetchone()
    return None if row is None else list(row)
