"""The names under which writers and subscribers of PostgreSQL meet."""

from hashlib import blake2b

__all__ = ["Channel", "advisory_key"]


def advisory_key(*names: str) -> int:
    """Give the number of the advisory lock of something that has a name, the same in every process."""
    return int.from_bytes(_digest(*names), signed=True)


def _digest(*names: str) -> bytes:
    return blake2b(":".join(("eventsourcing_django", *names)).encode(), digest_size=8).digest()


class Channel:
    """What new events of an application in a table are announced on.

    A subscriber listens on `name`, then holds the advisory lock `key` in shared mode for as long as it listens. A
    writer that can take that lock for itself, without waiting, knows that nobody listens; since it keeps the lock
    until its transaction ends, whoever comes to listen meanwhile has it only when the events can be read.

    Attributes:
        name: of the PostgreSQL channel.
        key: of the advisory lock.
    """

    def __init__(self, table: str, application_name: str) -> None:
        self.name = f"eventsourcing_django_{_digest(table, application_name).hex()}"
        self.key = advisory_key("listeners", table, application_name)
