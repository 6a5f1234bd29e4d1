"""Transactions that are going to write, begun so that SQLite lets them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from django.db import connections, transaction

__all__ = ["write_transaction"]


def write_transaction(alias: str) -> AbstractContextManager[object]:
    """Make everything inside one transaction, or a savepoint of the transaction that the caller is in.

    By default a transaction on SQLite begins as a reader. If it writes after it has read, and another connection has
    committed in between, it fails at once with "database is locked", however long the busy time-out. One that takes
    its turn as a writer at the beginning waits for it instead.

    Args:
        alias: a key of ``DATABASES``.
    """
    connection: Any = connections[alias]
    if connection.vendor != "sqlite" or connection.in_atomic_block or connection.is_in_memory_db():
        return transaction.atomic(using=alias)  # threads that share a database in memory never wait for each other
    return _begun_as_writer(connection)


@contextmanager
def _begun_as_writer(connection: Any) -> Iterator[None]:
    with ExitStack() as stack:
        with _writing_first(connection):
            stack.enter_context(transaction.atomic(using=connection.alias))
        yield


@contextmanager
def _writing_first(connection: Any) -> Iterator[None]:
    connection.ensure_connection()  # which reads the project's own mode
    usual = connection.transaction_mode
    if usual != "EXCLUSIVE":
        connection.transaction_mode = "IMMEDIATE"
    try:
        yield
    finally:
        connection.transaction_mode = usual
