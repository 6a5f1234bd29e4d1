"""The tables: those of eventsourcing-django, and what is added to them."""

from io import StringIO
from uuid import UUID, uuid4

import pytest
from databases import on_database
from django.core.management import call_command
from django.db import connections

from eventsourcing_django.checks import check_recorder_databases
from eventsourcing_django.library import OperationalError, made_stored_event, originator_id_of
from eventsourcing_django.models import StoredEventRecord
from eventsourcing_django.recorders import DjangoApplicationRecorder

ID = UUID(int=1)
NAMED_BY_UPSTREAM = {
    "stored_events": {
        "stored_events_application_name_origina_65aeaa8e_uniq",
        "stored_events_application_name_id_5e4433c4_uniq",
    },
    "snapshots": {"snapshots_application_name_origina_c67229c9_uniq"},
    "notification_tracking": {"notification_tracking_application_name_upstrea_ee5eed5e_uniq"},
}


@on_database("postgres")
@pytest.mark.parametrize("table", NAMED_BY_UPSTREAM)
def test_constraints_have_the_names_of_eventsourcing_django(table):
    """Its migrations and ours find the same constraints."""
    connection = connections["postgres"]
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table)
    unique = {name for name, about in constraints.items() if about["unique"] and not about["primary_key"]}
    assert unique - {"notification_tracking_one_current_row"} == NAMED_BY_UPSTREAM[table]


@on_database("postgres")
def test_columns_are_those_of_eventsourcing_django():
    """Names, types and nullability of every column, in their order; what is added comes last and may be empty."""
    with connections["postgres"].cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable"
            " FROM information_schema.columns"
            " WHERE table_name IN ('stored_events', 'snapshots', 'notification_tracking')"
            " ORDER BY table_name, ordinal_position"
        )
        columns = cursor.fetchall()
    event = [
        ("application_name", "character varying", 32, "NO"),
        ("originator_id", "uuid", None, "NO"),
        ("originator_version", "bigint", None, "NO"),
        ("topic", "text", None, "NO"),
        ("state", "bytea", None, "NO"),
    ]
    added = [("event_id", "uuid", None, "YES"), ("metadata", "jsonb", None, "YES")]
    assert columns == [
        ("notification_tracking", "uid", "bigint", None, "NO"),
        ("notification_tracking", "application_name", "character varying", 32, "NO"),
        ("notification_tracking", "upstream_application_name", "character varying", 32, "NO"),
        ("notification_tracking", "notification_id", "bigint", None, "NO"),
        ("notification_tracking", "is_current", "boolean", None, "YES"),
        ("snapshots", "uid", "bigint", None, "NO"),
        *[("snapshots", *column) for column in event + added],
        ("stored_events", "id", "bigint", None, "NO"),
        *[("stored_events", *column) for column in event + added],
    ]


@pytest.mark.django_db
def test_models_need_no_further_migration():
    """`makemigrations --check` has nothing to say."""
    out = StringIO()
    call_command("makemigrations", "eventsourcing_django", check=True, dry_run=True, stdout=out)
    assert "No changes detected" in out.getvalue()


def insert_as_eventsourcing_django_does(alias, version):
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "INSERT INTO stored_events (application_name, originator_id, originator_version, topic, state)"
            " VALUES ('app', %s, %s, 't', %s)",
            [ID.hex, version, b"s"],
        )


@pytest.mark.parametrize("alias", [pytest.param(each, marks=on_database(each)) for each in ("file", "postgres")])
def test_the_added_migrations_can_be_taken_back(alias):
    """Events are there before, between and after, and eventsourcing-django, which knows no added column, adds its own."""
    insert_as_eventsourcing_django_does(alias, 1)
    for version, target in ((2, ["0001"]), (3, [])):
        call_command("migrate", "eventsourcing_django", *target, database=alias, verbosity=0)
        insert_as_eventsourcing_django_does(alias, version)
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, alias)
    assert [(each.originator_version, each.state) for each in recorder.select_events(originator_id_of(ID))] == [
        (version, b"s") for version in (1, 2, 3)
    ]


@on_database("file")
def test_the_added_columns_rebuild_no_table():
    """On SQLite a rebuilt table of events is written anew as a whole, while nobody else can write."""
    out = StringIO()
    call_command("sqlmigrate", "eventsourcing_django", "0004", database="file", stdout=out)
    statements = [line for line in out.getvalue().splitlines() if line and not line.startswith("--")]
    assert len(statements) == 2 + 4 * 2  # BEGIN, COMMIT and two columns of four tables
    assert all(" ADD COLUMN " in statement for statement in statements[1:-1])


@on_database("mariadb")
def test_uuids_that_an_older_django_made_text_are_warned_about():
    """Django 5 does not find them; the remedy in the warning keeps the events."""
    originator_id = uuid4()
    with connections["mariadb"].cursor() as cursor:
        cursor.execute("ALTER TABLE stored_events MODIFY originator_id char(32) NOT NULL")
        try:
            cursor.execute(
                "INSERT INTO stored_events (application_name, originator_id, originator_version, topic, state)"
                " VALUES ('app', %s, 1, 't', 's')",
                [originator_id.hex],
            )
            (warning,) = check_recorder_databases(databases=["mariadb"])
        finally:
            cursor.execute("ALTER TABLE stored_events MODIFY originator_id uuid NOT NULL")
    assert warning.id == "eventsourcing_django.W005"
    assert warning.hint.endswith("ALTER TABLE stored_events MODIFY originator_id uuid NOT NULL")
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, "mariadb")
    assert len(recorder.select_events(originator_id_of(originator_id))) == 1
    assert check_recorder_databases(databases=["mariadb"]) == []


@on_database("mariadb")
def test_mariadb_takes_the_uuids_of_the_standard():
    """And most others; those that its type cannot hold, which no generator makes, it refuses by name."""
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, "mariadb")
    layouts = [f"12345678-1234-{version}234-{variant}234-123456789abc" for version in "1456789f" for variant in "8b"]
    for known in (UUID(int=0), UUID(int=2**128 - 1), *map(UUID, layouts)):
        event = made_stored_event(originator_id_of(known), 1, "topic", b"state")
        recorder.insert_events([event])
        assert recorder.select_events(event.originator_id) == [event]
    unknown = originator_id_of(UUID("12345678-1234-f234-7234-123456789abc"))
    with pytest.raises(OperationalError, match=str(unknown)):
        recorder.insert_events([made_stored_event(unknown, 1, "topic", b"state")])
    assert recorder.select_events(unknown) == []
