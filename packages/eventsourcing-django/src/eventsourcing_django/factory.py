"""The infrastructure factory: what an application of the eventsourcing library is built from."""

from typing import TYPE_CHECKING, TypeVar

from eventsourcing import persistence, utils

from eventsourcing_django.models import SnapshotRecord, StoredEventRecord
from eventsourcing_django.recorders import (
    DjangoAggregateRecorder,
    DjangoApplicationRecorder,
    DjangoProcessRecorder,
    DjangoTrackingRecorder,
)

__all__ = ["Factory"]

_T = TypeVar("_T")


if TYPE_CHECKING:
    _Base = persistence.InfrastructureFactory[DjangoTrackingRecorder]
else:
    _Base = persistence.InfrastructureFactory  # subscripting it at run time needs a newer eventsourcing


class Factory(_Base):
    """Makes recorders that keep events in a database of the Django project.

    Reads from the application's environment (each name may be prefixed with the application's upper-case name):

    ``DJANGO_DB_ALIAS``
        the database; missing or empty leaves it to the project's database routers.
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

    def aggregate_recorder(self, purpose: str = "events") -> persistence.AggregateRecorder:
        """Make a recorder of events, or of snapshots if that is the purpose."""
        model = SnapshotRecord if purpose == "snapshots" else StoredEventRecord
        return self.aggregate_recorder_class(self.env.name, model, self._alias)

    def application_recorder(self) -> persistence.ApplicationRecorder:
        """Make a recorder of events that can be followed."""
        chosen = self._chosen("APPLICATION_RECORDER_TOPIC", self.application_recorder_class)
        return chosen(self.env.name, StoredEventRecord, self._alias)

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
        return _extending(DjangoTrackingRecorder, chosen)(self.env.name, self._alias)

    def process_recorder(self) -> persistence.ProcessRecorder:
        """Make a recorder of events and of the positions of the events they result from."""
        chosen = self._chosen("PROCESS_RECORDER_TOPIC", self.process_recorder_class)
        return chosen(self.env.name, StoredEventRecord, self._alias)

    def _chosen(self, variable: str, default: type[_T]) -> type[_T]:
        topic = self.env.get(variable)
        return _extending(default, utils.resolve_topic(topic)) if topic else default


def _extending(base: type[_T], chosen: type[object]) -> type[_T]:
    if not issubclass(chosen, base):
        raise TypeError(
            f"{chosen.__module__}.{chosen.__qualname__} has to extend {base.__module__}.{base.__qualname__}"
        )
    return chosen
