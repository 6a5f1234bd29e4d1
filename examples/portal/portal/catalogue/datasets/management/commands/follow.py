"""`manage.py follow`: keep the search projection in step with the events, until told to stop."""

import logging
import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from portal.catalogue.datasets.health import HEARTBEAT
from portal.catalogue.datasets.search_feed import SearchFeed, fill_in_licences, get_runner
from portal.catalogue.datasets.wake_up import wake_ups
from portal.settings import catalogue_settings, release_in_service

_log = logging.getLogger(__name__)


class Command(BaseCommand):
    """Runs `sync_followers` whenever there are new events."""

    requires_system_checks: tuple[str, ...] = ()  # `check` and `migrate` run them; this starts with the portal
    help = "Feed the search projection from the curation's events, until stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--prepare`: see `prepare_catalogue`."""
        parser.add_argument("--prepare", action="store_true", help="run prepare_catalogue first, in this process")

    def handle(self, *args: Any, **options: Any) -> None:
        """Follow until the process is stopped or another release comes into service."""
        if options["prepare"]:
            call_command("prepare_catalogue")
        filled = fill_in_licences()
        if filled:
            _log.info("filled in the licence of %d entries from their events", filled)
        for _ in wake_ups(every=2.0):
            if _synchronised():
                _beat()
                (catalogue_settings().folder / "follower.ready").touch()
            _follow_release()


def _synchronised() -> bool:
    """Read the new events; after a failure, which is logged, the next wake-up tries again."""
    try:
        call_command("sync_followers", SearchFeed.name, verbosity=0)
    except CommandError:
        _log.exception("the search could not be brought up to date")
        return False
    return True


def _beat() -> None:
    """Leave a sign of life for the status page."""
    position = get_runner().get(SearchFeed).recorder.max_tracking_id("Curation")
    beat = {"pid": os.getpid(), "release": settings.CATALOGUE_RELEASE, "position": position}
    cache.set(HEARTBEAT, beat, timeout=30)


def _follow_release() -> None:
    """Start this program anew, in the same process, when another release is in service."""
    if (
        catalogue_settings().release == 0
        and release_in_service(catalogue_settings().folder) != settings.CATALOGUE_RELEASE
    ):
        _log.info("another release is in service; starting anew")
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very program, no shell
