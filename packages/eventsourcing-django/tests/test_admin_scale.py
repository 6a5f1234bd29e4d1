"""Pages of the admin over tables of many rows: few queries, each answered from an index.

PENTAD_TEST_ADMIN_ROWS=1000000 makes a million events in place of 30,000.
"""

import json
import os
from contextlib import ExitStack

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from eventsourcing.system import SingleThreadedRunner
from school.applications import make_system

from eventsourcing_django.admin.followers import MOST_COUNTED
from eventsourcing_django.models import StoredEventRecord

pytestmark = [pytest.mark.django_db(transaction=True, reset_sequences=True, databases=["default", "postgres"])]

ROWS = int(os.environ.get("PENTAD_TEST_ADMIN_ROWS", "30000"))
TOPIC = "school.applications:Dog.TrickAdded"
RARE = "school.applications:Dog.Registered"
STATE = (
    """convert_to('{"trick":"sit","timestamp":{"_type_":"datetime_iso","_data_":"' ||"""
    """ to_char(timestamp '2026-01-01' + i * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS') || '+00:00"}}', 'UTF8')"""
)
EVENT = "md5((i % 1000)::text)::uuid, 1 + i / 1000"
AGGREGATE = "c4ca4238-a0b9-2382-0dcc-509a6f75849b"  # md5 of 1
FILLING = [
    "INSERT INTO stored_events (application_name, originator_id, originator_version, topic, state)"
    f" SELECT 'Counters', {EVENT}, '{RARE}', {STATE} FROM generate_series(0, 4) i",
    "INSERT INTO stored_events (application_name, originator_id, originator_version, topic, state)"
    f" SELECT 'TrainingSchool', {EVENT}, '{TOPIC}', {STATE} FROM generate_series(0, {ROWS - 1}) i",
    "INSERT INTO snapshots (application_name, originator_id, originator_version, topic, state)"
    f" SELECT 'TrainingSchool', {EVENT}, '{TOPIC}', {STATE} FROM generate_series(0, {ROWS - 1}) i",
    "INSERT INTO notification_tracking (application_name, upstream_application_name, notification_id)"
    f" SELECT 'Counters', 'TrainingSchool', i FROM generate_series(1, {ROWS // 3}) i",
    "ANALYZE",
]


@pytest.fixture
def page(client, monkeypatch):
    """A function that gets a page of the database `postgres`, full of rows, and its queries."""
    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": "postgres"}
    runner = SingleThreadedRunner(make_system(), env=env)
    monkeypatch.setattr(apps.get_app_config("school"), "runner", runner, raising=False)
    client.force_login(User.objects.create_superuser("root"))
    with connections["postgres"].cursor() as cursor:
        for statement in FILLING:
            cursor.execute(statement)

    def get(name, **query):
        with ExitStack() as stack:
            captured = [stack.enter_context(CaptureQueriesContext(connections[a])) for a in ("default", "postgres")]
            response = client.get(reverse(f"admin:eventsourcing_django_{name}"), {**query, "database": "postgres"})
        return response, [captured_query["sql"] for each in captured for captured_query in each]

    return get


PAGES = {
    "the list": ("storedeventrecord_changelist", {}, TOPIC),
    "the next page": ("storedeventrecord_changelist", {"to": ROWS - 50}, TOPIC),
    "of an application": ("storedeventrecord_changelist", {"application_name": "TrainingSchool"}, TOPIC),
    "of one with few events": ("storedeventrecord_changelist", {"application_name": "Counters"}, RARE),
    "of a topic": ("storedeventrecord_changelist", {"topic": TOPIC}, TOPIC),
    "of a topic long ago": ("storedeventrecord_changelist", {"topic": RARE}, "Looked for among"),
    "a range": ("storedeventrecord_changelist", {"from": ROWS // 2, "to": ROWS // 2 + 3}, TOPIC),
    "a search": ("storedeventrecord_changelist", {"q": AGGREGATE}, AGGREGATE),
    "snapshots": ("snapshotrecord_changelist", {}, TOPIC),
    "snapshots of an application": ("snapshotrecord_changelist", {"application_name": "Nobody"}, "Looked for"),
    "a timeline": (
        "storedeventrecord_timeline",
        {"application_name": "TrainingSchool", "originator_id": AGGREGATE, "version": ROWS // 2000},
        f"State at version {ROWS // 2000}",
    ),
    "followers": ("notificationtrackingrecord_changelist", {}, f"more than {MOST_COUNTED:,}"),
}


def test_every_page_takes_at_most_five_queries_and_each_reads_an_index(page):
    """Counting the user's session and the user."""
    for title, (name, query, expected) in PAGES.items():
        response, statements = page(name, **query)
        assert (title, response.status_code) == (title, 200)
        assert expected in response.content.decode(), title
        assert len(statements) <= 5, (title, statements)
        assert not [problem for statement in statements for problem in problems_of(statement)], title


def test_a_time_leads_to_positions_in_five_queries(page):
    """Events are a second apart, so the time since the first one is the distance of their positions."""
    query = {"application_name": "TrainingSchool", "since": "2026-01-01T02:00:00Z", "until": "2026-01-01T03:00:00Z"}
    response, statements = page("storedeventrecord_time", **query)
    assert len(statements) <= 5, statements
    assert not [problem for statement in statements for problem in problems_of(statement)]
    first = StoredEventRecord.objects.using("postgres").filter(application_name="TrainingSchool").earliest("id").id
    assert f"from={first + 2 * 3600}&to={first + 3 * 3600 - 1}" in response.url


def problems_of(statement):
    """Give the scans of a statement on our tables that read a table from end to end, or far more than is shown."""
    if "stored_events" not in statement and "snapshots" not in statement and "notification" not in statement:
        return []
    with connections["postgres"].cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        (plan,) = cursor.fetchone()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return [
        (statement, node["Node Type"], read(node))
        for node in nodes(plan[0]["Plan"])
        if (node["Node Type"] == "Seq Scan" and read(node) > 100) or read(node) > MOST_COUNTED + 100
    ]


def nodes(node):
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def read(node):
    if "Relation Name" not in node:
        return 0
    return (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
