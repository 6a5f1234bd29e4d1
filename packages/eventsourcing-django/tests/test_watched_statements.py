"""Whoever watches a project's statements sees those of the recorders, as Django's own."""

import sys
from uuid import uuid4

import pytest
from databases import on_database
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from eventsourcing.persistence import ProgrammingError, StoredEvent

from eventsourcing_django.models import StoredEventRecord
from eventsourcing_django.recorders import DjangoApplicationRecorder


@pytest.fixture(params=[pytest.param(alias, marks=on_database(alias)) for alias in ("file", "postgres")])
def connection(request):
    return connections[request.param]


@pytest.fixture
def call(connection):
    """Save an event and read it."""
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, connection.alias)

    def call():
        event = StoredEvent(uuid4(), 1, "topic", b"state")
        recorder.insert_events([event])
        assert recorder.select_events(event.originator_id) == [event]

    call()
    return call


def test_a_wrapper_around_executions_sees_statements_with_their_parameters(connection, call):
    """In the form in which Django gives them, whatever the driver's placeholders are."""
    seen = []

    def wrapper(execute, sql, params, many, context):
        seen.append((sql[:6], sql.count("%s") == len(params), "app" in params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        call()
    assert seen == [("INSERT", True, True), ("SELECT", True, True)]


def test_a_cursor_function_put_into_the_connection_is_used(connection, call, monkeypatch):
    """Debugging tools do so, and Django's tests that forbid queries."""
    opened = []

    def cursor():
        opened.append(1)
        return type(connection).cursor(connection)

    monkeypatch.setattr(connection, "cursor", cursor)
    call()
    assert len(opened) == 2


def test_the_log_of_queries_has_them_with_their_values(connection, call, settings):
    """As with DEBUG = True."""
    settings.DEBUG = True
    connection.queries_log.clear()
    call()
    assert [query["sql"][:6] for query in connection.queries_log] == ["INSERT", "SELECT"]
    assert all("'app'" in query["sql"] for query in connection.queries_log)


def test_what_is_put_in_place_of_djangos_cursor_wrapper_is_used(connection, call, monkeypatch):
    """Tools for tracing and monitoring do so."""
    seen = []
    make_cursor = connection.make_cursor
    monkeypatch.setattr(connection, "make_cursor", lambda cursor: seen.append(1) or make_cursor(cursor))
    call()
    assert len(seen) == 2


def test_what_is_put_into_the_class_of_djangos_cursors_is_used(connection, call, monkeypatch):
    """Tools for tracing do that as well."""
    seen = []
    execute = CursorWrapper.execute

    def traced(self, sql, params=None):
        seen.append(sql[:6])
        return execute(self, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", traced)
    call()
    assert seen == ["INSERT", "SELECT"]


class Traced:
    """Stands before the driver's connection, as tools for tracing do, and before its cursors."""

    def __init__(self, traced, seen):
        self._traced, self._seen = traced, seen

    def cursor(self, *arguments, **options):
        self._seen.append("cursor")
        return self._traced.cursor(*arguments, **options)

    def __getattr__(self, name):
        return getattr(self._traced, name)


def test_what_stands_before_the_drivers_connection_is_used(connection, call, monkeypatch):
    """Its cursors are those of the statements."""
    seen = []
    monkeypatch.setattr(connection, "connection", Traced(connection.connection, seen))
    call()
    assert len(seen) == 2


def test_a_backend_that_opens_cursors_in_a_way_of_its_own_is_asked_for_them(connection, call):
    """It may choose the schema of a tenant then, for example."""
    seen = []

    def _cursor(self, name=None):
        seen.append(1)
        return usual._cursor(self, name)

    usual = type(connection)
    theirs = type("Tenants", (usual,), {"_cursor": _cursor})(connection.settings_dict, connection.alias)
    theirs.ensure_connection()
    seen.clear()
    connections[connection.alias] = theirs
    try:
        call()
    finally:
        connections[connection.alias] = connection
        theirs.close()
    assert len(seen) == 2


def test_a_transaction_that_is_broken_takes_no_statement(connection):
    """Django's rule for its own statements."""
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, connection.alias)
    with transaction.atomic(using=connection.alias):
        transaction.set_rollback(True, using=connection.alias)
        with pytest.raises(ProgrammingError, match="'atomic' block"):
            recorder.max_notification_id()


@on_database("file")
def test_a_save_that_nobody_watches_takes_few_calls():
    """What a save to SQLite costs is Python for the most part; calls are counted, because they are exact."""
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, "file")
    first, second = ([StoredEvent(uuid4(), 1, "topic", b"state")] for _ in range(2))
    recorder.insert_events(first)
    calls = []
    sys.setprofile(lambda frame, kind, _: calls.append(frame.f_code.co_name) if kind == "call" else None)
    try:
        recorder.insert_events(second)
    finally:
        sys.setprofile(None)
    assert len(calls) <= 40, calls
