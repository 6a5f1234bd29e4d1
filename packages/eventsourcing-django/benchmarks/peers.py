"""The packages that are measured side by side: where each is installed, and a process for each of its applications."""

import sys
from contextlib import ExitStack
from pathlib import Path

import psycopg

from pentad_services.benchmark import Worker, installed, make_environment

UPSTREAM = "0.6"
WORKER = Path(__file__).with_name("recorder_worker.py")
_NATIVE = {"PostgreSQL": "eventsourcing.postgres", "SQLite": "eventsourcing.sqlite"}


class Peers:
    """This package, eventsourcing's own modules and eventsourcing-django 0.6, each with databases of its own.

    Args:
        folder: for the environment of eventsourcing-django 0.6 and for SQLite files.
        postgres: the server, which all share.
    """

    def __init__(self, folder, postgres):
        self._folder = folder
        self._postgres = postgres
        self._workers = {}
        self._urls = {}
        self._upstream = None
        self._stack = ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self._stack.close()

    def workers(self, database, kind, number, *, process):
        """Return so many workers, each with an application of its own, started before."""
        names = [f"Process{index}" if process else f"App{index}" for index in range(number)]
        return [self._worker(database, kind, name) for name in names]

    def analyse(self):
        """Give the planner its figures: autovacuum may not have come to it between the rounds."""
        for (database, _), url in self._urls.items():
            if database == "PostgreSQL":
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute("ANALYZE")

    def _worker(self, database, kind, name):
        if (database, kind, name) not in self._workers:
            module = _NATIVE[database] if kind == "native" else "eventsourcing_django"
            python = self._upstream_python() if kind == UPSTREAM else sys.executable
            worker = self._stack.enter_context(Worker(python, WORKER, module, self._url(database, kind), name))
            worker.ask(case="ready")
            self._workers[database, kind, name] = worker
        return self._workers[database, kind, name]

    def _url(self, database, kind):
        if (database, kind) not in self._urls:
            file = f"sqlite://{self._folder}/{kind}.sqlite3"
            self._urls[database, kind] = file if database == "SQLite" else self._postgres.create_database()
        return self._urls[database, kind]

    def _upstream_python(self):
        """Make an environment with eventsourcing-django 0.6 and the newest versions that it allows."""
        if self._upstream is None:
            wanted = [f"eventsourcing-django=={UPSTREAM}", *installed("psycopg", "psycopg-binary")]
            self._upstream = make_environment(self._folder / "upstream", *wanted)
        return self._upstream
