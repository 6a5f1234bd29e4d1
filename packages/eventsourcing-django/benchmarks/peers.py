"""The packages that are measured side by side: where each is installed, and a process for each of its applications."""

import json
import subprocess
import sys
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import psycopg

OURS = ("ours", "native")
UPSTREAM = "0.6"
WORKER = Path(__file__).with_name("recorder_worker.py")
_NATIVE = {"PostgreSQL": "eventsourcing.postgres", "SQLite": "eventsourcing.sqlite"}


class Worker:
    """A process with one application, of which one case after the other is asked."""

    def __init__(self, python, module, url, name):
        # Isolated, so that neither PYTHONPATH nor this folder can bring another `eventsourcing_django` in.
        self._process = subprocess.Popen(
            [python, "-I", WORKER, module, url, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def send(self, **order):
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def receive(self):
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker ended with {self._process.wait()}")
        return json.loads(answer)

    def close(self):
        self._process.stdin.close()
        self._process.wait()


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
            python = self._upstream_python() if kind == "upstream" else sys.executable
            worker = Worker(python, module, self._url(database, kind), name)
            self._stack.callback(worker.close)
            worker.send(case="ready")
            worker.receive()
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
            folder = self._folder / "upstream"
            wanted = [f"eventsourcing-django=={UPSTREAM}", f"psycopg[binary]=={version('psycopg')}"]
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *wanted], check=True)
            self._upstream = folder / "bin/python"
        return self._upstream
