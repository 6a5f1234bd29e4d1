"""A quorum in a table of any database: each member's sign of life is a time stamp that it renews."""

import json
import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.apps.registry import Apps
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, DatabaseError, Error, IntegrityError, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now

from syzygy.quorum.exceptions import QuorumError
from syzygy.quorum.rounds import Round
from syzygy.spelling import suggestion

from .rounds import RoundQuorum, Slot

__all__ = ("DatabaseQuorum",)

_log = logging.getLogger(__name__)

TABLE = "syzygy_quorum_entry"
# The row that whoever reads or writes a round locks before.
_MUTEX = "mutex"


@lru_cache(maxsize=1)
def _model() -> Any:
    """The table as a model of a registry of its own: Django's other parts do not see it."""

    class Entry(models.Model):  # noqa: DJ008 - never shown
        # A round under its namespace, or a member under its token.
        key = models.CharField(max_length=255, primary_key=True)
        value = models.TextField(default="")
        seen = models.DateTimeField(default=None, null=True)

        class Meta:
            apps = Apps()
            app_label = "syzygy"
            db_table = TABLE

    return Entry


class _Now(Now):
    """The database's time in UTC: summer time must not make anybody older."""

    def as_mysql(self, compiler: Any, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **context)


class DatabaseQuorum(RoundQuorum):
    """Keeps the quorum in the table `syzygy_quorum_entry`, which it makes, of the database `alias`.

    For MySQL, MariaDB and Oracle, and for PostgreSQL behind a pooler that gives no sessions; otherwise PostgreSQL has
    `PostgresQuorum`, which notices at once when a process is gone. `member_timeout` (seconds) is how long a process
    that stopped without a word still counts. A thread renews the signs of life of this process three times in that
    span. All times are the database's own, so the clocks of the hosts do not matter.
    """

    def __init__(self, alias: str = DEFAULT_DB_ALIAS, member_timeout: float = 15) -> None:
        super().__init__()
        if alias not in connections:
            hint = suggestion(alias, connections)
            raise ImproperlyConfigured(f"There is no database {alias!r} in DATABASES. {hint}".rstrip())
        if member_timeout < 1:
            raise ImproperlyConfigured("member_timeout must be at least one second.")
        self.alias = alias
        self.member_timeout = member_timeout
        self._living: set[str] = set()
        self._stop: threading.Event | None = None
        self._made = False

    def join(self, namespace: str, quorum: int) -> bool:  # noqa: D102
        self._refuse_database_that_migrates(namespace)
        return super().join(namespace, quorum)

    def _refuse_database_that_migrates(self, namespace: str) -> None:
        if self._connection.vendor == "sqlite" and namespace.split(":")[1:2] == [self.alias]:
            raise QuorumError(
                f"The database {self.alias!r} is SQLite and can hold no quorum about itself: nobody else can write "
                "while one process migrates it. Without a quorum one process migrates it at a time; or use a cache."
            )

    @property
    def _connection(self) -> BaseDatabaseWrapper:
        """The connection of the calling thread."""
        return connections[self.alias]

    @property
    def _entries(self) -> Any:
        return _model().objects.using(self.alias)

    def _make_table(self) -> None:
        if self._made:
            return
        if not self._table_exists():
            try:
                with self._connection.schema_editor() as editor:
                    editor.create_model(_model())
            except DatabaseError:
                if not self._table_exists():  # else another process made it at the same moment
                    raise
        self._ensure_mutex()
        self._made = True

    def _table_exists(self) -> bool:
        with self._connection.cursor() as cursor:
            return TABLE in self._connection.introspection.table_names(cursor)

    def _ensure_mutex(self) -> None:
        if not self._entries.filter(key=_MUTEX).exists():
            try:
                with transaction.atomic(self.alias):
                    self._entries.create(key=_MUTEX)
            except IntegrityError:
                """Another process made the row at the same moment."""

    # What a round is stored in

    @contextmanager
    def _exclusive(self, namespace: str) -> Iterator[Slot]:
        with self._reached():
            self._make_table()
            with transaction.atomic(self.alias):
                # The first statement, so that whatever the isolation, what is read next was committed before.
                self._entries.filter(key=_MUTEX).update(seen=_Now())
                kept = self._entries.filter(key=f"round:{namespace}")
                before = next(iter(kept.values_list("value", flat=True)), None)
                slot = Slot(Round.from_dict(json.loads(before)) if before else None)
                yield slot
                after = json.dumps(slot.round.as_dict()) if slot.round is not None else None
                if after is None:
                    kept.delete()
                elif after != before and not kept.update(value=after):
                    self._entries.create(key=f"round:{namespace}", value=after)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            if not self._connection.in_atomic_block:
                self._connection.close_if_unusable_or_obsolete()
            yield
        except Error as error:
            raise QuorumError(f"The database {self.alias!r} cannot be used for the quorum: {error}") from error

    # Signs of life

    def _appear(self) -> str:
        token = secrets.token_hex(16)
        with self._reached():
            self._make_table()
            self._forget_the_dead()
            self._entries.create(key=f"alive:{token}", seen=_Now())
        self._living.add(token)
        if self._stop is None:
            self._stop = threading.Event()
            threading.Thread(target=self._keep_beating, args=(self._stop,), daemon=True).start()
        return token

    def _forget_the_dead(self) -> None:
        """Rows of processes that were killed, once nobody can want to know about them any more."""
        dead = self._entries.filter(key__startswith="alive:", seen__lt=_Now() - timedelta(days=1))
        # By their keys: MySQL would lock every row that it looks at.
        if keys := list(dead.values_list("key", flat=True)):
            self._entries.filter(key__in=keys).delete()

    def _disappear(self, token: str) -> None:
        self._living.discard(token)
        if not self._living and self._stop is not None:
            self._stop.set()
            self._stop = None
        with suppress(Error):  # the row grows old by itself
            self._entries.filter(key=f"alive:{token}").delete()

    def _alive(self, token: str) -> bool:
        with self._reached():
            span = timedelta(seconds=self.member_timeout)
            return bool(self._entries.filter(key=f"alive:{token}", seen__gt=_Now() - span).exists())

    def _keep_beating(self, stop: threading.Event) -> None:
        connection = self._connection
        while not stop.wait(self.member_timeout / 3):
            try:
                connection.close_if_unusable_or_obsolete()
                keys = [f"alive:{token}" for token in tuple(self._living)]
                self._entries.filter(key__in=keys).update(seen=_Now())
            except Error:
                # The next beat may reach the database again in time; if not, the others go on without us.
                _log.warning("The quorum's database %r cannot be reached.", self.alias, exc_info=True)
                connection.close()
        connection.close()
