"""A table whose changes are written on top of one another."""

import sqlite3
from contextlib import closing

from project import connect

CREATE = (
    'migrations.CreateModel("Item", fields=[("id", models.BigAutoField(auto_created=True, primary_key=True, '
    'serialize=False, verbose_name="ID")), '
    '("a", models.IntegerField(null=True)), ("c", models.IntegerField(default=1))])'
)


def inspect(project):
    """The columns of the table, the tables of ours, and the migrations on record."""
    if project.database["ENGINE"].endswith("sqlite3"):
        connection, tables = sqlite3.connect(project.database["NAME"]), "SELECT name FROM sqlite_master"
        columns = "SELECT name FROM pragma_table_info('shop_item')"
    else:
        connection = connect(project)
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        columns = "SELECT column_name FROM information_schema.columns WHERE table_name = 'shop_item'"
    with closing(connection):
        found = [
            sorted(name for (name,) in connection.execute(query).fetchall())
            for query in (columns, tables, "SELECT name FROM django_migrations WHERE app = 'shop'")
        ]
    return [found[0], [table for table in found[1] if table.startswith("syzygy")], found[2]]


def stack(project, *operations):
    """Write a migration for each operation, on top of each other."""
    previous = "0001_initial"
    for number, operation in enumerate(operations, 2):
        name = f"{number:04}_part"
        project.migration(name, operation, [previous], body="atomic = False")
        previous = name
