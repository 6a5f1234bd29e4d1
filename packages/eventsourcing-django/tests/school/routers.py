"""Database routers of the tests."""


class PrimaryAndReplica:
    """Reads go to another database than writes."""

    def db_for_read(self, model, **hints):
        return "default"

    def db_for_write(self, model, **hints):
        return "file"


class EventsInDefault:
    """Tables of events are in the default database only."""

    def allow_migrate(self, db, app_label, **hints):
        return db == "default"
