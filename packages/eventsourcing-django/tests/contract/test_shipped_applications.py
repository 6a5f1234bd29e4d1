"""The behaviour that eventsourcing asks of applications and projections, by its own test classes, on Django."""

import os

from databases import ALIASES, for_each_database
from eventsourcing.tests import application as shipped
from school.models import EventCounter

from eventsourcing_django.recorders import DjangoTrackingRecorder

try:
    from eventsourcing.tests import projection as shipped_projections
except ImportError:
    # eventsourcing 9.4 does not ship them.
    shipped_projections = None


class _Example(shipped.ExampleApplicationTestCase):
    __test__ = False
    expected_factory_topic = "eventsourcing_django.factory:Factory"

    def setUp(self):
        os.environ["PERSISTENCE_MODULE"] = "eventsourcing_django"
        os.environ["DJANGO_DB_ALIAS"] = self.alias
        super().setUp()

    def tearDown(self):
        del os.environ["PERSISTENCE_MODULE"]
        del os.environ["DJANGO_DB_ALIAS"]
        super().tearDown()


class _Application(_Example, shipped.ApplicationTestCase):
    __test__ = False


class EventCounters(DjangoTrackingRecorder):
    """A materialised view in a Django model."""

    def get_created_event_counter(self):
        return self._get("created")

    def get_subsequent_event_counter(self):
        return self._get("subsequent")

    def incr_created_event_counter(self, tracking):
        self._increment("created", tracking)

    def incr_subsequent_event_counter(self, tracking):
        self._increment("subsequent", tracking)

    def _get(self, name):
        counter = EventCounter.objects.using(self.using).filter(name=name).first()
        return counter.count if counter else 0

    def _increment(self, name, tracking):
        with self.atomic():
            counter, _ = EventCounter.objects.using(self.using).get_or_create(name=name)
            counter.count += 1
            counter.save()
            self.insert_tracking(tracking)


globals().update(for_each_database(_Example))
# On MariaDB two of its tests take 15 s each, and what they show beyond those of the recorders is above the database.
globals().update(for_each_database(_Application, [alias for alias in ALIASES if alias != "mariadb"]))


if shipped_projections:

    class CountersView(EventCounters, shipped_projections.EventCountersView):
        pass

    class _View(shipped_projections.EventCountersViewTestCase):
        __test__ = False

        def construct_event_counters_view(self):
            return CountersView("view", self.alias)

    class _WithEnvironment:
        def setUp(self):
            self.env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": self.alias}
            super().setUp()

    class _Projection(_WithEnvironment, shipped_projections.AggregateEventCountersProjectionTestCase):
        __test__ = False
        view_class = CountersView

    class _EventSourcedProjection(_WithEnvironment, shipped_projections.EventSourcedProjectionTestCase):
        __test__ = False

    for _base in (_View, _Projection, _EventSourcedProjection):
        globals().update(for_each_database(_base))
