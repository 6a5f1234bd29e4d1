"""Apps whose models Django's admin wants to be there, and which the portal keeps out of its database."""

from typing import Any, Final

APPS: Final = ("admin", "auth")


class NoTables:
    """A database router: what Django does after a migration fills no tables of accounts and permissions."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """Not these apps; of the others nothing is said."""
        return False if app_label in APPS else None
