"""What the catalogue knows of the state of its parts, for the front door's status page."""

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Sum
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from eventsourcing_django.health_file import HealthFileError, read_health
from portal.catalogue.datasets.curation import Curation
from portal.catalogue.datasets.follower_files import health_file, release_file
from portal.catalogue.datasets.models import SearchEntry, private_files
from portal.catalogue.datasets.pages import curation
from portal.catalogue.datasets.search_feed import SearchFeed
from portal.web.pages import counted

_log = logging.getLogger(__name__)


class PartDownError(RuntimeError):
    """A part does not work; the text says so in words that anybody may read."""


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """`{part: {works, detail}}` for the catalogue, its database, its files and its follower."""
    parts = {"catalogue": _catalogue, "database": _database, "files": _files, "follower": _follower}
    return JsonResponse({name: _asked(ask) for name, ask in parts.items()})


@require_safe
def facts(request: HttpRequest) -> JsonResponse:
    """Figures for the front page: open data sets, their rows, and the newest of them."""
    entries = SearchEntry.objects.filter(state="approved")
    newest = entries.order_by("-registered_at").values("dataset_id", "title", "summary").first()
    totals = entries.aggregate(datasets=Count("dataset_id"), rows=Sum("row_count", default=0))
    return JsonResponse(totals | {"newest": newest})


def _asked(ask: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"works": True, "detail": ask()}
    except PartDownError as error:
        return {"works": False, "detail": str(error)}
    except Exception:  # noqa: BLE001 - whatever went wrong, the page shows that the part is down
        # Its text may name addresses and users: it is for the log.
        _log.exception("a part of the catalogue does not work")
        return {"works": False, "detail": "does not answer as it should"}


def _catalogue() -> str:
    return f"release {settings.CATALOGUE_RELEASE}"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (version,) = cursor.fetchone()
    return f"PostgreSQL {version.split()[0]}, {counted(curation().recorder.max_notification_id() or 0, 'event')}"


def _files() -> str:
    storage = private_files()
    if not storage.client.bucket_exists(storage.bucket):
        raise PartDownError("the bucket of data files is missing")
    return f"bucket {storage.bucket}"


def _follower() -> str:
    try:
        health = read_health(health_file())
        release = release_file().read_text(encoding="ascii")
    except (HealthFileError, FileNotFoundError) as error:
        raise PartDownError("it has not started yet") from error
    if health.problem() or health.failing():
        raise PartDownError("does not follow just now")
    position = health.followers[SearchFeed.name].positions.get(Curation.name, 0)
    last = curation().recorder.max_notification_id() or 0
    return f"process {health.pid}, release {release}, read {position:,} of {counted(last, 'event')}"
