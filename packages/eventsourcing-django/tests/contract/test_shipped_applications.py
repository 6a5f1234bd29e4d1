"""The behaviour that eventsourcing asks of applications and projections, by its own test classes, on Django."""

import os
from importlib.util import find_spec

from databases import for_each_database
from eventsourcing.tests import application as shipped
from eventsourcing.utils import get_topic
from school.models import EventCounter

from eventsourcing_django.library import IS_10
from eventsourcing_django.recorders import DjangoProcessRecorder, DjangoTrackingRecorder

if find_spec("eventsourcing.tests.projection"):
    from eventsourcing.tests import projection as shipped_projections
else:
    shipped_projections = None  # eventsourcing 9.4 has none

# Aggregates of eventsourcing 10 have IDs such as 'dog-<uuid>'.
ID_TYPE = {"ORIGINATOR_ID_TYPE": "text"} if IS_10 else {}


class _Example(shipped.ExampleApplicationTestCase):
    __test__ = False
    expected_factory_topic = "eventsourcing_django.factory:Factory"

    def setUp(self):
        os.environ["PERSISTENCE_MODULE"] = "eventsourcing_django"
        os.environ["DJANGO_DB_ALIAS"] = self.alias
        os.environ |= ID_TYPE
        super().setUp()

    def tearDown(self):
        for name in ("PERSISTENCE_MODULE", "DJANGO_DB_ALIAS", *ID_TYPE):
            del os.environ[name]
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

    # What eventsourcing 10 calls them.
    get_student_registered_counter = get_created_event_counter
    get_student_name_changed_counter = get_subsequent_event_counter
    incr_student_registered_counter = incr_created_event_counter
    incr_student_name_changed_counter = incr_subsequent_event_counter

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
globals().update(for_each_database(_Application))
if "EVENTSOURCING_TEST_CONTENTION" not in os.environ:
    # Threads compete for one aggregate until eleven of them have won, which takes MariaDB, whose saves are several
    # statements, half a minute or more.
    for _kind in ("blocking", "nonblocking"):
        setattr(globals()["TestApplication_mariadb"], f"test_check_aggregate_fastforwarding_{_kind}", None)


if shipped_projections:
    VIEW = "StudentAnalyticsView" if IS_10 else "EventCountersView"
    PROJECTION = "AggregateEventProjectionTestCase" if IS_10 else "AggregateEventCountersProjectionTestCase"

    class CountersView(EventCounters, getattr(shipped_projections, VIEW)):
        pass

    class Patient:
        """The shipped tests wait for one second, which is not enough on a machine that is busy with others."""

        def wait(self, *name_and_position, timeout=1.0, **more):
            super().wait(*name_and_position, timeout=120 * timeout, **more)

    class PatientView(Patient, CountersView):
        pass

    class PatientRecorder(Patient, DjangoProcessRecorder):
        pass

    class _View(getattr(shipped_projections, f"{VIEW}TestCase")):
        __test__ = False

        def construct_event_counters_view(self):
            return CountersView("view", self.alias)

    class _WithEnvironment:
        def setUp(self):
            self.env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": self.alias, **ID_TYPE}
            super().setUp()

    class _Projection(_WithEnvironment, getattr(shipped_projections, PROJECTION)):
        __test__ = False
        view_class = PatientView

        def test_run_forever_raises_projection_error(self):
            """What the projection raises is raised; it waits for what does not come, so it is not patient."""
            self.view_class = CountersView
            super().test_run_forever_raises_projection_error()

    class _EventSourcedProjection(_WithEnvironment, shipped_projections.EventSourcedProjectionTestCase):
        __test__ = False

        def setUp(self):
            super().setUp()
            self.env["PROCESS_RECORDER_TOPIC"] = get_topic(PatientRecorder)

    for _base in (_View, _Projection, _EventSourcedProjection):
        globals().update(for_each_database(_base))
