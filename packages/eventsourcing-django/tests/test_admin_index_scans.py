"""The statements behind the admin's lists, on every kind of database."""

from datetime import UTC, datetime, timedelta

import pytest
from eventsourcing.persistence import Tracking
from school.applications import TrainingSchool

from eventsourcing_django.admin import moments
from eventsourcing_django.admin.index_scans import application_names, followed_pairs, newest_topics, waiting_events
from eventsourcing_django.models import NotificationTrackingRecord, StoredEventRecord
from eventsourcing_django.recorders import DjangoTrackingRecorder


@pytest.fixture
def schools(alias):
    """Two applications whose events alternate, eleven each."""

    class AnotherSchool(TrainingSchool):
        name = "AnotherSchool"

    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": alias}
    schools = {cls.name: cls(env=env) for cls in (TrainingSchool, AnotherSchool)}
    for school in schools.values():
        school.register("Fido")
    for number in range(10):
        for school in schools.values():
            school.add_trick("Fido", f"trick {number}")
    return schools


def test_names_of_applications(schools, alias):
    """Each once, in order."""
    assert application_names(StoredEventRecord, alias) == ["AnotherSchool", "TrainingSchool"]


def test_an_empty_table_has_no_names_and_no_pairs(alias):
    """And is no error."""
    assert application_names(StoredEventRecord, alias) == []
    assert followed_pairs(alias) == []
    assert waiting_events(StoredEventRecord, alias, [], 10) == []
    assert newest_topics(StoredEventRecord.objects.using(alias), 10) == ([], 0)
    assert moments.first_positions(StoredEventRecord.objects.using(alias), None, [datetime.now(UTC)], {}) == [1]


def test_pairs_of_followers_and_leaders(alias):
    """With the highest position, whether it is in the moving row or in one of eventsourcing-django's."""
    for follower, leader, position in (("B", "A", 3), ("B", "C", 9), ("C", "A", 1)):
        DjangoTrackingRecorder(follower, alias).insert_tracking(Tracking(leader, position))
    for position in (5, 7):
        pair = {"application_name": "C", "upstream_application_name": "B"}
        NotificationTrackingRecord.objects.using(alias).create(**pair, notification_id=position)
    assert followed_pairs(alias) == [("B", "A", 3), ("B", "C", 9), ("C", "A", 1), ("C", "B", 7)]


def test_waiting_events_are_those_of_the_leader(schools, alias):
    """Counted up to a limit, with the leader's last position."""
    asked = [("TrainingSchool", 0), ("AnotherSchool", 20), ("TrainingSchool", 21), ("Nobody", 0)]
    assert waiting_events(StoredEventRecord, alias, asked, 5) == [(21, 5), (22, 1), (21, 0), (None, 0)]


@pytest.mark.parametrize("read_at_once", [1, 5_000])
def test_times_lead_to_positions(schools, alias, monkeypatch, read_at_once):
    """Of one application, or of all, also where it takes several rounds to come near."""
    monkeypatch.setattr(moments, "_SAMPLES", 3)
    monkeypatch.setattr(moments, "_READ_AT_ONCE", read_at_once)
    rows = StoredEventRecord.objects.using(alias)
    events = list(schools["TrainingSchool"].events.get(rows.earliest("id").originator_id))
    times = [event.timestamp for event in events]
    positions = list(rows.filter(application_name="TrainingSchool").order_by("id").values_list("id", flat=True))
    for application in ("TrainingSchool", None):
        assert moments.first_positions(rows, application, times, schools) == positions
    after, before = times[-1] + timedelta(days=1), times[0] - timedelta(days=1)
    assert moments.first_positions(rows, "TrainingSchool", [before, after], schools) == [1, positions[-1] + 1]


def test_times_that_nobody_can_read_lead_nowhere(schools, alias):
    """The caller is told so."""
    rows = StoredEventRecord.objects.using(alias)
    assert moments.first_positions(rows, None, [datetime.now(UTC)], {}) is None
