"""The behaviour that eventsourcing asks of every persistence module, by its own test classes."""

from databases import for_each_database
from eventsourcing.tests import persistence as shipped
from eventsourcing.utils import Environment

from eventsourcing_django.factory import Factory
from eventsourcing_django.models import SnapshotRecord, StoredEventRecord
from eventsourcing_django.recorders import (
    DjangoAggregateRecorder,
    DjangoApplicationRecorder,
    DjangoProcessRecorder,
    DjangoTrackingRecorder,
)


class _AggregateRecorder(shipped.AggregateRecorderTestCase):
    __test__ = False

    def create_recorder(self):
        return DjangoAggregateRecorder("app", StoredEventRecord, self.alias)


class _SnapshotRecorder(shipped.AggregateRecorderTestCase):
    __test__ = False

    def create_recorder(self):
        return DjangoAggregateRecorder("app", SnapshotRecord, self.alias)


class _ApplicationRecorder(shipped.ApplicationRecorderTestCase):
    __test__ = False

    def create_recorder(self):
        return DjangoApplicationRecorder("app", StoredEventRecord, self.alias)

    def test_insert_subscribe(self):
        """A subscription gives the events recorded so far, then waits for new ones, until it is stopped."""
        self.optional_test_insert_subscribe()


class _TrackingRecorder(shipped.TrackingRecorderTestCase):
    __test__ = False

    def create_recorder(self):
        return DjangoTrackingRecorder("app", self.alias)


class _ProcessRecorder(shipped.ProcessRecorderTestCase):
    __test__ = False

    def create_recorder(self):
        return DjangoProcessRecorder("app", StoredEventRecord, self.alias)


class _ProcessRecorderTracking(shipped.TrackingRecorderTestCase):
    __test__ = False

    def create_recorder(self):
        return DjangoProcessRecorder("app", StoredEventRecord, self.alias)


class _NonInterleaving(shipped.NonInterleavingNotificationIDsBaseCase):
    __test__ = False

    def create_recorder(self):
        return DjangoApplicationRecorder("app", StoredEventRecord, self.alias)


class SpecialApplicationRecorder(DjangoApplicationRecorder):
    pass


class SpecialTrackingRecorder(DjangoTrackingRecorder):
    pass


class SpecialProcessRecorder(DjangoProcessRecorder):
    pass


class _Factory(shipped.InfrastructureFactoryTestCase):
    __test__ = False

    def setUp(self):
        self.env = Environment("app")
        self.env["PERSISTENCE_MODULE"] = "eventsourcing_django"
        self.env["DJANGO_DB_ALIAS"] = self.alias
        super().setUp()

    def expected_factory_class(self):
        return Factory

    def expected_aggregate_recorder_class(self):
        return DjangoAggregateRecorder

    def expected_application_recorder_class(self):
        return DjangoApplicationRecorder

    def expected_tracking_recorder_class(self):
        return DjangoTrackingRecorder

    def application_recorder_subclass(self):
        return SpecialApplicationRecorder

    def tracking_recorder_subclass(self):
        return SpecialTrackingRecorder

    def process_recorder_subclass(self):
        return SpecialProcessRecorder

    def expected_process_recorder_class(self):
        return DjangoProcessRecorder


for _base in (
    _AggregateRecorder,
    _SnapshotRecorder,
    _ApplicationRecorder,
    _TrackingRecorder,
    _ProcessRecorder,
    _ProcessRecorderTracking,
    _NonInterleaving,
    _Factory,
):
    globals().update(for_each_database(_base))
