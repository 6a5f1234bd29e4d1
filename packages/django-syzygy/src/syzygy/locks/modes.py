"""The table locks of PostgreSQL."""

from enum import IntEnum

__all__ = ("LockMode",)


class LockMode(IntEnum):
    """Table lock modes, from the weakest to the strongest, named as `pg_locks` names them."""

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    @property
    def blocks(self) -> str:
        """What an application cannot do on the table meanwhile: nothing, writes, or reads and writes."""
        if self < LockMode.SHARE:
            return "nothing"
        return "reads and writes" if self is LockMode.ACCESS_EXCLUSIVE else "writes"

    @property
    def is_strong(self) -> bool:
        """Whether the queries of an application wait for it, and for a statement that waits for it."""
        return self >= LockMode.SHARE

    @property
    def sql(self) -> str:
        """The name in SQL, such as `ACCESS EXCLUSIVE`."""
        return self.name.replace("_", " ")

    @property
    def pg_locks_mode(self) -> str:
        """The name in the view `pg_locks`, such as `AccessExclusiveLock`."""
        return f"{self.name.title().replace('_', '')}Lock"
