"""One deployment: old code runs, migrations for the new code are made and applied, new code starts, old code stops."""

import json
import secrets
import shutil
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from project import Project, postgres_settings
from psycopg import sql

from .scenarios import Scenario
from .watching import LockWatch, Wait

__all__ = ("Deployments", "Outcome", "Size")

_TRAFFIC = Path(__file__).with_name("traffic.py")


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    rows: int = 1_100  # more than a batch of a backfill
    requests: int = 20
    processes: int = 1
    pace: float = 0.04  # seconds between two requests of a process: those of one run share two processors
    reader: float = 2.0  # seconds that the reader's transaction lasts after the migrating command has begun
    # Seconds after which a request looks whether it is in a deadlock. PostgreSQL's own 1 leaves a migration 0.2 to give
    # way, and on a machine that runs many deployments at once each notices late that its time is up.
    patience: float = 3.0


@dataclass
class Outcome:
    """What a deployment did to the site: exit statuses, and what each release saw."""

    name: str
    made: list[int] = field(default_factory=list)
    exits: dict[str, int] = field(default_factory=dict)
    requests: Counter = field(default_factory=Counter)
    failures: dict[str, Counter] = field(default_factory=lambda: {"old": Counter(), "new": Counter()})
    wrong: dict[str, Counter] = field(default_factory=lambda: {"old": Counter(), "new": Counter()})
    waits: dict[str, Wait] = field(default_factory=dict)
    lag: float = 0.0
    output: str = ""

    @property
    def longest_wait(self):
        return max(self.waits.values(), key=lambda wait: wait.seconds, default=Wait())

    @property
    def complaints(self):
        """Failed requests and wrong rows, by what was said of them."""
        return sum((counter for found in (self.failures, self.wrong) for counter in found.values()), Counter())

    def row(self):
        """The outcome as a row of a Markdown table."""
        made = "/".join(map(str, self.made))
        counts = (
            f"{sum(counters['old'].values())} old, {sum(counters['new'].values())} new"
            for counters in (self.failures, self.wrong)
        )
        waits = ", ".join(f"{self.waits.get(phase, Wait()).seconds:.1f}" for phase in ("pre", "post"))
        exits = "/".join(str(self.exits.get(phase, "-")) for phase in ("pre", "post"))
        return f"| {self.name} | {made} | {exits} | {' | '.join(counts)} | {waits} | {self.requests.total()} |"


_COLUMNS = ("change", "makemigrations", "migrate", "failed requests", "wrong rows", "longest lock wait, s", "requests")
HEADING = f"| {' | '.join(_COLUMNS)} |\n{'| --- ' * len(_COLUMNS)}|"


class Workers:
    """The processes of one release."""

    def __init__(self, release, project, size, outcome):
        self.release, self.outcome = release, outcome
        options = {"application_name": release, "options": f"-c deadlock_timeout={size.patience}s"}
        settings = {**project.database, "OPTIONS": options}
        first = {"old": 1, "new": 101}[release]
        self.commands = [
            project.start("traffic", "serve", str(first + number), PROJECT_DATABASE=json.dumps(settings))
            for number in range(size.processes)
        ]

    def _tell(self, order, commands=None):
        for command in commands or self.commands:
            command.process.stdin.write(f"{order}\n")
            command.process.stdin.flush()

    def ask(self, number):
        """Have every process send a number of further requests, and report."""
        self._tell(number)
        return self

    def check(self):
        """Have one process look at all rows, while the others go on with their requests."""
        self._tell("check", self.commands[:1])
        self.collect(self.commands[:1])

    def collect(self, commands=None):
        for command in commands or self.commands:
            report = json.loads(command.expect("REPORT").removeprefix("REPORT "))
            self.outcome.failures[self.release].update(report["failures"])
            self.outcome.wrong[self.release].update(report["wrong"])
            self.outcome.requests[self.release] += report["requests"]

    def stop(self):
        self._tell("stop")
        for command in self.commands:
            assert command.finish() == 0, command.output


class Deployments:
    """Runs scenarios on one server of PostgreSQL, each in a database of its own."""

    def __init__(self, folder, command_server, postgres_service, watch: LockWatch, size=None):
        self.folder, self.server, self.service, self.watch = folder, command_server, postgres_service, watch
        self.size = size or Size()
        self._run = secrets.token_hex(3)
        self._olds, self._numbers = {}, count()
        self._lock = threading.Lock()

    def run(self, scenario: Scenario) -> Outcome:
        """Deploy one change and return what it did."""
        return _Deployment(self, scenario).run()

    def old(self, scenario):
        """The project of the release that runs, its database filled, to be copied."""
        key = (scenario.old_models, json.dumps(_rules(scenario)))
        with self._lock:
            if key not in self._olds:
                self._olds[key] = self._make_old(scenario, f"old{next(self._numbers)}")
            return self._olds[key]

    def _make_old(self, scenario, name):
        project = self.project(scenario, "old", name, self.create_database(name))
        project.models(scenario.old_models)
        project.run("makemigrations", "shop", "--no-input", "-v0")
        project.run("migrate", "-v0")
        project.run("traffic", "seed", str(self.size.rows))
        return project

    def project(self, scenario, release, name, database):
        traffic = {
            "release": release, "rules": _rules(scenario), "deletes": dict(scenario.deletes), "pace": self.size.pace
        }  # fmt: skip
        folder = self.folder / name
        folder.mkdir()
        database = {**postgres_settings(database), "OPTIONS": {"application_name": "migrate"}}
        project = Project(folder, self.server, database, INSTALLED_APPS=["syzygy", "shop", "traffic"], TRAFFIC=traffic)
        for package in ("traffic", "traffic/management", "traffic/management/commands"):
            project.write(f"{package}/__init__.py", "")
        project.write("traffic/management/commands/traffic.py", _TRAFFIC.read_text())
        return project

    def close(self):
        """Drop the templates."""
        for project in self._olds.values():
            self.service.drop_database(self._address(project.database["NAME"]))

    def create_database(self, name, template="template1"):
        """Create a database as a copy of another one and return its URL."""
        name = f"pentad_{self._run}_{name}"
        with psycopg.connect(self.service.url, autocommit=True) as connection:
            command = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(command.format(sql.Identifier(name), sql.Identifier(template)))
        return self._address(name)

    def _address(self, name):
        return urlsplit(self.service.url)._replace(path=f"/{name}").geturl()


def _rules(scenario):
    return {name: vars(rule) for name, rule in scenario.rules.items()}


class _Deployment:
    def __init__(self, deployments, scenario):
        self.all, self.scenario, self.size = deployments, scenario, deployments.size
        self.outcome = Outcome(scenario.name)

    def run(self):
        template = self.all.old(self.scenario)
        name = self.scenario.name
        self.url = self.all.create_database(name, template.database["NAME"])
        self.old = self.all.project(self.scenario, "old", f"{name}-old", self.url)
        self.new = self.all.project(self.scenario, "new", f"{name}-new", self.url)
        self.old.models(self.scenario.old_models)
        for project in (self.old, self.new):
            shutil.copytree(template.folder / "shop/migrations", project.folder / "shop/migrations", dirs_exist_ok=True)
        try:
            self._make_migrations() and self._deploy()
        finally:
            self.old.close()
            self.new.close()
            self.all.service.drop_database(self.url)
        self.outcome.lag = self.all.watch.lag
        return self.outcome

    def _make_migrations(self):
        for models in self.scenario.new_models:
            self.new.models(models)
            answers = self.scenario.answers
            command = self.new.start("makemigrations", "shop", *(() if answers else ("--no-input",)))
            command.process.stdin.write("".join(f"{answer}\n" for answer in answers))
            command.process.stdin.close()
            self.outcome.made.append(command.finish())
            self.outcome.output += command.output
        return not any(self.outcome.made)

    def _deploy(self):
        old = self._start("old")
        if self._migrate("pre", "--pre-deploy") == 0:
            old.ask(self.size.requests).collect()
            new = self._start("new")
            for workers in (old, new):
                workers.ask(self.size.requests)
            for workers in (old, new):
                workers.collect()
            old.stop()
            self._migrate("post")
            new.check()
            new.stop()
        else:
            old.ask(self.size.requests).collect()
            old.stop()

    def _start(self, release):
        workers = Workers(release, getattr(self, release), self.size, self.outcome)
        workers.ask(self.size.requests).collect()
        return workers

    def _migrate(self, phase, *arguments):
        self._take_wait()
        with self._reader() as begin:
            command = self.new.start("migrate", *arguments)
            command.process.stdin.close()
            begin(command)
            self.outcome.exits[phase] = command.finish()
        self.outcome.waits[phase] = self._take_wait()
        self.outcome.output += f"--- {phase}\n{command.output}"
        return self.outcome.exits[phase]

    def _take_wait(self):
        return self.all.watch.take(self.new.database["NAME"])

    @contextmanager
    def _reader(self):
        """Keep a transaction open that has read every table, until some time after a command began, or its end."""
        ended = threading.Event()

        def end_later():
            ended.wait(self.size.reader)
            reader.close()

        def begin(command):
            with suppress(AssertionError):  # the command ended without getting that far
                command.expect("Running migrations")
            closer.start()

        closer = threading.Thread(target=end_later)
        reader = psycopg.connect(self.url, application_name="reader")
        tables = reader.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'shop%'").fetchall()
        for (table,) in tables:
            reader.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(table)))
        try:
            yield begin
        finally:
            ended.set()
            if closer.ident:
                closer.join()
            reader.close()
