"""Names that used to differ between Django versions; kept for code that imports them."""

from django.db.migrations.autodetector import OperationDependency

__all__ = ("OperationDependency", "field_db_default_supported")

field_db_default_supported = True
