"""The calling thread's connection, without what it costs Django to find it.

`django.db.connections` asks asyncio for a running loop first, and is told by an exception that there is none, which is
so nearly everywhere: that takes longer than everything else that a recorder does before its statement.
"""

import threading
from asyncio import _get_running_loop
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["connection_of"]

# asgiref's storage of connections, and in it the attributes of each thread; None where it is kept in another way.
_local: Any = vars(connections).get("_connections")
_threads: Any = getattr(_local, "__dict__", {}).get("_storage")
if type(_threads) is not threading.local:
    _threads = None


def connection_of(alias: str) -> BaseDatabaseWrapper:
    """Give what `connections[alias]` gives.

    Raises:
        django.db.utils.ConnectionDoesNotExist: ``DATABASES`` has no such alias.
    """
    if _threads is not None and _get_running_loop() is None and connections._connections is _local:  # type: ignore[attr-defined] # noqa: SLF001
        connection: BaseDatabaseWrapper | None = getattr(_threads, alias, None)
        if connection is not None:
            return connection
    return connections[alias]
