"""Database routers of the tests."""


class PrimaryAndReplica:
    """Reads go to another database than writes."""

    def db_for_read(self, model, **hints):
        return "default"

    def db_for_write(self, model, **hints):
        return "file"
