"""The connection that recorders use is the one that Django gives, wherever the call comes from."""

import asyncio
import threading
from types import SimpleNamespace

import pytest
from asgiref.local import Local
from django.db import connections
from django.utils.connection import BaseConnectionHandler, ConnectionDoesNotExist

from eventsourcing_django.thread_connections import connection_of


def test_it_is_djangos_and_found_without_djangos_way_to_it(monkeypatch):
    """What saves the time is that a thread's connection, once made, is not asked of Django again."""
    made = connections["file"]
    monkeypatch.delattr(BaseConnectionHandler, "__getitem__")
    assert connection_of("file") is made


def test_each_thread_has_its_own():
    """As in Django."""
    found = []

    def look():
        found.append((connection_of("file"), connections["file"]))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    [(ours, djangos)] = found
    assert ours is djangos
    assert ours is not connection_of("file")


def test_each_loop_has_its_own():
    """Django keeps the connections of tasks apart from those of the thread in which their loop runs."""

    async def look():
        return connection_of("file"), connections["file"]

    ours, djangos = asyncio.run(look())
    assert ours is djangos
    assert ours is not connection_of("file")


def test_one_that_is_put_in_its_place_is_found():
    """Test servers do so, to share a connection between threads."""
    usual, other = connections["file"], SimpleNamespace()
    connections["file"] = other
    try:
        assert connection_of("file") is other
    finally:
        connections["file"] = usual


def test_one_that_is_given_up_is_made_anew():
    """By whoever asks for it next."""
    usual = connections["file"]
    del connections["file"]
    try:
        assert connection_of("file") is connections["file"] is not usual
    finally:
        connections["file"] = usual


def test_connections_that_are_kept_elsewhere_are_found_there(monkeypatch):
    """Whoever wants threads to share connections with tasks gives Django another storage."""
    usual = connections["file"]
    monkeypatch.setattr(connections, "_connections", Local(thread_critical=False))
    assert connection_of("file") is connections["file"] is not usual


def test_an_unknown_alias_is_djangos_error():
    """It names the alias."""
    with pytest.raises(ConnectionDoesNotExist, match="'nowhere'"):
        connection_of("nowhere")
