"""Management command of the projects under test: sends what a web site sends, through the ORM.

`traffic seed ROWS` fills the tables. `traffic serve` sends requests until its standard input says "stop"; a number N
there makes it report after N further requests. The setting TRAFFIC says who this is and what each field holds.
"""

import json
import queue
import random
import sys
import threading
import time
from collections import Counter

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection, transaction
from django.db.models import Count

RECENT = 20  # rows
KEPT = 5  # rows of its own that a process does not delete


def _compiled(rule):
    return {key: compile(value, key, "eval") if isinstance(value, str) else value for key, value in rule.items()}


class Table:
    """One model, and what its fields hold in rows of each release."""

    def __init__(self, model, rules, release):
        self.model = model
        self.release = release
        names = {f.attname for f in model._meta.fields} | {f.name for f in model._meta.many_to_many}
        self.rules = {name: _compiled(rule) for name, rule in rules.items() if name in names}
        self.sets = {f.name for f in model._meta.many_to_many}

    def values(self, serial, version):
        """What this release writes. A field without a rule for writing is left to its default."""
        known = {"serial": serial, "version": version, "release": self.release}
        written = {n: eval(r["writes"], {}, known) for n, r in self.rules.items() if r["writes"] is not None}
        return {**known, **written}

    def store(self, row, serial, version):
        values = self.values(serial, version)
        added = row.pk is None
        for name in values.keys() - self.sets:
            setattr(row, name, values[name])
        row.save()
        # Only in rows of its own: the other release would delete a row without the links that it does not know of.
        for name in values.keys() & self.sets if added else ():
            getattr(row, name).set(values[name])

    def complaints(self, row, kind="reads"):
        """What is wrong with a row as this release sees it."""
        for name, rule in self.rules.items():
            value = getattr(row, name)
            if name in self.sets:
                value = [related.pk for related in value.all()]
            names = {"value": value, "serial": row.serial, "version": row.version, "release": row.release}
            if not eval(rule[kind] or rule["reads"], {}, names):
                yield f"{self.model.__name__}.{name} is {value!r} in a row of {row.release}, serial {row.serial}"

    def duplicates(self):
        for name in (name for name, rule in self.rules.items() if rule["distinct"]):
            # one statement, as another process goes on adding rows
            found = self.model.objects.aggregate(rows=Count("pk"), values=Count(name, distinct=True))
            if found["values"] < found["rows"]:
                yield f"{self.model.__name__}.{name} is not different in every row"


class Site:
    """One process of one release."""

    def __init__(self, number, tables, orphaned=None):
        self.tables = tables
        self.orphaned = orphaned
        self.serials = iter(range(number * 10**6, 10**9))
        self.own = {table: [] for table in tables}
        self.requests = (
            self.insert,
            self.read,
            self.update,
            self.list,
            self.delete,
            *[self.delete_parent] * bool(orphaned),
        )
        self.done = self.reported = 0
        self.failures, self.wrong = Counter(), Counter()

    def request(self):
        """Send one request."""
        turn, which = divmod(self.done, len(self.requests))
        table = self.tables[turn % len(self.tables)]
        send = self.requests[which]
        try:
            send(table)
        except Exception as error:
            cause = str(error).split("\n", 1)[0]
            self.failures[f"{send.__name__} {table.model.__name__}: {type(error).__name__}: {cause}"] += 1
            connection.close_if_unusable_or_obsolete()
        self.done += 1

    def insert(self, table):
        row = table.model()
        with transaction.atomic():
            table.store(row, next(self.serials), 0)
        self.own[table].append(row.pk)

    def read(self, table):
        if self.own[table]:
            self.check(table, table.model.objects.filter(pk=self.own[table][-1]))

    def update(self, table):
        """Change a row of either release."""
        with transaction.atomic():
            row = table.model.objects.select_for_update().filter(pk=self.some(table)).first()
            if row is not None:
                table.store(row, row.serial, row.version + 1)

    def list(self, table):
        self.check(table, table.model.objects.order_by("-pk")[:RECENT])

    def delete(self, table):
        if len(self.own[table]) > KEPT:
            table.model.objects.filter(pk=self.own[table].pop(0)).delete()

    def delete_parent(self, _):
        parent = apps.get_model("shop", self.orphaned).objects.filter(pk__gt=10).order_by("pk").first()
        if parent is not None:
            parent.delete()

    def some(self, table):
        return random.choice(table.model.objects.order_by("-pk").values_list("pk", flat=True)[: 5 * RECENT] or [None])

    def check(self, table, rows):
        for row in rows:
            self.wrong.update(complaint.split(", serial")[0] for complaint in table.complaints(row))

    def check_all(self):
        """At the end of a deployment: every row, and what must differ from row to row."""
        for table in self.tables:
            for row in table.model.objects.prefetch_related(*table.sets & table.rules.keys()).iterator(2000):
                self.wrong.update(complaint.split(", serial")[0] for complaint in table.complaints(row, "ends"))
            self.wrong.update(table.duplicates())

    def report(self):
        """Print what happened since the last report."""
        counts = {"requests": self.done - self.reported, "failures": self.failures, "wrong": self.wrong}
        print("REPORT", json.dumps(counts), flush=True)
        self.reported = self.done
        self.failures, self.wrong = Counter(), Counter()


class Command(BaseCommand):
    """Send requests."""

    def add_arguments(self, parser):
        parser.add_argument("what", choices=("seed", "serve"))
        parser.add_argument("number", type=int)

    def handle(self, what, number, **_):
        config = settings.TRAFFIC
        release, rules = config["release"], config["rules"]
        rows = [model for model in apps.get_app_config("shop").get_models() if hasattr(model, "serial")]
        self.tables = [Table(model, rules, release if what == "serve" else "seed") for model in rows]
        if what == "seed":
            self.seed(number)
        else:
            self.serve(Site(number, self.tables, config.get("deletes", {}).get(release)))

    def seed(self, number):
        for model in apps.get_app_config("shop").get_models():
            if not hasattr(model, "serial"):
                model.objects.bulk_create(model(pk=key) for key in range(1, 11))
                with connection.cursor() as cursor:
                    table = connection.ops.quote_name(model._meta.db_table)
                    cursor.execute(f"SELECT setval(pg_get_serial_sequence(%s, 'id'), 10) FROM {table}", [table])
        for table in self.tables:
            plain = [table.values(serial, 0) for serial in range(number)]
            created = table.model.objects.bulk_create(
                [table.model(**{n: v for n, v in values.items() if n not in table.sets}) for values in plain], 500
            )
            for name in table.sets & table.rules.keys():
                through = getattr(table.model, name).through
                link = table.model._meta.get_field(name)
                through.objects.bulk_create(
                    through(**{link.m2m_column_name(): row.pk, link.m2m_reverse_name(): values[name][0]})
                    for row, values in zip(created, plain, strict=True)
                )

    def serve(self, site):
        orders = queue.Queue()
        threading.Thread(target=lambda: [orders.put(line.strip()) for line in sys.stdin], daemon=True).start()
        due = None
        while True:
            if due is not None and site.done >= due:
                due = site.report()
            if due is None and not orders.empty():
                order = orders.get()
                if order == "stop":
                    return
                if order == "check":
                    site.check_all()
                    order = "0"
                due = site.done + int(order)
                continue
            site.request()
            time.sleep(settings.TRAFFIC["pace"])
