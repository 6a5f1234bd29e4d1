"""A visitor as Django's admin and packages for Django look for one."""

from dataclasses import dataclass
from typing import Final

APP: Final = "eventsourcing_django"
RECORDS: Final = ("storedeventrecord", "snapshotrecord", "notificationtrackingrecord")
"""What the portal records: its aggregates have UUIDs, so the tables of those with other IDs stay empty."""

_MAY_BE_VIEWED: Final = frozenset(f"{APP}.view_{record}" for record in RECORDS)


@dataclass(frozen=True, slots=True)
class User:
    """A visitor; nobody, with an empty key. Made for each request from the front door's word, and stored nowhere."""

    pk: str
    is_curator: bool = False

    @property
    def is_authenticated(self) -> bool:
        """Whether the front door vouches for somebody."""
        return bool(self.pk)

    @property
    def is_active(self) -> bool:
        """The same: who was shut out is not vouched for."""
        return self.is_authenticated

    @property
    def is_staff(self) -> bool:
        """Whether the event browser opens."""
        return self.is_curator

    def has_perm(self, permission: str, obj: object = None) -> bool:
        """Whether this is the permission to view what has been recorded, and the visitor a curator."""
        return self.is_staff and permission in _MAY_BE_VIEWED

    def has_module_perms(self, app_label: str) -> bool:
        """Whether the visitor may view anything of an app."""
        return self.is_staff and app_label == APP
