"""How migration files are written: as Django writes them, and `atomic = False` where steps are committed one by one.

Django itself writes that from 6.1 on.
"""

from typing import Any

from django.db.migrations.writer import MigrationWriter as DjangoMigrationWriter

__all__ = ("MigrationWriter",)

_CLASS = "class Migration(migrations.Migration):\n"
_NOT_ATOMIC = "    atomic = False\n"


class MigrationWriter(DjangoMigrationWriter):
    """Django's writer, also for migrations that are not atomic."""

    migration: Any

    def as_string(self) -> str:
        """Return the text of the file."""
        text: str = super().as_string()
        if self.migration.atomic or _NOT_ATOMIC in text:
            return text
        return text.replace(_CLASS, f"{_CLASS}{_NOT_ATOMIC}", 1)
