"""The admin shows history and does not let anybody change it."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from eventsourcing.persistence import Tracking
from school.applications import Dog, TrainingSchool

from eventsourcing_django.models import NotificationTrackingRecord, SnapshotRecord, StoredEventRecord
from eventsourcing_django.recorders import DjangoTrackingRecorder

MODELS = ["storedeventrecord", "snapshotrecord", "notificationtrackingrecord"]


@pytest.fixture
def superuser(client, transactional_db):
    """A client of a superuser, and a row in each table."""
    client.force_login(User.objects.create_superuser("root"))
    school = TrainingSchool(env={"PERSISTENCE_MODULE": "eventsourcing_django", "IS_SNAPSHOTTING_ENABLED": "y"})
    school.register("Fido")
    school.take_snapshot(Dog.create_id("Fido"))
    DjangoTrackingRecorder("Counters").insert_tracking(Tracking("TrainingSchool", 1))
    return client


def only_pk(model):
    models = {"storedeventrecord": StoredEventRecord, "snapshotrecord": SnapshotRecord}
    return models.get(model, NotificationTrackingRecord).objects.get().pk


@pytest.mark.parametrize("model", MODELS)
def test_rows_are_listed_and_shown(superuser, model):
    """A list, and a page for each row."""
    listed = superuser.get(reverse(f"admin:eventsourcing_django_{model}_changelist"))
    assert "TrainingSchool" in listed.content.decode()
    assert superuser.get(_change(model)).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_even_a_superuser_changes_nothing(superuser, model):
    """Adding, editing and deleting are forbidden."""
    before = list(StoredEventRecord.objects.values_list("id", "topic"))
    add = reverse(f"admin:eventsourcing_django_{model}_add")
    delete = reverse(f"admin:eventsourcing_django_{model}_delete", args=[only_pk(model)])
    assert [superuser.post(url, {"topic": "forged"}).status_code for url in (add, _change(model), delete)] == [403] * 3
    assert list(StoredEventRecord.objects.values_list("id", "topic")) == before


def test_events_are_searched_by_aggregate(superuser):
    """By the whole ID; anything else finds nothing, and is no error."""
    url = reverse("admin:eventsourcing_django_storedeventrecord_changelist")
    assert "Registered" in superuser.get(url, {"q": str(Dog.create_id("Fido"))}).content.decode()
    assert "Registered" not in superuser.get(url, {"q": "Fido"}).content.decode()


def test_a_list_takes_few_queries(superuser, django_assert_max_num_queries):
    """However many rows there are."""
    with django_assert_max_num_queries(5):
        superuser.get(reverse("admin:eventsourcing_django_storedeventrecord_changelist"))


def _change(model):
    return reverse(f"admin:eventsourcing_django_{model}_change", args=[only_pk(model)])
