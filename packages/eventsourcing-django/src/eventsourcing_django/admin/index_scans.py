"""Questions to large tables whose answers are read from their indexes, however many rows there are."""

from collections.abc import Sequence

from django.db import connections, models

from eventsourcing_django.event_table import quoted
from eventsourcing_django.models import NotificationTrackingRecord

__all__ = ["application_names", "followed_pairs", "newest_topics", "waiting_events"]


def application_names(model: type[models.Model], alias: str) -> list[str]:
    """Give the names of the applications that have rows.

    ``SELECT DISTINCT`` would read the whole table; this looks up one name after the other in an index.
    """
    connection = connections[alias]
    table = quoted(connection, model._meta.db_table)  # Django's documented name
    statement = (
        f"WITH RECURSIVE names (name) AS (SELECT MIN(application_name) FROM {table} UNION ALL"  # noqa: S608
        f" SELECT (SELECT MIN(application_name) FROM {table} WHERE application_name > names.name)"
        " FROM names WHERE names.name IS NOT NULL) SELECT name FROM names WHERE name IS NOT NULL"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [name for (name,) in cursor.fetchall()]


def followed_pairs(alias: str) -> list[tuple[str, str, int]]:
    """Give each follower, the application that it follows and its position there."""
    connection = connections[alias]
    table = quoted(connection, NotificationTrackingRecord._meta.db_table)
    leader = "upstream_application_name"
    statement = (
        f"WITH RECURSIVE followers (name) AS (SELECT MIN(application_name) FROM {table} UNION ALL"  # noqa: S608
        f" SELECT (SELECT MIN(application_name) FROM {table} WHERE application_name > followers.name)"
        " FROM followers WHERE followers.name IS NOT NULL),"
        f" pairs (follower, leader) AS (SELECT name, (SELECT MIN({leader}) FROM {table}"
        " WHERE application_name = name) FROM followers WHERE name IS NOT NULL UNION ALL"
        f" SELECT follower, (SELECT MIN({leader}) FROM {table} WHERE application_name = pairs.follower"
        f" AND {leader} > pairs.leader) FROM pairs WHERE pairs.leader IS NOT NULL)"
        f" SELECT follower, leader, (SELECT MAX(notification_id) FROM {table} WHERE application_name = follower"
        f" AND {leader} = pairs.leader) FROM pairs WHERE leader IS NOT NULL ORDER BY 1, 2"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [(follower, followed, position) for follower, followed, position in cursor.fetchall()]


def waiting_events(
    model: type[models.Model], alias: str, positions: Sequence[tuple[str, int]], most: int
) -> list[tuple[int | None, int]]:
    """Give, for each leader and position, the leader's last position and how many of its events come after.

    Args:
        model: the events' table.
        alias: the database.
        positions: pairs of a leader's name and a position.
        most: where counting stops.
    """
    if not positions:
        return []
    connection = connections[alias]
    table = quoted(connection, model._meta.db_table)
    one = (
        f"SELECT %s AS pair, (SELECT MAX(id) FROM {table} WHERE application_name = %s),"  # noqa: S608
        f" (SELECT COUNT(*) FROM (SELECT 1 FROM {table} WHERE application_name = %s AND id > %s"
        f" LIMIT {most:d}) AS waiting)"
    )
    parameters = [item for place, (name, after) in enumerate(positions) for item in (place, name, name, after)]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join([one] * len(positions)), parameters)
        return [(last, count) for _, last, count in sorted(cursor.fetchall())]


def newest_topics(rows: "models.QuerySet[models.Model]", number: int) -> tuple[list[str], int]:
    """Give the topics of the newest rows of a query, in order, and the position of the newest."""
    found = list(rows.order_by("-pk").values_list("pk", "topic")[:number])
    return sorted({topic for _, topic in found}), found[0][0] if found else 0
