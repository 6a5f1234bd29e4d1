"""The admin shows history and does not let anybody change it."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.urls import reverse
from django.utils.timezone import localtime
from eventsourcing.persistence import Tracking
from school.applications import Dog, TrainingSchool

from eventsourcing_django import models
from eventsourcing_django.models import NotificationTrackingRecord, SnapshotRecord, StoredEventRecord
from eventsourcing_django.recorders import DjangoTrackingRecorder

MODELS = ["storedeventrecord", "snapshotrecord", "notificationtrackingrecord"]
FIDO = str(Dog.create_id("Fido"))


@pytest.fixture
def school(transactional_db, monkeypatch):
    """An application that the project holds, with Fido, his two tricks and a snapshot."""
    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "IS_SNAPSHOTTING_ENABLED": "y"}
    school = TrainingSchool(env=env)
    monkeypatch.setattr(apps.get_app_config("school"), "training_school", school, raising=False)
    school.register("Fido")
    school.add_trick("Fido", "roll over")
    school.take_snapshot(Dog.create_id("Fido"))
    school.add_trick("Fido", "play dead")
    DjangoTrackingRecorder("Counters").insert_tracking(Tracking("TrainingSchool", 1))
    return school


@pytest.fixture
def superuser(client, school):
    """A client of a superuser."""
    client.force_login(User.objects.create_superuser("root"))
    return client


def url(model, page, *args):
    return reverse(f"admin:eventsourcing_django_{model}_{page}", args=args)


def record(model):
    found = {"storedeventrecord": StoredEventRecord, "snapshotrecord": SnapshotRecord}
    return found.get(model, NotificationTrackingRecord).objects.earliest("pk")


def listed(client, **query):
    return client.get(url("storedeventrecord", "changelist"), query).content.decode()


def rows_of(page):
    """Give the part of a list that shows rows: the filters name topics and applications as well."""
    return page.partition("<tbody>")[2].partition("</tbody>")[0]


def timeline(client, **query):
    asked = {"application_name": "TrainingSchool", "originator_id": FIDO, **query}
    return client.get(url("storedeventrecord", "timeline"), asked)


@pytest.mark.parametrize("model", MODELS)
def test_rows_are_listed_and_shown(superuser, model):
    """A list, and a page for each row."""
    assert "TrainingSchool" in superuser.get(url(model, "changelist")).content.decode()
    assert superuser.get(url(model, "change", record(model).pk)).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_even_a_superuser_changes_nothing(superuser, model):
    """Adding, editing and deleting are forbidden."""
    before = list(StoredEventRecord.objects.values_list("id", "topic"))
    pages = [url(model, "add"), *(url(model, page, record(model).pk) for page in ("change", "delete"))]
    assert [superuser.post(page, {"topic": "forged"}).status_code for page in pages] == [403] * 3
    action = {"action": "delete_selected", "_selected_action": [record(model).pk]}
    superuser.post(url(model, "changelist"), action)
    assert list(StoredEventRecord.objects.values_list("id", "topic")) == before


def test_each_page_asks_for_the_permission_to_view_its_rows(client, school):
    """Who may see the events of staff does not see followers by it, and the other way round."""
    pages = {
        "storedeventrecord": [
            url("storedeventrecord", "changelist"),
            url("storedeventrecord", "change", record("storedeventrecord").pk),
            url("storedeventrecord", "timeline") + f"?application_name=TrainingSchool&originator_id={FIDO}",
            url("storedeventrecord", "time") + "?since=2026-01-01T00:00",
        ],
        "snapshotrecord": [url("snapshotrecord", "changelist")],
        "notificationtrackingrecord": [url("notificationtrackingrecord", "changelist")],
    }
    for allowed in pages:
        user = User.objects.create_user(allowed, is_staff=True)
        kind, _ = ContentType.objects.get_or_create(app_label="eventsourcing_django", model=allowed)
        may, _ = Permission.objects.get_or_create(codename=f"view_{allowed}", content_type=kind)
        user.user_permissions.add(may)
        client.force_login(user)
        for model, addresses in pages.items():
            answers = {client.get(address).status_code for address in addresses}
            assert answers <= ({200, 302} if model == allowed else {403}), (allowed, model)


def test_events_are_searched_by_aggregate(superuser):
    """By the whole ID; anything else finds nothing, and is no error."""
    assert "Registered" in rows_of(listed(superuser, q=FIDO))
    assert "Registered" not in rows_of(listed(superuser, q="Fido"))


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"application_name": "TrainingSchool"}, {1, 2, 3}),
        ({"application_name": "Nobody"}, set()),
        ({"topic": "school.applications:Dog.TrickAdded"}, {2, 3}),
        ({"from": "2"}, {2, 3}),
        ({"to": "2"}, {1, 2}),
        ({"from": "2", "to": "2", "topic": "school.applications:Dog.Registered"}, set()),
    ],
)
def test_events_are_filtered(superuser, query, shown):
    """By application, topic and position, and by several of them."""
    found = StoredEventRecord.objects.earliest("pk").pk - 1  # positions go on where the test before has ended
    moved = {name: str(int(value) + found) if value.isdigit() else value for name, value in query.items()}
    rows = rows_of(listed(superuser, **moved))
    assert {number for number in (1, 2, 3) if f">{number + found}</a>" in rows} == shown


@pytest.mark.parametrize("query", [{"from": "one"}, {"to": "9" * 30}, {"topic__contains": "Dog"}, {"state": "x"}])
def test_what_is_not_a_filter_is_refused(superuser, query):
    """Other conditions would read the whole table; a position is a number."""
    answer = superuser.get(url("storedeventrecord", "changelist"), query)
    assert answer.status_code == 400 or answer.url.endswith("?e=1")  # both are Django's ways to say so


def test_a_long_list_is_read_page_by_page(superuser, school):
    """Each page leads to the one after it, until all events have been seen once."""
    for number in range(120):
        school.add_trick("Fido", f"trick {number}")
    seen, query = [], {}
    while query is not None:
        response = superuser.get(url("storedeventrecord", "changelist"), query)
        changelist = response.context["cl"]
        seen += [row.pk for row in changelist.result_list]
        query = {"to": changelist.older} if changelist.older else None
    assert seen == sorted(StoredEventRecord.objects.values_list("pk", flat=True), reverse=True)
    assert len(seen) == 123


def test_events_are_found_by_their_time(superuser, school):
    """The search leads to the list between the positions of the times."""
    _, second, third = StoredEventRecord.objects.order_by("pk").values_list("pk", flat=True)
    times = [event.timestamp for event in school.events.get(Dog.create_id("Fido"))]
    asked = {"since": localtime(times[1]).isoformat(), "until": localtime(times[2]).isoformat()}
    answer = superuser.get(url("storedeventrecord", "time"), {**asked, "application_name": "TrainingSchool"})
    assert answer.url.endswith(f"?application_name=TrainingSchool&from={second}&to={second}")
    after_all = superuser.get(url("storedeventrecord", "time"), {"since": (times[2] + timedelta(days=1)).isoformat()})
    assert after_all.url.endswith(f"?from={third + 1}")


def test_events_are_found_by_their_time_in_a_project_without_time_zones(superuser, settings):
    """What its forms give and what events say are times of different kinds."""
    settings.USE_TZ = False
    first = StoredEventRecord.objects.earliest("pk").pk
    assert superuser.get(url("storedeventrecord", "time"), {"since": "2026-01-01T00:00"}).url.endswith(f"?from={first}")
    assert superuser.get(url("storedeventrecord", "changelist")).status_code == 200


def test_a_time_that_is_none_is_said_to_be_none(superuser):
    """And the list is shown without it."""
    answer = superuser.get(url("storedeventrecord", "time"), {"since": "yesterday"}, follow=True)
    assert "A time is not one" in answer.content.decode()


def test_a_timeline_has_all_events_and_the_last_state(superuser):
    """What each event says, and what the aggregate became by it."""
    page = timeline(superuser).content.decode()
    assert "State at version 3" in page
    assert "[&#x27;roll over&#x27;, &#x27;play dead&#x27;]" in page
    for text in ("name = Fido", "trick = roll over", "trick = play dead", "Dog.Registered"):
        assert text in page


@pytest.mark.parametrize(
    ("version", "tricks"),
    [(1, "[]"), (2, "[&#x27;roll over&#x27;]"), (3, "[&#x27;roll over&#x27;, &#x27;play dead&#x27;]")],
)
def test_a_timeline_shows_the_state_at_any_version(superuser, version, tricks):
    """From the events, or from a snapshot and the events since, and says what the version changed."""
    page = timeline(superuser, version=version).content.decode()
    state = page.partition(f"State at version {version}")[2].partition("</table>")[0]
    assert f'<tr class="es-changed"><th scope="row">tricks</th><td><pre>{tricks}</pre></td></tr>' in state
    assert ('class="es-changed"><th scope="row">name<' in state) == (version == 1)


@pytest.mark.parametrize(
    "query", [{"originator_id": "Fido"}, {"originator_id": str(Dog.create_id("Rex"))}, {"version": "x"}, {"up_to": 0}]
)
def test_a_timeline_of_what_does_not_exist_is_not_found(superuser, query):
    """Neither an aggregate nor a version."""
    assert timeline(superuser, **query).status_code == 404


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("changelist", {"application_name": "a\0"}),
        ("changelist", {"topic": "a\0"}),
        ("timeline", {"application_name": "a\0", "originator_id": FIDO}),
        ("time", {"application_name": "a\0", "since": "2026-01-01"}),
    ],
)
def test_what_no_database_holds_is_a_bad_request(superuser, page, query):
    """A zero character in an address is not an error of the server."""
    assert superuser.get(url("storedeventrecord", page), query).status_code == 400


@pytest.mark.parametrize("version", [0, 9])
def test_a_version_that_does_not_exist_has_no_state(superuser, version):
    """It is not taken for another one, and the events around it are shown."""
    page = timeline(superuser, version=version).content.decode()
    assert f"The aggregate has no version {version}." in page
    assert "trick = play dead" in page


def test_aggregates_with_text_ids_have_timelines(superuser):
    """Rows of the tables for them look like the others."""
    row = {"application_name": "Notes", "originator_id": "note/1 & <2>", "originator_version": 1}
    models.TextStoredEventRecord.objects.create(**row, topic="notes:Written", state=b"")
    page = superuser.get(url("textstoredeventrecord", "changelist"), {"q": "note/1 & <2>"}).content.decode()
    assert "note/1 &amp; &lt;2&gt;" in rows_of(page)
    asked = {"application_name": "Notes", "originator_id": "note/1 & <2>"}
    assert superuser.get(url("textstoredeventrecord", "timeline"), asked).status_code == 200


def test_followers_are_shown_with_how_far_they_are_behind(superuser, school):
    """Positions of a leader are not contiguous, so its events are counted."""
    newest = school.recorder.max_notification_id()
    DjangoTrackingRecorder("Counters").insert_tracking(Tracking("TrainingSchool", newest - 1))
    school.register("Rex")
    page = " ".join(superuser.get(url("notificationtrackingrecord", "changelist")).content.decode().split())
    row = rows_of(page)
    assert f'<th scope="row">Counters</th><td>TrainingSchool</td> <td class="es-lag">{newest - 1}</td>' in row
    assert f'<td class="es-lag">{newest + 1}</td> <td class="es-lag es-behind">2</td>' in row


@pytest.mark.django_db(transaction=True, databases=["default", "file"])
def test_applications_in_other_databases_are_shown_by_choice(superuser, school, monkeypatch):
    """The list, and the links from it, stay in the chosen database."""
    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": "file"}
    other = TrainingSchool(env=env)
    monkeypatch.setattr(apps.get_app_config("school"), "other_school", other, raising=False)
    other.register("Rex")
    assert str(Dog.create_id("Rex")) not in listed(superuser)
    page = listed(superuser, database="file")
    assert str(Dog.create_id("Rex")) in rows_of(page)
    assert FIDO not in rows_of(page)
    links = [unescape(link) for link in re.findall('href="([^"]*)"', rows_of(page))]
    assert len(links) == 2  # the event and its timeline
    for link in links:
        assert "Rex" in superuser.get(link).content.decode()
    assert FIDO in rows_of(listed(superuser, database="no such database"))


def test_lists_take_few_queries(superuser, django_assert_max_num_queries):
    """However many rows there are."""
    for model in MODELS:
        with django_assert_max_num_queries(5):
            superuser.get(url(model, "changelist"))
