"""Which locks a statement takes on which relations, read from its text.

The source is PostgreSQL's manual: "Explicit Locking", and for each form of ALTER TABLE its own page.
"""

import re
from collections.abc import Callable, Iterator
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from .lexing import NAME, clauses, pattern, statements
from .modes import LockMode

__all__ = ("Related", "StatementLock", "is_strong", "locks_of", "runs_alone", "strong_locks_of")


class Related(Enum):
    """Relations that the text does not name and only the catalog knows."""

    NONE = "the relation itself"
    TABLE_OF_INDEX = "the table of the index"
    CONSTRAINT = "the other table of the foreign key"
    COLUMN = "the other tables of the column's foreign keys"
    TABLE = "the other tables of the table's foreign keys"
    REFERRING = "all tables that refer to it, and those that refer to these"


class StatementLock(NamedTuple):
    """A lock of one statement.

    `relation` is as written, `None` where only PostgreSQL knows; `related` says which further relations are locked
    by dropping `member`, the name of a constraint or column.
    """

    mode: LockMode
    relation: str | None
    related: Related = Related.NONE
    member: str | None = None


_BARE_RELATION = rf"{NAME}(?:\.{NAME})?"
_RELATION = rf"({_BARE_RELATION})"
_IF = r"(?:IF (?:NOT )?EXISTS )?"
_REFERENCES = rf"\bREFERENCES {_RELATION}"

# What begins like this changes or reads rows, or nothing: it never blocks an application's queries on a table.
_WEAK = (
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES|TABLE|SET|RESET|SHOW|SAVEPOINT|RELEASE|ROLLBACK|BEGIN|START"
    r"|COMMIT|END|EXPLAIN|DECLARE|FETCH|CLOSE|DEALLOCATE|PREPARE|LISTEN|NOTIFY|UNLISTEN|DISCARD|COPY|ANALYZE"
    r"|CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE|SCHEMA|SEQUENCE|EXTENSION|TYPE|ROLE|DOMAIN|COLLATION)"
    r"|GRANT|REVOKE)\b"
)
_ALONE = (
    r"(?:CREATE (?:UNIQUE )?INDEX CONCURRENTLY|DROP INDEX CONCURRENTLY|REINDEX\b.* CONCURRENTLY|VACUUM|REINDEX DATABASE"
    r"|ALTER TABLE .* DETACH PARTITION .* CONCURRENTLY|CREATE DATABASE|DROP DATABASE|ALTER SYSTEM)\b"
)


def is_strong(sql: str) -> bool:
    """Tell whether an application's queries may have to wait for the statement.

    What is not understood, such as a `DO` block, counts as strong.
    """
    if ";" not in sql and pattern(_WEAK).match(sql):
        return False
    return bool(strong_locks_of(sql))


@lru_cache(maxsize=256)
def strong_locks_of(sql: str) -> tuple[StatementLock, ...]:
    """Return those locks of a statement, or of a script of several, that an application's queries may wait for."""
    return tuple(lock for lock in locks_of(sql) if lock.mode.is_strong)


def runs_alone(sql: str) -> bool:
    """Tell whether PostgreSQL refuses the statement in a transaction; all of these let an application work on."""
    return any(pattern(_ALONE).match(statement) for statement in statements(sql))


def locks_of(sql: str) -> list[StatementLock]:
    """Return the locks that a statement, or a script of several, takes."""
    return [lock for statement in statements(sql) for lock in _locks_of_statement(statement)]


def _locks_of_statement(statement: str) -> Iterator[StatementLock]:
    for beginning, locks in _RULES:
        match = pattern(beginning).match(statement)
        if match:
            yield from locks(match)
            return
    if not pattern(_WEAK).match(statement):
        yield StatementLock(LockMode.ACCESS_EXCLUSIVE, None)


_Rule = tuple[str, Callable[["re.Match[str]"], Iterator[StatementLock]]]


def _plain(mode: LockMode) -> Callable[["re.Match[str]"], Iterator[StatementLock]]:
    def locks(match: "re.Match[str]") -> Iterator[StatementLock]:
        for relation in clauses(match[1]):
            yield StatementLock(mode, relation)

    return locks


def _nothing(_: "re.Match[str]") -> Iterator[StatementLock]:
    yield from ()


def _created_table(match: "re.Match[str]") -> Iterator[StatementLock]:
    """A new table is nobody's concern, the tables it refers to are."""
    for referenced in pattern(_REFERENCES).findall(match[0]):
        yield StatementLock(LockMode.SHARE_ROW_EXCLUSIVE, referenced)


def _created_index(match: "re.Match[str]") -> Iterator[StatementLock]:
    concurrently, table = match[1], match[2]
    yield StatementLock(LockMode.SHARE_UPDATE_EXCLUSIVE if concurrently else LockMode.SHARE, table)


def _dropped_index(match: "re.Match[str]") -> Iterator[StatementLock]:
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if match[1] else LockMode.ACCESS_EXCLUSIVE
    for index in clauses(match[2]):
        yield StatementLock(mode, index, Related.TABLE_OF_INDEX)


def _dropped_table(match: "re.Match[str]") -> Iterator[StatementLock]:
    for table in clauses(re.sub(r"(?i) (?:CASCADE|RESTRICT)$", "", match[1])):
        yield StatementLock(LockMode.ACCESS_EXCLUSIVE, table, Related.TABLE)


def _truncated(match: "re.Match[str]") -> Iterator[StatementLock]:
    cascades = re.search(r"\bCASCADE\b", match[2], re.IGNORECASE)
    for table in clauses(match[1]):
        yield StatementLock(LockMode.ACCESS_EXCLUSIVE, table, Related.REFERRING if cascades else Related.NONE)


def _locked(match: "re.Match[str]") -> Iterator[StatementLock]:
    name = (match[2] or "ACCESS EXCLUSIVE").upper().replace(" ", "_")
    for table in clauses(match[1]):
        yield StatementLock(LockMode[name], table)


def _refreshed(match: "re.Match[str]") -> Iterator[StatementLock]:
    yield StatementLock(LockMode.EXCLUSIVE if match[1] else LockMode.ACCESS_EXCLUSIVE, match[2])


def _commented(match: "re.Match[str]") -> Iterator[StatementLock]:
    name = match[2].rpartition(".")[0] if match[1].upper() == "COLUMN" else match[2]
    yield StatementLock(LockMode.SHARE_UPDATE_EXCLUSIVE, name)


def _altered_table(match: "re.Match[str]") -> Iterator[StatementLock]:
    table = match[1]
    for action in clauses(match[2]):
        yield from _locks_of_action(table, action)


_SHARE_UPDATE_ACTION = (
    r"VALIDATE CONSTRAINT|CLUSTER ON|SET WITHOUT CLUSTER|SET \(|RESET \(|ATTACH PARTITION"
    r"|DETACH PARTITION .* CONCURRENTLY"
    rf"|ALTER (?:COLUMN )?{NAME} (?:SET STATISTICS|SET \(|RESET \()"
)
_TRIGGER_ACTION = r"(?:ENABLE|DISABLE) (?:REPLICA |ALWAYS )?TRIGGER"
_FOREIGN_KEY_ACTION = rf"ADD (?:CONSTRAINT {NAME} )?FOREIGN KEY"
_DROP_CONSTRAINT = rf"DROP CONSTRAINT {_IF}({NAME})"
_DROP_COLUMN = rf"DROP (?:COLUMN )?{_IF}({NAME})"


def _locks_of_action(table: str, action: str) -> Iterator[StatementLock]:
    if pattern(_SHARE_UPDATE_ACTION).match(action):
        yield StatementLock(LockMode.SHARE_UPDATE_EXCLUSIVE, table)
        return
    if pattern(_TRIGGER_ACTION).match(action) or pattern(_FOREIGN_KEY_ACTION).match(action):
        yield StatementLock(LockMode.SHARE_ROW_EXCLUSIVE, table)
    elif constraint := pattern(_DROP_CONSTRAINT).match(action):
        yield StatementLock(LockMode.ACCESS_EXCLUSIVE, table, Related.CONSTRAINT, constraint[1])
    elif column := pattern(_DROP_COLUMN).match(action):
        yield StatementLock(LockMode.ACCESS_EXCLUSIVE, table, Related.COLUMN, column[1])
    else:
        yield StatementLock(LockMode.ACCESS_EXCLUSIVE, table)
    for referenced in pattern(_REFERENCES).findall(action):
        yield StatementLock(LockMode.SHARE_ROW_EXCLUSIVE, referenced)


_LIST = rf"({_BARE_RELATION}(?: ?, ?{_BARE_RELATION})*)"
# The first that fits the beginning of the statement speaks for it.
_RULES: list[_Rule] = [
    (rf"ALTER TABLE {_IF}(?:ONLY )?{_RELATION} ?\*? (.*)", _altered_table),
    (rf"ALTER INDEX {_IF}{_RELATION}", _plain(LockMode.SHARE_UPDATE_EXCLUSIVE)),
    (rf"ALTER SEQUENCE {_IF}{_RELATION}", _plain(LockMode.SHARE_ROW_EXCLUSIVE)),
    (rf"ALTER (?:MATERIALIZED )?VIEW {_IF}{_RELATION}", _plain(LockMode.ACCESS_EXCLUSIVE)),
    (r"CREATE (?:(?:GLOBAL |LOCAL )?TEMP(?:ORARY)? |UNLOGGED )?TABLE .*", _created_table),
    (rf"CREATE (?:UNIQUE )?INDEX (CONCURRENTLY )?{_IF}(?:{NAME} )?ON (?:ONLY )?{_RELATION}", _created_index),
    (rf"CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER .*? ON {_RELATION}", _plain(LockMode.SHARE_ROW_EXCLUSIVE)),
    (rf"CREATE STATISTICS .* FROM {_RELATION}", _plain(LockMode.SHARE_UPDATE_EXCLUSIVE)),
    (rf"CREATE (?:OR REPLACE )?RULE .*? TO {_RELATION}", _plain(LockMode.ACCESS_EXCLUSIVE)),
    (r"CREATE (?:OR REPLACE )?(?:TEMP(?:ORARY)? )?(?:MATERIALIZED |RECURSIVE )?VIEW ", _nothing),
    (rf"DROP INDEX (CONCURRENTLY )?{_IF}{_LIST}", _dropped_index),
    (rf"DROP TABLE {_IF}(.*)", _dropped_table),
    (rf"DROP (?:TRIGGER|RULE|POLICY) {_IF}{NAME} ON {_RELATION}", _plain(LockMode.ACCESS_EXCLUSIVE)),
    (rf"DROP (?:MATERIALIZED )?(?:VIEW|SEQUENCE) {_IF}{_LIST}", _plain(LockMode.ACCESS_EXCLUSIVE)),
    (r"DROP (?:FUNCTION|PROCEDURE|AGGREGATE|ROLE|STATISTICS) (?!.*\bCASCADE$)", _nothing),
    (rf"TRUNCATE (?:TABLE )?(?:ONLY )?{_LIST}(.*)", _truncated),
    (rf"LOCK (?:TABLE )?(?:ONLY )?{_LIST}(?: IN ([A-Z ]+) MODE)?", _locked),
    (rf"REINDEX .*?TABLE CONCURRENTLY {_RELATION}", _plain(LockMode.SHARE_UPDATE_EXCLUSIVE)),
    (rf"REINDEX .*?TABLE {_RELATION}", _plain(LockMode.SHARE)),
    (rf"REFRESH MATERIALIZED VIEW (CONCURRENTLY )?{_RELATION}", _refreshed),
    (rf"CLUSTER {_RELATION}", _plain(LockMode.ACCESS_EXCLUSIVE)),
    (rf"VACUUM (?:\([^)]*FULL[^)]*\) |FULL ){_RELATION}", _plain(LockMode.ACCESS_EXCLUSIVE)),
    (rf"VACUUM (?:\([^)]*\) )?(?:ANALYZE )?{_RELATION}", _plain(LockMode.SHARE_UPDATE_EXCLUSIVE)),
    (rf"ANALYZE {_RELATION}", _plain(LockMode.SHARE_UPDATE_EXCLUSIVE)),
    (rf"COMMENT ON (TABLE|COLUMN|VIEW|INDEX) ({NAME}(?:\.{NAME})*) IS", _commented),
    (rf"INSERT INTO {_RELATION}", _plain(LockMode.ROW_EXCLUSIVE)),
    (rf"UPDATE (?:ONLY )?{_RELATION}", _plain(LockMode.ROW_EXCLUSIVE)),
    (rf"DELETE FROM (?:ONLY )?{_RELATION}", _plain(LockMode.ROW_EXCLUSIVE)),  # noqa: S608 - a pattern
    (rf"MERGE INTO (?:ONLY )?{_RELATION}", _plain(LockMode.ROW_EXCLUSIVE)),
]
