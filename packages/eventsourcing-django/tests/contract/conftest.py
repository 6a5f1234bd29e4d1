"""Threads of the shipped tests leave connections behind."""

import gc

import pytest


@pytest.fixture(autouse=True)
def _connections_of_threads_are_closed():
    """Connections of threads that have ended close when they are collected; PostgreSQL has only so many."""
    yield
    gc.collect()
