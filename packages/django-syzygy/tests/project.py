"""A small Django project on disk, its commands run as processes of their own."""

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from command_server import Command

SETTINGS = """
import json, os
from syzygy import Stage
from syzygy.quorum import rendezvous
from syzygy import runner
rendezvous.POLL_INTERVAL = runner.POLL_INTERVAL = 0.1  # ten times as often as in earnest: the tests wait for what is polled for
SECRET_KEY = "project"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["syzygy", "shop"]
DATABASES = {"default": json.loads(os.environ["PROJECT_DATABASE"])}
if DATABASES["default"]["ENGINE"] == "django.db.backends.mysql":
    # The driver that Django names has to be compiled; this one speaks the same protocol and needs nothing.
    import pymysql
    pymysql.install_as_MySQLdb()
CACHES = {"default": json.loads(os.environ["PROJECT_CACHE"])}
globals().update(eval(os.environ["PROJECT_SETTINGS"]))
"""

LOCAL_CACHE = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
PATIENCE = 240  # seconds until a test gives up on an event; a busy machine starts Django in twenty


def postgres_settings(url):
    return _server_settings("postgresql", url)


def mariadb_settings(url):
    # Without being told, the driver reads all the certificates of the machine for each connection.
    return {**_server_settings("mysql", url), "OPTIONS": {"ssl_disabled": True}}


def _server_settings(backend, url):
    parts = urlsplit(url)
    return {
        "ENGINE": f"django.db.backends.{backend}",
        "NAME": parts.path.lstrip("/"),
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
    }


def connect(project):
    """A connection to the PostgreSQL database that the project migrates."""
    settings = project.database
    return psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        dbname=settings["NAME"],
        autocommit=True,
    )


class Running:
    """A started command whose output is read line by line."""

    def __init__(self, process):
        self.process = process
        self.output = ""
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _next(self):
        try:
            line = self._lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"Nothing more was printed for {PATIENCE} seconds:\n{self.output}") from None
        self.output += line or ""
        return line

    def expect(self, *texts):
        """Wait for a line that holds one of the texts."""
        while (line := self._next()) is not None:
            if any(text in line for text in texts):
                return line
        raise AssertionError(f"{texts!r} was never printed:\n{self.output}")

    def finish(self):
        """Wait for the end and return the exit status."""
        while self._next() is not None:
            pass
        return self.process.wait(PATIENCE)

    def kill(self):
        """Kill it, as a machine that disappears would."""
        self.process.kill()
        self.process.wait(PATIENCE)


class Project:
    """Write models and migrations, run commands."""

    def __init__(self, folder: Path, server, database=None, cache=None, **settings):
        self.folder = folder
        self.server = server
        self.database = database or {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db.sqlite3")}
        self.cache = cache or LOCAL_CACHE
        self.settings = settings
        self.running = []
        self.write("project_settings_module.py", SETTINGS)
        self.write("shop/__init__.py", "")
        self.write("shop/migrations/__init__.py", "")

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def models(self, text):
        self.write(
            "shop/models.py",
            "import datetime, uuid\nfrom django.db import models\nfrom django.utils import timezone\n" + text,
        )

    def migration(self, name, operations, dependencies=(), body="", prelude=""):
        """Write a migration of `shop` with the operations given as source text."""
        needs = [("shop", dependency) for dependency in dependencies]
        self.write(
            f"shop/migrations/{name}.py",
            "from django.db import migrations, models\nfrom syzygy import Stage\nimport syzygy.operations\n"
            f"{prelude}\nclass Migration(migrations.Migration):\n"
            f"    {body or 'pass'}\n    dependencies = {needs!r}\n    operations = [{operations}]\n",
        )

    def migrations(self):
        return sorted(path.stem for path in (self.folder / "shop/migrations").glob("0*.py"))

    def source(self, name):
        return (self.folder / f"shop/migrations/{name}.py").read_text()

    @property
    def environment(self):
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("COV_CORE")},
            "DJANGO_SETTINGS_MODULE": "project_settings_module",
            "PYTHONPATH": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "PROJECT_DATABASE": json.dumps(self.database),
            "PROJECT_CACHE": json.dumps(self.cache),
            "PROJECT_SETTINGS": repr(self.settings),
        }

    def start(self, *arguments, **environment):
        """Start a command, with further environment variables."""
        command = Running(Command(self.server, arguments, self.folder, {**self.environment, **environment}))
        self.running.append(command)
        return command

    def start_interpreter(self, *arguments):
        """Start a command in an interpreter of its own, as people do."""
        process = subprocess.Popen(
            [sys.executable, "-m", "django", *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.PIPE,
        )
        self.running.append(Running(process))
        return self.running[-1]

    def run(self, *arguments, status=0):
        """Run a command to its end and return its output."""
        command = self.start(*arguments)
        command.process.stdin.close()
        assert command.finish() == status, command.output
        return command.output

    def close(self):
        for command in self.running:
            if command.process.poll() is None:
                command.kill()
            command.process.stdout.close()
            command.process.stdin.close()
