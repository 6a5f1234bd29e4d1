"""How migration files are written: as Django writes them, and `atomic = False` where steps are committed one by one."""

from typing import Any

from django.db.migrations.writer import MigrationWriter as DjangoMigrationWriter

__all__ = ("MigrationWriter",)

_CLASS = "class Migration(migrations.Migration):\n"


class MigrationWriter(DjangoMigrationWriter):
    """Django's writer, also for migrations that are not atomic."""

    migration: Any

    def as_string(self) -> str:
        """Return the text of the file."""
        text: str = super().as_string()
        if self.migration.atomic:
            return text
        return text.replace(_CLASS, f"{_CLASS}    atomic = False\n", 1)
