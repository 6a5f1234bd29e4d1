"""Database functions for defaults of columns."""

from typing import Any

from django.db.models import Func, UUIDField

__all__ = ("RandomUUID",)


class RandomUUID(Func):
    """A random UUID as each database stores it, made anew for each row."""

    function = "gen_random_uuid"
    template = "%(function)s()"
    output_field = UUIDField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """SQLite stores 32 hexadecimal digits."""
        return super().as_sql(compiler, connection, template="lower(hex(randomblob(16)))", **context)

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """MySQL stores 32 hexadecimal digits, recent MariaDB has a type of its own."""
        native = connection.features.has_native_uuid_field
        template = "uuid()" if native else "replace(uuid(), '-', '')"
        return super().as_sql(compiler, connection, template=template, **context)
