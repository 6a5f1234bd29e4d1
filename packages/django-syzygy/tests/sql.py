"""What the tests ask a project's database directly, as code of one release or the other would."""

import psycopg
from project import postgres_settings


def connect(url):
    parts = postgres_settings(url)
    return psycopg.connect(
        dbname=parts["NAME"],
        user=parts["USER"],
        password=parts["PASSWORD"],
        host=parts["HOST"],
        port=parts["PORT"],
        autocommit=True,
    )


class Sql:
    """Statements on a PostgreSQL database, each committed."""

    def __init__(self, url):
        self.connection = connect(url)

    def __call__(self, statement, *parameters):
        """Return the rows of a statement, None if it has none."""
        found = self.connection.execute(statement, parameters or None)
        return found.fetchall() if found.description else None

    def columns(self, table):
        """Return name, type, nullability and whether there is a default, of each column."""
        return {
            name: tuple(rest)
            for name, *rest in self(
                "select column_name, data_type, is_nullable = 'YES', column_default is not null "
                "from information_schema.columns where table_name = %s",
                table,
            )
        }

    def constraints(self, table):
        """Return the definitions of a table's constraints, without their names; not whether they are valid."""
        return sorted(
            definition
            for (definition,) in self(
                "select pg_get_constraintdef(oid) from pg_constraint where conrelid = %s::regclass", table
            )
        )

    def indexes(self, table):
        """Return the definitions of a table's indexes, without their names, and whether they are valid."""
        return sorted(
            (definition.partition(" ON ")[2], definition.startswith("CREATE UNIQUE"), valid)
            for definition, valid in self(
                "select pg_get_indexdef(indexrelid), indisvalid from pg_index where indrelid = %s::regclass", table
            )
        )

    def names(self, table):
        """Return the names of a table's indexes and constraints."""
        return {
            name
            for (name,) in self(
                "select conname from pg_constraint where conrelid = %s::regclass union "
                "select relname from pg_index join pg_class on pg_class.oid = indexrelid where indrelid = %s::regclass",
                table,
                table,
            )
        }

    def schema(self, *tables):
        """Return all of it, for comparison."""
        return {name: (self.columns(name), self.constraints(name), self.indexes(name)) for name in tables}

    def close(self):
        self.connection.close()
