"""How far each follower is behind its leader."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from eventsourcing_django.admin.applications import (
    applications_by_name,
    database_of,
    databases,
    followed_applications,
)
from eventsourcing_django.admin.index_scans import followed_pairs, waiting_events
from eventsourcing_django.models import StoredEventRecord, TextStoredEventRecord

if TYPE_CHECKING:
    from eventsourcing_django.admin.records import NotificationTrackingRecordAdmin

__all__ = ["MOST_COUNTED", "Follower", "followers_of", "followers_view"]

MOST_COUNTED = 10_000  # waiting events: counting more takes longer than the answer is worth


@dataclass(frozen=True)
class Follower:
    """A follower's position in the sequence of a leader; `position` is None before the first event."""

    name: str
    leader: str
    position: int | None
    newest: int | None
    waiting: int

    @property
    def lag(self) -> str:
        """How many events wait to be processed."""
        return f"more than {MOST_COUNTED:,}" if self.waiting > MOST_COUNTED else f"{self.waiting:,}"


def followers_view(
    model_admin: "NotificationTrackingRecordAdmin", request: HttpRequest, extra_context: dict[str, Any]
) -> HttpResponse:
    """Show all followers of a database, those furthest behind first."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    alias = database_of(request, model_admin.model)
    known = databases(model_admin.model)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": "Followers and how far they are behind",
        "followers": sorted(followers_of(alias), key=lambda each: (-each.waiting, each.name, each.leader)),
        "databases": known if len(known) > 1 else [],
        "database": alias,
        "problems": applications_by_name()[1],
        **extra_context,
    }
    return TemplateResponse(request, "eventsourcing_django/admin/followers.html", context)


def followers_of(alias: str) -> list[Follower]:
    """Give the followers whose positions are kept in a database, and those of systems that have not begun."""
    pairs: dict[tuple[str, str], int | None] = {(name, leader): at for name, leader, at in followed_pairs(alias)}
    using = {name: getattr(each.recorder, "using", None) for name, each in applications_by_name()[0].items()}
    for name, leader in followed_applications():
        if using.get(name, alias) == alias:
            pairs.setdefault((name, leader), None)
    found: dict[tuple[str, str], Follower] = {}
    for model in (StoredEventRecord, TextStoredEventRecord):
        for leaders_alias in sorted({using.get(leader) or alias for _, leader in pairs}):
            asked = {pair: at for pair, at in pairs.items() if (using.get(pair[1]) or alias) == leaders_alias}
            for follower in _counted(model, leaders_alias, asked):
                if follower.newest is not None or (follower.name, follower.leader) not in found:
                    found[follower.name, follower.leader] = follower
    return list(found.values())


def _counted(model: type[models.Model], alias: str, pairs: dict[tuple[str, str], int | None]) -> list[Follower]:
    positions = [(leader, position or 0) for (_, leader), position in pairs.items()]
    counted = waiting_events(model, alias, positions, MOST_COUNTED + 1)
    return [
        Follower(name, leader, position, newest, waiting)
        for ((name, leader), position), (newest, waiting) in zip(pairs.items(), counted, strict=True)
    ]
