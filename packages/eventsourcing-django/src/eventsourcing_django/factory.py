"""The infrastructure factory: what an application of the eventsourcing library is built from."""

from typing import TYPE_CHECKING, TypeVar

from django.db import models
from eventsourcing import utils

from eventsourcing_django import library
from eventsourcing_django.models import SnapshotRecord, StoredEventRecord, TextSnapshotRecord, TextStoredEventRecord
from eventsourcing_django.recorders import (
    DjangoAggregateRecorder,
    DjangoApplicationRecorder,
    DjangoProcessRecorder,
    DjangoTrackingRecorder,
)

__all__ = ["Factory"]

_T = TypeVar("_T")
_EVENTS: dict[str, type[models.Model]] = {"uuid": StoredEventRecord, "text": TextStoredEventRecord}
_SNAPSHOTS: dict[str, type[models.Model]] = {"uuid": SnapshotRecord, "text": TextSnapshotRecord}
_LONGEST_TIMEOUT = 2**31 / 1000  # PostgreSQL's limit

if TYPE_CHECKING:
    _Base = library.InfrastructureFactory[DjangoTrackingRecorder]
else:
    _Base = library.InfrastructureFactory  # subscripting it at run time needs a newer eventsourcing


class Factory(_Base):
    """Makes recorders that keep events in a database of the Django project.

    Reads from the application's environment (each name may be prefixed with the application's upper-case name):

    ``DJANGO_DB_ALIAS``
        the database; missing or empty leaves it to the project's database routers.
    ``ORIGINATOR_ID_TYPE``
        ``uuid``, the default, or ``text`` for aggregates whose IDs are strings, of at most 255 characters. They are
        stored in tables of their own, so an application keeps to the type with which it has begun.
    ``DJANGO_LOCK_TIMEOUT``
        seconds that a save waits for the open transaction of another writer of the application, before it is an
        `eventsourcing.persistence.OperationalError`; missing or empty leaves it to the database.
    ``APPLICATION_RECORDER_TOPIC``, ``PROCESS_RECORDER_TOPIC``, ``TRACKING_RECORDER_TOPIC``
        classes to use in place of the package's own, which they extend.

    Nothing is read from the database until the application is used, so it can be constructed before migrating.
    """

    aggregate_recorder_class = DjangoAggregateRecorder
    application_recorder_class = DjangoApplicationRecorder
    tracking_recorder_class = DjangoTrackingRecorder
    process_recorder_class = DjangoProcessRecorder

    @property
    def _alias(self) -> str | None:
        return self.env.get("DJANGO_DB_ALIAS") or None

    @property
    def _options(self) -> dict[str, float]:
        """Options of recorders, only if given: a project's own classes need not know them."""
        text = self.env.get("DJANGO_LOCK_TIMEOUT")
        if not text:
            return {}
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0
        if not 0 < seconds < _LONGEST_TIMEOUT:
            raise OSError(f"DJANGO_LOCK_TIMEOUT is {text!r}: it has to be a number of seconds above 0, such as '5'")
        return {"lock_timeout": seconds}

    def _model(self, models_by_id_type: dict[str, type[models.Model]]) -> type[models.Model]:
        id_type = (self.env.get("ORIGINATOR_ID_TYPE") or "uuid").lower()
        if id_type not in models_by_id_type:
            raise OSError(f"ORIGINATOR_ID_TYPE is {id_type!r}: it has to be 'uuid' or 'text'")
        return models_by_id_type[id_type]

    def aggregate_recorder(self, purpose: str = "events") -> library.AggregateRecorder:
        """Make a recorder of events, or of snapshots if that is the purpose."""
        model = self._model(_SNAPSHOTS if purpose == "snapshots" else _EVENTS)
        return self.aggregate_recorder_class(self.env.name, model, self._alias, **self._options)

    def application_recorder(self) -> library.ApplicationRecorder:
        """Make a recorder of events that can be followed."""
        chosen = self._chosen("APPLICATION_RECORDER_TOPIC", self.application_recorder_class)
        return chosen(self.env.name, self._model(_EVENTS), self._alias, **self._options)

    def tracking_recorder(
        self, tracking_recorder_class: type[DjangoTrackingRecorder] | None = None
    ) -> DjangoTrackingRecorder:
        """Make a recorder of positions, such as a materialised view.

        Args:
            tracking_recorder_class: its class; None takes it from ``TRACKING_RECORDER_TOPIC``.

        Raises:
            TypeError: the class does not extend `DjangoTrackingRecorder`.
        """
        chosen = tracking_recorder_class or self._chosen("TRACKING_RECORDER_TOPIC", self.tracking_recorder_class)
        return _extending(DjangoTrackingRecorder, chosen)(self.env.name, self._alias, **self._options)

    def process_recorder(self) -> library.ProcessRecorder:
        """Make a recorder of events and of the positions of the events they result from."""
        chosen = self._chosen("PROCESS_RECORDER_TOPIC", self.process_recorder_class)
        return chosen(self.env.name, self._model(_EVENTS), self._alias, **self._options)

    def close(self) -> None:
        """Leave the connections open: they are Django's, and threads close their own."""

    def _chosen(self, variable: str, default: type[_T]) -> type[_T]:
        topic = self.env.get(variable)
        return _extending(default, utils.resolve_topic(topic)) if topic else default


def _extending(base: type[_T], chosen: type[object]) -> type[_T]:
    if not issubclass(chosen, base):
        raise TypeError(
            f"{chosen.__module__}.{chosen.__qualname__} has to extend {base.__module__}.{base.__qualname__}"
        )
    return chosen
