"""Whoever watches a project's statements sees those of the recorders, as Django's own."""

from uuid import uuid4

import pytest
from databases import on_database
from django.db import connections
from eventsourcing.persistence import StoredEvent

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
